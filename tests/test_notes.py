"""Findings: what is printed is what is glued, and what a chapter reads back."""

import numpy as np
import pandas as pd
import pytest

from lingrok.book import notes
from lingrok.book.notes import Notes, classes, count, planting, verdict


@pytest.fixture
def glued(monkeypatch):
    """What is glued, by key."""
    found = {}
    monkeypatch.setattr(notes, "glue", lambda key, value, **_: found.update({key: value}))
    return found


@pytest.mark.parametrize(
    ("value", "options", "said"),
    [
        ([20.0, 30.0, 70.0], {}, "30 [20, 70]"),
        (pd.Series([1.0, 2.344, 3.0]), {"digits": 3}, "2.34 [1, 3]"),
        ([1, 5, np.inf], {}, "5 [1, never]"),
        (0.12345, {}, "0.12"),
        (np.float64(0.12345), {"digits": 1}, "0.1"),
        (0.12345, {"form": ".0%"}, "12%"),
        (np.array(3.0), {"form": ".2f"}, "3.00"),
        (np.inf, {}, "never"),
        (24, {}, 24),
        (np.int64(24), {}, 24),
        (np.array([True, False, True]), {}, "2 of 3"),
        ([np.True_, np.True_], {}, "2 of 2"),
        (True, {}, "yes"),
        (np.False_, {}, "no"),
        ("1.5 ± 0.1", {}, "1.5 ± 0.1"),
    ],
)
def test_a_value_is_written_by_its_kind(value, options, said, glued, capsys):
    note = Notes()
    note("it", value, **options)
    assert glued == {"it": said}
    assert note["it"] == said
    assert type(glued["it"]) is type(said)
    assert capsys.readouterr().out == f"it{' ' * 48}{said}\n"


@pytest.mark.usefixtures("glued")
def test_rows_are_aligned_and_a_long_label_is_not_cut(capsys):
    note = Notes()
    note("short", 1.0)
    note("a label of more than half of the line, which says a lot", 2.0)
    short, long = capsys.readouterr().out.splitlines()
    assert short == f"{'short':<50}1"
    assert long.endswith("which says a lot  2")


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("zeta, eps 0", "zeta-eps-0"),
        ("plateau, S(350,250)", "plateau-S(350,250)"),
        ("S(350,250), no bias: peak", "S(350,250)-no-bias-peak"),
        ("d = 2, with bias", "d-2-with-bias"),
    ],
)
def test_a_key_is_made_of_the_label_s_words(label, key, glued, capsys):
    Notes()(label, 1)
    assert list(glued) == [key]
    assert capsys.readouterr().out.startswith(label)


def test_keys_of_indented_rows_follow_the_row_above(glued):
    note = Notes()
    for name in "ab":
        note(f"{name}: peak", 1, "top")
        note("  at step", 2)
        note("  back at", 3)
    assert list(glued) == [
        "top",
        "a-peak-at-step",
        "a-peak-back-at",
        "b-peak-at-step",
        "b-peak-back-at",
    ]


def test_a_given_key_is_used_and_a_cell_that_runs_again_replaces_its_finding(glued, capsys):
    note = Notes()
    note("peak", 1, "top")
    note("peak", 2, "top")
    assert glued == {"top": 2}
    assert note["top"] == 2
    assert len(capsys.readouterr().out.splitlines()) == 2
    with pytest.raises(KeyError, match="peak"):
        note["peak"]


def test_columns_of_a_shown_table_are_glued_by_row(glued, capsys):
    note, table = Notes(), pd.DataFrame({"a b": ["1", "2"], "c": ["3", "4"]}, index=["x", "y"])
    assert note.table(table, {"a b": "first-{}"}) is table
    assert glued == {"first-x": "1", "first-y": "2"}
    note.table(table, {"c": "{} c"}, rows=("X", "Y"))
    assert (note["X c"], note["Y c"]) == ("3", "4")
    assert not capsys.readouterr().out
    with pytest.raises(ValueError, match="argument 2 is longer"):
        note.table(table, {"c": "{}"}, rows=("X",))


def test_settings_are_named_as_in_the_paper():
    assert planting(350, 250) == "S(350,250)"
    assert planting(0, 5) == "S(0,5)"
    assert planting(0, 0) == "nothing planted"
    assert classes(1300, 700) == "D(1300,700)"
    assert count([True, False, True]) == "2 of 3"


@pytest.mark.parametrize(
    ("as_stated", "corrected", "replaced", "decision"),
    [
        (True, False, False, "reproduced"),
        (True, True, True, "reproduced"),
        (np.False_, np.True_, False, "reproduced with a correction"),
        (False, True, True, "reproduced with a correction"),
        (False, False, np.True_, "replaced"),
        (False, False, False, "not reproduced"),
    ],
)
def test_a_verdict_glues_its_row(as_stated, corrected, replaced, decision, glued):
    words = {"claim": "a", "source": "e", "paper": "b", "measured": "c", "tolerance": "d"}
    result = verdict("peak", **words, as_stated=as_stated, corrected=corrected, replaced=replaced)
    assert result.decision == decision
    expected = {f"peak-{key}": word for key, word in words.items()}
    assert glued == {**expected, "peak-verdict": decision}
    assert repr(result) == (
        "claim:     a\nsource:    e\npaper:     b\nmeasured:  c\ntolerance: d\n"
        f"verdict:   {decision}"
    )
    assert result._repr_markdown_() == (
        "| | |\n|---|---|\n| Claim | a |\n| Source | e |\n| Paper | b |\n| Measured | c |\n"
        f"| Tolerance | d |\n| **Verdict** | **{decision}** |"
    )
