"""List the numbers that differ between the chapters here and the committed ones, as Markdown.

    python tools/drift.py [REVISION]

The chapters in the working tree, executed again (make chapters), are compared with those of
REVISION, by default HEAD. Ends with 1 if anything differs. Nothing is executed here.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import nbformat

ROOT = Path(__file__).parent.parent
HTML_ONLY = "<IPython.core.display.HTML object>"
GLUED = "application/papermill.record/text/plain"


class Change(NamedTuple):
    chapter: str
    cell: str
    what: str
    old: str
    new: str


def results(notebook: nbformat.NotebookNode) -> dict[tuple[str, str], str]:
    """Text of every output, by the name of its cell and by what it is.

    Not by place, so that a value which is only printed earlier or later is the same. Tables and
    verdicts have a plain text beside the HTML, with the same numbers. Pictures are left out, and
    outputs that a cell says are not to be compared.
    """
    found: dict[tuple[str, str], str] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        count: Counter[str] = Counter()
        for output in cell.outputs:
            what, text = _result(output)
            count[what] += 1
            if count[what] > 1:
                what = f"{what} {count[what]}"
            found[cell.id, what] = text
    return found


def _result(output: nbformat.NotebookNode) -> tuple[str, str]:
    if output.output_type == "stream":
        return output.name, output.text
    if output.output_type == "error":
        return "error", f"{output.ename}: {output.evalue}"
    if GLUED in output.data:
        return f"glued {output.metadata.scrapbook.name}", output.data[GLUED]
    text = output.data.get("text/plain", "")
    return "output", output.data["text/html"] if text == HTML_ONLY else text


def compare(chapter: str, old: nbformat.NotebookNode, new: nbformat.NotebookNode) -> list[Change]:
    """Find what differs, a line each."""
    before, after = results(old), results(new)
    return [
        Change(chapter, *key, *pair)
        for key in dict.fromkeys([*before, *after])
        for pair in _lines(before.get(key, ""), after.get(key, ""))
    ]


def _lines(old: str, new: str) -> Iterator[tuple[str, str]]:
    """Lines that differ, side by side."""
    before, after = old.splitlines(), new.splitlines()
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for same, start, stop, first, last in matcher.get_opcodes():
        if same != "equal":
            yield from zip_longest(before[start:stop], after[first:last], fillvalue="")


def table(changes: list[Change]) -> str:
    head = ["| Chapter | Cell | What | Committed | Now |", "|---|---|---|---|---|"]
    rows = ([*change[:3], *map(_code, change[3:])] for change in changes)
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def _code(text: str) -> str:
    """Show it as it is, spaces included; a bar would end the table's cell."""
    if not text.strip():
        return "*nothing*"
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}".replace("|", r"\|")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, capture_output=True, encoding="utf-8"
    ).stdout


def drift(revision: str) -> tuple[int, list[Change]]:
    """Compare every chapter of `revision` with the one here; also count them."""
    names = _git("ls-tree", "--name-only", revision, "chapters/").split()
    names = [name for name in names if name.endswith(".ipynb")]
    changes = []
    for name in names:
        old = nbformat.reads(_git("show", f"{revision}:{name}"), as_version=4)
        new = nbformat.read(ROOT / name, as_version=4)
        changes += compare(Path(name).stem, old, new)
    return len(names), changes


def main(revision: str = "HEAD") -> int:
    count, changes = drift(revision)
    if not changes:
        print(f"All text and numbers of {count} chapters are as in {revision}.")
        return 0
    print(f"## Not as in {revision}\n\n{table(changes)}")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
