"""The figures of chapter 4: accuracies under attack."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.scale import LogTransform
from matplotlib.transforms import Affine2D, blended_transform_factory

from .._checks import FloatArray
from ..measures import Phases
from ..runs.ensemble import Ensemble
from .figure import drawn, frame, subplots
from .style import DARK, LOOKS, NEUTRAL, band, log_time, time_below

Curves = Mapping[str, FloatArray]  # accuracies, (s, k) each


@drawn
def robustness(panels: Mapping[str, tuple[Ensemble, Curves]]) -> Figure:
    """Accuracies in two columns of panels: medians, with all seeds in the band.

    Phases are shaded where there is a bias; the thin line marks the end of the paper's runs.
    """
    phased = {
        title: (runs.steps, curves, runs.phases() if runs.runs[0].b.any() else None)
        for title, (runs, curves) in panels.items()
    }
    figure, axes = accuracy_panels(phased, height=2.4)
    for title, axis in zip(panels, axes.flat, strict=False):
        axis.set_title("")  # the phases' names are there
        axis.text(0.03, 0.28, title, transform=axis.transAxes)
        axis.axvline(1e7, color="black", lw=0.8, ls=(0, (1, 2)))
    return figure


def accuracy_panels(
    panels: Mapping[str, tuple[npt.ArrayLike, Curves, Phases | None]], *, height: float
) -> tuple[Figure, Any]:
    """Draw accuracies over steps in two columns of panels, so high in inches."""
    rows = (len(panels) + 1) // 2
    figure, axes = subplots(
        rows, 2, figsize=(8.6, 0.7 + height * rows), sharex=True, sharey=True, squeeze=False
    )
    for i, (title, (steps, curves, phases)) in enumerate(panels.items()):
        axis, neutral = axes.flat[i], iter(NEUTRAL[1::2])
        for name, values in curves.items():
            look = LOOKS[name] if name in LOOKS else next(neutral)
            band(axis, steps, values, look, label=name)
        log_time(axis, np.asarray(steps), phases, names="words" if i < 2 else None)
        axis.set(title=title, ylim=(-0.03, 1.03), xlabel="step" if i >= len(panels) - 2 else "")
        axis.set_ylabel("" if i % 2 else "accuracy")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    columns = len(labels) if len(labels) < 5 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    return figure, axes


@drawn
def radius(
    steps: npt.NDArray[np.int64],
    panels: Mapping[str, tuple[FloatArray, FloatArray]],
    *,
    epsilon: float,
) -> Figure:
    """Accuracy under both attacks of one radius, labels preserved or not: a slider's frame."""
    figure, axes = frame(len(panels), width=7.4, left=0.08)
    for (title, curves), axis in zip(panels.items(), axes, strict=True):
        for name, values in zip(("label-preserving", "PGD"), curves, strict=True):
            axis.plot(steps, values, color=LOOKS[name][0], ls=LOOKS[name][1], label=name)
        axis.set(ylim=(-0.03, 1.03), title=title)
    axes[0].legend(loc="center left")
    time_below(figure, steps, f"step, with attacks of radius {epsilon:.2g}")
    return figure


@drawn
def delay_map(
    dimensions: Sequence[int], radii: Sequence[float], zeta: FloatArray, limit: FloatArray
) -> Figure:
    """Delay factors under label-preserving attacks, and what PGD leaves; (radii, dimensions).

    Both are spaced evenly in their logarithms, or nearly so.
    """
    figure, axes = subplots(1, 2, figsize=(8.6, 3.9), sharey=True)
    for axis, values, colours, title in (
        (axes[0], zeta, LogNorm(1, 1e11), "delay factor, labels preserved"),
        (axes[1], limit, Normalize(0, 1.25), "robust accuracy left by PGD"),
    ):
        words = [[_cell(value, share=values is limit) for value in row] for row in values]
        sns.heatmap(
            values, annot=np.array(words), fmt="", norm=colours, cmap="Purples", cbar=False,
            linewidths=0.8, ax=axis, xticklabels=list(dimensions),
            yticklabels=[f"{one:g}" for one in radii], annot_kws={"fontsize": 9, "zorder": 3},
        )  # fmt: skip
        shades = axis.collections[0].get_facecolors()
        for text, shade, value in zip(axis.texts, shades, values.flat, strict=True):
            text.set_color("white" if colours(value) > 0.6 else "black")
            text.set_bbox({"facecolor": shade, "lw": 0, "pad": 1.5})
        # Cells are numbered: from a logarithm to their numbers
        (x, left), (y, low) = (
            np.polyfit(np.log10(one), np.arange(len(one)) + 0.5, 1) for one in (dimensions, radii)
        )
        logs = blended_transform_factory(LogTransform(10), LogTransform(10))
        cells = logs + Affine2D().scale(x, y).translate(left, low) + axis.transData
        d = np.geomspace(dimensions[0] / 2, dimensions[-1] * 2)
        label = r"$\epsilon\sqrt{d}$ = standard deviation of the projection"
        axis.plot(d, 5 / np.sqrt(3 * d), color=DARK, lw=1.5, label=label, transform=cells)
        axis.set(xlabel="d", title=title)
        axis.tick_params(length=0, rotation=0)
    axes[0].invert_yaxis()
    axes[0].set_ylabel(r"radius $\epsilon$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center")
    return figure


def _cell(value: float, *, share: bool) -> str:
    if share:
        return f"{value:.2f}"
    return f"{value:.0f}" if value < 1e3 else f"$10^{{{np.log10(value):.1f}}}$"
