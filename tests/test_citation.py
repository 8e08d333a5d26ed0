"""What a reader is told to cite is what they have."""

import re
import tomllib
from pathlib import Path

import yaml

import lingrok

ROOT = Path(__file__).parent.parent
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_names_the_version_that_is_here():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert CITATION["version"] == lingrok.__version__ == project["version"]
    assert CITATION["license"] == project["license"]


def test_names_the_paper_that_the_book_cites():
    (paper,) = CITATION["references"]
    entry = re.search(
        r"@misc\{das2026grokking,(.*?)\n\}",
        (ROOT / "references.bib").read_text(encoding="utf-8"),
        re.DOTALL,
    ).group(1)
    fields = dict(re.findall(r"(\w+)\s*= \{(.*)\}", entry))
    authors = " and ".join(f"{a['family-names']}, {a['given-names']}" for a in paper["authors"])
    assert (paper["title"], authors, str(paper["year"])) == (
        fields["title"], fields["author"], fields["year"],
    )  # fmt: skip
    assert paper["url"].endswith(fields["eprint"])
