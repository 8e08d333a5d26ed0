"""Uniform points of the cube [-5, 5]^d beside a separator through its centre.

A point's *projection* is normal·x. For the paper's normal (1, ..., 1) / sqrt(d), uniform points on
a slice of the cube (a fixed projection) are drawn by splitting the coordinates in halves: the first
half is uniform, kept with a probability proportional to the density of what the second half has to
add up to; the second half is then a smaller slice. Projecting free points onto the slice instead
would leave the cube and give another distribution. Slices of other normals, and those near the
corner, are drawn from a tilted distribution and thinned.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, make_interp_spline
from scipy.optimize import brentq

from . import _checks
from ._checks import FloatArray

HALF_WIDTH = 5.0  # of the cube
_AT_ONCE = 1 << 21  # numbers that a part of the rows makes: 16 MB
_FAR = 2 * HALF_WIDTH / np.sqrt(3)  # projection that a point of the cube passes 1 time in 20
_THIN = 1.0  # shells thinner than this are not sampled by rejection from the cube


def diagonal(d: int) -> FloatArray:
    """Return the paper's normal, (1, ..., 1) / sqrt(d)."""
    return np.full(d, 1 / np.sqrt(d))


def unit_normal(name: str, value: npt.ArrayLike, d: int) -> FloatArray:
    """Return `value` as an array of length d if it is a unit vector."""
    normal = _checks.finite(name, value, 1)
    if len(normal) != d or abs(np.linalg.norm(normal) - 1) > 1e-9:
        raise ValueError(
            f"{name} must be a unit vector of {d} numbers, one a dimension, got {len(normal)} of "
            f"length {np.linalg.norm(normal):g}"
        )
    return normal


class Cube:
    """The two sides of a separator through the cube, from a distance `inner` on."""

    def __init__(self, d: int, gamma: float, separator: npt.ArrayLike | None = None) -> None:
        self.d, self.gamma = _checks.count("d", d, 1), _checks.positive("gamma", gamma)
        self.inner, self.default = self.gamma / 2, separator is None
        self.normal = (
            diagonal(self.d) if separator is None else unit_normal("separator", separator, self.d)
        )
        self.reach = HALF_WIDTH * (
            np.sqrt(self.d) if self.default else float(np.abs(self.normal).sum())
        )
        if not self.inner < (1 - 1e-9) * self.reach:
            raise ValueError(
                f"gamma must be below {2 * self.reach:g} (the cube's width along w_true in "
                f"d={self.d}), got {gamma!r}"
            )
        self.far = self.inner > min(_FAR, 0.8 * self.reach)

    def fill_margin(self, rng: np.random.Generator, out: FloatArray, sign: float) -> None:
        """Fill with uniform points on one side's margin."""
        if self.default and not self.far:
            fill_slices(rng, out, np.full(len(out), sign * self.inner))
        else:
            self._fill_slab(rng, out, sign, self.inner)
        _snap(out, self.normal, sign * self.inner)

    def fill_side(self, rng: np.random.Generator, out: FloatArray, sign: float) -> None:
        """Fill with uniform points of one side."""
        if self.far:
            self._fill_slab(rng, out, sign, self.reach)
        else:
            _fill_side(rng, out, self.normal, sign, (self.inner, np.inf))

    def fill_shells(
        self, rng: np.random.Generator, out: FloatArray, n_pos: int, outer: float
    ) -> None:
        """Fill with uniform points between the margin and a slice further out, of both sides."""
        outer = min(outer, self.reach)
        if self.default and not self.far:
            projection = _shell_projections(rng, len(out), self.d, self.inner, outer)
            projection[n_pos:] *= -1
            fill_slices(rng, out, projection)
            return
        for sign, part in ((1.0, out[:n_pos]), (-1.0, out[n_pos:])):
            if self.far or outer - self.inner < _THIN:
                self._fill_slab(rng, part, sign, outer)
            else:
                _fill_side(rng, part, self.normal, sign, (self.inner, outer))

    def _fill_slab(
        self, rng: np.random.Generator, out: FloatArray, sign: float, outer: float
    ) -> None:
        """Fill with uniform points of the cube between two slices, wherever they lie.

        With a tilt t, all coordinates but one are drawn from densities like exp(t u_i x_i), and the
        projection from one like exp(-t s); what is left for the last coordinate is kept with a
        probability like exp(t u_j x_j), which makes the product constant. t is chosen so that free
        coordinates of that kind would lie on the inner slice in the mean.
        """
        size = np.abs(self.normal)
        last, others = int(np.argmax(size)), np.arange(self.d) != int(np.argmax(size))
        tilt, width = _tilt(size, self.inner), outer - self.inner
        for rows in row_chunks(*out.shape):
            todo = np.arange(rows.start, rows.stop)
            while todo.size:
                X = np.zeros((len(todo), self.d))
                drawn = _tilted(rng.random((len(todo), self.d - 1)), tilt * size[others])
                X[:, others] = HALF_WIDTH - drawn
                to_go = (
                    self.inner + _tilted(rng.random(len(todo)), tilt, width) - X @ (size * others)
                )
                X[:, last] = to_go / size[last]
                chance = np.exp(tilt * (to_go - HALF_WIDTH * size[last]))
                kept = (np.abs(X[:, last]) <= HALF_WIDTH) & (rng.random(len(todo)) < chance)
                out[todo[kept]] = X[kept] * np.where(self.normal < 0, -sign, sign)
                todo = todo[~kept]


