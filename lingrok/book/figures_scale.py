"""The figures of chapter 8, in the look of `figures`: recorded tables in, matplotlib Figure out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from .._checks import FloatArray
from ..data import HALF_WIDTH
from .figure import drawn, subplots
from .figures import COLOURS, LINES, log_time, seed_band

# One test in two readings: one colour, two line styles
_LOOKS: dict[str, tuple[str, Any]] = {name: (COLOURS[name], LINES[name]) for name in COLOURS} | {
    "adversarial, labels preserved": (COLOURS["adversarial"], (0, (6, 1.5)))
}
_THEORY: dict[str, Any] = {"color": "black", "ls": (0, (1.5, 2)), "lw": 1.3, "zorder": 3}


def tilt(angle: npt.ArrayLike) -> FloatArray:
    """How far a hyperplane at `angle` to the true separator misses it, at a typical point.

    That is the angle times the standard deviation of a coordinate of the cube.
    """
    distance: FloatArray = np.asarray(angle, dtype=np.float64) * HALF_WIDTH / np.sqrt(3)
    return distance


@drawn
def regimes(panels: Mapping[str, tuple[npt.ArrayLike, Mapping[str, FloatArray]]]) -> Figure:
    """Figure 1: accuracies, (s, k) each, in two columns; medians, with all seeds in the band."""
    rows = (len(panels) + 1) // 2
    figure, axes = subplots(
        rows, 2, figsize=(8.6, 0.7 + 2.2 * rows), sharex=True, sharey=True, squeeze=False
    )
    for i, (axis, (title, (steps, curves))) in enumerate(
        zip(axes.flat, panels.items(), strict=False)
    ):
        at = np.asarray(steps, dtype=np.int64)
        for name, values in curves.items():
            seed_band(axis, at, values, name, _LOOKS[name])
        log_time(axis, at, None)
        axis.set(title=title, ylim=(-0.03, 1.03), xlabel="step" if i >= len(panels) - 2 else "")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawn
def what_is_slow(
    panels: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], *, gamma: float, alpha: float
) -> Figure:
    """Offset and tilt of the hyperplane, and the concentrated accuracy: run and theory.

    Both tables of a panel have the columns step, distance, angle and concentrated.
    """
    figure, axes = subplots(
        2, len(panels), figsize=(8.6, 6), sharex=True, sharey="row", squeeze=False,
        height_ratios=(3, 2),
    )  # fmt: skip
    for (title, (run, theory)), (above, below) in zip(panels.items(), axes.T, strict=True):
        above.axhspan(gamma / 2, alpha * gamma, color=COLOURS["concentrated"], alpha=0.2, lw=0)
        above.text(
            0.98 * run["step"].iloc[-1], 0.55 * gamma, "concentrated points", va="bottom",
            ha="right", color="#7a3600", fontsize=9,
        )  # fmt: skip
        offset, across = COLOURS["train"], "#009E73"
        above.plot(run["step"], run["distance"], color=offset, label="offset |b| / ||w||")
        above.plot(run["step"], tilt(run["angle"]), color=across, ls=(0, (5, 2)), label="tilt")
        above.plot(theory["step"], theory["distance"], **_THEORY, label="theory")
        above.plot(theory["step"], tilt(theory["angle"]), **_THEORY)
        below.plot(
            run["step"], run["concentrated"], color=COLOURS["concentrated"], label="concentrated"
        )
        below.plot(theory["step"], theory["concentrated"], **_THEORY)
        above.set(yscale="log", ylim=(gamma / 100, 1), title=title)
        for axis in (above, below):
            log_time(axis, np.asarray(run["step"], dtype=np.int64), None)
        above.set_xlabel("")
    axes[0, 0].set_ylabel("distance from the true separator")
    axes[1, 0].set_ylabel("accuracy")
    handles = [*axes[0, 0].get_legend_handles_labels()[0], axes[1, 0].lines[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


@drawn
def against_traces(panels: Mapping[str, tuple[npt.ArrayLike, FloatArray, FloatArray]]) -> Figure:
    """Error of a fast-forward against recorded exact steps, and its estimate."""
    figure, axes = subplots(
        1, len(panels), figsize=(8.6, 3), sharex=True, sharey=True, squeeze=False
    )
    for axis, (title, (steps, error, estimate)) in zip(axes.flat, panels.items(), strict=True):
        axis.plot(steps, estimate, color="#333333", ls=(0, (5, 2)), label="estimate")
        axis.plot(steps, np.maximum(error, 1e-17), color=COLOURS["concentrated"], label="error")
        axis.set(xscale="log", yscale="log", xlabel="step", title=title)
    axes[0, 0].set_ylabel("relative to the length of (w, b)")
    axes[0, 0].legend(loc="upper left")
    return figure
