"""What a committed chapter must hold before it is run at all.

nbval compares a chapter's outputs with the committed ones, so it passes where none are committed.
These checks read the files only. The template of a chapter must pass them as well.
"""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from try_changes import CHANGES, changed

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
TEMPLATE = ROOT / "tools" / "template.ipynb"
GLUED = "application/papermill.record/"
# The output that a call leaves in its cell: a stream, or a piece of data of this kind.
LEAVES = {"print": "stream", "display": "data", "glue": GLUED, "note": GLUED}

chapters = pytest.mark.parametrize("path", [*CHAPTERS, TEMPLATE], ids=lambda path: path.stem)


def code_cells(path):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def kinds(cell):
    """Kinds of a cell's outputs: "stream", "error", and the MIME types of its data."""
    for output in cell.outputs:
        if "data" in output:
            yield from output.data
        else:
            yield output.output_type


def called(cell):
    """Names of the functions that the cell calls outside any definition, branch or loop."""
    for statement in ast.parse(cell.source).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            function = statement.value.func
            yield function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def glued(cell):
    """Names of the values that the cell glued."""
    for output in cell.outputs:
        if any(kind.startswith(GLUED) for kind in output.get("data", {})):
            yield output.metadata["scrapbook"]["name"]


@chapters
def test_code_that_is_more_than_a_call_is_folded(path):
    for cell in code_cells(path):
        long = len(cell.source.strip().splitlines()) > 5
        folded = "hide-input" in cell.metadata.get("tags", [])
        assert folded == (long or cell.source.startswith(("import", "from"))), cell.source[:200]


def test_the_book_lists_every_chapter():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [
        entry["file"]
        for part in toc["parts"]
        for entry in part["chapters"]
        if entry["file"].startswith("chapters/")
    ]
    assert sorted(listed) == sorted(f"chapters/{path.stem}" for path in CHAPTERS)


def test_labels_of_figures_tables_and_places_are_unique():
    found = []
    for path in CHAPTERS:
        for cell in nbformat.read(path, as_version=4).cells:
            found += re.findall(r"^\(([\w-]+)\)=|^:(?:name|label): *(\S+)", cell.source, re.M)
            shown = [cell.metadata.get("mystnb", {}).get("figure", {})]
            shown.append(cell.metadata.get("lingrok", {}).get("tables", {}))
            found += [("", one["name"]) for one in shown if "name" in one]
    labels = ["".join(one) for one in found]
    assert len(labels) > 40
    assert not {one for one in labels if labels.count(one) > 1}


@pytest.mark.parametrize("name", CHANGES)
def test_a_readers_change_finds_its_line(name):
    for old, new in CHANGES[name]:
        assert new not in str(changed(name, "\n", "\n"))
        assert new in str(changed(name, old, new))


@chapters
def test_is_committed_executed_from_top_to_bottom(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@chapters
def test_has_no_error(path):
    assert not [cell.source for cell in code_cells(path) if "error" in kinds(cell)]


@chapters
def test_has_the_outputs_that_its_calls_leave(path):
    for cell in code_cells(path):
        found = list(kinds(cell))
        for name in called(cell):
            kind = LEAVES.get(name)
            if kind == "data":
                assert [k for k in found if k != "stream"], cell.source
            elif kind:
                assert [k for k in found if k.startswith(kind)], cell.source


@chapters
def test_glues_each_name_once(path):
    names = [name for cell in code_cells(path) for name in glued(cell)]
    assert names
    assert len(set(names)) == len(names)


@chapters
def test_a_changed_parameter_leads_to_a_changed_verdict_and_to_no_error(path):
    # nbval holds what is printed; an assertion would hide the verdict that a student asked for.
    nodes = [node for cell in code_cells(path) for node in ast.walk(ast.parse(cell.source))]
    assert not [ast.unparse(node) for node in nodes if isinstance(node, ast.Assert)]


@chapters
def test_findings_are_noted_in_one_way(path):
    names = [name for cell in code_cells(path) for name in called(cell)]
    assert "glue" not in names
    assert not [cell.source for cell in code_cells(path) if "display=False" in cell.source]


@chapters
def test_glues_no_picture(path):
    # A glued figure is compared byte by byte and breaks with the next release of matplotlib.
    found = {kind for cell in code_cells(path) for kind in kinds(cell)}
    assert not [kind for kind in found if kind.startswith(f"{GLUED}image")]


@chapters
def test_figures_have_caption_and_alternative_text(path):
    cells = code_cells(path)
    pictures = [c for c in cells if any(kind.startswith("image/") for kind in kinds(c))]
    assert pictures or not path.stem[0].isdigit()  # a page of derivations may do without
    for cell in pictures:
        rendering = cell.metadata.get("mystnb", {})
        assert rendering.get("image", {}).get("alt", "").strip(), cell.source
        assert rendering.get("figure", {}).get("caption", "").strip(), cell.source
        assert rendering.get("figure", {}).get("name", "").strip(), cell.source
    for cell in cells:
        if "figure" in cell.metadata.get("mystnb", {}):
            assert list(kinds(cell)), cell.source


def origins(path):
    """Lines below the figures of a chapter, sliders' frames included, by cell."""
    for cell in code_cells(path):
        text = "".join("".join(o.get("data", {}).get("text/html", "")) for o in cell.outputs)
        pictures = sum(kind.startswith("image/") for kind in kinds(cell)) + text.count("<img ")
        if pictures:
            yield cell, pictures, re.findall(r'<p class="lingrok-origin">.*?</p>', text)


@chapters
def test_figures_say_where_they_come_from(path):
    for cell, pictures, lines in origins(path):
        assert len(lines) == pictures, cell.source
        for line in lines:
            # the function that drew it, and what from, but for a figure of numbers alone
            assert line.count("<code>") >= 2, line
            assert 'href="figure-data/' in line


def test_no_two_figures_write_the_same_file():
    lines = [line for path in CHAPTERS for _, _, found in origins(path) for line in found]
    files = [re.search(r'href="(figure-data/[^"]*)"', line)[1] for line in lines]
    assert len(files) > 20
    assert len(set(files)) == len(files)


@chapters
def test_keeps_no_widget_that_needs_a_kernel(path):
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    assert not [c.source for c in code_cells(path) if any("widget" in kind for kind in kinds(c))]


@chapters
def test_ends_with_its_verdict(path):
    last = code_cells(path)[-1]
    assert "verdict(" in last.source or "verdict" in last.metadata.get("tags", [])
    assert [name for name in glued(last) if "verdict" in name]
