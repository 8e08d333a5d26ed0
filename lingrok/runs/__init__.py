"""Many runs and long runs: ensembles, sweeps, recipes and their records."""
