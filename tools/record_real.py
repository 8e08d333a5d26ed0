"""Make data/real.csv, or go on with it after a stop.

    python tools/record_real.py [JOBS]

Descent to 1e12 steps on scikit-learn's bundled sets, over splits into training and test points: the
runs behind chapter 12 that are too many for a page. Chapter 12 makes some of them again and
compares.
"""

import sys
from itertools import combinations

import numpy as np
from recording import record, rounded

from lingrok import (
    Dataset,
    accuracy,
    fast_forward,
    grokking_time,
    lag,
    max_margin,
    minimiser,
    real,
    residual_limit,
    separation,
)
from lingrok.runs.recipes import Column

STEPS = 10**12
DECADES = [10**k for k in range(13)]
MAIN = ("breast_cancer", "digits 1", "digits 3", "iris 0", "wine 0", "wine 1", "wine 2")
MIXED = ("digits 8", "digits 9")
PAIRS = tuple(f"digits {a} {b}" for a, b in combinations(range(10), 2))


def data(name: str) -> Dataset:
    """Load a set by its name: digits a are against the rest, digits a b against each other."""
    kind, *which = name.split()
    load = getattr(real, kind)
    return load(*map(int, which))  # type: ignore[no-any-return]


def tests(everything: Dataset, held: Dataset, seed: int) -> dict[str, Dataset]:
    """Make the held-out tests; without a margin, there is no shell to move points into."""
    if not separation(everything).separable:
        return {"test": held, "nearest": real.nearest(held, minimiser(everything, l2=1e-6))}
    plane = max_margin(everything)
    return {
        "test": held, "nearest": real.nearest(held, plane),
        "moved": real.into_shell(held, plane, seed=seed),
    }  # fmt: skip


def run(name: str, seed: int) -> dict[str, float]:
    """Descend, and measure, to digits that are there on any machine."""
    everything = data(name)
    train, held = real.split(everything, seed=seed)
    steps = np.unique(np.append(np.round(np.geomspace(1, STEPS, 240)), DECADES)).astype(np.int64)
    path = fast_forward(train, STEPS, checkpoints=steps, rtol=1e-4)
    fitted = accuracy(path, train)
    apart = separation(train).separable
    limit = residual_limit(train) if apart else None
    last = int(np.flatnonzero(np.append(True, fitted < 1))[-1])  # checkpoint after the last error
    found = {
        "points": train.n, "half margin": limit.svm.margin / 2 if limit else np.nan,
        "support": len(limit.svm.support) if limit else np.nan,
        "positive": np.sum(train.y[limit.svm.support] > 0) if limit else np.nan,
        "fitted from": steps[last] if last < len(steps) else np.inf,
        "clock": limit.clock.max() if limit else np.nan,
        "offset": path.b[-1] / path.norm[-1],
        "limit": limit.svm.b / np.linalg.norm(limit.svm.w) if limit else np.nan,
    }  # fmt: skip
    curves = {"train": fitted}
    for place in ("test", "nearest", "moved"):
        given = tests(everything, held, seed).get(place)
        curves[place] = accuracy(path, given) if given else np.full(len(steps), np.nan)
        best = curves[place].argmax()
        found |= {f"{place} best": curves[place][best], f"{place} best from": steps[best]}
        readings = {"strict": (0.0, "supremum"), "kept": (0.05, "kept")}
        for reading, (eps, reference) in readings.items():
            found[f"{place} {reading}"] = np.nan
            if given:
                times = grokking_time(steps, fitted, curves[place], eps=eps, reference=reference)
                found[f"{place} {reading}"] = times.zeta
        found[f"{place} lag"] = lag(steps, fitted, curves[place])[-1] if given else np.nan
    at = np.searchsorted(steps, DECADES)
    for place, curve in curves.items():
        found |= {f"{place} {k}": curve[i] for k, i in enumerate(at)}
    return rounded(found, 5)


def column(name: str) -> Column | None:
    """Say what a column holds."""
    own = {
        "name": Column("string", "set, as in tools/record_real.py"),
        "points": Column("integer", "training points"),
        "half margin": Column("number", "of the training points' maximum margin, with a free bias"),
        "support": Column("number", "support vectors of the augmented maximum margin"),
        "positive": Column("number", "those of class +1"),
        "fitted from": Column("number", "step from which on all training points are right"),
        "clock": Column("number", "step that the slowest support vector's clock says"),
        "offset": Column("number", "b over the length of w at the end"),
        "limit": Column("number", "its limit, from the augmented maximum margin"),
    }
    if name in own or name == "seed":
        return own.get(name)
    place, *what = name.split()
    of = {
        "train": "training points", "test": "held-out points",
        "nearest": "the tenth of them nearest to the plane",
        "moved": "held-out points moved into the shell",
    }[place]  # fmt: skip
    words = " ".join(what)
    said = {
        "best": "best accuracy", "best from": "first step of the best accuracy",
        "strict": "T_te / T_tr of definition 3.4, eps 0", "kept": "the same, kept, eps 0.05 of 1",
        "lag": "decades behind training",
    }.get(words, f"accuracy at 1e{words}")  # fmt: skip
    return Column("number", f"{said}; {of}")


def main(jobs: int = 2) -> None:
    parts = [
        ([{"name": name} for name in names], seeds)
        for names, seeds in (((*MAIN, *MIXED), range(24)), (PAIRS, range(6)))
    ]
    title = "Descent on real data, a row a split"
    record("record_real.py", "real", title, run, parts, jobs=jobs, own=column)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
