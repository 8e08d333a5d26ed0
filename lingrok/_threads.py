"""Sums over large data, read once an evaluation, in chunks of rows, by all cores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TypeVar

import joblib
import numpy as np

from ._checks import FloatArray
from ._sums import Sums, parts
from .data import Dataset
from .losses import Loss

_WIDE = 16  # chunks that a product of the Hessian takes at once: its result is d x d
_NEGLIGIBLE = 1e-3  # share of the mean weight below which a point is left out of a Hessian
_ENOUGH = 256  # points a dimension, for a Hessian good to a tenth
_GROUPS = 32  # of chunks, each summed by one thread: more than cores, and the same on any machine
_Sum = TypeVar("_Sum", float, FloatArray)


class ThreadedRows(Sums):
    """Rows as they are, never copied: a chunk stays in cache for both products.

    All products are `np.dot`: it gives up the interpreter's lock whatever their shape, which `@`
    and `np.vecdot` do from 500 rows on only and SciPy's BLAS not at all, and threads that have to
    wait for the lock are no faster than one.
    """

    def __init__(self, data: Dataset, loss: Loss, bias: bool) -> None:
        self.data, self.loss, self.bias = data, loss, bias
        self.size = data.d + bias

    def value(self, theta: FloatArray) -> float:
        """Sum of the losses."""
        return self._sum(
            lambda part: float(self.loss.value(self._margins(theta, part)).sum()),
            parts(self.data.n, self.data.d),
        )

    def pull(self, theta: FloatArray) -> FloatArray:
        """Sum of slope(z) y (x, 1)."""
        return self._sum(partial(self._pull, theta), parts(self.data.n, self.data.d))

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Sum of curvature(z) (x, 1) (x, 1)^T, to a thousandth, or to a tenth if `rough`."""
        work = partial(self._hessian, theta, rough=rough)
        return self._sum(work, parts(self.data.n, self.data.d, _WIDE))

    def _sum(self, work: Callable[[slice], _Sum], chunks: list[slice]) -> _Sum:
        """Sum over chunks, by all cores, in an order that does not depend on how many they are."""

        def together(group: list[slice]) -> _Sum:
            total = work(group[0])
            for part in group[1:]:
                total += work(part)
            return total

        each = -(-len(chunks) // _GROUPS)
        groups = [chunks[i : i + each] for i in range(0, len(chunks), each)]
        first, *rest = _threads().map(together, groups)
        for other in rest:
            first += other
        return first

    def _margins(self, theta: FloatArray, part: slice) -> FloatArray:
        z: FloatArray = np.dot(self.data.X[part], theta[: self.data.d])
        if self.bias:
            z += theta[-1]
        z *= self.data.y[part]
        return z

    def _pull(self, theta: FloatArray, part: slice) -> FloatArray:
        z = self._margins(theta, part)
        pull = self.loss.slope(z, z)
        pull *= self.data.y[part]
        total = np.empty(self.size)
        np.dot(pull, self.data.X[part], out=total[: self.data.d])
        if self.bias:
            total[-1] = pull.sum()
        return total

    def _hessian(self, theta: FloatArray, part: slice, *, rough: bool) -> FloatArray:
        weight = self.loss.slope_and_curvature(self._margins(theta, part))[1]
        d = self.data.d
        # Late, a few points near the hyperplane carry the curvature: leave out what adds 1e-3 of it
        active = np.flatnonzero(weight > _NEGLIGIBLE * weight.mean())
        if not active.size:
            return np.zeros((self.size, self.size))
        if rough:
            counting = weight.sum() ** 2 / (weight @ weight) * self.data.n / len(weight)
            active = active[:: max(1, int(counting / (_ENOUGH * d)))]
            weight *= weight.sum() / weight[active].sum()
        root = np.sqrt(weight[active]).astype(np.float32)
        rows = np.empty((len(root), self.size), dtype=np.float32)
        np.multiply(self.data.X[part][active], root[:, None], out=rows[:, :d], casting="same_kind")
        if self.bias:
            rows[:, d] = root
        return np.asarray(np.dot(rows.T, rows), dtype=np.float64)  # a rank-k update inside


@lru_cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(joblib.cpu_count())


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)
