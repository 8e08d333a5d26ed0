"""Sphinx extension of this book: its pages load nothing from elsewhere and stand on their own.

_config.yml loads it. It takes MathJax from an installed package, leaves out what the theme loads
for nobody, puts the data beside the pages, and offers Binder where there is a public repository.
The directive `verdicts` draws a table of what the chapters have decided, which stands in
verdicts.json beside the pages as well.
"""

import ast
import importlib.util
import json
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import myst_nb.sphinx_
from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.core.render import create_figure_context
from myst_nb.ext.glue.crossref import read_glue_cache
from sphinx.errors import ConfigError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset
from sphinx.util.nodes import make_refnode

# Only what a page may load, 1 MB: the package has all of MathJax, 24 MB
MATHJAX = [
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions",  # a command that is used brings its own file
    "output/chtml.js",
    "output/chtml/fonts",
    "a11y/assistive-mml.js",
]
MATHJAX_LOADS = ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]

# Drawn icons, 1.5 MB: the theme's style sheet has the same ones as a font of 0.15 MB.
# The state of widgets: without a kernel their plain HTML is shown.
UNUSED = re.compile(
    r"<script[^>]* src=[^>]*/fontawesome\.js[^>]*></script>"
    r"|<script type=.application/vnd\.jupyter\.widget-state\+json.>.*?</script>",
    re.DOTALL,
)
NO_MATHEMATICS = re.compile(r"<script[^>]*(?:>window\.MathJax\b|mathjax/startup\.js).*?</script>")
UNUSED_FILES = ["_static/scripts/fontawesome.js*", "_static/**/*.map", "_static/**/*.ttf"]

FIGURE_DATA = "chapters/figure-data"  # not committed: chapters write it when they are executed


def public_address(folder):
    """Address of the repository on GitHub, or None where it has none that Binder could read."""
    given = os.environ.get("LINGROK_REPOSITORY", "")
    match = re.fullmatch(
        r"(https://github\.com/[\w.-]+/[\w.-]+?)(\.git)?/?", given or origin(folder)
    )
    if given and not match:
        raise ConfigError(
            f"LINGROK_REPOSITORY must be https://github.com/OWNER/NAME, got {given!r}"
        )
    return match and match[1]


def origin(folder):
    ask = ["git", "-C", folder, "remote", "get-url", "origin"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""  # no git, or a copy without its history


def configure(app, config):
    config.mathjax_path = "mathjax/startup.js"
    config.mathjax3_config = {"loader": {"load": MATHJAX_LOADS}}
    # The side bar has a search field already: without this a second one gets a bar of its own
    config.html_theme_options |= {"navbar_persistent": []}
    if address := public_address(app.srcdir):
        config.html_theme_options |= {
            "repository_url": address,
            "repository_branch": "HEAD",  # whatever its default branch is called
            "launch_buttons": {
                "binderhub_url": "https://mybinder.org",
                "notebook_interface": "jupyterlab",
            },
        }


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


class DrawVerdicts(SphinxPostTransform):
    """Replace each place with its table."""

    default_priority = 4  # before the glued texts of other documents

    def run(self, **_):
        for place in list(self.document.findall(VerdictTable)):
            rows = {row["id"]: row for row in verdicts(self.env)}
            if missing := set(place["names"]) - set(rows):
                raise ConfigError(f"verdicts must be glued by a chapter, got {sorted(missing)}")
            names = place["names"] or rows
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
        number = re.match(r"chapters/0*(\d+)", page)[1]
        link = make_refnode(self.app.builder, here, page, "", nodes.Text(number))
        cite = make_refnode(
            self.app.builder, here, "index", f"verdict-{row['id']}", nodes.Text("#"), "link to it"
        )
        cite["classes"] += ["verdict-link"]
        return [text, nodes.Text(" ("), link, nodes.Text(") "), cite]


@contextmanager
def figure_once(renderer, options, line):
    """Make a figure, with its name and caption, of the first output of a cell only.

    MyST-NB makes one of each output, and the line below a figure is an output of its own.
    """
    if any(isinstance(node, nodes.figure) for node in renderer.current_node):
        options = None
    with create_figure_context(renderer, options, line):
        yield


def tidied(text):
    """HTML of a page without what nobody needs, and with what a screen reader or keyboard does."""
    text = UNUSED.sub("", text)
    if ' class="math' not in text:
        text = NO_MATHEMATICS.sub("", text)
    # A list must have items; the role that docutils writes is deprecated for that reason
    text = text.replace('role="doc-biblioentry"', 'role="listitem"')
    # What may scroll must be in reach of the keyboard
    return text.replace('<div class="math', '<div tabindex="0" class="math')


def complete(app, exception):
    if exception or app.builder.format != "html":
        return
    source, out, linked = Path(app.srcdir), Path(app.outdir), set()
    package = importlib.util.find_spec("sphinx-mathjax-offline")
    mathjax = Path(package.origin).parent / "static" / "mathjax"
    for name in MATHJAX:
        target = out / "_static" / "mathjax" / name
        copy_asset(mathjax / name, target if (mathjax / name).is_dir() else target.parent)
    for page in out.rglob("*.html"):
        text = tidied(page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")
        linked.update(re.findall(r'href="figure-data/([^"]+)"', text))
    for pattern in UNUSED_FILES:
        for path in out.glob(pattern):
            path.unlink()
    listed = json.dumps(verdicts(app.env), indent=1, ensure_ascii=False)
    (out / "verdicts.json").write_text(f"{listed}\n", encoding="utf-8")
    # Earlier runs of a chapter may have left more files there than it links to now
    figures = [path for path in (source / FIGURE_DATA).glob("*.csv") if path.name in linked]
    for path in [*figures, *source.glob("data/*.csv"), source / "data" / "datapackage.json"]:
        copy_asset(path, out / path.parent.relative_to(source))


def setup(app):
    myst_nb.sphinx_.create_figure_context = figure_once
    app.add_node(VerdictTable)
    app.add_directive("verdicts", Verdicts)
    app.add_post_transform(DrawVerdicts)
    app.connect("config-inited", configure)
    app.connect("build-finished", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
