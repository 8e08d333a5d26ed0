"""The built book, as a reader's browser shows it.

The pages are built from the committed chapters, which takes seconds. That their outputs are
current is what nbval checks, so executing them here would only be the same work again.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import lingrok_book.pages as lingrok_book
import nbformat
import numpy as np
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from lingrok_book.typeset import typeset
from make_pdf import print_book
from pypdf import PdfReader

from lingrok import accuracy, ensemble, gradient_descent
from lingrok.book.notes import DECISIONS, Verdict

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
PAGES = [TOC["root"], *(one["file"] for part in TOC["parts"] for one in part["chapters"])]
CHAPTERS = [name for name in PAGES if name.startswith("chapters/")]
NUMBERED = [name for name in CHAPTERS if name.rpartition("/")[2][0].isdigit()]
EXPLAINED = "chapters/03-concentrated-test"
# All formulas, also those that a reader has not come to
TYPESET = """window.MathJax?.startup.promise
    .then(() => MathJax.startup.document.lazyTypesetAll()).then(() => null)"""
DESKTOP = {"width": 1280, "height": 900}
WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 375, "height": 812}

pages = pytest.mark.parametrize("name", PAGES, ids=lambda name: name.rpartition("/")[2])


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    config["execute"]["execute_notebooks"] = "off"
    config["sphinx"]["local_extensions"] = {"lingrok_book": str(ROOT / "tools")}
    (folder / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    build = [Path(sys.executable).with_name("jupyter-book"), "build", "-q", "-W", "-n"]
    build += ["--keep-going", "--config", folder / "_config.yml", "--path-output", folder, ROOT]
    # With an address, so that the pages have all the buttons that they may have
    known = os.environ | {"LINGROK_REPOSITORY": "https://github.com/owner/name"}
    done = subprocess.run(build, env=known, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


class Visits:
    """Open pages, and what went wrong on them: errors, and requests for anything outside."""

    def __init__(self, browser, book):
        self.browser, self.book = browser, book
        self.contexts, self.wrong, self.kept = [], [], {}

    def __call__(self, name, *, folder=None, clock=False, **options):
        folder = folder or self.book
        context = self.browser.new_context(**({"viewport": WIDE} | options))
        self.contexts.append(context)
        page = context.new_page()
        page.loaded = []

        def note(request):
            address = request.url
            if address.startswith(folder.as_uri()):
                page.loaded.append(Path(unquote(urlsplit(address).path)))
            elif not address.startswith(("data:", "blob:")):
                self.wrong.append(f"{name} asks for {address}")

        context.on("request", note)
        page.on("pageerror", lambda error: self.wrong.append(f"{name}: {error}"))
        page.on(
            "console",
            lambda message: (
                message.type in {"error", "warning"}
                and self.wrong.append(f"{name}: {message.text}")
            ),
        )
        if clock:
            page.clock.install(time=0)
        scripts = options.get("java_script_enabled", True)
        if scripts:  # without them, those that the theme preloads are given up
            page.on(
                "requestfailed", lambda request: self.wrong.append(f"{name} lacks {request.url}")
            )
        page.goto((folder / f"{name}.html").as_uri())
        if scripts:
            page.evaluate(TYPESET)
        if clock:  # from here on it goes only where a test sends it, however slow the machine
            page.clock.pause_at(3_600_000)
        return page

    def read(self, name):
        """Open a page once, for all tests that only look at it."""
        if name not in self.kept:
            for context in self.contexts:  # tests come page by page
                context.close()
            self.contexts.clear()
            self.kept = {name: self(name, viewport=DESKTOP)}
        return self.kept[name]

    def close(self):
        for context in self.contexts:
            context.close()
        assert not self.wrong


@pytest.fixture
def visit(browser, book):
    visits = Visits(browser, book)
    yield visits
    visits.close()


@pytest.fixture(scope="module")
def looks(browser, book):
    visits = Visits(browser, book)
    yield visits
    visits.close()


@pytest.fixture(scope="module", params=PAGES, ids=lambda name: name.rpartition("/")[2])
def looked(request):
    """A page that one test after the other looks at, and none changes."""
    return request.param


class Links(HTMLParser):
    """Ids of a page, and addresses that it links to or loads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.addresses = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in {"id", "name"}:
                self.ids.add(value)
            elif name in {"href", "src"} and value:
                self.addresses.append((tag, value))


