"""Data larger than one machine: rows in a Dask array, read where they are (extra `dask`)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import dask
import dask.array as da

from . import _checks
from ._checks import FloatArray
from .data import Dataset
from .descent import Objective


class ChunkedObjective(Objective):
    """The objective of a `ChunkedDataset`: each evaluation is a map over its chunks, and a sum.

    A chunk becomes an `Objective` of its own, on the worker that holds the rows, and stays there.
    Only theta, gradients and Hessians travel.
    """

    def _load(self, data: Dataset) -> None:
        X, y = (array.to_delayed().ravel() for array in (_lazy(data.X), _lazy(data.y)))
        chunk = dask.delayed(_chunk, pure=False)
        chunks = [chunk(*rows, data.gamma, self.bias) for rows in zip(X, y, strict=True)]
        self._chunks = dask.persist(*chunks)

    def step(self, theta: FloatArray) -> FloatArray:
        """Minus lr times the gradient at `theta`, shape (size,)."""
        self.gradients += 1
        (total,) = self._sums(theta, Objective.step)
        return total

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Lr times the Hessian at `theta`, shape (size, size)."""
        self.hessians += 1
        (total,) = self._sums(theta, partial(Objective.hessian, rough=rough))
        return total

    def step_and_hessian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, in one round; counted as one of each."""
        self.gradients += 1
        self.hessians += 1
        step, hessian = self._sums(theta, Objective.step, Objective.hessian)
        return step, hessian

    def _sums(self, theta: FloatArray, *methods: Callable[..., FloatArray]) -> list[FloatArray]:
        """Sum over the chunks what each of the methods gives."""
        add = dask.delayed(sum, pure=False)
        sums = []
        for method in methods:
            part = dask.delayed(method, pure=False)
            sums.append(add([part(chunk, theta) for chunk in self._chunks]))
        return [self.scale * total for total in dask.compute(*sums, optimize_graph=False)]


@dataclass(frozen=True, eq=False)
class ChunkedDataset(Dataset):
    """Labelled points whose rows lie in a Dask array, on one machine or many.

    For `gradient_descent` and `fast_forward`, which give what they give for the same points in
    memory, but for rounding.

    Parameters
    ----------
    X : (n, d) Dask array
        Points, in chunks of rows, all columns in each.
    y : (n,) array or Dask array
        Labels, -1 or +1; chunked as the rows of X are if it is a NumPy array.
    gamma : float
        As in `Dataset`.

    Raises
    ------
    ValueError
        As in `Dataset`; for entries of X and y on first use.
    """

    objective: ClassVar[type[Objective]] = ChunkedObjective

    def __post_init__(self) -> None:
        X = _lazy(self.X)
        if not isinstance(X, da.Array) or X.ndim != 2 or X.numblocks[1] != 1:
            raise ValueError(f"X must be a Dask array in chunks of whole rows, got {X!r}")
        y = da.asarray(self.y)
        if y.shape != X.shape[:1]:
            raise ValueError(f"y must have one label a row of X ({len(X)}), got shape {y.shape}")
        object.__setattr__(self, "y", y.rechunk((X.chunks[0],)))
        object.__setattr__(self, "gamma", _checks.positive("gamma", self.gamma))


def _lazy(array: FloatArray) -> Any:
    """Look at an array as what it is here: a Dask array, not the NumPy array of a `Dataset`."""
    return array


def _chunk(X: FloatArray, y: FloatArray, gamma: float, bias: bool) -> Objective:
    return Objective(Dataset(X, y, gamma), 1.0, "sum", bias)
