"""The book's figures, a function each: results in, matplotlib Figure out, one look for all.

An idea keeps its colour and its line style through the whole book, so that the figures also read in
grey; the ground is opaque, so that they read on a dark page.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from .._checks import FloatArray
from ..data import Dataset
from ..descent import Trajectory
from ..measures import Phases
from ..runs.ensemble import Ensemble
from .figure import drawn, subplots

# Colour-blind safe (Okabe and Ito), apart in lightness as well; a line style an idea
COLOURS = {
    "train": "#333333",
    "standard": "#56B4E9",
    "concentrated": "#D55E00",
    "adversarial": "#8A4FA0",
    "label-preserving": "#8A4FA0",
    "PGD": "#D08BC0",
}
LINES: dict[str, Any] = {
    "train": (0, (5, 2)),
    "standard": (0, (7, 2, 1.5, 2)),
    "concentrated": "solid",
    "adversarial": (0, (1.5, 1.5)),
    "label-preserving": (0, (1.5, 1.5)),
    "PGD": "solid",
}
NEUTRAL = ("#D55E00", "#333333", "#009E73", "#56B4E9")  # for curves of one idea beside each other
NEUTRAL_LINES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)))
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_PHASES = (("population", "#f3f3f3"), ("unlearning", "#dcdcdc"), ("generalisation", "#ffffff"))


@drawn
def distributions(train: Dataset, shell: Dataset) -> Figure:
    """Figure 3: the standard (left) and the concentrated points (right) in two dimensions."""
    figure, axes = subplots(1, 2, figsize=(8, 4.1), sharex=True, sharey=True)
    for axis, data, title in zip(
        axes, (train, shell), ("training and standard test", "concentrated test"), strict=True
    ):
        planted = np.isclose(data.y * (data.X @ data.w_true), data.gamma / 2)
        for label, colour, marker in ((1.0, "#0072B2", "o"), (-1.0, "#D55E00", "^")):
            for on_margin, size, edge in ((False, 14, "none"), (True, 30, "black")):
                X = data.X[(data.y == label) & (planted == on_margin)]
                axis.scatter(
                    *X.T, s=size, c=colour, marker=marker, edgecolors=edge, linewidths=0.8,
                    label=f"class {label:+.0f}" if not on_margin else None, alpha=0.8,
                )  # fmt: skip
        x = np.array([-5.0, 5.0])
        axis.plot(x, -x, color="black", lw=1.2, label="true separator")
        for side in (-1, 1):
            axis.plot(x, -x + side * data.gamma / np.sqrt(2), color="black", lw=0.8, ls=":")
        axis.set(xlim=(-5.3, 5.3), ylim=(-5.3, 5.3), aspect="equal", title=title, xlabel="$x_1$")
    axes[0].set_ylabel("$x_2$")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


@drawn
def reductions(mean: Trajectory, total: Trajectory) -> Figure:
    """Direction and offset of the hyperplane for the two readings of the paper's loss."""
    figure, axes = subplots(1, 2, figsize=(8, 3.2))
    for run, label, colour, style in (
        (total, "sum", "#56B4E9", "solid"),
        (mean, "mean", "#333333", (0, (5, 2))),
    ):
        axes[0].plot(run.steps, np.degrees(run.angle), color=colour, ls=style, label=label, lw=1.3)
        axes[1].plot(run.steps, run.distance, color=colour, ls=style, label=label, lw=1.3)
    axes[0].set(title="angle to the true separator (degrees)", yscale="log")
    axes[1].set(title="distance of the hyperplane from the origin", yscale="log")
    for axis in axes:
        axis.set(xscale="log", xlabel="step")
    axes[0].legend(title="loss")
    return figure


@drawn
def trust(exact: Trajectory, fast: Trajectory, error: FloatArray) -> Figure:
    """Exact descent and fast-forward in one picture, and the error between them below."""
    figure, (above, below) = subplots(2, 1, figsize=(7.5, 5.6), sharex=True)
    twin = above.twinx()
    for axis, of, colour, label in (
        (above, "b", "#D55E00", "bias b"),
        (twin, "norm", "#0072B2", "length of w"),
    ):
        axis.plot(exact.steps, getattr(exact, of), color=colour, lw=4, alpha=0.35)
        axis.plot(fast.steps, getattr(fast, of), color=colour, lw=1.2, ls=(0, (5, 2)))
        axis.set_ylabel(label, color=colour)
    twin.set_yscale("log")
    twin.grid(visible=False)
    twin.spines.right.set_visible(True)
    above.plot([], [], color="grey", lw=4, alpha=0.35, label="every step walked")
    above.plot([], [], color="grey", lw=1.2, ls=(0, (5, 2)), label="fast-forward")
    above.legend(loc="upper left")
    below.plot(fast.steps, fast.error_estimate, color="#333333", ls=(0, (5, 2)), label="estimate")
    below.plot(fast.steps, np.maximum(error, 1e-17), color="#D55E00", label="error")
    below.set(xscale="log", yscale="log", xlabel="step", ylabel="relative to the length of (w, b)")
    below.legend(loc="upper left")
    return figure


