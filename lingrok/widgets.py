"""Pictures that a reader can move on a page without a kernel."""

import base64
import html
import io
from collections.abc import Iterable

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

# A frame is stored in the page, as some 12 kB of PNG; without the palette it would be three times
# as many
_DPI, _PALETTE = 90, 32
_MOVE = (
    "const f=this.closest('figure'),m=f.querySelectorAll('img');"
    "m.forEach((one,k)=>one.hidden=k!=this.value);"
    "f.querySelector('output').textContent=m[this.value].dataset.value;"
    "this.setAttribute('aria-valuetext',m[this.value].dataset.value)"
)
_PLAY = (
    "const b=this,s=b.closest('figure').querySelector('input');"
    "if(b.timer){clearInterval(b.timer);b.timer=0;b.textContent='play';return}"
    "b.textContent='stop';"
    "b.timer=setInterval(()=>{s.value=(+s.value+1)%(+s.max+1);"
    "s.dispatchEvent(new Event('input'))},700)"
)


class Pictures:
    """A slider over pictures that are drawn beforehand.

    Plain HTML: a range input, which keys move as well, and a button that plays. It needs neither a
    kernel nor a script from anywhere, and without scripts the first picture stands.

    Parameters
    ----------
    name : str
        What the slider chooses; shown beside it.
    frames : iterable of (str, str, Figure)
        Value of the slider, alternative text, and the figure to show.
    start : int
        Index of the frame that is shown first.
    """

    def __init__(
        self, name: str, frames: Iterable[tuple[str, str, Figure]], *, start: int = 0
    ) -> None:
        self.name, self.start = name, start
        self.frames = [(value, text, _stored(figure)) for value, text, figure in frames]
        if not 0 <= start < len(self.frames):
            raise ValueError(f"start must be an index of {len(self.frames)} frames, got {start!r}")

    def __repr__(self) -> str:
        return f"Pictures({self.name!r}, {len(self.frames)} frames)"

    def _repr_html_(self) -> str:
        shown = html.escape(self.frames[self.start][0])
        images = "".join(
            f'<img alt="{html.escape(text)}" data-value="{html.escape(value)}" '
            f'src="data:image/png;base64,{source}" style="max-width: 100%"'
            f"{'' if i == self.start else ' hidden'}>"
            for i, (value, text, source) in enumerate(self.frames)
        )
        name = html.escape(self.name)
        return (
            f'<figure class="lingrok-pictures"><div><label>{name}: <output>{shown}</output>'
            f'<input type="range" min="0" max="{len(self.frames) - 1}" value="{self.start}" '
            f'aria-valuetext="{shown}" oninput="{_MOVE}" style="width: 60%; margin: 0 1em">'
            f'</label><button type="button" aria-label="play or stop: {name}" onclick="{_PLAY}">'
            f"play</button></div>{images}</figure>"
        )


def _stored(figure: Figure) -> str:
    """Return the figure as a small PNG in base64."""
    drawn, stored = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(_PALETTE).save(stored, "PNG", optimize=True)
    return base64.b64encode(stored.getvalue()).decode()
