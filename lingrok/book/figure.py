"""A figure that says where it comes from and hands out its data, in the book's look."""

import base64
import contextlib
import hashlib
import html
import io
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, ParamSpec, Self, no_type_check

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from IPython.core.pylabtools import print_figure
from IPython.display import HTML, display
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter
from PIL import Image

from .._checks import FloatArray
from .._origin import Origin, call, origins, own
from . import style
from .style import THEME, typeset

FOLDER = "figure-data"  # beside the chapter, not committed: each run of a page writes it again
_COLUMNS = ("panel", "kind", "label", "x", "y", "value")
_DPI, _PALETTE = 200, 64  # twice what a page shows, for dense screens, and colours enough for that
_PHONE = 3.5  # inches, of which a phone shows each as some 95 pixels
_NAMED = 4  # sources in the line below a figure; all are in the code above it
_P = ParamSpec("_P")


class BookFigure(Figure):
    """A figure that says where it comes from.

    In a notebook it is shown with a line below: the function that drew it, the calls and records
    that it shows, and a link to its data, which are then written into the folder `figure-data`
    beside the notebook.

    Attributes
    ----------
    drawn : str
        Call of the function that drew it.
    sources : sequence of Origin
    """

    drawn: str = ""
    sources: Sequence[Origin] = ()

    def made_from(self, *values: object) -> Self:
        """Name what the figure shows, where its arguments are numbers that cannot tell."""
        self.sources = origins(values)
        return self

    @property
    def line(self) -> str:
        """The line below the figure, as HTML."""
        calls = [f"<code>{html.escape(one.call)}</code>" for one in self.sources]
        if len(calls) > _NAMED:
            calls[_NAMED - 1 :] = [f"{len(calls) - _NAMED + 1} more like these"]
        made = "; ".join(calls)
        files = dict.fromkeys(file for one in self.sources for file in one.files)
        read = "".join(f'; record <a href="../data/{name}">{name}</a>, {c}' for name, c in files)
        drawn = f"<code>{html.escape(self.drawn)}</code>"
        source = f"Drawn by {drawn}{' from ' * bool(made)}{made}{read}."
        link = f'<a href="{FOLDER}/{self.file}" download>Data of this figure (CSV)</a>'
        return f'<p class="lingrok-origin">{source} {link}</p>'

    @property
    def file(self) -> str:
        """Name of the file of its data, the same on every machine: it depends on no number."""
        shown = self._points[["panel", "kind", "label"]].drop_duplicates().to_csv()
        digest = hashlib.sha256(repr((self.drawn, self.sources, shown)).encode()).hexdigest()
        return f"{self.drawn.split('(')[0].rpartition('.')[2]}-{digest[:8]}.csv"

    def data(self) -> pd.DataFrame:
        """All that is drawn, a row a point: panel, kind, label, x, y, and value where it has one.

        A band is given by its outline.
        """
        return self._points.copy()

    @cached_property
    def _points(self) -> pd.DataFrame:
        parts = [part for i, axis in enumerate(self.axes) for part in _parts(axis, i)]
        columns = map(np.concatenate, zip(*parts, strict=True)) if parts else [()] * len(_COLUMNS)
        return pd.DataFrame(dict(zip(_COLUMNS, columns, strict=True)))

    def write(self) -> None:
        """Write its data into the folder, which is made."""
        # A reader's folder may be read-only: the figure is shown all the same
        with contextlib.suppress(OSError):
            Path(FOLDER).mkdir(exist_ok=True)
            self._points.to_csv(
                Path(FOLDER) / self.file, index=False, float_format="%.6g", lineterminator="\n"
            )

    @no_type_check  # IPython has no types
    def _ipython_display_(self) -> None:
        image = self._png()
        self.write()
        self._stack()
        narrow = {"image/png": {"narrow": self._png()}}  # what a phone is shown
        text = f"<Figure with {len(self.axes)} axes>"
        display({"image/png": image, "text/plain": text}, metadata=narrow, raw=True)
        display(HTML(self.line))

    @no_type_check
    def _png(self) -> str:
        png, stored = print_figure(self, "png", bbox_inches="tight", dpi=_DPI), io.BytesIO()
        Image.open(io.BytesIO(png)).convert("RGB").quantize(_PALETTE).save(
            stored, "PNG", optimize=True
        )
        return base64.b64encode(stored.getvalue()).decode()

    def _stack(self) -> None:
        """Lay all panels out one below the other, column by column, as wide as a phone."""
        placed = {axis: spec for axis in self.axes if (spec := axis.get_subplotspec())}
        cells = sorted({(one.colspan[0], one.rowspan[0]) for one in placed.values()})
        rows, columns = next(iter(placed.values())).get_gridspec().get_geometry()
        height = _PHONE * self.get_figheight() / rows / self.get_figwidth() * columns
        height = min(max(height, 2.2), 2.9)
        legends = [one for axis in placed if (one := axis.get_legend())] + self.legends
        lines = sum(len(one.get_texts()) for one in legends)
        self.set_size_inches(_PHONE, height * len(cells) + 0.2 * lines)
        grid = GridSpec(len(cells), 1, figure=self)
        for axis, here in placed.items():
            for other, there in placed.items():  # what only the outer panels of a grid have said
                if there.rowspan[0] == here.rowspan[0] and not axis.get_ylabel():
                    axis.set_ylabel(other.get_ylabel())
                if there.colspan[0] == here.colspan[0] and not axis.get_xlabel():
                    axis.set_xlabel(other.get_xlabel())
            axis.set_ylabel(textwrap.fill(axis.get_ylabel(), 24))
            axis.set_subplotspec(grid[cells.index((here.colspan[0], here.rowspan[0]))])
            axis.tick_params(labelbottom=True, labelleft=axis.yaxis.get_ticks_position() != "right")
            if any(
                len(one.get_text()) > 12 and "$" not in one.get_text()
                for one in axis.get_xticklabels()
            ):
                axis.tick_params(axis="x", labelrotation=35)
            for text in axis.texts:
                if text.get_text() in style.PHASES:
                    text.set_text(text.get_text()[0].upper())
            if legend := axis.get_legend():
                below = (0, -0.6 / (height - 0.7))  # the axis and its label are between
                title = legend.get_title().get_text()
                axis.legend(**_shown(legend), title=title, loc="upper left", bbox_to_anchor=below)
        for legend in list(self.legends):
            legend.remove()
            self.legend(**_shown(legend), loc="outside lower center")


