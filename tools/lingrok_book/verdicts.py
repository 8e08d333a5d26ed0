"""Tables of what the chapters have decided."""

import ast
import re

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.ext.glue.crossref import read_glue_cache
from sphinx.errors import ConfigError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

FIELDS = ("claim", "source", "paper", "measured", "tolerance", "verdict")
TITLES = {
    "claim": "Claim",
    "source": "Where",
    "paper": "Paper",
    "measured": "Measured: median over seeds [smallest, largest]",
    "tolerance": "Tolerance, seeds and what counts as corrected",
    "verdict": "Verdict",
}


def verdicts(env):
    """Return all rows, in the order of the chapters: what their cells have just glued."""
    rows = []
    for page in sorted(page for page in env.all_docs if page.startswith("chapters/")):
        glued = {
            key: ast.literal_eval(one["data"]["text/plain"])
            for key, one in read_glue_cache(env.mystnb_config.output_folder, page).items()
            if "text/plain" in one["data"] and key.rpartition("-")[2] in FIELDS
        }
        names = [key.rpartition("-")[0] for key in glued if key.endswith("-verdict")]
        for name in names:
            row = {field: glued[f"{name}-{field}"] for field in FIELDS}
            rows.append({"id": name, "chapter": f"{page}.ipynb", **row})
    return rows


class VerdictTable(nodes.General, nodes.Element):
    """In place of a table until all chapters are executed."""


class Verdicts(SphinxDirective):
    """A table of verdicts: of all, or of those named in the content, a row each.

    The first column is the claim, linked to its chapter; `columns` are the others. In a table with
    `anchors` every row can be linked to, as #verdict-ID; all other tables link to it there.
    """

    has_content = True
    option_spec = {  # noqa: RUF012 - docutils wants it so
        "columns": directives.unchanged_required,
        "class": directives.class_option,
        "anchors": directives.flag,
    }

    def run(self):
        return [
            VerdictTable(
                columns=["claim", *self.options["columns"].split()],
                names=" ".join(self.content).split(),
                classes=self.options.get("class", []),
                anchors="anchors" in self.options,
            )
        ]


class VerdictMatrix(SphinxDirective):
    """What became of each claim, a row each, and in which setting, a column each.

    The argument names the columns, and each line of the content a claim and the ids of the verdicts
    on it, all apart by `|`; a place without an id stays empty.
    """

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        lines = [self.arguments[0], *filter(str.strip, self.content)]
        rows = [[cell.strip() for cell in line.split("|")] for line in lines]
        if wrong := [row[0] for row in rows[1:] if len(row) != len(rows[0])]:
            raise self.error(f"rows must have {len(rows[0])} cells, got another number in {wrong}")
        return [VerdictTable(matrix=rows)]


class DrawVerdicts(SphinxPostTransform):
    """Replace each place with its table."""

    default_priority = 4  # before the glued texts of other documents

    def run(self, **_):
        for place in list(self.document.findall(VerdictTable)):
            rows = {row["id"]: row for row in verdicts(self.env)}
            matrix = place.get("matrix")
            named = (
                {one for row in matrix[1:] for one in row[1:] if one} if matrix else place["names"]
            )
            if missing := set(named) - set(rows):
                raise ConfigError(f"verdicts must be glued by a chapter, got {sorted(missing)}")
            if matrix:
                place.replace_self(self.matrix(matrix, rows))
                continue
            here = [
                name for name, row in rows.items() if row["chapter"] == f"{place.get('page')}.ipynb"
            ]
            names = place["names"] or here or rows
            place.replace_self(self.table(place, [rows[name] for name in names]))

    def table(self, place, rows):
        columns = place["columns"]
        group = nodes.tgroup("", cols=len(columns))
        group += [nodes.colspec(colwidth=1) for _ in columns]
        titles = nodes.row("", *(self.entry(nodes.Text(TITLES[one])) for one in columns))
        group += nodes.thead("", titles)
        body = nodes.tbody()
        for row in rows:
            ids = [f"verdict-{row['id']}"] if place["anchors"] else []
            body += nodes.row("", *(self.entry(*self.cell(row, one)) for one in columns), ids=ids)
        group += body
        return nodes.table("", group, classes=["verdict-table", *place["classes"]])

    def matrix(self, lines, rows):
        group = nodes.tgroup("", cols=len(lines[0]))
        group += [nodes.colspec(colwidth=1, stub=int(i == 0)) for i in range(len(lines[0]))]
        titles = nodes.row("", *(self.entry(nodes.Text(one)) for one in lines[0]))
        group += nodes.thead("", titles)
        body = nodes.tbody()
        for claim, *names in lines[1:]:
            cells = [self.outcome(rows[name]) if name else [nodes.Text("–")] for name in names]
            body += nodes.row("", self.entry(nodes.Text(claim)), *(self.entry(*c) for c in cells))
        group += body
        return nodes.table("", group, classes=["verdict-table", "matrix"])

    def outcome(self, row):
        """Name a verdict in short, linked to its row."""
        said = row["verdict"].removeprefix("reproduced ")
        text = nodes.inline("", said, classes=[row["verdict"].replace(" ", "-")])
        here, place = self.env.docname, f"verdict-{row['id']}"
        link = make_refnode(self.app.builder, here, "index", place, text, row["claim"])
        link["classes"] += ["outcome"]
        return [link]

    @staticmethod
    def entry(*content):
        return nodes.entry("", nodes.paragraph("", "", *content))

    def cell(self, row, column):
        text = nodes.inline("", row[column], classes=["pasted-text"])
        if column != "claim":
            kind = [row["verdict"].replace(" ", "-")] if column == "verdict" else []
            text["classes"] += kind
            return [text]
        page, here = row["chapter"].removesuffix(".ipynb"), self.env.docname
        numbered = re.match(r"chapters/0*(\d+)", page)
        name = numbered[1] if numbered else self.env.titles[page].astext()
        link = make_refnode(self.app.builder, here, page, "", nodes.Text(name))
        chapter = [] if page == here else [nodes.Text(" ("), link, nodes.Text(")")]
        cite = make_refnode(
            self.app.builder, here, "index", f"verdict-{row['id']}", nodes.Text("#"), "link to it"
        )
        cite["classes"] += ["verdict-link"]
        return [text, *chapter, nodes.Text(" "), cite]
