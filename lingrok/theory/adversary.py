"""What the mean field says about accuracies under attack, in every dimension.

Write w = a w_true + l e, with e of length 1 and across w_true. What a ball of radius epsilon in the
l_inf norm takes from a margin is found at corners that move the m coordinates of largest e_i down
and the others up. Such a corner costs a point s_m = epsilon (2 m - d) / sqrt(d) of its projection,
and sideways it takes l T_m, where T_m is 2 epsilon times the sum of the m largest e_i. Between
corners both are linear. So with T(s) through these knots, the whole ball takes

    a s + l T(s),    s = min(s_P, slack).

P is the number of positive weights; slack is u - c gamma/2 where the label is kept, u = y w_true·x
being the point's projection, and infinite where it need not be. T depends on neither step nor
point. Under the attack a point is right if

    a (u - s) + y b + l y e·x > l T(s).

u has the known density of the test, e·x a known variance; (a, b) are Gaussian over seeds, and by
the envelope theorem their deviations enter by (u - s, y). PGD with a rounded gradient leaves alone
what has a margin from some edge on: a point is right beyond the edge, too. Clipping gives back what
coordinates near a face can't move, in the mean over points of the same u; of those with positive
weights, since there are hardly others where it matters.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from .. import _checks
from .._checks import FloatArray
from ..cube import HALF_WIDTH
from ..rounding import pull, vanishing_margin
from .meanfield import MeanField
from .population import FARTHEST, beyond, lateral_variance, slice_area
from .spread import squares

_CELLS = 192  # over the projections of a test
_DRAWS = 24  # of e and l
_LARGEST = 1e100  # epsilon, beyond which squares overflow; it takes all there is long before


def predicted_adversarial_accuracy(
    field: MeanField, *, epsilon: float, test: str = "standard", preserve_label: bool = False,
    clearance: float = 1.0, alpha: float = 10.0, method: str = "exact", pgd_steps: int = 20,
    pgd_step: float = 0.25, pgd_dtype: npt.DTypeLike | None = None, pgd_formula: str = "difference",
    clip: tuple[float, float] | None = None,
) -> FloatArray:  # fmt: skip
    """Predict the accuracy under an attack in the l_inf ball, shape (k,): its mean over seeds.

    No run, no test point: the mean field has the hyperplanes, and the cube the points.

    Parameters
    ----------
    field : MeanField
    epsilon, preserve_label, clearance, method, pgd_steps, pgd_step, pgd_dtype, pgd_formula, clip
        As in `adversarial_accuracy`.
    test : {"standard", "concentrated"}
        Which points are attacked.
    alpha : float
        Of the concentrated test, as in `sample_concentrated`.

    Returns
    -------
    (k,) array
        NaN where the theory has ended. For the same field it is that of many `MeanField.draw` to
        0.01, mostly to 0.003: directions across w_true are averaged over 24 fixed draws.

    Raises
    ------
    ValueError
        For bad arguments as there; for an unknown test, alpha <= 1/2, a clip that cuts the cube;
        and for labels that are kept by PGD or with a clip, for which there is no formula.
    """
    _checks.one_of("test", test, ("standard", "concentrated"))
    _checks.one_of("method", method, ("exact", "pgd"))
    _checks.one_of("preserve_label", preserve_label, (True, False))
    epsilon = min(_checks.at_least_zero("epsilon", epsilon), _LARGEST)
    alpha = _checks.alpha(alpha)
    clearance = _checks.at_least_zero("clearance", clearance)
    if clearance > 1:
        raise ValueError(f"clearance must be from 0 to 1, got {clearance!r}")
    if preserve_label and (method == "pgd" or clip is not None):
        raise ValueError(
            f"preserve_label must be False by PGD and with a clip, got {preserve_label!r}"
        )
    edges = [np.inf, np.inf]
    if method == "pgd":
        length = _checks.positive("pgd_step", pgd_step) * _checks.count("pgd_steps", pgd_steps, 1)
        epsilon = min(epsilon, length)
        pull(1.0, formula=pgd_formula, dtype=np.float64 if pgd_dtype is None else pgd_dtype)
        if pgd_dtype is not None:
            edges = [vanishing_margin(pgd_formula, dtype=pgd_dtype, y=y) for y in (1.0, -1.0)]
    d, root = field.d, np.sqrt(field.d)
    u, weight, variance = _points(d, field.gamma, alpha if test == "concentrated" else np.inf)
    saved = (np.zeros_like(u), np.zeros_like(u))
    if clip is not None:
        low, high = _clipping(clip)
        saved = beyond(u, d, epsilon + low), beyond(u, d, epsilon - high)
    slack = u - clearance * field.gamma / 2 if preserve_label else np.inf
    knots = epsilon * (2 * np.arange(d + 1) - d) / root
    # What (a, b) do with the length across, by its normal score, and what is left to them
    varying = np.sqrt(np.maximum(field.covariance[:, 2, 2], 1e-300))[:, None]
    together = field.covariance[:, :2, 2] / varying
    covariance = field.covariance[:, :2, :2] - together[:, :, None] * together[:, None]
    covariance, together = covariance.transpose(1, 2, 0)[..., None], together.T[..., None]
    right = np.zeros(len(field.b))
    for across, score in zip(*_draws(d), strict=True):
        a, b = field.along[:, None] + together[0] * score, field.b[:, None] + together[1] * score
        tilt = np.sqrt(
            squares(field.lateral**2, field.covariance[:, 2, 2], np.array([score]), d - 1)
        )
        # A point's lateral part: a uniform and a Gaussian one, with the kurtosis of the cube
        flat = min(1.0, np.sqrt((across**4).sum() * d / max(d - 1, 1)))
        weights = a / root + tilt * across
        s = np.minimum(slack, knots[np.count_nonzero(weights > 0, axis=1)][:, None])
        gain = 2 * epsilon * np.append(0, np.cumsum(across))
        taken = a * s + tilt * np.interp(s, knots, gain)
        size = np.maximum(weights, 0).sum(axis=1)[:, None]
        for y, edge, kept in zip((1.0, -1.0), edges, saved, strict=True):
            loss = taken - size * kept
            margin = a * u + y * b - np.minimum(loss, edge)
            q = u - s * (loss <= edge)  # what a deviation of a is multiplied by
            sd = covariance[0, 0] * q**2 + 2 * y * covariance[0, 1] * q + covariance[1, 1]
            sd += tilt**2 * variance * (1 - flat) + _step(margin) ** 2 / 12
            width = tilt * np.sqrt(3 * flat * variance)
            right += _chance(margin, width, np.sqrt(np.maximum(sd, 1e-300))) @ weight
    return np.asarray(right / (2 * _DRAWS))


def _clipping(clip: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of a range that holds the cube."""
    ends = _checks.finite("clip", clip, 1)
    if len(ends) != 2 or ends[0] > -HALF_WIDTH or ends[1] < HALF_WIDTH:
        raise ValueError(f"clip must be (low, high) about the cube, -5 to 5, got {clip!r}")
    return float(ends[0]), float(ends[1])


