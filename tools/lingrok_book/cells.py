"""A chapter as an argument: its answer first, code folded, tables with captions and numbers."""

import ast
import re
from contextlib import contextmanager
from html.parser import HTMLParser

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.core.render import create_figure_context
from sphinx.errors import ConfigError
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from .verdicts import VerdictTable

RUNS = ("ensemble", "fast_forward", "gradient_descent", "mean_field", "sweep", "records.load")


class Answer(SphinxDirective):
    """What a chapter finds, before how: its answer, its verdicts, and its most telling figure.

    The content is the answer. `figure` names a figure of the page, which is shown here and not
    where its cell is.
    """

    has_content = True
    option_spec = {"figure": directives.unchanged_required}  # noqa: RUF012 - docutils wants it so

    def run(self):
        box = nodes.container(classes=["answer"])
        self.state.nested_parse(self.content, self.content_offset, box)
        if "figure" in self.options:
            box["figure"] = self.options["figure"]
        verdicts = VerdictTable(
            columns=["claim", "verdict"], names=[], classes=["digest"], anchors=False,
            page=self.env.docname,
        )  # fmt: skip
        return [box, verdicts, KeyFigure(name=self.options.get("figure"))]


class KeyFigure(nodes.General, nodes.Element):
    """Where a figure of the page goes."""


class Fold(nodes.General, nodes.Element):
    """What can be opened: `summary` says what is in it."""


def open_fold(self, node):
    self.body.append(f'<details class="fold"><summary>{self.encode(node["summary"])}</summary>\n')


def close_fold(self, _node):
    self.body.append("</details>\n")


class Arrange(SphinxTransform):
    """Fold, number and move what the cells of a chapter show."""

    default_priority = 800

    def apply(self, **_):
        if not self.env.docname.startswith("chapters/"):
            return
        for cell in list(self.document.findall(_is_cell)):
            self.tabulate(cell)
        for place in list(self.document.findall(KeyFigure)):
            self.move(place)
        for cell in list(self.document.findall(_is_cell)):
            fold(cell)

    def tabulate(self, cell):
        """Make a table of this book of each table of pandas."""
        told = cell["cell_metadata"].get("lingrok", {}).get("tables", [])
        told = iter(told if isinstance(told, list) else [told])
        for bundle in list(cell.findall(_is_bundle)):
            raw = next((one for one in bundle.findall(nodes.raw) if _has_table(one)), None)
            if raw is None:
                continue
            table = Table(raw.astext()).node()
            one = next(told, None)
            if one:
                title = nodes.title("", "", *self.inline(one["caption"]))
                table.insert(0, title)
                table["ids"].append(one["name"])
                table["names"].append(one["name"])
                self.document.note_explicit_target(table)
            bundle.replace_self(table)

    def inline(self, text):
        """Parse a caption, which may have formulas."""
        parts = []
        for i, part in enumerate(re.split(r"\$([^$]+)\$", text)):
            if part:
                parts.append(nodes.math("", part) if i % 2 else nodes.Text(part))
        return parts

    def move(self, place):
        figure = next(
            (one for one in self.document.findall(nodes.figure) if place["name"] in one["ids"]),
            None,
        )
        if figure is None:
            raise ConfigError(
                f"answer must name a figure of {self.env.docname}, got {place['name']}"
            )
        after = figure.next_node(descend=False, siblings=True)
        moved = [figure]
        if after is not None and "lingrok-origin" in after.astext():
            moved.append(after)
        for one in moved:
            one.parent.remove(one)
        place.replace_self(moved)


def fold(cell):
    """Fold the code of a cell tagged hide-input, and the findings that any cell prints."""
    code = next(one for one in cell if one.get("nb_element") == "cell_code_source")
    source = code.astext()
    output = next((one for one in cell if one.get("nb_element") == "cell_code_output"), None)
    short = "hide-input" not in cell["cell_metadata"].get("tags", [])
    cell.attributes.pop("hide_mode", None)  # MyST-NB's own fold, which does not say what is in it
    kept = Fold(summary=cell["cell_metadata"].get("lingrok", {}).get("fold") or inside(source))
    cell["classes"].append("short" if short else "folded")
    if not short:
        cell.remove(code)
        kept += code
    decides = "verdict(" in source
    for one in list(output or []):
        if decides or "stream" in one.get("classes", []):
            output.remove(one)
            kept += one
    if len(kept):
        cell.insert(0, kept) if not short else cell.append(kept)
        if short:
            kept["summary"] = "Findings, as this cell prints them"
    if output is not None and not len(output):
        cell.remove(output)


