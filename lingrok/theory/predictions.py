"""What the mean field says about the concentrated test: its accuracy, and when it is solved."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, ndtri

from .. import _checks
from .._checks import FloatArray
from ..cube import HALF_WIDTH
from ..losses import LOGISTIC, Loss
from .meanfield import MeanField, stationary_l2
from .population import lateral_variance, slice_area
from .spread import squares
from .theorems import kappa

_NODES, _LENGTH_WEIGHT = leggauss(12)
_LENGTHS, _LENGTH_WEIGHT = (_NODES + 1) / 2, _LENGTH_WEIGHT / 2  # quantiles, for all seeds
_SHELL = leggauss(48)  # projections of the concentrated points
_CACHED = 1 << 14  # numbers at once, which stay in a core's cache
_QUANTILES = (0.1, 0.5, 0.9)  # of a predicted time
_SEEDS = 45  # biases, at the middles of as many equal parts of their law; among them the quantiles
_STRATA = (9, 15)  # of the length and of the bias: seeds for times by accuracy
_LUCK = 5  # of the test's points
_XI, _XI_WEIGHT = hermegauss(7)
_XI_WEIGHT /= _XI_WEIGHT.sum()


@dataclass(frozen=True)
class PredictedTime:
    """A grokking time in steps: its median over seeds, and the middle 80 % of them.

    Infinite where the level is not reached; NaN where the theory ends before, or gives no spread.
    """

    low: float
    median: float
    high: float


def predicted_accuracy(field: MeanField, *, alpha: float = 10.0) -> FloatArray:
    """Predict the accuracy on the concentrated test, shape (k,): its mean over seeds.

    Parameters
    ----------
    field : MeanField
    alpha : float
        As in `sample_concentrated`.

    Raises
    ------
    ValueError
        For alpha <= 1/2.
    """
    curves = _accuracy(field, alpha, *_law(field, ndtri(_LENGTHS), _XI))
    return np.asarray(np.einsum("kqj,q,j->k", curves, _LENGTH_WEIGHT, _XI_WEIGHT))


def predicted_grokking_time(
    field: MeanField, *, eps: float, alpha: float = 10.0, by: str = "accuracy",
    n_test: int | None = None,
) -> PredictedTime:  # fmt: skip
    """Predict the step from which on the concentrated test is solved to 1 - eps.

    Parameters
    ----------
    field : MeanField
        Long enough to reach that step.
    eps : float
        From 0 (above 0 by accuracy) to below 1/2.
    alpha : float
        As in `sample_concentrated`.
    by : {"accuracy", "distance", "quadrature"}
        The predicted accuracy itself; or theorem 4.6's stand-in for it, |b| / ||w|| =
        gamma/2 kappa with kappa = 1 + 2 eps (2 alpha - 1), which takes w to be along w_true, and
        |v| to be its root mean square; or
        `quadrature_time`, the same in the limit where only the support vectors count.
    n_test : int, optional
        Points of the test, by accuracy: their luck widens the spread. By default it is the accuracy
        on the distribution.

    Raises
    ------
    ValueError
        For eps or alpha out of range, an unknown `by`, and n_test below 1.
    """
    _checks.one_of("by", by, ("accuracy", "distance", "quadrature"))
    n_test = None if n_test is None else _checks.count("n_test", n_test, 1)
    level = field.gamma / 2 * kappa(eps, alpha, most=0.5)
    if by == "quadrature":
        return PredictedTime(np.nan, quadrature_time(
            eps, n=field.n, sv_pos=field.sv_pos, sv_neg=field.sv_neg, gamma=field.gamma,
            lr=field.lr, alpha=alpha,
        ), np.nan)  # fmt: skip
    if by == "distance":
        _, offsets = _law(field, np.zeros(1), _middles(_SEEDS), joint=False)
        distance = np.abs(offsets[:, 0]) * (field.along / field.norm)[:, None]
        return _middle(_crossings(field, distance, level))
    if eps == 0:
        raise ValueError("eps must be above 0 by accuracy (the last point is a matter of luck)")
    lengths, offsets = _law(field, *map(_middles, _STRATA))
    levels = np.array([eps])
    if n_test is not None:
        # So many of its points may be wrong: where that is reached is an order statistic
        few = int(eps * n_test + 1e-9)
        levels = betaincinv(few + 1, n_test - few, (np.arange(_LUCK) + 0.5) / _LUCK)

    def crossings(part: slice, of_length: slice, of_bias: slice) -> FloatArray:
        """Find the times of these seeds, by the checkpoints in `part`."""
        right = _accuracy(field, alpha, lengths[part, of_length], offsets[part, of_length, of_bias])
        wrong = 1 - right.reshape(len(right), -1)
        return np.concatenate([_crossings(field, wrong, one, part) for one in levels])

    # The first to get there, and the last, tell where all others do
    ends = slice(None, None, _STRATA[0] - 1), slice(None, None, _STRATA[1] // 2)
    outer = crossings(slice(None), *ends)
    if np.isnan(outer).all():
        return PredictedTime(np.nan, np.nan, np.nan)
    first, last = np.searchsorted(field.steps, [np.nanmin(outer), outer.max()])
    part = slice(max(min(first, len(field.steps) - 1) - 2, 0), last + 2)
    return _middle(crossings(part, slice(None), slice(None)))


def _middle(times: FloatArray) -> PredictedTime:
    """Pick the quantiles of seeds' times."""
    ranks = [round(q * len(times) - 0.5) for q in _QUANTILES]
    return PredictedTime(*np.sort(times)[ranks].tolist())


