"""Gradient descent without walking: the same iterates from a spectral method in log time.

The iterates theta_0, theta_1, ... of gradient descent lie on a smooth curve theta(t) with

    theta(t + 1) - theta(t) = -lr grad L(theta(t))        for real t,                      (*)

as soon as the fast modes of the start have died away. On log-spaced intervals [t0, t1] the
derivative of that curve with respect to s = log t is a polynomial to many digits. So a few exact
steps are walked, and then each *leap* solves (*) at m Radau points of an interval of a nat or more
by Newton's iteration with the exact Hessian. Equation (*) holds the finite step itself, so there
is no series in lr to be cut off, as there is where the gradient flow (or a backward-error-corrected
flow) stands in for descent; as t grows, (*) turns into the Radau IIA collocation of the flow.

The error estimate. While lr times the largest curvature is below 2, one step of gradient descent on
a convex loss brings no two points further apart, so errors of leaps add up at worst. The error of a
leap is bounded by the next Legendre coefficient of the derivative, extrapolated from the last
four, by what Newton's iteration left over, and, after a walk, by what still changes sign at each
step, which no smooth curve follows. The rounding of descent itself comes on top.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.sparse.linalg import LinearOperator, gmres
from scipy.special import roots_jacobi
from tqdm.auto import tqdm

from . import _checks
from ._checks import FloatArray
from ._origin import traced
from ._state import Arrays, State
from .data import Dataset
from .descent import (
    Objective,
    Trajectory,
    identity,
    objective_for,
    one_blas_thread,
    plan,
    trajectory,
)

_FIRST_WALK = 16  # steps before the first leap: fewer are not worth a collocation
_LONGEST_WALK = 20_000  # steps in all; what is not smooth by then has lr very close to 2/curvature
_FIRST_LEAP = 1.0  # nats
_WORTH = 4  # steps a node: a shorter leap costs more gradients than walking
_SAFETY = 4  # of the error estimate: without it, one leap in some hundred came out below its error
_DIFFERENCES = 6  # order of the differences that tell oscillation from a smooth curve
_NEWTON = 7  # iterations at most
_FEW = 48  # unknowns up to which a Hessian costs about as much as a gradient
_DENSE = 1_000  # unknowns times nodes up to which a leap's linear system is solved directly
_EPS = float(np.finfo(np.float64).eps)
# What a course keeps in a state, besides its counts and the last solution
_KEPT = (
    "n", "theta", "error", "walked", "recent", "thetas", "errors", "length", "on_foot"
)  # fmt: skip


class FastForwardError(RuntimeError):
    """The learning rate is beyond stability, or the tolerance can't be kept."""


@dataclass(frozen=True)
class _Interval:
    """From step `start`, where the curve is at `theta`, over 2 `half` nats."""

    start: float
    half: float
    theta: FloatArray

    def theta_at(self, x: FloatArray, c: FloatArray) -> FloatArray:
        """Theta at x in [-1, 1], for the Legendre coefficients c of d theta / d log t."""
        return self.theta + self.half * (_integrals(x, len(c)) @ c)


@dataclass(frozen=True)
class _Leap:
    """A solved interval: coefficients of d theta / d log t, (m, size), and their error."""

    interval: _Interval
    coefficients: FloatArray
    error: float  # absolute, in theta; infinite where Newton's iteration failed

    def at(self, t: FloatArray) -> FloatArray:
        x = np.log(t / self.interval.start) / self.interval.half - 1
        return self.interval.theta_at(x, self.coefficients)


def _flat(leap: _Leap) -> dict[str, Any]:
    interval = {"start": leap.interval.start, "half": leap.interval.half, "at": leap.interval.theta}
    return interval | {"coefficients": leap.coefficients, "leap_error": leap.error}


def _from_flat(state: Arrays) -> _Leap:
    interval = _Interval(float(state["start"]), float(state["half"]), state["at"])
    return _Leap(interval, state["coefficients"], float(state["leap_error"]))


