"""Make data/losses.csv, or go on with it after a stop.

    python tools/record_losses.py [JOBS]

Six margin losses in three dimensions, 24 seeds each (six where kinks are many): the runs behind
chapter 9 that are too many to be made while the book is built. Chapter 9 makes some of them again
and compares.
"""

import sys
from typing import Any

from record_grokking_times import run, setting
from recording import record

from lingrok import losses
from lingrok.runs.recipes import Column

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


def main(jobs: int = 2) -> None:
    parts = [
        (
            [{"loss": loss} | place | {"family": name}],
            FEW if loss == "hinge, rounded off" and name == "d = 64" else SEEDS,
        )
        for loss in LOSSES
        for name, place in PLACES.items()
    ]
    own = {"loss": Column("string", "pointwise loss of the margin")}
    record(
        "record_losses.py", "losses", "Six losses in three dimensions, a row a run", run_loss,
        parts, jobs=jobs, own=own.get,
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
