"""The figures of chapters 5 and 6: results in, matplotlib Figure out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from .._checks import FloatArray
from ..data import Dataset, need
from ..descent import Trajectory
from ..measures import Phases
from ..runs.ensemble import Ensemble
from ..theory.bias import BiasPull
from .figure import drawn, frame, subplots
from .style import BLUE, DARK, DASHED, NEUTRAL, RED, SKY, band, log_time

Steps = npt.NDArray[np.int64]


@drawn
def settings(curves: Mapping[str, Ensemble], phases: Phases) -> Figure:
    """Figures 2 and 4: bias, distance and accuracies of several settings, over the seeds."""
    figure, axes = subplots(2, 2, figsize=(7.6, 5.6), sharex=True)
    shown: tuple[tuple[str, Callable[[Ensemble], Any]], ...] = (
        ("bias b", lambda runs: [run.b for run in runs.runs]),
        ("distance |b| / ||w||", lambda runs: [run.distance for run in runs.runs]),
        ("train accuracy", lambda runs: runs.train),
        ("concentrated accuracy", lambda runs: runs.concentrated),
    )
    for axis, (title, read) in zip(axes.flat, shown, strict=True):
        for (name, runs), look in zip(curves.items(), NEUTRAL, strict=False):
            # The middle half: accuracies of single seeds fill the plane before step 1,000
            band(axis, runs.steps, read(runs), look, label=name, middle=50)
        axis.set_title(title, pad=16)
        log_time(axis, runs.steps, phases, names="letters")
    axes[0, 1].set(yscale="log", ylim=(1e-5, 1))
    for above, below in axes.T:
        above.set_xlabel("")
        below.set_ylim(0.47, 1.02)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@drawn
def pulls(columns: Mapping[str, tuple[Sequence[BiasPull], Phases]]) -> Figure:
    """Who pulls the bias: the parts of db/dt, over all that pulls, and the support's share."""
    figure, axes = subplots(
        2, len(columns), figsize=(7.6, 5), sharex=True, sharey="row", squeeze=False,
        height_ratios=(3, 2),
    )  # fmt: skip
    for (title, (each, phases)), (above, below) in zip(columns.items(), axes.T, strict=True):
        steps = each[0].steps
        parts = [(pull.support, pull.population, pull.support + pull.population) for pull in each]
        relative = np.array(parts) / np.array([pull.magnitude for pull in each])[:, None]
        for i, label in enumerate(("support vectors", "population", "both: db/dt")):
            band(above, steps, relative[:, i], NEUTRAL[i], label=label)
        band(below, steps, np.array([pull.share for pull in each]), NEUTRAL[0])
        below.axhline(0.5, color="black", lw=0.8, ls=":")
        above.set_title(title, pad=16)
        below.set_ylim(0, 1)
        log_time(above, steps, phases, names="letters")
        log_time(below, steps, phases, names=None)
        above.set_xlabel("")
    axes[0, 0].set_ylabel("pull on b, over the sum\nof all magnitudes")
    axes[1, 0].set_ylabel("support vectors'\nshare of the sum")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@drawn
def hyperplane(train: Dataset, shell: Dataset, run: Trajectory, i: int) -> Figure:
    """Where the hyperplane is at checkpoint `i`, over the training and the concentrated points.

    Both panels have the direction along the true separator to the right, and that across it,
    enlarged, upwards.
    """
    figure, axes = frame(2)
    gamma, w_true, _ = need(train, "gamma", "w_true")
    w, b, along = run.w[i], run.b[i], np.array([-1.0, 1.0]) / np.sqrt(2)
    ends = np.array([-7.2, 7.2])
    line = -(b + ends * (w @ along)) / (w @ w_true)
    outer = 10 * gamma
    for axis, reach, data in ((axes[0], 11 * outer, train), (axes[1], 1.2 * outer, shell)):
        x, u = data.X @ along, data.X @ w_true
        right = data.y * (data.X @ w + b) > 0
        for of, marker, colour, size in ((right, "o", "#999999", 6), (~right, "x", RED, 14)):
            axis.scatter(x[of], u[of], marker=marker, c=colour, s=size, linewidths=0.9)
        axis.plot(ends, line, color="black", lw=2)
        axis.set(xlim=ends, ylim=(-reach, reach))
    axes[0].axhspan(-outer, outer, color=SKY, alpha=0.35, lw=0)
    axes[0].set_title("training points")
    axes[1].set_title(f"concentrated test: {np.mean(right):.2f} correct")
    axes[0].set_ylabel("across the separator")
    step = f"$10^{{{np.log10(run.steps[i]):.1f}}}$".replace(".0", "")
    figure.text(0.56, 0.02, f"along the separator, at step {step}", ha="center")
    return figure