def test_the_book_prints_as_one_document(book, browser):
    reader = PdfReader(io.BytesIO(print_book(book, browser)))
    chapters = [entry for entry in reader.outline if not isinstance(entry, list)]
    places = [reader.get_destination_page_number(entry) for entry in chapters]
    assert len(places) == len(PAGES)
    assert places == sorted(set(places))
    for entry, place in zip(chapters, places, strict=True):
        text = " ".join(reader.pages[place].extract_text().split())
        assert text.startswith(entry.title)
    used, addresses = set(), set()
    for page in reader.pages[places[0] :]:  # from behind the contents
        for note in page.get("/Annots", []):
            link = note.get_object()
            if "/Dest" in link:
                used.add(link["/Dest"])
            else:
                addresses.add(link["/A"]["/URI"])
    assert used <= set(reader.named_destinations)
    assert used >= {f"/{name.replace('/', '-')}" for name in CHAPTERS}
    assert addresses
    assert {urlsplit(address).scheme for address in addresses} == {"https"}


@pages
def test_links_and_files_are_there(book, name):
    found = {path: Links(path) for path in book.rglob("*.html")}
    path = book / f"{name}.html"
    written = (ROOT / lingrok_book.FIGURE_DATA).is_dir()  # by chapters that were executed
    missing = []
    for tag, address in found[path].addresses:
        parts = urlsplit(address)
        if parts.scheme:
            assert tag == "a" or parts.scheme == "data", f"{tag} loads {address}"
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.parent.name == "figure-data" and not written:
            continue
        if not target.is_file() or (parts.fragment and parts.fragment not in found[target].ids):
            missing.append(address)
    assert not missing, "data of figures are written where chapters are executed, as make test does"


def code_of(name):
    """Code of a chapter."""
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def prose_of(name):
    """Markdown of a page's source."""
    notebook = ROOT / f"{name}.ipynb"
    if not notebook.exists():
        return (ROOT / f"{name}.md").read_text(encoding="utf-8")
    cells = nbformat.read(notebook, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_mathematics_is_typeset(looks, looked):
    article = looks.read(looked).locator("article.bd-article")
    formulas = article.locator(".math").count()
    assert article.locator(".math > mjx-container").count() == formulas
    assert article.locator("mjx-merror").count() == 0
    prose = article.evaluate(
        """article => {
            const copy = article.cloneNode(true);
            copy.querySelectorAll('pre, code, script, option, mjx-container')
                .forEach(one => one.remove());
            return copy.textContent;
        }"""
    )
    assert not re.findall(r"\\[()\[\]]|\$\$?|\\[a-z]{2,}", prose)
    assert (formulas > 0) == ("$" in prose_of(looked))


def shown(figure):
    """The one visible picture of a control, its description, and the control's value in words."""
    pictures = figure.locator("img").evaluate_all(
        """all => all.filter(one => one.checkVisibility() && one.naturalWidth)
                    .map(one => [one.src, one.alt])"""
    )
    assert len(pictures) == 1
    value = figure.locator("output").inner_text()
    assert figure.get_by_role("slider").get_attribute("aria-valuetext") == value
    return *pictures[0], value


@pages
def test_controls_move_their_picture(visit, name):
    page = visit(name, clock=True)
    for figure in page.locator("figure.lingrok-pictures").all():
        slider = figure.get_by_role("slider", name=re.compile(r"\w{3}"))
        button = figure.get_by_role("button", name=re.compile(r"\w{3}"))
        states = [shown(figure)]
        at_first = slider.input_value() == slider.get_attribute("min")
        slider.press("ArrowRight" if at_first else "ArrowLeft")
        states.append(shown(figure))
        button.press("Enter")
        for _ in range(2):
            page.clock.run_for(1000)
            states.append(shown(figure))
        for before, after in pairwise(states):
            assert all(a != b for a, b in zip(before, after, strict=True))
        if slider.input_value() != slider.get_attribute("max"):
            button.press("Enter")
        page.clock.run_for(3000)
        assert shown(figure) == states[-1]
        # Played on, it stops at the end, and there it begins again from the first
        for _ in range(2):
            button.press("Enter")
            page.clock.run_for(60_000)
            assert slider.input_value() == slider.get_attribute("max")
            assert button.inner_text() == "play"


@pages
def test_without_scripts_a_picture_stands(visit, name):
    page = visit(name, java_script_enabled=False)
    assert page.locator("article h1").is_visible()
    for figure in page.locator("article figure").all():
        visible = [image for image in figure.locator("img").all() if image.is_visible()]
        assert len(visible) == 1
        assert visible[0].get_attribute("alt")
        assert not figure.get_by_role("slider").is_visible()


def test_pictures_are_described(looks, looked):
    texts = looks.read(looked).locator("article img").evaluate_all("all => all.map(one => one.alt)")
    assert not [text for text in texts if len(text.strip()) < 40]


def accessible(page, scheme):
    assert page.locator("html").get_attribute("data-theme") == scheme
    # The theme lets keys reach what scrolls a moment after the page's last change
    page.wait_for_function(
        """() => [...document.querySelectorAll(".pst-scrollable-table-container")]
            .every(one => one.tabIndex == 0 || one.scrollWidth <= one.clientWidth)"""
    )
    kinds = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]
    # Formulas are MathJax's, a thousand nodes each page, beside MathML for those who listen
    found = Axe().run(
        page,
        context={"exclude": [["mjx-container"]]},
        options={"runOnly": kinds, "resultTypes": ["violations"], "preload": False},
    )
    assert not found.response["violations"], found.generate_report()


