"""Descent that takes every step: the walk, and the Trajectory that every run gives.

A *step* is one update of (w, b) by a rule, from theta = 0; with plain gradient descent it is
theta <- theta - lr * gradient. Time is counted in steps everywhere, the first one being step 1.
`problem` says what is minimised, `rules` how.
"""

import os
import time
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from . import _checks
from ._checks import FloatArray
from ._origin import traced
from ._state import State, fingerprint
from .data import Dataset
from .losses import LOGISTIC, Loss
from .problem import Problem, one_blas_thread
from .rules import GradientDescent, Rule


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
    w_true : (d,) array or None
        Unit normal of the true separator, which `angle` is measured to, where it is known.
    error_estimate : (k,) array
        Bound on the distance of (w, b) from exact gradient descent, relative to its length;
        0 for exact runs.
    gradient_evaluations : int
        All of them, the exact steps of a fast-forward included; one over a batch counts as one.
    hessian_evaluations : int
        Hessians of the loss; 0 for exact runs.
    """

    steps: npt.NDArray[np.int64]
    w: FloatArray
    b: FloatArray
    w_true: FloatArray | None
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
        if self.w_true is None:
            raise ValueError("angle needs data with a true separator: give Dataset a w_true")
        along = self.w @ self.w_true
        # arctan2, since arccos loses half of the digits of a small angle
        across = np.linalg.norm(self.w - along[:, None] * self.w_true, axis=1)
        return np.asarray(np.arctan2(across, along))


class DivergenceError(RuntimeError):
    """A run left the range of floats: its learning rate is beyond what its loss bears."""


@traced
def gradient_descent(
    data: Dataset, steps: int, *, lr: float = 1e-2, reduction: str = "mean", bias: bool = True,
    checkpoints: npt.ArrayLike | None = None, progress: bool = False,
    state: str | os.PathLike[str] | None = None, loss: Loss = LOGISTIC,
    l2: float | tuple[float, float] = 0.0, rule: Rule | None = None, batch: int | None = None,
    replace: bool = False, seed: int | None = None,
) -> Trajectory:  # fmt: skip
    """Run gradient descent step by step, exactly, from w = 0 and b = 0.

    Parameters
    ----------
    data : Dataset
    steps : int
        Length of the run, at least 1; 1e6 is as good as 1000000.
    lr : float
        Learning rate eta of the paper; not looked at where a `rule` is given, which has its own.
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
    loss : Loss
        Of one point; in `losses`.
    l2 : float, or pair of float
        lambda of the added (lambda / 2) ||w||^2, b left free; a pair has b's as well.
    rule : Rule, optional
        How a gradient turns into a step; in `rules`. By default `GradientDescent(lr)`.
    batch : int, optional
        Take each gradient over so many points instead of all; `seed` must then be given.
    replace : bool
        Draw each batch from all points. By default each epoch goes through all of them in an order
        of its own, and its last batch has what is left.
    seed : int, optional
        Where the batches come from.

    Returns
    -------
    Trajectory
        Memory does not grow with `steps`, only with the number of checkpoints.

    Raises
    ------
    ValueError
        For steps < 1, lr <= 0, an unknown reduction, checkpoints that are not whole, do not
        increase or lie outside of the run, the state of another run, a loss, penalty, rule or
        batch that is none, and a rate that is no number at some step.
    DivergenceError
        Where (w, b) or a mean of squares overflows. It names the step and the remedy.
    """
    problem = Problem(data, loss=loss, l2=l2, bias=bias, reduction=reduction)
    rule = rule_of(rule, lr)
    batches = None if batch is None else Batches(data, batch, replace, seed)
    steps, recorded = plan(steps, checkpoints)
    drawn = {} if batch is None else {"batch": batch, "replace": replace, "seed": seed}
    file = State(state, partial(identity, problem, rule, "exact", steps, recorded, **drawn))
    thetas = np.empty((len(recorded), problem.size))
    now, at, done = rule.start(np.zeros(problem.size), data.d), 0, 0
    if kept := file.read():
        done = len(kept["thetas"])
        thetas[:done] = kept["thetas"]
        now, at = tuple(kept["now"]), int(recorded[done - 1])
        problem.gradients = at
    bar = tqdm(total=steps, initial=at, unit="step", unit_scale=True, disable=not progress)
    with bar, one_blas_thread():
        for i, checkpoint in enumerate(recorded[done:], done):
            now = walk(problem, rule, now, at, int(checkpoint), batches=batches, bar=bar)
            at, thetas[i] = int(checkpoint), now[0]
            kept = {"thetas": thetas[: i + 1], "now": np.array(now)}
            file.write(kept, last=i == len(recorded) - 1)
    return trajectory(problem, recorded, thetas, np.zeros(len(recorded)))


class Batches:
    """Points of each step's batch: an epoch's are drawn at once, by its number and the seed.

    So a run that goes on at any step draws what it would have drawn.
    """

    def __init__(self, data: Dataset, size: int, replace: bool, seed: int | None) -> None:
        if not isinstance(data, Dataset):
            raise ValueError(f"batch must be None for rows elsewhere, got {size!r}")
        self.n, self.size = data.n, _checks.count("batch", size, 1, data.n)
        _checks.one_of("replace", replace, (True, False))
        if seed is None:
            raise ValueError("seed must be a whole number where there are batches, got None")
        self.replace, self.seed = replace, _checks.count("seed", seed)
        self._steps = -(-self.n // self.size)  # of an epoch
        self._epoch, self._drawn = -1, np.empty(0, dtype=np.int64)

    def __call__(self, t: int) -> npt.NDArray[np.int64]:
        """Rows of the batch of step t."""
        epoch, i = divmod(t - 1, self._steps)
        if epoch != self._epoch:
            rng, self._epoch = np.random.default_rng([self.seed, epoch]), epoch
            if self.replace:
                self._drawn = rng.integers(self.n, size=self._steps * self.size)
            else:
                self._drawn = rng.permutation(self.n)
        return self._drawn[i * self.size : (i + 1) * self.size]


def walk(
    problem: Problem, rule: Rule, now: tuple[FloatArray, ...], start: int, stop: int, *,
    batches: Batches | None = None, bar: "tqdm[NoReturn] | None" = None,
) -> tuple[FloatArray, ...]:  # fmt: skip
    """Take the steps from `start` to `stop`, one by one; return the rule's state after the last.

    Raises
    ------
    DivergenceError
        Where theta, or what the rule remembers, is no longer finite.
    """
    at, stride = start, 1
    while at < stop:
        began, before = time.perf_counter(), now
        stride = min(stride, stop - at)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            now = _stride(problem, rule, now, at, at + stride, batches)
        # All of it: an infinite mean of squares would stop theta, as if it had converged
        if not np.isfinite(now).all():
            raise _diverged(problem, rule, before, at, batches)
        at += stride
        if bar is not None:
            bar.update(stride)
        # Come back to the bar about ten times a second, whatever a step costs
        stride = max(1, int(stride * min(2, 0.1 / (time.perf_counter() - began + 1e-9))))
    return now


def _stride(  # noqa: PLR0917
    problem: Problem, rule: Rule, now: tuple[FloatArray, ...], start: int, stop: int,
    batches: Batches | None,
) -> tuple[FloatArray, ...]:  # fmt: skip
    step, point, gradient = rule.step, rule.point, problem.gradient
    if batches is None:
        for t in range(start + 1, stop + 1):
            now = step(t, now, gradient(point(t, now)))
    else:
        for t in range(start + 1, stop + 1):
            now = step(t, now, problem.batch_gradient(point(t, now), batches(t)))
    return now


def _diverged(
    problem: Problem, rule: Rule, now: tuple[FloatArray, ...], at: int, batches: Batches | None,
) -> DivergenceError:  # fmt: skip
    """Find the step at which it happened, from a state a moment before."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while np.isfinite(now).all():
            now, at = _stride(problem, rule, now, at, at + 1, batches), at + 1
    return DivergenceError(
        f"at step {at} (w, b) or its rule's memory is no longer finite under {rule} and "
        f"{problem.loss}: use a smaller lr, a loss of bounded slope, or an epsilon above 0"
    )