@drawn
def residual(
    run: Trajectory, rho: FloatArray, unit: float, errors: Mapping[str, tuple[Steps, FloatArray]]
) -> Figure:
    """Draw lengths of w, w_hat log t and rho in units, and how far rho is from its limit."""
    figure, (left, right) = subplots(1, 2, figsize=(7.6, 3.6))
    lengths = {"w": run.norm * unit, "w_hat log t": np.log(run.steps), "rho": rho}
    for (name, values), (colour, style) in zip(lengths.items(), NEUTRAL, strict=False):
        left.plot(run.steps, values, color=colour, ls=style, label=name)
    for (name, (steps, error)), look in zip(errors.items(), NEUTRAL, strict=False):
        band(right, steps, error, look, label=name)
    left.set(title="length, times gamma / 2")
    right.set(title="rho from its predicted limit, relative", yscale="log")
    for axis in (left, right):
        log_time(axis, run.steps, published=True)
    left.legend(loc="upper left")
    right.legend(loc="lower left")
    return figure


@drawn
def plateaus(
    steps: Steps, losses: Mapping[str, FloatArray], levels: Mapping[str, float],
    curves: Sequence[tuple[FloatArray, FloatArray]],
) -> Figure:  # fmt: skip
    """Draw the bias with both losses, the two plateaus, and theorem 4.5's curve from several t0."""
    figure, axis = subplots(figsize=(7.5, 3.8))
    for (name, b), (colour, style) in zip(losses.items(), NEUTRAL, strict=False):
        axis.plot(steps, b, color=colour, ls=style, label=name, lw=2.2)
    for i, (t, b) in enumerate(curves):
        label = "theorem 4.5 from t0" if i == 0 else None
        axis.plot(t, b, color=BLUE, lw=1.2, marker="o", markevery=[0], ms=5, label=label)
    for name, level in levels.items():
        axis.axhline(level, color="black", lw=0.8, ls=":")
        axis.text(1.6, level, name, va="bottom", fontsize=10)
    axis.margins(y=0.08)
    axis.set_ylabel("b")
    log_time(axis, steps, published=True)
    axis.legend(loc="upper right", bbox_to_anchor=(1, 0.85))
    return figure


@drawn
def kicks(panels: Mapping[str, Sequence[tuple[FloatArray, FloatArray, FloatArray]]]) -> Figure:
    """Draw the bias, displaced at a late t0, and theorem 4.5's curve from there."""
    figure, axes = subplots(1, len(panels), figsize=(7.6, 3.2), sharey=True, squeeze=False)
    for (title, each), axis in zip(panels.items(), axes.flat, strict=True):
        for i, (g, measured, curve) in enumerate(each):
            label = ("descent", "theorem 4.5") if i == 0 else (None, None)
            axis.plot(g, measured, color=RED, lw=4, alpha=0.45, label=label[0])
            axis.plot(g, curve, color=DARK, lw=1.3, ls=DASHED, label=label[1])
        axis.set(title=title, xlabel="g(t)")
    axes[0, 0].set_ylabel("b")
    axes[0, -1].legend()
    return figure


@drawn
def two_margins(
    data: Dataset, planes: Mapping[str, tuple[FloatArray, float]], run: Trajectory,
    angles: Mapping[str, FloatArray],
) -> Figure:  # fmt: skip
    """Two points, the separators of both margins, and which one gradient descent tends to."""
    figure, (left, right) = subplots(1, 2, figsize=(7.6, 3.6))
    x = np.array([-4.0, 4.0])
    for (name, (w, b)), (colour, style) in zip(planes.items(), NEUTRAL, strict=False):
        foot, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.linalg.norm(w)
        left.plot(*(foot[:, None] + along[:, None] * 3 * x), color=colour, ls=style, label=name)
        if name in angles:
            right.plot(run.steps, np.degrees(angles[name]), color=colour, ls=style)
    for label, marker in ((1.0, "o"), (-1.0, "^")):
        left.scatter(*data.X[data.y == label].T, s=50, c="black", marker=marker, zorder=3)
    left.plot(0, 0, "+", color="black", ms=10)
    left.set(xlim=(-4, 4), ylim=(-1, 6), aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    right.set(title="angle of (w, b) to the solution (degrees)", yscale="log")
    log_time(right, run.steps)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