def _step(margin: FloatArray) -> FloatArray:
    """How much a margin changes over a cell; at a bend, on its flatter side."""
    change = np.abs(np.diff(margin, axis=1))
    inside = np.minimum(change[:, 1:], change[:, :-1])
    return np.concatenate([change[:, :1], inside, change[:, -1:]], axis=1)


def _chance(x: FloatArray, width: FloatArray, sd: FloatArray) -> FloatArray:
    """Chance that x + a uniform number in +-width + a Gaussian one of that sd is above 0."""
    width = np.maximum(width, 1e-3 * sd)
    chance = np.where(x > 0, 1.0, 0.0)
    near = ~(np.abs(x) > width + 8 * sd)  # or not a number
    x, width, sd = x[near], width[near], sd[near]

    def integral(t: FloatArray) -> FloatArray:
        return np.asarray(t * ndtr(t) + np.exp(-(t**2) / 2) / np.sqrt(2 * np.pi))

    rise = integral((x + width) / sd) - integral((x - width) / sd)
    chance[near] = rise * sd / (2 * width)
    return chance


@lru_cache(maxsize=64)
def _points(d: int, gamma: float, alpha: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Projections in the middles of cells, narrower near the gap; their shares; variances there."""
    inner = gamma / 2
    outer = min(alpha * gamma, HALF_WIDTH * np.sqrt(d), inner + FARTHEST)
    edges = np.linspace(inner, outer, 4001)
    mass = np.append(0, np.cumsum(slice_area((edges[1:] + edges[:-1]) / 2, d)))
    shares = (np.arange(_CELLS + 1) / _CELLS) ** 1.5
    u = np.interp((shares[1:] + shares[:-1]) / 2 * mass[-1], mass, edges)
    return u, np.diff(shares), lateral_variance(u, d)


@lru_cache(maxsize=64)
def _draws(d: int) -> tuple[FloatArray, FloatArray]:
    """Directions e, the largest component first, and normal scores of the lengths."""
    if d == 1:
        return np.zeros((_DRAWS, 1)), np.zeros(_DRAWS)
    rng = np.random.default_rng(0)
    e = rng.standard_normal((_DRAWS // 2 * 15, d))
    e -= e.mean(axis=1, keepdims=True)
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    e = -np.sort(-e, axis=1)
    e = e[np.argsort(e[:, : d // 2].sum(axis=1))[7::15]]  # T(0), the most that attacks feel of e
    e = np.concatenate([e, -e[:, ::-1]])
    return e, ndtri((rng.permutation(_DRAWS) + 0.5) / _DRAWS)
