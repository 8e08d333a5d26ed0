"""The edge: how many planted points a dimension make the true separator the one of maximum margin.

Planted points lie at y w_true·x = gamma/2 with chance positions x' across w_true. Tilting w_true by
a small v, with a bias b, changes their margins by y (v·x' + b), and its own length only in second
order. So w_true is the hyperplane of maximum margin, as assumption 3.1 has it, exactly if no (v, b)
separates the planted points *across* w_true. With n_S of them in d - 1 dimensions that is a matter
of chance at finite d (`separable_share`) and of a threshold in the limit (`edge`).

Above the edge the width of late margins comes to rest (`rest_width`). It diverges there, and with
it the time to solve the concentrated test (`mean_field` with a larger `widest`). Below, descent
ends at another hyperplane (`widest_margin`). The book's page "Derivations: at the limits"
has each step.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize, minimize_scalar, root
from scipy.special import gammaln, log_ndtr, wofz, wrightomega
from scipy.stats import norm

from .. import _checks
from .._checks import FloatArray
from ..cube import Cube
from ..data import planted_sizes
from .population import lateral_variance, projections
from .predictions import plane_accuracy

_FAR = 8  # standard deviations: of what is summed over faces of a cone
_FEW = 120  # rays of a face, up to which an integrand's tails are fat
_GRID = np.linspace(-8, 8, 801)  # of the standard normal xi: margins may be 30 wide
_NEAREST = 1e-4  # to the edge: beyond, the grid is too coarse for the width
_GRID_WEIGHT = norm.pdf(_GRID) / norm.pdf(_GRID).sum()
_SINH = {True: np.linspace(-2.6, 2.6, 33), False: np.linspace(-9, 9, 181)}  # its arguments


def separable_share(sv_pos: int, sv_neg: int, d: int) -> float:
    """Chance that planted points are separable across w_true, and assumption 3.1 is gone.

    It depends on the sizes of the classes, and on the law of x'; here it is exact for Gaussian x',
    and for all in d = 2. Such points are a random projection of a simplex, and a separator is
    missing if a random subspace meets the cone {sum of a class's weights = sum of the other's}:
    Crofton's formula sums the cone's intrinsic volumes, which are products of two integrals.

    Parameters
    ----------
    sv_pos, sv_neg : int
        Planted points of either class.
    d : int
        Dimensions of the data, from 2 on: the points are separated in d - 1.

    Raises
    ------
    ValueError
        For counts below 0 and d < 2.

    Notes
    -----
    A second for a thousand points.
    """
    k, m = _checks.count("sv_pos", sv_pos, 0), _checks.count("sv_neg", sv_neg, 0)
    d, n = _checks.count("d", d, 2), k + m
    if min(k, m) == 0 or n <= d:
        return 1.0
    # Volumes of every other dimension add up to 1/2: the side with the smaller ones is summed
    near, far = (_intrinsic_volume(k, m, q) for q in (d + 1, d + 3))
    more = far > near or (far == 0 and n > (d - 1) * edge(k / n))  # below the largest volume
    # That of dimension 0 is half the share in d = 2, where all orders on a line are as likely
    log_least = gammaln(k + 1) + gammaln(m + 1) - gammaln(n + 1)
    total = float(np.exp(log_least)) if more and d % 2 == 0 else 0.0
    for q in range(d - 1, 1, -2) if more else range(d + 1, n + 1, 2):
        volume = _intrinsic_volume(k, m, q)
        total += volume
        if volume <= 1e-13 * total:
            break
    return float(np.clip(2 * total if more else 1 - 2 * total, 0, 1))


def _intrinsic_volume(k: int, m: int, q: int) -> float:
    """Sum over the cone's faces with q rays, i of class +1: angle inside times angle outside."""
    middle, far = q * k / (k + m), _FAR * np.sqrt(q) / 2 + 5
    i = np.arange(max(1, q - m, int(middle - far)), min(k, q - 1, int(middle + far) + 1) + 1)
    if i.size == 0:
        return 0.0
    i = i[:, None]
    j = q - i

    def log_choose(n: int, some: Any) -> FloatArray:
        return np.asarray(gammaln(n + 1) - gammaln(some + 1) - gammaln(n - some + 1))

    def mills(x: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-(x**2) / 2 - log_ndtr(x)) / np.sqrt(2 * np.pi))

    # Inside: sums of half normals of both classes are equal. An integral up the imaginary axis, or
    # beside it, where the integrand is least on the real axis
    s = np.zeros(i.shape)
    for _ in range(20):
        up, down = mills(s), mills(-s)
        curved = q - i * up * (s + up) - j * down * (down - s)
        s = s - np.clip((q * s + i * up - j * down) / curved, -0.5, 0.5)
    x = _SINH[q > _FEW]  # nearly a Gaussian, or one with fat tails
    step = (x[1] - x[0]) * np.cosh(x)
    path = s + 1j * np.sinh(x) / np.sqrt(curved)
    log_moment = i * np.log(wofz(-1j * path / np.sqrt(2)) / 2)
    log_moment = log_moment + j * np.log(wofz(1j * path / np.sqrt(2)) / 2)
    top = log_moment.real.max(axis=1, keepdims=True)
    total = (np.exp(log_moment - top).real * step).sum(axis=1, keepdims=True) / np.sqrt(curved)
    inside = top + np.log(np.maximum(total, 1e-300) * np.sqrt(q / (2 * np.pi)))
    if q == 2:  # half of a line; the integrand's tail is too fat for the grid
        inside = np.log(np.full(i.shape, 0.5))
    # Outside: all other rays fall on their class's side of a Gaussian threshold
    z, root_q = np.zeros(i.shape), np.sqrt(q)
    for _ in range(20):
        x = z / root_q
        up, down = mills(x), mills(-x)
        force = -z + ((k - i) * up - (m - j) * down) / root_q
        curved = 1 + ((k - i) * up * (x + up) + (m - j) * down * (down - x)) / q
        z = z + np.clip(force / curved, -root_q / 2, root_q / 2)
    wide = np.linspace(-8, 8, 33)
    x = z + wide / np.sqrt(curved)
    log_all = -(x**2) / 2 + (k - i) * log_ndtr(x / root_q) + (m - j) * log_ndtr(-x / root_q)
    top = log_all.max(axis=1, keepdims=True)
    total = np.exp(log_all - top).sum(axis=1, keepdims=True) * 0.5 / np.sqrt(2 * np.pi * curved)
    outside = top + np.log(total)
    return float(np.exp(log_choose(k, i) + log_choose(m, j) + inside + outside).sum())


