"""The figures of chapter 7: predicted and measured, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from .._checks import FloatArray
from ..runs.ensemble import Ensemble
from ..theory.comparison import Slope
from ..theory.meanfield import MeanField
from ..theory.predictions import predicted_accuracy
from .figure import drawn, frame, subplots
from .style import (
    BLUE,
    DARK,
    DOTTED,
    GREEN,
    NEUTRAL,
    PURPLE,
    RED,
    SKY,
    band,
    shell_band,
    time_below,
)  # fmt: skip


@drawn
def versus(times: pd.DataFrame) -> Figure:
    """Predicted over measured times: formula, bounds and mean field; below, the field's ratio."""
    figure, (above, below) = subplots(2, 1, figsize=(7.5, 7.4), height_ratios=(5, 3))
    measured = times["measured"].to_numpy()
    above.vlines(measured, times["lower"], times["upper"], color="#bbbbbb", lw=0.8)
    for name, marker, label in (
        ("upper", "_", "theorem 4.6, bounds with the measured B"),
        ("lower", "_", None),
        ("formula", "x", "theorem 4.6, closed form"),
    ):
        above.scatter(measured, times[name], s=24, marker=marker, color=DARK, lw=1.1, label=label)
    ends = np.array([measured.min() / 2, measured.max() * 2])
    above.plot(ends, ends, color="black", lw=0.8)
    below.axhline(1, color="black", lw=0.8)
    ratio = times["predicted"] / times["measured"]
    below.errorbar(
        measured, ratio, times["error"] * ratio, fmt="none", ecolor="#999999", elinewidth=0.7
    )
    words = [f"mean field, d = {d}" for d in ("2 to 4", "8 to 32", "64 to 256")]
    groups = times.assign(ratio=ratio).groupby(pd.cut(times["d"], (1, 4, 32, 256), labels=words))
    for (label, part), colour, marker in zip(groups, (SKY, GREEN, PURPLE), "os^", strict=True):
        look = {"color": colour, "marker": marker, "edgecolor": "black", "linewidth": 0.3, "s": 16}
        look |= {"data": part, "x": "measured", "zorder": 3, "legend": False}
        sns.scatterplot(y="predicted", label=label, ax=above, **look)
        sns.scatterplot(y="ratio", ax=below, **look)
    above.set(xscale="log", yscale="log", xlabel="", ylabel="predicted step", xlim=ends)
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    below.set(
        xscale="log", xlabel="measured step, median over seeds", xlim=ends, ylim=(0.75, 1.33),
        ylabel="mean field / measured",
    )  # fmt: skip
    return figure


@drawn
def kinds(delays: pd.DataFrame) -> Figure:
    """Predicted over measured delays of settings, by kind; beside it, ratios and what is allowed.

    Settings that never get there, or that have no prediction, are left out.
    """
    figure, (left, right) = subplots(1, 2, figsize=(7.5, 4.4), width_ratios=(5, 4))
    known = delays[np.isfinite(delays["measured"]) & np.isfinite(delays["predicted"])]
    known = known.assign(ratio=known["predicted"] / known["measured"])
    ends = np.array([known["measured"].min() / 2, known["measured"].max() * 2])
    left.plot(ends, ends, color="black", lw=0.8)
    right.axvline(1, color="black", lw=0.8)
    groups = list(known.groupby("kind", sort=False))
    colours = sns.color_palette("colorblind", len(groups)).as_hex()
    for i, ((name, part), colour, marker) in enumerate(
        zip(groups, colours, "os^DvP<"[: len(groups)], strict=True)
    ):
        look = {"color": colour, "marker": marker, "edgecolor": "black", "linewidth": 0.3}
        left.scatter(part["measured"], part["predicted"], s=20, label=name, zorder=3, **look)
        spread = np.linspace(-0.3, 0.3, len(part))
        right.scatter(part["ratio"], i + spread, s=14, zorder=3, **look)
        for allowed in part["allowed"].unique():
            right.fill_betweenx(
                (i - 0.42, i + 0.42), 1 / (1 + allowed), 1 + allowed, color="#cccccc", alpha=0.5,
                linewidth=0,
            )  # fmt: skip
    left.set(
        xscale="log", yscale="log", xlabel="measured step, median over seeds",
        ylabel="predicted step", xlim=ends, ylim=ends,
    )  # fmt: skip
    right.set(
        xscale="log", xlabel="predicted / measured", ylim=(len(groups) - 0.4, -0.6),
        yticks=range(len(groups)), yticklabels=[name for name, _ in groups],
    )  # fmt: skip
    _ticks(right, (0.6, 0.8, 1, 1.25, 1.6))
    left.legend(loc="upper left")
    return figure


@drawn
def curves(panels: Mapping[str, tuple[Ensemble, MeanField]]) -> Figure:
    """Concentrated accuracy: mean over seeds with the middle 80 % of them, and as predicted."""
    figure, axes = subplots(2, 2, figsize=(7.6, 5.6), sharey=True)
    for axis, (title, (runs, field)) in zip(axes.flat, panels.items(), strict=True):
        band(
            axis, runs.steps, runs.concentrated, (RED, "solid"), label="mean over seeds",
            middle=80, estimator="mean", lw=3, alpha=0.7,
        )  # fmt: skip
        axis.collections[0].set_label("80 % of seeds")
        _predicted(axis, field.steps, predicted_accuracy(field, alpha=runs.alpha))
        axis.set(xscale="log", title=title, ylim=(0.48, 1.02), xlim=(1, runs.steps[-1]))
    for left, below in zip(axes[:, 0], axes[1], strict=True):
        left.set_ylabel("concentrated accuracy")
        below.set_xlabel("step")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawn
