"""What tools/record_*.py share: sweeps that go on after a stop, and the tables that they enter.

How long each of them took is in the manifest, data/datapackage.json.
"""

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lingrok import records
from lingrok.runs.recipes import Column
from lingrok.runs.sweep import sweep

PLANE = {"n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 250, "d": 2, "gamma": 1e-3}
Setting = dict[str, Any]
Parts = Iterable[tuple[Iterable[Setting], Sequence[int]]]  # settings, and the seeds of each


def described(name: str) -> Column:
    """Say what a column holds."""
    what, _, eps = name.partition(" ")
    return {
        "family": Column("string", "part of the design: wide, a line or a corner"),
        "n_pos": Column("integer", "points of class +1, planted ones included"),
        "n_neg": Column("integer", "points of class -1, planted ones included"),
        "sv_pos": Column("integer", "points of class +1 planted on the margin"),
        "sv_neg": Column("integer", "points of class -1 planted on the margin"),
        "d": Column("integer", "dimensions"),
        "gamma": Column("number", "full width of the margin"),
        "lr": Column("number", "learning rate, for the mean of the losses"),
        "alpha": Column("number", "outer edge of the test's shell, in gamma"),
        "steps": Column("integer", "length of the run"),
        "seed": Column("integer", "seed of the points"),
        "distance": Column(
            "number", f"step from which on |b| / ||w|| is below theorem 4.6's level, eps {eps}"
        ),
        "accuracy": Column(
            "number", f"step from which on the concentrated accuracy is above 1 - {eps}"
        ),
        "train": Column("number", f"T_tr of definition 3.4, in steps, eps {eps}"),
        "test": Column("number", f"T_te of definition 3.4, concentrated test, in steps, eps {eps}"),
        "rho": Column("number", "largest ||w(t) - w_hat log t|| in the run"),
        "at": Column("number", f"concentrated accuracy at step {eps}; NaN beyond the run"),
    }[what]


def record(
    command: str, name: str, title: str, run: Callable[..., Mapping[str, Any]], parts: Parts, *,
    jobs: int, own: Callable[[str], Column | None] = described,
    finish: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> None:  # fmt: skip
    """Sweep over the parts of a record, and enter the table that `finish` makes of the rows.

    The columns up to "seed" tell a row from all others. Runs that count their own "seconds" have
    them added up. `own` and the rest are as in `enter`.
    """
    start = time.perf_counter()
    table = swept(name, run, parts, jobs=jobs, progress=True)
    if finish:
        table = finish(table)
    taken = table.pop("seconds").sum() if "seconds" in table else time.perf_counter() - start
    key = list(table.columns[: table.columns.get_loc("seed") + 1])
    enter(command, name, title, table, own=own, key=key, seconds=taken)


def swept(
    name: str, run: Callable[..., Mapping[str, Any]], parts: Parts, **options: Any
) -> pd.DataFrame:
    """Sweep over the parts of a record, or go on with that after a stop."""
    store = records.DATA / ".work" / name / "runs.db"
    store.parent.mkdir(parents=True, exist_ok=True)
    return pd.concat([sweep(run, some, seeds, store=store, **options) for some, seeds in parts])


def beside(table: pd.DataFrame, foreseen: Callable[..., Any], *, jobs: int) -> pd.DataFrame:
    """Set beside the rows of each setting what a theory, called without a seed, has for it."""
    of = list(table.columns[: table.columns.get_loc("seed")])
    settings = table[of].drop_duplicates().to_dict("records")

    def one(seed: int, **setting: Any) -> Any:  # noqa: ARG001 - as `sweep` calls it
        return foreseen(**setting)

    theory = sweep(one, settings, range(1), jobs=jobs, progress=True).drop(columns="seed")
    return table.merge(theory, on=of)


def enter(
    command: str, name: str, title: str, table: pd.DataFrame, *, key: Sequence[str],
    seconds: float, own: Callable[[str], Column | None] = described,
) -> None:  # fmt: skip
    """Write a table into the data directory, and say in the manifest how it was made.

    `own` describes columns that `described` does not know, or not so.
    """
    records.enter(
        records.DATA / f"{name}.csv", written(table), title=title, key=key,
        columns={column: own(column) or described(column) for column in table},
        recipe={"command": f"python tools/{command}", "seconds": round(seconds, 1)},
    )  # fmt: skip


def rounded(found: Mapping[str, Any], digits: int) -> dict[str, float]:
    """Keep digits that are the same on any machine."""
    return {name: float(f"{value:.{digits}g}") for name, value in found.items()}


def written(table: pd.DataFrame) -> bytes:
    """Write a table so that equal numbers look equal, in an order that no machine changes."""

    def text(value: Any) -> str:
        if isinstance(value, str):
            return value
        if not np.isfinite(value):  # as table schemas spell them
            return "NaN" if np.isnan(value) else "INF" if value > 0 else "-INF"
        return str(int(value)) if float(value).is_integer() else repr(float(value))

    buffer = io.StringIO()
    lines = csv.writer(buffer, lineterminator="\n")
    lines.writerow(table)
    lines.writerows([text(value) for value in row] for row in table.itertuples(index=False))
    header, *rows = buffer.getvalue().splitlines()
    return "\n".join([header, *sorted(rows), ""]).encode()
