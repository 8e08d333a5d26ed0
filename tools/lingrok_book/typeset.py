"""One notation: numbers and symbols as in a formula, wherever a page says them in text."""

import re
from html.parser import HTMLParser

NUMBER = re.compile(r"(?<![\w.#/])(?<!\w-)(\d+(?:\.\d+)?)e([+-]?)0*(\d{1,3})(?!\w)")
SYMBOLS = {
    r"(?<=[\w|)])\^(\d+)(?!\w)": r"<sup>\1</sup>",
    r"\bT_(tr|te|gr|Q)\b": r"T<sub>\1</sub>",
    r"\bw_(true|hat)\b": lambda found: "ŵ" if found[1] == "hat" else "w<sub>true</sub>",
    r"\bA([+-])(?=[/ ,)]|$)": lambda found: f"A<sub>{'+' if found[1] == '+' else '−'}</sub>",
    r"\bn_S\b": "n<sub>S</sub>",
    r"\bzeta\b": "ζ",
    r"\beps\b": "ε",
    r"\bepsilon\b": "ε",
    r"\bgamma\b": "γ",
    r"\balpha\b": "α",
    r"\bkappa\b": "κ",
    r"\bphi\b": "φ",
    r"\beta\b": "η",
    r"\|\|rho\|\|": "‖ρ‖",
    r"\|\|w\|\|": "‖w‖",
    r"\bdelta\b": "δ",
    r"\bsqrt\b": "√",
    r"\bpi\b": "π",
}
RELATIONS = {"&gt;": "≥", "&lt;": "≤"}
QUIET = {"pre", "code", "script", "style", "svg", "title", "textarea", "option", "math"}
VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr",
}  # fmt: skip


def typeset(text):
    """Text with its numbers and symbols as HTML shows them."""
    text = NUMBER.sub(_number, text)
    for plain, shown in SYMBOLS.items():
        text = re.sub(plain, shown, text)
    return text


def _number(found):
    digits, sign, power = found.groups()
    power = f"10<sup>{'−' if sign == '-' else ''}{power}</sup>"
    return power if float(digits) == 1 and len(digits) == 1 else f"{digits}&nbsp;×&nbsp;{power}"


class _Page(HTMLParser):
    """Copies a page, its text typeset; code, formulas and scripts stay as they are."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.parts, self.open, self.quiet = [], [], 0

    def handle_starttag(self, tag, attributes):
        self.parts.append(self.get_starttag_text())
        if tag in VOID:
            return
        kind = dict(attributes).get("class") or ""
        quiet = tag in QUIET or re.search(r"\bmath\b|\bcaption-number\b", kind) is not None
        self.open.append((tag, quiet))
        self.quiet += quiet

    def handle_endtag(self, tag):
        self.parts.append(f"</{tag}>")
        while self.open:
            name, quiet = self.open.pop()
            self.quiet -= quiet
            if name == tag:
                break

    def handle_startendtag(self, _tag, _attributes):
        self.parts.append(self.get_starttag_text())

    def handle_data(self, data):
        if not self.quiet and self.parts[-1] in RELATIONS and data.startswith("="):
            self.parts[-1], data = RELATIONS[self.parts[-1]], data[1:]
        self.parts.append(data if self.quiet else typeset(data))

    def handle_entityref(self, name):
        self.parts.append(f"&{name};")

    def handle_charref(self, name):
        self.parts.append(f"&#{name};")

    def handle_comment(self, data):
        self.parts.append(f"<!--{data}-->")

    def handle_decl(self, decl):
        self.parts.append(f"<!{decl}>")

    def unknown_decl(self, data):
        self.parts.append(f"<![{data}]>")

    def handle_pi(self, data):
        self.parts.append(f"<?{data}>")


def typeset_page(text):
    """Typeset what a page says, from its body on."""
    head, body, rest = text.partition("<body")
    page = _Page()
    page.feed(body + rest)
    page.close()
    return head + "".join(page.parts)