@drawn
def accuracies(
    runs: Ensemble, *tests: str, phases: Phases | None = None, until: float = np.inf
) -> Figure:
    """Train accuracy and the named test accuracies: medians over seeds, all seeds in the band."""
    figure, axis = subplots(figsize=(7.5, 3.6))
    shown = runs.steps <= until
    for name in ("train", *tests):
        seed_band(axis, runs.steps[shown], getattr(runs, name)[:, shown], name)
    axis.set(ylim=(0.47, 1.02), ylabel="accuracy")
    log_time(axis, runs.steps[shown], phases)
    axis.legend(loc="lower right" if "concentrated" not in tests else "center left")
    return figure


@drawn
def motion(runs: Ensemble, phases: Phases) -> Figure:
    """Where the hyperplane is: its distance from the origin against the shell, and its bias."""
    figure, axes = subplots(2, 1, figsize=(7.5, 5.2), sharex=True)
    gamma, alpha = runs.gamma, runs.alpha
    distance = np.array([run.distance for run in runs.runs])
    seed_band(axes[0], runs.steps, distance)
    axes[0].axhspan(gamma / 2, alpha * gamma, color="#D55E00", alpha=0.25, lw=0)
    axes[0].text(
        runs.steps[1], np.sqrt(gamma / 2 * alpha * gamma), "concentrated points", va="center",
        color="#7a3600",
    )  # fmt: skip
    axes[0].set(yscale="log", ylabel="distance |b| / ||w||")
    seed_band(axes[1], runs.steps, np.array([run.b for run in runs.runs]))
    axes[1].set_ylabel("bias b")
    for axis, label in zip(axes, (True, False), strict=True):
        log_time(axis, runs.steps, phases, label=label)
    axes[0].set_xlabel("")
    return figure


@drawn
def shell(run: Trajectory, concentrated: FloatArray, *, gamma: float, alpha: float) -> Figure:
    """Distance of the hyperplane against one shell, and the accuracy there: a slider's frame."""
    figure, axes = frame(2, width=7.4, left=0.08)
    axes[0].plot(run.steps, run.distance, color=COLOURS["train"])
    axes[0].axhspan(gamma / 2, alpha * gamma, color=COLOURS["concentrated"], alpha=0.25, lw=0)
    axes[0].set(yscale="log", ylim=(1e-6, 10), title="distance |b| / ||w||, and the shell")
    axes[1].plot(run.steps, concentrated, color=COLOURS["concentrated"])
    axes[1].set(ylim=(0.47, 1.02), title="concentrated accuracy")
    for axis in axes:
        axis.set(xscale="log", xlim=(run.steps[0], run.steps[-1]))
    figure.text(0.5, 0.03, "step", ha="center")
    plain_decades(figure)
    return figure


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
            axis.plot(steps, values, color=COLOURS[name], ls=LINES[name], label=name)
        axis.set(xscale="log", xlim=(steps[0], steps[-1]), ylim=(-0.03, 1.03), title=title)
    axes[0].legend(loc="center left")
    figure.text(0.5, 0.03, f"step, with attacks of radius {epsilon:.2g}", ha="center")
    plain_decades(figure)
    return figure


def frame(panels: int, *, width: float, left: float) -> tuple[Figure, Any]:
    """Make a slider's frame, laid out by hand: all frames alike, and drawn in half of the time."""
    figure, axes = subplots(1, panels, figsize=(width, 2.7), layout="none")
    figure.subplots_adjust(left=left, right=0.98, bottom=0.21, top=0.9, wspace=0.28)
    return figure, axes


