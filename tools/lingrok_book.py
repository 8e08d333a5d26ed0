"""Sphinx extension of this book: its pages load nothing from elsewhere and stand on their own.

_config.yml loads it. It takes MathJax from an installed package, leaves out what the theme loads
for nobody, puts the data beside the pages, and offers Binder where there is a public repository.
"""

import importlib.util
import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import myst_nb.sphinx_
from docutils import nodes
from myst_nb.core.render import create_figure_context
from sphinx.errors import ConfigError
from sphinx.util.fileutil import copy_asset

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
    # Earlier runs of a chapter may have left more files there than it links to now
    figures = [path for path in (source / FIGURE_DATA).glob("*.csv") if path.name in linked]
    for path in [*figures, *source.glob("data/*.csv"), source / "data" / "datapackage.json"]:
        copy_asset(path, out / path.parent.relative_to(source))


def setup(app):
    myst_nb.sphinx_.create_figure_context = figure_once
    app.connect("config-inited", configure)
    app.connect("build-finished", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
