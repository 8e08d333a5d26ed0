"""Pictures that a reader can move: on a page without a kernel, and to any value with one."""

import base64
import html
import io
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import numpy as np
from ipywidgets import HTML, VBox, Widget
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from .figure import BookFigure
from .style import typeset

# A frame is stored in the page, as some 12 kB of PNG; without the palette it would be three times
# as many
_DPI, _PALETTE = 90, 32
_MOVE = (
    "const f=this.closest('figure'),m=f.querySelectorAll('.lingrok-frame');"
    "m.forEach((one,k)=>one.hidden=k!=this.value);"
    "f.querySelector('output').textContent=m[this.value].dataset.value;"
    "this.setAttribute('aria-valuetext',m[this.value].dataset.value)"
)
_PLAY = (
    "const b=this,s=b.closest('figure').querySelector('input');"
    "if(b.timer){clearInterval(b.timer);b.timer=0;b.textContent='play';return}"
    "b.textContent='stop';"
    "if(s.value==s.max){s.value=0;s.dispatchEvent(new Event('input'))}"
    "const next=()=>{s.value=+s.value+1;s.dispatchEvent(new Event('input'));"
    "if(s.value==s.max){clearInterval(b.timer);b.timer=0;b.textContent='play'}};"
    "b.timer=setInterval(next,700)"
)
_V = TypeVar("_V")

Frame = tuple[str, str, BookFigure]


class Pictures(Generic[_V]):
    """A slider over pictures: some are drawn beforehand, and with a kernel any other on demand.

    On a page it is plain HTML: a range input, which keys move as well, and a button that plays. It
    needs neither a kernel nor a script from anywhere, and without scripts the first picture stands.
    Where a kernel runs, `live` takes its place.

    Parameters
    ----------
    name : str
        What the slider chooses; shown beside it.
    draw : function
        From a value to how it is shown, the picture's alternative text, and the figure.
    values : iterable
        Those that are drawn beforehand.
    start : int
        Index of the value that is shown first.
    live : ipywidgets slider, optional
        Its value is given to `draw` each time that it is let go.
    """

    def __init__(
        self, name: str, draw: Callable[[_V], Frame], values: Iterable[_V], *,
        start: int = 0, live: Any = None,
    ) -> None:  # fmt: skip
        self.name, self.draw, self.start = typeset(name), draw, start
        drawn = [draw(value) for value in values]
        self.frames = [_framed(*one) for one in drawn]
        for _, _, figure in drawn:
            figure.write()
        if not 0 <= start < len(self.frames):
            raise ValueError(f"start must be an index of {len(self.frames)} values, got {start!r}")
        if live is not None and not (isinstance(live, Widget) and live.has_trait("value")):
            raise ValueError(f"live must be an ipywidgets slider, got {type(live).__name__}")
        self.live = live

    def __repr__(self) -> str:
        return f"Pictures({self.name!r}, {len(self.frames)} frames)"

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self.live is None:
            return bundle
        return {**self.widget()._repr_mimebundle_(), **bundle}

    def _repr_html_(self) -> str:
        shown = html.escape(self.frames[self.start][0])
        images = "".join(
            f'<div class="lingrok-frame" data-value="{html.escape(value)}"'
            f"{'' if i == self.start else ' hidden'}>{frame}</div>"
            for i, (value, frame) in enumerate(self.frames)
        )
        name = html.escape(self.name)
        return (
            f'<figure class="lingrok-pictures"><div><span>{name}: <output>{shown}</output></span>'
            f'<input type="range" min="0" max="{len(self.frames) - 1}" value="{self.start}" '
            f'aria-label="{name}" aria-valuetext="{shown}" '
            f'oninput="{_MOVE}" style="width: 60%; margin: 0 1em">'
            f'<button type="button" aria-label="play or stop: {name}" onclick="{_PLAY}">'
            f"play</button></div>{images}</figure>"
        )

    def widget(self) -> VBox:
        """Return `live` above its picture, for a notebook with a kernel."""
        if (live := self.live) is None:
            raise ValueError("live must be a slider for this, got None")
        picture = HTML(self.frames[self.start][1])

        def show(change: dict[str, Any]) -> None:
            drawn = self.draw(change["new"])
            shown, frame = _framed(*drawn, small=False)
            picture.value = f"<p>{html.escape(self.name)}: {html.escape(shown)}</p>{frame}"
            drawn[2].write()  # while it is looked at

        live.description, live.continuous_update = self.name, False
        live.style.description_width, live.layout.width = "initial", "min(40em, 100%)"
        live.observe(show, "value")
        return VBox([live, picture])


def _framed(shown: str, text: str, figure: BookFigure, *, small: bool = True) -> tuple[str, str]:
    """Return `shown`, and the figure as an image with its alternative text and its line below."""
    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    if small:
        drawn = drawn.quantize(_PALETTE)
    stored = io.BytesIO()
    # What is shown once is not worth the time that packing it well takes
    drawn.save(stored, "PNG", optimize=small, compress_level=6 if small else 1)
    source = base64.b64encode(stored.getvalue()).decode()
    return typeset(shown), (
        f'<img alt="{html.escape(text)}" src="data:image/png;base64,{source}" '
        f'style="max-width: 100%">{figure.line}'
    )