def edge(share: float = 0.5) -> float:
    """Planted points a dimension, n_S / (d - 1), below which they are separable in the limit.

    One over the smallest mean of max(z - y t, 0)^2 over t, with z standard normal: the threshold of
    Candes and Sur (arXiv 1804.09753) for labels that tell nothing of the points, y = +1 for a
    `share` of them. It is 2 for equal classes.

    Raises
    ------
    ValueError
        For a share that is not above 0 and below 1.
    """
    return 1 / _most(_checked_share(share))[0]


def rest_width(load: float, share: float = 0.5) -> float:
    """Width at which late margins of planted points come to rest, sqrt(V) |v|: the mean field's.

    With the exponential tail of the loss, and omega e^omega = e^(c - y b - sigma xi) by Wright's
    function: load = E[omega / (1 + omega)], load sigma^2 = E[omega^2], and both classes pull alike.
    Towards the edge h = 1 / edge(share) it diverges like sqrt(D / (h - load)); D = 0.857 for equal
    classes.

    Parameters
    ----------
    load : float
        Dimensions across a planted point, (d - 1) / n_S.
    share : float
        Of class +1 among them.

    Raises
    ------
    ValueError
        For a load that is not above 0 and at least 1e-4 below 1 / edge(share), where the width is
        some hundred, and a share as in `edge`.
    """
    share = _checked_share(share)
    most, tilt = _most(share)
    if not 0 < _checks.number("load", load) <= most - _NEAREST:
        raise ValueError(
            f"load must be above 0 and at most 1 / edge - {_NEAREST:g} = {most - _NEAREST:.6g}, "
            f"got {load!r}"
        )
    weight = np.array([[share], [1 - share]]) * _GRID_WEIGHT

    def lack(x: FloatArray) -> FloatArray:
        sigma = np.exp(x[0])
        own = np.real(wrightomega(x[1] - np.array([[x[2]], [-x[2]]]) - sigma * _GRID))
        sides = (weight * own).sum(axis=1)
        return np.array([
            (weight * own / (1 + own)).sum() / load - 1,
            (weight * own**2).sum() / (load * sigma**2) - 1, sides[0] / sides[1] - 1,
        ])  # fmt: skip

    # From what is known of both ends
    sigma = np.sqrt(load + 0.86 * load**2 / (most**2 * (most - load)))
    start = [np.log(sigma), np.log(load * (1 + 2 * sigma)), np.log(share / (1 - share)) / 2]
    start[2] += tilt * max(sigma - 1, 0)
    found = root(lack, start, tol=1e-12)
    if not np.abs(found.fun).max() <= 1e-8:
        raise RuntimeError(f"no rest found at load {load:g} and share {share:g}: {found.message}")
    return float(np.exp(found.x[0]))


