"""Data larger than one machine: rows in a Dask array, read where they are (extra `dask`)."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import dask
import dask.array as da
import numpy as np

from ._checks import FloatArray
from ._sums import Sums
from .data import Dataset
from .losses import Loss
from .problem import sums_of


@dataclass(frozen=True, eq=False)
class ChunkedDataset:
    """Labelled points whose rows lie in a Dask array, on one machine or many.

    For `gradient_descent` and `fast_forward`, which give what they give for the same points in
    memory, but for rounding, and for `accuracy`. What needs all points at once takes a `Dataset`.

    Parameters
    ----------
    X : (n, d) Dask array
        Points, in chunks of rows, all columns in each.
    y : (n,) array or Dask array
        Labels, -1 or +1; chunked as the rows of X are if it is a NumPy array.
    gamma, w_true
        As in `Dataset`.

    Raises
    ------
    ValueError
        As in `Dataset`; for entries of X and y on first use.
    """

    X: Any
    y: Any
    gamma: float | None = None
    w_true: FloatArray | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        X = self.X
        if not isinstance(X, da.Array) or X.ndim != 2 or X.numblocks[1] != 1:
            raise ValueError(f"X must be a Dask array in chunks of whole rows, got {X!r}")
        y = da.asarray(self.y)
        if y.shape != X.shape[:1]:
            raise ValueError(f"y must have one label a row of X ({len(X)}), got shape {y.shape}")
        # What is known beside the points is checked as for a Dataset, on a point of its own
        known = Dataset(np.zeros((1, self.d)), np.ones(1), self.gamma, w_true=self.w_true)
        object.__setattr__(self, "y", y.rechunk((X.chunks[0],)))
        object.__setattr__(self, "gamma", known.gamma)
        object.__setattr__(self, "w_true", known.w_true)

    @property
    def n(self) -> int:
        """Number of points."""
        return len(self.X)

    @property
    def d(self) -> int:
        """Number of dimensions."""
        return int(self.X.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """Name of the graph that makes the points."""
        return f"{self.X.name} {self.y.name}"

    def __repr__(self) -> str:
        return f"ChunkedDataset(n={self.n}, d={self.d}, {self.X.numblocks[0]} chunks)"


class ChunkedSums(Sums):
    """Each sum is a map over the chunks, which stay on the workers that hold them, and a sum."""

    def __init__(self, data: ChunkedDataset, loss: Loss, bias: bool) -> None:
        chunk = dask.delayed(_chunk, pure=False)
        rows = zip(*(array.to_delayed().ravel() for array in (data.X, data.y)), strict=True)
        self._chunks = dask.persist(*(chunk(X, y, loss, bias) for X, y in rows))

    def value(self, theta: FloatArray) -> float:
        """Sum of the losses."""
        return float(self._sums(theta, "value")[0])

    def pull(self, theta: FloatArray) -> FloatArray:
        """Sum of slope(z) y (x, 1)."""
        return np.asarray(self._sums(theta, "pull")[0])

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Sum of curvature(z) (x, 1) (x, 1)^T."""
        return np.asarray(self._sums(theta, "hessian", rough=rough)[0])

    def pull_and_hessian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, in one round."""
        pull, hessian = self._sums(theta, "pull", "hessian")
        return np.asarray(pull), np.asarray(hessian)

    def _sums(self, theta: FloatArray, *names: str, **options: bool) -> list[Any]:
        """Sum over the chunks what each of the methods gives."""
        add, ask = dask.delayed(sum, pure=False), dask.delayed(_ask, pure=False)
        sums = [add([ask(chunk, name, theta, options) for chunk in self._chunks]) for name in names]
        return list(dask.compute(*sums, optimize_graph=False))


sums_of.register(ChunkedDataset, ChunkedSums)


def _chunk(X: FloatArray, y: FloatArray, loss: Loss, bias: bool) -> Sums:
    return sums_of(Dataset(X, y), loss, bias)


def _ask(sums: Sums, name: str, theta: FloatArray, options: dict[str, bool]) -> Any:
    return getattr(sums, name)(theta, **options)