class _Course:
    """Where a run has come to, what it has recorded on the way, and what it will try next."""

    def __init__(self, objective: Objective, recorded: npt.NDArray[np.int64]) -> None:
        self.objective, self.recorded = objective, recorded
        self.n, self.theta, self.error = 0, np.zeros(objective.size), 0.0
        self.walked = 0
        self.recent = self.theta[None]  # the last few steps that were walked
        self.thetas = np.zeros((len(recorded), objective.size))
        self.errors = np.zeros(len(recorded))
        self.length = _FIRST_LEAP  # of the next leap, in nats
        self.near: _Leap | None = None  # the last solution, from which the next one is guessed
        self.on_foot = True  # whether the last advance was a walk

    def state(self) -> dict[str, Any]:
        """Return all of it as arrays."""
        counts = {"gradients": self.objective.gradients, "hessians": self.objective.hessians}
        near = {} if self.near is None else _flat(self.near)
        return {name: getattr(self, name) for name in _KEPT} | counts | near

    def restore(self, state: Arrays) -> None:
        """Go back to where `state` was taken."""
        for name in _KEPT:
            kept = state[name]
            setattr(self, name, kept if kept.ndim else kept.item())
        self.objective.gradients = int(state["gradients"])
        self.objective.hessians = int(state["hessians"])
        self.near = _from_flat(state) if "coefficients" in state else None

    def walk(self, stop: int) -> None:
        """Take exact steps; they carry the error so far along."""
        start, path = self.n, [self.theta]
        for _ in range(start, stop):
            path.append(path[-1] + self.objective.step(path[-1]))
        self.walked += stop - start
        self.on_foot = True
        self.recent = np.array(path[-_DIFFERENCES - 1 :])
        self._advance(stop, lambda t: np.array(path)[t.astype(np.int64) - start])

    def leap(self, leap: _Leap, stop: int) -> None:
        """Go to the end of a solved interval, `stop`."""
        self.error += leap.error
        self.near, self.on_foot = leap, False
        self._advance(stop, leap.at)

    def oscillation(self) -> float:
        """Bound the part of the last steps that changes sign at each one, as no smooth curve does.

        It is what a curvature above 1/lr makes of the start, and high differences see it alone.
        """
        overshoot = float(np.linalg.eigvalsh(self.objective.hessian(self.theta))[-1]) - 1
        if overshoot <= 0:
            return 0.0
        last = np.diff(self.recent, len(self.recent) - 1, axis=0)[0]
        return float(_SAFETY * np.linalg.norm(last) / (1 + overshoot) ** (len(self.recent) - 1))

    def _advance(self, stop: int, curve: Callable[[FloatArray], FloatArray]) -> None:
        first, end = np.searchsorted(self.recorded, [self.n, stop], side="right")
        if first < end:
            self.thetas[first:end] = curve(self.recorded[first:end].astype(np.float64))
            lengths = np.linalg.norm(self.thetas[first:end], axis=1)
            self.errors[first:end] = self.error / lengths
        self.theta, self.n = curve(np.array([stop], dtype=np.float64))[0], stop