def test_everyone_can_read_it(looks, looked):
    accessible(looks.read(looked), "light")


@pages
def test_everyone_can_read_it_at_night_on_a_phone(visit, name):
    accessible(visit(name, color_scheme="dark", viewport=PHONE), "dark")


@pages
def test_nothing_is_wider_than_a_phone(visit, name):
    page = visit(name, viewport=PHONE)
    wide = page.evaluate(
        """() => {
            const width = document.documentElement.clientWidth;
            const boxed = one => {  // in a box that scrolls by itself, or is cut to a point
                for (; one && one.tagName != 'ARTICLE'; one = one.parentElement) {
                    const style = getComputedStyle(one);
                    if (['auto', 'scroll'].includes(style.overflowX) &&
                        one.getBoundingClientRect().right <= width + 1) return true;
                    if (style.clip != 'auto') return true;
                }
                return false;
            };
            return [...document.querySelectorAll('article *')]
                .filter(one => one.checkVisibility() &&
                        one.getBoundingClientRect().right > width + 1 && !boxed(one))
                .map(one => one.outerHTML.slice(0, 200));
        }"""
    )
    assert not wide
    sizes = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
    assert max(sizes) <= PHONE["width"]


@pytest.mark.parametrize("looked", NUMBERED, indirect=True)
def test_the_answer_comes_first(looks, looked):
    name, page = looked, looks.read(looked)
    article = page.locator("article.bd-article")
    number = str(int(name.rpartition("/")[2][:2]))
    assert article.locator("h1").inner_text().partition(".")[0] == number
    assert len(article.locator(".answer").inner_text()) > 150
    verdict = article.locator(".verdict-table td:last-child").first.bounding_box()
    figure = article.locator("figure").first.bounding_box()
    assert verdict["y"] + verdict["height"] < 900
    assert figure["y"] + figure["height"] < 1800
    # All verdicts of the chapter, by the words of the front page
    rows = article.locator("table.digest tbody tr").all_inner_texts()
    called = len(re.findall(r"\bverdict\(\s*f?\"", code_of(name)))
    assert len(rows) >= called >= 1


