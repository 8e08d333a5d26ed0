"""Numbers and symbols as formulas have them: on pages, in figures, on sliders."""

import pytest
from lingrok_book.typeset import typeset as as_html
from lingrok_book.typeset import typeset_page

from lingrok.book.style import typeset


@pytest.mark.parametrize(
    ("text", "plain", "html"),
    [
        ("1e7 steps", "10⁷ steps", "10<sup>7</sup> steps"),
        ("7.9e8 [1.0e7, 2e-3]", "7.9 × 10⁸ [1.0 × 10⁷, 2 × 10⁻³]",
         "7.9&nbsp;×&nbsp;10<sup>8</sup> [1.0&nbsp;×&nbsp;10<sup>7</sup>, "
         "2&nbsp;×&nbsp;10<sup>−3</sup>]"),
        ("T_tr at eps 0", "Tₜᵣ at ε 0", "T<sub>tr</sub> at ε 0"),
        ("||w|| and gamma", "‖w‖ and γ", "‖w‖ and γ"),
        *((same, same, same) for same in ("a1e7, 0x1e5, id.1e7", "03e300228476", "betagamma")),
    ],
)  # fmt: skip
def test_numbers_and_symbols(text, plain, html):
    assert typeset(text) == plain
    assert as_html(text) == html


def test_powers_and_indices_of_verdicts():
    shown = "T<sub>Q</sub> (1 + γ<sup>2</sup>), |v|<sup>2</sup>, φ, 2<sup>10</sup>, ^2, a^2b"
    assert as_html("T_Q (1 + gamma^2), |v|^2, phi, 2^10, ^2, a^2b") == shown


def test_mathematics_in_a_label_stays_as_it_is():
    assert typeset("$10^{-1}$ of 1e3") == "$10^{-1}$ of 10³"


def test_a_page_keeps_its_code_formulas_and_head():
    page = (
        "<!DOCTYPE html><html><head><title>1e7</title></head><body class='a'><p>zeta &gt;= 1e2 "
        '&amp; <b>eps</b></p><pre>1e7 <b>eps</b></pre> <img alt="1e7"> <code>gamma</code>'
        '<span class="math">\\(1e7\\)</span><script>x = 1e7</script><!-- 1e7 --></body></html>'
    )
    shown = page.replace("zeta &gt;= 1e2", "ζ ≥ 10<sup>2</sup>").replace(
        "<b>eps</b></p>", "<b>ε</b></p>"
    )
    assert typeset_page(page) == shown
