"""What is beside the text of a page: scripts and data that load from nowhere else, and Binder."""

import html
import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from readable import readable
from sphinx.errors import ConfigError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.fileutil import copy_asset

from .explainer import copy as copy_scripts
from .pictures import sized
from .pictures import write as write_pictures
from .typeset import typeset_page
from .verdicts import verdicts

# Only what a page may load, 1 MB: the package has all of MathJax, 24 MB
MATHJAX = [
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions",  # a command that is used brings its own file
    "output/chtml.js",
    "output/chtml/fonts",
    "a11y/assistive-mml.js",
    "ui/lazy.js",  # formulas are typeset when they are near: a page is there at once
]
MATHJAX_LOADS = ["core", "input/tex", "output/chtml", "a11y/assistive-mml", "ui/lazy"]

# Drawn icons, 1.5 MB: the theme's style sheet has the same ones as a font of 0.15 MB.
# The state of widgets: without a kernel their plain HTML is shown. Scripts for what this book has
# not, and fonts of icons ahead of the text.
UNUSED = re.compile(
    r"<script[^>]* src=[^>]*/(?:fontawesome|togglebutton|design-tabs)\.js[^>]*></script>"
    r"|<link rel=.preload. as=.font.[^>]*>"
    r"|<script type=.application/vnd\.jupyter\.widget-state\+json.>.*?</script>",
    re.DOTALL,
)
SEARCHES = re.compile(
    r"<script src=[^>]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>"
)
# Read before the page is shown, and not needed for that; documentation_options is, by the others
WAITS = re.compile(r"<script (?=src=(?![^>]*documentation_options))")
NO_MATHEMATICS = re.compile(r"<script[^>]*(?:>window\.MathJax\b|mathjax/startup\.js).*?</script>")
UNUSED_FILES = ["_static/scripts/fontawesome.js*", "_static/**/*.map", "_static/**/*.ttf"]

ORIGIN = re.compile(r'<p( class="lingrok-origin">.*?)</p>', re.DOTALL)
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


def edition(folder):
    """Version of the book, and the commit and date of its sources, as far as they are known."""
    cited = yaml.safe_load((Path(folder) / "CITATION.cff").read_text(encoding="utf-8"))
    ask = ["git", "-C", folder, "log", "-1", "--format=%h %cs"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        said = []
    commit, date = said or ("", str(cited.get("date-released", "")))
    return {"version": str(cited["version"]), "commit": commit, "date": date}


def cited_as(edition, title, text, address):
    """Tags by which reference managers and search engines know a page."""
    book = "lingrok: an executable book on grokking in linear models"
    tags = {
        "description": text,
        "citation_title": title,
        "citation_inbook_title": book,
        "citation_author": "The lingrok authors",
        "citation_publication_date": edition["date"].replace("-", "/"),
        "citation_language": "en",
    }
    lines = [
        f'<meta name="{name}" content="{html.escape(content)}">'
        for name, content in tags.items()
        if content
    ]
    known = {
        "@context": "https://schema.org",
        "@type": "Chapter",
        "name": title,
        "description": text,
        "isPartOf": {"@type": "Book", "name": book, "version": edition["version"]},
        "author": {"@type": "Organization", "name": "The lingrok authors"},
        "dateModified": edition["date"],
        "license": "https://spdx.org/licenses/MIT",
        **({"codeRepository": address} if address else {}),
    }
    data = json.dumps(known, ensure_ascii=False).replace("</", "<\\/")
    return "\n".join([*lines, f'<script type="application/ld+json">{data}</script>'])


class Citation(SphinxDirective):
    """Entry of BibTeX for the book, from CITATION.cff and the address that it is known by."""

    def run(self):
        folder = Path(self.env.srcdir)
        cited = yaml.safe_load((folder / "CITATION.cff").read_text(encoding="utf-8"))
        made = edition(folder)
        fields = {
            "author": f"{{{cited['authors'][0]['name']}}}",
            "title": cited["title"],
            "version": f"{made['version']}{', commit ' * bool(made['commit'])}{made['commit']}",
            "year": made["date"][:4],
            "license": cited["license"],
            "url": public_address(folder),
        }
        lines = "".join(f"  {name:<7} = {{{text}}},\n" for name, text in fields.items() if text)
        entry = f"@software{{lingrok,\n{lines}}}"
        return [nodes.literal_block(entry, entry, language="bibtex")]


def whole(_name, _raw, text, *_):
    """Role for the book as one file: a link where LINGROK_PDF says that one is made, or how to."""
    made = os.environ.get("LINGROK_PDF")
    if made:
        return [nodes.raw("", f'<a href="{html.escape(made)}">{text}</a>', format="html")], []
    return [nodes.Text(f"{text}: "), nodes.literal("", "make pdf")], []


def describe(app, page, _template, context, doctree):
    """Put the tags of a page, with the first thing that it says, into its head."""
    if doctree is None:
        return
    said = next(
        (one for one in doctree.findall(nodes.container) if "answer" in one["classes"]), None
    )
    said = said or next(iter(doctree.findall(nodes.paragraph)), None)
    text = " ".join(said.astext().split()).removeprefix("Answer. ") if said else ""
    text = re.sub(r"\\[lr]Vert ?", "‖", text).replace("\\", "")
    title = re.sub("<[^>]+>", "", context.get("title", page))
    icon = '<link rel="icon" href="data:,">'  # none: without this a browser asks for one
    tags = icon + cited_as(edition(app.srcdir), title, shortened(text), public_address(app.srcdir))
    context["metatags"] = re.sub(r'<meta name="description"[^>]*>', "", context["metatags"]) + tags


def shortened(text, most=300):
    """Whole words of a text, as many as a description holds."""
    return text if len(text) <= most else text[:most].rpartition(" ")[0] + " …"


def configure(app, config):
    made = edition(app.srcdir)
    of = f", commit {made['commit']}" if made["commit"] else ""
    config.html_theme_options |= {
        "extra_footer": f"<p>Version {made['version']}{of}, {made['date']}</p>"
    }
    config.mathjax_path = "mathjax/startup.js"
    config.mathjax3_config = {
        "loader": {"load": MATHJAX_LOADS},
        "options": {"lazyMargin": "200px"},
    }
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


def tidied(text, name):
    """HTML of a page without what nobody needs, and with what a screen reader or keyboard does."""
    text = UNUSED.sub("", text).replace("urlpath=lab/tree/chapters/", "urlpath=lab/tree/notebooks/")
    if name != "search.html":
        text = WAITS.sub("<script defer ", SEARCHES.sub("", text))
    if ' class="math' not in text:
        text = NO_MATHEMATICS.sub("", text)
    # A list must have items; the role that docutils writes is deprecated for that reason
    text = text.replace('role="doc-biblioentry"', 'role="listitem"')
    # What made a figure is there for whoever asks
    text = ORIGIN.sub(
        r'<details class="origin"><summary>Source and data</summary><p\1</p></details>', text
    )
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
    copy_scripts(out / "_static")
    address = public_address(app.srcdir) or ""
    for path in (out / "_sources" / "chapters").glob("*.ipynb"):  # what a reader downloads
        nbformat.write(readable(source / "chapters" / path.name, address), path)
    sizes = write_pictures(out, app.env.mystnb_config.output_folder)
    for page in out.rglob("*.html"):
        text = typeset_page(tidied(sized(page.read_text(encoding="utf-8"), sizes), page.name))
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
