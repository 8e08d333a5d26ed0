"""Without planting: the closest points of a sample decide, and the law of what they decide.

Points of a class near the separator are a Poisson process: at the rate n rho along w_true, where
rho is the density of a class's projections there, and spread across it like a slice of the cube.
The hyperplane of maximum margin rests on d + 1 of them and misses the origin by about 1 / (n rho):
so the concentrated accuracy stalls, and b grows like log t. Where it leaves no point, Gamma(d + 1)
were to be expected, whatever the shape of that region, see `swept`.

In two dimensions the way there is drawn as well. The closest points of each class are drawn one by
one, and of all others how many are in each of some cells. With z the margins, s the pulls, and sums
over points, descent is taken along a = w·w_true, v being the part of w across:

    db/da = sum y s / sum u s,    dv/da = sum y x' s / sum u s,    dtau/da = n / sum u s.

Since u << 1 for the points that count, b and v are in balance all the time but at the very start.
The book's page "Derivations: at the limits" has each step and the number that tests it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import cumulative_trapezoid
from scipy.special import expit

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..cube import HALF_WIDTH, Cube, fill_slices
from ..data import Dataset, class_sizes
from ..measures import crossing_time
from .margin import max_margin
from .population import FARTHEST, lateral_variance, slice_area
from .predictions import lateral_distribution, plane_accuracy

_CORNER = HALF_WIDTH * np.sqrt(2)  # of the square: the largest projection, and half of the diagonal
_NEAREST, _A_DIMENSION = 48, 24  # points of a class that are drawn one by one, at least
_BINS, _ACROSS = 16, 6  # cells of all others, along w_true and across it
_AT_ONCE = 64  # draws: their points fit into a cache
_FIRST, _LAST, _PATH = 5e-3, 36.0, 84  # first length of w, last margin, and how many lengths
_NEGLIGIBLE = 45.0  # a margin whose pull is below 1e-19
_NEWTON = 12  # steps of his iteration, of which one or two are usual
_CLOSE = 1e-2  # change of a margin at which Newton's iteration is done: it then squares it

Points = tuple[FloatArray, FloatArray, FloatArray]  # projections, lateral parts, weights


@dataclass(frozen=True, eq=False)
class UnplantedLaw:
    """Runs without planted points, as the theory draws them.

    Attributes
    ----------
    d : int
    gamma : float
        Of the setting.
    half_margin : (draws,) array
        Distance of the closest points from the hyperplane of maximum margin, where descent ends.
    offset : (draws,) array
        Its b / ||w||: b grows like offset / half_margin * log t.
    angle : (draws,) array
        Between its normal and w_true in rad.
    steps : (draws, k) array
        When the path passes its points; k is 0 but in two dimensions.
    along, b, lateral : (draws, k) arrays
        There, the component of w along w_true, the bias, and the component across.
    """

    d: int
    gamma: float
    half_margin: FloatArray
    offset: FloatArray
    angle: FloatArray
    steps: FloatArray
    along: FloatArray
    b: FloatArray
    lateral: FloatArray

    def accuracy(self, alpha: float = 10.0) -> FloatArray:
        """Accuracy on the concentrated test in the end, shape (draws,)."""
        return self._shell(np.cos(self.angle), np.sin(self.angle), self.offset, alpha)

    def at(self, step: float) -> tuple[FloatArray, FloatArray]:
        """Length of w and bias at a step, shape (draws,) each.

        Raises
        ------
        ValueError
            Where the path was not drawn, as in `time`, and for a step that is not from 1 to where
            the first of the paths ends, with a margin of 36.
        """
        self._need_path()
        last = float(self.steps[:, -1].min())
        if not 1 <= _checks.number("step", step) <= last:
            raise ValueError(f"step must be from 1 to {last:.3g}, where a path ends, got {step!r}")
        lengths = np.hypot(self.along, self.lateral)
        times, now = np.log(self.steps), np.log(step)
        # Early, the length is a power of time; b goes along with it
        norm, distance = (
            np.array([np.interp(now, *one) for one in zip(times, curves, strict=True)])
            for curves in (np.log(lengths), self.b / lengths)
        )
        return np.exp(norm), np.exp(norm) * distance

    def time(self, level: npt.ArrayLike = 0.75, alpha: float = 10.0) -> FloatArray:
        """Step from which on the concentrated accuracy is above a level; infinite if never.

        The first step, 1, where it always is. Shape (draws,), for several levels (levels, draws).
        """
        self._need_path()
        levels = _checks.finite("level", np.atleast_1d(level), 1)
        if not np.all((levels > 0) & (levels < 1)):
            raise ValueError(f"level must be above 0 and below 1, got {level!r}")
        paths = zip(self.along, self.lateral, self.b, strict=True)
        wrong = [1 - self._shell(*parts, alpha) for parts in paths]
        found = [
            [crossing_time(*one, 1 - each) for one in zip(self.steps, wrong, strict=True)]
            for each in levels
        ]
        times = np.maximum(found, 1)
        return times if np.ndim(level) else times[0]

    def _need_path(self) -> None:
        if not self.steps.shape[1]:
            raise ValueError(f"path must be drawn for this, in d = 2, got none in d = {self.d}")

    def _shell(
        self, along: FloatArray, lateral: FloatArray, b: FloatArray, alpha: float
    ) -> FloatArray:
        return plane_accuracy(along, lateral, b, d=self.d, gamma=self.gamma, alpha=alpha)


@traced
def unplanted_law(
    n_pos: int, n_neg: int, *, d: int = 2, gamma: float = 1e-3, lr: float = 1e-2,
    draws: int = 4096, seed: int = 0, path: bool = True,
) -> UnplantedLaw:  # fmt: skip
    """Predict the law over seeds of descent on `sample_standard` data with nothing planted.

    Parameters
    ----------
    n_pos, n_neg, d, gamma
        As in `sample_standard`, but for a point of each class at least.
    lr : float
        Rate for the mean of the losses.
    draws : int
        How many.
    seed : int
        Of the draws.
    path : bool
        Whether the way to the end is drawn as well, in two dimensions; else k is 0.

    Raises
    ------
    ValueError
        As in `sample_standard`, and for an empty class.

    Notes
    -----
    A millisecond a draw in two dimensions, a tenth of it without the path; in others a draw takes
    what `max_margin` takes for 48 d points. Only n_pos gamma rho, n_neg gamma rho count for what
    happens at which margin, in units of gamma, and steps are in units of n / (lr gamma^2).
    """
    sizes = class_sizes(_checks.count("n_pos", n_pos, 1), _checks.count("n_neg", n_neg, 1))
    cube, lr = Cube(d, gamma), _checks.positive("lr", lr)
    draws = _checks.count("draws", draws, 1)
    rng = np.random.default_rng(_checks.count("seed", seed))
    _checks.one_of("path", path, (True, False))
    if cube.d != 2:
        ends = np.array([_end(rng, sizes, cube) for _ in range(draws)])
        return UnplantedLaw(cube.d, cube.gamma, *ends.T, *np.empty((4, draws, 0)))
    parts = []
    for start in range(0, draws, _AT_ONCE):
        count = min(_AT_ONCE, draws - start)
        points = [_drawn(rng, n, cube.inner, count) for n in sizes]
        end = widest(*points)
        way = descent_path(points, end[0], lr / sum(sizes)) if path else np.empty((4, count, 0))
        parts.append((*end, *way))
    return UnplantedLaw(2, cube.gamma, *map(np.concatenate, zip(*parts, strict=True)))


def swept(
    half_margin: FloatArray, offset: FloatArray, angle: FloatArray, *, n_pos: int, n_neg: int,
    gamma: float, d: int = 2,
) -> FloatArray:  # fmt: skip
    """Count the points to be expected where the hyperplane leaves none, in the limit of many.

    With c = half_margin - gamma/2 -+ offset its distance from the gap on either side, t = tan
    angle, and x' a slice's lateral part, n rho <max(c + t x', 0)>, added over the classes. Over
    seeds its law is Gamma(d + 1).
    """
    table = lateral_distribution(d)
    x = np.interp((np.arange(400) + 0.5) / 400, *table[::-1])
    x = x * np.sqrt(lateral_variance(np.zeros(1), d))
    height = half_margin[:, None] - gamma / 2 + np.tan(angle)[:, None] * x  # even in x
    rate = 2 * slice_area(np.zeros(1), d)[0]
    expected = np.zeros(len(height))
    for n, away in ((n_pos, -offset), (n_neg, offset)):
        expected += n * rate * np.maximum(height + away[:, None], 0).mean(axis=1)
    return expected


def _drawn(rng: np.random.Generator, n: int, inner: float, draws: int) -> Points:
    """Draw a class in the square: its closest points, and how many of the others are in cells.

    The share of a triangle that is closer than u is 1 - ((corner - u) / (corner - inner))^2.
    """
    k = min(n, _NEAREST)
    arrivals = rng.standard_exponential((draws, k)).cumsum(axis=1)
    total = arrivals[:, -1:] + rng.standard_gamma(n + 1 - k, (draws, 1))
    u = _CORNER - (_CORNER - inner) * np.sqrt(1 - arrivals / total)
    x = (_CORNER - u) * rng.uniform(-1, 1, u.shape)
    if n == k:
        return u, x, np.ones_like(u)
    last = u[:, -1:]
    left = _CORNER - last * (_CORNER / last) ** (np.arange(_BINS + 1) / _BINS)
    share = np.repeat(-np.diff(left**2, axis=1) / _ACROSS, _ACROSS, axis=1)
    counts = rng.multinomial(n - k, share / share.sum(axis=1, keepdims=True))
    centre = np.repeat(np.diff(left**3, axis=1) / np.diff(left**2, axis=1) * 2 / 3, _ACROSS, axis=1)
    across = (2 * np.arange(_ACROSS) + 1) / _ACROSS - 1
    across = np.tile(across / np.sqrt(1 - _ACROSS**-2), _BINS)  # with a uniform one's variance
    parts = (u, _CORNER - centre), (x, centre * across), (np.ones_like(u), counts)
    u, x, weight = (np.hstack(part) for part in parts)
    return u, x, weight


def _end(rng: np.random.Generator, sizes: tuple[int, int], cube: Cube) -> tuple[float, ...]:
    """Draw the closest points in any dimension, and what they decide, as `widest` returns it."""
    count = [min(n, max(_NEAREST, _A_DIMENSION * cube.d)) for n in sizes]
    grid = np.linspace(cube.inner, min(cube.reach, FARTHEST), 20_001)
    below = cumulative_trapezoid(slice_area(grid, cube.d), grid, initial=0)
    projections = []
    for n, k in zip(sizes, count, strict=True):
        arrivals = rng.standard_exponential(k).cumsum()
        total = arrivals[-1] + rng.standard_gamma(n + 1 - k)
        projections.append(np.interp(arrivals / total, below / below[-1], grid))
    X = np.empty((sum(count), cube.d))
    fill_slices(rng, X, np.append(projections[0], -projections[1]))
    found = max_margin(Dataset(X, np.repeat([1.0, -1.0], count), cube.gamma))
    along = float(found.w @ cube.normal)
    across = float(np.linalg.norm(found.w - along * cube.normal))
    return found.margin / 2, found.b * found.margin / 2, float(np.arctan2(across, along))


def widest(positive: Points, negative: Points) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Find the lines of maximum margin: half margin, offset and angle, each (draws,).

    Where the width between the classes along a normal is above 0 it has one maximum: the angle is
    halved down by its slope, which is that of the closest point of either class.
    """
    low, high = np.full((2, len(positive[0])), [[-np.pi / 2], [np.pi / 2]])
    for _ in range(60):
        angle = (low + high) / 2
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        rises, nearest = np.zeros_like(angle), []
        for (u, x, _), sign in ((positive, 1), (negative, -1)):
            along = cos * u + sign * sin * x
            closest = np.argmin(along, axis=1)[:, None]
            nearest.append(np.take_along_axis(along, closest, axis=1)[:, 0])
            turned = sign * cos * np.take_along_axis(x, closest, axis=1)
            rises += (turned - sin * np.take_along_axis(u, closest, axis=1))[:, 0]
        low, high = np.where(rises > 0, angle, low), np.where(rises > 0, high, angle)
    return (nearest[0] + nearest[1]) / 2, (nearest[1] - nearest[0]) / 2, angle


def descent_path(
    points: list[Points], half_margin: FloatArray, rate: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Follow descent along a to where support vectors have the margin 36, by implicit Euler steps.

    `rate` is lr over the number of points. Returns steps, a, b and v, each (draws, k).
    """
    u, x, weight = (np.hstack(parts) for parts in zip(*points, strict=True))
    y = np.where(np.arange(u.shape[1]) < points[0][0].shape[1], 1.0, -1.0)
    # The closest first, empty cells last: so that those that no longer pull can be left out
    order = np.argsort(np.where(weight > 0, u, np.inf), axis=1)
    u, x, weight = (np.take_along_axis(one, order, axis=1) for one in (u, x, weight))
    y = y[order]
    sides = y, y * x, x, x**2
    widest_x = np.abs(x).max()
    ratio = (_LAST / half_margin / _FIRST)[:, None]
    along = np.hstack([np.zeros_like(ratio), _FIRST * ratio ** np.linspace(0, 1, _PATH)])
    state = np.zeros((_PATH + 1, 2, len(u)))  # b and v
    time = np.zeros((len(u), _PATH + 1))
    slow = np.zeros(len(u))  # dtau / da
    for k in range(1, _PATH + 1):
        a, by, before = along[:, k], along[:, k] - along[:, k - 1], slow
        now = last = state[k - 1]
        if k > 1:
            now = last + (last - state[k - 2]) * by / (along[:, k - 1] - along[:, k - 2])
        reach = (_NEGLIGIBLE + np.abs(now[0]) + widest_x * np.abs(now[1])) / a
        near = slice(max(2, int((u < reach[:, None]).sum(axis=1).max())))
        near_u, near_y, near_yx, near_x, square = (one[:, near] for one in (u, *sides))
        for _ in range(_NEWTON):
            s = expit(-(a[:, None] * near_u + near_y * now[0][:, None] + near_yx * now[1][:, None]))
            pull = weight[:, near] * s
            curvature = pull * (1 - s)
            slow = 1 / _sum(near_u, pull)
            held = 1 / (by * slow)
            force = (
                _sum(near_y, pull) - held * (now[0] - last[0]),
                (_sum(near_yx, pull) - held * (now[1] - last[1])),
            )
            bb, vv = curvature.sum(axis=1) + held, _sum(square, curvature) + held
            bv = _sum(near_x, curvature)
            change = np.array([vv * force[0] - bv * force[1], bb * force[1] - bv * force[0]])
            change /= bb * vv - bv**2
            size = np.abs(change[0]) + widest_x * np.abs(change[1])
            now = now + change / np.maximum(1, size / 2)
            if size.max() < _CLOSE:
                break
        state[k] = now
        # Late, 1 / slow falls exponentially between two lengths: the mean of slow is logarithmic
        growth = np.log(slow / before) if k > 1 else np.zeros_like(slow)
        flat = np.abs(growth) < 1e-6
        mean = np.where(flat, slow, (slow - before) / np.where(flat, 1, growth))
        time[:, k] = time[:, k - 1] + by * mean
    b, v = state[1:].transpose(1, 2, 0)
    return time[:, 1:] / rate, along[:, 1:], b, v


def _sum(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("ij,ij->i", one, other))