@traced
def fast_forward(
    data: Dataset,
    steps: int,
    *,
    lr: float = 1e-2,
    reduction: str = "mean",
    bias: bool = True,
    checkpoints: npt.ArrayLike | None = None,
    rtol: float = 1e-8,
    progress: bool = False,
    state: str | os.PathLike[str] | None = None,
) -> Trajectory:
    """Return the iterates of `gradient_descent` without walking them.

    Parameters
    ----------
    data, steps, lr, reduction, bias, checkpoints
        As in `gradient_descent`; `steps` may be 1e14 as well.
    rtol : float
        Largest error of (w, b) at any checkpoint, relative to its length, from 1e-12 to 1e-2.
        No result leaves with an estimate above it.
    progress : bool
        Show a bar over the decades of steps.
    state : path, optional
        As in `gradient_descent`; the run keeps its state after each walk and each leap.

    Returns
    -------
    Trajectory
        Its `error_estimate` bounds the distance from gradient descent at each checkpoint: the
        collocation errors so far, plus the rounding errors that descent itself gathers in
        float64, which grow like eps sqrt(steps) and which `rtol` does not count.

    Raises
    ------
    ValueError
        As `gradient_descent`, and for rtol out of range.
    FastForwardError
        Where lr times the largest curvature is 2 or more (descent then jumps about and follows no
        smooth curve), or the tolerance can't be kept. It names step, estimate and remedy.
    """
    objective = objective_for(data, lr, reduction, bias)
    steps, recorded = plan(steps, checkpoints)
    rtol = _checks.positive("rtol", rtol)
    if not 1e-12 <= rtol <= 1e-2:
        raise ValueError(f"rtol must be from 1e-12 to 1e-2, got {rtol!r}")
    order = int(np.clip(np.ceil(1.5 - np.log10(rtol)), 6, 14))
    course = _Course(objective, recorded)
    file = State(state, identity(objective, "fast", steps, recorded, rtol=rtol))
    kept = file.read()
    bar = tqdm(total=float(np.log10(steps)), unit="decade", disable=not progress)
    with bar, one_blas_thread():
        if kept:
            curvature = kept["curvature"]
            course.restore(kept)
        else:
            # At margins 0, where it is largest
            curvature = np.linalg.eigvalsh(objective.hessian(np.zeros(objective.size)))
        # The trace bounds a gradient's terms before they cancel
        terms = 2 * np.sqrt(objective.scale * data.n * curvature.sum())
        _check_stable(float(curvature[-1]), lr)
        for _ in _advance(course, steps, order, rtol, curvature[-1] > 1):
            bar.update(float(np.log10(course.n)) - bar.n)
            file.write(course.state() | {"curvature": curvature}, last=course.n == steps)
    worst = int(np.argmax(course.errors))
    if course.errors[worst] > rtol:
        raise FastForwardError(
            f"at step {recorded[worst]} the error estimate is {course.errors[worst]:.1e}, above "
            f"rtol={rtol:g}: use a larger rtol, a smaller lr, or gradient_descent"
        )
    run = trajectory(objective, recorded, course.thetas, course.errors)
    rounding = 16 + np.sqrt(recorded) * (1 + terms / np.hypot(run.norm, run.b))
    return replace(run, error_estimate=course.errors + _EPS * rounding)


def _advance(
    course: _Course, steps: int, order: int, rtol: float, oscillates: bool
) -> Iterator[None]:
    """Take the course to its end, leaping where that costs less than walking.

    Each time it yields, the course holds all that the rest of the way depends on.
    """
    if not course.n:
        course.walk(min(steps, _FIRST_WALK))
        yield
    while course.n < steps:
        n, length, near = course.n, course.length, course.near
        left = float(np.log(steps / n))
        if left < 2 * length:  # end evenly: a short leap would see the last one's error
            length = left if left < 1.2 * length else left / 2
        stop = min(steps, round(n * np.exp(length)))  # a whole step, since a walk may follow
        # Each leap may err in proportion to its length, so that the sum stays below rtol.
        share = 0.8 * rtol * np.log(stop / n) / np.log(steps / _FIRST_WALK)
        share *= float(np.linalg.norm(course.theta))
        rough = course.oscillation() if oscillates and course.on_foot else 0.0
        if stop - n < _WORTH * order or rough > share / 2:
            if course.walked >= _LONGEST_WALK:
                raise FastForwardError(
                    f"at step {n} the descent is still not smooth in log time: the error estimate "
                    f"of a leap of {length:.2g} nats is above its share of rtol={rtol:g}. Use a "
                    "smaller lr, a larger rtol, or gradient_descent"
                )
            # Before the first leap, double: each attempt then costs less than the walk before it
            course.walk(min(steps, 2 * n if near is None else n + _WORTH * order))
            course.length, course.near = max(length, _FIRST_LEAP), None
            yield
            continue
        length = float(np.log(stop / n))
        leap = _leap(course.objective, _Interval(n, length / 2, course.theta), order, near, share)
        leap = replace(leap, error=leap.error + rough)
        if not leap.error <= share:
            course.length = length * min(0.8, max(0.35, 0.85 * (share / leap.error) ** (1 / order)))
            course.near = leap if np.isfinite(leap.error) else near
        else:
            course.leap(leap, stop)
            course.length = length * min(
                2.0, max(0.5, 0.85 * (share / max(leap.error, 1e-3 * share)) ** (1 / order))
            )
        yield


