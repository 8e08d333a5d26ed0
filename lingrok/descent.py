"""Logistic regression by gradient descent: the objective, the Trajectory, and exact descent.

Said once, for the whole package:

- The loss of one point is log(1 + exp(-z)) with the margin z = y (w·x + b). `reduction="sum"`
  adds it over the points, as the paper's equation 3 writes it; `reduction="mean"` divides by n,
  as the paper's figures need it (chapter 1 shows both).
- A *step* is one update of w and b together, theta <- theta - lr * gradient, from theta = 0.
  Time is counted in steps everywhere.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from tqdm.auto import tqdm

from . import _checks
from ._checks import FloatArray
from .data import Dataset

_SMALL = 1 << 22  # numbers: up to 32 MB the signed rows are kept as a second copy of X
_CHUNK = 1 << 19  # numbers a chunk of rows holds: 4 MB, so both products find it in shared cache


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Hyperplanes at the checkpoints of a run, and what the run cost.

    Attributes
    ----------
    steps : (k,) int64 array
        Checkpoints, in steps.
    w : (k, d) array
        Weights.
    b : (k,) array
        Bias; zero in a run without bias.
    w_true : (d,) array
        Unit normal of the true separator, which `angle` is measured to.
    error_estimate : (k,) array
        Bound on the distance of (w, b) from exact gradient descent, relative to its length;
        0 for exact runs.
    gradient_evaluations : int
        All of them, the exact steps of a fast-forward included.
    hessian_evaluations : int
        Hessians of the loss; 0 for exact runs.
    """

    steps: npt.NDArray[np.int64]
    w: FloatArray
    b: FloatArray
    w_true: FloatArray
    error_estimate: FloatArray
    gradient_evaluations: int
    hessian_evaluations: int = 0

    @cached_property
    def norm(self) -> FloatArray:
        """Length of w, shape (k,)."""
        return np.asarray(np.linalg.norm(self.w, axis=1))

    @cached_property
    def distance(self) -> FloatArray:
        """Distance of the hyperplane from the origin, |b| / ||w||, shape (k,)."""
        return np.asarray(np.abs(self.b) / self.norm)

    @cached_property
    def angle(self) -> FloatArray:
        """Angle between w and w_true in rad, shape (k,)."""
        along = self.w @ self.w_true
        # arctan2, since arccos loses half of the digits of a small angle
        across = np.linalg.norm(self.w - along[:, None] * self.w_true, axis=1)
        return np.asarray(np.arctan2(across, along))


