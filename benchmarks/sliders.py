"""From letting a slider go to its new picture, with a kernel: every slider of the book."""

import contextlib
import io
import time
from pathlib import Path

import nbformat
import numpy as np
from ipywidgets import FloatLogSlider

CHAPTERS = Path(__file__).parent.parent / "chapters"
MOVES = 9


def sliders(path):
    """Run a chapter as far as its last slider; return all of them."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    last = max((i for i, c in enumerate(cells) if "Pictures(" in c.source), default=-1)
    names, found = {}, []
    for cell in cells[: last + 1]:
        *body, tail = cell.source.rstrip().rpartition("\nPictures(")
        with contextlib.redirect_stdout(io.StringIO()):
            exec("".join(body[:1]) if body[1] else cell.source, names)
            if body[1]:
                found.append(eval(f"Pictures({tail}", names))
    return found


def rows():
    """Rows of the table: the median over values that were not drawn before, and the largest."""
    rng = np.random.default_rng(0)
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        for pictures in sliders(path):
            live, seconds, shown = pictures.live, [], []
            if live is None:  # drawn beforehand only
                continue
            _, picture = pictures.widget().children
            picture.observe(lambda _, to=shown: to.append(time.perf_counter()), "value")
            for share in rng.random(MOVES):
                value = live.min + share * (live.max - live.min)
                if isinstance(live, FloatLogSlider):
                    value = live.base**value
                elif isinstance(live.value, int):
                    value = int(value)
                begun = time.perf_counter()
                live.value = value
                if shown and shown[-1] > begun:  # a slider with steps may not have moved
                    seconds.append(shown[-1] - begun)
            yield {
                "work": f'slider "{pictures.name}" ({path.stem}), let go to picture',
                "target": "0.1 s",
                "measured": f"{np.median(seconds):.2f} s, at most {max(seconds):.2f} s",
            }


if __name__ == "__main__":
    for row in rows():
        print(*row.values())
