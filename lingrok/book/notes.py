"""A chapter's notebook: findings that its prose quotes, tables of times, and verdicts."""

import itertools
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from myst_nb import glue

from .._format import number, spread
from ..runs.ensemble import Ensemble

__all__ = [
    "classes", "count", "note", "number", "planting", "spread", "time_table", "verdict",
]  # fmt: skip

DECISIONS = ("reproduced", "reproduced with a correction", "replaced", "not reproduced")
_WIDTH = 50  # of the labels: with "median [smallest, largest]" behind them a row fits the page


class Notes:
    """Findings, each printed as a row and glued under a key, by which it is here as well.

    >>> note("delay factor, eps 0", [20.0, 30.0, 70.0])
    delay factor, eps 0                               30 [20, 70]
    >>> note["delay-factor-eps-0"]
    '30 [20, 70]'
    """

    def __init__(self) -> None:
        self._noted: dict[str, str | int] = {}
        self._above = ""

    def __getitem__(self, key: str) -> str | int:
        return self._noted[key]

    def __call__(
        self, label: str, value: npt.ArrayLike, key: str | None = None, *,
        digits: int = 2, form: str | None = None,
    ) -> None:  # fmt: skip
        """Print a row and glue its value.

        Parameters
        ----------
        label : str
            What was found. The key, if not given, is made of its words, with hyphens; those of an
            indented label follow those of the last one that was not.
        value : array_like or str
            Numbers over seeds are given by median and range, truths by how many of them hold, one
            truth as yes or no, one number rounded; an int and a str stay as they are.
        digits, form
            Significant digits; or how to format one number, such as ".0%".
        """
        said = _said(value, digits, form)
        print(f"{label:<{_WIDTH}}{said}" if len(label) < _WIDTH else f"{label}  {said}")
        if label.startswith(" "):
            label = f"{self._above}, {label.strip()}"
        else:
            self._above = label
        self._glue(re.sub(r"[^\w()]*\s+", "-", label) if key is None else key, said)

    def table(
        self, table: pd.DataFrame, keys: Mapping[Hashable, str], rows: Iterable[str] | None = None
    ) -> pd.DataFrame:
        """Glue columns of a table that the cell shows, and return it.

        `keys` has a pattern for each such column, in which {} stands for the row: its name, or that
        in `rows`.
        """
        for column, pattern in keys.items():
            for row, value in zip(rows or table.index, table[column], strict=True):
                self._glue(pattern.format(row), value)
        return table

    def _glue(self, key: str, said: str | int) -> None:
        self._noted[key] = said
        glue(key, said, display=False)


note = Notes()


def _said(value: npt.ArrayLike, digits: int, form: str | None) -> str | int:
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype == bool:
        return count(array) if array.ndim else ("yes" if array else "no")
    if array.ndim:
        return spread(array, digits)
    if form is not None:
        return format(array.item(), form)
    return int(array) if array.dtype.kind in "iu" else number(float(array), digits)


def count(truths: npt.ArrayLike) -> str:
    """Count how many are true, as "k of n"."""
    return f"{np.count_nonzero(truths)} of {np.size(truths)}"


def planting(sv_pos: int, sv_neg: int) -> str:
    """Write planted support vectors as the paper does: S(k,l)."""
    return f"S({sv_pos},{sv_neg})" if sv_pos or sv_neg else "nothing planted"


def classes(n_pos: int, n_neg: int) -> str:
    """Write the sizes of the classes as the paper does: D(a,b)."""
    return f"D({n_pos},{n_neg})"


class Verdict(NamedTuple):
    """One row of the front page's table."""

    claim: str
    source: str
    paper: str
    measured: str
    tolerance: str
    verdict: str

    @property
    def decision(self) -> str:
        """One of DECISIONS."""
        return self.verdict

    def __repr__(self) -> str:
        return "\n".join(f"{name + ':':<11}{value}" for name, value in self._asdict().items())

    def _repr_markdown_(self) -> str:
        rows = [f"| {name.capitalize()} | {value} |" for name, value in self._asdict().items()]
        return "\n".join(["| | |\n|---|---|", *rows[:-1], f"| **Verdict** | **{self.verdict}** |"])


def verdict(
    name: str, *, claim: str, source: str, paper: str, measured: str, tolerance: str,
    as_stated: bool, corrected: bool = False, replaced: bool = False,
) -> Verdict:  # fmt: skip
    """Decide a claim and glue its row, from which all tables of verdicts are drawn.

    Parameters
    ----------
    name : str
        By which the row is cited; the keys are NAME-claim, -source and so on, to -verdict.
    claim, source, paper, measured, tolerance : str
        What is claimed; where, in the paper or elsewhere; with which value; what was measured, with
        its spread; what counts as equal.
    as_stated, corrected, replaced : bool
        Whether the numbers bear the claim out as it is stated; after the correction that the
        chapter names; or whether it fails, and what the chapter puts in its place holds.
    """
    holds = (as_stated, corrected, replaced, True)
    decision = next(word for word, true in zip(DECISIONS, holds, strict=True) if true)
    result = Verdict(claim, source, paper, measured, tolerance, decision)
    for key, value in result._asdict().items():
        glue(f"{name}-{key}", value, display=False)
    return result


_LEVELS = {"supremum": "own supremum", "one": "1", "final": "last value, kept", "kept": "1, kept"}


def time_table(
    runs: Ensemble, test: str, *, eps: Iterable[float] = (0.0, 1e-3),
    until: Iterable[float] = (1e7,), references: Iterable[str] = ("supremum",),
) -> pd.DataFrame:  # fmt: skip
    """Definition 3.4's times over all seeds, a row for each end of the run, reference and eps.

    The first column counts the seeds that the paper would call grokking (zeta of 100 or more); each
    other entry is the median over seeds with the range in brackets, in steps.
    """
    rows = []
    for end, reference, one in itertools.product(until, references, eps):
        times = runs.times(test, eps=one, reference=reference, until=end)
        fitted = [t.zeta for t in times if np.isfinite(t.t_train)]
        rows.append(
            {
                "run to": number(end),
                "level": _LEVELS[reference],
                "eps": f"{one:g}",
                "zeta >= 100": f"{sum(z >= 100 for z in fitted)} of {len(times)}",
                "zeta": spread(fitted) if fitted else "never fits",
                "T_tr": spread([t.t_train for t in times]),
                "T_te": spread([t.t_test for t in times]),
            }
        )
    return pd.DataFrame(rows).set_index(["run to", "level", "eps"])
