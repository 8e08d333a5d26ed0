"""Make data/noise.csv and data/separable.csv, or go on after a stop.

    python tools/record_noise.py [JOBS [noise | separable]]

Wrong labels: where descent ends, over settings, numbers of them and seeds; and in which dimension
points with wrong labels are separated again. Chapter 12 makes some of it again and compares.
"""

import sys
from typing import Any

import numpy as np
from recording import beside, record, rounded
from scipy.stats import qmc

from lingrok import (
    Dataset,
    flip_labels,
    max_margin,
    minimiser,
    noise_law,
    sample_concentrated,
    sample_standard,
    separability_threshold,
    separation,
)
from lingrok.runs.recipes import Column

PAPERS = {"n": 2000, "d": 2, "gamma": 1e-3, "sv_pos": 350, "sv_neg": 250}
UNPLANTED = PAPERS | {"sv_pos": 0, "sv_neg": 0}
LEVEL = 0.75  # accuracy at which the number of wrong labels counts as critical
SHARES = (0.001, 0.01, 0.1, 0.5)  # of labels that are wrong, to be separated
COLUMNS = {
    "n": Column("integer", "points, half of them in either class"),
    "flips": Column("integer", "wrong labels, of points that were not planted"),
    "norm": Column("number", "length of w at the minimum"),
    "b": Column("number", "bias at the minimum"),
    "accuracy": Column("number", "concentrated accuracy at the minimum, 2,000 points"),
    "theory norm": Column("number", "median length of w, foreseen"),
    "theory accuracy": Column("number", "median concentrated accuracy, foreseen"),
    "share": Column("number", "of 2,000 labels that were flipped"),
    "separable": Column("integer", "1 if a hyperplane separates the classes, else 0"),
    "slack": Column("number", "margin of the certificate, or lack of balance, over the size"),
}


def draw(flips: int, seed: int, n: int, **setting: Any) -> tuple[Dataset, Dataset]:
    """Draw a training set with wrong labels, and a concentrated test."""
    train, wrong, test = np.random.default_rng(seed).spawn(3)
    clean = sample_standard(n // 2, n - n // 2, **setting, seed=train)
    cube = {"d": setting["d"], "gamma": setting["gamma"]}
    return flip_labels(clean, flips, seed=wrong), sample_concentrated(1000, 1000, **cube, seed=test)


def minimum(flips: int, seed: int, **setting: Any) -> dict[str, float]:
    """Measure the minimum, to digits that are there on any machine."""
    data, shell = draw(flips, seed, **setting)
    # A wrong point at the margin may leave the classes separable: then w has no end
    apart = separation(data).separable
    one = max_margin(data, augmented=True) if apart else minimiser(data)
    right = shell.y * (shell.X @ one.w + one.b) > 0
    norm = np.inf if apart else np.linalg.norm(one.w)
    found = {"norm": norm, "b": np.nan if apart else one.b, "accuracy": right.mean()}
    return rounded(found, 5)


def foreseen(n: int, flips: int, draws: int = 1024, **setting: Any) -> dict[str, float]:
    """Medians of the theory's minima."""
    law = noise_law(n // 2, n - n // 2, flips, **setting, draws=draws)
    found = {"theory norm": np.median(law.norm), "theory accuracy": np.median(law.accuracy())}
    return rounded(found, 5)


def critical(setting: dict[str, Any]) -> int:
    """Number of wrong labels at which the theory's median accuracy falls below the level."""
    low, high = 0, 1
    while high < setting["n"] // 8 and foreseen(**setting, flips=high, draws=256)[
        "theory accuracy"
    ] > LEVEL:  # fmt: skip
        low, high = high, 2 * high
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        right = foreseen(**setting, flips=middle, draws=256)["theory accuracy"] > LEVEL
        low, high = (middle, high) if right else (low, middle)
    return high


def wide(count: int = 40) -> list[dict[str, Any]]:
    """Spread settings evenly over what the paper's data may be."""
    result = []
    for i, point in enumerate(qmc.Halton(4, rng=np.random.default_rng(12)).random(count)):
        n, ratio = round(2000 * 10 ** point[0]), 1.2 * 2.5 ** point[1]
        planted = round((0.1 + 0.4 * point[2]) * n) * (i % 5 > 0)  # nothing in one of five
        many = round(planted * ratio / (1 + ratio))
        gamma, d = float(f"{10 ** (-3 + 1.3 * point[3]):.2g}"), (2, 2, 4, 8, 16)[i // 5 % 5]
        setting = {"n": n, "d": d, "gamma": gamma, "sv_pos": many, "sv_neg": planted - many}
        result += around(setting)
    return result


def large() -> list[dict[str, Any]]:
    """Ten times as many points as the largest of them."""
    planted = {"sv_pos": 35_000, "sv_neg": 25_000}
    chosen = [
        {"n": 200_000, "d": d, "gamma": gamma} | some
        for d, gamma, some in (
            (2, 1e-3, planted), (2, 3e-3, planted), (4, 3e-3, planted), (8, 1e-2, planted),
            (16, 1e-2, planted), (2, 1e-3, {"sv_pos": 0, "sv_neg": 0}),
        )
    ]  # fmt: skip
    return [one for setting in chosen for one in around(setting)]


def around(setting: dict[str, Any]) -> list[dict[str, Any]]:
    """Settings with numbers of wrong labels around the critical one."""
    counts = critical(setting) * 2.0 ** np.arange(-2, 2.5)
    counts = np.unique(np.clip(counts, 1, setting["n"] // 4).astype(int))
    return [setting | {"flips": k} for k in counts.tolist()]


def parted(share: float, d: int, seed: int) -> dict[str, float]:
    """Decide whether 2,000 points with such a share of wrong labels are separable."""
    points, wrong = np.random.default_rng(seed).spawn(2)
    data = sample_standard(1000, 1000, d=d, gamma=1e-3, seed=points)
    found = separation(flip_labels(data, round(share * data.n), seed=wrong))
    return {"separable": int(found.separable), "slack": float(f"{found.slack:.2g}")}


def dimensions() -> list[dict[str, Any]]:
    """Dimensions around the threshold of 1804.09753."""
    factors = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)
    around = {share: 2000 * separability_threshold(share) for share in SHARES}
    return [{"share": s, "d": round(d * f)} for s, d in around.items() for f in factors]


def main(jobs: str = "2", only: str = "") -> None:
    count, command = int(jobs), "record_noise.py"
    one = [setting | {"flips": 1} for setting in (PAPERS, UNPLANTED)]
    if only in {"", "noise"}:
        record(
            command, "noise", "Minima with wrong labels, a row a seed", minimum,
            [(one, range(1000)), (wide() + large(), range(32))], jobs=count, own=COLUMNS.get,
            finish=lambda table: beside(table, foreseen, jobs=count),
        )  # fmt: skip
    if only in {"", "separable"}:
        title = "Whether points with wrong labels are separable, a row a seed"
        parts = [(dimensions(), range(16))]
        record(command, "separable", title, parted, parts, jobs=count, own=COLUMNS.get)


if __name__ == "__main__":
    main(*sys.argv[1:])
