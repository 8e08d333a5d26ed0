"""Data that nobody made for this: scikit-learn's bundled sets, and your own, as a Dataset.

Nothing of them is known but points and labels, so a Dataset of them has neither gamma nor w_true.
What stands in their place is the hyperplane of maximum margin of *all* points, training and test
together: the best separator that anybody could know.
"""

from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from . import _checks
from ._checks import FloatArray
from .data import Dataset


class Plane(Protocol):
    """A hyperplane, as `max_margin` (its margins from 1 on) or `minimiser` gives it."""

    @property
    def w(self) -> FloatArray:
        """Weights, shape (d,)."""

    @property
    def b(self) -> float:
        """Bias."""


def dataset(
    X: npt.ArrayLike, labels: npt.ArrayLike, positive: object, negative: object = None, *,
    standardise: bool = True,
) -> Dataset:  # fmt: skip
    """Make a Dataset of points with any labels.

    Parameters
    ----------
    X : (n, d) array
    labels : (n,) array
        Of any kind.
    positive, negative : object
        Labels of the classes +1 and -1; without `negative`, all others are -1.
    standardise : bool
        Give each column the mean 0 and the standard deviation 1. The margin depends on it.

    Raises
    ------
    ValueError
        For values that are missing or infinite, labels that are not there, a class without points,
        constant columns where they are to be standardised, and equal points in both classes, which
        nothing can separate.
    """
    points, names = _checks.finite("X", X, 2), np.asarray(labels)
    if names.shape != (len(points),):
        raise ValueError(f"labels must be one a row of X ({len(points)}), got shape {names.shape}")
    of = {"positive": names == positive}
    of["negative"] = ~of["positive"] if negative is None else names == negative
    for name, rows in of.items():
        if not np.any(rows):
            known = ", ".join(map(repr, np.unique(names)[:10].tolist()))
            value = positive if name == "positive" else negative
            raise ValueError(f"{name} must be a label of some points ({known}), got {value!r}")
    kept = of["positive"] | of["negative"]
    points, y = points[kept], np.where(of["positive"][kept], 1.0, -1.0)
    _, first, same = np.unique(points, axis=0, return_index=True, return_inverse=True)
    both = np.flatnonzero(y != y[first][same.ravel()])
    if both.size:
        i, j = int(first[same.ravel()[both[0]]]), int(both[0])
        raise ValueError(f"X must have no point in both classes, got equal rows {i} and {j}")
    if standardise:
        spread = points.std(axis=0)
        flat = np.flatnonzero(spread <= 1e-12 * np.abs(points).max(axis=0))
        if flat.size:
            raise ValueError(
                f"X must vary in each column to be standardised, got {flat.size} that do not, "
                f"column {flat[0]} first: leave them out, or give standardise=False"
            )
        points = (points - points.mean(axis=0)) / spread
    return Dataset(points, y)


def breast_cancer() -> Dataset:
    """Load 569 tumours, benign +1 and malignant -1, by 30 measurements, standardised."""
    return dataset(*_bundled("breast_cancer"), 1)


def digits(a: int, b: int | None = None) -> Dataset:
    """Load images of the digit a (+1), and of b or all others (-1): 64 pixels from 0 to 1.

    Raises
    ------
    ValueError
        For digits that are none, or the same.
    """
    a = _checks.count("a", a, 0, 9)
    if b is not None and _checks.count("b", b, 0, 9) == a:
        raise ValueError(f"b must be another digit than a, got {b}")
    X, labels = _bundled("digits")
    return dataset(X / 16, labels, a, b, standardise=False)


def iris(kind: int = 0) -> Dataset:
    """Load 150 flowers, of one kind (+1) or the two others, by 4 lengths, standardised."""
    return dataset(*_bundled("iris"), _checks.count("kind", kind, 0, 2))


def wine(kind: int = 0) -> Dataset:
    """Load 178 wines, of one grower (+1) or the two others, by 13 contents, standardised."""
    return dataset(*_bundled("wine"), _checks.count("kind", kind, 0, 2))


def _bundled(name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    # Slow to load, and for few
    from sklearn import datasets  # type: ignore[import-untyped] # noqa: PLC0415

    X, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X, labels


def split(data: Dataset, test: float = 1 / 3, *, seed: int) -> tuple[Dataset, Dataset]:
    """Split into a training and a test set, each class by the same share.

    Raises
    ------
    ValueError
        For a share that leaves either set without points of a class.
    """
    rng = np.random.default_rng(_checks.count("seed", seed))
    held = np.zeros(data.n, dtype=bool)
    for y in (1, -1):
        rows = np.flatnonzero(data.y == y)
        count = round(_checks.positive("test", test) * len(rows))
        if not 0 < count < len(rows):
            raise ValueError(
                f"test must leave points of either class in both sets, got {test!r} of {len(rows)} "
                f"points of class {y:+d}"
            )
        held[rng.choice(rows, count, replace=False)] = True
    return _rows(data, ~held), _rows(data, held)


def _rows(data: Dataset, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Dataset:
    planted = None if data.planted is None else data.planted[rows]
    return replace(data, X=data.X[rows], y=data.y[rows], planted=planted)


def nearest(data: Dataset, plane: Plane, share: float = 0.1) -> Dataset:
    """Keep the share of points that are closest to a hyperplane: a concentrated test, as it comes.

    It stands for the cases that are hard in truth; but there are few of them, and support vectors
    among them.
    """
    distance = np.abs(data.X @ plane.w + plane.b)
    count = max(1, round(_checks.share("share", share) * data.n))
    rows = np.sort(np.argsort(distance, kind="stable")[:count])
    return _rows(data, rows)


def into_shell(data: Dataset, plane: Plane, alpha: float = 10.0, *, seed: int) -> Dataset:
    """Move points along a hyperplane's normal until they are half to `alpha` margins from it.

    The paper's concentrated test for any data: all else about a point stays as it was, and its
    label is that of its side. It stands for no case that was ever met.
    """
    rng = np.random.default_rng(_checks.count("seed", seed))
    score = data.X @ plane.w + plane.b
    wanted = rng.uniform(1, 2 * _checks.alpha(alpha), data.n)  # half margins, in units of score
    along = plane.w / (plane.w @ plane.w)
    X = data.X + ((data.y * wanted - score)[:, None]) * along
    return replace(data, X=X, planted=None)


def with_margin(
    data: Dataset, plane: Plane, half: float, *, share: tuple[float, float] = (0.0, 0.0),
    seed: int,
) -> Dataset:  # fmt: skip
    """Move both classes along a hyperplane's normal until their margin is such.

    Parameters
    ----------
    data : Dataset
    plane : MaxMargin
        Of these data.
    half : float
        Half margin wanted.
    share : pair of float
        Shares of the classes +1 and -1 that are moved right onto the margin, as the paper plants
        support vectors.
    seed : int
        Which ones.

    Raises
    ------
    ValueError
        For half <= 0 and shares outside of [0, 1).
    """
    half = _checks.positive("half", half)
    rng, planted = np.random.default_rng(_checks.count("seed", seed)), np.zeros(data.n, dtype=bool)
    for y, part in zip((1, -1), share, strict=True):
        rows = np.flatnonzero(data.y == y)
        count = round(_checks.share("share", part) * len(rows))
        planted[rng.choice(rows, count, replace=False)] = True
    length = float(np.linalg.norm(plane.w))
    there = data.y * (data.X @ plane.w + plane.b) / length
    wanted = np.where(planted, half, there - 1 / length + half)
    X = data.X + np.outer(data.y * (wanted - there), plane.w / length)
    return replace(data, X=X, planted=planted)
