"""What is minimised: data x loss x penalty x bias, with its gradient and its Hessian.

Said once, for the whole package:

- theta = (w, b), the bias last; without a bias it is w alone.
- The loss of one point is a function of its margin z = y (w·x + b) (see `losses`).
  `reduction="sum"` adds it over the points, as the paper's equation 3 writes it;
  `reduction="mean"` divides by n, as the paper's figures need it (chapter 1 shows both).
- The penalty (lambda/2) ||w||^2, and (lambda_b/2) b^2 where one is asked for, is added to that,
  whatever the reduction.
"""

from contextlib import ExitStack
from functools import cached_property, lru_cache, singledispatch
from threading import Lock
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from . import _checks
from ._checks import FloatArray
from ._sums import Sums, parts
from .data import Dataset
from .losses import LOGISTIC, Loss, penalties

_SMALL = 1 << 22  # numbers: up to 32 MB the signed rows are kept as a second copy of X
_FEW = 1 << 18  # numbers: up to 2 MB products of columns are kept, so that thetas share a product
_TOGETHER = 1 << 12  # rows that several thetas are multiplied by at once, in a core's cache


@singledispatch
def sums_of(data: object, loss: Loss, bias: bool) -> Sums:  # noqa: ARG001
    """Choose the sums that can read the data; `chunked` adds those of rows on other machines."""
    raise ValueError(f"data must be a Dataset, got {type(data).__name__}")


@sums_of.register
def _(data: Dataset, loss: Loss, bias: bool) -> Sums:
    if data.X.size <= _SMALL:
        return SignedRows(data, loss, bias)
    from ._threads import ThreadedRows  # noqa: PLC0415 - few need it

    return ThreadedRows(data, loss, bias)


class SignedRows(Sums):
    """Small data: the rows y (x, 1) are kept as a copy, so that margins are one product."""

    def __init__(self, data: Dataset, loss: Loss, bias: bool) -> None:
        self.loss = loss
        self.size = data.d + bias
        rows = np.c_[data.X, np.ones(data.n)] if bias else data.X
        # Column-major: both products then run along contiguous columns, twice as fast for few
        self.parts = [
            np.asfortranarray(rows[part] * data.y[part, None]) for part in parts(data.n, data.d)
        ]
        self._few = data.n * self.size * (self.size + 1) // 2 <= _FEW

    @cached_property
    def _products(self) -> list[tuple[FloatArray, FloatArray]]:
        """Chunks of rows, and of the products of their columns, the upper triangle's."""
        i, j = _upper(self.size)
        return [
            (rows, rows[:, i] * rows[:, j])
            for part in self.parts
            for rows in np.split(part, range(_TOGETHER, len(part), _TOGETHER))
        ]

    def value(self, theta: FloatArray) -> float:
        """Sum of the losses."""
        return float(sum(self.loss.value(rows.dot(theta)).sum() for rows in self.parts))

    def pull(self, theta: FloatArray) -> FloatArray:
        """Sum of slope(z) y (x, 1)."""
        # Methods: on few points an operator's dispatch costs as much as the arithmetic
        slope, total = self.loss.slope, None
        for rows in self.parts:
            z = rows.dot(theta)
            pull = slope(z, z).dot(rows)
            total = pull if total is None else total + pull
        return np.asarray(total)

    def pulls(self, thetas: FloatArray) -> FloatArray:
        """Pull at each of `thetas`, shape (m, size), by two products with the rows."""
        slope = self.loss.slope
        return np.asarray(sum(slope(rows.dot(thetas.T).T).dot(rows) for rows in self.parts))

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:  # noqa: ARG002
        """Sum of curvature(z) (x, 1) (x, 1)^T; never rough."""
        return self.pull_and_hessian(theta)[1]

    def pull_and_hessian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one product with the rows."""
        pull, hessian = np.zeros(self.size), np.zeros((self.size, self.size))
        for rows in self.parts:
            slope, curvature = self.loss.slope_and_curvature(rows.dot(theta))
            pull += slope.dot(rows)
            hessian += (rows * curvature[:, None]).T.dot(rows)
        return pull, hessian

    def pulls_and_hessians(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both at each theta; on few points one product serves all."""
        if not self._few:
            return super().pulls_and_hessians(thetas)
        pulls, upper = np.zeros((len(thetas), self.size)), np.zeros((len(thetas), 1))
        for rows, products in self._products:
            slope, curvature = self.loss.slope_and_curvature(thetas.dot(rows.T))
            pulls += slope.dot(rows)
            upper = upper + curvature.dot(products)
        hessians, (i, j) = np.empty((len(thetas), self.size, self.size)), _upper(self.size)
        hessians[:, i, j] = hessians[:, j, i] = upper
        return pulls, hessians


