"""Make data/optimisers.csv, or go on with it after a stop.

    python tools/record_optimisers.py [JOBS]

Update rules walked step by step, over seeds and orientations of the separator: the runs behind
chapter 11 that are too long for a page. Chapter 11 makes some of them again and compares.
"""

import sys
from typing import Any

import numpy as np
from recording import PLANE, record, rounded

from lingrok import (
    Dataset,
    accuracy,
    crossing_time,
    gradient_descent,
    rotated,
    rules,
    sample_concentrated,
    sample_standard,
)
from lingrok.runs.recipes import Column

RULES: dict[str, rules.Rule] = {
    "Nesterov": rules.Nesterov(1e-2),
    "normalised": rules.NormalisedGradient(1e-2),
    "sign": rules.SignDescent(1e-3),
    "RMSprop": rules.RMSprop(1e-3),
    "Adam": rules.Adam(1e-2),
    "Adam, rate 0.003": rules.Adam(3e-3),
    "Adam, rate 0.03": rules.Adam(3e-2),
    "AdamW, decay 0.01": rules.Adam(1e-2, weight_decay=0.01),
    "AdamW, decay 0.001": rules.Adam(1e-2, weight_decay=0.001),
}
SHORT = ("Nesterov", "RMSprop", "Adam", "Adam, rate 0.003", "Adam, rate 0.03")
DEEP = {"n_pos": 1500, "n_neg": 1500, "sv_pos": 200, "sv_neg": 500, "d": 16, "gamma": 1e-2}
DEEPER = {"n_pos": 2000, "n_neg": 2000, "sv_pos": 400, "sv_neg": 900, "d": 64, "gamma": 1e-2}
CHECKPOINTS = np.unique(np.round(np.geomspace(1, 1e7, 36)).astype(np.int64))
COLUMNS = {
    "rule": Column("string", "update rule, as in tools/record_optimisers.py"),
    "orientation": Column("string", "of the separator: diagonal, turned or tilted"),
    "norm": Column("number", "length of w at the end"),
    "b": Column("number", "bias at the end"),
    "end": Column("number", "concentrated accuracy at the end"),
}


def sets(seed: int, orientation: str, **setting: Any) -> tuple[Dataset, Dataset]:
    """Draw the training set and the concentrated test, as `ensemble` does, and turn them.

    "diagonal" is the paper's, "turned" goes with its cube, and "tilted" is 20 degrees off the
    diagonal in the first two coordinates of a cube that stays.
    """
    train, _, test = np.random.default_rng(seed).spawn(3)
    cube: dict[str, Any] = {"d": setting["d"], "gamma": setting["gamma"]}
    if orientation == "tilted":
        turn = np.radians(20)
        separator = np.full(cube["d"], cube["d"] ** -0.5)
        separator[:2] *= np.cos(turn) - np.sin(turn), np.cos(turn) + np.sin(turn)
        cube["separator"] = separator
    planted = {name: setting[name] for name in ("n_pos", "n_neg", "sv_pos", "sv_neg")}
    pair = (
        sample_standard(**planted, **cube, seed=train),
        sample_concentrated(1000, 1000, **cube, seed=test),
    )
    return (rotated(pair[0], seed=5), rotated(pair[1], seed=5)) if orientation == "turned" else pair


def run(rule: str, orientation: str, steps: int, seed: int, **setting: Any) -> dict[str, float]:
    """Walk, and measure on the concentrated test, to digits that are there on any machine."""
    train, test = sets(seed, orientation, **setting)
    fine = np.unique(np.round(np.geomspace(1, steps, 200)).astype(np.int64))
    at = np.union1d(fine, CHECKPOINTS[steps >= CHECKPOINTS])
    walk = gradient_descent(train, steps, rule=RULES[rule], checkpoints=at)
    right = accuracy(walk, test)
    found = {
        "distance 0": crossing_time(walk.steps, walk.distance, setting["gamma"] / 2),
        "accuracy 0.05": crossing_time(walk.steps, 1 - right, 0.05),
        "accuracy 0.01": crossing_time(walk.steps, 1 - right, 0.01),
        "norm": walk.norm[-1], "b": walk.b[-1], "end": right[-1],
    }  # fmt: skip
    found |= {f"at {t}": right[walk.steps == t][0] if t <= steps else np.nan for t in CHECKPOINTS}
    return rounded(found, 6)


def settings() -> list[tuple[list[dict[str, Any]], range]]:
    """All rules in the plane, decay on one orientation; those with a clock in 16, 64 dimensions.

    Last, a few to ten million steps.
    """
    plane = [
        {"rule": rule, "orientation": orientation, "steps": steps} | PLANE
        for rule in RULES
        for steps in [200_000 if rule in SHORT else 400_000]
        for orientation in ("diagonal", "turned", "tilted")
        if orientation == "diagonal" or "decay" not in rule
    ]
    deep, deeper = (
        [
            {"rule": rule, "orientation": orientation, "steps": 100_000} | cube
            for rule in ("Nesterov", "normalised", "RMSprop", "Adam")
            for orientation in ("diagonal", "turned")
            if cube is DEEP or orientation == "turned"
        ]
        for cube in (DEEP, DEEPER)
    )
    far = [
        {"rule": rule, "orientation": orientation, "steps": 10_000_000} | PLANE
        for rule in ("normalised", "sign", "RMSprop", "Adam")
        for orientation in ("diagonal", "turned", "tilted")
    ]
    return [(plane, range(24)), (deep, range(6)), (deeper, range(6)), (far, range(1))]


def main(jobs: int = 2) -> None:
    title = "Update rules over orientations, a row a run"
    record("record_optimisers.py", "optimisers", title, run, settings(), jobs=jobs, own=COLUMNS.get)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
