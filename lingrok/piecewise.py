"""Descent on a loss that is quadratic in pieces: the same iterates, in leaps from kink to kink.

While every margin stays in its piece, a step is linear, theta <- theta + lr (g - H theta), and any
number of them is known from the eigenvectors of H. Each coordinate along these moves one way only,
so where it starts and ends bounds it between, and those bounds bound all margins: a leap is taken
only where they show that no margin comes to a knot on the way. Else one step is taken as it is.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ._checks import FloatArray
from ._origin import traced
from .data import Dataset
from .descent import DivergenceError, Trajectory, plan, trajectory
from .losses import Loss, Pieces
from .problem import Problem, one_blas_thread

_WALK = 3000  # steps at first: there a margin comes to a knot at almost each of them
_ROUNDING = 1e-11  # of a margin, over the sum of its parts: what eigenvectors may do to it
_MOST = 60_000  # single steps; a kink without curvature may hold a run in its zigzag for ever


@traced
def piecewise_descent(
    data: Dataset, steps: int, *, loss: Loss, lr: float = 1e-2, reduction: str = "mean",
    bias: bool = True, checkpoints: npt.ArrayLike | None = None,
    l2: float | tuple[float, float] = 0.0,
) -> Trajectory:  # fmt: skip
    """Take the steps of `gradient_descent` on a loss with `pieces`, most of them in leaps.

    Parameters
    ----------
    data, steps, loss, lr, reduction, bias, checkpoints, l2
        As in `gradient_descent`; `steps` may be 1e13 as well.

    Returns
    -------
    Trajectory
        Exact but for rounding; `gradient_evaluations` counts single steps and leaps.

    Raises
    ------
    ValueError
        As in `gradient_descent`, and for a loss without pieces.
    DivergenceError
        For a rate beyond stability; and where many single steps show that the run zigzags
        across a kink, as under the hinge: `huber` rounds it off.
    """
    problem = Problem(data, loss=loss, l2=l2, bias=bias, reduction=reduction)
    if loss.pieces is None:
        raise ValueError(f"loss must be quadratic in pieces, got {loss}: use fast_forward")
    steps, recorded = plan(steps, checkpoints)
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore"):
        walker, thetas = _Walker(problem, loss.pieces, lr), []
        for checkpoint in recorded.tolist():
            walker.go(checkpoint)
            thetas.append(walker.theta.copy())
    problem.gradients = walker.count
    return trajectory(problem, recorded, np.array(thetas), np.zeros(len(recorded)))


class _Walker:
    """A run: where it is, the pieces its margins are in, and the linear step of these."""

    def __init__(self, problem: Problem, pieces: Pieces, lr: float) -> None:
        data = problem.data
        ones = [np.ones((data.n, 1))] * problem.bias
        self.rows = np.hstack([data.X, *ones]) * data.y[:, None]
        self.problem, self.lr, self.count, self.step, self.leaps = problem, float(lr), 0, 0, True
        self.knots = np.asarray(pieces.knots, dtype=np.float64)
        self.constants, self.rates = map(np.asarray, (pieces.constants, pieces.rates))
        self.edges = np.concatenate([[-np.inf], self.knots, [np.inf]])
        self.theta = np.zeros(problem.size)
        self.label = self.labels()
        self.assemble()

    def labels(self) -> npt.NDArray[np.intp]:
        return np.asarray(np.searchsorted(self.knots, self.rows.dot(self.theta), side="right"))

    def assemble(self) -> None:
        """Sum up g and H of the step that is linear as long as no label changes."""
        scale, constants = self.problem.scale, self.constants[self.label]
        self.force = scale * constants.dot(self.rows)
        weight = scale * self.rates[self.label]
        used = np.flatnonzero(weight)
        self.hessian = (self.rows[used] * weight[used, None]).T.dot(self.rows[used])
        self.hessian += np.diag(self.problem.decay)
        self.known = False

    def go(self, until: int) -> None:
        while self.step < until:
            far = self.reach(until - self.step) if self.step >= _WALK and self.leaps else 0
            if far:
                self.theta = self.base @ self.moved(far)
                self.step += far
            else:
                self.theta = self.theta + self.lr * (self.force - self.hessian.dot(self.theta))
                self.step += 1
            self.count += 1
            label = self.labels()
            self.leaps = True
            if not np.array_equal(label, self.label):
                self.label = label
                self.assemble()
            if self.count > _MOST or not np.isfinite(self.theta).all():
                raise DivergenceError(
                    f"at step {self.step} a margin crosses a kink at almost every step, or lr = "
                    f"{self.lr:g} is beyond stability: use a smaller lr, or huber(h) for the hinge"
                )

    def moved(self, far: int) -> FloatArray:
        """Coordinates in the eigenbasis after `far` linear steps."""
        rate = np.log1p(-np.minimum(self.lr * self.values, 1 - 1e-16)) * far
        part = -np.expm1(rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            grown = np.where(self.values > 1e-300, part / self.values, self.lr * far)
        return np.asarray(self.at * (1 - part) + self.push * grown)

    def reach(self, most: int) -> int:
        """How many steps are surely linear, up to `most`."""
        if not self.known:
            self.known = True
            values, self.base = np.linalg.eigh(self.hessian)
            self.values = np.maximum(values, 0)
            self.push = self.base.T @ self.force
            self.seen = self.rows @ self.base
            self.size = np.abs(self.seen)
            self.low, self.high = self.edges[self.label], self.edges[self.label + 1]
        if self.lr * self.values[-1] > 1:
            return 0  # it swings from side to side
        self.at = self.base.T @ self.theta
        near = slice(None)
        if (near := self.leaving(most, near)) is None:
            return most
        safe, unsafe = 0, most
        while unsafe > 1 + safe:
            # In log time, since the way to the next knot may be a step or a million
            middle = math.isqrt(max(safe, 1) * unsafe)
            middle = min(max(middle, safe + 1), unsafe - 1)
            found = self.leaving(middle, near)
            if found is None:
                safe = middle
            else:
                near, unsafe = found, middle
            if safe > 0.8 * unsafe:
                break
        return safe

    def leaving(self, far: int, rows: Any) -> Any:
        """Those of `rows` that may leave their piece on the way, None if there are none."""
        there = self.moved(far)
        middle, half = (self.at + there) / 2, np.abs(self.at - there) / 2
        # A pull has no jump at a knot: to be beyond by what rounding does to a margin is no matter
        z, spread = self.seen[rows] @ middle, self.size[rows] @ half
        spread -= _ROUNDING * (self.size[rows] @ np.abs(middle))
        out = (z - spread < self.low[rows]) | (z + spread > self.high[rows])
        if not out.any():
            return None
        return np.flatnonzero(out) if isinstance(rows, slice) else rows[out]
