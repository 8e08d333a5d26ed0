"""What a problem asks of its data, whatever kind of rows they are."""

from abc import ABC, abstractmethod

import numpy as np

from ._checks import FloatArray

_CHUNK = 1 << 17  # numbers a chunk of rows holds: 1 MB, so both products find it in a core's cache


class Sums(ABC):
    """Sums over the points, which is all that is ever asked of the data.

    A kind of data has a kind of sums: see `problem.sums_of`.
    """

    @abstractmethod
    def value(self, theta: FloatArray) -> float:
        """Sum of the losses."""

    @abstractmethod
    def pull(self, theta: FloatArray) -> FloatArray:
        """Sum of slope(z) y (x, 1), shape (size,): minus the gradient of `value`."""

    def pulls(self, thetas: FloatArray) -> FloatArray:
        """Pull at each of `thetas`, shape (m, size): at once where that is cheaper."""
        return np.array([self.pull(theta) for theta in thetas])

    @abstractmethod
    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Sum of curvature(z) (x, 1) (x, 1)^T, shape (size, size)."""

    def pull_and_hessian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, at once where that is cheaper."""
        return self.pull(theta), self.hessian(theta)

    def pulls_and_hessians(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both at each of k thetas, shapes (k, size) and (k, size, size)."""
        both = [self.pull_and_hessian(theta) for theta in thetas]
        return np.array([pull for pull, _ in both]), np.array([hessian for _, hessian in both])


def parts(n: int, d: int, chunks: int = 1) -> list[slice]:
    """Cut n rows into parts of so many chunks."""
    rows = chunks * max(64, _CHUNK // d)
    return [slice(start, start + rows) for start in range(0, n, rows)]
