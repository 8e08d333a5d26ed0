"""Logistic regression by gradient descent: the objective, the Trajectory, and exact descent.

Said once, for the whole package:

- The loss of one point is log(1 + exp(-z)) with the margin z = y (w·x + b). `reduction="sum"`
  adds it over the points, as the paper's equation 3 writes it; `reduction="mean"` divides by n,
  as the paper's figures need it (chapter 1 shows both).
- A *step* is one update of w and b together, theta <- theta - lr * gradient, from theta = 0.
  Time is counted in steps everywhere.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, NoReturn

import joblib
import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import ssyrk
from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

from . import _checks
from ._checks import FloatArray
from ._origin import traced
from ._state import State, fingerprint
from .data import Dataset

_SMALL = 1 << 22  # numbers: up to 32 MB the signed rows are kept as a second copy of X
_CHUNK = 1 << 17  # numbers a chunk of rows holds: 1 MB, so both products find it in a core's cache
_WIDE = 16  # chunks that a product of the Hessian takes at once: its result is d x d
_NEGLIGIBLE = 1e-3  # share of the mean weight below which a point is left out of a Hessian
_ENOUGH = 256  # points a dimension, for a Hessian good to a tenth
_GROUPS = 32  # of chunks, each summed by one thread: more than cores, and the same on any machine
_LARGEST = 709.0  # margin: exp of more overflows


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
    and never copied; threads share the chunks (see `one_blas_thread`). `gradients` and `hessians`
    count evaluations.
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
        self._signed: list[FloatArray] | None = None
        self._load(data)

    def _load(self, data: Dataset) -> None:
        """Prepare what each evaluation needs."""
        if data.X.size <= _SMALL:
            rows = np.c_[data.X, np.ones(data.n)] if self.bias else data.X
            # Column-major: both products then run along contiguous columns, twice as fast for few
            self._signed = [
                np.asfortranarray(rows[part] * data.y[part, None]) for part in self._parts(1)
            ]

    def step(self, theta: FloatArray) -> FloatArray:
        """Minus lr times the gradient at `theta`, shape (size,)."""
        self.gradients += 1
        total = np.zeros(self.size)
        if self._signed is not None:
            # Methods: on few points an operator's dispatch costs as much as the arithmetic
            for rows in self._signed:
                total += _pull(rows.dot(theta)).dot(rows)
        else:
            total = self._sum(self._step_of, theta, self._parts(1))
        total *= self.scale
        return total

    def hessian(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Lr times the Hessian at `theta`, shape (size, size).

        Only Newton's iteration sees it: a point far on the wrong side may lose its weight to
        rounding; in large data points that add less than a thousandth are left out, and products
        are in float32 (sums over chunks in float64). A `rough` one takes a regular sample of the
        points that count where they are hundreds a dimension, and is good to a tenth.
        """
        self.hessians += 1
        total = np.zeros((self.size, self.size))
        if self._signed is not None:
            for rows in self._signed:
                total += _weighted(rows, _pull(rows.dot(theta)))
        else:
            work = partial(self._hessian_of, rough=rough)
            total = self._sum(work, theta, self._parts(_WIDE))
            total += np.tril(total, -1).T
        total *= self.scale
        return total

    def step_and_hessian(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, at once where that is cheaper; counted as one of each."""
        if self._signed is None:
            return self.step(theta), self.hessian(theta)
        self.gradients += 1
        self.hessians += 1
        step, hessian = np.zeros(self.size), np.zeros((self.size, self.size))
        for rows in self._signed:
            pull = _pull(rows.dot(theta))
            step += pull.dot(rows)
            hessian += _weighted(rows, pull)
        step *= self.scale
        hessian *= self.scale
        return step, hessian

    def _parts(self, chunks: int) -> list[slice]:
        rows = chunks * max(64, _CHUNK // self.data.d)
        return [slice(start, start + rows) for start in range(0, self.data.n, rows)]

    def _sum(
        self,
        work: Callable[[FloatArray, slice], FloatArray],
        theta: FloatArray,
        parts: list[slice],
    ) -> FloatArray:
        """Sum over parts, by all cores, in an order that does not depend on how many they are."""

        def together(group: list[slice]) -> FloatArray:
            total = work(theta, group[0])
            for part in group[1:]:
                total += work(theta, part)
            return total

        each = -(-len(parts) // _GROUPS)
        groups = [parts[i : i + each] for i in range(0, len(parts), each)]
        first, *rest = _threads().map(together, groups)
        for other in rest:
            first += other
        return first

    def _pull_of(self, theta: FloatArray, part: slice) -> FloatArray:
        # Row by row, as memory streams: a third faster than @, which reads several rows at a time
        z = np.vecdot(self.data.X[part], theta[: self.data.d])
        if self.bias:
            z += theta[-1]
        z *= self.data.y[part]
        return _pull(z)

    def _step_of(self, theta: FloatArray, part: slice) -> FloatArray:
        pull = self._pull_of(theta, part)
        pull *= self.data.y[part]
        total = np.empty(self.size)
        np.dot(pull, self.data.X[part], out=total[: self.data.d])
        if self.bias:
            total[-1] = pull.sum()
        return total

    def _hessian_of(self, theta: FloatArray, part: slice, *, rough: bool) -> FloatArray:
        """Lower triangle of the sum of weighted outer products."""
        pull, d = self._pull_of(theta, part), self.data.d
        weight = pull * (1 - pull)
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
        return np.asarray(ssyrk(1.0, rows.T, lower=True), dtype=np.float64)


def objective_for(data: Dataset, lr: float, reduction: str, bias: bool) -> Objective:
    """Choose the objective that can read the data: another one where rows are on other machines."""
    kind: type[Objective] = getattr(data, "objective", Objective)
    return kind(data, lr, reduction, bias)


@lru_cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(joblib.cpu_count())


@lru_cache
def _blas() -> Any:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep BLAS to one thread.

    The products of a run are small or already shared by threads; BLAS's own would spin while they
    wait for each other, which on a busy machine makes a small product 25 times slower.
    """
    limited: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limited


def _weighted(rows: FloatArray, pull: FloatArray) -> FloatArray:
    """Sum of the outer products of rows, weighted by their part in the Hessian."""
    weight = pull * (1 - pull)
    return np.asarray((rows * weight[:, None]).T.dot(rows))


def _pull(z: FloatArray) -> FloatArray:
    """Weight of a point in the gradient, 1 / (1 + exp(z)), in place.

    numpy's exp is vectorised, which makes this three times as fast as scipy's expit.
    """
    np.minimum(z, _LARGEST, out=z)
    np.exp(z, out=z)
    z += 1
    return np.reciprocal(z, out=z)


@traced
def gradient_descent(
    data: Dataset,
    steps: int,
    *,
    lr: float = 1e-2,
    reduction: str = "mean",
    bias: bool = True,
    checkpoints: npt.ArrayLike | None = None,
    progress: bool = False,
    state: str | os.PathLike[str] | None = None,
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
    state : path, optional
        File in which the run keeps its state at checkpoints. If it is there, the run goes on from
        it, to the same result bit for bit. It stays after the run, for the caller to remove.

    Returns
    -------
    Trajectory
        Memory does not grow with `steps`, only with the number of checkpoints.

    Raises
    ------
    ValueError
        For steps < 1, lr <= 0, an unknown reduction, checkpoints that are not whole, do not
        increase or lie outside of the run, and the state of another run.
    """
    objective = objective_for(data, lr, reduction, bias)
    steps, recorded = plan(steps, checkpoints)
    file = State(state, identity(objective, "exact", steps, recorded))
    thetas = np.empty((len(recorded), objective.size))
    theta, at, done = np.zeros(objective.size), 0, 0
    if kept := file.read():
        done = len(kept["thetas"])
        thetas[:done] = kept["thetas"]
        theta, at = thetas[done - 1], int(recorded[done - 1])
        objective.gradients = at
    bar = tqdm(total=steps, initial=at, unit="step", unit_scale=True, disable=not progress)
    with bar, one_blas_thread():
        for i, checkpoint in enumerate(recorded[done:], done):
            at, theta = walk(objective, theta, at, int(checkpoint), bar)
            thetas[i] = theta
            file.write({"thetas": thetas[: i + 1]}, last=i == len(recorded) - 1)
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


def identity(
    objective: Objective, kind: str, steps: int, recorded: npt.NDArray[np.int64], **more: float
) -> str:
    """Fingerprint of a run, by which it knows its own state again."""
    return fingerprint(
        objective.data, kind=kind, scale=objective.scale, bias=objective.bias, steps=steps,
        recorded=recorded, **more,
    )  # fmt: skip


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
