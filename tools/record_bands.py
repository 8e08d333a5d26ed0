"""Make data/bands.csv, or go on with it after a stop: some ten minutes on two cores.

    python tools/record_bands.py [JOBS]

Forty settings of the design of chapter 7, other ones than it has, each over sixty other seeds: what
the predicted bands are judged by, fixed before the theory of the spread that they judge.
"""

import sys
import time
from functools import partial
from pathlib import Path

from record_grokking_times import described, run, wide, written

from lingrok import records
from lingrok.runs.sweep import sweep

RECORD = records.DATA / "bands.csv"
SEEDS = range(1000, 1060)
RTOL = 1e-5  # sixty seeds determine a median to a per cent, no more
KEPT = ("distance", "accuracy", "rho")  # times at all levels, and what theorem 4.6 bounds


def main(jobs: int = 2, record: Path = RECORD) -> None:
    store = record.parent / ".work" / record.stem / "runs.db"
    store.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    settings = wide(40, scramble=18)
    table = sweep(partial(run, rtol=RTOL), settings, SEEDS, store=store, jobs=jobs, progress=True)
    first = table.columns.get_loc("seed") + 1
    table = table[[*table.columns[:first], *(c for c in table if c.startswith(KEPT))]]
    records.enter(
        record, written(table), title="Grokking times that judge the predicted bands, a row a run",
        columns={name: described(name) for name in table},
        key=list(table.columns[:first]),
        recipe={
            "command": "python tools/record_bands.py",
            "seconds": round(time.perf_counter() - start, 1),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