def _tilt(size: FloatArray, mean: float) -> float:
    """Find t with which densities like exp(t u_i x_i) on the cube have this mean projection."""
    size = size[size > 0]
    most = HALF_WIDTH * float(size.sum())

    def excess(t: float) -> float:
        c = np.maximum(t * size, 1e-6)  # below, rounding would be larger than what it cuts off
        return float(size @ (HALF_WIDTH / np.tanh(HALF_WIDTH * c) - 1 / c)) - mean

    return float(brentq(excess, 0.0, 2 * len(size) / (most - mean)))


def _tilted(
    uniform: FloatArray, rate: float | FloatArray, width: float = 2 * HALF_WIDTH
) -> FloatArray:
    """Turn uniform numbers into ones on [0, width] with density like exp(-rate x)."""
    rate = np.maximum(rate, 1e-12)
    return -np.log1p(uniform * np.expm1(-rate * width)) / rate


def row_chunks(n: int, width: int, at_once: int | None = None) -> list[slice]:
    """Cut n rows into parts, for work that makes `width` numbers a row, so many at once."""
    rows = max(1, (at_once or _AT_ONCE) // width)
    return [slice(i, min(i + rows, n)) for i in range(0, n, rows)]


def _uniform(rng: np.random.Generator, out: FloatArray) -> None:
    rng.random(out=out)
    out -= 0.5
    out *= 2 * HALF_WIDTH


def _fill_side(
    rng: np.random.Generator, out: FloatArray, w_true: FloatArray, sign: float,
    shell: tuple[float, float],
) -> None:  # fmt: skip
    """Fill `out` with uniform points of one side's shell: the cube is symmetric, so mirror."""
    for rows in row_chunks(*out.shape):
        X = out[rows]
        _uniform(rng, X)
        todo = np.arange(len(X))
        while True:
            projection = X[todo] @ w_true if len(todo) < len(X) else X @ w_true
            X[todo[projection * sign < 0]] *= -1
            todo = todo[(np.abs(projection) < shell[0]) | (np.abs(projection) > shell[1])]
            if not todo.size:
                break
            X[todo] = rng.uniform(-HALF_WIDTH, HALF_WIDTH, (len(todo), X.shape[1]))


def _snap(X: FloatArray, w_true: FloatArray, projection: float) -> None:
    """Take the rounding of sums out of planted points, coordinates at the faces excepted."""
    X += (projection - X @ w_true)[:, None] * w_true
    np.clip(X, -HALF_WIDTH, HALF_WIDTH, out=X)


def _shell_projections(
    rng: np.random.Generator, n: int, d: int, inner: float, outer: float
) -> FloatArray:
    """Projections of uniform points between two slices: uniform, thinned by the slice's area."""
    scale = np.sqrt(d) / (2 * HALF_WIDTH)  # from a projection to a sum of d unit-wide uniforms
    area = sum_density(d)
    projection = np.empty(n)
    todo = np.arange(n)
    while todo.size:
        projection[todo] = rng.uniform(inner, outer, todo.size)
        # The area falls with the distance from the centre, so it is largest on the inner edge.
        chance = area(projection[todo] * scale) / area(inner * scale)
        todo = todo[rng.random(todo.size) >= chance]
    return projection


def fill_slices(rng: np.random.Generator, out: FloatArray, projection: FloatArray) -> None:
    """Fill each row of `out` with a uniform point of the cube's slice w_true·x = projection."""
    d = out.shape[1]
    for rows in row_chunks(*out.shape):
        X = out[rows]
        _split(rng, X, projection[rows] * (np.sqrt(d) / (2 * HALF_WIDTH)))
        X *= 2 * HALF_WIDTH


def _split(rng: np.random.Generator, out: FloatArray, total: FloatArray) -> None:
    """Fill rows of `out` with uniform points of [-1/2, 1/2]^k whose coordinates sum to `total`."""
    k = out.shape[1]
    if k == 1:
        out[:, 0] = total
        return
    free = k - k // 2
    density = sum_density(k // 2)
    peak = float(density(np.zeros(1))[0])
    rest = np.empty(len(out))
    todo = np.arange(len(out))
    while todo.size:
        # Rows with an unlikely total are refused often: give the few that are left more tries a
        # round. Over all rows and levels a row needs about 2.4 k random numbers.
        tries = len(out) // todo.size
        draw = rng.random((todo.size, tries, free))
        draw -= 0.5
        left = total[todo, None] - draw.sum(axis=2)
        kept = rng.random(left.shape) * peak < density(left)
        first, hit = kept.argmax(axis=1), kept.any(axis=1)
        out[todo[hit], :free] = draw[hit, first[hit]]
        rest[todo[hit]] = left[hit, first[hit]]
        todo = todo[~hit]
    _split(rng, out[:, free:], rest)


class SumDensity:
    """Density of a sum of k uniforms on [-1/2, 1/2]: the cardinal B-spline of degree k - 1."""

    def __init__(self, k: int) -> None:
        self.edge = k / 2
        if k <= 16:
            knots = np.arange(k + 1) - k / 2
            spline = BSpline.basis_element(knots, extrapolate=False)
        else:
            # Its Fourier series over the support is exact (nothing wraps round), and the terms
            # fall like j^-k: a quintic through its values is then exact to rounding.
            reach = min(self.edge, 12 * np.sqrt(k / 12))  # beyond, it is below 1e-30 of the peak
            x = np.linspace(-reach, reach, 2049)
            j = np.arange(1, 8 * k)
            terms = np.sinc(j / k) ** k
            j, terms = j[np.abs(terms) > 1e-20], terms[np.abs(terms) > 1e-20]
            values = (1 + 2 * np.cos(2 * np.pi / k * np.outer(x, j)) @ terms) / k
            spline = make_interp_spline(x, np.maximum(values, 0), k=5)
            self.edge = reach
        self._spline = spline

    def __call__(self, x: FloatArray) -> FloatArray:
        """Density at x."""
        # Closed on the left, open on the right would lose one face of the cube: take |x|.
        inside = np.minimum(np.abs(x), self.edge)
        return np.where(np.abs(x) <= self.edge, np.maximum(self._spline(-inside), 0.0), 0.0)


@lru_cache(maxsize=64)
def sum_density(k: int) -> SumDensity:
    """Return the density of a sum of k uniforms, made once."""
    return SumDensity(k)