def rule_of(rule: Rule | None, lr: float) -> Rule:
    """Return the rule that was asked for, or plain descent."""
    if rule is None:
        return GradientDescent(lr)
    if not isinstance(rule, Rule):
        raise ValueError(f"rule must be a Rule such as lingrok.rules.Adam(1e-3), got {rule!r}")
    return rule


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
    problem: Problem, rule: Rule, kind: str, steps: int, recorded: npt.NDArray[np.int64],
    **more: object,
) -> str:  # fmt: skip
    """Fingerprint of a run, by which it knows its own state again."""
    return fingerprint(
        problem.data, kind=kind, loss=repr(problem.loss), l2=problem.l2, scale=problem.scale,
        bias=problem.bias, rule=rule.identity(recorded), steps=steps, recorded=recorded, **more,
    )  # fmt: skip


def trajectory(
    problem: Problem, steps: npt.NDArray[np.int64], thetas: FloatArray,
    error_estimate: FloatArray,
) -> Trajectory:  # fmt: skip
    """Gather the thetas of a finished run."""
    d = problem.data.d
    return Trajectory(
        steps=steps, w=thetas[:, :d].copy(),
        b=thetas[:, d].copy() if problem.bias else np.zeros(len(steps)),
        w_true=problem.data.w_true, error_estimate=error_estimate,
        gradient_evaluations=problem.gradients, hessian_evaluations=problem.hessians,
    )  # fmt: skip
