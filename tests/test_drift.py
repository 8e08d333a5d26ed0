"""What counts as a number that drifted, and how it is shown."""

import subprocess

import drift
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def glued(name, value):
    record = {"mime_prefix": "application/papermill.record/", "name": name}
    return new_output("display_data", {drift.GLUED: value}, metadata={"scrapbook": record})


def shown(**data):
    return new_output("execute_result", {k.replace("_", "/"): v for k, v in data.items()})


def notebook(*outputs, tags=(), cell="03-05"):
    code = new_code_cell("run()", outputs=list(outputs), metadata={"tags": list(tags)}, id=cell)
    return new_notebook(cells=[new_markdown_cell("Text."), code])


def changes(old, new):
    return [change[1:] for change in drift.compare("03", notebook(*old), notebook(*new))]


def test_equal_chapters_do_not_differ():
    outputs = [printed("a\nb\n"), glued("peak", "'0.07'"), shown(text_plain="1", text_html="<i>")]
    assert not changes(outputs, outputs)


def test_finds_the_printed_line_that_differs():
    found = changes([printed("same\npeak 0.074\n")], [printed("same\npeak 0.075\n")])
    assert found == [("03-05", "stdout", "peak 0.074", "peak 0.075")]


def test_finds_the_glued_value_by_its_name():
    found = changes([glued("at", "1"), glued("peak", "'0.07'")], [glued("at", "1")])
    assert found == [("03-05", "glued peak", "'0.07'", "")]


def test_finds_the_row_of_a_table():
    old, new = (
        shown(text_plain=f"    zeta\nS1    4\nS2  {x}", text_html="<table>") for x in ("5", "6")
    )
    assert changes([old], [new]) == [("03-05", "output", "S2  5", "S2  6")]


def test_finds_what_is_in_html_alone():
    old, new = (shown(text_plain=drift.HTML_ONLY, text_html=f"<i>{x}</i>") for x in "56")
    assert changes([old], [new]) == [("03-05", "output", "<i>5</i>", "<i>6</i>")]


def test_order_of_outputs_is_no_difference_but_that_of_two_results_is():
    assert not changes([glued("a", "1"), printed("x")], [printed("x"), glued("a", "1")])
    one, two = shown(text_plain="1"), shown(text_plain="2")
    assert changes([one, two], [two, one]) == [
        ("03-05", "output", "1", "2"),
        ("03-05", "output 2", "2", "1"),
    ]


def test_finds_lines_and_cells_that_came_or_went():
    assert changes([printed("a\nb\n")], [printed("b\nc\n")]) == [
        ("03-05", "stdout", "a", ""),
        ("03-05", "stdout", "", "c"),
    ]
    old, new = notebook(printed("a"), cell="03-05"), notebook(printed("a"), cell="03-06")
    assert [c[1:] for c in drift.compare("03", old, new)] == [
        ("03-05", "stdout", "a", ""),
        ("03-06", "stdout", "", "a"),
    ]


def test_a_warning_and_an_error_are_differences():
    error = new_output("error", ename="AssertionError", evalue="no", traceback=[])
    assert changes([], [printed("deprecated\n", "stderr"), error]) == [
        ("03-05", "stderr", "", "deprecated"),
        ("03-05", "error", "", "AssertionError: no"),
    ]


def test_pictures_and_outputs_marked_as_changing_are_not_compared():
    picture = [shown(image_png=x, text_plain="<Figure>") for x in ("AAAA", "BBBB")]
    assert not changes(picture[:1], picture[1:])
    old, new = (notebook(printed(x), tags=["nbval-ignore-output"]) for x in ("1", "2"))
    assert not drift.compare("03", old, new)


def test_the_table_shows_values_as_they_are():
    text = drift.table([drift.Change("03", "03-05", "stdout", "a  |b| `c`", "")])
    assert text.splitlines()[2] == r"| 03 | 03-05 | stdout | `` a  \|b\| `c` `` | *nothing* |"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """One committed chapter, and a way to write it again."""

    def write(*outputs):
        drift.nbformat.write(notebook(*outputs), chapter)

    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(drift, "ROOT", tmp_path)
    chapter = tmp_path / "chapters" / "03.ipynb"
    chapter.parent.mkdir()
    (chapter.parent / "notes.txt").write_text("not a chapter")
    write(glued("peak", "0.07"))
    git("init")
    git("add", ".")
    git("-c", "user.name=x", "-c", "user.email=x", "commit", "-m", "x", "--no-gpg-sign")
    return write


def test_compares_with_the_commit_and_ends_with_one_if_anything_differs(repository, capsys):
    assert drift.main() == 0
    assert capsys.readouterr().out == "All text and numbers of 1 chapters are as in HEAD.\n"
    repository(glued("peak", "0.08"))
    assert drift.main("HEAD") == 1
    assert "| 03 | 03-05 | glued peak | ` 0.07 ` | ` 0.08 ` |" in capsys.readouterr().out
