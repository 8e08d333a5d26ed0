"""Execute chapters in place, so that what a change does to their results shows as a diff.

    python tools/execute_chapters.py [chapters/01-setup.ipynb ...]

Whatever differs between two equal runs is left out: times, the interpreter's version, and widgets,
which need a kernel and have their plain HTML beside them. So running it twice gives the same files.
"""

import base64
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CHAPTERS = Path(__file__).parent.parent / "chapters"
TEMPLATE = Path(__file__).parent / "template.ipynb"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Which the front page shows: their file, and whether as drawn for a phone
PICTURES = {"fig-long": ("grokking.png", True), "fig-kinds": ("delays.png", False)}
WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    NotebookClient(
        notebook,
        timeout=300,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": path.parent}},
    ).execute()
    notebook.metadata.language_info = {"name": "python"}
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times that another program left
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop(WIDGET, None)
            figure = cell.metadata.get("mystnb", {}).get("figure", {})
            file, narrow = PICTURES.get(figure.get("name"), ("", False))
            if file and "image/png" in data:
                png = output["metadata"]["image/png"]["narrow"] if narrow else data["image/png"]
                (path.parent.parent / file).write_bytes(base64.b64decode(png))
    nbformat.validate(notebook)
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> int:
    """Execute all, also after one that fails, which stays as it was; return how many failed."""
    given = [Path(argument).resolve() for argument in arguments]
    failed = 0
    for path in given or [*sorted(CHAPTERS.glob("*.ipynb")), TEMPLATE]:
        print(path.name, flush=True)
        try:
            execute(path)
        except CellExecutionError as error:
            print(error, file=sys.stderr)
            failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
