"""The figures of chapter 8: recorded tables in, matplotlib Figure out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from .._checks import FloatArray
from ..cube import HALF_WIDTH
from .figure import drawn, subplots
from .style import DARK, DASHED, GREEN, NEUTRAL, RED, log_time, shell_band

_THEORY: dict[str, Any] = {"color": "black", "ls": (0, (1.5, 2)), "lw": 1.3, "zorder": 3}


def tilt(angle: npt.ArrayLike) -> FloatArray:
    """How far a hyperplane at `angle` to the true separator misses it, at a typical point.

    That is the angle times the standard deviation of a coordinate of the cube.
    """
    distance: FloatArray = np.asarray(angle, dtype=np.float64) * HALF_WIDTH / np.sqrt(3)
    return distance


@drawn
def what_is_slow(
    panels: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], *, gamma: float, alpha: float
) -> Figure:
    """Offset and tilt of the hyperplane, and the concentrated accuracy: run and theory.

    Both tables of a panel have the columns step, distance, angle and concentrated.
    """
    figure, axes = subplots(
        2, len(panels), figsize=(7.6, 6), sharex=True, sharey="row", squeeze=False,
        height_ratios=(3, 2),
    )  # fmt: skip
    for (title, (run, theory)), (above, below) in zip(panels.items(), axes.T, strict=True):
        shell_band(above, gamma, alpha)
        above.text(
            0.98 * run["step"].iloc[-1], 0.55 * gamma, "concentrated points", va="bottom",
            ha="right", color="#7a3600", fontsize=10,
        )  # fmt: skip
        above.plot(run["step"], run["distance"], color=DARK, label="offset |b| / ||w||")
        above.plot(run["step"], tilt(run["angle"]), color=GREEN, ls=DASHED, label="tilt")
        above.plot(theory["step"], theory["distance"], **_THEORY, label="theory")
        above.plot(theory["step"], tilt(theory["angle"]), **_THEORY)
        below.plot(run["step"], run["concentrated"], color=RED, label="concentrated")
        below.plot(theory["step"], theory["concentrated"], **_THEORY)
        above.set(yscale="log", ylim=(gamma / 100, 1), title=title)
        for axis in (above, below):
            log_time(axis, run["step"].to_numpy())
        above.set_xlabel("")
    axes[0, 0].set_ylabel("distance from the true separator")
    axes[1, 0].set_ylabel("accuracy")
    handles = [*axes[0, 0].get_legend_handles_labels()[0], axes[1, 0].lines[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


@drawn
def at_the_edge(found: pd.DataFrame, edge: float) -> Figure:
    """Share separable, time to the level 0.95, and final accuracy, over planted points a dimension.

    `found` has a row a seed, with the columns d, ratio, separable, time and accuracy, and those of
    the theory, separable_law, time_law and accuracy_law. Times are NaN where there was no run.
    """
    figure, axes = subplots(1, 3, figsize=(7.6, 3.3))
    dimensions = sorted(found["d"].unique())
    for d, (colour, _), mark in zip(dimensions, NEUTRAL, "osD^", strict=False):
        groups = found[found["d"] == d].groupby("ratio")
        ends = groups[["separable", "accuracy"]].agg(["mean", "median", "count"])
        axes[0].plot(ends.index, ends["separable", "mean"], mark, ms=4, color=colour, label=d)
        axes[0].plot(ends.index, groups["separable_law"].first(), color=colour, lw=1)
        # Where not all are solved, those that are tell of all only if all are separable
        known = (ends["accuracy", "count"] == groups.size()) | (ends["separable", "mean"] == 1)
        solved = ends["accuracy", "median"][known]
        axes[2].plot(solved.index, solved, mark, ms=4, color=colour)
        run = found[(found["d"] == d) & found["time"].notna() & (found["ratio"] > edge)]
        if run.empty:
            continue
        times = run.groupby("ratio")["time"].quantile([0.1, 0.5, 0.9], "nearest").unstack()
        middle = times[np.isfinite(times[0.5])]
        high = middle[0.9].where(np.isfinite(middle[0.9]), 1e9)
        axes[1].vlines(middle.index, middle[0.1], high, color=colour, lw=1)
        axes[1].plot(middle.index, middle[0.5], mark, ms=4, color=colour)
    law = found[found["d"] == 64].groupby("ratio")[["time_law", "accuracy_law"]].first()
    for axis, one in ((axes[1], "time_law"), (axes[2], "accuracy_law")):
        axis.plot(law[one].dropna(), **_THEORY, label="theory")
    for axis, name in zip(
        axes, ("share separable", "step, kept at 0.95", "accuracy at the end"), strict=True
    ):
        axis.axvline(edge, color=DARK, ls="--", lw=1)
        axis.set(title=name, xlabel="planted points a dimension", xlim=(0.9, 4.1))
    axes[1].set(yscale="log", xlim=(1.9, 4.1))
    handles = [*axes[0].get_legend_handles_labels()[0], axes[2].lines[-2]]
    names = [f"d = {d}" for d in dimensions] + ["theory, limit"]
    figure.legend(handles, names, loc="outside lower center", ncols=5)
    return figure
