"""A calculator on the page: the law of the support vectors, for any setting, without a kernel."""

from pathlib import Path

from ..theory.predictions import quadrature_time
from .style import typeset


class Calculator:
    """Controls for `quadrature_time`, with a penalty and momentum, and its curve.

    Plain HTML with a script of its own, which asks for nothing from elsewhere. Where scripts do not
    run, a sentence stands with the law at the book's setting.
    """

    def __repr__(self) -> str:
        return "Calculator()"

    def _repr_html_(self) -> str:
        time = quadrature_time(0.05, n=2000, sv_pos=350, sv_neg=250, gamma=1e-3)
        style, script = (Path(__file__).with_suffix(s).read_text("utf-8") for s in (".css", ".js"))
        said = typeset(f"At the book's setting the law says T (95 %) = {time:.1e} steps.")
        return (
            f'<div class="lingrok-calculator" role="group" aria-label="calculator">'
            f'<style>{style}</style><div class="result" aria-live="polite"><p>{said}</p></div>'
            f"<script>{script}</script></div>"
        )
