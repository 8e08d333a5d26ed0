"""Gradient descent without walking: a few exact steps, then leaps in log time (`collocation`).

The error estimate is meant as a bound on the distance from the walked run: errors of leaps add up
as in a bound, but what one leap adds is an extrapolation. It is the next Legendre coefficient of
the derivative, extrapolated from the last four and taken four times, what Newton's iteration left
over, and what no smooth curve follows: after a walk, the part that changes sign at each step, and
with inertia a displacement that is not the curve's, which would go on to move theta by 1 / (1 -
inertia) times as much. The book's page "Derivations" has the argument.

What a step does to an error from before. While lr times the largest curvature is below 2, one step
of gradient descent on a convex loss brings no two points further apart, so errors add up at worst;
where the curvature has no bound, each leap checks it. Heavy ball is not nonexpansive: an error is
multiplied by the norm of the product of the Jacobians of all steps of a leap, and, where steps are
walked after a leap, by what the worst mode makes of it. The rounding of descent itself comes on
top, as far as somebody may walk. Beyond, no walk in float64 is what a run stands for: its roundings
no longer differ from step to step and add up, and from some 1e15 steps on, where the displacement
is below half a unit in theta's last place, it would stand still. A leap adds no small displacement
to a large theta: what it returns is the iterate of exact arithmetic.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from . import _checks
from ._checks import FloatArray
from ._origin import traced
from ._state import Arrays, State
from .collocation import SAFETY, Interval, Leap, Motion, solve
from .data import Dataset
from .descent import Trajectory, identity, plan, rule_of, trajectory
from .losses import LOGISTIC, Loss
from .problem import Problem, one_blas_thread
from .rules import Rule

_FIRST_WALK = 16  # steps before the first leap: fewer are not worth a collocation
_LONGEST_WALK = 20_000  # steps in all; what is not smooth by then is very close to instability
_FIRST_LEAP = 1.0  # nats
_WORTH = 4  # steps a node: a shorter leap costs more gradients than walking
_WORTH_OF_MANY = 3  # the same where a leap reads the data once for all of its nodes
_LONGEST_OF_MANY = 2.5  # nats: over more, what is interpolated between few curvatures is too rough
_DIFFERENCES = 6  # order of the differences that tell oscillation from a smooth curve
_WALKABLE = 1e9  # steps: the rounding of a longer walk is not modelled, which nobody would take
_EPS = float(np.finfo(np.float64).eps)
# What a course keeps in a state, besides its counts and the last solution
_KEPT = (
    "n", "theta", "error", "slip", "walked", "recent", "moved", "thetas", "errors", "length",
    "on_foot", "until",
)  # fmt: skip


class FastForwardError(RuntimeError):
    """The learning rate is beyond stability, or the tolerance can't be kept."""


