"""Make data/outside-the-design.csv, or go on with it after a stop.

    python tools/record_outside.py [JOBS]

Runs of settings that the design of chapter 7 leaves out, each over 24 seeds: where a theory that
fits the design might fail. Chapter 7 makes some of them again and compares.
"""

import sys
from typing import Any

from record_grokking_times import run, setting
from recording import record

from lingrok.runs.recipes import Column

SEEDS = range(24)
BIAS = Column("integer", "1: a bias is learned, 0: it is not")


def settings() -> list[dict[str, Any]]:
    """Name the settings, each with its way out of the design."""
    planted = {"sv_pos": 350, "sv_neg": 250}
    wide = planted | {"gamma": 1e-2}
    named = {
        "classes 10:1": setting("", n_pos=2000, n_neg=200, sv_pos=350, sv_neg=90),
        "classes 20:1": setting("", n_pos=2000, n_neg=100, sv_pos=300, sv_neg=60),
        "classes 20:1, d = 16": setting(
            "", n_pos=2000, n_neg=100, sv_pos=300, sv_neg=60, d=16, gamma=1e-2
        ),
        "90 % planted": setting("", sv_pos=1000, sv_neg=800),
        "60 points": setting("", n_pos=30, n_neg=30, sv_pos=20, sv_neg=10),
        "rate 0.15": setting("", **planted, lr=0.15),
        "rate 0.4": setting("", **planted, lr=0.4),
        "no bias": setting("", **planted) | {"bias": False},
        "no bias, d = 16": setting("", **wide, d=16) | {"bias": False},
        "equal planting": setting("", sv_pos=350, sv_neg=350) | {"steps": 10**10},
        "nearly equal": setting("", sv_pos=350, sv_neg=340),
        "d = 16": setting("", **wide, d=16),
        "d = 64": setting("", **wide, d=64),
        "d = 256": setting(
            "", n_pos=3000, n_neg=3000, sv_pos=1600, sv_neg=960, d=256, gamma=1e-2
        ),
        "d = 256, four a dimension": setting(
            "", n_pos=1500, n_neg=1500, sv_pos=640, sv_neg=384, d=256, gamma=1e-2
        ),
    }  # fmt: skip
    return [{"bias": True} | one | {"family": name} for name, one in named.items()]


def main(jobs: int = 2) -> None:
    record(
        "record_outside.py", "outside-the-design",
        "Grokking times outside of the design, a row a run", run, [(settings(), SEEDS)], jobs=jobs,
        own={"bias": BIAS}.get, finish=lambda table: table.astype({"bias": int}),
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