def _texts(artist: Artist) -> Iterator[Text]:
    """All that is written in a figure, but not the numbers at ticks: to ask for them makes them."""
    if isinstance(artist, Text):
        yield artist
    elif isinstance(artist, Axis):
        yield artist.label
    else:
        for child in artist.get_children():
            yield from _texts(child)


def _shown(legend: Legend) -> Any:
    names = [one.get_text() for one in legend.get_texts()]
    return {"handles": legend.legend_handles, "labels": names}


def _parts(axis: Axes, number: int) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Columns of all that one panel shows, an artist each."""
    panel = axis.get_title("left") or axis.get_title() or axis.get_ylabel() or f"panel {number + 1}"

    def part(kind: str, artist: Artist, i: int, *x_y_value: Any) -> tuple[npt.NDArray[Any], ...]:
        x, y, value = x_y_value if len(x_y_value) == 3 else (*x_y_value, np.nan)
        label = str(artist.get_label())
        # Matplotlib's own names begin like ours that no legend shows
        own_name = f"{kind} {i + 1}" if label.startswith("_child") else label.removeprefix("_")
        same = (np.full(len(x), one) for one in (panel, kind, own_name))
        return (*same, np.asarray(x), np.asarray(y), np.broadcast_to(value, len(x)))

    for i, line in enumerate(axis.lines):
        yield part("line", line, i, *line.get_data())
    for i, one in enumerate(axis.collections):
        if isinstance(one, QuadMesh):
            yield part("map", one, i, *_cells(axis, one), np.ravel(np.asarray(one.get_array())))
        elif isinstance(one, PathCollection):  # a scatter
            yield part("points", one, i, *np.ma.getdata(one.get_offsets()).T)
        else:
            for path in one.get_paths():
                yield part("outline", one, i, *np.asarray(path.vertices).T)


def _cells(axis: Axes, mesh: QuadMesh) -> Iterator[FloatArray]:
    """Coordinates of a map's cells; a heat map has numbered them, and values at its ticks."""
    corners = np.asarray(mesh.get_coordinates())
    for k, along in enumerate((axis.xaxis, axis.yaxis)):
        centres = ((corners[1:, 1:] + corners[:-1, :-1]) / 2)[..., k].ravel()
        if isinstance(names := along.get_major_formatter(), FuncFormatter):
            at = along.get_ticklocs().tolist()
            centres = np.interp(centres, at, [float(one) for one in names.format_ticks(at)])
        yield centres


def subplots(*args: Any, **kwargs: Any) -> tuple[Figure, Any]:
    """Make a BookFigure with axes, as `pyplot.subplots` does."""
    return plt.subplots(*args, FigureClass=BookFigure, **kwargs)


def frame(panels: int) -> tuple[Figure, Any]:
    """Make a slider's frame, one panel below the other: small enough for a phone.

    It is laid out by hand: all frames alike, and drawn in half of the time.
    """
    height = 0.6 + 1.8 * panels
    figure, axes = subplots(panels, 1, figsize=(4.4, height), layout="none")
    edges = {"bottom": 0.55 / height, "top": 1 - 0.3 / height}
    figure.subplots_adjust(left=0.15, right=0.97, hspace=0.45, **edges)
    return figure, axes


def drawn(draw: Callable[_P, Figure]) -> Callable[_P, BookFigure]:
    """Draw in the book's style, and hand the figure over closed, so that it is shown once."""

    @wraps(draw)
    def styled(*args: _P.args, **kwargs: _P.kwargs) -> BookFigure:
        with plt.rc_context(THEME):
            figure = draw(*args, **kwargs)
        plt.close(figure)
        for text in _texts(figure):
            text.set_text(typeset(text.get_text()))
        if not isinstance(figure, BookFigure):
            raise TypeError(f"{draw.__name__} must draw by `subplots` of this module")
        figure.drawn = _drawing(draw, args, kwargs)
        return figure.made_from(args, kwargs)

    return styled


def _drawing(
    draw: Callable[..., Figure], args: Sequence[object], kwargs: Mapping[str, object]
) -> str:
    """Call of a function that draws; its sources are named beside it, so not in it."""
    name = f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}"
    short = [one if isinstance(one, str | float | int) else object() for one in args]
    return call(name, short, {key: one for key, one in kwargs.items() if not own(one)})
