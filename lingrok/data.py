"""The distributions of the paper's section 5.1, sampled exactly, and the Dataset they return.

The cube is [-5, 5]^d, the true separator w_true passes through the origin, and a point's
*projection* is w_true·x; `cube` draws them.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from . import _checks
from ._checks import FloatArray
from ._origin import traced
from .cube import Cube, diagonal, row_chunks, unit_normal

_LEAST_PLANTED = 1e-12  # gamma over the cube's diagonal that planted points still tell from 0

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled points, and what is known of how they were made.

    Parameters
    ----------
    X : (n, d) array
        Points, one a row. Copied unless nobody can write to it.
    y : (n,) array
        Labels, -1 or +1.
    gamma : float, optional
        Full width of the margin along `w_true` that the points were sampled with.
    w_true : (d,) array, optional
        Unit normal of the true separator; where gamma is given, (1, ..., 1) / sqrt(d) by default.
    planted : (n,) array of bool, optional
        Which points were planted on the margin.

    Raises
    ------
    ValueError
        For shapes that do not fit, entries that are not finite, labels other than -1 and +1,
        gamma <= 0, and a w_true that is no unit vector.
    """

    X: FloatArray
    y: FloatArray
    gamma: float | None = None
    w_true: FloatArray | None = None
    planted: Mask | None = None

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
        known = {"X": _frozen(X), "y": _frozen(y)}
        gamma = None if self.gamma is None else _checks.positive("gamma", self.gamma)
        if self.w_true is not None:
            known["w_true"] = _frozen(unit_normal("w_true", self.w_true, X.shape[1]))
        elif gamma is not None:
            known["w_true"] = _frozen(diagonal(X.shape[1]))
        if self.planted is not None:
            mask = np.asarray(self.planted)
            if mask.dtype != bool or mask.shape != y.shape:
                raise ValueError(
                    f"planted must be one bool a row of X ({len(X)}), got {mask.dtype} of shape "
                    f"{mask.shape}"
                )
            object.__setattr__(self, "planted", _frozen(mask))
        for name, value in known.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "gamma", gamma)

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
        return float(2 * np.min(self.y * (self.X @ need(self, "w_true").w_true)))

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all points and labels, and of the margin and its direction."""
        digest = hashlib.sha256(repr((self.X.shape, self.gamma)).encode())
        for part in row_chunks(*self.X.shape):
            digest.update(self.X[part].tobytes())
        for array in (self.y, self.w_true):
            digest.update(b"" if array is None else array.tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        positive = int(np.count_nonzero(self.y > 0))
        sizes = f"{self.n} ({positive}:{self.n - positive})"
        margin = "" if self.gamma is None else f", gamma={self.gamma:g}"
        return f"Dataset(n={sizes}, d={self.d}{margin})"


class Known(NamedTuple):
    """What `need` has made sure of."""

    gamma: float
    w_true: FloatArray
    planted: Mask


def need(data: Dataset, *names: str) -> Known:
    """Return gamma, w_true and the planted mask, of which those with these names are there.

    Raises
    ------
    ValueError
        For data that lack one of them, or whose rows are elsewhere.
    """
    if not isinstance(data, Dataset):
        raise ValueError(f"data must be a Dataset in memory, got {type(data).__name__}")
    for name in names:
        if getattr(data, name) is None:
            raise ValueError(f"data must have {name} for this, got {data} without it")
    return Known(data.gamma, data.w_true, data.planted)  # type: ignore[arg-type] # see above


@traced
def sample_standard(
    n_pos: int, n_neg: int, *, d: int = 2, gamma: float = 1e-3, sv_pos: int = 0, sv_neg: int = 0,
    seed: int | np.random.Generator, separator: npt.ArrayLike | None = None,
) -> Dataset:  # fmt: skip
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
        Full width of the gap; gamma/2 must leave room in the cube, that is be below 5 sqrt(d), and
        for planted points be more than rounding.
    sv_pos, sv_neg : int
        Points of each class to plant on the margin.
    seed : int or Generator
        Where the random numbers come from; the same seed gives the same points.
    separator : (d,) array, optional
        Another unit normal in the same cube, in place of (1, ..., 1) / sqrt(d).

    Raises
    ------
    ValueError
        For counts below zero or no point at all, more planted than sampled, d < 1, gamma out of
        range, and a missing seed.
    """
    sizes, planted = planted_sizes(n_pos, n_neg, sv_pos, sv_neg)
    cube = Cube(d, gamma, separator)
    if any(planted) and cube.inner < _LEAST_PLANTED * cube.reach:
        raise ValueError(
            f"gamma must be at least {2 * _LEAST_PLANTED * cube.reach:.2g} for points planted on "
            f"the margin, of which rounding leaves nothing below, got {gamma!r}"
        )
    rng = _generator(seed)
    X = np.empty((sum(sizes), cube.d))
    start = 0
    for sign, n, k in zip((1.0, -1.0), sizes, planted, strict=True):
        cube.fill_margin(rng, X[start : start + k], sign)
        cube.fill_side(rng, X[start + k : start + n], sign)
        start += n
    return _dataset(X, sizes, cube, planted)


