"""What the theory and a sweep cost: a mean field, and a thousand runs of ten million steps.

python benchmarks/theory.py
"""

import time
from collections.abc import Iterator

from descent import Row
from joblib import Parallel, delayed

from lingrok import fast_forward, mean_field, predicted_accuracy, sample_standard

SETTINGS = {
    "S(350,250)": {"n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 250},
    "S(350,50), gamma=1e-4": {
        "n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 50, "gamma": 1e-4,
    },
    "d=64, S(900,600)": {
        "n_pos": 3000, "n_neg": 3000, "sv_pos": 900, "sv_neg": 600, "gamma": 5e-3, "d": 64,
    },
    "d=256, four support vectors a dimension": {
        "n_pos": 1000, "n_neg": 1000, "sv_pos": 600, "sv_neg": 424, "gamma": 1e-2, "d": 256,
    },
}  # fmt: skip
_RUNS, _JOBS = 1000, 2


def one(seed: int) -> tuple[int, float]:
    """Sample and run; gradients that it took, and the largest error estimate."""
    run = fast_forward(sample_standard(1000, 1000, sv_pos=350, sv_neg=250, seed=seed), 1e7)
    return run.gradient_evaluations, float(run.error_estimate.max())


def rows(repeats: int = 5) -> Iterator[Row]:
    """All measurements."""
    for name, setting in SETTINGS.items():
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            predicted_accuracy(mean_field(steps=1e13, **setting))
            seconds.append(time.perf_counter() - start)
        yield Row(
            work=f"mean field to 1e13 steps and its accuracy, {name}",
            target="<= 0.1 s",
            measured=f"{min(seconds):.2f} s (slowest of {repeats}: {max(seconds):.2f})",
        )
    start = time.perf_counter()
    results = Parallel(n_jobs=_JOBS)(delayed(one)(seed) for seed in range(_RUNS))
    took = time.perf_counter() - start
    gradients = sum(count for count, _ in results) / _RUNS
    error = max(error for _, error in results)
    yield Row(
        work=f"{_RUNS} runs of 1e7 steps with sampling, d=2, n=2000, {_JOBS} processes",
        target="<= 6 s",
        measured=f"{took:.1f} s; {gradients:.0f} gradients a run, estimates up to {error:.0e}",
    )


if __name__ == "__main__":
    for row in rows():
        print("| {work} | {target} | {measured} |".format(**row), flush=True)
