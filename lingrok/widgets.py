"""Pictures that a reader can move, with and without a kernel."""

import base64
import html
import io
from collections.abc import Iterable

import ipywidgets
from matplotlib.figure import Figure
from PIL import Image

# A frame is stored in the page, as some 12 kB of PNG; without the palette it would be three times
# as many
_DPI, _PALETTE = 90, 32


class Pictures(ipywidgets.VBox):  # type: ignore[misc] # ipywidgets ships no types
    """A slider over pictures that are drawn beforehand.

    The link between slider and pictures is made in the browser, so it also works on a page without
    a kernel.

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
        values, alternatives, figures = zip(*frames, strict=True)
        pictures = [_picture(*each) for each in zip(alternatives, figures, strict=True)]
        # A description of the slider's own would want MathJax 2 on the page
        slider = ipywidgets.SelectionSlider(
            options=values, index=start, tooltip=name, layout={"width": "90%"}
        )
        stack = ipywidgets.Stack(pictures, selected_index=start)
        ipywidgets.jsdlink((slider, "index"), (stack, "selected_index"))
        label = ipywidgets.HTML(f"<b>{html.escape(name)}</b>")
        super().__init__([label, slider, stack])
        self._repr = f"Pictures({name!r}, {len(values)} frames)"

    def __repr__(self) -> str:
        return self._repr  # not the pictures themselves, which would fill the notebook's text


def _picture(alternative: str, figure: Figure) -> ipywidgets.HTML:
    """Return the figure as an HTML image: an Image widget can't have an alternative text."""
    drawn, stored = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI)
    Image.open(drawn).convert("RGB").quantize(_PALETTE).save(stored, "PNG", optimize=True)
    source = base64.b64encode(stored.getvalue()).decode()
    return ipywidgets.HTML(
        f'<img alt="{html.escape(alternative)}" src="data:image/png;base64,{source}" '
        'style="max-width: 100%">'
    )
