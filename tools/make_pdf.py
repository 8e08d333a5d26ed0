"""Print the built pages as one PDF, with contents, bookmarks, and links that work in it.

    python tools/make_pdf.py _build/html _build/lingrok.pdf

A slider is printed as the picture at which it stands.
"""

import html
import io
import posixpath
import re
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from chromium import chromium
from pypdf import PdfReader, PdfWriter

# The pages' own style sheets do the rest; these rules are for the title and the contents.
STYLE = """
@page { size: A4; margin: 20mm 18mm 18mm; }
html { font-size: 13px; }
body { display: block; background: white; }
.book-chapter, .book-contents { break-before: page; }
.book-title { padding-top: 30vh; text-align: center; }
.book-title p:first-child { font-size: 2.4em; line-height: 1.3; }
.book-contents ul { list-style: none; padding-left: 0; }
.book-contents a { display: flex; justify-content: space-between; gap: 2em; }
.book-contents a { color: inherit; text-decoration: none; }
.book-0 { margin-top: 0.6em; }
.book-1 { padding-left: 1.5em; }
"""
# What a printed page has no use for
UNUSED = (
    ".headerlink, script, source, [hidden], details:not(.sd-dropdown), "
    ".lingrok-explainer :is(.controls, .reading)"
)
FOOTER = """
<div style="width: 100%; font-size: 8px; text-align: center; font-family: sans-serif">
<span class="title"></span> · <span class="pageNumber"></span></div>
"""


def parsed(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def key(name):
    return name.removesuffix(".html").replace("/", "-")


def article(page, name, names):
    """Article of the page `name`, with its ids and links those of the one document."""
    found = page.select_one("article.bd-article")
    for unused in found.select(UNUSED):
        unused.decompose()
    for proof in found.select("details.sd-dropdown"):
        proof["open"] = ""
    for control in found.select("figure.lingrok-pictures > div:has(input)"):
        value = control.span.get_text(" ", strip=True)
        control.replace_with(BeautifulSoup(f"<p>{html.escape(value)}</p>", "html.parser"))
    for tag in found.select("[id]"):
        tag["id"] = f"{key(name)}--{tag['id']}"
    for image in found.select("img[src]"):
        if not urlsplit(image["src"]).scheme:
            image["src"] = resolved(image["src"], name)
    for link in found.select("a[href]"):
        relink(link, name, names)
    return found


def resolved(path, name):
    """Path from the front page on of what the page `name` calls `path`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name


def relink(link, name, names):
    address = urlsplit(link["href"])
    if address.scheme:
        return
    target = resolved(address.path, name)
    if target in names:
        link["href"] = "#" + key(target) + (f"--{address.fragment}" if address.fragment else "")
    elif link.img:  # to the picture itself
        link.unwrap()
    else:  # a file beside the pages: a PDF has none beside it
        del link["href"]
        link.append(f" ({target})")


class Book:
    """The pages in `folder` as one document."""

    def __init__(self, folder):
        front = parsed(folder / "index.html")
        links = front.select("nav.bd-links a.internal[href$='.html']")
        names = ["index.html", *dict.fromkeys(link["href"] for link in links)]
        pages = {name: parsed(folder / name) for name in names}
        articles = {name: article(page, name, names) for name, page in pages.items()}
        self.title = front.title.get_text().rpartition(" — ")[2]
        self.author = front.select_one(".component-author").get_text(" ", strip=True)
        self.headings = []  # level, text and id
        for name, found in articles.items():
            self.headings.append((0, found.h1.get_text(), key(name)))
            self.headings += [(1, h2.get_text(), h2.parent["id"]) for h2 in found.select("h2")]
        self.chapters = "".join(
            f'<div class="book-chapter" id="{key(name)}">{found}</div>'
            for name, found in articles.items()
        )
        places = {key(name) for name in names}
        places |= {tag["id"] for found in articles.values() for tag in found.select("[id]")}
        for found in articles.values():
            for link in found.select("a[href^='#']"):
                if link["href"][1:] not in places:  # Chromium would leave it out, and say nothing
                    raise ValueError(f"no page has what a link leads to: {link['href']}")
        # Styles of the front page, and MathJax with its settings from a page with formulas
        used = list(front.select("link[rel=stylesheet]"))
        for name, page in pages.items():
            scripts = [one for one in page.select("script") if "mathjax" in str(one).lower()]
            for one in scripts:
                if "src" in one.attrs:
                    one["src"] = resolved(one["src"], name)
            if scripts:
                used += scripts
                break
        self.head = "".join(map(str, used))

    def html(self, numbers):
        """One page of HTML, whose contents show the numbers of pages that are known by id."""
        title = html.escape(self.title)
        entries = "".join(
            f'<li class="book-{level}"><a href="#{name}"><span>{html.escape(text)}</span>'
            f"<span>{numbers.get(name, 0) + 1}</span></a></li>"
            for level, text, name in self.headings
        )
        return (
            f'<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head>'
            f'<meta charset="utf-8"><title>{title}</title>{self.head}<style>{STYLE}</style></head>'
            f'<body><div class="book-title"><p>{title}</p><p>{html.escape(self.author)}</p></div>'
            f'<nav class="book-contents"><h1>Contents</h1><ul>{entries}</ul></nav>'
            f"{self.chapters}</body></html>"
        )


def printed(page):
    page.evaluate(
        """MathJax.startup.promise.then(() => MathJax.startup.document.lazyTypesetAll())
            .then(() => document.fonts.ready).then(() => 0)"""
    )
    return PdfReader(
        io.BytesIO(
            page.pdf(
                prefer_css_page_size=True,
                print_background=True,
                display_header_footer=True,
                header_template="<span></span>",
                footer_template=FOOTER,
                tagged=True,
            )
        )
    )


def print_book(folder, browser):
    """Return the pages in `folder` as the bytes of a PDF."""
    book, numbers = Book(folder), {}
    # Beside the pages, so that what they load is found from it
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=folder, encoding="utf-8") as file:
        page = browser.new_page(color_scheme="light")
        # Twice: the first gives the numbers of pages that the contents of the second show
        for _ in range(2):
            file.seek(0)
            file.truncate()
            file.write(book.html(numbers))
            file.flush()
            page.goto(Path(file.name).as_uri())
            reader = printed(page)
            numbers = {
                name.removeprefix("/"): reader.get_destination_page_number(place)
                for name, place in reader.named_destinations.items()
            }
        page.close()
    writer = PdfWriter(clone_from=reader)
    writer.add_metadata({"/Title": book.title, "/Author": book.author})
    writer.page_mode = "/UseOutlines"
    # Chromium's own outline has words twice where a heading takes two lines
    above = None
    for level, text, name in book.headings:
        plain = re.sub(r"\\[()]|\\", "", text)
        item = writer.add_outline_item(
            title=plain, page_number=numbers[name], parent=above if level else None
        )
        above = above if level else item
    whole = io.BytesIO()
    writer.write(whole)
    return whole.getvalue()


def main(arguments):
    folder, target = map(Path, arguments)
    with chromium() as browser:
        if browser is None:
            sys.exit("No Chromium found: the README says how to get it.")
        target.write_bytes(print_book(folder.resolve(), browser))


if __name__ == "__main__":
    main(sys.argv[1:])
