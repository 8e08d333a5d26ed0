"""Print the built pages as one PDF, with contents, bookmarks, and links that work in it.

    python tools/make_pdf.py _build/html _build/lingrok.pdf

A slider is printed as the picture at which it stands.
"""

import html
import io
import posixpath
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from chromium import chromium
from pypdf import PdfReader

# The pages' own style sheets do the rest; these rules are for the title and the contents.
STYLE = """
@page { size: A4; margin: 20mm 18mm 18mm; }
html { font-size: 13px; }
body { display: block; background: white; }
.book-chapter, .book-contents { break-before: page; }
.book-title { padding-top: 30vh; text-align: center; }
.book-title p:first-child { font-size: 2.4em; line-height: 1.3; }
.book-contents ol { list-style: none; padding-left: 0; }
.book-contents ol ol { padding-left: 1.5em; }
.book-contents li > a { display: flex; justify-content: space-between; gap: 2em; }
.book-contents > ol > li { margin-top: 0.6em; }
"""
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

    def resolved(path):
        return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))

    for unused in found.select(".headerlink, script, [hidden]"):
        unused.decompose()
    for control in found.select("figure.lingrok-pictures > div:has(input)"):
        value = control.label.get_text(" ", strip=True)
        control.replace_with(BeautifulSoup(f"<p>{html.escape(value)}</p>", "html.parser"))
    for tag in found.select("[id]"):
        tag["id"] = f"{key(name)}--{tag['id']}"
    for image in found.select("img[src]"):
        if not urlsplit(image["src"]).scheme:
            image["src"] = resolved(image["src"])
    for link in found.select("a[href]"):
        address = urlsplit(link["href"])
        if address.scheme:
            continue
        target = resolved(address.path) if address.path else name
        if target in names:
            link["href"] = "#" + key(target) + (f"--{address.fragment}" if address.fragment else "")
        else:  # a file beside the pages: a PDF has none beside it
            del link["href"]
            link.append(f" ({target})")
    return found


def contents(articles, numbers):
    """List of chapters and their sections, with the pages of their ids where they are known."""

    def entry(tag, identifier):
        text, page = html.escape(tag.get_text()), numbers.get(identifier, "")
        return f'<a href="#{identifier}"><span>{text}</span><span>{page}</span></a>'

    lines = []
    for name, found in articles.items():
        sections = "".join(
            f"<li>{entry(heading, heading.parent['id'])}</li>" for heading in found.select("h2")
        )
        lines.append(f"<li>{entry(found.h1, key(name))}<ol>{sections}</ol></li>")
    return "".join(lines)


def document(folder):
    """Return a function that makes the one document, given the page of each id."""
    front = parsed(folder / "index.html")
    links = front.select("nav.bd-links a.internal[href$='.html']")
    names = ["index.html", *dict.fromkeys(link["href"] for link in links)]
    pages = {name: parsed(folder / name) for name in names}
    articles = {name: article(page, name, names) for name, page in pages.items()}
    title = front.select_one("meta[property='og:site_name']")
    title = title["content"] if title else front.title.get_text().rpartition(" — ")[2]
    author = front.select_one("meta[name=author]")
    styles = "".join(map(str, front.select("link[rel=stylesheet]")))
    # MathJax and its settings, from the last page, a chapter
    scripts = "".join(
        str(script).replace('"../', '"')
        for script in pages[names[-1]].select("head script")
        if "mathjax" in str(script).lower()
    )
    chapters = "".join(
        f'<div class="book-chapter" id="{key(name)}">{found}</div>'
        for name, found in articles.items()
    )

    def whole(numbers):
        return (
            f'<!DOCTYPE html><html lang="en" data-theme="light" data-mode="light"><head>'
            f'<meta charset="utf-8"><title>{html.escape(title)}</title>{styles}'
            f"<style>{STYLE}</style>{scripts}</head><body>"
            f'<div class="book-title"><p>{html.escape(title)}</p>'
            f"<p>{html.escape(author['content'] if author else '')}</p></div>"
            f'<nav class="book-contents"><h1>Contents</h1><ol>{contents(articles, numbers)}</ol>'
            f"</nav>{chapters}</body></html>"
        )

    return whole


def print_book(folder, browser):
    """Return the pages in `folder` as the bytes of a PDF."""
    whole = document(folder)
    # Beside the pages, so that what they load is found from it
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        path = Path(beside).with_suffix(".html")
        page = browser.new_page(color_scheme="light")
        try:
            # Twice: the first gives the page numbers that the contents of the second show
            numbers = {}
            for _ in range(2):
                path.write_text(whole(numbers), encoding="utf-8")
                page.goto(path.as_uri())
                page.evaluate(
                    "MathJax.startup.promise.then(() => document.fonts.ready).then(() => 0)"
                )
                printed = page.pdf(
                    prefer_css_page_size=True,
                    print_background=True,
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=FOOTER,
                    outline=True,
                    tagged=True,
                )
                reader = PdfReader(io.BytesIO(printed))
                numbers = {
                    name.removeprefix("/"): reader.get_destination_page_number(place) + 1
                    for name, place in reader.named_destinations.items()
                }
        finally:
            page.close()
            path.unlink(missing_ok=True)
    return printed


def main(arguments):
    folder, target = map(Path, arguments)
    with chromium() as browser:
        if browser is None:
            sys.exit("No Chromium found: the README says how to get it.")
        target.write_bytes(print_book(folder.resolve(), browser))


if __name__ == "__main__":
    main(sys.argv[1:])
