"""Where descent ends when some labels are wrong: the law of the minimum over seeds.

Wrong labels bound the length of w: a point on the wrong side at the distance h pulls back by h, and
the points around the separator hold against it. With few wrong labels their distances are a matter
of luck, and so is the minimum; so the theory draws *them*, and takes all other points as averages
of the mean field, at rest. Around it (a, b) are Gaussian, by linear response to the sample.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.optimize import minimize_scalar, root
from scipy.stats import norm, qmc

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..cube import Cube
from ..data import planted_sizes
from .edge import mean_square
from .meanfield import System
from .predictions import plane_accuracy

_STARTS = 10.0 ** np.arange(0, 6.5, 0.5)  # lengths of w from which the rest is looked for
_FOUND = 1e-7  # relative lack of balance
_AROUND = 16  # draws around each state of rest


@dataclass(frozen=True, eq=False)
class NoiseLaw:
    """Minima as the theory draws them.

    Attributes
    ----------
    d : int
    gamma : float
        Of the setting.
    along : (draws,) array
        Component of w along w_true; infinite where the points stay separable.
    b : (draws,) array
        Bias.
    lateral : (draws,) array
        Length of w's part across w_true.
    """

    d: int
    gamma: float
    along: FloatArray
    b: FloatArray
    lateral: FloatArray

    @cached_property
    def norm(self) -> FloatArray:
        """Length of w, shape (draws,)."""
        return np.hypot(self.along, self.lateral)

    def accuracy(self, alpha: float = 10.0) -> FloatArray:
        """Accuracy on the concentrated test, shape (draws,)."""
        planes = self.along, self.lateral, self.b
        found = plane_accuracy(*planes, d=self.d, gamma=self.gamma, alpha=alpha)
        return np.where(np.isfinite(self.along), found, 1.0)


@traced
def noise_law(
    n_pos: int, n_neg: int, flips: int, *, sv_pos: int = 0, sv_neg: int = 0, d: int = 2,
    gamma: float = 1e-3, draws: int = 4096, seed: int = 0,
) -> NoiseLaw:  # fmt: skip
    """Predict the law over seeds of the minimum of `sample_standard` data with wrong labels.

    Parameters
    ----------
    n_pos, n_neg, sv_pos, sv_neg, d, gamma
        As in `sample_standard`.
    flips : int
        As in `flip_labels`, from 1 on.
    draws : int
        How many minima; 16 of them share the wrong points.
    seed : int
        Of the draws.

    Raises
    ------
    ValueError
        As in `sample_standard` and `flip_labels`, and for no flips, since the minimum is then at
        infinity.

    Notes
    -----
    Some 30 ms for 16 draws. Wrong points' projections are stratified over them.
    """
    sizes, planted = planted_sizes(n_pos, n_neg, sv_pos, sv_neg)
    cube, rest = Cube(d, gamma), np.subtract(sizes, planted)
    flips = _checks.count("flips", flips, 1, int(rest.sum()))
    states = -(-_checks.count("draws", draws, 1) // _AROUND)
    rng = np.random.default_rng(_checks.count("seed", seed))
    clean = System(sizes, planted, d=cube.d, gamma=cube.gamma, lr=1.0, bias=True)
    u, density = clean.u[2::2], clean.share[2::2] + clean.share[3::2]
    # At a node, half of its own weight is below
    below = (np.cumsum(density) - density / 2) / density.sum()
    strata = qmc.LatinHypercube(flips, rng=rng).random(states)
    found, start = np.empty((3, states, _AROUND)), None
    for i in range(states):
        of_first = rng.hypergeometric(int(rest[0]), int(rest[1]), flips)
        wrong = np.interp(strata[i], below, u)
        y = np.where(np.arange(flips) < of_first, 1.0, -1.0)
        order = np.argsort(wrong)
        system = copy(clean)
        system.flip(wrong[order], rng.permuted(y), np.full(flips, 1 / system.n))
        start = _at_rest(system, start)
        if start is None:
            found[:, i] = np.array([[np.inf], [0], [0]])
            continue
        a, b = start[:2]
        noise = rng.multivariate_normal(np.zeros(2), _scatter(system, start), _AROUND).T
        # A length: its logarithm is nearer to a Gaussian
        found[:2, i] = a * np.exp(noise[0] / a), b + noise[1]
        chi = rng.chisquare(d - 1, _AROUND) / (d - 1) if d > 1 else np.zeros(_AROUND)
        found[2, i] = np.sqrt(start[2] * chi)
    along, b, lateral = found.reshape(3, -1)[:, :draws]
    return NoiseLaw(d=cube.d, gamma=cube.gamma, along=along, b=b, lateral=lateral)


def _at_rest(system: System, start: FloatArray | None) -> FloatArray | None:
    """Find (a, b, |v|^2, theta) at which nothing moves; None where there is no such state."""
    flat = system.lateral == 0

    def state(x: FloatArray) -> FloatArray:
        return np.array([np.exp(x[0]), x[1], np.exp(x[2]) * (not flat), np.exp(x[3])])

    def lack(x: FloatArray) -> FloatArray:
        """Relative lack of balance in each equation; lengths are positive, by logarithms."""
        _, _, square, theta = now = state(x)
        near, pull, curved, squared = system.means(now)
        share, lateral = system.share[near], system.share[near] * system.variance[near]
        along, bias = system.sides[:, near] @ (share * pull)
        outwards = np.maximum(system.u[near], 0) @ (share * pull)
        curvature = lateral @ curved
        kicks = system.load * theta * (lateral @ squared)
        across = x[2:] if flat else [kicks / (curvature * square) - 1, curvature * theta - 1]
        return np.array([along / outwards, bias / (share @ pull), *across])

    def narrow(a: float) -> FloatArray:
        """Guess for such a length, with a cloud around w_true so narrow that no point feels it."""
        near, _, curved, squared = system.means(np.array([a, 0.0, 0.0, 0.0]))
        lateral = system.share[near] * system.variance[near]
        theta = 1 / max(float(lateral @ curved), 1e-100)
        square = system.load * theta**2 * float(lateral @ squared)
        return np.array([a, 0.0, square, theta])

    last = [] if start is None else [start]
    for guess in chain(last, map(narrow, _STARTS)):
        x = np.zeros(4) if flat else np.log(np.maximum(guess, 1e-300))
        x[0], x[1] = np.log(guess[0]), guess[1]
        with np.errstate(all="ignore"):  # far away it may leave the range of floats
            found = root(lack, x, tol=1e-10)
            if np.abs(found.fun).max() <= _FOUND:
                return state(found.x)
    return None


def _scatter(system: System, state: FloatArray) -> FloatArray:
    """Covariance of (a, b) over seeds around a state of rest, wrong points held.

    Without what pushes b from across, which is small here: |v| does not grow with time.
    """
    near, pull, curved, _ = system.means(state)
    share, sides = system.share[near], system.sides[:, near]
    force = np.zeros((2, 2))
    for rows in system.bulk[:2]:
        weight = system.share[rows]
        whole = np.zeros((2, len(system.u)))
        whole[:, near] = sides * pull
        away = whole[:, rows] - (whole[:, rows] @ weight / max(weight.sum(), 1e-300))[:, None]
        force += (away * weight) @ away.T / system.n
    response = np.linalg.inv((sides * (share * curved)) @ sides.T)
    return np.asarray(response @ force @ response)


def separability_threshold(share: float) -> float:
    """Dimensions a point, d / n, from which on points are separable though labels are wrong.

    The threshold of Candes and Sur (arXiv 1804.09753) for a label that is the sign of w_true·x with
    the probability 1 - share: the smallest mean of max(z - t u, 0)^2 over t, where z is standard
    normal and u the projection, with its label's sign, in units of its spread. In the limit of many
    dimensions u is Gaussian but for that sign, in a cube as well.

    Raises
    ------
    ValueError
        For a share outside of [0, 1/2].
    """
    if not 0 <= _checks.number("share", share) <= 0.5:
        raise ValueError(f"share must be from 0 to 1/2, got {share!r}")
    nodes, weight = leggauss(200)
    u, weight = 5 * (nodes + 1), 5 * weight * 2 * norm.pdf(5 * (nodes + 1))

    def mean(t: float) -> float:
        square = mean_square(t * np.array([[-1.0], [1.0]]) * u)
        return float(np.array([1 - share, share]) @ square @ weight)

    return mean(minimize_scalar(mean, bounds=(0, 1e3), method="bounded").x)
