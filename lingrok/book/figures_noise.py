"""The figures of chapter 12: wrong labels, and real data."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .._checks import FloatArray
from .figure import drawn, subplots
from .style import DARK, NEUTRAL, RED


@drawn
def wrong_labels(panels: Mapping[str, tuple[FloatArray, FloatArray, FloatArray]]) -> Figure:
    """Concentrated accuracy at the end over wrong labels: runs, and the theory's middle 80 %.

    For each panel the numbers (k,), the runs' accuracies (k, s), and the theory's (k, draws).
    """
    figure, axes = subplots(1, len(panels), figsize=(7.6, 3.4), sharey=True, squeeze=False)
    for axis, (title, (counts, runs, theory)) in zip(axes.flat, panels.items(), strict=True):
        low, middle, high = np.quantile(theory, (0.1, 0.5, 0.9), axis=1)
        axis.fill_between(counts, low, high, color=DARK, alpha=0.2, lw=0, label="theory, 80 %")
        axis.plot(counts, middle, color=DARK, ls="--", label="theory, median")
        axis.scatter(
            np.repeat(counts, runs.shape[1]), runs.ravel(), s=8, alpha=0.35, lw=0, color=RED,
            label="runs",
        )  # fmt: skip
        axis.plot(counts, np.median(runs, axis=1), color=RED, label="runs, median")
        axis.set(xscale="log", xlabel="wrong labels", ylim=(0.45, 1.03), title=title)
    axes[0, 0].set_ylabel("concentrated accuracy at the end")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@drawn
def laws(panels: Mapping[str, tuple[FloatArray, FloatArray]]) -> Figure:
    """Shares of seeds below a value: of the runs, and of the theory's draws."""
    figure, axes = subplots(1, len(panels), figsize=(7.6, 2.9), sharey=True, squeeze=False)
    for axis, (title, (runs, theory)) in zip(axes.flat, panels.items(), strict=True):
        shares = np.linspace(0.005, 0.995, 199)
        axis.plot(np.quantile(runs, shares), shares, color=RED, label="runs")
        axis.plot(np.quantile(theory, shares), shares, color=DARK, ls="--", label="theory")
        axis.set(xlabel=title)
        if title == "length of w":
            axis.set_xscale("log")
    axes[0, 0].set_ylabel("share of seeds below")
    axes[0, 0].legend(loc="lower right")
    return figure


@drawn
def separable(found: pd.DataFrame, thresholds: Mapping[float, float]) -> Figure:
    """Share of separable draws over the dimension, for shares of wrong labels, and thresholds."""
    figure, axis = subplots(figsize=(7.5, 3))
    for (share, threshold), (colour, _) in zip(thresholds.items(), NEUTRAL, strict=False):
        shares = found[found["share"] == share].groupby("d")["separable"].mean()
        axis.plot(shares.index, shares, "o-", ms=4, label=f"{share:.1%} wrong", color=colour)
        axis.axvline(threshold, color=colour, ls="--", lw=1)
    axis.set(xscale="log", xlabel="dimensions", ylabel="share separable")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


@drawn
def splits(panels: Mapping[str, tuple[FloatArray, Mapping[str, FloatArray]]]) -> Figure:
    """Accuracies (splits, k) of real sets over steps: means, and a standard error around them."""
    figure, axes = subplots(1, len(panels), figsize=(7.6, 3.3), sharey=True, squeeze=False)
    for axis, (title, (steps, curves)) in zip(axes.flat, panels.items(), strict=True):
        for (name, values), (colour, style) in zip(curves.items(), NEUTRAL, strict=False):
            mean = values.mean(axis=0)
            error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
            axis.plot(steps, mean, color=colour, label=name, ls=style)
            axis.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.25, lw=0)
        axis.set(xscale="log", xlabel="step", title=title)
    axes[0, 0].set_ylabel("accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
