"""Pictures for every screen: sized, so that nothing moves when they load; a phone has its own."""

import base64
import hashlib
import html
import re
from pathlib import Path

import nbformat

IMAGE = re.compile(r"<img\b[^>]*?\bsrc=\"([^\"]*_images/[\w.-]+\.png)\"[^>]*?/?>")
PHONE = "(max-width: 576px)"


def narrow(executed):
    """Return what a phone is shown of each figure, by the hash of what a wide screen is."""
    found = {}
    for path in Path(executed).glob("chapters/*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                shown = output.get("metadata", {}).get("image/png", {}).get("narrow")
                if shown:
                    wide = base64.b64decode(output["data"]["image/png"])
                    found[hashlib.sha256(wide).hexdigest()] = base64.b64decode(shown)
    return found


def write(out, executed):
    """Write the narrow pictures beside the wide ones; return the sizes of all, by name."""
    stacked, sizes = narrow(executed), {}
    for path in list((out / "_images").glob("*.png")):
        data = path.read_bytes()
        sizes[path.name] = size(data)
        small = stacked.get(hashlib.sha256(data).hexdigest())
        if small:
            path.with_stem(f"{path.stem}-narrow").write_bytes(small)
            sizes[f"{path.stem}-narrow.png"] = size(small)
    return sizes


def size(png):
    """Width and height in pixels of a page: figures have two of their own for each."""
    return [int.from_bytes(png[i : i + 4], "big") // 2 for i in (16, 20)]


def sized(text, sizes):
    """HTML whose pictures have sizes, load when they are near, and are stacked on a phone."""
    first = True

    def picture(match):
        nonlocal first
        tag, address = match[0], html.unescape(match[1])
        folder, _, name = address.rpartition("/")
        small = name.replace(".png", "-narrow.png")
        tag = re.sub(r'\s(?:width|height|style)="[^"]*"', "", tag)
        tag = re.sub(r"\s*/?>$", attributes(sizes[name]) + ">", tag)
        if not first:
            tag = tag.replace("<img", '<img loading="lazy"')
        first = False
        if small not in sizes:
            return tag
        source = f'<source media="{PHONE}" srcset="{folder}/{small}"{attributes(sizes[small])}>'
        return f"<picture>{source}{tag}</picture>"

    return IMAGE.sub(picture, text)


def attributes(of):
    return f' width="{of[0]}" height="{of[1]}"'
