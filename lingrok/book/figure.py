"""A figure that says where it comes from and hands out its data, in the book's look."""

import base64
import contextlib
import hashlib
import html
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, ParamSpec, Self, no_type_check

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.core.pylabtools import print_figure
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.collections import Collection, QuadMesh
from matplotlib.figure import Figure

from .._origin import Origin, call, origins, own

FOLDER = "figure-data"  # beside the chapter, not committed: each run of a page writes it again
_STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#cccccc",
    "grid.linewidth": 0.5,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
}
_COLUMNS = ("panel", "kind", "label", "x", "y", "value")
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
        parts = [part for i, axis in enumerate(self.axes) for part in _data(axis, i)]
        columns = (
            {
                name: np.concatenate([np.atleast_1d(part[name]) for part in parts])
                for name in _COLUMNS
            }
            if parts
            else dict.fromkeys(_COLUMNS, ())
        )
        return pd.DataFrame(columns)

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
        png = print_figure(self, "png", bbox_inches="tight")
        text = f"<Figure with {len(self.axes)} axes>"
        display({"image/png": base64.b64encode(png).decode(), "text/plain": text}, raw=True)
        self.write()
        display(HTML(self.line))


def _data(axis: Axes, number: int) -> Iterator[dict[str, Any]]:
    panel = axis.get_title("left") or axis.get_title() or axis.get_ylabel() or f"panel {number + 1}"

    def part(kind: str, label: str, x: Any, y: Any, value: Any = None) -> dict[str, Any]:
        n = len(x)
        same = {
            key: np.full(n, one)
            for key, one in (("panel", panel), ("kind", kind), ("label", label))
        }
        return same | {"x": x, "y": y, "value": np.full(n, np.nan) if value is None else value}

    def name(artist: Any, kind: str, i: int) -> str:
        label = str(artist.get_label())
        # Matplotlib's own names begin like ours that no legend shows
        return f"{kind} {i + 1}" if label.startswith("_child") else label.removeprefix("_")

    for i, line in enumerate(axis.lines):
        yield part("line", name(line, "line", i), *line.get_data())
    for i, one in enumerate(axis.collections):
        yield from _collected(one, i, name, part)


def _collected(
    one: Collection, i: int, name: Callable[..., str], part: Callable[..., dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    if isinstance(one, QuadMesh):
        corners = np.asarray(one.get_coordinates())
        x, y = ((corners[1:, 1:] + corners[:-1, :-1]) / 2).T
        yield part(
            "map",
            name(one, "map", i),
            x.T.ravel(),
            y.T.ravel(),
            np.ravel(np.asarray(one.get_array())),
        )
        return
    points = np.ma.getdata(one.get_offsets())
    if len(points) and len(one.get_paths()) <= 1 and type(one).__name__ == "PathCollection":
        yield part("points", name(one, "points", i), *points.T)
        return
    for path in one.get_paths():
        yield part("outline", name(one, "outline", i), *np.asarray(path.vertices).T)


def subplots(*args: Any, **kwargs: Any) -> tuple[Figure, Any]:
    """Make a BookFigure with axes, as `pyplot.subplots` does."""
    return plt.subplots(*args, FigureClass=BookFigure, **kwargs)


def drawn(draw: Callable[_P, Figure]) -> Callable[_P, BookFigure]:
    """Draw in the book's style, and hand the figure over closed, so that it is shown once."""

    @wraps(draw)
    def styled(*args: _P.args, **kwargs: _P.kwargs) -> BookFigure:
        with plt.rc_context(_STYLE):
            figure = draw(*args, **kwargs)
        plt.close(figure)
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