def scaling(lines: Mapping[str, tuple[pd.DataFrame, Slope]], time: str, law: str) -> Figure:
    """Measured times over one parameter each, with the quadrature law and the fitted exponent."""
    figure, axes = subplots(1, len(lines), figsize=(7.6, 3.1), sharey=True)
    for axis, (name, (runs, fit)) in zip(axes, lines.items(), strict=True):
        x = runs.iloc[:, 0].to_numpy()
        axis.scatter(x, runs[time], s=22, color=RED, alpha=0.6, lw=0, label="runs")
        order = np.argsort(x)
        _predicted(axis, x[order], runs[law].to_numpy()[order], label="quadrature law")
        axis.set(xscale="log", yscale="log", xlabel=name, title=f"exponent {fit}")
        if x.max() < 30 * x.min():
            _ticks(axis, np.unique(x))
    axes[0].set_ylabel("step")
    axes[0].legend()
    return figure


@drawn
def limits(
    few: pd.DataFrame, few_runs: Sequence[FloatArray],
    crowded: pd.DataFrame, crowded_runs: Sequence[FloatArray], roomy: pd.DataFrame,
) -> Figure:  # fmt: skip
    """Where the theory ends: few support vectors in all (left), and few of them a dimension.

    Rows of `compare`, the times of the runs behind them, and the rows without crowding.
    """
    figure, (left, right) = subplots(1, 2, figsize=(7.6, 3.7))
    for axis, rows, runs in ((left, few, few_runs), (right, crowded, crowded_runs)):
        x = (rows["planted"] / (rows["d"] if axis is right else 1)).to_numpy()
        at = np.repeat(x, [len(times) for times in runs])
        axis.scatter(at, np.concatenate(runs), s=12, color=RED, alpha=0.5, lw=0, label="runs")
        _predicted(axis, x, rows["predicted"])
        axis.fill_between(
            x, rows["low"], rows["high"], color="black", alpha=0.12, lw=0, label="its 80 %"
        )
        axis.set(xscale="log", yscale="log")
        _ticks(axis, x)
    right.plot(
        roomy["planted"] / roomy["d"], roomy["predicted"], color=BLUE, lw=1.2,
        ls=(0, (1, 1)), label="without crowding",
    )  # fmt: skip
    left.set(xlabel="support vectors, d = 2", ylabel="step", title="$T_{te}(0)$, by distance")
    right.set(xlabel="support vectors a dimension, d = 64", title="$T_{te}(0.05)$, by accuracy")
    for axis in (left, right):
        axis.legend(fontsize=10)
    return figure


@drawn
def together(runs: Ensemble, field: MeanField, title: str) -> Figure:
    """Distance of the hyperplane and concentrated accuracy: runs and the theory that goes along."""
    figure, (left, right) = frame(2)
    for run, accuracy in zip(runs.runs, runs.concentrated, strict=True):
        left.plot(runs.steps, run.distance, color=RED, lw=1, alpha=0.6)
        right.plot(runs.steps, accuracy, color=RED, lw=1, alpha=0.6)
    right.plot([], [], color=RED, lw=1, label="runs")
    _predicted(left, field.steps, field.distance)
    _predicted(right, field.steps, predicted_accuracy(field, alpha=runs.alpha))
    shell_band(left, runs.gamma, runs.alpha)
    left.set(yscale="log", ylim=(1e-5, 1), title=f"{title}: distance |b| / ||w||")
    right.set(ylim=(0.48, 1.02), title="concentrated accuracy")
    right.legend(loc="lower right")
    time_below(figure, runs.steps)
    return figure


def _ticks(axis: Axes, x: npt.ArrayLike) -> None:
    """Label the points themselves, where there are less than two decades of them."""
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xticks(x)
    axis.xaxis.set_major_formatter(ScalarFormatter())


def _predicted(axis: Axes, x: Any, y: Any, *, label: str = "mean field") -> None:
    axis.plot(x, y, color="black", ls=(0, (4, 2)), lw=1.4, label=label)


@drawn
def luck(panels: Mapping[str, Mapping[str, tuple[FloatArray, FloatArray]]]) -> Figure:
    """Shares of seeds below a value: of runs (lines) and of their law (dotted), a panel a quantity.

    All but accuracies are on a logarithmic axis; infinite values count among the shares.
    """
    figure, axes = subplots(1, len(panels), figsize=(7.6, 3.2), sharey=True, squeeze=False)
    shares = np.linspace(0.005, 0.995, 199)
    for axis, (quantity, settings) in zip(axes.flat, panels.items(), strict=True):
        for (name, (runs, law)), (colour, _) in zip(settings.items(), NEUTRAL, strict=False):
            below = np.quantile(runs, shares, method="inverted_cdf")
            axis.plot(below, shares, color=colour, alpha=0.6, label=name)
            foreseen = np.quantile(law, shares, method="inverted_cdf")
            axis.plot(foreseen, shares, color="black", ls=DOTTED, lw=1.2, label=f"_{name}, law")
        axis.set(xlabel=quantity, ylim=(0, 1))
        if not quantity.startswith("accuracy"):
            axis.set_xscale("log")
    axes[0, 0].set_ylabel("share of seeds below")
    axes[0, 0].plot([], [], color="black", ls=DOTTED, lw=1.2, label="law")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure
