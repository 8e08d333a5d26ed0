"""Make data/nets.csv, or go on with it after a stop.

    python tools/record_nets.py [JOBS]

Nets trained by full-batch descent on the paper's data: ReLU nets with biases in no, the first, the
last or all layers, then one change at a time; deep linear nets at the paper's margin. Chapter 13
makes some of it again and compares.
"""

import sys
from typing import Any

import numpy as np
from recording import PLANE, record, rounded

from lingrok import Dataset, crossing_time
from lingrok.nets import Net, train
from lingrok.runs.ensemble import Sampler
from lingrok.runs.recipes import Column

ALONG = np.linspace(-0.8, 0.8, 81)[:, None] * 5 * np.array([1.0, -1.0])  # places on the separator
NORMAL = np.array([1.0, 1.0]) / 2**0.5  # of the separator
CHECKPOINTS = np.unique(np.round(np.geomspace(1, 10**6.4, 33)).astype(np.int64))
RELU = {
    "widths": "64", "activation": "relu", "biases": "all", "start": 1.0, "l2": 0.0, "lr": 0.1,
    "steps": 100_000,
}  # fmt: skip
COLUMNS = {
    "widths": Column("string", "of the hidden layers, from the first to the last"),
    "activation": Column("string", "of the hidden layers: relu or linear"),
    "biases": Column("string", "layers that have them: none, first, last or all"),
    "start": Column("number", "times He's deviations; length of the product, linear"),
    "l2": Column("number", "lambda of the penalty on all weights"),
    "lr": Column("number", "learning rate"),
    "training 0.01": Column("number", "step from which 0.99 of points not planted are right"),
    "end": Column("number", "concentrated accuracy at the end"),
    "standard": Column("number", "standard accuracy at the end"),
    "unplanted": Column("number", "accuracy at the end on training points not planted"),
    "zero set": Column("number", "its distance from the separator, in half margins, RMS"),
    "norm": Column("number", "length of w at the end; NaN with ReLU"),
    "b": Column("number", "bias at the end; NaN with ReLU"),
}


def sets(seed: int, **setting: Any) -> tuple[Dataset, ...]:
    """Draw the training set, a standard and a concentrated test, as `ensemble` does."""
    return tuple(Sampler(**setting, alpha=10.0, n_test=2000)(seed).values())


def crossings(net: Net, theta: np.ndarray, gamma: float) -> np.ndarray:
    """Where the zero set is, seen from the true separator; + is class +1's side.

    A place without a zero within one unit of it counts as one unit away.
    """
    away = np.unique(np.r_[0.0, np.geomspace(gamma / 100, 1, 200)])
    away = np.r_[-away[:0:-1], away]
    points = ALONG[:, None] + away[None, :, None] * NORMAL
    signs = net.scores(theta, points.reshape(-1, 2)).reshape(len(ALONG), -1) > 0
    # The crossing that is nearest to the separator
    crosses = signs[:, 1:] != signs[:, :-1]
    middle = (away[1:] + away[:-1]) / 2
    nearest = np.argmin(np.where(crosses, np.abs(middle), np.inf), axis=1)
    return np.where(crosses.any(axis=1), middle[nearest], 1.0)


def zero_set(net: Net, theta: np.ndarray, gamma: float) -> float:
    """Root mean square of the zero set's distance from the true separator, in half margins."""
    return float(np.sqrt(np.mean(crossings(net, theta, gamma) ** 2)) / (gamma / 2))


def run(  # noqa: PLR0917
    widths: str, activation: str, biases: str, start: float, l2: float, lr: float, steps: int,
    seed: int, **setting: Any,
) -> dict[str, float]:  # fmt: skip
    """Train, and measure, to digits that are there on any machine."""
    data, standard, shell = sets(seed, **setting)
    net = Net(setting["d"], tuple(map(int, widths.split())), activation, biases)
    sizes = {"balanced": start} if activation == "linear" else {"scale": start}
    fine = np.unique(np.round(np.geomspace(1, steps, 120)).astype(np.int64))
    at = np.union1d(fine, CHECKPOINTS[steps >= CHECKPOINTS])
    ran = train(data, net, steps, start=net.start(seed=seed, **sizes), lr=lr, l2=l2, checkpoints=at)
    right, free = ran.accuracy(shell), np.flatnonzero(~data.planted)
    unplanted = ran.accuracy(Dataset(data.X[free], data.y[free]))
    found = {
        "accuracy 0.05": crossing_time(at, 1 - right, 0.05),
        "accuracy 0.01": crossing_time(at, 1 - right, 0.01),
        "training 0.01": crossing_time(at, 1 - unplanted, 0.01),
        "end": right[-1], "standard": ran.accuracy(standard)[-1], "unplanted": unplanted[-1],
        "zero set": zero_set(net, ran.thetas[-1], setting["gamma"]),
    }  # fmt: skip
    if activation == "linear":
        plane = ran.trajectory()
        found |= {
            "distance 0": crossing_time(at, plane.distance, setting["gamma"] / 2),
            "norm": plane.norm[-1], "b": plane.b[-1],
        }  # fmt: skip
    else:
        found |= dict.fromkeys(("distance 0", "norm", "b"), np.nan)
    found |= {f"at {t}": right[at == t][0] if t <= steps else np.nan for t in CHECKPOINTS}
    return rounded(found, 6)


def settings() -> list[tuple[list[dict[str, Any]], range]]:
    """The grid of biases; one change at a time; decay; deep linear nets at the paper's margin.

    Of these, the smaller rates end before they are beyond stability.
    """
    grid = [RELU | {"biases": biases} | PLANE for biases in ("none", "first", "last", "all")]
    changes = ({"widths": "16"}, {"widths": "256"}, {"widths": "32 32"}, {"start": 0.1})
    changed = [RELU | change | PLANE for change in changes]
    decayed = [RELU | {"l2": l2} | PLANE for l2 in (1e-5, 1e-4, 1e-3)]
    stable, beyond = (
        [
            {"widths": widths, "activation": "linear", "biases": "last", "start": 0.1, "l2": 0.0,
             "lr": lr, "steps": steps} | PLANE
            for widths, lr, steps in some
        ]
        for some in (
            [("1", 5e-3, 2_600_000), ("1 1", 7e-4, 2_700_000), ("1 1 1", 3e-4, 2_330_000)],
            [("1", 1e-2, 3_000_000), ("1 1", 1e-2, 400_000)],
        )
    )  # fmt: skip
    return [
        (grid, range(4)),
        (changed, range(2)),
        (decayed, range(3)),
        (stable, range(4)),
        (beyond, range(2)),
    ]


def main(jobs: int = 2) -> None:
    title = "Nets on the paper's data, a row a run"
    record("record_nets.py", "nets", title, run, settings(), jobs=jobs, own=COLUMNS.get)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