def inside(source):
    """Say in a few words what a cell does."""
    tree = ast.parse(source)
    calls = [ast.unparse(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)]
    parts = []
    if all(isinstance(one, ast.Import | ast.ImportFrom | ast.Assign) for one in tree.body):
        parts.append("imports and settings" if "import" in source else "settings")
    if any(one.split(".")[-1] in RUNS or one in RUNS for one in calls):
        parts.append("runs")
    defined = [one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]
    if defined:
        parts.append("defines " + ", ".join(defined))
    if any(one.startswith("figures") for one in calls):
        parts.append("draws a figure")
    if any(one.endswith(("DataFrame", "note.table")) for one in calls):
        parts.append("makes a table")
    if "Pictures" in calls:
        parts.append("draws a slider's pictures")
    if "note" in calls:
        parts.append("prints findings")
    if "verdict" in calls:
        parts.append("decides the verdicts")
    lines = len(source.strip().splitlines())
    return f"Code, {lines} lines: {'; '.join(parts) or 'computes'}"


def _is_cell(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "cell_code"


def _is_bundle(node):
    return isinstance(node, nodes.container) and node.get("nb_element") == "mime_bundle"


def _has_table(raw):
    return raw.get("format") == "html" and 'class="dataframe"' in raw.astext()


class Table(HTMLParser):
    """A table of pandas, read from its HTML."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.header, self.cell, self.part = [], 0, None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag in {"thead", "tbody"}:
            self.part = tag
        elif tag == "tr":
            self.rows.append((self.part, []))
        elif tag in {"td", "th"}:
            spans = {name: int(value) for name, value in attributes if name.endswith("span")}
            self.cell = [tag, "", spans]
            self.rows[-1][1].append(self.cell)

    def handle_endtag(self, tag):
        if tag in {"td", "th"}:
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell[1] += data

    def node(self):
        """Return it as a node: one column with the whole name of a row, which stays in sight."""
        head = _spread([cells for part, cells in self.rows if part == "thead"])
        body = _spread([cells for part, cells in self.rows if part == "tbody"])
        stubs = max(sum(tag == "th" for tag, *_ in row) for row in body)
        # pandas puts the names of an index into a row of its own, below those of the columns
        if len(head) > 1 and not any(text for _, text, _ in head[-1][stubs:]):
            names = [text for _, text, _ in head.pop()[:stubs]]
            for cell, name in zip(head[-1], names, strict=False):
                cell[1] = cell[1] or name
        for row in head + body:
            name = ", ".join(text for _, text, _ in row[:stubs] if text)
            row[:stubs] = [["th", name, {}]]
        group = nodes.tgroup("", cols=len(body[0]))
        group += [nodes.colspec(colwidth=1, stub=int(i == 0)) for i in range(len(body[0]))]
        for part, rows in ((nodes.thead(), head), (nodes.tbody(), body)):
            part += [nodes.row("", *map(_entry, row)) for row in rows]
            group += part
        return nodes.table("", group, classes=["book-table"])


def _spread(rows):
    """Rows whose cells span no others but those beside them, their texts said in each."""
    result, above = [], {}
    for row in rows:
        cells, place = [], 0
        for tag, text, spans in row:
            while place in above:
                cells.append([*above[place][0][:2], {}])
                place += 1
            cell = [tag, text.strip(), {"colspan": spans.get("colspan", 1)}]
            if (down := spans.get("rowspan", 1)) > 1:
                above[place] = [cell, down]
            cells.append(cell)
            place += spans.get("colspan", 1)
        result.append(cells)
        above = {k: [cell, left - 1] for k, (cell, left) in above.items() if left > 1}
    return result


def _entry(cell):
    _, text, spans = cell
    entry = nodes.entry("", nodes.paragraph("", text) if text else nodes.paragraph())
    if spans.get("colspan", 1) > 1:
        entry["morecols"] = spans["colspan"] - 1
    return entry


@contextmanager
def figure_once(renderer, options, line):
    """Make a figure, with its name and caption, of the first output of a cell only.

    MyST-NB makes one of each output, and the line below a figure is an output of its own.
    """
    if any(isinstance(node, nodes.figure) for node in renderer.current_node):
        options = None
    with create_figure_context(renderer, options, line):
        yield
