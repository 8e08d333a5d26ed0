"""Write the notebooks that a reader opens: what the pages resolve, said in plain Markdown.

    python tools/readable.py [FOLDER]

The chapters quote numbers, papers, figures and equations by roles of MyST, which Jupyter shows raw.
Each copy, in FOLDER (by default `notebooks`), has in their place what they stand for, captions, and
how to get the package; its cells of code and their outputs are those of the chapter. Binder makes
the copies when it builds (`postBuild`), and the pages offer them for download.
"""

import ast
import re
import sys
from functools import cache
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
GLUED = "application/papermill.record/text/plain"
ROLE = re.compile(r"\{(glue:text|cite:p|cite:t|numref|eq)\}`([^`]+)`")
GETTING = (
    "*A chapter of the executable book* lingrok*. It needs the package and, in some chapters, its "
    "records: get the repository{address}, then* `pip install -r requirements.txt` *there. On "
    "Binder both are in place. Change a number in a cell and run all cells below it: what the text "
    "says is of the committed run, what a cell shows is of yours.*"
)
EXPLAINER = (
    "*On the page of this chapter a chart stands here that moves; the sliders below move too.*"
)


@cache
def chapter(path):
    """Read a notebook once."""
    return nbformat.read(path, as_version=4)


@cache
def findings(path):
    """Return what a chapter's cells have glued."""
    return {
        output.metadata["scrapbook"]["name"]: ast.literal_eval(output["data"][GLUED])
        for cell in chapter(path).cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if GLUED in output.get("data", {})
    }


@cache
def references():
    """Return authors in short and year of each entry of references.bib."""
    text = (ROOT / "references.bib").read_text(encoding="utf-8")
    found = {}
    for key, entry in re.findall(r"@\w+\{([^,]+),(.*?)\n\}", text, re.DOTALL):
        fields = dict(re.findall(r"(\w+)\s*=\s*\{(.*?)\},?\n", entry + "\n"))
        names = [one.split(",")[0].strip("{} ") for one in fields["author"].split(" and ")]
        who = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else (
            f"{names[0]} et al."
        )  # fmt: skip
        found[key] = who, fields["year"]
    return found


def numbers(path):
    """Return the numbers that the page gives to figures, tables and equations of a chapter.

    Pages without a number of their own go on with those of the one before.
    """
    cells, found = chapter(path).cells, {}
    first = re.match(r"\d*", path.name)[0].lstrip("0")
    before = f"{first}." if first else ""
    shown = re.search(r":figure: (\S+)", cells[0].source)
    figures = [cell.metadata["mystnb"]["figure"]["name"] for cell in cells if captioned(cell)]
    if shown:  # the page has it at the top
        figures.sort(key=lambda name: name != shown[1])
    tables = [cell.metadata["lingrok"]["tables"]["name"] for cell in cells if tabled(cell)]
    labels = re.findall(r"^\$\$ \((eq-[\w-]+)\)", "\n".join(c.source for c in cells), re.MULTILINE)
    listed = re.findall(r"file: chapters/(\D\S*)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    earlier = {}
    if path.stem in listed[1:]:
        earlier = numbers(path.with_stem(listed[listed.index(path.stem) - 1]))
    for form, names in (
        (f"Fig. {before}{{}}", figures), (f"Table {before}{{}}", tables), ("({})", labels),
    ):  # fmt: skip
        kind = form.partition("{")[0]
        done = sum(number.startswith(kind) for number in earlier.values())
        found |= {name: form.format(i) for i, name in enumerate(names, done + 1)}
    return earlier | found


def captioned(cell):
    return "figure" in cell.metadata.get("mystnb", {})


def tabled(cell):
    return "tables" in cell.metadata.get("lingrok", {})


def said(path, number, match):
    """Return what a role stands for."""
    role, text = match.groups()
    if role == "glue:text":
        source, _, key = text.rpartition("::")
        key, _, form = key.partition(":")
        there = path.parent / Path(source).name if source else path
        value = findings(there)[key]
        return format(str(value) if form == "s" else value, form)
    if role == "numref":
        return number[text]
    if role == "eq":
        return number[text]
    cited = [references()[one.strip()] for one in text.split(",")]
    if role == "cite:t":
        return ", ".join(f"{who} ({year})" for who, year in cited)
    return "[" + "; ".join(f"{who}, {year}" for who, year in cited) + "]"


def plain(path, number, text):
    """Markdown without MyST: roles resolved, equations tagged, boxes opened, answers quoted."""
    # A role may break over lines only where its text does: never here
    text = ROLE.sub(lambda match: said(path, number, match), text)
    text = re.sub(
        r"\n\$\$ \((eq-[\w-]+)\)",
        lambda match: f"\n\\tag{{{number[match[1]][1:-1]}}}\n$$",
        text,
    )
    text = re.sub(
        r":::\{answer\}\n(?::\w+:.*\n)*\n?(.*?)\n:::",
        lambda match: "\n".join(f"> {line}".rstrip() for line in match[1].splitlines()),
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r":::\{explainer\}\n.*?\n:::", EXPLAINER, text, flags=re.DOTALL)
    text = re.sub(
        r":::\{(?:admonition|dropdown)\} ([^\n]*)\n(?::\w+:[^\n]*\n)*\n?(.*?)\n:::",
        lambda match: f"**{match[1]}.**\n\n{match[2]}",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(r"\[([^]]+)\]\((?:thm|cor|prop|con)-[\w-]+\)", r"\1", text)
    return re.sub(r"\]\((\.\./)?(\w+)\.md\)", r"](../\2.md)", text)


def readable(path, address=""):
    """Return a chapter as a notebook for readers."""
    number = numbers(path)
    book = chapter(path)
    cells = []
    for cell in book.cells:
        one = nbformat.from_dict(cell)
        if cell.cell_type == "markdown":
            one["source"] = plain(path, number, cell.source)
        if tabled(cell):
            about = cell.metadata["lingrok"]["tables"]
            cells.append(caption(path, number, about))
        cells.append(one)
        if captioned(cell):
            cells.append(caption(path, number, cell.metadata["mystnb"]["figure"]))
    how = GETTING.format(address=f" from {address}" if address else "")
    cells.insert(1, nbformat.v4.new_markdown_cell(how, id="how-to-run"))
    return nbformat.v4.new_notebook(cells=cells, metadata=book.metadata)


def caption(path, number, about):
    text = f"*{number[about['name']]}.* {plain(path, number, about['caption'])}"
    return nbformat.v4.new_markdown_cell(text, id=f"of-{about['name']}")


def write(folder, address=""):
    """Write all chapters into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        nbformat.write(readable(path, address), folder / path.name)


if __name__ == "__main__":
    write(Path(*sys.argv[1:2] or ["notebooks"]))