class Problem:
    """A loss and a penalty on data, as a function of theta.

    Parameters
    ----------
    data : Dataset or ChunkedDataset
    loss : Loss
    l2 : float, or pair of float
        lambda of the penalty on w, or (lambda of w, lambda_b of b).
    bias : bool
        Whether theta ends in a bias; theta has `size` = d + 1 entries then, else d.
    reduction : {"mean", "sum"}

    Notes
    -----
    `gradients` and `hessians` count evaluations; a gradient over a batch counts as one.
    """

    def __init__(
        self, data: Dataset, *, loss: Loss = LOGISTIC, l2: float | tuple[float, float] = 0.0,
        bias: bool = True, reduction: str = "mean",
    ) -> None:  # fmt: skip
        _checks.one_of("reduction", reduction, ("mean", "sum"))
        _checks.one_of("bias", bias, (True, False))
        if not isinstance(loss, Loss):
            raise ValueError(f"loss must be a Loss such as lingrok.losses.LOGISTIC, got {loss!r}")
        self.l2 = penalties(l2)
        self.data, self.loss, self.bias = data, loss, bool(bias)
        self.sums = sums_of(data, loss, self.bias)
        self.size = data.d + self.bias
        self.scale = 1 / data.n if reduction == "mean" else 1.0
        self.decay = np.append(np.full(data.d, self.l2[0]), [self.l2[1]] * self.bias)
        self._penalised = bool(self.decay.any())
        self.gradients = self.hessians = 0

    def value(self, theta: FloatArray) -> float:
        """Loss and penalty at `theta`."""
        return self.scale * self.sums.value(theta) + float(self.decay @ theta**2) / 2

    def gradient(self, theta: FloatArray) -> FloatArray:
        """Gradient at `theta`, shape (size,)."""
        self.gradients += 1
        return self._gradient(self.sums.pull(theta), theta)

    def gradients_at(self, thetas: FloatArray) -> FloatArray:
        """Gradient at each of `thetas`, shape (m, size), counted one by one."""
        self.gradients += len(thetas)
        return self._gradient(self.sums.pulls(thetas), thetas)

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Hessian at `theta`, shape (size, size).

        Only Newton's iteration sees it: a point far on the wrong side may lose its weight to
        rounding; in large data points that add less than a thousandth are left out, and products
        are in float32 (sums over chunks in float64). A `rough` one of more than 128 points a
        dimension takes a sample of that size, regular in weight, and is good to a fifth.
        """
        self.hessians += 1
        return self._hessian(self.sums.hessian(theta, rough=rough))

    def gradient_and_hessian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, at once where that is cheaper; counted as one of each."""
        self.gradients += 1
        self.hessians += 1
        pull, hessian = self.sums.pull_and_hessian(theta)
        return self._gradient(pull, theta), self._hessian(hessian)

    def gradients_and_hessians(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both at each of k thetas, shapes (k, size) and (k, size, size); counted k times each."""
        self.gradients += len(thetas)
        self.hessians += len(thetas)
        pulls, hessians = self.sums.pulls_and_hessians(thetas)
        return self._gradient(pulls, thetas), self._hessian(hessians)

    def batch_gradient(self, theta: FloatArray, rows: npt.NDArray[np.int64]) -> FloatArray:
        """Gradient as the points `rows` let it be estimated: their mean stands for that of all."""
        self.gradients += 1
        X, y = self.data.X[rows], self.data.y[rows]
        z = X.dot(theta[: self.data.d])
        if self.bias:
            z += theta[-1]
        pull = self.loss.slope(y * z) * y
        total = np.append(pull.dot(X), [pull.sum()] * self.bias)
        return self._gradient(total * (self.data.n / len(rows)), theta)

    def _gradient(self, pull: FloatArray, theta: FloatArray) -> FloatArray:
        pull *= -self.scale
        if self._penalised:
            pull += self.decay * theta
        return pull

    def _hessian(self, total: FloatArray) -> FloatArray:
        total *= self.scale
        if self._penalised:
            each = np.arange(self.size)
            total[..., each, each] += self.decay
        return total


class one_blas_thread:  # noqa: N801 - used like a function
    """Keep BLAS to one thread, until the last of those who asked for it is done.

    The products of a run are small or already shared by threads; BLAS's own would spin while they
    wait for each other, which on a busy machine makes a small product 25 times slower. The limit
    is the process's: two runs in two threads share it, so who ends first must not lift it.
    """

    _lock, _users, _limit = Lock(), 0, ExitStack()

    def __enter__(self) -> Self:
        cls = one_blas_thread
        with cls._lock:
            if not cls._users:
                cls._limit.enter_context(_blas().limit(limits=1, user_api="blas"))
            cls._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        cls = one_blas_thread
        with cls._lock:
            cls._users -= 1
            if not cls._users:
                cls._limit.close()


@lru_cache
def _upper(size: int) -> tuple[npt.NDArray[np.int64], ...]:
    return np.triu_indices(size)


@lru_cache
def _blas() -> Any:
    return ThreadpoolController()
