"""The hyperplane of maximum margin, and whether it is the one that the paper assumes.

With rows g_i = y_i (x_i, s), where s is the constant feature of the bias, the maximum margin is a
*least distance* problem: the shortest theta with g_i·theta >= h_i for all i. Lawson and Hanson
solve it by non-negative least squares, which finds the rows that hold with equality. Only points
with a positive dual and the most violated ones are handed to the solver, so neither many points
nor hundreds of them exactly on the margin cost more than a few products with the data.

- *Augmented*: the bias is penalised like a weight (s = 1, h = 1); gradient descent tends to it.
- *Free bias*, the hard-margin SVM: penalising (b - c)^2 instead, with c the last solution's bias,
  is the proximal-point method for it, which ends after a few rounds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve, solve_triangular
from scipy.optimize import nnls
from scipy.special import expit

from .. import _checks
from .._checks import FloatArray
from ..data import Dataset, need

_ROUNDS = 1000  # of the working set; a few dozen are usual
_THINNEST = 1e-10  # margin, over the size of the data, from which on classes count as separable
_FEASIBLE = 1e-10  # part of the margin that points may lack when a solution counts as feasible
_ON_MARGIN = 1e-7  # part of the margin that support vectors may lie beyond it
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class MaxMargin:
    """Hyperplane of maximum margin, scaled so that the smallest y (w·x + b) is 1.

    Attributes
    ----------
    w : (d,) array
    b : float
    margin : float
        Full width of the margin, 2 / ||w||: gamma, where points are planted.
    support : (s,) int64 array
        Indices of the points on the margin.
    dual : (s,) array
        Multipliers alpha >= 0 of the support: w is the sum of alpha y x, and the sum of alpha y is
        0 (b, if augmented). Where more than d + 1 points lie on the margin it is one choice of
        many; `residual_limit` has the one that gradient descent makes.
    augmented : bool
        Whether the bias was penalised like a weight.
    kkt_residual : float
        Largest relative violation of the optimality conditions: margins below 1, multipliers off
        the margin, and both sums. The margin is certain to about this.
    """

    w: FloatArray
    b: float
    margin: float
    support: npt.NDArray[np.int64]
    dual: FloatArray
    augmented: bool
    kkt_residual: float


@dataclass(frozen=True)
class Assumption:
    """How far data are from assumption 3.1.

    Attributes
    ----------
    holds : bool
        Whether the hard-margin SVM passes through the origin, to the tolerance.
    offset : float
        Its distance from the origin, in half widths of its margin.
    excess : float
        Width of its margin over gamma, minus 1: 0 where it is the true separator.
    angle : float
        Between its normal and w_true, in rad.
    """

    holds: bool
    offset: float
    excess: float
    angle: float


def max_margin(data: Dataset, *, augmented: bool = False) -> MaxMargin:
    """Separate the classes with the largest margin, to rounding.

    Parameters
    ----------
    data : Dataset
    augmented : bool
        Minimise ||w||^2 + b^2, as gradient descent does in the limit (theorem 4.1), instead of
        ||w||^2 (the hard-margin SVM). Both give the same if the SVM passes through the origin
        (theorem 4.3).

    Raises
    ------
    ValueError
        For data of one class, and for classes that no hyperplane separates, or only with a margin
        of 1e-10 of their size.
    RuntimeError
        If the optimality conditions are not met to rounding.
    """
    need(data)
    _checks.one_of("augmented", augmented, (True, False))
    y = data.y
    if np.all(y == y[0]):
        raise ValueError(f"data must hold both classes, got {data.n} of class {y[0]:+g} only")
    size = max(float(data.X.max()), -float(data.X.min()))  # no copy of large data
    if not 1e-100 <= size <= 1e100:
        raise ValueError(f"X must have its largest entry from 1e-100 to 1e100, got {size:g}")
    feature = 1 / size if augmented else 10.0  # of the bias, beside X / size
    most = max(50, 2 * data.d)  # points of a class to add in a round
    between = np.where(y > 0, 1 / np.sum(y > 0), -1 / np.sum(y < 0)) @ data.X / size
    working = _least_by_class(y * (data.X @ between), y, most)  # the classes' means, to start with
    centre, scale = 0.0, 1.0
    for _ in range(_ROUNDS):
        rows = np.c_[data.X[working] / size, np.full(len(working), feature)]
        rows *= y[working, None]
        theta, dual, scale = _least_distance(rows, 1 - y[working] * centre, scale)
        w, b = theta[:-1] / size, float(theta[-1] * feature) + centre
        active, dual = working[dual > 0], dual[dual > 0] / size**2
        margins = y * (data.X @ w + b)
        # A margin of 1 is what is left of terms of size ||w|| R
        rounding = max(_FEASIBLE, 64 * _EPS * (size * float(np.abs(w).sum()) + abs(b)))
        missing = np.flatnonzero(margins < 1 - rounding)
        if missing.size:
            missing = missing[_least_by_class(margins[missing], y[missing], most)]
        elif augmented or abs(b - centre) <= rounding:
            break
        else:
            centre = b
        working = np.union1d(active, missing)
    support = np.flatnonzero(margins <= 1 + max(_ON_MARGIN, rounding))
    alpha = np.zeros(data.n)
    alpha[active] = dual
    signed, own = dual * y[active], b if augmented else 0.0
    length = np.hypot(np.linalg.norm(w), own)
    violations = (
        1 - margins.min(),
        np.abs(margins[active] - 1).max(),
        np.linalg.norm(signed @ data.X[active] - w) / length,
        abs(signed.sum() - own) / dual.sum(),
    )
    residual = float(max(violations))
    cancelling = _EPS * float(dual @ np.linalg.norm(data.X[active], axis=1)) / length
    allowed = 100 * max(rounding, cancelling)
    if not residual <= allowed:
        raise RuntimeError(
            "the maximum margin was not found: the optimality conditions are violated by "
            f"{residual:.1e}, more than the {allowed:.1e} of rounding"
        )
    width = 2 / float(np.linalg.norm(w))
    return MaxMargin(w, b, width, support, alpha[support], bool(augmented), residual)


@dataclass(frozen=True)
class Separation:
    """Whether a hyperplane separates the classes, with what proves it.

    Attributes
    ----------
    separable : bool
        By more than 1e-10 of the size of the data, if not by more than rounding.
    certificate : (d + 1,) or (n,) array
        If separable, (w, b) with all margins above rounding. If not, weights of the points, above 0
        and of sum 1, that balance them: no hyperplane has all its margins above what is left.
    slack : float
        Smallest margin of (w, b) at unit length, or the length of the balanced sum, of which no
        unit (w, b) has a larger smallest margin; both over the longest row (x, 1).
    """

    separable: bool
    certificate: FloatArray
    slack: float


def separation(data: Dataset) -> Separation:
    """Decide whether a hyperplane separates the classes; never without a certificate.

    By Newton's method on the logistic loss: either all margins get above 0, or the gradient, which
    is a balance of the points with positive weights, gets to 0.

    Raises
    ------
    ValueError
        For data of one class, and for some classes that touch, of which neither shows.
    """
    from ..problem import Problem, one_blas_thread  # noqa: PLC0415 - which few need here

    need(data)
    if np.all(data.y == data.y[0]):
        raise ValueError(f"data must hold both classes, got {data.n} of class {data.y[0]:+g} only")
    problem = Problem(data)
    longest = float(np.sqrt((data.X**2).sum(axis=1).max() + 1))
    theta = np.zeros(data.d + 1)
    with one_blas_thread():
        for _ in range(_ROUNDS):
            margins = data.y * (data.X @ theta[:-1] + theta[-1])
            length = float(np.linalg.norm(theta))
            if margins.min() > 64 * _EPS * length * longest:
                return Separation(True, theta, float(margins.min()) / (length * longest))
            weights = expit(-margins)
            weights /= weights.sum()
            signed = weights * data.y
            left = float(np.linalg.norm(np.append(signed @ data.X, signed.sum()))) / longest
            if left <= _THINNEST:
                return Separation(False, weights, left)
            gradient, hessian = problem.gradient_and_hessian(theta)
            hessian.flat[:: len(theta) + 1] += 1e-14 * np.trace(hessian)  # columns may be constant
            step = solve(hessian, gradient, assume_a="pos")
            part, value = 1.0, problem.value(theta)
            while part > 1e-6 and problem.value(theta - part * step) > value:
                part /= 2
            theta = theta - part * step
    raise ValueError(
        f"data must be separable or not by more than {_THINNEST:g} of their size, got classes that "
        f"touch: margins from {margins.min() / (length * longest):.1e}, balance {left:.1e}"
    )


def check_assumption(data: Dataset, *, tolerance: float = 1e-6) -> Assumption:
    """Check assumption 3.1, that the hard-margin SVM of the points has no bias.

    Parameters
    ----------
    data : Dataset
    tolerance : float
        Largest `offset` of the result that counts as none.

    Raises
    ------
    ValueError
        As `max_margin`; for tolerance <= 0; and for a gamma that the points contradict, since
        some lie closer to the true separator than gamma / 2.
    """
    tolerance = _checks.positive("tolerance", tolerance)
    gamma, w_true, _ = need(data, "gamma", "w_true")
    svm = max_margin(data)
    if data.margin < gamma * (1 - tolerance):
        raise ValueError(
            "data.gamma must be at most the margin that the points leave along w_true, "
            f"{data.margin:g}, got {gamma:g}"
        )
    along = float(svm.w @ w_true)
    angle = float(np.arctan2(np.linalg.norm(svm.w - along * w_true), along))
    excess = svm.margin / gamma - 1
    return Assumption(abs(svm.b) <= tolerance, abs(svm.b), excess, angle)


def _least_distance(
    rows: FloatArray, h: FloatArray, scale: float
) -> tuple[FloatArray, FloatArray, float]:
    """Find the shortest theta with rows @ theta >= h; return it, its duals, and 1 / its length."""
    if h.max() <= 0:
        return np.zeros(rows.shape[1]), np.zeros(len(h)), scale
    target = np.zeros(rows.shape[1] + 1)
    target[-1] = 1
    while scale > _THINNEST:
        u, _ = nnls(np.vstack([rows.T, scale * h]), target, maxiter=100 * len(h))
        left = 1 - scale * float(h @ u)  # 1 / (1 + (scale ||theta||)^2)
        if left < 1e-8:  # rounding, or nothing at all: theta is far longer than 1 / scale
            scale *= 1e-3
            continue
        length = float(np.linalg.norm(u @ rows)) / (left * scale)
        if 0.1 < scale * length < 10:
            # The solver has found the rows; once more through them, without its squared condition
            found = np.flatnonzero(u)
            q, r = np.linalg.qr(rows[found].T)
            along = solve_triangular(r, h[found], trans="T")
            dual = np.zeros(len(h))
            dual[found] = solve_triangular(r, along)
            return q @ along, dual, 1 / length
        scale = 1 / length
    raise ValueError(
        f"data must be separable by a hyperplane, with more than {_THINNEST:g} of their size to "
        "spare, got classes that are not"
    )


def _least_by_class(values: FloatArray, y: FloatArray, most: int) -> npt.NDArray[np.int64]:
    """Pick the `most` smallest values of each class; return their indices."""
    found = []
    for label in (1.0, -1.0):
        of_class = np.flatnonzero(y == label)
        k = min(most, of_class.size)
        found.append(of_class[np.argsort(values[of_class], kind="stable")[:k]])
    return np.concatenate(found)
