"""Make data/nets-rates.csv, or go on with it after a stop.

    python tools/record_rates.py [JOBS]

Two-layer ReLU nets at three rates, and some of them to a million steps. Chapter 13 compares
them with the law of deep linear nets at the edge of stability, where these nets come as well.
"""

import sys
import time
from typing import Any

import numpy as np
from record_nets import ALONG, NORMAL, crossings, sets
from recording import PLANE, record, rounded

from lingrok.nets import Net, NetProblem, train
from lingrok.runs.recipes import Column

LATER = np.unique(np.round(np.geomspace(1e2, 1e6, 21)).astype(np.int64)) - 2  # and the step after
LONG = ("none", "first", "last", "all")  # layers with biases, in runs of a million steps


def slope(net: Net, theta: np.ndarray, gamma: float) -> float:
    """Score gained over a half margin across the true separator, median along it."""
    step = gamma / 4 * NORMAL
    return float(np.median(net.scores(theta, ALONG + step) - net.scores(theta, ALONG - step)))


def sharpest(problem: NetProblem, theta: np.ndarray) -> float:
    """Largest curvature of the loss, by differences of gradients too short to meet a kink."""
    out = 1e-9 * np.eye(theta.size)
    rows = [(problem.gradient(theta + one) - problem.gradient(theta - one)) / 2e-9 for one in out]
    hessian = np.array(rows)
    return float(np.linalg.eigvalsh((hessian + hessian.T) / 2)[-1])


def run(biases: str, lr: float, steps: int, seed: int, **setting: Any) -> dict[str, float]:
    """Train, and measure means over two steps, since a net may swing from one to the next.

    What is NaN lies beyond the run. The seconds are the processor's: they go to the manifest.
    """
    began = time.process_time()
    data, _, shell = sets(seed, **setting)
    net, gamma = Net(2, (64,), "relu", biases), setting["gamma"]
    first = LATER[steps > LATER]
    at = np.union1d(first, first + 1)
    ran = train(data, net, steps, start=net.start(seed=seed), lr=lr, checkpoints=at)
    right = ran.accuracy(shell)
    slopes = np.array([slope(net, theta, gamma) for theta in ran.thetas])
    found: dict[str, float] = {}
    for t in LATER:
        now = np.flatnonzero((at == t) | (at == t + 1))
        found[f"at {t}"] = right[now].mean() if len(now) else np.nan
        found[f"slope {t}"] = slopes[now].mean() if len(now) else np.nan
    places = [crossings(net, theta, gamma) / (gamma / 2) for theta in ran.thetas[-2:]]
    place = np.mean(places, axis=0)
    found |= {
        "stiffness": lr * sharpest(NetProblem(data, net), ran.thetas[-1]),
        "offset": place.mean(), "spread": place.std(),
        "seconds": time.process_time() - began,
    }  # fmt: skip
    return rounded(found, 6)


def settings() -> list[tuple[list[dict[str, Any]], range]]:
    """Three rates, with biases in no and in all layers; one rate of both ten times as long.

    The seeds of the first are not those over which the law was compared with nets at first.
    """
    rated = [
        {"biases": biases, "lr": lr, "steps": 100_000} | PLANE
        for biases in ("none", "all")
        for lr in (0.03, 0.1, 0.3)
    ]
    longer = [{"biases": biases, "lr": 0.1, "steps": 1_000_000} | PLANE for biases in LONG]
    return [(rated, range(10, 14)), (longer, range(1))]


def column(name: str) -> Column | None:
    """Say what a column holds."""
    own = {
        "biases": Column("string", "layers that have them: none, first, last or all"),
        "lr": Column("number", "learning rate"),
        "stiffness": Column("number", "rate times largest curvature at the end"),
        "offset": Column("number", "mean of the zero set's place across, in half margins"),
        "spread": Column("number", "standard deviation of that place along the separator"),
    }
    if name.startswith("slope "):
        return Column("number", f"score gained over a half margin, step {name[6:]} and the next")
    return own.get(name)


def main(jobs: int = 1) -> None:
    title = "ReLU nets at the edge of stability, a row a run"
    record("record_rates.py", "nets-rates", title, run, settings(), jobs=jobs, own=column)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
