"""Sums over large data, read once an evaluation, in chunks of rows, by all cores."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from math import exp
from typing import Any, TypeVar

import joblib
import numpy as np
import numpy.typing as npt

from ._checks import FloatArray
from ._sums import Sums, parts
from .data import Dataset
from .losses import Logistic, Loss

_WIDE = 16  # chunks that a product of the Hessian takes at once: its result is d x d
_NEGLIGIBLE = 1e-3  # share of the mean weight below which a point is left out of a Hessian
_ENOUGH = 128  # points a dimension, for a Hessian good to a fifth
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
        if isinstance(self.loss, Logistic) and _compiled():
            work = partial(self._pull_compiled, theta)
            return self._sum(work, parts(self.data.n, self.data.d, _WIDE))
        return self._sum(partial(self._pull, theta), parts(self.data.n, self.data.d))

    def pulls(self, thetas: FloatArray) -> FloatArray:
        """Pull at each of `thetas`: X is read once for all, for about what two cost."""
        # Half a chunk: products of up to a million terms go through BLAS without being packed
        return self._sum(partial(self._pull, thetas), parts(self.data.n, 2 * self.data.d))

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Sum of curvature(z) (x, 1) (x, 1)^T, to a thousandth, or to a fifth if `rough`."""
        bend = self.loss.slope_and_curvature
        chunks = parts(self.data.n, self.data.d)
        weights = _threads().map(lambda part: bend(self._margins(theta, part))[1], chunks)
        weight = np.concatenate(list(weights))
        # Late, a few points near the hyperplane carry the curvature: leave out what adds 1e-3 of it
        active = np.flatnonzero(weight > _NEGLIGIBLE * weight.mean())
        weight = weight[active]
        enough = _ENOUGH * self.data.d
        if rough and len(active) > enough:  # a regular sample, each point as often as it counts
            share = np.minimum(weight * (enough / weight.sum()), 1.0)
            kept = np.flatnonzero(np.diff(np.floor(np.cumsum(share) + 0.5), prepend=0.0))
            active, weight = active[kept], weight[kept] / share[kept]
        if not active.size:
            return np.zeros((self.size, self.size))
        root = np.sqrt(weight).astype(np.float32)
        work = partial(self._square, active, root)
        return self._sum(work, parts(len(active), self.data.d, _WIDE))

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
        z: FloatArray = np.dot(self.data.X[part], theta[..., : self.data.d].T).T
        if self.bias:
            z += theta[..., -1:]
        z *= self.data.y[part]
        return z

    def _pull(self, theta: FloatArray, part: slice) -> FloatArray:
        z = self._margins(theta, part)
        pull = self.loss.slope(z, z)
        pull *= self.data.y[part]
        total = np.empty(theta.shape)
        total[..., : self.data.d] = np.dot(pull, self.data.X[part])
        if self.bias:
            total[..., -1] = pull.sum(axis=-1)
        return total

    def _pull_compiled(self, theta: FloatArray, part: slice) -> FloatArray:
        """Do the same with the logistic loss, in one pass: a row is read once, not twice."""
        X, y, d = self.data.X[part], self.data.y[part], self.data.d
        even = len(X) - len(X) % 4
        total = np.zeros(d + 1)
        _compiled()(X[:even], y, theta[:d], theta[-1] if self.bias else 0.0, total)
        if even < len(X):
            total[: self.size] += self._pull(theta, slice(part.start + even, part.stop))
        return total[: self.size]

    def _square(self, active: npt.NDArray[np.int64], root: FloatArray, part: slice) -> FloatArray:
        """Sum of root^2 (x, 1) (x, 1)^T over some of the active points."""
        d, root = self.data.d, root[part]
        rows = np.empty((len(root), self.size), dtype=np.float32)
        X = self.data.X[active[part]]
        np.multiply(X, root[:, None], out=rows[:, :d], casting="same_kind")
        if self.bias:
            rows[:, d] = root
        return np.asarray(np.dot(rows.T, rows), dtype=np.float64)  # a rank-k update inside


def _logistic_pull(X, y, w, b, total):  # type: ignore[no-untyped-def]
    """Add up (x, 1) y / (1 + exp(y (w·x + b))): four rows a turn, which the nearest cache holds."""
    for i in range(0, len(X), 4):
        z0 = z1 = z2 = z3 = b
        for j in range(len(w)):
            z0 += X[i, j] * w[j]
            z1 += X[i + 1, j] * w[j]
            z2 += X[i + 2, j] * w[j]
            z3 += X[i + 3, j] * w[j]
        p0, p1 = y[i] / (1 + exp(y[i] * z0)), y[i + 1] / (1 + exp(y[i + 1] * z1))
        p2, p3 = y[i + 2] / (1 + exp(y[i + 2] * z2)), y[i + 3] / (1 + exp(y[i + 3] * z3))
        for j in range(len(w)):
            total[j] += p0 * X[i, j] + p1 * X[i + 1, j] + p2 * X[i + 2, j] + p3 * X[i + 3, j]
        total[-1] += p0 + p1 + p2 + p3


@lru_cache
def _compiled() -> Any:
    """Return `_logistic_pull`, compiled, or None without numba."""
    try:
        import numba  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    # Sums in any order, so that they vectorise; infinities stay what they are
    return numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp"})(
        _logistic_pull
    )


@lru_cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(joblib.cpu_count())


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_threads.cache_clear)
