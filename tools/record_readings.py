"""Make data/readings.csv, or go on with it after a stop.

    python tools/record_readings.py [JOBS]

What four readings of a delay say of the same runs, 60 seeds of each regime, as if they had ended
at 1e7, 1e9 and 1e12 steps. Chapter 3 compares them, and makes some of the runs again.
"""

import sys
from typing import Any

from recording import record, rounded

from lingrok import ensemble
from lingrok.runs.recipes import Column

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
    return {name.replace("e+", "e"): value for name, value in rounded(result, 4).items()}


def column(name: str) -> Column:
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


def main(jobs: int = 2) -> None:
    settings = [
        {"d": d, "sv_pos": sv_pos, "sv_neg": sv_neg}
        for d in (2, 64)
        for sv_pos, sv_neg in ((350, 250), (350, 350), (0, 0))
    ]
    title = "Delays by four readings, 60 seeds of each regime"
    parts = [(settings, SEEDS)]
    record("record_readings.py", "readings", title, run, parts, jobs=jobs, own=column)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