class Objective:
    """Gradient and Hessian of the logistic loss, scaled so that a step is theta += step(theta).

    Parameters
    ----------
    data : Dataset
    lr : float
    reduction : {"mean", "sum"}
    bias : bool
        Whether theta ends in a bias; theta has `size` = d + 1 entries then, else d.

    Notes
    -----
    Large data are read once an evaluation, in chunks of rows that stay in cache for both products,
    and never copied. The loops over chunks count in `gradients` and `hessians`.
    """

    def __init__(self, data: Dataset, lr: float, reduction: str, bias: bool) -> None:
        _checks.one_of("reduction", reduction, ("mean", "sum"))
        if not isinstance(data, Dataset):
            raise ValueError(f"data must be a Dataset, got {type(data).__name__}")
        _checks.one_of("bias", bias, (True, False))
        self.data, self.bias = data, bool(bias)
        self.size = data.d + self.bias
        self.scale = _checks.positive("lr", lr) / (data.n if reduction == "mean" else 1)
        self.gradients = self.hessians = 0
        self._rows: FloatArray | None = None
        self._load(data, self.bias)

    def _load(self, data: Dataset, bias: bool) -> None:
        """Prepare what each evaluation needs."""
        if data.X.size <= _SMALL:
            rows = np.c_[data.X, np.ones(data.n)] if bias else data.X
            # Column-major: both products then run along contiguous columns, twice as fast for few
            self._rows = np.asfortranarray(rows * data.y[:, None])

    def step(self, theta: FloatArray) -> FloatArray:
        """Minus lr times the gradient at `theta`, shape (size,)."""
        self.gradients += 1
        if self._rows is not None:
            # Methods: on few points an operator's dispatch costs as much as the arithmetic
            z = self._rows.dot(-theta)
            total = np.asarray(expit(z, out=z).dot(self._rows))
        else:
            total = np.zeros(self.size)
            for X, y, z in self._margins(theta):
                np.negative(z, out=z)
                pull = expit(z, out=z)
                pull *= y
                total[: self.data.d] += pull @ X
                if self.bias:
                    total[-1] += pull.sum()
        total *= self.scale
        return total

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Lr times the Hessian at `theta`, shape (size, size).

        Only Newton's iteration sees it, so products of large data are in float32 (sums over chunks
        in float64).
        """
        self.hessians += 1
        d = self.data.d
        total = np.zeros((self.size, self.size))
        for X, _, z in self._margins(theta):
            weight = expit(z)
            weight *= expit(-z)  # not 1 - weight, which is 0 long before the weight is
            kind = np.float64 if self._rows is not None else np.float32
            rows = X.astype(kind, copy=False)
            scaled = rows * weight[:, None].astype(kind, copy=False)
            total[:d, :d] += scaled.T @ rows
            if self.bias:
                total[d, :d] += scaled.sum(axis=0)
                total[d, d] += weight.sum()
        if self.bias:
            total[:d, d] = total[d, :d]
        total *= self.scale
        return total

    def _margins(self, theta: FloatArray) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Rows, labels and margins, chunk by chunk."""
        X, y, d = self.data.X, self.data.y, self.data.d
        rows = max(64, _CHUNK // d)
        for start in range(0, self.data.n, rows):
            part = slice(start, start + rows)
            z = X[part] @ theta[:d]
            if self.bias:
                z += theta[d]
            z *= y[part]
            yield X[part], y[part], z


def objective_for(data: Dataset, lr: float, reduction: str, bias: bool) -> Objective:
    """Choose the objective that can read the data: another one where rows are on other machines."""
    kind: type[Objective] = getattr(data, "objective", Objective)
    return kind(data, lr, reduction, bias)


def gradient_descent(
    data: Dataset,
    steps: int,
    *,
    lr: float = 1e-2,
    reduction: str = "mean",
    bias: bool = True,
    checkpoints: npt.ArrayLike | None = None,
    progress: bool = False,
) -> Trajectory:
    """Run gradient descent step by step, exactly, from w = 0 and b = 0.

    Parameters
    ----------
    data : Dataset
    steps : int
        Length of the run, at least 1; 1e6 is as good as 1000000.
    lr : float
        Learning rate eta of the paper.
    reduction : {"mean", "sum"}
        Whether the loss is the mean over the points (the paper's figures) or their sum (its
        equation 3).
    bias : bool
        Whether b is learned; without, it stays 0.
    checkpoints : (k,) array of int, optional
        Steps to record, increasing, from 1 to `steps`. By default about 20 a decade, and the last.
    progress : bool
        Show a bar with steps, rate and time left.

    Returns
    -------
    Trajectory
        Memory does not grow with `steps`, only with the number of checkpoints.

    Raises
    ------
    ValueError
        For steps < 1, lr <= 0, an unknown reduction, and checkpoints that are not whole, do not
        increase or lie outside of the run.
    """
    objective = objective_for(data, lr, reduction, bias)
    steps, recorded = plan(steps, checkpoints)
    thetas = np.empty((len(recorded), objective.size))
    theta, at = np.zeros(objective.size), 0
    with tqdm(total=steps, unit="step", unit_scale=True, disable=not progress) as bar:
        for i, checkpoint in enumerate(recorded):
            at, theta = walk(objective, theta, at, int(checkpoint), bar)
            thetas[i] = theta
    return trajectory(objective, recorded, thetas, np.zeros(len(recorded)))


def walk(
    objective: Objective,
    theta: FloatArray,
    start: int,
    stop: int,
    bar: "tqdm[NoReturn] | None" = None,
) -> tuple[int, FloatArray]:
    """Take the steps from `start` to `stop`, one by one; return the last step and its theta."""
    theta, step, at = theta.copy(), objective.step, start
    stride = 1
    while at < stop:
        began = time.perf_counter()
        stride = min(stride, stop - at)
        for _ in range(stride):
            theta += step(theta)
        at += stride
        if bar is not None:
            bar.update(stride)
        # Come back to the bar about ten times a second, whatever a step costs
        stride = max(1, int(stride * min(2, 0.1 / (time.perf_counter() - began + 1e-9))))
    return at, theta


def plan(steps: int, checkpoints: npt.ArrayLike | None) -> tuple[int, npt.NDArray[np.int64]]:
    """Check a run's length and checkpoints; choose the default ones."""
    steps = _checks.count("steps", steps, 1)
    if checkpoints is None:
        grid = np.logspace(0, np.log10(steps), 1 + int(np.ceil(20 * np.log10(steps))))
        inner = np.unique(np.round(grid).astype(np.int64))
        return steps, np.append(inner[inner < steps], steps)
    recorded = _checks.finite("checkpoints", checkpoints, 1)
    if not recorded.size:
        raise ValueError("checkpoints must name at least one step, got none")
    broken = np.flatnonzero((recorded != np.floor(recorded)) | (recorded < 1) | (recorded > steps))
    if broken.size:
        i = int(broken[0])
        raise ValueError(
            f"checkpoints must be whole numbers from 1 to steps = {steps}, got {recorded[i]:g} at "
            f"index {i}"
        )
    _checks.increasing("checkpoints", recorded)
    return steps, np.asarray(checkpoints).astype(np.int64)


def trajectory(
    objective: Objective,
    steps: npt.NDArray[np.int64],
    thetas: FloatArray,
    error_estimate: FloatArray,
) -> Trajectory:
    """Gather the thetas of a finished run."""
    d = objective.data.d
    return Trajectory(
        steps=steps,
        w=thetas[:, :d].copy(),
        b=thetas[:, d].copy() if objective.bias else np.zeros(len(steps)),
        w_true=objective.data.w_true,
        error_estimate=error_estimate,
        gradient_evaluations=objective.gradients,
        hessian_evaluations=objective.hessians,
    )