def _crossings(
    field: MeanField, curves: FloatArray, threshold: float, part: slice = slice(None)
) -> FloatArray:
    """`crossing_time` of each of curves (k, j) at the checkpoints in `part`.

    NaN where it may come after the theory's end.
    """
    known = np.isfinite(field.along)
    whole, known = bool(known.all()), known[part]
    if not known.any():
        return np.full(curves.shape[1], np.nan)
    t, curves, each = field.steps[part][known], curves[known], np.arange(curves.shape[1])
    above = curves > threshold
    last = len(t) - 1 - np.argmax(above[::-1], axis=0)
    crossed = above.any(axis=0) & (last < len(t) - 1)
    i, after = np.where(crossed, last, 0), np.where(crossed, last + 1, 0)
    here, there = curves[i, each], curves[after, each]
    fraction = (here - threshold) / np.where(crossed, here - there, 1.0)
    times = t[i] * (t[after] / t[i]) ** fraction
    times[last == len(t) - 1] = np.inf if whole else np.nan
    times[~above.any(axis=0)] = t[0]
    return np.asarray(times)


def quadrature_time(
    eps: float, *, n: int, sv_pos: int, sv_neg: int, gamma: float, lr: float = 1e-2,
    alpha: float = 10.0, loss: Loss = LOGISTIC, l2: float = 0.0,
) -> float:  # fmt: skip
    """Predict T_te(eps), in steps, in the limit where only the planted support vectors count.

    There the bias is in balance at every margin m = gamma/2 ||w||, sv_pos s(m + b) = sv_neg
    s(m - b) with the loss's own pull s, and the hyperplane is back at gamma/2 kappa (see
    `predicted_grokking_time`) when |b| = kappa m. The length of w needs the time

        T = 4 n / (lr gamma^2)  integral from 0 to m* of dm / (2 sv_pos s(m + b(m)))

    to get there, with n points, planted ones included: T grows like 1 / (lr gamma^2 n_S), n_S / n
    being the planted share, and the sizes of the classes do not enter. A penalty l2 of w takes
    4 n l2 m / gamma^2 from the pull below dm: from `critical_l2` on T is infinite, as it is where
    the balance never lets the hyperplane back. With momentum, lr stands for lr / (1 - momentum).

    Raises
    ------
    ValueError
        For eps from 1/2 on, alpha <= 1/2, numbers that are not positive, and a loss that lets no
        point go, as the squared one: there the others count.
    """
    balance = _Balance(eps, n=n, planted=(sv_pos, sv_neg), gamma=gamma, alpha=alpha, loss=loss)
    lr, l2 = _checks.positive("lr", lr), _checks.at_least_zero("l2", l2)
    return _quadrature_time(
        eps=float(eps), lr=lr, l2=l2, n=balance.n, many=balance.many, few=balance.few,
        gamma=balance.gamma, alpha=float(alpha), loss=loss,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _quadrature_time(
    *, eps: float, lr: float, l2: float, n: int, many: int, few: int, gamma: float, alpha: float,
    loss: Loss,
) -> float:  # fmt: skip
    """Work it out, once for all runs of a setting."""
    balance = _Balance(eps, n=n, planted=(many, few), gamma=gamma, alpha=alpha, loss=loss)
    if balance.equal:
        return 0.0
    last = balance.margin()
    if np.isinf(last) or l2 >= balance.penalty(last):
        return np.inf
    return float(balance.steps(np.array([last]), lr, l2)[0])


def quadrature_curve(
    margins: npt.ArrayLike, *, n: int, sv_pos: int, sv_neg: int, gamma: float, d: int = 2,
    lr: float = 1e-2, alpha: float = 10.0, loss: Loss = LOGISTIC, l2: float = 0.0,
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Predict a run in the limit of `quadrature_time`, at margins m = gamma/2 ||w||.

    Parameters
    ----------
    margins : (k,) array
        All above 0.
    d : int
        Dimension of the points: how the shell is filled depends on it, the run does not.
    n, sv_pos, sv_neg, gamma, lr, alpha, loss, l2
        As in `quadrature_time`.

    Returns
    -------
    steps, distance, accuracy : (k,) arrays
        When the margin is reached, infinite where it is not; the hyperplane's distance b/m then, in
        units of gamma/2; and the accuracy on the shell for w along w_true.

    Raises
    ------
    ValueError
        As in `quadrature_time`, for margins that are not above 0, and d below 1.
    """
    balance = _Balance(0.0, n=n, planted=(sv_pos, sv_neg), gamma=gamma, alpha=alpha, loss=loss)
    lr, l2 = _checks.positive("lr", lr), _checks.at_least_zero("l2", l2)
    d, m = _checks.count("d", d, 1), _checks.finite("margins", margins, 1)
    if (m <= 0).any():
        raise ValueError(f"margins must be above 0, got {m.min():g}")
    distance = balance.bias(m) * (not balance.equal) / m
    inner, outer = gamma / 2, min(alpha * gamma, HALF_WIDTH * np.sqrt(d))
    nodes, weight = _SHELL
    end = np.append(np.clip(distance * inner, inner, outer), outer)[:, None]
    inside = (end - inner)[:, 0] * (slice_area(inner + (end - inner) * (nodes + 1) / 2, d) @ weight)
    return balance.steps(m, lr, l2), distance, 1 - inside[:-1] / inside[-1] / 2


def critical_l2(
    eps: float, *, n: int, sv_pos: int, sv_neg: int, gamma: float, alpha: float = 10.0,
    loss: Loss = LOGISTIC, n_pos: int | None = None, n_neg: int | None = None, d: int = 2,
) -> float:  # fmt: skip
    """Predict the penalty lambda of w from which on the concentrated test is never solved to eps.

    At the minimum of loss + lambda/2 ||w||^2 the hyperplane is at |b| / ||w|| = gamma/2 kappa. With
    the support vectors alone (see `quadrature_time`) the force on w is there balanced by

        lambda = gamma^2 / (4 n m*) [sv_pos s(m* + b) + sv_neg s(m* - b)].

    Parameters
    ----------
    eps, n, sv_pos, sv_neg, gamma, alpha, loss
        As in `quadrature_time`.
    n_pos, n_neg : int, optional
        Points of each class. With them the mean field decides, the population in it.
    d : int
        Their dimension.

    Returns
    -------
    float
        Infinite where as many are planted in either class: the mean bias is 0 then. NaN where the
        mean field finds no rest at that distance, as with wide margins.

    Raises
    ------
    ValueError
        As in `quadrature_time` and `mean_field`, and for classes that do not add up to n.
    """
    balance = _Balance(eps, n=n, planted=(sv_pos, sv_neg), gamma=gamma, alpha=alpha, loss=loss)
    if (n_pos is None) != (n_neg is None) or (
        n_pos is not None and n_neg is not None and n_pos + n_neg != balance.n
    ):
        raise ValueError(f"n_pos and n_neg must add up to n = {n}, got {n_pos!r} and {n_neg!r}")
    if balance.equal:
        return np.inf
    if n_pos is None or n_neg is None:
        last = balance.margin()
        return 0.0 if np.isinf(last) else balance.penalty(last)
    return stationary_l2(
        (n_pos, n_neg), (sv_pos, sv_neg), d=d, gamma=gamma, loss=loss, kappa=balance.kappa
    )


class _Balance:
    """Where planted points of both classes pull alike, at margins m of w alone."""

    def __init__(
        self, eps: float, *, n: int, planted: tuple[int, int], gamma: float, alpha: float,
        loss: Loss,
    ) -> None:  # fmt: skip
        self.kappa = kappa(eps, alpha, most=0.5)
        self.n = _checks.count("n", n, 1)
        names = ("sv_pos", "sv_neg")
        counts = [_checks.count(*one, 1, n) for one in zip(names, planted, strict=True)]
        self.gamma = _checks.positive("gamma", gamma)
        if loss.slope(np.array([1e9]))[0] < 0:
            raise ValueError(
                f"loss must let a point go when its margin is large, got {loss}: use mean_field"
            )
        self.loss, self.many, self.few = loss, max(counts), min(counts)
        self.equal = self.many == self.few

    def bias(self, m: FloatArray) -> FloatArray:
        """Where both classes pull alike, for margins m; by halving, since pulls have kinks."""
        low = np.zeros_like(m)
        high = np.ones_like(m)

        def excess(b: FloatArray) -> FloatArray:
            return self.many * self.loss.slope(m + b) - self.few * self.loss.slope(m - b)

        while (short := (excess(high) > 0) & (high < 1e18)).any():
            high = np.where(short, 2 * high, high)
        for _ in range(80):
            middle = (low + high) / 2
            up = excess(middle) > 0
            low, high = np.where(up, middle, low), np.where(up, high, middle)
        return np.asarray((low + high) / 2)

    def pull(self, m: FloatArray) -> FloatArray:
        """Sum of the pulls of either class there."""
        return np.asarray(self.few * self.loss.slope(m - self.bias(m)))

    def penalty(self, m: float) -> float:
        """Penalty of w that holds the force on it there."""
        return self.gamma**2 / (2 * self.n * m) * float(self.pull(np.array([m]))[0])

    def steps(self, margins: FloatArray, lr: float, l2: float) -> FloatArray:
        """Predict when margins are reached: never, from where the penalty holds the force."""
        scale, (nodes, weight) = lr * self.gamma**2 / (2 * self.n), leggauss(12)
        # Each panel is twice as long as the one before: margins of 1 and of thousands count
        width = 0.5 ** np.append(12, np.arange(12, 0, -1))[:, None]
        nodes = (np.append(0, width[1:])[:, None] + width * (nodes + 1) / 2).ravel()
        weight = (width * weight / 2).ravel()
        if l2 == 0 and self.loss.smooth:
            with np.errstate(divide="ignore"):
                return margins * (1 / self.pull(np.outer(margins, nodes)) @ weight) / scale
        low = high = 1.0
        while self.penalty(high) > l2:
            high *= 2
        while self.penalty(low) <= l2:
            low /= 2
        rest = brentq(lambda m: self.penalty(m) - l2, low, high, xtol=1e-300)
        # The speed is 0 there: in the logarithm of what is left, the integrand is smooth
        with np.errstate(divide="ignore"):
            end = -np.log1p(-np.minimum(margins / rest, 1))
        x = np.outer(np.where(np.isinf(end), 0, end), nodes)
        m, left = -rest * np.expm1(-x), rest * np.exp(-x)
        return np.asarray(end * ((left / (scale * self.pull(m) - lr * l2 * m)) @ weight))

    def margin(self) -> float:
        """m* at which |b| = kappa m; infinite where it is larger at every m."""

        def excess(m: float) -> float:
            return float(self.bias(np.array([m]))[0]) - self.kappa * m

        high = 1.0
        while excess(high) > 0:
            high *= 2
            if high > 1e12:
                return np.inf
        return float(brentq(excess, 1e-12, high, xtol=1e-14))


def _middles(count: int) -> FloatArray:
    """Return normal scores of the middles of so many equal parts."""
    return np.asarray(ndtri((np.arange(count) + 0.5) / count))


def _law(
    field: MeanField, lengths: FloatArray, biases: FloatArray, *, joint: bool = True
) -> tuple[FloatArray, FloatArray]:
    """(|v|/a)^2 and b/a of seeds at normal scores of the one and the other.

    Shapes (k, q) and (k, q, j): b/a depends on both, unless `joint` is false. A seed stays on its
    side of the mean.
    """
    a, b, square = field.along, field.b, field.lateral**2
    # What counts are ratios, and a seed may be off in both parts of them
    zero = np.zeros_like(a)
    by = np.array([[-b / a**2, 1 / a, zero], [-2 * square / a**3, zero, 1 / a**2]])
    scatter = np.einsum("eik,kij,fjk->efk", by, field.covariance, by)
    spread, side = np.sqrt(np.maximum(scatter[[0, 1], [0, 1]], 0)), np.where(b < 0, -1, 1)
    ratio = scatter[0, 1] / np.maximum(spread[0] * spread[1], 1e-300)
    ratio = (np.clip(ratio, -1, 1) * joint)[:, None, None]
    score = ratio * lengths[:, None] + np.sqrt(1 - ratio**2) * side[:, None, None] * biases
    offsets = (b / a)[:, None, None] + spread[0][:, None, None] * score
    return squares(square / a**2, spread[1] ** 2, lengths, field.d - 1), offsets


def _accuracy(
    field: MeanField, alpha: float, lengths: FloatArray, offsets: FloatArray
) -> FloatArray:
    """Accuracy on the shell for (|v|/a)^2 (k, q) and b/a (k, q, j): shape (k, q, j)."""
    lengths = np.sqrt(lengths).reshape(-1, 1)
    result = shell_accuracy(
        1 + 0 * lengths[:, 0], lengths, offsets.reshape(len(lengths), -1), d=field.d,
        gamma=field.gamma, alpha=alpha,
    )  # fmt: skip
    return result.reshape(offsets.shape)


def shell_accuracy(
    along: FloatArray, lengths: FloatArray, biases: FloatArray, *, d: int, gamma: float,
    alpha: float,
) -> FloatArray:  # fmt: skip
    """Accuracy on the shell for lengths (k, q) of v, and biases (k, j): shape (k, q, j)."""
    inner = gamma / 2
    outer = min(_checks.alpha(alpha) * gamma, HALF_WIDTH * np.sqrt(d))
    nodes, weight = _SHELL
    offset = inner + (outer - inner) * (nodes + 1) / 2
    grid, share = lateral_distribution(d)
    length = np.maximum(lengths, 0)[:, :, None] * np.sqrt(lateral_variance(offset, d))
    # A hyperplane that is hardly tilted cuts the shell in a step: a node stands for all of its cell
    cell = weight * (outer - inner) / 2 / np.sqrt(12)
    length = np.maximum(length, (np.abs(along)[:, None] * cell + 1e-300)[:, None])
    weight = weight * slice_area(offset, d)
    # Linear between nodes of the table, which are evenly spaced: there is nothing to search for
    per_length, middle, rise = 1 / (length * (grid[1] - grid[0])), len(grid) // 2, np.diff(share)
    found = np.full((len(along), lengths.shape[1], biases.shape[1]), np.nan)
    known = np.flatnonzero(np.isfinite(along))
    at_once = max(1, _CACHED // (2 * len(nodes) * lengths.shape[1] * biases.shape[1]))
    for k in np.split(known, range(at_once, len(known), at_once)):
        signed = np.stack([biases[k], -biases[k]])[:, :, None, :, None]
        at = (along[k][:, None, None, None] * offset + signed) * per_length[k][:, :, None]
        at += middle
        np.clip(at, 0, len(rise), out=at)
        node = at.astype(np.intp)
        at -= node
        at *= rise.take(node, mode="clip")
        at += share.take(node, mode="clip")
        found[k] = (at[0] + at[1]) @ weight
    return np.asarray(found / (2 * weight.sum()))


def plane_accuracy(
    along: FloatArray, lateral: FloatArray, b: FloatArray, *, d: int, gamma: float, alpha: float
) -> FloatArray:
    """Accuracy on the shell of k hyperplanes, of which w has these components: shape (k,)."""
    parts = along, np.abs(lateral)[:, None], b[:, None]
    return shell_accuracy(*parts, d=d, gamma=gamma, alpha=alpha)[:, 0, 0]


@lru_cache(maxsize=64)
def lateral_distribution(d: int) -> tuple[FloatArray, FloatArray]:
    """Tabulate the distribution of a point in one direction across w_true, in units of its spread.

    A power of 1 - x^2 with the excess kurtosis of a cube in a random direction: -3.6 / (d + 1). It
    is uniform in d = 2, which is exact, and Gaussian in the end.
    """
    k = 5 / 6 * max(d - 2, 0)
    x = np.linspace(-1, 1, 4001)
    return x * np.sqrt(2 * k + 3), betainc(k + 1, k + 1, (1 + x) / 2)
