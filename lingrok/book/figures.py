"""The figures of chapters 1 to 3, a function each: results in, matplotlib Figure out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from .._checks import FloatArray
from ..data import Dataset, need
from ..descent import Trajectory
from ..measures import Phases
from ..runs.ensemble import Ensemble
from . import style
from .figure import drawn, frame, subplots
from .style import BLUE, DARK, DASHED, LOOKS, NEUTRAL, RED, SKY, Names, band, log_time, shell_band

Curves = Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]]


@drawn
def distributions(train: Dataset, shell: Dataset) -> Figure:
    """Figure 3: the standard (left) and the concentrated points (right) in two dimensions."""
    figure, axes = subplots(1, 2, figsize=(7.6, 4.1), sharex=True, sharey=True)
    x = np.array([-5.0, 5.0])
    for axis, data, title in zip(
        axes, (train, shell), ("training and standard test", "concentrated test"), strict=True
    ):
        gamma, _, planted = need(data, "gamma", "planted")
        for label, colour, marker in ((1, BLUE, "o"), (-1, RED, "^")):
            one = np.flatnonzero(data.y == label)
            one = one[np.argsort(planted[one], kind="stable")]  # those on top
            sns.scatterplot(
                x=data.X[one, 0], y=data.X[one, 1], size=planted[one], sizes={False: 10, True: 30},
                color=colour, marker=marker, alpha=0.8, linewidth=0.8, ax=axis, legend=False,
                edgecolor=np.where(planted[one], "black", colour), label=f"class {label:+d}",
            )  # fmt: skip
        axis.plot(x, -x, color="black", lw=1.2, label="true separator")
        for side in (-1, 1):
            axis.plot(x, -x + side * gamma / np.sqrt(2), color="black", lw=0.8, ls=":")
        axis.set(xlim=(-5.3, 5.3), ylim=(-5.3, 5.3), aspect="equal", title=title, xlabel="$x_1$")
    axes[0].set_ylabel("$x_2$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawn
def reductions(mean: Trajectory, total: Trajectory) -> Figure:
    """Direction and offset of the hyperplane for the two readings of the paper's loss."""
    figure, axes = subplots(1, 2, figsize=(7.6, 3.2))
    for run, label, colour, ls in ((total, "sum", SKY, "solid"), (mean, "mean", DARK, DASHED)):
        for axis, values in zip(axes, (np.degrees(run.angle), run.distance), strict=True):
            axis.plot(run.steps, values, color=colour, ls=ls, label=label, lw=1.3)
    axes[0].set_title("angle to the true separator (degrees)")
    axes[1].set_title("distance of the hyperplane from the origin")
    for axis in axes:
        axis.set(xscale="log", yscale="log", xlabel="step")
    axes[0].legend(title="loss")
    return figure


@drawn
def trust(exact: Trajectory, fast: Trajectory, error: FloatArray) -> Figure:
    """Exact descent and fast-forward in one picture, and the error between them below."""
    figure, (above, below) = subplots(2, 1, figsize=(7.5, 5.6), sharex=True)
    twin = above.twinx()
    walked, leapt = {"lw": 4, "alpha": 0.35}, {"lw": 1.2, "ls": DASHED}
    for axis, of, colour, label in (
        (above, "b", RED, "bias b"), (twin, "norm", BLUE, "length of w"),
    ):  # fmt: skip
        axis.plot(exact.steps, getattr(exact, of), color=colour, **walked)
        axis.plot(fast.steps, getattr(fast, of), color=colour, **leapt)
        axis.set_ylabel(label, color=colour)
    twin.set_yscale("log")
    twin.grid(visible=False)
    twin.spines.right.set_visible(True)
    above.plot([], [], color="grey", **walked, label="every step walked")
    above.plot([], [], color="grey", **leapt, label="fast-forward")
    below.plot(fast.steps, fast.error_estimate, color=DARK, ls=DASHED, label="estimate")
    below.plot(fast.steps, np.maximum(error, 1e-17), color=RED, label="error")
    below.set(xscale="log", yscale="log", xlabel="step", ylabel="relative to the length of (w, b)")
    for axis in (above, below):
        axis.legend(loc="upper left")
    return figure