@traced
def sample_concentrated(
    n_pos: int, n_neg: int, *, d: int = 2, gamma: float = 1e-3, alpha: float = 10.0,
    seed: int | np.random.Generator, separator: npt.ArrayLike | None = None,
) -> Dataset:  # fmt: skip
    """Sample the concentrated distribution, gamma/2 <= y w_true·x <= alpha gamma (section 5.1).

    The points are uniform on the part of the cube [-5, 5]^d that lies in the two shells; nothing
    is rejected from the whole cube, of which the shell is 3 parts in 1,000 at d = 1024.

    Parameters
    ----------
    n_pos, n_neg : int
        Points of class +1 (first) and -1.
    d, gamma, seed, separator
        As in `sample_standard`.
    alpha : float
        Outer edge of the shell in units of gamma ("sensitivity"), above 1/2.

    Raises
    ------
    ValueError
        As in `sample_standard`, and for alpha <= 1/2.
    """
    sizes = class_sizes(n_pos, n_neg)
    cube, alpha = Cube(d, gamma, separator), _checks.alpha(alpha)
    rng = _generator(seed)
    X = np.empty((sum(sizes), cube.d))
    cube.fill_shells(rng, X, sizes[0], alpha * cube.gamma)
    return _dataset(X, sizes, cube, (0, 0))


@traced
def flip_labels(data: Dataset, count: int, *, seed: int, planted: bool = False) -> Dataset:
    """Return the points with `count` labels flipped, and all else as in the clean set.

    Parameters
    ----------
    data : Dataset
    count : int
        How many.
    seed : int or Generator
        Which ones.
    planted : bool
        Flip labels of planted points; by default of all others.

    Raises
    ------
    ValueError
        For more than there are, and for planted points where none are known.
    """
    _checks.one_of("planted", planted, (True, False))
    need(data, *["planted"] * planted)
    mask = np.zeros(data.n, dtype=bool) if data.planted is None else data.planted
    of = np.flatnonzero(mask == planted)
    flipped = _generator(seed).choice(of, _checks.count("count", count, 0, len(of)), replace=False)
    y = data.y.copy()
    y[flipped] *= -1
    return replace(data, y=y)


@traced
def rotated(data: Dataset, *, seed: int) -> Dataset:
    """Return points and separator turned by a random rotation, one and the same for a seed and d.

    Raises
    ------
    ValueError
        As in `sample_standard`, for the seed.
    """
    need(data)
    turn, triangle = np.linalg.qr(_generator(seed).standard_normal((data.d, data.d)))
    turn *= np.sign(np.diag(triangle))  # which makes it uniform
    turn[:, 0] *= np.sign(np.linalg.det(turn))  # and no mirror
    w_true = None if data.w_true is None else data.w_true @ turn.T
    return replace(data, X=data.X @ turn.T, w_true=w_true)


def _dataset(
    X: FloatArray, sizes: tuple[int, int], cube: Cube, planted: tuple[int, int]
) -> Dataset:
    y = np.repeat([1.0, -1.0], sizes)
    mask = np.zeros(len(X), dtype=bool)
    mask[: planted[0]] = mask[sizes[0] : sizes[0] + planted[1]] = True
    for array in (X, y, mask):
        array.flags.writeable = False  # so that Dataset need not copy them
    return Dataset(X, y, cube.gamma, cube.normal, mask)


_Array = TypeVar("_Array", FloatArray, Mask)


def _frozen(array: _Array) -> _Array:
    """Copy an array unless it is read-only, and so is all that it is a view of."""
    base: Any = array
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        if base.base is None:
            return array
        base = base.base
    array = array.copy()
    array.flags.writeable = False
    return array


def class_sizes(n_pos: int, n_neg: int) -> tuple[int, int]:
    """Return both counts of points, not both 0."""
    sizes = _checks.count("n_pos", n_pos), _checks.count("n_neg", n_neg)
    if sum(sizes) == 0:
        raise ValueError("n_pos and n_neg must give at least one point together, got 0 and 0")
    return sizes


def planted_sizes(
    n_pos: int, n_neg: int, sv_pos: int, sv_neg: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return both counts of points, and of those among them that are planted."""
    sizes = class_sizes(n_pos, n_neg)
    first = _checks.count("sv_pos", sv_pos, 0, sizes[0])
    return sizes, (first, _checks.count("sv_neg", sv_neg, 0, sizes[1]))


def _generator(seed: int | np.random.Generator) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(_checks.count("seed", seed))
