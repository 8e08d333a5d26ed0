"""Make data/bands.csv, or go on with it after a stop.

    python tools/record_bands.py [JOBS]

Forty settings of the design of chapter 7, other ones than it has, each over sixty other seeds: what
the predicted bands are judged by, fixed before the theory of the spread that they judge.
"""

import sys
from functools import partial

import pandas as pd
from record_grokking_times import run, wide
from recording import record

SEEDS = range(1000, 1060)
RTOL = 1e-5  # sixty seeds determine a median to a per cent, no more
KEPT = ("distance", "accuracy", "rho")  # times at all levels, and what theorem 4.6 bounds


def kept(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the setting, and what bands are predicted for."""
    first = table.columns.get_loc("seed") + 1
    return table[[*table.columns[:first], *(c for c in table if c.startswith(KEPT))]]


def main(jobs: int = 2) -> None:
    record(
        "record_bands.py", "bands", "Grokking times that judge the predicted bands, a row a run",
        partial(run, rtol=RTOL), [(wide(40, scramble=18), SEEDS)], jobs=jobs, finish=kept,
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