def plain_decades(figure: Figure) -> None:
    """Label few decades of a frame's log axes, as plain text: mathematics would take longer."""
    for axis in (one for axes in figure.axes for one in (axes.xaxis, axes.yaxis)):
        if axis.get_scale() != "log":
            continue
        low, high = np.log10(np.sort(axis.get_view_interval()))
        exponents = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1).astype(int)
        shown = exponents[:: 1 + len(exponents) // 6]
        axis.set_ticks(10.0**shown, [f"10{str(k).translate(_RAISED)}" for k in shown])
        axis.set_minor_locator(NullLocator())


@drawn
def compare(curves: Mapping[str, Ensemble], test: str = "concentrated") -> Figure:
    """One test accuracy in several settings: medians over seeds, the middle half in the band."""
    figure, axis = subplots(figsize=(7.5, 3.6))
    for (label, runs), colour, style in zip(curves.items(), NEUTRAL, NEUTRAL_LINES, strict=False):
        low, high = np.quantile(getattr(runs, test), (0.25, 0.75), axis=0)
        axis.fill_between(runs.steps, low, high, color=colour, alpha=0.15, lw=0)
        axis.plot(
            runs.steps, np.median(getattr(runs, test), axis=0), color=colour, ls=style, label=label
        )
    axis.set(ylim=(0.47, 1.02), ylabel=f"accuracy, {test} test")
    log_time(axis, next(iter(curves.values())).steps, None)
    axis.legend(loc="upper left")
    return figure


@drawn
def robustness(panels: Mapping[str, tuple[Ensemble, Mapping[str, FloatArray]]]) -> Figure:
    """Accuracies, (s, k) each, in two columns of panels: medians, with all seeds in the band.

    Phases are shaded where there is a bias; the thin line marks the end of the paper's runs.
    """
    rows = (len(panels) + 1) // 2
    figure, axes = subplots(
        rows, 2, figsize=(8.6, 0.7 + 2.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    for i, (title, (runs, curves)) in enumerate(panels.items()):
        axis, neutral = axes.flat[i], zip(NEUTRAL[1:3], NEUTRAL_LINES[1::2], strict=True)
        for name, values in curves.items():
            style = (COLOURS[name], LINES[name]) if name in COLOURS else next(neutral)
            seed_band(axis, runs.steps, values, name, style)
        axis.axvline(1e7, color="black", lw=0.8, ls=(0, (1, 2)))
        axis.text(0.03, 0.28, title, transform=axis.transAxes)
        log_time(axis, runs.steps, runs.phases() if runs.runs[0].b.any() else None, label=i < 2)
        axis.set(ylim=(-0.03, 1.03), xlabel="step" if i >= len(panels) - 2 else "")
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


@drawn
def delay_map(
    dimensions: Sequence[int], radii: Sequence[float], zeta: FloatArray, limit: FloatArray
) -> Figure:
    """Delay factors under label-preserving attacks, and what PGD leaves; (radii, dimensions)."""
    figure, axes = subplots(1, 2, figsize=(8.6, 3.9), sharey=True)
    ends = [_edges(values) for values in (dimensions, radii)]
    for axis, values, colours, title in (
        (axes[0], zeta, LogNorm(1, 1e11), "delay factor, labels preserved"),
        (axes[1], limit, Normalize(0, 1.25), "robust accuracy left by PGD"),
    ):
        mesh = axis.pcolormesh(*ends, values, cmap="Purples", norm=colours, edgecolors="white")
        for (i, j), value in np.ndenumerate(values):
            text = f"{value:.2f}" if values is limit else f"{value:.0f}"
            shade = mesh.to_rgba(value)
            axis.text(
                dimensions[j], radii[i], text if value < 1e3 else f"$10^{{{np.log10(value):.1f}}}$",
                ha="center", va="center", color="white" if colours(value) > 0.6 else "black",
                bbox={"facecolor": shade, "lw": 0, "pad": 1.5}, fontsize=9,
            )  # fmt: skip
        d = np.geomspace(ends[0][0], ends[0][-1])
        label = r"$\epsilon\sqrt{d}$ = standard deviation of the projection"
        axis.plot(d, 5 / np.sqrt(3 * d), color="#333333", lw=1.5, label=label)
        axis.set(xscale="log", yscale="log", xlabel="d", title=title, xlim=d[[0, -1]])
        axis.set_xticks(dimensions, [str(one) for one in dimensions])
        axis.set_yticks(radii, [f"{one:g}" for one in radii])
        axis.minorticks_off()
        axis.grid(visible=False)
    axes[0].set_ylabel(r"radius $\epsilon$")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center")
    return figure


def _edges(values: Sequence[float]) -> FloatArray:
    """Cell edges half-way between increasing values, on a log axis."""
    logs = np.log(np.asarray(values, dtype=np.float64))
    inner = (logs[1:] + logs[:-1]) / 2
    edges = np.concatenate([[2 * logs[0] - inner[0]], inner, [2 * logs[-1] - inner[-1]]])
    return np.asarray(np.exp(edges))


def seed_band(
    axis: Axes,
    steps: npt.NDArray[np.int64],
    values: FloatArray,
    name: str | None = None,
    style: tuple[str, Any] | None = None,
) -> None:
    """Draw the median over seeds in the idea's colour, and the range over all as a band."""
    if style is None:
        style = COLOURS[name or "train"], LINES[name] if name else "solid"
    low, high = values.min(axis=0), values.max(axis=0)
    band = f"_{name or 'median'}, all seeds"
    axis.fill_between(steps, low, high, color=style[0], alpha=0.18, lw=0, label=band)
    axis.plot(steps, np.median(values, axis=0), color=style[0], ls=style[1], label=name)


def log_time(
    axis: Axes, steps: npt.NDArray[np.int64], phases: Phases | None, *, label: bool = True
) -> None:
    """Log axis in steps, with the three phases shaded alike everywhere."""
    axis.set(xscale="log", xlabel="step", xlim=(steps[0], steps[-1]))
    if phases is None:
        return
    ends = [steps[0], phases.unlearning, phases.generalisation, steps[-1]]
    ends = [float(min(end, steps[-1])) for end in ends]
    for (name, shade), left, right in zip(_PHASES, ends, ends[1:], strict=False):
        if right <= left:
            continue
        axis.axvspan(left, right, color=shade, lw=0, zorder=-5)
        if label:
            axis.text(
                np.sqrt(left * right), 1.01, name, ha="center", va="bottom",
                transform=axis.get_xaxis_transform(), fontsize=9, style="italic",
            )  # fmt: skip
