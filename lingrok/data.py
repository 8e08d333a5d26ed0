"""The distributions of the paper's section 5.1, sampled exactly, and the Dataset they return.

The cube is [-5, 5]^d, the true separator w_true = (1, ..., 1) / sqrt(d) passes through the
origin, and a point's *projection* is w_true·x. Uniform points on a slice of the cube (a fixed
projection) are drawn by splitting the coordinates in halves: the first half is uniform, kept
with a probability proportional to the density of what the second half has to add up to; the
second half is then a smaller slice. Projecting free points onto the slice instead would leave
the cube and give another distribution.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, make_interp_spline

from . import _checks
from ._checks import FloatArray
from ._origin import traced

HALF_WIDTH = 5.0  # of the cube
_ROWS_AT_ONCE = 1 << 21  # numbers a working chunk holds: 16 MB


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled points, with the margin that they were made for.

    Parameters
    ----------
    X : (n, d) array
        Points, one a row. Copied unless it is already read-only float64.
    y : (n,) array
        Labels, -1 or +1.
    gamma : float
        Full width of the margin along `w_true` that the points were sampled with.

    Raises
    ------
    ValueError
        For shapes that do not fit, entries that are not finite, labels other than -1 and +1,
        and gamma <= 0.
    """

    X: FloatArray
    y: FloatArray
    gamma: float = None  # type: ignore[assignment]
    w_true: FloatArray = None  # type: ignore[assignment]
    planted: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        X, y = _checks.finite("X", self.X, 2), _checks.finite("y", self.y, 1)
        if X.shape[0] < 1 or X.shape[1] < 1:
            raise ValueError(f"X must have at least one row and one column, got shape {X.shape}")
        if len(y) != len(X):
            raise ValueError(f"y must have one label a row of X ({len(X)}), got {len(y)}")
        wrong = np.flatnonzero(np.abs(y) != 1)
        if wrong.size:
            i = int(wrong[0])
            raise ValueError(f"y must hold -1 and +1 only, got {y[i]:g} at index {i}")
        object.__setattr__(self, "X", _frozen(X))
        object.__setattr__(self, "y", _frozen(y))
        if self.gamma is not None:
            object.__setattr__(self, "gamma", _checks.positive("gamma", self.gamma))
            if self.w_true is None:
                object.__setattr__(self, "w_true", _w_true(X.shape[1]))
        if self.w_true is not None:
            object.__setattr__(self, "w_true", _frozen(_checks.finite("w_true", self.w_true, 1)))

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.X)

    @property
    def d(self) -> int:
        """Number of dimensions."""
        return int(self.X.shape[1])

    @cached_property
    def margin(self) -> float:
        """Full width of the margin that the points really leave: 2 min y w_true·x."""
        return float(2 * np.min(self.y * (self.X @ self.w_true)))

    def __repr__(self) -> str:
        positive = int(np.count_nonzero(self.y > 0))
        sizes = f"{self.n} ({positive}:{self.n - positive})"
        return f"Dataset(n={sizes}, d={self.d}, gamma={self.gamma:g})"


@traced
def sample_standard(
    n_pos: int,
    n_neg: int,
    *,
    d: int = 2,
    gamma: float = 1e-3,
    sv_pos: int = 0,
    sv_neg: int = 0,
    seed: int | np.random.Generator,
) -> Dataset:
    """Sample D(n_pos, n_neg) from the standard distribution, with S(sv_pos, sv_neg) planted.

    Points are uniform on [-5, 5]^d outside of the gap |w_true·x| < gamma/2 (section 5.1). Planted
    points are uniform on the slice w_true·x = y gamma/2 of the cube, so that they are the support
    vectors of the true separator.

    Parameters
    ----------
    n_pos, n_neg : int
        Points of class +1 and -1, planted ones included. They come in this order, and within a
        class the planted ones first.
    d : int
        Dimensions.
    gamma : float
        Full width of the gap; gamma/2 must leave room in the cube, that is be below 5 sqrt(d).
    sv_pos, sv_neg : int
        Points of each class to plant on the margin.
    seed : int or Generator
        Where the random numbers come from; the same seed gives the same points.

    Raises
    ------
    ValueError
        For counts below zero or no point at all, more planted than sampled, d < 1, gamma out of
        range, and a missing seed.
    """
    sizes = _sizes(n_pos, n_neg)
    planted = (_checks.count("sv_pos", sv_pos), _checks.count("sv_neg", sv_neg))
    for name, k, n in zip(("sv_pos", "sv_neg"), planted, sizes, strict=True):
        if k > n:
            raise ValueError(f"{name} must be at most the {n} points of its class, got {k}")
    d, gamma = _space(d, gamma)
    rng = _generator(seed)
    X = np.empty((sum(sizes), d))
    w_true = _w_true(d)
    start = 0
    for sign, n, k in zip((1.0, -1.0), sizes, planted, strict=True):
        _fill_slices(rng, X[start : start + k], np.full(k, sign * gamma / 2))
        _snap(X[start : start + k], w_true, sign * gamma / 2)
        _fill_side(rng, X[start + k : start + n], w_true, sign, gamma)
        start += n
    return _dataset(X, sizes, gamma)


