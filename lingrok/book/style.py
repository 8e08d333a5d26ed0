"""The book's look: its theme, a colour and a line style an idea, and what many figures draw.

An idea keeps both through the whole book, so that the figures also read in grey; the ground is
opaque, so that they read on a dark page.
"""

import re
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from ..measures import Phases

Look = tuple[str, Any]  # colour and line style
Names = Literal["words", "letters"] | None  # of phases

# Colour-blind safe, and apart in lightness as well
_SAFE = sns.color_palette("colorblind").as_hex()
BLUE, GREEN, RED, PINK, SKY = (_SAFE[i] for i in (0, 2, 3, 4, 9))
DARK, PURPLE = "#333333", "#8A4FA0"  # darker than any of that palette
DASHED, DOTTED, DASH_DOTTED = (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2))

THEME: dict[Any, Any] = {
    **sns.axes_style(
        "ticks",
        {
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.sans-serif": ["DejaVu Sans"],  # which Matplotlib brings: the same everywhere
        },
    ),
    **sns.plotting_context("paper", font_scale=1.2),
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.8,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # to look for ticks above takes a quarter of the drawing
    "legend.frameon": False,
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}

LOOKS: dict[str, Look] = {
    "train": (DARK, DASHED),
    "standard": (SKY, DASH_DOTTED),
    "concentrated": (RED, "solid"),
    "adversarial": (PURPLE, DOTTED),
    "label-preserving": (PURPLE, DOTTED),
    "adversarial, labels preserved": (PURPLE, (0, (6, 1.5))),  # one test in two readings
    "PGD": (PINK, "solid"),
}
# For curves of one idea beside each other
NEUTRAL: list[Look] = [
    (RED, "solid"), (DARK, DASHED), (GREEN, DOTTED), (SKY, DASH_DOTTED), (PURPLE, (0, (6, 1.5))),
    (PINK, "solid"),
]  # fmt: skip
_PHASES = (("population", "#f3f3f3"), ("unlearning", "#dcdcdc"), ("generalisation", "#ffffff"))
PHASES = tuple(name for name, _ in _PHASES)
PUBLISHED = 1e7  # steps of the paper's runs
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_EXPONENT = re.compile(r"(?<![\w.$])(?:1|(\d+(?:\.\d+)?))e([+-]?\d{1,3})(?!\w)")
_SYMBOLS = {
    r"\|\|w\|\|": "‖w‖", r"\bT_tr\b": "Tₜᵣ", r"\bT_te\b": "Tₜₑ", r"\bgamma\b": "γ",
    r"\beps\b": "ε", r"\bzeta\b": "ζ", r"\balpha\b": "α",
}  # fmt: skip


def typeset(text: str) -> str:
    """Write numbers and symbols as a formula has them, for axes and sliders: 7.9 × 10⁸, γ."""
    for plain, shown in _SYMBOLS.items():
        text = re.sub(plain, shown, text)
    return _EXPONENT.sub(
        lambda e: f"{e[1]} × " * bool(e[1]) + "10" + str(int(e[2])).translate(_RAISED), text
    )


def band(
    axis: Axes, steps: npt.ArrayLike, values: npt.ArrayLike, look: Look, *,
    label: str | None = None, middle: int = 100, **line: Any,
) -> None:  # fmt: skip
    """Draw (s, k) values over steps: the median over seeds, and the middle per cent as a band.

    One run, (k,), is a line alone. `line` is as in `seaborn.lineplot`, `estimator` among it.
    """
    rows, (colour, style) = np.atleast_2d(np.asarray(values, dtype=np.float64)), look
    if len(rows) == 1:
        axis.plot(steps, rows[0], color=colour, ls=style, label=label)
        return
    named = f"_{label or line.get('estimator', 'median')}, {middle} % of all"
    sns.lineplot(
        x=np.tile(np.asarray(steps), len(rows)), y=rows.ravel(), ax=axis, color=colour, ls=style,
        label=label, legend=False, errorbar=("pi", middle),
        err_kws={"alpha": 0.2, "lw": 0, "label": named}, **{"estimator": "median", **line},
    )  # fmt: skip


def log_time(
    axis: Axes, steps: npt.NDArray[Any], phases: Phases | None = None, *,
    names: Names = "words", published: bool = False,
) -> None:  # fmt: skip
    """Log axis in steps, with the three phases shaded alike everywhere, or the published window."""
    axis.set(xscale="log", xlabel="step", xlim=(steps[0], steps[-1]))
    if published:
        axis.axvspan(1, PUBLISHED, color="#eeeeee", lw=0, zorder=-5)
    if phases is None:
        return
    ends = np.minimum([steps[0], phases.unlearning, phases.generalisation, steps[-1]], steps[-1])
    for (name, shade), left, right in zip(_PHASES, ends, ends[1:], strict=False):
        axis.axvspan(left, right, color=shade, lw=0, zorder=-5)
        if names and left < right:
            axis.text(
                np.sqrt(left * right), 1.01, name if names == "words" else name[0].upper(),
                ha="center", va="bottom", transform=axis.get_xaxis_transform(), fontsize=10,
                style="italic",
            )  # fmt: skip


def shell_band(axis: Axes, gamma: float, alpha: float) -> None:
    """Mark the distances at which the concentrated points are."""
    axis.axhspan(gamma / 2, alpha * gamma, color=RED, alpha=0.22, lw=0)


def time_below(figure: Figure, steps: npt.NDArray[Any], text: str = "step") -> None:
    """Log axes in steps for a slider's frame, all of it, with `text` below.

    Few decades are labelled, as plain text: mathematics would take longer. Frames show single runs,
    of which there is nothing to summarise, and are drawn by Matplotlib alone.
    """
    figure.text(0.56, 0.1 / figure.get_figheight(), text, ha="center")
    for axes in figure.axes:
        axes.set(xscale="log", xlim=steps[[0, -1]])
        for axis in (one for one in (axes.xaxis, axes.yaxis) if one.get_scale() == "log"):
            low, high = np.log10(np.sort(axis.get_view_interval()))
            exponents = np.arange(np.ceil(low - 1e-9), np.floor(high + 1e-9) + 1).astype(int)
            shown = exponents[:: 1 + len(exponents) // 6]
            # Not `set_ticks`, which makes each tick before it is drawn
            axis.set_major_locator(FixedLocator((10.0**shown).tolist()))
            axis.set_major_formatter(
                FixedFormatter([f"10{str(k).translate(_RAISED)}" for k in shown])
            )
            axis.set_minor_locator(NullLocator())
