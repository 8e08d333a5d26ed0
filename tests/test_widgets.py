"""Sliders over pictures: what a page without a kernel needs is in their HTML."""

from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pytest
from problems import refuses

from lingrok.widgets import Pictures


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


def figure():
    drawn, axis = plt.subplots()
    axis.plot([0, 1])
    return drawn


@pytest.fixture
def pictures():
    return Pictures("a < b", [("one", 'first "1"', figure()), ("two", "second", figure())], start=1)


def test_every_frame_is_an_image_with_its_alternative_text_and_one_is_shown(pictures):
    images = Elements(pictures._repr_html_()).of("img")
    assert [image["alt"] for image in images] == ['first "1"', "second"]
    assert ["hidden" in image for image in images] == [True, False]
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
    assert slider["aria-valuetext"] == "two"
    assert page.text == "a < b: twoplay"
    assert page.of("button")[0]["aria-label"] == "play or stop: a < b"
    assert page.of("label")


def test_it_asks_for_nothing_from_elsewhere(pictures):
    text = pictures._repr_html_()
    assert "http" not in text
    assert "<script" not in text


def test_the_notebook_shows_a_short_text_and_no_figure_stays_open(pictures):
    assert repr(pictures) == "Pictures('a < b', 2 frames)"
    assert not plt.get_fignums()


def test_refuses_a_start_that_is_no_frame():
    with refuses("start", "2"):
        Pictures("a", [("one", "first", figure())], start=2)