def _check_stable(curvature: float, lr: float) -> None:
    """Raise where lr times the largest curvature is 2 or more."""
    if curvature >= 2:
        raise FastForwardError(
            f"at step 0 lr times the largest curvature of the loss is {curvature:.3g}; from 2 on "
            "gradient descent is beyond stability and follows no smooth curve: use lr < "
            f'{2 * lr / curvature:.2g}, reduction="mean", or gradient_descent'
        )


def _leap(
    objective: Objective, interval: _Interval, m: int, near: _Leap | None, share: float
) -> _Leap:
    """Solve (*) on an interval with m points, to an error well below `share`."""
    half, length = interval.half, 2 * interval.half
    # The points lie a step before the interval's end, so that t + 1 stays inside.
    log_t = (_radau(m) + 1) / 2 * (length + np.log1p(-np.exp(-length) / interval.start))
    delta = np.log1p(np.exp(-log_t) / interval.start)  # log(t + 1) - log(t)
    nodes, weights = _gauss(m // 2 + 1)
    inside = (log_t[:, None] + delta[:, None] * (nodes + 1) / 2) / half - 1
    # Means of the derivative over one step, as averages: a difference would cancel at late times.
    means = np.einsum("jqk,q->jk", legendre.legvander(inside, m - 1), weights) / 2
    x = log_t / half - 1
    values = half * _integrals(x, m)
    c = _predict(objective, interval, m, near)
    hessians: FloatArray | None = None
    previous = np.inf
    for _ in range(_NEWTON):
        thetas = interval.theta + values @ c
        if objective.size <= _FEW:
            both = [objective.step_and_hessian(theta) for theta in thetas]
            steps, hessians = (np.array(each) for each in zip(*both, strict=True))
        else:
            steps = np.array([objective.step(theta) for theta in thetas])
            if hessians is None:
                hessians = _few_hessians(objective, interval, c, x)
        residual = steps / delta[:, None] - means @ c
        change = _solve(means, values / delta[:, None], hessians, residual)
        c = c + change
        moved = float(np.linalg.norm(values @ change, axis=1).max())
        ratio = moved / previous if np.isfinite(previous) else 1.0
        left = moved * min(1.0, ratio)
        if left <= 0.1 * share:
            return _Leap(interval, c, _tail(c, half) + left)
        if ratio > 2:
            break
        previous = moved
    return _Leap(interval, c, np.inf)


def _tail(c: FloatArray, half: float) -> float:
    """Bound the first integral that the polynomial leaves out, from its last coefficients."""
    size = np.linalg.norm(c[-4:], axis=1)
    decay = np.clip((size[-2:].max() / max(size.max(), 1e-300)) ** 0.5, 0.1, 1.0)
    return float(_SAFETY * 2 * half * decay * max(size[-1], decay * size[-2]) / (2 * len(c) - 1))


def _predict(objective: Objective, interval: _Interval, m: int, near: _Leap | None) -> FloatArray:
    """Guess a leap's coefficients: the derivative of one nearby, as far as it reaches or beyond."""
    c = np.zeros((m, objective.size))
    if near is None:
        c[0] = objective.step(interval.theta) / np.log1p(1 / interval.start)
        return c
    known, degree = near.coefficients, m - 1
    if near.interval.start < interval.start:  # continued: high powers would run away
        degree = min(5, degree)
        known = _lower(m, degree) @ known
    ahead = (_radau(degree + 1) + 1) * interval.half + np.log(interval.start / near.interval.start)
    there = legendre.legvander(ahead / near.interval.half - 1, degree)
    c[: degree + 1] = _from_radau(degree + 1) @ (there @ known)
    return c


def _few_hessians(
    objective: Objective, interval: _Interval, c: FloatArray, x: FloatArray
) -> FloatArray:
    """Hessians at the points x, shape (m, size, size), from three and a parabola between.

    With many unknowns a Hessian costs far more than a gradient.
    """
    at = np.array([-0.8, 0.1, 1.0])
    known = np.array([objective.hessian(theta, rough=True) for theta in interval.theta_at(at, c)])
    between = np.linalg.solve(legendre.legvander(at, 2).T, legendre.legvander(x, 2).T)
    return np.asarray(np.einsum("ij,iab->jab", between, known))


def _solve(
    means: FloatArray, values: FloatArray, hessians: FloatArray, residual: FloatArray
) -> FloatArray:
    """Solve means @ c + (hessian_j (values @ c)_j)_j = residual for c, shape (m, size)."""
    m, size = residual.shape
    if m * size <= _DENSE:
        full = np.einsum("jk,ab->jakb", means, np.eye(size))
        full += np.einsum("jk,jab->jakb", values, hessians)
        solved = np.linalg.solve(full.reshape(m * size, -1), residual.ravel())
        return np.asarray(solved).reshape(m, size)
    # The mean Hessian's eigenvectors part the system into `size` small ones: a preconditioner.
    curvature, basis = np.linalg.eigh(hessians.mean(axis=0))
    parts = np.linalg.inv(means + curvature[:, None, None] * values)

    def apply(c: FloatArray) -> FloatArray:
        c = c.reshape(m, size)
        return np.ravel(means @ c + np.einsum("jab,jb->ja", hessians, values @ c))

    def precondition(r: FloatArray) -> FloatArray:
        return np.ravel(np.einsum("ijk,ki->ji", parts, r.reshape(m, size) @ basis) @ basis.T)

    shape, kind = (m * size, m * size), np.float64
    solution, _ = gmres(
        LinearOperator(shape, matvec=apply, dtype=kind),
        residual.ravel(),
        M=LinearOperator(shape, matvec=precondition, dtype=kind),
        rtol=1e-5,
        restart=20,
        maxiter=3,
    )
    return np.asarray(solution).reshape(m, size)


@lru_cache
def _radau(m: int) -> FloatArray:
    """Radau's m points on (-1, 1], the last one 1."""
    inner, _ = roots_jacobi(m - 1, 1, 0)
    return np.append(inner, 1.0)


@lru_cache
def _from_radau(m: int) -> FloatArray:
    """Matrix from values at Radau's m points to Legendre coefficients."""
    return np.asarray(np.linalg.inv(legendre.legvander(_radau(m), m - 1)))


@lru_cache
def _lower(m: int, degree: int) -> FloatArray:
    """Matrix from m Legendre coefficients to those of a fit of lower degree at Radau's points."""
    values = legendre.legvander(_radau(m), m - 1)
    return np.asarray(np.linalg.pinv(values[:, : degree + 1]) @ values)


@lru_cache
def _gauss(m: int) -> tuple[FloatArray, FloatArray]:
    nodes, weights = legendre.leggauss(m)
    return nodes.astype(np.float64), weights.astype(np.float64)


def _integrals(x: FloatArray, m: int) -> FloatArray:
    """Integrals of the Legendre polynomials 0 to m - 1 from -1 to x, shape (len(x), m)."""
    table = legendre.legvander(x, m)
    k = np.arange(1, m)
    first = table[:, :1] + table[:, 1:2]
    return np.concatenate([first, (table[:, 2:] - table[:, : m - 1]) / (2 * k + 1)], axis=1)
