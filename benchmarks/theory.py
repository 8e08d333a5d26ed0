"""What the theory and a sweep cost: a mean field, and a thousand runs of ten million steps.

python benchmarks/theory.py
"""

import time
from collections.abc import Iterator
from typing import Any

from joblib import Parallel, delayed

from lingrok import fast_forward, mean_field, predicted_accuracy, sample_standard

SETTINGS = (
    {"n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 250},
    {"n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 50, "gamma": 1e-4},
    {"n_pos": 3000, "n_neg": 3000, "sv_pos": 900, "sv_neg": 600, "gamma": 5e-3, "d": 64},
    {"n_pos": 1000, "n_neg": 1000, "sv_pos": 600, "sv_neg": 400, "gamma": 1e-2, "d": 256},
)


def one(seed: int) -> tuple[int, float]:
    """Sample and run; gradients that it took, and the largest error estimate."""
    data = sample_standard(1000, 1000, sv_pos=350, sv_neg=250, seed=seed)
    run = fast_forward(data, 1e7)
    return run.gradient_evaluations, float(run.error_estimate.max())


def measure(runs: int = 1000, jobs: int = 2, repeats: int = 5) -> Iterator[dict[str, Any]]:
    """Time both, a row each."""
    for setting in SETTINGS:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            predicted_accuracy(mean_field(steps=1e13, **setting))
            seconds.append(time.perf_counter() - start)
        label = ", ".join(f"{name}={value}" for name, value in setting.items())
        yield {
            "what": f"mean field and its accuracy, 1e13 steps, {label}",
            "target": 0.3, "seconds": min(seconds), "slowest": max(seconds),
        }  # fmt: skip
    start = time.perf_counter()
    results = Parallel(n_jobs=jobs)(delayed(one)(seed) for seed in range(runs))
    yield {
        "what": f"{runs} runs of 1e7 steps, sampling included, d=2, N=2000, {jobs} processes",
        "target": 30 * runs / 1000, "seconds": time.perf_counter() - start,
        "gradients a run": sum(gradients for gradients, _ in results) / runs,
        "largest error estimate": max(error for _, error in results),
    }  # fmt: skip


if __name__ == "__main__":
    for row in measure():
        what, *rest = row.items()
        print(what[1], *(f"{name}: {value:.3g}" for name, value in rest), sep="; ")
