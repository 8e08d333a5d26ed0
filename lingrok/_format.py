"""How numbers are written, in figures, findings, records and origins alike."""

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
