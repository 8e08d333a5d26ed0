"""The figures of chapter 10: what a penalty does, measured and predicted."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from .._checks import FloatArray
from .figure import drawn, subplots
from .style import DARK, LOOKS, RED, band


@drawn
def penalty(
    panels: Mapping[str, tuple[FloatArray, Mapping[str, FloatArray], Mapping[str, float]]],
) -> Figure:
    """Accuracies (s, k) of the minima under penalties, and strengths that are marked by name."""
    figure, axes = subplots(
        1, len(panels), figsize=(7.6, 3.7), sharex=True, sharey=True, squeeze=False
    )
    for axis, (title, (strengths, accuracies, marks)) in zip(
        axes.flat, panels.items(), strict=True
    ):
        for name, values in accuracies.items():
            band(axis, strengths, values, LOOKS[name], label=name)
        for style, (name, at) in zip(("--", ":"), marks.items(), strict=False):
            axis.axvline(at, color="black", ls=style, lw=1.2, label=name)
        axis.set(
            xscale="log", xlim=strengths[[0, -1]], xlabel="strength of the penalty",
            ylim=(0.45, 1.03), title=title,
        )  # fmt: skip
    axes[0, 0].set_ylabel("accuracy of the minimum")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawn
def agreement(measured: npt.ArrayLike, predicted: Mapping[str, npt.ArrayLike], name: str) -> Figure:
    """Predictions over measurements of the same, on logarithmic axes, with the diagonal."""
    figure, axis = subplots(figsize=(5, 4.4))
    x = np.asarray(measured, dtype=np.float64)
    for (label, values), colour, marker in zip(
        predicted.items(), (RED, DARK), ("o", "x"), strict=False
    ):
        axis.scatter(x, np.asarray(values), c=colour, marker=marker, s=24, label=label)
    ends = np.array([np.nanmin(x), np.nanmax(x)])
    axis.plot(ends, ends, color="black", lw=0.8)
    axis.set(xscale="log", yscale="log", xlabel=f"{name}, measured", ylabel="predicted")
    axis.legend(loc="upper left")
    return figure


@drawn
def paths(
    strengths: Sequence[float], steps: npt.NDArray[np.int64], maps: Mapping[str, FloatArray]
) -> Figure:
    """Concentrated accuracies (strengths, steps) of descent under penalties, as maps by title.

    Strengths, in units of the critical one, and steps are spaced evenly in their logarithms.
    """
    figure, axes = subplots(1, len(maps), figsize=(7.6, 3.6), sharey=True, squeeze=False)
    x, y = (np.sqrt(one[1:] * one[:-1]) for one in (_widened(steps), _widened(strengths)))
    for axis, (title, values) in zip(axes.flat, maps.items(), strict=True):
        mesh = axis.pcolormesh(x, y, values, vmin=0.5, vmax=1, cmap="viridis", rasterized=True)
        axis.axhline(1, color="white", ls="--", lw=1.2)
        axis.set(xscale="log", yscale="log", xlabel="step", title=title)
        axis.grid(visible=False)
    axes[0, 0].set_ylabel("penalty / critical one")
    figure.colorbar(mesh, ax=axes, label="concentrated accuracy", location="right")
    return figure


def _widened(centres: npt.ArrayLike) -> FloatArray:
    """Go on by one at each end of a geometric row."""
    row = np.asarray(centres, dtype=np.float64)
    return np.concatenate([[row[0] ** 2 / row[1]], row, [row[-1] ** 2 / row[-2]]])


@drawn
def slowing(gaps: FloatArray, times: FloatArray, law: FloatArray) -> Figure:
    """Draw times (s, k) over how far below the critical strength, and the law's, (s, k)."""
    figure, axis = subplots(figsize=(7.5, 3.2))
    for i, (measured, predicted) in enumerate(zip(times, law, strict=True)):
        label = "runs" if i == 0 else None
        axis.scatter(gaps, measured, s=26, color=RED, alpha=0.7, lw=0, label=label)
        axis.plot(gaps, predicted, color="black", ls=(0, (4, 2)), lw=1.2,
                  label="slope of the law" if i == 0 else None)  # fmt: skip
    axis.set(xscale="log", xlabel="1 - penalty / critical one", ylabel="step", ylim=(0, None))
    axis.invert_xaxis()
    axis.ticklabel_format(axis="y", useMathText=True)
    axis.legend(loc="upper left")
    return figure
