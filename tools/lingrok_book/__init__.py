"""Sphinx extension of this book: pages that argue, load nothing from elsewhere, stand on their own.

_config.yml loads it. `cells` puts the answer of a chapter first, folds its code and numbers its
tables; `explainer` draws a run to move through; `verdicts` draws tables of what the chapters have
decided; `typeset` writes numbers and symbols as formulas have them; `pages` is for what is beside
the text.
"""

import myst_nb.sphinx_

from .cells import Answer, Arrange, Fold, KeyFigure, close_fold, figure_once, open_fold
from .explainer import Explainer
from .pages import Citation, complete, configure, describe, whole
from .verdicts import DrawVerdicts, VerdictMatrix, Verdicts, VerdictTable


def setup(app):
    myst_nb.sphinx_.create_figure_context = figure_once
    app.add_node(VerdictTable)
    app.add_node(KeyFigure)
    app.add_node(Fold, html=(open_fold, close_fold))
    app.add_directive("verdicts", Verdicts)
    app.add_directive("verdict-matrix", VerdictMatrix)
    app.add_directive("answer", Answer)
    app.add_directive("explainer", Explainer)
    app.add_directive("citation", Citation)
    app.add_role("whole", whole)
    app.add_transform(Arrange)
    app.add_post_transform(DrawVerdicts)
    app.connect("config-inited", configure)
    app.connect("html-page-context", describe)
    app.connect("build-finished", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
