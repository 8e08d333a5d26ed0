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
from .style import DARK, DASHED, GREEN, RED, log_time, shell_band

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
