"""Make data/grokking-times.csv, or go on with it after a stop.

    python tools/record_grokking_times.py [JOBS]

The runs behind chapter 7 that are too many to be made while the book is built: a wide design over
all parameters, and lines and corners of it. Chapter 7 makes some of them again and compares.
"""

import sys
from typing import Any

import numpy as np
from recording import record, rounded
from scipy.stats import qmc

from lingrok import quadrature_time
from lingrok.runs.sweep import measured_times

DIMENSIONS = (2, 2, 3, 4, 8, 16, 32, 64, 128, 256)
ALPHAS = (2.0, 5.0, 10.0, 30.0)


def run(family: str, **arguments: Any) -> dict[str, float]:  # noqa: ARG001 - a label of the record
    """Measure, to digits that are there on any machine."""
    return rounded(measured_times(**arguments), 6)


def setting(family: str, **given: Any) -> dict[str, Any]:
    """Complete a setting, with a run that goes on for 100 times the grokking time or more."""
    base = {"n_pos": 1000, "n_neg": 1000, "d": 2, "gamma": 1e-3, "lr": 1e-2, "alpha": 10.0} | given
    expected = quadrature_time(
        0, n=base["n_pos"] + base["n_neg"], sv_pos=base["sv_pos"], sv_neg=base["sv_neg"],
        gamma=base["gamma"], lr=base["lr"],
    )  # fmt: skip
    steps = 10 ** int(np.ceil(np.log10(max(100 * expected, 1e6))))
    return {"family": family} | base | {"steps": steps}


def wide(count: int = 60, scramble: int = 5) -> list[dict[str, Any]]:
    """Spread settings evenly over all parameters; at least four support vectors a dimension."""
    result = []
    for i, point in enumerate(qmc.Halton(7, rng=np.random.default_rng(scramble)).random(count)):
        d = DIMENSIONS[i % len(DIMENSIONS)]
        n = round(1000 * (1 + (4 if d <= 64 else 2) * point[2]))
        planted = max(round((0.1 + 0.5 * point[3]) * n), 4 * d)
        n = max(n, round(planted / 0.6))
        ratio = 1.2 * 5 ** point[4]
        many = round(planted * ratio / (1 + ratio))
        few = planted - many
        larger = int(np.clip(round(n * (0.3 + 0.4 * point[5])), many, n - few))
        classes = {"n_pos": larger, "n_neg": n - larger, "sv_pos": many, "sv_neg": few}
        if i % 2:
            classes = {"n_pos": n - larger, "n_neg": larger, "sv_pos": few, "sv_neg": many}
        result.append(setting(
            "wide", **classes, d=d, gamma=float(f"{10 ** (-4 + 3 * point[0]):.2g}"),
            lr=float(f"{10 ** (-3 + 2 * point[1]):.2g}"), alpha=ALPHAS[int(4 * point[6])],
        ))  # fmt: skip
    return result


def lines() -> list[dict[str, Any]]:
    """One parameter at a time, where the support vectors dominate."""
    base = {"sv_pos": 350, "sv_neg": 250, "gamma": 1e-4}
    return [
        *(setting("gamma", **base | {"gamma": g}) for g in (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)),
        *(setting("lr", **base | {"lr": lr}) for lr in (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)),
        *(
            setting("planted", **base | {"sv_pos": 7 * k, "sv_neg": 5 * k})
            for k in (5, 10, 20, 40, 80)
        ),
    ]


def few() -> list[dict[str, Any]]:
    """Few support vectors in two dimensions."""
    return [setting("few", sv_pos=2 * k, sv_neg=k) for k in (3, 5, 10, 20, 50, 200)]


def crowded() -> list[dict[str, Any]]:
    """Few support vectors a dimension: from 10 to 2."""
    d, classes = 64, {"n_pos": 600, "n_neg": 600}
    return [
        setting("crowded", **classes, d=d, gamma=1e-2, sv_pos=round(0.6 * k), sv_neg=round(0.4 * k))
        for k in (10 * d, 6 * d, 4 * d, 3 * d, 5 * d // 2, 2 * d)
    ]


def main(jobs: int = 2) -> None:
    parts = [(wide(), range(20)), (lines(), range(20)), (few(), range(24)), (crowded(), range(12))]
    title = "Grokking times over all parameters, a row a run"
    record("record_grokking_times.py", "grokking-times", title, run, parts, jobs=jobs)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