@traced
def sample_concentrated(
    n_pos: int,
    n_neg: int,
    *,
    d: int = 2,
    gamma: float = 1e-3,
    alpha: float = 10.0,
    seed: int | np.random.Generator,
) -> Dataset:
    """Sample the concentrated distribution, gamma/2 <= y w_true·x <= alpha gamma (section 5.1).

    The points are uniform on the part of the cube [-5, 5]^d that lies in the two shells; nothing
    is rejected from the whole cube, of which the shell is 3 parts in 1,000 at d = 1024.

    Parameters
    ----------
    n_pos, n_neg : int
        Points of class +1 (first) and -1.
    d, gamma, seed
        As in `sample_standard`.
    alpha : float
        Outer edge of the shell in units of gamma ("sensitivity"), above 1/2.

    Raises
    ------
    ValueError
        As in `sample_standard`, and for alpha <= 1/2.
    """
    sizes = _sizes(n_pos, n_neg)
    d, gamma = _space(d, gamma)
    alpha = _checks.positive("alpha", alpha)
    if alpha <= 0.5:
        raise ValueError(f"alpha must be above 1/2 (the shell starts at gamma/2), got {alpha!r}")
    rng = _generator(seed)
    n = sum(sizes)
    outer = min(alpha * gamma, HALF_WIDTH * np.sqrt(d))
    projection = _shell_projections(rng, n, d, gamma / 2, outer)
    projection[sizes[0] :] *= -1
    X = np.empty((n, d))
    _fill_slices(rng, X, projection)
    return _dataset(X, sizes, gamma)


def _dataset(X: FloatArray, sizes: tuple[int, int], gamma: float) -> Dataset:
    y = np.repeat([1.0, -1.0], sizes)
    X.flags.writeable = y.flags.writeable = False  # so that Dataset need not copy them
    return Dataset(X, y, gamma)


def _w_true(d: int) -> FloatArray:
    return np.full(d, 1 / np.sqrt(d))


def _frozen(array: FloatArray) -> FloatArray:
    if array.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array


def _sizes(n_pos: int, n_neg: int) -> tuple[int, int]:
    sizes = _checks.count("n_pos", n_pos), _checks.count("n_neg", n_neg)
    if sum(sizes) == 0:
        raise ValueError("n_pos and n_neg must give at least one point together, got 0 and 0")
    return sizes


def _space(d: int, gamma: float) -> tuple[int, float]:
    d, gamma = _checks.count("d", d, 1), _checks.positive("gamma", gamma)
    if gamma / 2 >= HALF_WIDTH * np.sqrt(d):
        raise ValueError(
            f"gamma must be below {2 * HALF_WIDTH * np.sqrt(d):g} (the cube's width along w_true "
            f"in d={d}), got {gamma!r}"
        )
    return d, gamma


def _generator(seed: int | np.random.Generator) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(_checks.count("seed", seed))


def _chunks(n: int, d: int) -> list[slice]:
    rows = max(1, _ROWS_AT_ONCE // d)
    return [slice(i, min(i + rows, n)) for i in range(0, n, rows)]


def _uniform(rng: np.random.Generator, out: FloatArray) -> None:
    rng.random(out=out)
    out -= 0.5
    out *= 2 * HALF_WIDTH


def _fill_side(
    rng: np.random.Generator, out: FloatArray, w_true: FloatArray, sign: float, gamma: float
) -> None:
    """Fill `out` with uniform points on one side of the gap: the cube is symmetric, so mirror."""
    for rows in _chunks(*out.shape):
        X = out[rows]
        _uniform(rng, X)
        todo = np.arange(len(X))
        while True:
            projection = X[todo] @ w_true if len(todo) < len(X) else X @ w_true
            X[todo[projection * sign < 0]] *= -1
            todo = todo[np.abs(projection) < gamma / 2]
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
    area = _sum_density(d)
    projection = np.empty(n)
    todo = np.arange(n)
    while todo.size:
        projection[todo] = rng.uniform(inner, outer, todo.size)
        # The area falls with the distance from the centre, so it is largest on the inner edge.
        chance = area(projection[todo] * scale) / area(inner * scale)
        todo = todo[rng.random(todo.size) >= chance]
    return projection


def _fill_slices(rng: np.random.Generator, out: FloatArray, projection: FloatArray) -> None:
    """Fill each row of `out` with a uniform point of the cube's slice w_true·x = projection."""
    d = out.shape[1]
    for rows in _chunks(*out.shape):
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
    density = _sum_density(k // 2)
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


class _SumDensity:
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

    def __call__(self, x: FloatArray) -> npt.NDArray[np.float64]:
        # Closed on the left, open on the right would lose one face of the cube: take |x|.
        inside = np.minimum(np.abs(x), self.edge)
        return np.where(np.abs(x) <= self.edge, np.maximum(self._spline(-inside), 0.0), 0.0)


@lru_cache(maxsize=64)
def _sum_density(k: int) -> _SumDensity:
    return _SumDensity(k)


def need(data: Dataset, *names: str) -> Dataset:
    """Return the data if they are a Dataset in memory that has these attributes."""
    if type(data).__name__ == "ChunkedDataset" or not isinstance(data, Dataset):
        raise ValueError(f"data must be a Dataset in memory, got {type(data).__name__}")
    for name in names:
        if getattr(data, name) is None:
            raise ValueError(f"data must have {name}, got a Dataset without")
    return data
