"""Figures that say where they come from."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from lingrok import (
    Dataset,
    accuracy,
    ensemble,
    fast_forward,
    figures,
    figures_attack,
    gradient_descent,
    records,
    rules,
    sample_concentrated,
    sample_standard,
)
from lingrok._origin import origins
from lingrok.book import style
from lingrok.book.figure import BookFigure, drawn, subplots


class Line(HTMLParser):
    """Codes, links and text of the line below a figure."""

    def __init__(self, figure):
        super().__init__()
        self.codes, self.links, self.text, self.inside = [], [], "", False
        self.feed(figure.line)

    def handle_starttag(self, tag, attributes):
        self.inside = tag == "code"
        self.links += [value for name, value in attributes if name == "href"]

    def handle_endtag(self, _):
        self.inside = False

    def handle_data(self, data):
        self.text += data
        if self.inside:
            self.codes.append(data)


@pytest.fixture(scope="module")
def runs():
    return ensemble(range(2), 1e4, n_pos=20, n_neg=20, sv_pos=5, sv_neg=3, rtol=1e-6, jobs=1)


@drawn
def plain(values, *, until=1.0):
    figure, axes = subplots(1, 2)
    axes[0].plot(values, [0, until], label="a line")
    axes[0].fill_between(values, [0, 0], [1, 1], label="_its band")
    axes[1].scatter([1, 2], [3, 4])
    axes[1].pcolormesh([0, 1, 2], [0, 1], [[5.0, 6.0]])
    axes[1].set_title("map")
    return figure


def test_a_call_can_be_read_back(runs):
    (origin,) = origins(fast_forward(sample_standard(9, 8, seed=3, gamma=0.5), 1e9, lr=0.1))
    assert origin.call == "fast_forward(sample_standard(9, 8, seed=3, gamma=0.5), 1e9, lr=0.1)"
    (origin,) = origins(runs)
    assert origin.call == (
        "ensemble(range(2), 10000, n_pos=20, n_neg=20, sv_pos=5, sv_neg=3, rtol=1e-6)"
    )
    assert origins(runs.runs[1])[0].call == f"{origin.call}.runs[1]"
    same = eval(origin.call, {"ensemble": ensemble, "range": range})
    assert np.array_equal(same.runs[1].w, runs.runs[1].w)


def test_what_has_no_short_form_is_left_out():
    steps = np.arange(1, 9)
    (origin,) = origins(fast_forward(sample_standard(9, 8, seed=3), 1e9, checkpoints=steps))
    assert origin.call == "fast_forward(sample_standard(9, 8, seed=3), 1e9)"


@pytest.mark.parametrize("seed", [12345678, 1234567, 10**7, 100_000, 2**40 + 1])
def test_a_seed_is_written_with_all_its_digits(seed):
    (origin,) = origins(sample_standard(2, 2, seed=seed, gamma=0.123456789))
    same = eval(origin.call, {"sample_standard": sample_standard})
    assert np.array_equal(same.X, sample_standard(2, 2, seed=seed, gamma=0.123456789).X)


def test_a_computed_number_is_written_the_same_on_every_machine():
    strength = 3.1899328650340242e-9
    calls = {
        origins(sample_standard(2, 2, seed=1, gamma=gamma))[0].call
        for gamma in (strength, strength * (1 + 2e-15), strength * (1 - 2e-15))
    }
    assert calls == {"sample_standard(2, 2, seed=1, gamma=3.189932865e-9)"}


def test_two_draws_of_one_generator_are_two_sources():
    rng = np.random.default_rng(5)
    first, second = (origins(sample_standard(2, 2, seed=rng))[0] for _ in range(2))
    assert first.call == ("sample_standard(2, 2, seed=default_rng(SeedSequence(5, spawn_key=())))")
    assert first != second
    again = np.random.default_rng(5)
    assert [origins(sample_standard(2, 2, seed=again))[0] for _ in range(2)] == [first, second]


def test_points_made_by_hand_are_named_by_their_checksum():
    one, other = (Dataset([[1.0, value], [2.0, 1.0]], [1, -1]) for value in (3.0, 4.0))
    (origin,) = origins(fast_forward(one, 100))
    assert origin.call == (
        f"fast_forward(Dataset(n=2 (1:1), d=2) of checksum {one.fingerprint[:8]}, 100)"
    )
    assert origins(one) != origins(other)


def test_sources_are_found_in_containers_each_once(runs):
    data = sample_concentrated(5, 5, seed=0)
    found = origins({"a": [runs, (data, runs)], "b": np.ones(3)})
    assert found == [*origins(runs), *origins(data)]
    assert origins(replace(runs, seeds=runs.seeds)) == []  # what was changed is another thing


def test_a_figure_says_who_drew_it_from_what(runs):
    figure = figures.accuracies(runs, "standard", until=1e3, phases=runs.phases())
    line = Line(figure)
    assert line.codes == ["figures.accuracies(…, 'standard', until=1000)", origins(runs)[0].call]
    assert line.text.startswith("Drawn by")
    assert Line(plain([1, 2], until=0.5)).codes == ["test_provenance.plain(…, until=0.5)"]
    assert Line(plain([1, 2]).made_from(runs)).codes[1] == origins(runs)[0].call


def test_of_many_sources_some_are_named_and_all_are_counted():
    each = [sample_standard(5, 5, seed=seed) for seed in range(6)]
    line = Line(plain([1, 2]).made_from(each))
    assert len(line.codes) == 1 + 3
    assert "3 more like these" in line.text


def test_a_record_is_named_with_its_checksum_through_what_pandas_does_with_it():
    table = records.load("grokking-times")
    part = table[table["family"] == "wide"].sort_values("seed")
    figure = plain([1, 2]).made_from(part)
    digest = table.attrs["hash"].removeprefix("sha256:")
    assert f"SHA-256 {digest[:12]}" in Line(figure).text
    assert "../data/grokking-times.csv" in Line(figure).links


def test_its_data_are_what_is_drawn():
    table = plain([1, 2]).data()
    assert list(table) == ["panel", "kind", "label", "x", "y", "value"]
    kinds = table.groupby(["panel", "kind", "label"]).size().index.to_list()
    assert ("panel 1", "line", "a line") in kinds
    assert ("panel 1", "outline", "its band") in kinds
    assert table.query("kind == 'line'")[["x", "y"]].to_numpy().tolist() == [[1, 0], [2, 1]]
    assert table.query("kind == 'points'")[["x", "y"]].to_numpy().tolist() == [[1, 3], [2, 4]]
    mesh = table.query("kind == 'map'")[["x", "y", "value"]].to_numpy().tolist()
    assert mesh == [[0.5, 0.5, 5], [1.5, 0.5, 6]]
    assert plain([1, 2]).data().equals(table)


def test_a_heat_map_s_data_say_which_cell_is_which():
    dimensions, radii = (2, 4, 8), (0.01, 0.1)
    zeta, limit = np.array([[1.0, 2, 3], [4, 5, 1e6]]), np.arange(6).reshape(2, 3) / 10
    maps = {"factor": zeta}, {"share": limit}
    table = figures_attack.delay_map(dimensions, radii, *maps).data()
    for values, (_, part) in zip(
        (zeta, limit), table.query("kind == 'map'").groupby("panel"), strict=True
    ):
        found = part.set_index(["y", "x"])["value"].to_dict()
        assert found == {
            (radius, d): values[i, j]
            for i, radius in enumerate(radii)
            for j, d in enumerate(dimensions)
        }
    line = table.query("kind == 'line'")  # in dimensions and radii, too
    np.testing.assert_allclose(line["y"] * np.sqrt(3 * line["x"]), 5)


def test_a_scatter_s_data_keep_the_classes_apart():
    train, shell = (
        sample_standard(9, 8, sv_pos=3, sv_neg=1, seed=0),
        sample_concentrated(5, 4, seed=0),
    )
    table = figures.distributions(train, shell).data().query("kind == 'points'")
    counts = table.groupby(["panel", "label"]).size()
    assert counts.tolist() == [5, 4, 9, 8]
    shown = table[table["panel"].str.startswith("training") & (table["label"] == "class -1")]
    expected = train.X[train.y < 0]
    assert sorted(map(tuple, shown[["x", "y"]].to_numpy())) == sorted(map(tuple, expected))


def test_a_band_is_the_middle_of_the_seeds_about_their_median():
    steps, values = np.array([1, 10, 100]), np.random.default_rng(0).normal(size=(9, 3))
    curves = {"a": {"one": (steps, values), "single": (steps, values[0])}}
    table = figures.over_time(curves, middle=50, level=7, ylabel="b").data()
    lines = {name: part["y"].to_numpy() for name, part in table.groupby("label")}
    np.testing.assert_allclose(lines["one"], np.median(values, axis=0))
    np.testing.assert_allclose(lines["single"], values[0])
    (outline,) = (part for name, part in table.groupby("label") if "50 %" in name)
    low, high = np.quantile(values, (0.25, 0.75), axis=0)
    np.testing.assert_allclose(outline.groupby("x")["y"].min(), low)
    np.testing.assert_allclose(outline.groupby("x")["y"].max(), high)


def test_bands_on_log_axes_are_medians_of_values_in_every_panel():
    steps, values = np.array([1, 10]), np.array([[1.0, 2], [100, 200]])
    curves = {name: {"one": (steps, values)} for name in "ab"}
    table = figures.over_time(curves, yscale="log").data().query("kind == 'line'")
    assert table["y"].tolist() == [50.5, 101] * 2


def test_colours_stay_with_the_idea():
    curves = {name: ([1, 10], [0.5, 1.0]) for name in ("other", "train", "PGD", "another")}
    figure = figures.over_time({"": curves, "b": {"train": ([1, 10], [1.0, 1.0])}})
    first, second = figure.axes
    colours = {line.get_label(): line.get_color() for line in first.lines}
    assert colours["train"] == second.lines[0].get_color() == style.LOOKS["train"][0]
    assert colours["PGD"] == style.LOOKS["PGD"][0]
    assert len({colours[name] for name in ("PGD", "other", "another")}) == 3


def test_its_file_has_a_name_that_depends_on_calls_and_labels_but_on_no_number(runs):
    name = plain([1, 2]).file
    assert re.fullmatch(r"plain-[0-9a-f]{8}\.csv", name)
    assert plain([1, 2.1]).file == name
    assert plain([1, 2], until=2).file != name
    assert plain([1, 2]).made_from(runs).file != name


def test_shown_in_a_notebook_it_is_an_image_a_line_and_a_file(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = []
    monkeypatch.setattr("lingrok.book.figure.display", lambda one, **_: shown.append(one))
    figure = figures.accuracies(runs, "concentrated")
    figure._ipython_display_()
    image, line = shown
    assert image["image/png"].startswith("iVBOR")
    assert line.data == figure.line
    (link,) = Line(figure).links
    written = pd.read_csv(tmp_path / link)
    median = written.query("kind == 'line' and label == 'concentrated'")
    expected = np.median(
        [
            accuracy(run, runs.sample(seed)["concentrated"])
            for seed, run in zip(runs.seeds, runs.runs, strict=True)
        ],
        axis=0,
    )
    np.testing.assert_allclose(median["y"], expected, rtol=1e-5)


def test_a_folder_that_can_not_be_written_does_not_hide_the_figure(tmp_path, monkeypatch):
    (tmp_path / "figure-data").write_text("in the way")
    monkeypatch.chdir(tmp_path)
    plain([1, 2]).write()
    assert (tmp_path / "figure-data").read_text() == "in the way"


def test_a_figure_of_another_kind_is_refused():
    @drawn
    def stranger():
        import matplotlib.pyplot as plt  # noqa: PLC0415

        return plt.figure()

    with pytest.raises(TypeError, match="subplots"):
        stranger()
    assert isinstance(plain([1, 2]), BookFigure)


def test_runs_of_two_rules_have_two_origins():
    data = sample_standard(20, 20, seed=0)
    lines = {
        Line(
            plain([1, 2]).made_from(gradient_descent(data, 5, rule=rules.HeavyBall(1e-2, beta)))
        ).text
        for beta in (0.5, 0.9)
    }
    assert len(lines) == 2
    assert any("momentum=0.9" in line for line in lines)
