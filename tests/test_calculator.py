"""The calculator: its script says what Python says, and its page what the script says."""

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from lingrok import (
    critical_l2,
    mean_field,
    predicted_grokking_time,
    quadrature_curve,
    quadrature_time,
)
from lingrok.book.calculator import Calculator
from lingrok.losses import EXPONENTIAL, LOGISTIC, SQUARED_HINGE, polynomial
from lingrok.theory.theorems import kappa

LOSSES = {
    "logistic": LOGISTIC,
    "exponential": EXPONENTIAL,
    "polynomial tail, p = 1": polynomial(1),
    "polynomial tail, p = 2": polynomial(2),
    "squared hinge": SQUARED_HINGE,
}
BOOK = {"gamma": 1e-3, "n": 2000, "many": 350, "few": 250, "d": 2, "loss": "logistic"}
BOOK |= {"l2": 0.0, "momentum": 0.0, "rate": 0.01, "alpha": 10.0}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Law</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><main><h1>Law</h1>{calculator}</main></body></html>"""
ASKED = """([setting, distance]) => {
    const told = lingrokLaw(setting), right = told.right(0.95);
    const late = {m: told.margin(right), steps: told.when(right), l2: told.critical(right)};
    return [told.when(distance), told.critical(distance), late, told.curve()];
}"""


def setting(rng, loss, i):
    """A random one; no penalty, any, one close to the critical one, one above, in turn."""
    n = int(10 ** rng.uniform(2, 7))
    ratio = 10 ** rng.choice([rng.uniform(0, 1), rng.uniform(0, 2), 1e-3])
    planted = int(10 ** rng.uniform(np.log10(2), np.log10(n)))
    few = max(1, round(planted / (1 + ratio)))
    one = {
        "gamma": 10 ** rng.uniform(-6, -1),
        "n": n,
        "many": max(few, planted - few),
        "few": few,
        "d": int(10 ** rng.uniform(0, 3)),
        "loss": loss,
        "momentum": float(rng.choice([0, 0.9, rng.uniform(0, 0.99)])),
        "rate": 10 ** rng.uniform(-4, 1),
        "alpha": float(rng.choice([10, rng.uniform(1, 20)])),
    }
    eps = float(rng.choice([0, 0.05, rng.uniform(0, 0.4)]))
    shares = [0, 10 ** rng.uniform(-9, 0), 1 - 10 ** rng.uniform(-7, -1), rng.uniform(1, 9)]
    edge = critical_l2(eps, **known(one))
    return one | {"l2": shares[i % 4] * (edge if np.isfinite(edge) else 1e-6)}, eps


def known(one):
    return {
        "n": one["n"],
        "sv_pos": one["many"],
        "sv_neg": one["few"],
        "gamma": one["gamma"],
        "alpha": one["alpha"],
        "loss": LOSSES[one["loss"]],
    }


def run(one):
    return known(one) | {"lr": one["rate"] / (1 - one["momentum"]), "l2": one["l2"]}


@pytest.fixture(scope="module")
def page(browser):
    context = browser.new_context(viewport={"width": 800, "height": 900})
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url))
    page.set_content(PAGE.format(style="", calculator=Calculator()._repr_html_()))
    yield page
    context.close()
    assert not wrong


@pytest.mark.parametrize("loss", LOSSES)
def test_the_script_says_what_python_says(page, loss):
    rng = np.random.default_rng(14)
    kinds = set()
    for i in range(40):
        one, eps = setting(rng, loss, i)
        found = page.evaluate(ASKED, [one, kappa(eps, one["alpha"])])
        law = quadrature_time(eps, **run(one)), critical_l2(eps, **known(one))
        np.testing.assert_allclose(found[:2], law, rtol=1e-6, err_msg=f"{one}, {eps}")
        kinds.add(("zero", "finite", "infinite")[1 + np.isinf(law[0]) - (law[0] == 0)])
        curve = {k: np.array([float(point[k]) for point in found[3]]) for k in found[3][0]}
        margin = curve["margin"]
        assert (np.diff(margin) >= 0).all()
        # What is drawn, up to where rounding decides how far the place of rest is
        drawn = (margin < (1 - 1e-6) * margin[-1]) & (curve["steps"] < 300 * curve["steps"][120])
        shown = np.flatnonzero(drawn)[::15]
        steps, distance, accuracy = quadrature_curve(margin[shown], d=one["d"], **run(one))
        for key, true in (("steps", steps), ("distance", distance), ("accuracy", accuracy)):
            said = f"{key}: {one}, {eps}"
            np.testing.assert_allclose(curve[key][shown], true, rtol=1e-6, err_msg=said)
        if one["many"] > one["few"]:
            steps, _, accuracy = quadrature_curve([found[2]["m"]], d=one["d"], **run(one))
            np.testing.assert_allclose([found[2]["steps"], 0.95], [steps[0], accuracy[0]], 1e-6)
    assert kinds == {"zero", "finite", "infinite"}


def test_the_scripts_curvatures_are_those_of_the_losses(page):
    # Between them descent becomes unstable, at the start for the exponential
    for name, loss in LOSSES.items():
        curvature = (1 if loss == EXPONENTIAL else loss.steepest) * 25 / 3 * (1 + 0.1) ** 2
        for momentum in (0.0, 0.9):
            for factor, unstable in ((0.999, False), (1.001, True)):
                rate = factor * 2 * (1 + momentum) / curvature
                one = BOOK | {"n": 20_000, "d": 200, "loss": name, "rate": rate}
                one["momentum"] = momentum
                assert page.evaluate("one => lingrokLaw(one).unstable", one) == unstable


@pytest.mark.parametrize(
    "changed",
    [{}, {"gamma": 1e-4}, {"many": 70, "few": 50}, {"many": 400, "few": 100, "gamma": 1e-2}]
    + [{"loss": name} for name in ("squared hinge", "polynomial tail, p = 2")],
    ids=str,
)
def test_what_the_other_points_add_is_the_mean_fields(page, changed):
    one = BOOK | changed
    law = quadrature_time(0.05, **run(one))
    field = mean_field(
        1000, 1000, int(2 * law), sv_pos=one["many"], sv_neg=one["few"], gamma=one["gamma"],
        loss=LOSSES[one["loss"]],
    )  # fmt: skip
    share = page.evaluate("one => lingrokLaw(one).others(2.9)", one)
    true = predicted_grokking_time(field, eps=0.05, by="distance").median / law
    assert share == pytest.approx(true, abs=0.1)
    assert share < 0.97


# The page


def move(page, name, value):
    page.locator(f"[name={name}]").evaluate(
        """(one, value) => {
            one.value = value;
            one.dispatchEvent(new Event("input", {bubbles: true}));
        }""",
        str(value),
    )


@pytest.fixture
def visit(browser):
    contexts = []

    def visit(style="", **options):
        context = browser.new_context(**({"viewport": {"width": 800, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_content(PAGE.format(style=style, calculator=Calculator()._repr_html_()))
        return page

    yield visit
    for context in contexts:
        context.close()


def test_at_first_it_tells_the_books_setting(visit):
    page = visit()
    said = page.locator(".result").inner_text()
    assert "T (95 %) = 3.1 × 10⁸ steps" in said
    assert quadrature_time(0.05, **run(BOOK)) == pytest.approx(3.1e8, rel=0.01)
    assert "T by distance = 8.7 × 10⁸ steps" in said
    assert quadrature_time(0, **run(BOOK)) == pytest.approx(8.7e8, rel=0.01)
    assert "penalty of 3.1 × 10⁻⁷" in said
    assert critical_l2(0.05, **known(BOOK)) == pytest.approx(3.1e-7, rel=0.02)
    assert "350 and 250" in page.locator(".controls").inner_text()
    # Without scripts a sentence says the first of them
    assert "T (95 %) = 3.1 × 10⁸ steps" in visit(java_script_enabled=False).inner_text(".result")


def test_every_control_changes_result_and_curve_at_once(visit):
    page = visit()
    seen = set()

    def look(kind=None):
        told = page.locator(".result").inner_text(), page.locator("svg").inner_html()
        assert not re.search(r"NaN|undefined|Infinity", "".join(told))
        assert not seen & {*told[kind:]}
        seen.update(told)
        assert len(page.locator("svg").get_attribute("aria-label")) > 150

    look()
    for slider in page.get_by_role("slider").all():
        name = slider.get_attribute("name")
        value = slider.get_attribute("aria-valuetext")
        for _ in range(3):
            slider.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") != value
        if name == "l2":
            move(page, "l2", -7)
        # The shell is filled a little differently, too little for two digits
        look(1 if name == "d" else None)
    for name in [*LOSSES][1:]:
        page.get_by_role("combobox", name="loss").select_option(name)
        look()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"imbalance": 1}, "No delay"),
        ({"l2": -6}, "Never: the penalty is not below 3.1 × 10⁻⁷"),
        ({"l2": -6.8}, "The hyperplane never comes back within the margin"),
        ({"d": 3}, "Of 2000 planted points or fewer, 2 d"),
        ({"rate": 0}, "descent is unstable"),
        ({"gamma": -1}, "the law does not hold here"),
        ({"n": 2}, "100 (58 and 42)"),
    ],
    ids=str,
)
def test_it_warns_in_words(visit, changed, words):
    page = visit()
    assert words not in page.inner_text("main")
    for name, value in changed.items():
        move(page, name, value)
    assert words in page.inner_text("main")


def test_no_setting_gives_nonsense(visit):
    page = visit()
    rng = np.random.default_rng(5)
    sliders = page.get_by_role("slider").evaluate_all(
        "all => all.map(o => [o.name, +o.min, +o.max])"
    )
    for i in range(30):
        for name, low, high in sliders:
            move(page, name, rng.choice([low, high, rng.uniform(low, high)]))
        page.locator("select").select_option([*LOSSES][i % 5])
        shown = page.inner_text(".result") + page.locator("svg").evaluate("one => one.outerHTML")
        assert not re.search(r"NaN|undefined|Infinity|null|e\+", shown), page.inner_text(
            ".controls"
        )


def test_an_odd_number_of_points_has_a_larger_class(visit):
    page = visit()
    move(page, "imbalance", 1)
    for planted in (3, 5, 7, 11, 21, 55):
        move(page, "planted", np.log10(planted))
        assert f"{planted} ({(planted + 1) // 2} and {planted // 2})" in page.inner_text(
            ".controls"
        )
        assert re.search(
            r"T \(95 %\) = [\d.]+( × 10[¹²³⁴⁵⁶⁷⁸⁹]| steps)", page.inner_text(".result")
        )


def test_it_says_what_the_law_does_not_know(visit):
    page = visit()
    move(page, "d", 1.5)  # 32 dimensions, 19 planted points each
    assert "crowding" in page.inner_text(".result")
    assert "planted points only" not in page.inner_text(".result")
    move(page, "d", 0.3)
    move(page, "l2", -4)
    assert "Never" in page.inner_text(".result")
    assert "bears more than this penalty" in page.inner_text(".result")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_everyone_can_read_it(visit, scheme, width):
    dark = "body { background: #14181e; color: #ced6dd; color-scheme: dark; }"
    page = visit(dark if scheme == "dark" else "", viewport={"width": width, "height": 800})
    move(page, "rate", 0)
    kinds = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    found = Axe().run(page, options=kinds)
    assert not found.response["violations"], found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    names = page.get_by_role("slider").evaluate_all("all => all.map(one => one.ariaLabel)")
    assert len({*names}) == 8
    for control in page.locator("input, select").all():
        assert control.bounding_box()["height"] >= 24
    text = page.locator("svg text").first.evaluate("one => one.getBoundingClientRect().height")
    assert text >= 12


def test_two_of_them_do_not_disturb_each_other(visit):
    page = visit()
    page.locator("main").evaluate(
        "(one, html) => one.append(document.createRange().createContextualFragment(html))",
        Calculator()._repr_html_(),
    )
    boxes = page.locator(".lingrok-calculator")
    assert boxes.locator("svg").count() == boxes.count() == 2
    first = boxes.first.locator(".result").inner_text()
    boxes.last.locator("[name=gamma]").press("ArrowRight")
    assert boxes.first.locator(".result").inner_text() == first
    assert boxes.last.locator(".result").inner_text() != first


# What the notebook keeps


def test_the_markup_is_short_the_same_each_time_and_asks_for_nothing():
    text = Calculator()._repr_html_()
    assert repr(Calculator()) == "Calculator()"
    assert text == Calculator()._repr_html_()
    assert len(text) < 16_000
    assert text.count("<script>") == text.count("</script>") == 1
    assert not re.findall(r"https?:|src=|import|fetch|XMLHttp|url\(", text)
    prose = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.S)
    assert "T (95 %) = 3.1 × 10⁸ steps" in prose
    assert not re.findall(r"\b\d+e[+-]?\d|\$|\\", prose)