@dataclass(frozen=True)
class Widest:
    """Hyperplane of maximum margin in the limit of many dimensions.

    Attributes
    ----------
    margin : float
        Its full width.
    angle : float
        Between its normal and w_true, in rad: 0 above the edge.
    b : float
        Its bias, for w of length 1.
    accuracy : float
        On the concentrated test.
    """

    margin: float
    angle: float
    b: float
    accuracy: float


def widest_margin(
    n_pos: int, n_neg: int, *, sv_pos: int, sv_neg: int, d: int, gamma: float, alpha: float = 10.0
) -> Widest:
    """Predict the maximum margin of `sample_standard` data, d being proportional to the points.

    By Gordon's comparison: at the angle phi to w_true all margins can be half a width k wide if

        (d - 1) / n sin(phi)^2 >= <max((k - cos(phi) u - y b) / sqrt(V) - sin(phi) xi, 0)^2>

    and k is the largest over phi and b. Descent ends there.

    Parameters
    ----------
    n_pos, n_neg, sv_pos, sv_neg, d, gamma
        As in `sample_standard`, but for a point of each class at least, and d from 2 on.
    alpha : float
        As in `sample_concentrated`.

    Raises
    ------
    ValueError
        As in `sample_standard`, and for an empty class, from which nothing bounds the margin.
    """
    for name, many in (("n_pos", n_pos), ("n_neg", n_neg)):
        _checks.count(name, many, 1)
    sizes, planted = planted_sizes(n_pos, n_neg, sv_pos, sv_neg)
    cube = Cube(_checks.count("d", d, 2), gamma)
    d, gamma, n, half = cube.d, cube.gamma, sum(sizes), cube.gamma / 2
    nodes, density = projections(d, gamma)
    u = np.append(half, nodes)
    share = np.vstack([planted, np.outer(density, np.subtract(sizes, planted))]) / n
    root_v = np.sqrt(np.maximum(lateral_variance(u, d), 1e-12))[:, None]
    y, u = np.array([1.0, -1.0]), u[:, None]

    def width(x: FloatArray) -> float:
        """Half the margin at the angle of tangent e^x0, with the bias x1 in its units."""
        angle = np.arctan(np.exp(x[0]))
        across = np.sin(angle) * root_v
        room, b = (d - 1) / n, x[1] * across[0, 0]

        def excess(k: float) -> float:
            lack = (k - np.cos(angle) * u - y * b) / across
            return float((share * mean_square(lack)).sum()) - room

        reach = across[0, 0] * (1 + abs(x[1]))
        low, high = half - reach, half + reach
        while excess(low) > 0:
            low, reach = low - reach, 2 * reach
        while excess(high) < 0:
            high += reach
        return float(brentq(excess, low, high, xtol=1e-6 * half))

    # With the bias of the edge to start with, which is not 0 for unequal classes
    tilt = _most(planted[0] / sum(planted))[1] if min(planted) > 0 else 0.0
    starts = [np.array([t, tilt]) for t in np.linspace(-9, 1, 41)]
    start = max(starts, key=width)
    options: Any = {"xatol": 1e-5, "fatol": 1e-9, "initial_simplex": start + 0.2 * np.eye(3, 2)}
    found = minimize(  # type: ignore[call-overload]
        lambda x: -width(x) / half, start, method="Nelder-Mead", options=options
    )
    k, angle = width(found.x), float(np.arctan(np.exp(found.x[0])))
    if k <= half * (1 + 1e-6):
        return Widest(gamma, 0.0, 0.0, 1.0)
    b = float(found.x[1] * np.sin(angle) * root_v[0, 0])
    plane = np.array([[np.cos(angle)], [np.sin(angle)], [b]])
    (right,) = plane_accuracy(*plane, d=d, gamma=gamma, alpha=alpha)
    return Widest(2 * k, angle, b, float(right))


def _checked_share(share: float) -> float:
    if not 0 < _checks.number("share", share) < 1:
        raise ValueError(f"share must be above 0 and below 1, got {share!r}")
    return float(share)


def mean_square(x: FloatArray) -> FloatArray:
    """Mean of max(x - z, 0)^2 over a standard normal z."""
    return np.asarray((1 + x**2) * norm.cdf(x) + x * norm.pdf(x))


def _most(share: float) -> tuple[float, float]:
    """Largest load without a separator across, and the threshold t there."""

    def mean(t: float) -> float:
        return float(np.array([share, 1 - share]) @ mean_square(np.array([-t, t])))

    best = minimize_scalar(mean, bounds=(-40, 40), method="bounded", options={"xatol": 1e-10}).x
    return mean(best), best
