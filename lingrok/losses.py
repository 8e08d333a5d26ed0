"""Losses of one point, as functions of its margin z = y (w·x + b), and the penalty's weights.

A loss l is one class: its value, its *slope* -l'(z), which is how hard the point pulls in a
gradient, and its *curvature* l''(z), which is its weight in a Hessian. Each takes an array of
margins (or one number) and returns a new array; none warns, and no finite margin gives NaN. What
is too large for a float is inf, so that a run that diverges is seen to.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

from . import _checks
from ._checks import FloatArray

_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(64)
_overflows = np.errstate(over="ignore")  # to inf, which is right


class Pieces(NamedTuple):
    """A pull that is constant - rate * z, by another line beyond each knot."""

    knots: tuple[float, ...]
    constants: tuple[float, ...]
    rates: tuple[float, ...]


class Loss(ABC):
    """A convex loss of the margin. Losses of one kind are equal, and their repr names them.

    Attributes
    ----------
    name : str
        As it is written in Python.
    smooth : bool
        Whether all derivatives are continuous, so that a fast-forward may leap over steps.
    steepest : float
        Supremum of the curvature, inf where there is none; a kink does not count.
    pieces : Pieces or None
        For a loss whose pull is a line between knots: those, and the lines.
    """

    name: str
    smooth: ClassVar[bool] = True
    steepest: float
    pieces: "Pieces | None" = None

    @abstractmethod
    def value(self, z: FloatArray) -> FloatArray:
        """Loss l(z)."""

    @abstractmethod
    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Pull -l'(z), written into `out` if it is given, which may be z."""

    @abstractmethod
    def curvature(self, z: FloatArray) -> FloatArray:
        """Second derivative l''(z); at a kink, the one beyond it."""

    def slope_and_curvature(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, at once where that is cheaper."""
        return self.slope(z), self.curvature(z)

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, repr=False)
class Logistic(Loss):
    """log(1 + exp(-z)), the paper's; each point pulls with 1 / (1 + exp(z))."""

    name = "LOGISTIC"
    steepest = 0.25

    def value(self, z: FloatArray) -> FloatArray:
        return np.logaddexp(0.0, -z)

    @_overflows
    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        # numpy's exp is vectorised, which makes this three times as fast as scipy's expit
        pull: FloatArray = np.reciprocal(np.add(np.exp(z, out=out), 1.0, out=out), out=out)
        return pull

    def curvature(self, z: FloatArray) -> FloatArray:
        return self.slope_and_curvature(np.abs(z))[1]  # even, and 1 - pull is exact there

    def slope_and_curvature(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both; this curvature is good to 1e-16 only, not to 16 digits, where z is far below 0."""
        pull = self.slope(z)
        curvature = 1 - pull
        curvature *= pull
        return pull, curvature


@dataclass(frozen=True, repr=False)
class Exponential(Loss):
    """exp(-z), whose curvature has no bound."""

    name = "EXPONENTIAL"
    steepest = math.inf

    @_overflows
    def value(self, z: FloatArray) -> FloatArray:
        return np.exp(-z)

    @_overflows
    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        return np.exp(np.negative(z, out=out), out=out)

    curvature = value

    def slope_and_curvature(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        pull = self.slope(z)
        return pull, pull.copy()


@dataclass(frozen=True, repr=False)
class Hinge(Loss):
    """max(1 - z, 0), the linear support vector machine's; at the kink no pull, as in PyTorch."""

    name = "HINGE"
    smooth = False
    steepest = 0.0
    pieces = Pieces((1.0,), (1.0, 0.0), (0.0, 0.0))

    def value(self, z: FloatArray) -> FloatArray:
        return np.maximum(np.subtract(1.0, z), 0.0)

    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        return np.multiply(np.less(z, 1.0), 1.0, out=out)

    def curvature(self, z: FloatArray) -> FloatArray:
        return np.zeros(np.shape(z))


@dataclass(frozen=True, repr=False)
class SquaredHinge(Loss):
    """max(1 - z, 0)^2: its curvature jumps at z = 1."""

    name = "SQUARED_HINGE"
    smooth = False
    steepest = 2.0
    pieces = Pieces((1.0,), (2.0, 0.0), (2.0, 0.0))

    @_overflows
    def value(self, z: FloatArray) -> FloatArray:
        return np.maximum(np.subtract(1.0, z), 0.0) ** 2

    @_overflows
    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        lack = np.maximum(np.subtract(1.0, z, out=out), 0.0, out=out)
        return np.multiply(lack, 2.0, out=out)

    def curvature(self, z: FloatArray) -> FloatArray:
        return np.where(np.less(z, 1.0), 2.0, 0.0)


@dataclass(frozen=True, repr=False)
class Squared(Loss):
    """(1 - z)^2, which also pulls back a point that is right by more than 1."""

    name = "SQUARED"
    steepest = 2.0
    pieces = Pieces((), (2.0,), (2.0,))

    @_overflows
    def value(self, z: FloatArray) -> FloatArray:
        return np.square(np.subtract(1.0, z))

    @_overflows
    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        return np.multiply(np.subtract(1.0, z, out=out), 2.0, out=out)

    def curvature(self, z: FloatArray) -> FloatArray:
        return np.full(np.shape(z), 2.0)


@dataclass(frozen=True, repr=False)
class Huber(Loss):
    """The hinge with its kink rounded off over a width h: pull (1 - z)/h, from 0 up to 1."""

    h: float
    smooth = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """With all digits of h."""
        return f"huber({repr(self.h).removesuffix('.0')})"

    @property
    def steepest(self) -> float:  # type: ignore[override]
        """Supremum of the curvature."""
        return 1 / self.h

    @property
    def pieces(self) -> Pieces:  # type: ignore[override]
        """Three: the hinge's two, and the line between."""
        return Pieces((1 - self.h, 1.0), (1.0, 1 / self.h, 0.0), (0.0, 1 / self.h, 0.0))

    def value(self, z: FloatArray) -> FloatArray:
        lack = np.maximum(np.subtract(1.0, z), 0.0)
        short = np.minimum(lack, self.h)
        return short**2 / (2 * self.h) + lack - short

    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        lack = np.divide(np.subtract(1.0, z, out=out), self.h, out=out)
        return np.clip(lack, 0.0, 1.0, out=out)

    def curvature(self, z: FloatArray) -> FloatArray:
        return np.where((np.asarray(z) >= 1 - self.h) & np.less(z, 1.0), 1 / self.h, 0.0)


def huber(h: float) -> Huber:
    """Hinge loss, rounded off over margins from 1 - h to 1.

    Raises
    ------
    ValueError
        For h that is not a finite number above 0.
    """
    return Huber(_checks.positive("h", h))


@dataclass(frozen=True, repr=False)
class Polynomial(Loss):
    """Pull (1 + softplus(z) / (p + 1))^-(p + 1): a tail like z^-p, logistic as p -> infinity.

    Far on the wrong side it pulls with 1, as the logistic loss does. `value` is the integral of the
    pull from z on, good to 1e-11 of itself.
    """

    p: float

    @property
    def name(self) -> str:  # type: ignore[override]
        """With all digits of p, since a run knows its state by it."""
        return f"polynomial({repr(self.p).removesuffix('.0')})"

    @cached_property
    def steepest(self) -> float:  # type: ignore[override]
        """Supremum of the curvature, which has one maximum."""
        found = minimize_scalar(lambda z: -float(self.curvature(z)), bounds=(-20, 20))
        return -float(found.fun) * (1 + 1e-9)

    def value(self, z: FloatArray) -> FloatArray:
        # With v = softplus(u), du = dv (1 + 1 / (e^v - 1)): what is left of the logistic loss,
        # whose own pull is e^-v, is an integral over exp(-v) times a smooth function
        q, v = self.p + 1, np.logaddexp(0.0, z)
        x = np.add.outer(v, _NODES)
        rest = -np.expm1(-q * np.log1p(x / q)) / -np.expm1(-x)
        return (
            q / self.p * np.exp(-self.p * np.log1p(v / q))
            + np.logaddexp(0.0, np.negative(z))
            - np.exp(-v) * (rest @ _WEIGHTS)
        )

    def slope(self, z: FloatArray, out: FloatArray | None = None) -> FloatArray:
        q = self.p + 1
        power = np.log1p(np.divide(np.logaddexp(0.0, z, out=out), q, out=out), out=out)
        pull: FloatArray = np.exp(np.multiply(power, -q, out=out), out=out)
        return pull

    def curvature(self, z: FloatArray) -> FloatArray:
        q = self.p + 1
        return np.exp(-(q + 1) * np.log1p(np.logaddexp(0.0, z) / q)) * expit(z)


def polynomial(p: float) -> Polynomial:
    """Loss with a polynomial tail z^-p.

    Raises
    ------
    ValueError
        For p that is not a finite number above 0.
    """
    return Polynomial(_checks.positive("p", p))


LOGISTIC, EXPONENTIAL, SQUARED = Logistic(), Exponential(), Squared()
HINGE, SQUARED_HINGE = Hinge(), SquaredHinge()


def penalties(l2: float | tuple[float, float]) -> tuple[float, float]:
    """Return (lambda of w, lambda of b) for lambda of w alone, or for both.

    Raises
    ------
    ValueError
        For anything but numbers of at least 0.
    """
    if isinstance(l2, tuple | list):
        if len(l2) != 2:
            raise ValueError(f"l2 must be a number or a pair (of w, of b), got {l2!r}")
        return _checks.at_least_zero("l2", l2[0]), _checks.at_least_zero("l2", l2[1])
    return _checks.at_least_zero("l2", l2), 0.0
