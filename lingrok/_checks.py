"""Checks of arguments, shared by all modules: they name the bad value and what is allowed."""

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
_OTHERS = (str, bytes, complex, np.complexfloating)  # which float() may take all the same


def number(name: str, value: float) -> float:
    """Return `value` as a float if it is finite."""
    number = _real(name, value)
    if not np.isfinite(number):
        raise ValueError(f"{name} must be a finite number, got {value!r}")
    return number


def positive(name: str, value: float) -> float:
    """Return `value` as a float if it is finite and above zero."""
    number = _real(name, value)
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return number


def at_least_zero(name: str, value: float) -> float:
    """Return `value` as a float if it is finite and not below zero."""
    number = _real(name, value)
    if not (np.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
    return number


def share(name: str, value: float) -> float:
    """Return `value` as a float if it is from 0 to below 1."""
    number = _real(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be from 0 to below 1, got {value!r}")
    return number


def count(name: str, value: float, least: int = 0, most: int = 2**62) -> int:
    """Return `value` as an int if it is whole and within bounds; 1e7 counts as whole."""
    number = _real(name, value)
    if not (np.isfinite(number) and number == np.floor(number) and least <= number <= most):
        raise ValueError(f"{name} must be a whole number from {least} to {most:.3g}, got {value!r}")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return int(number)


def alpha(value: float) -> float:
    """Return the outer edge of a shell, in units of gamma, if it is beyond the inner one, 1/2."""
    number = positive("alpha", value)
    if number <= 0.5:
        raise ValueError(f"alpha must be above 1/2 (the shell starts at gamma/2), got {value!r}")
    return number


def one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Raise unless `value` is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def finite(name: str, value: npt.ArrayLike, ndim: int) -> FloatArray:
    """Return `value` as a float64 array if it has `ndim` axes and holds only finite numbers."""
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biufO" or (
            given.dtype.kind == "O" and any(isinstance(one, _OTHERS) for one in given.flat)
        ):
            raise TypeError
        array = given.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be an array of numbers, got {value!r}") from None
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
    # A sum is finite unless an entry is not (or it overflows), and needs no array of flags.
    with np.errstate(invalid="ignore", over="ignore"):
        suspicious = not np.isfinite(array.sum())
    if suspicious and not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0].tolist()
        raise ValueError(f"{name} must be finite, got {array[tuple(where)]} at index {where}")
    return array


def increasing(name: str, values: FloatArray) -> None:
    """Raise unless `values` increase strictly."""
    fall = np.flatnonzero(np.diff(values) <= 0)
    if fall.size:
        i = int(fall[0])
        raise ValueError(
            f"{name} must increase strictly, got {values[i]:g} followed by {values[i + 1]:g} "
            f"at index {i}"
        )


def _real(name: str, value: Any) -> float:
    try:
        array = np.asarray(value)
        if array.ndim == 0 and array.dtype.kind in "iufO" and not isinstance(array.item(), _OTHERS):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} must be a number, got {value!r}")
