"""Make data/losses.csv, or go on with it after a stop: some ten minutes on two cores.

    python tools/record_losses.py [JOBS]

Six margin losses in three dimensions, 24 seeds each (six where kinks are many): the runs behind
chapter 9 that are too many to be made while the book is built. Chapter 9 makes some of them again
and compares.
"""

import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from record_grokking_times import described, run, setting, written

from lingrok import losses, records
from lingrok.runs.recipes import Column
from lingrok.runs.sweep import sweep

RECORD = records.DATA / "losses.csv"
SEEDS, FEW = range(24), range(6)
LOSSES = {
    "logistic": losses.LOGISTIC,
    "exponential": losses.EXPONENTIAL,
    "squared hinge": losses.SQUARED_HINGE,
    "hinge, rounded off": losses.huber(0.3),
    "tail of power 1": losses.polynomial(1),
    "tail of power 2": losses.polynomial(2),
}
PLACES = {
    "d = 2": setting("", sv_pos=350, sv_neg=250),
    "d = 16": setting("", n_pos=1500, n_neg=1500, sv_pos=200, sv_neg=500, d=16, gamma=1e-2),
    "d = 64": setting("", n_pos=4000, n_neg=2000, sv_pos=900, sv_neg=600, d=64, gamma=5e-3),
}


def run_loss(loss: str, **arguments: Any) -> dict[str, float]:
    """Measure one run; smooth losses are leapt over, others go from kink to kink."""
    return run(loss=LOSSES[loss], rtol=1e-4, **arguments)


def main(jobs: int = 2, record: Path = RECORD) -> None:
    store = record.parent / ".work" / record.stem / "runs.db"
    store.parent.mkdir(parents=True, exist_ok=True)
    start, parts = time.perf_counter(), []
    for loss in LOSSES:
        for name, place in PLACES.items():
            slow = loss == "hinge, rounded off" and name == "d = 64"
            settings, seeds = [{"loss": loss} | place | {"family": name}], FEW if slow else SEEDS
            parts.append(sweep(run_loss, settings, seeds, store=store, jobs=jobs, progress=True))
    columns = list(parts[0])
    loss = Column("string", "pointwise loss of the margin")
    records.enter(
        record, written(pd.concat(parts)), title="Six losses in three dimensions, a row a run",
        columns={name: loss if name == "loss" else described(name) for name in columns},
        key=columns[: columns.index("seed") + 1],
        recipe={
            "command": "python tools/record_losses.py",
            "seconds": round(time.perf_counter() - start, 1),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
