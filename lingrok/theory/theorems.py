"""The paper's theorems as functions: limits of w and b, the bias curve, and the bounds on T_te.

Time is counted in steps and loss as in `descent`, so what the paper writes as eta (for the summed
loss) is here lr / n for the mean.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_expit

from .. import _checks
from .._checks import FloatArray
from ..data import Dataset
from .margin import MaxMargin, max_margin

_NEWTON = 60  # iterations at most; half a dozen are usual
_LEAST_DUAL = 1e-12  # over the mean dual: what is less is taken for 0
_RANK = 1e-12  # singular values of the support's rows, over the largest, that count as 0


@dataclass(frozen=True, eq=False)
class ResidualLimit:
    """Where the residual rho(t) = w(t) - w_hat log t ends (theorems 4.1 and 4.2).

    Attributes
    ----------
    w : (d,) array
        The limit w_tilde, up to directions in which no two support vectors differ.
    b : float
        The same for the bias: the limit of b(t), where the separator passes through the origin.
    svm : MaxMargin
        The augmented problem's solution (w_hat, b_hat), with its support.
    dual : (s,) array
        Multipliers of the support that gradient descent chooses: all positive, and of all that
        solve the problem those with the largest entropy.
    clock : (s,) array
        Steps T = n dual / lr (dual / lr for the summed loss) from which on the margin of each
        support vector grows like log(t / T).
    a_pos, a_neg : float
        A+ and A- of theorem 4.5, in its units of time: sums of exp(-+w_tilde·x) over the support
        vectors of a class, times lr / n.
    """

    w: FloatArray
    b: float
    svm: MaxMargin
    dual: FloatArray
    clock: FloatArray
    a_pos: float
    a_neg: float


def residual_limit(data: Dataset, *, lr: float = 1e-2, reduction: str = "mean") -> ResidualLimit:
    """Predict the limit of rho(t) from the points alone, without descending.

    With the rows g_s = y (x, 1) of the support vectors, the limit solves equation 8,
    (lr / n) exp(-g_s·theta) = dual_s, where the duals make up the maximum margin, i.e. theta
    minimises (lr / n) sum exp(-g_s·theta) + theta_hat·theta, which is convex.

    Parameters
    ----------
    data : Dataset
    lr, reduction
        As in `gradient_descent`.

    Raises
    ------
    ValueError
        As `max_margin`, and where some support vector's dual is 0 in all solutions: the limit is
        then infinite.
    """
    _checks.one_of("reduction", reduction, ("mean", "sum"))
    rate = _checks.positive("lr", lr) / (data.n if reduction == "mean" else 1)
    svm = max_margin(data, augmented=True)
    X, y = data.X[svm.support], data.y[svm.support]
    # Margins are theta's coordinates, scaled to an orthonormal basis: of w, a unit along the margin
    # moves them by gamma, one across it by 5
    basis, sizes, axes = np.linalg.svd(np.c_[X, np.ones(len(X))] * y[:, None], full_matrices=False)
    kept = sizes > _RANK * sizes[0]
    basis, sizes, axes = basis[:, kept] * np.sqrt(len(y)), sizes[kept], axes[kept]
    total = float(svm.dual.sum())
    coordinates = _minimise(basis, basis.T @ (svm.dual / total))
    excess = basis @ coordinates
    # Around all margins equal, that is theta = -log(mean clock) theta_hat
    start = np.log(total / (len(y) * rate))
    theta = (coordinates * np.sqrt(len(y)) / sizes) @ axes - start * np.append(svm.w, svm.b)
    dual = np.exp(-excess) * total / len(y)
    a_pos, a_neg = (
        rate * float(np.sum(np.exp(-sign * (X[y == sign] @ theta[:-1])))) for sign in (1.0, -1.0)
    )
    return ResidualLimit(theta[:-1], float(theta[-1]), svm, dual, dual / rate, a_pos, a_neg)


def bias_curve(t: npt.ArrayLike, *, a_pos: float, a_neg: float, t0: float, b0: float) -> FloatArray:
    """Theorem 4.5: the bias b(t) that solves db/dt = (A+ exp(-b) - A- exp(b)) / t from b(t0) = b0.

    Parameters
    ----------
    t : (k,) array
        Steps, none before `t0`.
    a_pos, a_neg : float
        A+ and A-, both above 0 (`residual_limit` has them).
    t0, b0 : float
        Start, with t0 above 0.

    Returns
    -------
    (k,) array
        With g(t) = 2 sqrt(A+ A-) log(t / t0), it tends to (1/2) log(A+ / A-) = -log delta like
        exp(-g). No g is too large: exp(g) itself is never formed.

    Raises
    ------
    ValueError
        For A+, A- or t0 not above 0, steps before t0, and A+ A- so large that g overflows.
    """
    a_pos, a_neg = _checks.positive("a_pos", a_pos), _checks.positive("a_neg", a_neg)
    start, b0 = _checks.positive("t0", t0), _checks.number("b0", b0)
    steps = _checks.finite("t", t, 1)
    if steps.size and steps.min() < start:
        raise ValueError(f"t must not lie before t0 = {start:g}, got {steps.min():g}")
    limit = (np.log(a_pos) - np.log(a_neg)) / 2
    if a_pos > 1e300 / a_neg * 1e300:  # so that g is finite for any steps
        raise ValueError(
            f"a_pos and a_neg must have a product of at most 1e600, got {a_pos:g} and {a_neg:g}"
        )
    g = 2 * np.sqrt(a_pos) * np.sqrt(a_neg) * (np.log(steps) - np.log(start))
    # b - limit = 2 artanh(r exp(-g)) with r = tanh((b0 - limit) / 2), spelled out since r can
    # round to 1: there 1 - r is 2 expit(limit - b0)
    away = abs(b0 - limit)
    r = np.tanh(away / 2)
    with np.errstate(divide="ignore"):  # log 0 at t = t0, where the other term remains
        rest = np.logaddexp(np.log(-np.expm1(-g)), np.log(2) + log_expit(-away) - g)
    return np.asarray(limit + np.sign(b0 - limit) * (np.log1p(r * np.exp(-g)) - rest))


def bias_limit(sv_pos: int, sv_neg: int) -> float:
    """Theorem 4.5's limit -log(delta) = (1/2) log(n+ / n-), with the numbers of support vectors.

    Counts stand for A+ and A- as if all support vectors had the same margin in the limit;
    `residual_limit` does without that.
    """
    k, n = _checks.count("sv_pos", sv_pos, 1), _checks.count("sv_neg", sv_neg, 1)
    return float(np.log(k / n) / 2)


def grokking_bounds(
    eps: float, *, log_delta: float, alpha: float, gamma: float, rho_bound: float
) -> tuple[float, float]:
    """Theorem 4.6: lower and upper bound on T_te(eps), in steps.

    They are exp(-+gamma B / 2 + |log delta| / kappa) with kappa = 1 + 2 eps (2 alpha - 1). Remark
    4.7's bounds on T_tr(eps) are the same with alpha = R / gamma, where R bounds ||x||.

    Parameters
    ----------
    eps : float
        From 0 to below 1.
    log_delta : float
        Of theorem 4.5; `-bias_limit(...)`.
    alpha : float
        Outer edge of the test's shell in units of gamma, above 1/2.
    gamma : float
        Full width of the margin.
    rho_bound : float
        B, a bound on ||rho(t)||; not negative.

    Returns
    -------
    lower, upper : float
        0 or infinite where the exponential leaves the range of floats.

    Raises
    ------
    ValueError
        For arguments out of range.
    """
    centre = abs(_checks.number("log_delta", log_delta)) / kappa(eps, alpha)
    width = _checks.positive("gamma", gamma) / 2 * _checks.at_least_zero("rho_bound", rho_bound)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.exp(centre - width)), float(np.exp(centre + width))


def kappa(eps: float, alpha: float, *, most: float = 1.0) -> float:
    """Distance, in units of gamma/2, from which a hyperplane errs on eps of each class's shell.

    It is 1 + 2 eps (2 alpha - 1), for a shell from gamma/2 to alpha gamma whose points are spread
    evenly over their projections; eps is from 0 to below `most`.
    """
    if not 0 <= _checks.number("eps", eps) < most:
        raise ValueError(f"eps must be from 0 to below {most:g}, got {eps!r}")
    return 1 + 2 * eps * (2 * _checks.alpha(alpha) - 1)


def _minimise(u: FloatArray, target: FloatArray) -> FloatArray:
    """Minimise mean(exp(-u @ q)) + target @ q by Newton's method."""
    q, weight = np.zeros(u.shape[1]), np.ones(1)
    for _ in range(_NEWTON):
        if weight.min() < _LEAST_DUAL / len(u):
            break
        weight = np.exp(-(u @ q)) / len(u)
        step = np.linalg.solve((u.T * weight) @ u, weight @ u - target)
        moved = float(np.abs(u @ step).max())
        if moved <= 1e-7:  # and it converges quadratically
            return q + step
        q += step * (np.log1p(moved) / moved)  # the part of a step that never goes too far
    raise ValueError(
        "each support vector must have a positive dual in some solution, got some with a dual of 0 "
        "in all: their margins, and with them the residual, grow without limit"
    )