class _Course:
    """Where a run has come to, what it has recorded on the way, and what it will try next."""

    def __init__(self, motion: Motion, recorded: npt.NDArray[np.int64]) -> None:
        self.motion, self.recorded = motion, recorded
        self.n, self.theta, self.error = 0, np.zeros(motion.size), 0.0
        self.now = motion.rule.start(self.theta, motion.problem.data.d)  # the rule's state
        self.slip = 0.0  # error of the last displacement, which a walk would carry on
        self.walked = 0
        self.recent = self.theta[None]  # the last few steps that were walked
        self.moved = np.zeros(motion.size)  # the last displacement
        self.thetas = np.zeros((len(recorded), motion.size))
        self.errors = np.zeros(len(recorded))
        self.length = _FIRST_LEAP  # of the next leap, in nats
        self.near: Leap | None = None  # the last solution, from which the next one is guessed
        self.on_foot = True  # whether the last advance was a walk
        self.until = 0  # step to walk to before it is worth to leap

    def state(self) -> dict[str, Any]:
        """Return all of it as arrays."""
        problem = self.motion.problem
        counts = {"gradients": problem.gradients, "hessians": problem.hessians}
        near = {} if self.near is None else _flat(self.near)
        now = {"now": np.array(self.now)}
        return {name: getattr(self, name) for name in _KEPT} | counts | near | now

    def restore(self, state: Arrays) -> None:
        """Go back to where `state` was taken."""
        for name in _KEPT:
            kept = state[name]
            setattr(self, name, kept if kept.ndim else kept.item())
        self.now = tuple(state["now"])
        self.motion.problem.gradients = int(state["gradients"])
        self.motion.problem.hessians = int(state["hessians"])
        self.near = _from_flat(state) if "coefficients" in state else None

    def walk(self, stop: int) -> None:
        """Take exact steps; they carry the error so far along."""
        start, path, inertia = self.n, [self.theta], self.motion.inertia
        step, gradient = self.motion.rule.step, self.motion.problem.gradient
        if self.error and inertia:
            self.error *= _worst_growth(self.curvatures()[0], inertia)
            self.error += inertia / (1 - inertia) * self.slip
            self.slip = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            # As the walk does it, to the last digit, so that until the first leap there is no error
            for t in range(start + 1, stop + 1):
                self.now = step(t, self.now, gradient(self.now[0]))
                path.append(self.now[0])
        finite = np.all(np.isfinite(path), axis=1)
        if not finite[-1]:
            raise FastForwardError(
                f"at step {start + int(np.argmin(finite))} (w, b) is no longer finite: use a "
                "smaller lr, or a loss of bounded slope"
            )
        self.moved = path[-1] - path[-2]
        self.walked += stop - start
        self.on_foot = True
        self.recent = np.array(path[-_DIFFERENCES - 1 :])
        self._advance(stop, lambda t: np.array(path)[t.astype(np.int64) - start])

    def leap(self, leap: Leap, stop: int) -> None:
        """Go to the end of a solved interval, `stop`."""
        self.error = self.error * leap.growth + leap.error
        self.near, self.on_foot = leap, False
        if self.motion.inertia:
            self.moved, self.slip = leap.displacement(stop), leap.slip
        self._advance(stop, leap.at)
        self.now = self.motion.rule.resumed(self.theta, self.moved)

    def oscillation(self) -> float:
        """Bound the part of the last steps that changes sign at each one, as no smooth curve does.

        It is what a curvature above 1 / lr makes of the start, and high differences see it alone:
        they multiply a mode that goes like mu^t by (mu - 1)^k.
        """
        curvature, basis = self.curvatures()
        swings = curvature > 1
        if not swings.any():
            return 0.0
        k = len(self.recent) - 1
        with np.errstate(over="ignore", invalid="ignore"):  # then no leap is tried
            last = (np.diff(self.recent, k, axis=0)[0] @ basis)[swings]
            fast = np.abs(_roots(curvature[swings], self.motion.inertia) - 1).min(axis=0)
            return float(SAFETY * np.linalg.norm(last / fast**k))

    def mismatch(self, leap: Leap) -> float:
        """Bound what a last displacement that is not the curve's does to theta."""
        inertia = self.motion.inertia
        if not inertia or not np.isfinite(leap.error):
            return 0.0
        away = float(np.linalg.norm(self.moved - leap.displacement(leap.interval.start)))
        return SAFETY * inertia / (1 - inertia) * away

    def curvatures(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues and eigenvectors of lr times the Hessian here."""
        with np.errstate(over="ignore", invalid="ignore"):
            hessian = self.motion.curvature(self.theta)
        if not np.isfinite(hessian).all():
            _check_stable(np.inf, self.motion, self.n)
        return tuple(np.linalg.eigh(hessian))  # type: ignore[return-value]

    def _advance(self, stop: int, curve: Callable[[FloatArray], FloatArray]) -> None:
        first, end = np.searchsorted(self.recorded, [self.n, stop], side="right")
        *passed, self.theta = curve(np.append(self.recorded[first:end], stop).astype(np.float64))
        if passed:
            self.thetas[first:end] = passed
            lengths = np.linalg.norm(passed, axis=1)
            self.errors[first:end] = self.error / np.maximum(lengths, 1e-300)
        self.n = stop


@traced
def fast_forward(
    data: Dataset, steps: int, *, lr: float = 1e-2, reduction: str = "mean", bias: bool = True,
    checkpoints: npt.ArrayLike | None = None, rtol: float = 1e-8, progress: bool = False,
    state: str | os.PathLike[str] | None = None, loss: Loss = LOGISTIC,
    l2: float | tuple[float, float] = 0.0, rule: Rule | None = None,
) -> Trajectory:  # fmt: skip
    """Return the iterates of `gradient_descent` without walking them.

    Parameters
    ----------
    data, steps, lr, reduction, bias, checkpoints, loss, l2
        As in `gradient_descent`; `steps` may be 1e14 as well, and the loss must be smooth.
    rtol : float
        Largest error of (w, b) at any checkpoint, relative to its length, from 1e-12 to 1e-2. No
        result leaves with an estimate above it, but for what rounding does to descent itself.
    progress : bool
        Show a bar over the decades of steps.
    state : path, optional
        As in `gradient_descent`; the run keeps its state after each walk and each leap.
    rule : GradientDescent or HeavyBall, optional
        With a constant rate. By default `GradientDescent(lr)`.

    Returns
    -------
    Trajectory
        Its `error_estimate` is meant to bound the distance from gradient descent in exact
        arithmetic at each checkpoint: the collocation errors so far, extrapolated with a factor of
        four to spare. It also has room for the rounding errors of a walk in float64, modelled as
        eps sqrt(steps) up to 1e9 steps, which `rtol` does not count. Later the walk in float64 is
        another curve, and stands still from some 1e15 steps on.

    Raises
    ------
    ValueError
        As `gradient_descent`, for rtol out of range, and for a loss or rule that can't be leapt
        over.
    FastForwardError
        Where lr times the largest curvature is 2 or more, 2 (1 + momentum) with heavy ball (descent
        then jumps about and follows no smooth curve), or the tolerance can't be kept. It names
        step, estimate and remedy.
    """
    problem = Problem(data, loss=loss, l2=l2, bias=bias, reduction=reduction)
    rule = rule_of(rule, lr)
    if rule.inertia is None:
        raise ValueError(
            "rule must be GradientDescent or HeavyBall with a constant lr to be leapt over, got "
            f"{rule}: use gradient_descent, which walks"
        )
    if not loss.smooth:
        raise ValueError(
            f"loss must be smooth to be leapt over, got {loss}: use gradient_descent, which walks"
        )
    steps, recorded = plan(steps, checkpoints)
    rtol = _checks.positive("rtol", rtol)
    if not 1e-12 <= rtol <= 1e-2:
        raise ValueError(f"rtol must be from 1e-12 to 1e-2, got {rtol!r}")
    motion = Motion(problem, rule)
    course = _Course(motion, recorded)
    file = State(state, partial(identity, problem, rule, "fast", steps, recorded, rtol=rtol))
    kept = file.read()
    bar = tqdm(total=float(np.log10(steps)), unit="decade", disable=not progress)
    with bar, one_blas_thread():
        if kept:
            curvature = kept["curvature"]
            course.restore(kept)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                curvature = np.linalg.eigvalsh(motion.curvature(np.zeros(problem.size)))
        _check_stable(float(curvature[-1]), motion, 0)
        steepest = curvature[-1] * loss.steepest / loss.curvature(np.zeros(1))[0]  # anywhere
        for _ in _advance(course, steps, rtol, float(steepest)):
            bar.update(float(np.log10(course.n)) - bar.n)
            if file.path:
                file.write(course.state() | {"curvature": curvature}, last=course.n == steps)
    worst = int(np.argmax(course.errors))
    if not course.errors[worst] <= rtol:
        raise FastForwardError(
            f"at step {recorded[worst]} the error estimate is {course.errors[worst]:.1e}, above "
            f"rtol={rtol:g}: use a larger rtol, a smaller lr, or gradient_descent"
        )
    run = trajectory(problem, recorded, course.thetas, course.errors)
    return replace(run, error_estimate=course.errors + _rounding(run, motion, curvature))


def _rounding(run: Trajectory, motion: Motion, curvature: FloatArray) -> FloatArray:
    """Relative rounding errors that the walked run itself gathers, at each checkpoint."""
    problem, zero = motion.problem, np.zeros(1)
    # The trace bounds a gradient's terms before they cancel: it is that of the points' squares
    trace = float(curvature.sum() - motion.lr * problem.decay.sum())
    count = problem.scale * problem.data.n
    slope, bend = float(problem.loss.slope(zero)[0]), float(problem.loss.curvature(zero)[0])
    terms = 2 * slope * np.sqrt(motion.lr * count * max(trace, 0.0) / bend)
    lengths = np.maximum(np.hypot(run.norm, run.b), 1e-300)
    rounding = 16 + np.sqrt(np.minimum(run.steps, _WALKABLE)) * (1 + terms / lengths) / (
        1 - motion.inertia
    )
    return np.asarray(_EPS * rounding)


def _advance(course: _Course, steps: int, rtol: float, steepest: float) -> Iterator[None]:
    """Take the course to its end, leaping where that costs less than walking.

    `steepest` bounds lr times the curvature anywhere. Each time it yields, the course holds all
    that the rest of the way depends on.
    """
    many = course.motion.many  # then gradients at all nodes cost about what two steps do
    order = int(np.clip(np.ceil(1.5 - np.log10(rtol)), 6, 14)) + 2 * many
    worth, longest = (_WORTH_OF_MANY, _LONGEST_OF_MANY) if many else (_WORTH, np.inf)
    inertia = course.motion.inertia
    # Steps in which the fast modes of heavy ball fall by a factor of e
    memory = 2 / -np.log(inertia) if inertia else 0.0
    if not course.n:
        course.walk(
            min(steps, max(_FIRST_WALK, round(memory * np.log(100 / (rtol * (1 - inertia))))))
        )
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
        rough = course.oscillation() if steepest > 1 and course.on_foot else 0.0
        if stop - n < worth * order or not rough <= share / 2 or course.until > n:
            if course.walked >= _LONGEST_WALK + 20 * memory:
                raise FastForwardError(
                    f"at step {n} the descent is still not smooth in log time: the error estimate "
                    f"of a leap of {length:.2g} nats is above its share of rtol={rtol:g}. Use a "
                    "smaller lr, a larger rtol, or gradient_descent"
                )
            # Before the first leap, double: each attempt then costs less than the walk before it
            further = 2 * n if near is None else n + worth * order
            course.walk(min(steps, course.until if course.until > n else further))
            course.length, course.near = max(length, _FIRST_LEAP), None
            yield
            continue
        length = float(np.log(stop / n))
        leap = solve(course.motion, Interval(n, length / 2, course.theta), order, near, share)
        mismatch = course.mismatch(leap)
        leap = replace(leap, error=leap.error + rough + mismatch)
        if mismatch > share / 2 and course.on_foot:  # a shorter leap would meet it again
            course.until = n + max(_WORTH * order, round(memory * np.log(2 * mismatch / share)))
        elif not leap.error <= share:
            course.length = length * min(0.8, max(0.35, 0.85 * (share / leap.error) ** (1 / order)))
            course.near = leap if np.isfinite(leap.error) else near
        else:
            if not steepest < 2:
                _check_stable(course.curvatures()[0][-1], course.motion, n)
            course.leap(leap, stop)
            spare = share / max(leap.error, 1e-3 * share, 1e-300)  # share is 0 where theta is
            grown = length * min(2.0, max(0.5, 0.85 * spare ** (1 / order)))
            course.length = min(grown, longest)
        yield


def _check_stable(curvature: float, motion: Motion, n: int) -> None:
    """Raise where lr times the largest curvature is beyond what the rule bears."""
    limit = 2 * (1 + motion.inertia)
    if not np.isfinite(curvature):
        raise FastForwardError(
            f"at step {n} the curvature of the loss leaves the range of floats: use a smaller "
            "lr, or scale X down"
        )
    if curvature >= limit:
        raise FastForwardError(
            f"at step {n} lr times the largest curvature of the loss is {curvature:.3g}; from "
            f"{limit:g} on gradient descent is beyond stability and follows no smooth curve: use "
            f'lr < {limit * motion.lr / curvature:.2g}, reduction="mean", or gradient_descent'
        )


def _roots(curvature: FloatArray, inertia: float) -> npt.NDArray[np.complex128]:
    """Growth factors of the two modes of an eigenvalue, or the one without inertia; (2, k)."""
    half = (1 + inertia - curvature) / 2
    root = np.sqrt(half.astype(np.complex128) ** 2 - inertia)
    return np.array([half + root, half - root]) if inertia else 2 * half[None].astype(np.complex128)


def _worst_growth(curvature: FloatArray, inertia: float) -> float:
    """Largest factor by which steps with these eigenvalues multiply a shift of theta, ever."""
    last = now = worst = np.ones(len(curvature))
    for _ in range(int(10 / (1 - np.sqrt(inertia)))):
        last, now = now, (1 + inertia - curvature) * now - inertia * last
        worst = np.maximum(worst, np.abs(now))
    return float(worst.max())


def _flat(leap: Leap) -> dict[str, Any]:
    interval = {"start": leap.interval.start, "half": leap.interval.half, "at": leap.interval.theta}
    knots = {"knots": leap.knots, "curvatures": leap.curvatures}
    return interval | {"coefficients": leap.coefficients, "leap_error": leap.error} | knots


def _from_flat(state: Arrays) -> Leap:
    interval = Interval(float(state["start"]), float(state["half"]), state["at"])
    known = state["knots"], state["curvatures"]
    return Leap(interval, state["coefficients"], float(state["leap_error"]), 1.0, *known)
