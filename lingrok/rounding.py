"""The pull of a point as a computer finds it: 0 from some margin on.

PGD moves a point x of label y along the gradient of its loss, -s(z) y w, where z is its margin and
s(z) = 1 / (1 + e^z) its pull. It uses no more than the sign, and s is positive everywhere. Its
value in floating point is not: how large z may become depends on the formula that was written down,
on the type, and where the formula takes the logit y z and the class, on the label as well.

Each function here does, in this order, what evaluating the formula does, and what differentiating
it backwards does.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _checks

_Pull = Callable[[npt.NDArray[Any], npt.NDArray[np.bool_]], Any]


def _sigmoid(x: npt.NDArray[Any]) -> Any:
    return 1 / (1 + np.exp(-x))


def _difference(z: npt.NDArray[Any], _: npt.NDArray[np.bool_]) -> Any:
    return 1 - _sigmoid(z)


def _logits(z: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> Any:
    return np.where(positive, 1 - _sigmoid(z), _sigmoid(-z))


def _clamped_log(z: npt.NDArray[Any], positive: npt.NDArray[np.bool_]) -> Any:
    p = _sigmoid(np.where(positive, z, -z))
    by_p = np.where(positive, 1 - p, p) / np.maximum((1 - p) * p, 1e-12)
    return by_p * (1 - p) * p


def _logarithm(z: npt.NDArray[Any], _: npt.NDArray[np.bool_]) -> Any:
    grown = np.exp(-z)
    return 1 / (1 + grown) * grown


def _softplus(z: npt.NDArray[Any], _: npt.NDArray[np.bool_]) -> Any:
    grown = np.exp(-z)
    return np.where(z < -20, 1, grown / (grown + 1))


FORMULAS: Mapping[str, _Pull] = {
    "difference": _difference,  # 1 - s(-z), and -log s(-z) differentiated
    "bce_with_logits": _logits,  # cross-entropy of the logit y z with the labels 0 and 1: s - label
    "clamped_log": _clamped_log,  # cross-entropy of the probability s(y z), logarithms clamped
    "log(1 + exp)": _logarithm,  # log(1 + e^-z), and with log1p: the exponential overflows
    "softplus": _softplus,  # the same without overflow, as all stable forms
}


def pull(
    z: npt.ArrayLike, y: npt.ArrayLike = 1.0, *, formula: str = "difference",
    dtype: npt.DTypeLike = np.float64,
) -> npt.NDArray[Any]:  # fmt: skip
    """Evaluate 1 / (1 + e^z) by a formula of the logistic loss's gradient, in a type.

    Parameters
    ----------
    z : array_like
        Margins.
    y : array_like
        Labels -1 or +1, for the formulas that know the class.
    formula : {"difference", "bce_with_logits", "clamped_log", "log(1 + exp)", "softplus"}
        1 - s(-z), as autodiff of -log s(-z) has it too; cross-entropy on the logit y z with labels
        0 and 1; cross-entropy on the probability with the logarithm clamped, as in PyTorch's
        BCELoss; log(1 + e^-z) differentiated; a stable softplus of -z differentiated.
    dtype : float type

    Returns
    -------
    array of that type
        NaN where the formula overflows, below a margin of -88 in float32.

    Raises
    ------
    ValueError
        For an unknown formula, and a dtype that is not a float.
    """
    _checks.one_of("formula", formula, tuple(FORMULAS))
    try:
        if (kind := np.dtype(dtype)).kind != "f":
            raise TypeError
    except TypeError:
        raise ValueError(f"dtype must be a float type, got {dtype!r}") from None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        margins, positive = np.broadcast_arrays(np.asarray(z, kind), np.asarray(y) > 0)
        return np.asarray(FORMULAS[formula](margins, positive), kind)


def vanishing_margin(
    formula: str = "difference", *, dtype: npt.DTypeLike = np.float64, y: float = 1.0,
    points: int = 1,
) -> float:  # fmt: skip
    """Find the smallest margin whose pull comes out as 0: PGD can't move what lies beyond.

    Parameters
    ----------
    formula, dtype, y
        As in `pull`.
    points : int
        Over which the loss is averaged: the pull of each is divided by as many.

    Raises
    ------
    ValueError
        As `pull`, for a label that is not -1 or +1, and for points < 1.
    """
    _checks.one_of("y", y, (1, -1))
    moves = pull(0, y, formula=formula, dtype=dtype)
    return _vanishing(formula, moves.dtype, float(y), _checks.count("points", points, 1))


@cache
def _vanishing(formula: str, dtype: np.dtype[Any], y: float, points: int) -> float:
    kind = dtype.type
    low, high = kind(0), 2 - np.log(np.finfo(dtype).smallest_subnormal)
    while low < (middle := low + (high - low) / 2) < high:
        share = pull(middle, y, formula=formula, dtype=kind) / kind(points)
        low, high = (low, middle) if share == 0 else (middle, high)
    return float(high)
