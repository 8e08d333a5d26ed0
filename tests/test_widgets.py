"""Sliders over pictures: what a page without a kernel needs is in them."""

import matplotlib.pyplot as plt
import pytest

from lingrok.widgets import Pictures


@pytest.fixture
def pictures():
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    plt.close(figure)
    return Pictures("a < b", [("one", 'first "1"', figure), ("two", "second", figure)], start=1)


def test_every_frame_is_an_image_with_its_alternative_text(pictures):
    frames = [frame.value for frame in pictures.children[2].children]
    assert ['alt="first &quot;1&quot;"' in frames[0], 'alt="second"' in frames[1]] == [True, True]
    assert all('src="data:image/png;base64,iVBOR' in frame for frame in frames)


def test_the_browser_links_slider_and_pictures(pictures):
    label, slider, stack = pictures.children
    assert label.value == "<b>a &lt; b</b>"
    assert (slider.options, slider.description) == (("one", "two"), "")
    assert slider.index == stack.selected_index == 1


def test_the_notebook_shows_a_short_text(pictures):
    assert pictures._repr_mimebundle_()["text/plain"] == "Pictures('a < b', 2 frames)"
