"""What a chapter reports: spreads over seeds, tables of times, and verdicts for the front page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from myst_nb import glue

from .._format import number, spread
from ..runs.ensemble import Ensemble

DECISIONS = ("reproduced", "reproduced with a correction", "not reproduced")


@dataclass(frozen=True)
class Verdict:
    """One row of the front page's table."""

    claim: str
    paper: str
    measured: str
    tolerance: str
    decision: str

    def __repr__(self) -> str:
        rows = zip(
            ("claim", "paper", "measured", "tolerance", "verdict"),
            (self.claim, self.paper, self.measured, self.tolerance, self.decision),
            strict=True,
        )
        return "\n".join(f"{name + ':':<11}{value}" for name, value in rows)

    def _repr_markdown_(self) -> str:
        return (
            f"| | |\n|---|---|\n| Claim | {self.claim} |\n| Paper | {self.paper} |\n"
            f"| Measured | {self.measured} |\n| Tolerance | {self.tolerance} |\n"
            f"| **Verdict** | **{self.decision}** |"
        )


def verdict(
    name: str,
    *,
    claim: str,
    paper: str,
    measured: str,
    tolerance: str,
    as_stated: bool,
    corrected: bool = False,
) -> Verdict:
    """Decide a claim and glue its row: NAME-claim, -paper, -measured, -tolerance and -verdict.

    Parameters
    ----------
    name : str
        Prefix of the glued keys.
    claim, paper, measured, tolerance : str
        What is claimed, with which value; what was measured, with its spread; what counts as equal.
    as_stated : bool
        Whether the numbers bear the claim out as the paper states it.
    corrected : bool
        Whether they do after the correction that the chapter names.
    """
    decision = DECISIONS[0] if as_stated else DECISIONS[1] if corrected else DECISIONS[2]
    for key, value in {
        "claim": claim, "paper": paper, "measured": measured, "tolerance": tolerance,
        "verdict": decision,
    }.items():  # fmt: skip
        glue(f"{name}-{key}", value, display=False)
    return Verdict(claim, paper, measured, tolerance, decision)


_LEVELS = {"supremum": "own supremum", "one": "1", "final": "last value, kept"}


def time_table(
    runs: Ensemble,
    test: str,
    *,
    eps: Iterable[float] = (0.0, 1e-3),
    until: Sequence[float] = (1e7,),
    references: Iterable[str] = ("supremum",),
) -> pd.DataFrame:
    """Definition 3.4's times over all seeds, a row for each end of the run, reference and eps.

    Each entry is the median over seeds with the range in brackets, in steps; the last column counts
    the seeds that the paper would call grokking (zeta of 100 or more).
    """
    rows = []
    for end in until:
        for reference in references:
            for one in eps:
                times = runs.times(test, eps=one, reference=reference, until=end)
                fitted = [t.zeta for t in times if np.isfinite(t.t_train)]
                rows.append(
                    {
                        "run to": number(end),
                        "level": _LEVELS[reference],
                        "eps": f"{one:g}",
                        "T_tr": spread([t.t_train for t in times]),
                        "T_te": spread([t.t_test for t in times]),
                        "zeta": spread(fitted) if fitted else "never fits",
                        "zeta >= 100": f"{sum(z >= 100 for z in fitted)} of {len(times)}",
                    }
                )
    return pd.DataFrame(rows).set_index(["run to", "level", "eps"])
