"""The figures of chapter 4: accuracies under attack."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.scale import LogTransform
from matplotlib.transforms import Affine2D, blended_transform_factory

from .._checks import FloatArray
from .figure import drawn, frame, subplots
from .figures import Curves
from .style import DARK, LOOKS, NEUTRAL, band, log_time, time_below


@drawn
def radius(
    steps: npt.NDArray[np.int64], panels: Mapping[str, tuple[FloatArray, FloatArray]], *,
    epsilon: float,
) -> Figure:  # fmt: skip
    """Accuracy under both attacks of one radius, labels preserved or not: a slider's frame."""
    figure, axes = frame(len(panels))
    for (title, curves), axis in zip(panels.items(), axes, strict=True):
        for name, values in zip(("label-preserving", "PGD"), curves, strict=True):
            axis.plot(steps, values, color=LOOKS[name][0], ls=LOOKS[name][1], label=name)
        axis.set(ylim=(-0.03, 1.03), title=title)
    axes[0].legend(loc="center left")
    time_below(figure, steps, f"step, with attacks of radius {epsilon:.2g}")
    return figure


@drawn
def masked(panels: Mapping[str, Curves], expected: Mapping[str, Curves]) -> Figure:
    """Accuracies under attacks with rounded gradients: means over seeds, and the theory's, dotted.

    Titles and curves are as in `figures.over_time`; the same curve has the same look everywhere.
    """
    rows = -(-len(panels) // 2)
    figure, axes = subplots(
        rows, 2, figsize=(7.6, 0.7 + 2.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    looks = dict(LOOKS)
    neutral = iter(NEUTRAL)
    for axis, (title, curves) in zip(axes.flat, panels.items(), strict=True):
        for label, (steps, values) in curves.items():
            look = looks.get(label) or looks.setdefault(label, next(neutral))
            band(axis, steps, values, look, label=label, estimator="mean")
        for steps, values in expected.get(title, {}).values():
            axis.plot(steps, values, color="black", ls=(0, (1.5, 2)), lw=1.3, label="theory")
            log_time(axis, np.asarray(steps))
        axis.set(ylim=(-0.03, 1.03), title=title, xlabel="step" if axis in axes[-1] else "")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    found = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(found.values(), found.keys(), loc="outside lower center", ncols=len(found))
    return figure


@drawn
def delay_map(
    dimensions: Sequence[int], radii: Sequence[float], delays: Mapping[str, FloatArray],
    accuracies: Mapping[str, FloatArray],
) -> Figure:  # fmt: skip
    """Delay factors, above, and accuracies left, below, by title; each is (radii, dimensions).

    Both are spaced evenly in their logarithms, or nearly so.
    """
    columns = len(delays)
    figure, axes = subplots(2, columns, figsize=(7.6, 7.2), sharex=True, sharey=True, squeeze=False)
    maps = [*delays.items(), *accuracies.items()]
    for axis, (title, values) in zip(axes.flat, maps, strict=True):
        share = title in accuracies
        colours = Normalize(0, 1.25) if share else LogNorm(1, 1e11)
        words = [[_cell(value, share=share) for value in row] for row in values]
        sns.heatmap(
            values, annot=np.array(words), fmt="", norm=colours, cmap="Purples", cbar=False,
            linewidths=0.8, ax=axis, xticklabels=list(dimensions),
            yticklabels=[f"{one:g}" for one in radii], annot_kws={"fontsize": 10, "zorder": 3},
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
        axis.set(xlabel="d" if axis in axes[-1] else "", title=title)
        axis.tick_params(length=0, rotation=0)
    axes[0, 0].invert_yaxis()
    for axis in axes[:, 0]:
        axis.set_ylabel(r"radius $\epsilon$")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center")
    return figure


def _cell(value: float, *, share: bool) -> str:
    if share:
        return f"{value:.2f}"
    if np.isinf(value):
        return "never"
    return f"{value:.0f}" if value < 1e3 else f"$10^{{{np.log10(value):.1f}}}$"