@drawn
def over_time(
    panels: Mapping[str, Curves], *, height: float = 3, middle: int = 100,
    estimator: str = "median", phases: Mapping[str, Phases] | None = None, names: Names = "words",
    published: bool = False, level: float | None = None, legend: Any = "outside lower center",
    ylabel: str = "", marks: Mapping[str, float] | None = None, **scale: Any,
) -> Figure:  # fmt: skip
    """Draw anything over steps: panels of curves, over the seeds.

    Parameters
    ----------
    panels : mapping
        From a panel's title to its curves, a mapping from a label to steps, (k,), and values, (k,)
        or (s, k). An idea of the book, such as "train", has its own look; others take turns.
    height : float
        Of a panel, in inches.
    middle, estimator
        Per cent of seeds in the band, and "median" or "mean", as in `style.band`.
    phases, names, published
        Phases by title, and the rest as in `style.log_time`; with phases, the published window
        ends at a thin line.
    level : float, optional
        A dotted line.
    legend, ylabel, **scale
        Where the legend is; the rest as in `Axes.set`, for all panels.
    marks : mapping, optional
        Steps that are marked on the dotted line, by the label of their curve.
    """
    columns = len(panels) if len(panels) < 4 else 2
    rows = -(-len(panels) // columns)
    size = 7.6 if columns > 1 else 7.5, 0.7 + height * rows
    figure, axes = subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for i, (axis, (title, curves)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        neutral = iter(NEUTRAL[1:] if LOOKS.keys() & curves else NEUTRAL)
        for label, (steps, values) in curves.items():
            look = LOOKS.get(label) or next(neutral)
            band(axis, steps, values, look, label=label, middle=middle, estimator=estimator)
            if label in (marks or {}):
                axis.plot((marks or {})[label], level or 0.5, "v", color=look[0], ms=9, mec="white")
        if level is not None:
            axis.axhline(level, color="black", lw=0.8, ls=":")
        found = (phases or {}).get(title)
        log_time(axis, np.asarray(steps), found, names=names, published=published and not phases)
        if published and phases:
            axis.axvline(style.PUBLISHED, color="black", lw=0.8, ls=(0, (1, 2)))
        axis.set_title(title, pad=16 if phases and title else None)
        axis.set_ylabel(ylabel if i % columns == 0 else "")
        if i < len(panels) - columns:
            axis.set_xlabel("")
    axes[0, 0].set(**scale)  # after all curves: on a log axis seaborn would average logarithms
    handles, labels = axes[0, 0].get_legend_handles_labels()
    where = figure if "outside" in legend else axes[0, 0]
    columns = 1 if where is not figure else len(labels) if len(labels) < 5 else 3
    where.legend(handles, labels, loc=legend, ncols=columns)
    return figure


@drawn
def accuracies(
    runs: Ensemble, *tests: str, phases: Phases | None = None, until: float = np.inf
) -> Figure:
    """Train accuracy and the named test accuracies: medians over seeds, all seeds in the band."""
    steps = runs.steps[runs.steps <= until]
    curves = {name: (steps, getattr(runs, name)[:, : len(steps)]) for name in ("train", *tests)}
    legend = "lower right" if "concentrated" not in tests else "center left"
    return over_time(
        {"": curves}, phases={"": phases} if phases else None, ylim=(0.47, 1.02), ylabel="accuracy",
        legend=legend,
    )  # fmt: skip


@drawn
def motion(runs: Ensemble, phases: Phases) -> Figure:
    """Where the hyperplane is: its distance from the origin against the shell, and its bias."""
    figure, axes = subplots(2, 1, figsize=(7.5, 5.2), sharex=True)
    for axis, name in zip(axes, ("distance", "b"), strict=True):
        band(axis, runs.steps, [getattr(run, name) for run in runs.runs], (DARK, "solid"))
    shell_band(axes[0], runs.gamma, runs.alpha)
    axes[0].text(
        runs.steps[1], runs.gamma * np.sqrt(runs.alpha / 2), "concentrated points", va="center",
        color="#7a3600",
    )  # fmt: skip
    axes[0].set(yscale="log", ylabel="distance |b| / ||w||")
    axes[1].set_ylabel("bias b")
    log_time(axes[0], runs.steps, phases)
    log_time(axes[1], runs.steps, phases, names=None)
    axes[0].set_xlabel("")
    return figure


@drawn
def course(
    run: Trajectory, concentrated: FloatArray, *,
    shell: tuple[float, float] | None = None, bias: bool = False, text: str = "step",
) -> Figure:  # fmt: skip
    """Distance of the hyperplane and concentrated accuracy of one run: a slider's frame.

    Before them the bias, if wanted; `shell` is gamma and alpha of the concentrated points.
    """
    figure, axes = frame(2 + bias)
    *first, distance, accuracy = axes
    for axis in first:
        axis.plot(run.steps, run.b, color=DARK)
        axis.set(title="bias b", ylim=(-2, 2))
    distance.plot(run.steps, run.distance, color=DARK)
    distance.set(title="distance |b| / ||w||", yscale="log", ylim=(1e-5, 1))
    if shell is not None:
        shell_band(distance, *shell)
        distance.set(title="distance |b| / ||w||, and the shell", ylim=(1e-6, 10))
    accuracy.plot(run.steps, concentrated, color=RED)
    accuracy.set(title="concentrated accuracy", ylim=(0.47, 1.02))
    style.time_below(figure, run.steps, text)
    return figure


@drawn
def delays(table: pd.DataFrame, readings: Mapping[str, tuple[str, float]]) -> Figure:
    """Delays of both tests by several readings: a panel each, a column a setting, a dot a run.

    `readings` maps a panel's title to the reading's column, after the name of the test, and the
    level from which on it speaks of grokking. A delay that is infinite has no dot.
    """
    figure, axes = subplots(1, len(readings), figsize=(7.6, 3.6))
    name = "S(" + table.sv_pos.astype(str) + "," + table.sv_neg.astype(str) + ")"
    name = name.where(table.sv_pos > 0, "none") + "\nd = " + table.d.astype(str)
    which, names = pd.factorize(name)
    turn = table.groupby(name).cumcount()
    for axis, (title, (column, level)) in zip(axes, readings.items(), strict=True):
        for test, side in (("standard", -0.2), ("concentrated", 0.2)):
            x = which + side + 0.3 * (turn / turn.max() - 0.5)
            look = {"color": LOOKS[test][0], "s": 7, "linewidth": 0}
            sns.scatterplot(x=x, y=table[f"{test} {column}"], label=f"{test} test", ax=axis, **look)
        axis.axhline(level, color="black", lw=0.8, ls=":")
        axis.set(title=title, xlabel="", ylabel="", yscale="linear" if "lag" in title else "log")
        axis.set_xticks(range(len(names)), names, fontsize=10, rotation=35)
        axis.get_legend().remove()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
