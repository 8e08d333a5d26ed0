"""Make data/unplanted.csv, or go on after a stop.

    python tools/record_unplanted.py [JOBS]

Nothing planted: where descent ends and how it gets there, over settings and seeds, and quantiles of
the law that the theory draws. Chapter 7 makes some of it again and compares.
"""

import sys

import numpy as np
import pandas as pd
from recording import record, rounded

from lingrok import crossing_time, fast_forward, max_margin, sample_standard, unplanted_law
from lingrok.runs.recipes import Column
from lingrok.theory.predictions import plane_accuracy
from lingrok.theory.unplanted import swept

GAMMA, ALPHA, END = 1e-3, 10.0, 10**14
SETTINGS = [
    {"n_pos": n_pos, "n_neg": n_neg, "d": d}
    for n_pos, n_neg, d in (
        (100, 100, 2), (1000, 1000, 2), (10_000, 10_000, 2), (1500, 500, 2), (1000, 1000, 16),
    )
]  # fmt: skip
LEVELS, LOOKS = (0.6, 0.75, 0.9), (1e10, 1e12)
SEEDS, QUANTILES, DRAWS = range(500), 501, {2: 4096, 16: 2048}


def run(seed: int, n_pos: int, n_neg: int, d: int) -> dict[str, float]:
    """Measure one seed's path and its end, by geometry, to digits that are there anywhere."""
    data = sample_standard(n_pos, n_neg, d=d, gamma=GAMMA, seed=seed)
    end, path = max_margin(data, augmented=True), fast_forward(data, END, rtol=1e-5)
    w, b = np.vstack([path.w, end.w]), np.append(path.b, end.b)
    along = w @ data.w_true
    lateral = np.linalg.norm(w - np.outer(along, data.w_true), axis=1)
    *curve, last = plane_accuracy(along, lateral, b, d=d, gamma=GAMMA, alpha=ALPHA)
    found = {"accuracy": last, "offset": end.b * end.margin / 2, "half margin": end.margin / 2}
    angle = np.arctan2(lateral[-1:], along[-1:])
    found["swept"] = swept(
        np.array([found["half margin"]]), np.array([found["offset"]]), angle,
        n_pos=n_pos, n_neg=n_neg, gamma=GAMMA, d=d,
    )[0]  # fmt: skip
    for level in LEVELS:
        found[f"time {level:g}"] = crossing_time(path.steps, 1 - np.array(curve), 1 - level)
    for look in LOOKS:
        for name, values in (("norm", path.norm), ("b", path.b)):
            found[f"{name} at {look:.0e}"] = np.interp(np.log(look), np.log(path.steps), values)
    return rounded(found, 4)


def law(n_pos: int, n_neg: int, d: int) -> list[dict[str, float]]:
    """Give quantiles of each quantity by itself, as the theory draws it."""
    drawn = unplanted_law(n_pos, n_neg, d=d, gamma=GAMMA, draws=DRAWS[d], seed=1)
    found = {
        "accuracy": drawn.accuracy(ALPHA), "offset": drawn.offset,
        "half margin": drawn.half_margin,
        "swept": swept(
            drawn.half_margin, drawn.offset, drawn.angle, n_pos=n_pos, n_neg=n_neg, gamma=GAMMA,
            d=d,
        ),
    }  # fmt: skip
    times = drawn.time(LEVELS, ALPHA) if d == 2 else np.full((len(LEVELS), 1), np.nan)
    found |= {f"time {level:g}": values for level, values in zip(LEVELS, times, strict=True)}
    for look in LOOKS:
        norm, b = drawn.at(look) if d == 2 else ([np.nan], [np.nan])
        found |= {f"norm at {look:.0e}": norm, f"b at {look:.0e}": b}
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    quantiles = {
        # As in runs, infinite beyond their end
        name: np.quantile(
            np.where(np.asarray(values) > END, np.inf, values), shares, method="inverted_cdf"
        )
        for name, values in found.items()
    }
    return [rounded({name: q[i] for name, q in quantiles.items()}, 4) for i in range(QUANTILES)]


def column(name: str) -> Column | None:
    """Say what a column holds."""
    own = {
        "of": Column("string", "run: a seed's; law: quantiles of the theory's draws"),
        "seed": Column("integer", f"of the points; for the law, number of {QUANTILES} quantiles"),
        "accuracy": Column("number", "concentrated accuracy in the end, by integration"),
        "offset": Column("number", "b / ||w|| in the end"),
        "half margin": Column("number", "half of the maximum margin"),
        "swept": Column("number", "points to be expected where the hyperplane leaves none"),
    }
    for level in LEVELS:
        what = f"step from which on the concentrated accuracy is above {level}; INF beyond 1e14"
        own[f"time {level:g}"] = Column("number", what)
    for look in LOOKS:
        own[f"norm at {look:.0e}"] = Column("number", f"length of w at step {look:.0e}")
        own[f"b at {look:.0e}"] = Column("number", f"bias at step {look:.0e}")
    return own.get(name)


def with_law(runs: pd.DataFrame) -> pd.DataFrame:
    """Set the law's rows below those of runs."""
    rows = [
        one | {"seed": i, "of": "law"} | row for one in SETTINGS for i, row in enumerate(law(**one))
    ]
    table = pd.concat([runs.assign(of="run"), pd.DataFrame(rows)])
    key = ["n_pos", "n_neg", "d", "of", "seed"]
    return table[[*key, *(name for name in runs if name not in key)]]


def main(jobs: int = 2) -> None:
    record(
        "record_unplanted.py", "unplanted",
        "Runs with nothing planted, a row a seed, and their law", run,
        [(SETTINGS, SEEDS)], jobs=jobs, own=column, finish=with_law,
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
