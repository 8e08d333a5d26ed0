"""Measured grokking times beside what theorem 4.6 and the mean field predict for them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from scipy.stats import linregress, t

from .._origin import traced
from ..losses import LOGISTIC, Loss
from .meanfield import MeanField, mean_field
from .predictions import PredictedTime, predicted_accuracy, predicted_grokking_time
from .theorems import bias_limit, grokking_bounds

EPS = (0.0, 0.01, 0.05, 0.2)
_FIELD = ("n_pos", "n_neg", "steps", "sv_pos", "sv_neg", "d", "gamma", "lr")


@dataclass(frozen=True)
class Slope:
    """A power law's exponent, and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {(self.high - self.low) / 2:.3f}"


@traced
def compare(
    table: pd.DataFrame, *, crowding: bool = True, loss: Loss = LOGISTIC, n_test: int = 20_000,
    jobs: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Set predictions beside a sweep of `measured_times`, over the seeds of each setting.

    Parameters
    ----------
    table : DataFrame
        From `sweep`, with the settings before the column "seed"; one may be "bias" (by default
        there is one).
    crowding, loss
        As in `mean_field`.
    n_test : int
        Points of the test in the sweep.
    jobs : int
        Processes (joblib).

    Returns
    -------
    times : DataFrame
        A row for each setting, eps and way to tell the time (by distance or by accuracy), those
        left out where the hyperplane never left the shell: `measured` and `predicted` medians in
        steps, `error` of the measured one (standard error, relative), the middle 80 % of both, from
        `measured_low` to `measured_high` and from `low` to `high`, and the share of runs `within`
        the predicted one; theorem 4.6's `formula`, medians of its `lower` and `upper` bounds,
        and the shares of runs `inside` of them, and `inside_doubled` with |log delta| doubled.
    accuracies : DataFrame
        A row for each setting and decade of steps: the `measured` mean of the concentrated
        accuracy, its standard `error`, and the `predicted` one.
    """
    names = list(table.columns[: table.columns.get_loc("seed")])
    table = table.copy(deep=False)
    table.attrs = {}  # of which pandas would make a deep copy with every column that is read
    rows = Parallel(n_jobs=jobs)(
        delayed(_one)(dict(zip(names, key, strict=True)), runs, crowding, loss, n_test)
        for key, runs in table.groupby(names, sort=False)
    )
    times, accuracies = ([row for pair in rows for row in pair[part]] for part in (0, 1))
    return pd.DataFrame(times), pd.DataFrame(accuracies)


def slope(x: npt.ArrayLike, y: npt.ArrayLike) -> Slope:
    """Fit y ~ x^slope by least squares of the logarithms."""
    fit = linregress(np.log(x), np.log(y))
    half = float(t.ppf(0.975, np.size(x) - 2) * fit.stderr)
    return Slope(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half)


def _one(
    setting: dict[str, Any], runs: pd.DataFrame, crowding: bool, loss: Loss, n_test: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    field = mean_field(
        **{name: setting[name] for name in _FIELD}, bias=bool(setting.get("bias", True)),
        crowding=crowding, loss=loss,
    )  # fmt: skip
    shared = setting | {"planted": field.sv_pos + field.sv_neg}
    times = []
    for by in ("distance", "accuracy"):
        for eps in EPS[by == "accuracy" :]:
            measured = runs[f"{by} {eps:g}"].to_numpy()
            if np.median(measured) <= 1:
                continue
            predicted = predicted_grokking_time(
                field, eps=eps, alpha=setting["alpha"], by=by, n_test=n_test
            )
            row = _bounds(setting, field, runs["rho"].to_numpy(), measured, eps)
            times.append(shared | {"by": by, "eps": eps} | _spread(measured, predicted) | row)
    expected = predicted_accuracy(field, alpha=setting["alpha"])
    accuracies = []
    for name in map(str, runs.columns):
        if not name.startswith("at 1e"):
            continue
        step = float(name.removeprefix("at "))
        if step <= setting["steps"]:
            accuracies.append(shared | {
                "step": step, "measured": runs[name].mean(), "error": runs[name].sem(),
                "predicted": np.interp(np.log(step), np.log(field.steps), expected),
            })  # fmt: skip
    return times, accuracies


def _spread(measured: npt.NDArray[np.float64], predicted: PredictedTime) -> dict[str, float]:
    logs = np.log(measured[np.isfinite(measured)])
    inside = (predicted.low <= measured) & (measured <= predicted.high)
    low, median, high = np.quantile(measured, (0.1, 0.5, 0.9), method="inverted_cdf").tolist()
    return {
        "measured": median, "measured_low": low, "measured_high": high,
        "error": float(1.2533 * logs.std(ddof=1) / np.sqrt(len(logs))),  # of a normal's median
        "predicted": predicted.median, "low": predicted.low, "high": predicted.high,
        "within": float(inside.mean()),
    }  # fmt: skip


def _bounds(
    setting: dict[str, Any], field: MeanField, rho: npt.NDArray[np.float64],
    measured: npt.NDArray[np.float64], eps: float,
) -> dict[str, float]:  # fmt: skip
    log_delta = abs(bias_limit(field.sv_pos, field.sv_neg))
    scale = {"alpha": setting["alpha"], "gamma": setting["gamma"], "rho_bound": 0.0}
    with np.errstate(over="ignore"):
        widths = np.exp(setting["gamma"] / 2 * rho)
    row = {}
    for name, size in (("inside", log_delta), ("inside_doubled", 2 * log_delta)):
        centre, _ = grokking_bounds(eps, log_delta=size, **scale)
        lower, upper = centre / widths, centre * widths
        row[name] = float(np.mean((lower <= measured) & (measured <= upper)))
        if name == "inside":
            row |= {"formula": centre}
            row |= {"lower": float(np.median(lower)), "upper": float(np.median(upper))}
    return row
