"""The exact worst case: seconds and memory at the paper's dimension, and beside an LP solver.

python benchmarks/attack.py
"""

import tracemalloc
from collections.abc import Iterator
from functools import partial

import numpy as np
from descent import Row, seconds
from scipy.optimize import linprog

from lingrok import Dataset, Trajectory, adversarial_accuracy, sample_standard, worst_case

THREAT = {"epsilon": 1.0, "preserve_label": True}


def hyperplane(data: Dataset) -> tuple[np.ndarray, float]:
    """Tilted by 0.01, as late in training: the label stops the attack on most points."""
    lateral = np.random.default_rng(0).standard_normal(data.d) / np.sqrt(data.d)
    return data.w_true + 0.01 * lateral, 0.01


def large() -> Iterator[Row]:
    data = sample_standard(50_000, 50_000, d=1024, seed=0)
    w, b = hyperplane(data)
    for label, clip in (("", None), (", clipped", (-5.0, 5.0))):
        (took,) = seconds(partial(worst_case, w, b, data, clip=clip, **THREAT), times=2)
        work = f"label-preserving worst case, n=100,000, d=1024{label}"
        yield Row(work=work, target="<= 10 s", measured=f"{took:.1f} s")
    tracemalloc.start()
    worst_case(w, b, data, clip=clip, **THREAT)
    extra = tracemalloc.get_traced_memory()[1] - data.X.nbytes
    tracemalloc.stop()
    yield Row(work="its memory beside the result", target="", measured=f"{extra / 2**20:.0f} MB")
    k, exact = 100, np.zeros(100)
    run = Trajectory(np.arange(1, k + 1), np.tile(w, (k, 1)), exact + b, data.w_true, exact, 0)
    (took,) = seconds(partial(adversarial_accuracy, run, data, **THREAT), times=2)
    yield Row(work=f"its accuracy at {k} checkpoints", target="", measured=f"{took:.1f} s")


def beside_a_solver() -> Iterator[Row]:
    few, many = (sample_standard(n, n, d=64, seed=0) for n in (50, 10_000))
    w, b = hyperplane(few)

    def programmes() -> np.ndarray:
        """One HiGHS problem a point."""
        label = {"b_ub": [-few.gamma / 2], "method": "highs"}
        found = [
            linprog(y * w, A_ub=-y * few.w_true[None], bounds=np.c_[x - 1.0, x + 1.0], **label).fun
            for x, y in zip(few.X, few.y, strict=True)
        ]
        return found + few.y * b

    solver, ours = seconds(programmes, partial(worst_case, w, b, many, **THREAT), times=3)
    solver, ours = solver / few.n, ours / many.n
    error = np.abs(few.y * (worst_case(w, b, few, **THREAT) @ w + b) - programmes()).max()
    yield Row(work="margins, d=64: HiGHS - ours", target="<= 1e-9", measured=f"{error:.0e}")
    yield Row(
        work="worst case a point, d=64: HiGHS / ours",
        target=">= 100",
        measured=f"{solver / ours:.0f} ({1e6 * solver:.0f} us / {1e6 * ours:.1f} us)",
    )


def rows() -> Iterator[Row]:
    """All measurements."""
    yield from large()
    yield from beside_a_solver()


if __name__ == "__main__":
    for row in rows():
        print("| {work} | {target} | {measured} |".format(**row), flush=True)
