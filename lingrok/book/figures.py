"""The figures of chapters 1 to 3, a function each: results in, matplotlib Figure out."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .._checks import FloatArray
from ..data import Dataset
from ..descent import Trajectory
from ..measures import Phases
from ..runs.ensemble import Ensemble
from . import style
from .figure import drawn, frame, subplots
from .style import BLUE, DARK, DASHED, LOOKS, NEUTRAL, RED, SKY, band, log_time, shell_band


@drawn
def distributions(train: Dataset, shell: Dataset) -> Figure:
    """Figure 3: the standard (left) and the concentrated points (right) in two dimensions."""
    figure, axes = subplots(1, 2, figsize=(8, 4.1), sharex=True, sharey=True)
    x = np.array([-5.0, 5.0])
    for axis, data, title in zip(
        axes, (train, shell), ("training and standard test", "concentrated test"), strict=True
    ):
        planted = np.isclose(data.y * (data.X @ data.w_true), data.gamma / 2)
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
            axis.plot(x, -x + side * data.gamma / np.sqrt(2), color="black", lw=0.8, ls=":")
        axis.set(xlim=(-5.3, 5.3), ylim=(-5.3, 5.3), aspect="equal", title=title, xlabel="$x_1$")
    axes[0].set_ylabel("$x_2$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawn
def reductions(mean: Trajectory, total: Trajectory) -> Figure:
    """Direction and offset of the hyperplane for the two readings of the paper's loss."""
    figure, axes = subplots(1, 2, figsize=(8, 3.2))
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
    style.errors(below, fast.steps, error, fast.error_estimate)
    below.set_ylabel("relative to the length of (w, b)")
    for axis in (above, below):
        axis.legend(loc="upper left")
    return figure


@drawn
def accuracies(
    runs: Ensemble, *tests: str, phases: Phases | None = None, until: float = np.inf
) -> Figure:
    """Train accuracy and the named test accuracies: medians over seeds, all seeds in the band."""
    figure, axis = subplots(figsize=(7.5, 3.6))
    shown = runs.steps <= until
    for name in ("train", *tests):
        band(axis, runs.steps[shown], getattr(runs, name)[:, shown], LOOKS[name], label=name)
    axis.set(ylim=(0.47, 1.02), ylabel="accuracy")
    log_time(axis, runs.steps[shown], phases)
    axis.legend(loc="lower right" if "concentrated" not in tests else "center left")
    return figure


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
def compare(curves: Mapping[str, Ensemble], test: str = "concentrated") -> Figure:
    """One test accuracy in several settings: medians over seeds, the middle half in the band."""
    figure, axis = subplots(figsize=(7.5, 3.6))
    for (label, runs), look in zip(curves.items(), NEUTRAL, strict=False):
        band(axis, runs.steps, getattr(runs, test), look, label=label, middle=50)
    axis.set(ylim=(0.47, 1.02), ylabel=f"accuracy, {test} test")
    log_time(axis, runs.steps)
    axis.legend(loc="upper left")
    return figure


@drawn
def shell(run: Trajectory, concentrated: FloatArray, *, gamma: float, alpha: float) -> Figure:
    """Distance of the hyperplane against one shell, and the accuracy there: a slider's frame."""
    figure, axes = frame(2, width=7.4, left=0.08)
    style.course(axes, run, concentrated)
    shell_band(axes[0], gamma, alpha)
    axes[0].set(ylim=(1e-6, 10), title="distance |b| / ||w||, and the shell")
    style.time_below(figure, run.steps)
    return figure