@pages
def test_code_is_folded_and_one_switch_opens_it(visit, name):
    page = visit(name, viewport=DESKTOP)
    share = page.evaluate(
        """() => {
            const article = document.querySelector('article.bd-article');
            const high = one => one.getBoundingClientRect().height;
            return [...article.querySelectorAll('.cell_input')]
                .filter(one => one.checkVisibility())
                .reduce((sum, one) => sum + high(one), 0) / high(article);
        }"""
    )
    assert share <= 0.12
    folds = page.locator("details.fold")
    if not folds.count():
        return
    said = page.locator("details.fold > summary").all_inner_texts()
    assert all(re.match(r"(Code, \d+ lines: \w|Findings)", one) for one in said)
    assert not page.locator("details.fold[open]").count()
    for _ in range(3):  # once in a hundred times a busy browser forgets what it has just stored
        page.get_by_role("button", name="Show code").click()
        assert page.locator("details.fold[open]").count() == folds.count()
        page.reload()
        if page.locator("details.fold[open]").count():
            break
    assert page.locator("details.fold[open]").count() == folds.count()
    page.get_by_role("button", name="Fold code").press("Enter")
    assert not page.locator("details.fold[open]").count()


def test_tables_are_named_and_fit(looks, looked):
    page = looks.read(looked)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('article table, article pre')]
            .filter(one => one.checkVisibility())
            .filter(one => { const box = one.parentElement;
                             return box.scrollWidth > box.clientWidth + 1 ||
                                    one.scrollWidth > one.clientWidth + 1; })
            .map(one => one.outerHTML.slice(0, 100))"""
    )
    assert not wide
    for table in page.locator("article table.book-table").all():
        caption = table.locator("caption").inner_text()
        assert re.match(r"Table (\d+\.)?\d+\s", caption), caption
        assert table.get_attribute("id")
        assert not re.search(r"\b(NaN|nan|inf|None)\b", table.inner_text())


def test_numbers_and_symbols_are_written_one_way(looks, looked):
    text = (
        looks.read(looked)
        .locator("article.bd-article")
        .evaluate(
            """article => {
            const copy = article.cloneNode(true);
            copy.querySelectorAll('pre, code, script, option, mjx-container')
                .forEach(one => one.remove());
            return copy.textContent;
        }"""
        )
    )
    text = re.sub(r"SHA-256 \w+", "", text)
    assert not re.findall(r"\b\d+(?:\.\d+)?e[+-]?\d+\b", text)
    assert not re.findall(r"\b(?:T_tr|T_te|zeta|eps|gamma|w_hat|w_true)\b", text)


def explained(page):
    """The explainer, when its chart is there, and what its script was given."""
    figure = page.locator("figure.lingrok-explainer")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("figure.lingrok-explainer[data-ready]")
    return figure, json.loads(figure.locator("script[type]").inner_text())


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_explainer_moves(visit, size):
    page = visit(EXPLAINED, viewport=size, reduced_motion="reduce")
    figure, told = explained(page)
    assert figure.locator("canvas").get_attribute("aria-label")
    seen = set()

    def look():
        page.evaluate("new Promise(requestAnimationFrame)")
        drawn = figure.locator("canvas").evaluate("one => one.toDataURL()")
        state = drawn, figure.locator("p.reading").inner_text()
        assert state not in seen
        seen.add(state)
        return state[1]

    look()
    slider, button = figure.get_by_role("slider"), figure.get_by_role("button")
    slider.press("End")
    assert slider.get_attribute("aria-valuetext") == "step 1.0 × 10¹²"
    look()
    slider.press("Home")
    assert "At step 1: " in look()
    for name, value in (("view", "shell"), ("bias", "without"), ("view", "cube"), ("bias", "with")):
        figure.locator(f"select[name={name}]").select_option(value)
        look()
    # The delay changes with the definition and with the end of the run
    found = {}
    for reading in ("supremum", "one", "kept"):
        for end in ("1e7", "1e12"):
            figure.locator("select[name=reading]").select_option(reading)
            figure.locator("select[name=end]").select_option(end)
            found[reading, end] = (
                figure.locator("p.reading").inner_text().partition("definition")[2]
            )
    assert len(set(found.values())) == 3  # a run to the end has 1 for its supremum, and keeps it
    assert "never" in found["one", "1e7"]
    # Where motion is unwelcome a decade a second
    button.press("Enter")
    page.wait_for_function("document.querySelector('.lingrok-explainer input').value > 0")
    at = int(slider.input_value())
    assert told["steps"][at] >= 10
    button.press("Enter")
    assert button.inner_text() == "play"
    for control in figure.locator("select, input, button").all():
        assert control.bounding_box()["height"] >= 24
    wait = page.evaluate(
        """async () => {
            const slider = document.querySelector('.lingrok-explainer input');
            const from = performance.now();
            slider.value = 50;
            slider.dispatchEvent(new Event('input'));
            await new Promise(requestAnimationFrame);
            return performance.now() - from;
        }"""
    )
    assert wait < 1000  # ten times the target, which benchmarks/sliders.py measures


def test_the_explainer_shows_runs_of_the_package(visit):
    _, told = explained(visit(EXPLAINED))
    train = ensemble([0], 10**7, sv_pos=350, sv_neg=250).sample.draw("train", 0)
    for bias, run in (("with", True), ("without", False)):
        walked = gradient_descent(train, 1000, bias=run)
        shown = told["runs"][bias]
        for i, step in enumerate(told["steps"]):
            if step > 1000:
                break
            j = int(np.flatnonzero(walked.steps == step)[0]) if step in walked.steps else None
            if j is None:
                continue
            for name in ("norm", "distance", "b"):
                assert shown[name][i] == pytest.approx(getattr(walked, name)[j], rel=1e-3, abs=1e-9)
            assert shown["train"][i] == pytest.approx(accuracy(walked, train)[j], abs=1e-3)
    points = np.array(told["points"])
    assert np.count_nonzero(points[:, 3]) == train.n
    assert np.count_nonzero(points[:, 4]) == 600


def test_the_front_page_is_light(visit):
    page = visit(TOC["root"])
    assert sum(path.stat().st_size for path in set(page.loaded)) < 2e6


def test_the_book_works_where_it_is_unpacked(visit, book, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "book"), "zip", book)
    folder = tmp_path / "else where"  # a space, as many readers' folders have
    shutil.unpack_archive(archive, folder)
    page = visit(TOC["root"], folder=folder)
    page.locator(f"nav.bd-links a[href='{CHAPTERS[0]}.html']").click()
    page.wait_for_url(f"**/{CHAPTERS[0]}.html")
    page.evaluate(TYPESET)
    assert page.locator("article mjx-container").count()
    assert page.locator("article img").first.evaluate("one => one.naturalWidth")


def test_search_works_from_disk(visit):
    page = visit("search")
    page.goto(page.url + "?q=margin")
    page.wait_for_function("document.querySelectorAll('#search-results li').length > 3")


@pages
def test_controls_are_in_reach_of_the_keyboard(visit, name):
    page = visit(name)
    if not page.locator("article input[type=range]").count():
        return
    page.locator("article h1").evaluate("one => { one.tabIndex = -1; one.focus(); }")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").startswith("Skip to the slider")
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.type") == "range"


@pages
def test_a_phone_has_pictures_of_its_own(visit, name):
    page = visit(name, viewport=PHONE)
    figures = page.locator("article figure:not(.lingrok-explainer) > a img, article picture img")
    for image in figures.all():
        image.scroll_into_view_if_needed()
        page.wait_for_function(
            "one => one.complete && one.naturalWidth", arg=image.element_handle()
        )
        source, shown, width = image.evaluate("i => [i.currentSrc, i.clientWidth, i.naturalWidth]")
        assert "-narrow.png" in source
        # 200 dots an inch, letters of 10 points
        assert shown / (width / 200) * 10 / 72 >= 10


def test_letters_are_large_enough_on_a_wide_screen(looks, looked):
    page = looks.read(looked)
    for image in page.locator("article picture img").all():
        image.scroll_into_view_if_needed()
        page.wait_for_function(
            "one => one.complete && one.naturalWidth", arg=image.element_handle()
        )
        shown, width = image.evaluate("one => [one.clientWidth, one.naturalWidth]")
        assert shown / (width / 200) * 10 / 72 >= 12 - 0.2
        assert width >= 1.9 * shown


def test_the_front_page_says_how_to_cite(looks):
    text = looks.read(TOC["root"]).locator("article pre").last.inner_text()
    assert "version = {" + yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] in text
    assert "url     = {https://github.com/owner/name}" in text


def test_data_of_the_records_are_beside_the_pages(book):
    for path in [*(ROOT / "data").glob("*.csv"), ROOT / "data" / "datapackage.json"]:
        assert (book / "data" / path.name).read_bytes() == path.read_bytes()


def test_chapters_offer_binder_and_the_notebook(book):
    for name in CHAPTERS:
        addresses = [address for _, address in Links(book / f"{name}.html").addresses]
        notebook = name.replace("chapters/", "notebooks/")  # which postBuild makes there
        binder = f"https://mybinder.org/v2/gh/owner/name/HEAD?urlpath=lab/tree/{notebook}.ipynb"
        assert binder in addresses
        assert f"../_sources/{name}.ipynb" in addresses
        assert not [address for address in addresses if "colab" in address]


@pytest.mark.parametrize("name", CHAPTERS, ids=lambda name: name.rpartition("/")[2])
def test_a_downloaded_notebook_says_what_the_page_says(visit, book, name):
    copy = nbformat.read(book / "_sources" / f"{name}.ipynb", as_version=4)
    source = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
    nbformat.validate(copy)
    code = [[c.source for c in one.cells if c.cell_type == "code"] for one in (copy, source)]
    assert code[0] == code[1]
    prose = "\n".join(cell.source for cell in copy.cells if cell.cell_type == "markdown")
    assert not re.findall(r"\{[a-z:]+\}`|:::|^\$\$ \(", prose, re.MULTILINE)
    assert "pip install" in copy.cells[1].source
    # Figures and tables have the numbers that they have on the page
    page = visit(name)
    shown = page.locator("article .caption-number").all_inner_texts()
    captions = re.findall(r"^\*((?:Fig\.|Table) [\d.]+)\.\* ", prose, re.MULTILINE)
    assert sorted(captions) == sorted(one.strip() for one in shown)


def test_verdicts_are_data(book):
    rows = json.loads((book / "verdicts.json").read_text(encoding="utf-8"))
    assert all(list(row) == ["id", "chapter", *Verdict._fields] for row in rows)
    assert all(text and isinstance(text, str) for row in rows for text in row.values())
    assert {row["verdict"] for row in rows} <= {*DECISIONS}
    assert {row["chapter"] for row in rows} == {f"{name}.ipynb" for name in CHAPTERS}
    names = [row["id"] for row in rows]
    assert len(set(names)) == len(names)
    called = re.findall(r'verdict\(\s*f?"([^"]+)"', "\n".join(map(code_of, CHAPTERS)))
    patterns = [re.sub(r"\\{.*?\\}", ".+", re.escape(one)) for one in called]
    assert all(any(re.fullmatch(one, name) for one in patterns) for name in names)
    assert all(any(re.fullmatch(one, name) for name in names) for one in patterns)


def as_shown(text):
    """Text of a row as a page has it."""
    return unescape(re.sub("</?su[bp]>", "", typeset(text.replace(">=", "≥"))))


def test_every_row_has_its_place_on_the_front_page(visit, book):
    rows = json.loads((book / "verdicts.json").read_text(encoding="utf-8"))
    page = visit(TOC["root"])
    for row in rows:
        cells = page.locator(f"#verdict-{row['id']} td").all_inner_texts()
        assert cells[0].startswith(as_shown(row["claim"]))
        assert cells[1:] == [as_shown(row[one]) for one in ("paper", "measured", "verdict")]
    # and the other tables link to it there
    links = visit("trust").locator("table.verdict-table a.verdict-link")
    there = {link.get_attribute("href").partition("#")[2] for link in links.all()}
    assert there == {f"verdict-{row['id']}" for row in rows}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://github.com/owner/name", "https://github.com/owner/name"),
        ("https://github.com/owner/na.me.git", "https://github.com/owner/na.me"),
        ("/somewhere/here", None),
        ("", None),
    ],
)
def test_binder_needs_a_public_repository(monkeypatch, tmp_path, address, public):
    monkeypatch.delenv("LINGROK_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    if address:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", address], check=True)
    assert lingrok_book.public_address(tmp_path) == public


def test_refuses_an_address_that_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("LINGROK_REPOSITORY", "owner/name")
    with pytest.raises(lingrok_book.ConfigError, match="owner/name"):
        lingrok_book.public_address(tmp_path)
