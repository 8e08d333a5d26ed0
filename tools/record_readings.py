"""Make data/readings.csv, or go on with it after a stop: some three minutes on two cores.

    python tools/record_readings.py [JOBS]

What four readings of a delay say of the same runs, 60 seeds of each regime, as if they had ended
at 1e7, 1e9 and 1e12 steps. Chapter 3 compares them, and makes some of the runs again.
"""

import sys
import time
from pathlib import Path
from typing import Any

from record_grokking_times import written

from lingrok import ensemble, records
from lingrok.runs.recipes import Column
from lingrok.runs.sweep import sweep

RECORD = records.DATA / "readings.csv"
SEEDS, ENDS = range(60), (1e7, 1e9, 1e12)
READINGS = {
    "strict": {"eps": 0.0},
    "thousandth": {"eps": 1e-3},
    "kept": {"eps": 0.05, "reference": "kept"},
}


def run(seed: int, **setting: Any) -> dict[str, float]:
    """Measure the delay of both tests by each reading, at each end, to four digits."""
    runs = ensemble([seed], 10**12, **setting)
    free = runs.unplanted()
    result = {}
    for test in ("standard", "concentrated"):
        lags = runs.lags(test, free)[0]
        for end in ENDS:
            for name, reading in READINGS.items():
                train = free if name == "kept" else None
                (zeta,) = runs.zetas(test, until=end, train=train, **reading)
                result[f"{test} {name} {end:.0e}"] = zeta
            result[f"{test} lag {end:.0e}"] = lags[runs.at(end)]
    return {name.replace("e+", "e"): float(f"{value:.4g}") for name, value in result.items()}


def described(name: str) -> Column:
    """Say what a column holds."""
    if " " not in name:
        what = {
            "d": "dimensions",
            "sv_pos": "points of class +1, of 1,000, planted on the margin",
            "sv_neg": "points of class -1, of 1,000, planted on the margin",
            "seed": "seed of the points",
        }
        return Column("integer", what[name])
    test, reading, end = name.split()
    what = {
        "strict": "T_te / T_tr of definition 3.4, eps 0",
        "thousandth": "T_te / T_tr of definition 3.4, eps 0.001",
        "kept": "the same, kept, eps 0.05 of 1, training points that were not planted",
        "lag": "decades by which the test is behind training points that were not planted",
    }[reading]
    return Column("number", f"{what}; {test} test, as if the run had ended at {end} steps")


def main(jobs: int = 2, record: Path = RECORD) -> None:
    store = record.parent / ".work" / record.stem / "runs.db"
    store.parent.mkdir(parents=True, exist_ok=True)
    settings = [
        {"d": d, "sv_pos": sv_pos, "sv_neg": sv_neg}
        for d in (2, 64)
        for sv_pos, sv_neg in ((350, 250), (350, 350), (0, 0))
    ]
    start = time.perf_counter()
    table = sweep(run, settings, SEEDS, store=store, jobs=jobs, progress=True)
    columns = list(table)
    records.enter(
        record, written(table), title="Delays by four readings, 60 seeds of each regime",
        columns={name: described(name) for name in columns},
        key=columns[: columns.index("seed") + 1],
        recipe={
            "command": "python tools/record_readings.py",
            "seconds": round(time.perf_counter() - start, 1),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
