"""How numbers are written, in figures, findings, records and origins alike."""

import re

import numpy as np
import numpy.typing as npt


def spread(values: npt.ArrayLike, digits: int = 2) -> str:
    """Median and range over seeds, as "median [smallest, largest]" with so many digits."""
    array = np.asarray(values, dtype=np.float64)
    # Not np.median, which makes NaN of the mean of two infinities
    middle = float(np.quantile(array, 0.5, method="inverted_cdf"))
    median, least, most = (number(v, digits) for v in (middle, array.min(), array.max()))
    return f"{median} [{least}, {most}]"


def number(value: float, digits: int = 2) -> str:
    """Round to significant digits, with an exponent where zeros would have to be counted."""
    if value == np.inf:
        return "never"
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        return short(f"{value:.{digits - 1}e}")
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:g}"


def short(digits: str) -> str:
    """Write an exponent without its sign and zeros: 1e7, not 1e+07."""
    return digits.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_EXPONENT = re.compile(r"(?<![\w.$])(\d+(?:\.\d+)?)e([+-]?\d+)(?!\w)")
_SYMBOLS = {
    r"\|\|w\|\|": "‖w‖", r"\|\|rho\|\|": "‖ρ‖",
    r"\bT_tr\b": "Tₜᵣ", r"\bT_te\b": "Tₜₑ", r"\bw_hat\b": "ŵ", r"\bgamma\b": "γ",
    r"\beps\b": "ε", r"\bzeta\b": "ζ", r"\balpha\b": "α", r"\bkappa\b": "κ",
}  # fmt: skip


def raised(power: int) -> str:
    """Write a power of ten in plain text: 10⁷."""
    return f"10{str(power).translate(_RAISED)}"


def typeset(text: str) -> str:
    """Write numbers and symbols of a plain text as a formula has them: 7.9 × 10⁸, γ, ‖w‖.

    For axes, legends and sliders; the pages do the same with text and tables.
    """

    def power(found: re.Match[str]) -> str:
        last = raised(int(found[2]))
        return last if found[1] == "1" else f"{found[1]} × {last}"

    text = _EXPONENT.sub(power, text)
    for plain, shown in _SYMBOLS.items():
        text = re.sub(plain, shown, text)
    return text
