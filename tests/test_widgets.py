"""Sliders over pictures: what a page without a kernel needs is in their HTML."""

from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from ipywidgets import FloatSlider
from problems import refuses

from lingrok.book.figure import drawn, subplots
from lingrok.book.widgets import Pictures


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@drawn
def picture(height):
    figure, axis = subplots()
    axis.plot([0, height])
    return figure


def draw(height):
    return f"{height:g}", f'up to "{height:g}"', picture(height)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Figures write their data beside the notebook."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures():
    return Pictures("a < b", draw, (1, 2), start=1)


def test_every_frame_is_an_image_with_its_alternative_text_and_one_is_shown(pictures):
    images = Elements(pictures._repr_html_()).of("img")
    assert [image["alt"] for image in images] == ['up to "1"', 'up to "2"']
    frames = [one for one in Elements(pictures._repr_html_()).of("div") if "class" in one]
    assert ["hidden" in frame for frame in frames] == [True, False]
    assert [frame["data-value"] for frame in frames] == ["1", "2"]
    assert all(image["src"].startswith("data:image/png;base64,iVBOR") for image in images)


def test_the_slider_has_a_name_a_range_and_its_value_in_words(pictures):
    page = Elements(pictures._repr_html_())
    (slider,) = page.of("input")
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == (
        "range",
        "0",
        "1",
        "1",
    )
    assert slider["aria-valuetext"] == "2"
    assert page.text.startswith("a < b: 2play")
    assert page.of("button")[0]["aria-label"] == "play or stop: a < b"
    # No label around it: an output is labelled by it too, and comes first
    assert slider["aria-label"] == "a < b"


def test_it_asks_for_nothing_from_elsewhere(pictures):
    text = pictures._repr_html_()
    assert "http" not in text
    assert "<script" not in text


def test_the_notebook_shows_a_short_text_and_no_figure_stays_open(pictures):
    assert repr(pictures) == "Pictures('a < b', 2 frames)"
    assert not plt.get_fignums()


def test_every_frame_says_where_it_comes_from_and_its_data_is_written(pictures):
    links = Elements(pictures._repr_html_()).of("a")
    assert len(links) == len({link["href"] for link in links}) == 2
    assert all(pd.read_csv(link["href"])["y"].max() > 0 for link in links)


def test_with_a_kernel_a_slider_draws_what_was_not_drawn_before():
    slider = FloatSlider(2, min=0, max=9)
    box = Pictures("a < b", draw, (1, 2), start=1, live=slider).widget()
    picture = box.children[1]
    before = picture.value
    slider.value = 3.5
    assert Elements(picture.value).of("img")[0]["alt"] == 'up to "3.5"'
    assert Elements(picture.value).text.startswith("a < b: 3.5")
    assert picture.value != before
    assert slider.continuous_update is False  # drawn when it is let go, not on the way
    assert slider.description == "a < b"
    assert slider.style.description_width == "initial"  # the whole name can be read


def test_a_notebook_gets_both_and_a_page_what_needs_no_kernel():
    both = Pictures("a", draw, [1], live=FloatSlider())._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in both
    assert both["text/plain"] == "Pictures('a', 1 frames)"
    assert set(Pictures("a", draw, [1])._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_refuses_a_start_that_is_no_frame_and_a_slider_that_is_none():
    with refuses("start", "2"):
        Pictures("a", draw, [1], start=2)
    with refuses("live", "int"):
        Pictures("a", draw, [1], live=3)
    with refuses("live", "None"):
        Pictures("a", draw, [1]).widget()
