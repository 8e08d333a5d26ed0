"""Make data/edge.csv, or go on after a stop.

    python tools/record_edge.py [JOBS]

Few planted points a dimension: whether they are separable across w_true, where descent ends, and
when the concentrated test is solved. The theory stands beside it, once for each setting. Chapter 8
makes some of it again and compares.
"""

import sys
from typing import Any

import numpy as np
from recording import beside, record, rounded

from lingrok import (
    Dataset,
    accuracy,
    crossing_time,
    edge,
    fast_forward,
    max_margin,
    mean_field,
    predicted_grokking_time,
    sample_concentrated,
    sample_standard,
    separable_share,
    separation,
    widest_margin,
)
from lingrok.runs.recipes import Column

GAMMA, POINTS = 1e-2, 4  # points for each planted one
LEVELS = (0.05, 0.02)
RATIOS = (1.0, 1.25, 1.5, 1.75, 1.9, 2.0, 2.1, 2.25, 2.5, 3.0, 4.0)
TIMED = {16: (2.0, 2.1, 2.25, 2.5, 3.0, 4.0), 64: (2.0, 2.1, 2.25, 2.5, 3.0, 4.0),
         256: (2.1, 2.5, 3.0, 4.0), 512: (2.1, 2.5, 4.0)}  # fmt: skip
SOLVED = {16: 20, 64: 20, 256: 6, 512: 1}  # seeds whose maximum margin is found, which is slow
RUNS = {16: 20, 64: 20, 256: 20, 512: 20}
LONG = {16: 1e9, 64: 1e9, 256: 1e10, 512: 1e10}  # steps near the edge


def draw(d: int, sv_pos: int, sv_neg: int, seed: int) -> tuple[Dataset, Dataset]:
    """Draw a training set, with four points for each planted one, and a concentrated test."""
    train, test = np.random.default_rng(seed).spawn(2)
    half = POINTS * (sv_pos + sv_neg) // 2
    data = sample_standard(
        half, half, d=d, gamma=GAMMA, sv_pos=sv_pos, sv_neg=sv_neg, seed=train
    )  # fmt: skip
    return data, sample_concentrated(2000, 2000, d=d, gamma=GAMMA, seed=test)


def across(data: Dataset) -> Dataset:
    """Planted points, in coordinates across w_true."""
    basis = np.linalg.svd(data.w_true[None])[2][1:]
    return Dataset(data.X[data.planted] @ basis.T, data.y[data.planted])


def one(d: int, sv_pos: int, sv_neg: int, steps: int, seed: int) -> dict[str, float]:
    """Measure one sample: its end, and if there are steps its way there."""
    data, shell = draw(d, sv_pos, sv_neg, seed)
    apart = separation(across(data)).separable
    found = {"separable": float(apart), "margin": 1.0, "angle": 0.0, "accuracy": 1.0}
    if apart and seed >= SOLVED[d] * (d < 256 or sv_pos == sv_neg):
        found |= dict.fromkeys(("margin", "angle", "accuracy"), np.nan)
    elif apart:
        widest = max_margin(data, augmented=True)
        along = float(widest.w @ data.w_true)
        found |= {
            "margin": widest.margin / GAMMA,
            "angle": np.arctan2(np.linalg.norm(widest.w - along * data.w_true), along),
            "accuracy": np.mean(shell.y * (shell.X @ widest.w + widest.b) > 0),
        }
    found |= {f"time {eps:g}": np.nan for eps in LEVELS}
    if steps:
        at = np.unique(np.geomspace(1, steps, 241).astype(np.int64))
        run = fast_forward(data, steps, rtol=1e-4, checkpoints=at)
        right = accuracy(run, shell)
        found |= {f"time {eps:g}": crossing_time(at, 1 - right, eps) for eps in LEVELS}
    return rounded(found, 4)


def foreseen(d: int, sv_pos: int, sv_neg: int, steps: int) -> dict[str, float]:
    """Foresee a setting."""
    half, planted = POINTS * (sv_pos + sv_neg) // 2, {"sv_pos": sv_pos, "sv_neg": sv_neg}
    end = widest_margin(half, half, d=d, gamma=GAMMA, **planted)
    found = {
        "theory separable": separable_share(sv_pos, sv_neg, d),
        "theory margin": end.margin / GAMMA, "theory angle": end.angle,
        "theory accuracy": end.accuracy, **{f"theory {eps:g}": np.nan for eps in LEVELS},
    }  # fmt: skip
    if steps and (sv_pos + sv_neg) / (d - 1) > edge(sv_pos / (sv_pos + sv_neg)):
        at = np.unique(np.geomspace(1, 1e10, 361).astype(np.int64))
        near = (sv_pos + sv_neg) / (d - 1) < 2.4  # margins get wider than 3
        field = mean_field(
            half, half, int(at[-1]), d=d, gamma=GAMMA, checkpoints=at, widest=12 if near else 3,
            **planted,
        )  # fmt: skip
        found |= {
            f"theory {eps:g}": predicted_grokking_time(field, eps=eps).median for eps in LEVELS
        }
    return rounded(found, 4)


def setting(d: int, ratio: float, share: float, steps: float = 0) -> dict[str, Any]:
    """Plant so many points a dimension across, a share of them of class +1."""
    many = 2 * round(ratio * (d - 1) / 2)
    of_first = round(share * many)
    return {"d": d, "sv_pos": of_first, "sv_neg": many - of_first, "steps": int(steps)}


def parts() -> list[tuple[list[dict[str, Any]], range]]:
    """Settings and their seeds: 20 of each, and some of them run."""
    ends = [setting(d, r, 0.5) for d in TIMED for r in RATIOS if d < 512 or r < 2.6 or r == 4]
    uneven = [
        setting(d, f * edge(7 / 8), 7 / 8)
        for d in (64, 256) for f in (0.6, 0.8, 0.9, 0.95, 1.0, 1.05, 1.15)
    ]  # fmt: skip
    runs = [
        ([setting(d, r, 0.5, LONG[d] if r < 2.4 else 3e8) for r in ratios], range(RUNS[d]))
        for d, ratios in TIMED.items()
    ]  # fmt: skip
    return [(ends + uneven, range(20)), *runs]


def column(name: str) -> Column | None:
    """Say what a column holds."""
    what, _, eps = name.partition(" ")
    theory = "; foreseen" if what == "theory" else ""
    own = {
        "separable": "whether planted points are separable across w_true, 1 or 0",
        "margin": "maximum margin, over gamma",
        "angle": "between that hyperplane's normal and w_true, in rad",
        "accuracy": "concentrated accuracy there, 4,000 points",
    }
    if name == "steps":
        return Column("integer", "length of the run; 0: none was made")
    known = own.get(eps if theory else name)
    if known:
        return Column("number", known + theory)
    if eps:
        return Column(
            "number", f"step from which on the concentrated accuracy is above 1 - {eps}{theory}"
        )
    return None


def main(jobs: int = 1) -> None:
    record(
        "record_edge.py", "edge",
        "Few planted points a dimension: separability, end and time, a row a seed", one, parts(),
        jobs=jobs, own=column, finish=lambda table: beside(table, foreseen, jobs=jobs),
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
