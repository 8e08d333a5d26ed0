"""Leaps over many steps at once: the iterates as a smooth curve in log time.

The iterates theta_0, theta_1, ... of descent with inertia beta (0 for plain gradient descent, the
momentum of heavy ball) lie on a smooth curve theta(t) with

    [theta(t + 1) - theta(t)] - beta [theta(t) - theta(t - 1)] = -lr grad L(theta(t))       (*)

for real t, as soon as the fast modes of the start have died away. On log-spaced intervals [t0, t1]
the derivative of that curve with respect to s = log t is a polynomial to many digits. A *leap*
solves (*) at m Radau points of an interval of a nat or more by Newton's iteration with the exact
Hessian. Equation (*) holds the finite step itself, so there is no series in lr to be cut off, as
there is where the gradient flow (or a backward-error-corrected flow) stands in for descent; as t
grows, (*) turns into the Radau IIA collocation of the flow.
"""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev, legendre
from scipy.sparse.linalg import LinearOperator, gmres
from scipy.special import roots_jacobi

from ._checks import FloatArray
from .problem import Problem
from .rules import Rule

SAFETY = 4  # of error estimates: without it, one leap in some hundred came out below its error
_NEWTON = 7  # iterations at most
_NEWTON_OF_MANY = 9  # the same with rough curvatures, which make it converge slower
_FEW = 48  # unknowns up to which a Hessian costs about as much as a gradient
_DIRECT = 300  # unknowns times nodes up to which a leap's linear system is solved directly
_DENSE = 1_000  # and up to which it is for many right-hand sides, and an error's growth is known


class Motion:
    """A problem under a rule with inertia: displacement = push(theta) + inertia * last one."""

    def __init__(self, problem: Problem, rule: Rule) -> None:
        self.problem, self.rule, self.lr = problem, rule, rule.rate(1)
        self.inertia = rule.inertia or 0.0
        self.size = problem.size
        self.many = self.size > _FEW  # unknowns: then a Hessian costs far more than a gradient

    def push(self, theta: FloatArray) -> FloatArray:
        """Minus lr times the gradient."""
        gradient = self.problem.gradient(theta)
        gradient *= -self.lr
        return gradient

    def pushes(self, thetas: FloatArray) -> FloatArray:
        """Push at each of `thetas`, shape (m, size)."""
        gradients = self.problem.gradients_at(thetas)
        gradients *= -self.lr
        return gradients

    def curvature(self, theta: FloatArray, *, rough: bool = False) -> FloatArray:
        """Lr times the Hessian: minus the derivative of `push`."""
        hessian = self.problem.hessian(theta, rough=rough)
        hessian *= self.lr
        return hessian

    def both(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pushes and curvatures at k thetas, shapes (k, size) and (k, size, size)."""
        gradients, hessians = self.problem.gradients_and_hessians(thetas)
        gradients *= -self.lr
        hessians *= self.lr
        return gradients, hessians


@dataclass(frozen=True)
class Interval:
    """From step `start`, where the curve is at `theta`, over 2 `half` nats."""

    start: float
    half: float
    theta: FloatArray

    def theta_at(self, x: FloatArray, c: FloatArray) -> FloatArray:
        """Theta at x in [-1, 1], for the Legendre coefficients c of d theta / d log t."""
        return self.theta + self.half * (_integrals(_legendre(x, len(c))) @ c)

    def tables(self, log_t: FloatArray, delta: FloatArray, m: int) -> tuple[FloatArray, FloatArray]:
        """Matrices from m coefficients to what theta moves, each of the shape (len(log_t), m).

        First from log_t to log_t + delta, over delta, then from the start to log_t. `log_t` counts
        from the start. Averages of the derivative: a difference of thetas would cancel at late
        times.
        """
        nodes, weights = _gauss(m // 2 + 1)
        x = log_t[:, None] + delta[:, None] * nodes  # the last node is at log_t itself
        table = _legendre(x / self.half - 1, m)
        return (table[:m, :, :-1] @ weights).T, self.half * _integrals(table[:, :, -1])


@dataclass(frozen=True)
class Leap:
    """A solved interval.

    Attributes
    ----------
    interval : Interval
    coefficients : (m, size) array
        Legendre coefficients of d theta / d log t.
    error : float
        Bound on the error of theta at any step of it, absolute; infinite where Newton's iteration
        failed.
    growth : float
        What an error at its start may grow to, as a factor.
    knots, curvatures : (k,) array, (k, size, size) array
        Curvatures that Newton's iteration interpolated, and the log t that they belong to; none
        with few unknowns. The leaps around it start from these.
    """

    interval: Interval
    coefficients: FloatArray
    error: float
    growth: float = 1.0
    knots: FloatArray = field(default_factory=lambda: np.empty(0))
    curvatures: FloatArray = field(default_factory=lambda: np.empty(0))

    def at(self, t: FloatArray) -> FloatArray:
        """Theta at steps t, shape (len(t), size)."""
        x = np.log(t / self.interval.start) / self.interval.half - 1
        return self.interval.theta_at(x, self.coefficients)

    def displacement(self, t: float) -> FloatArray:
        """Theta at step t, minus that one step before."""
        delta = np.array([-np.log1p(-1 / t)])
        log_t = np.array([np.log(t / self.interval.start)]) - delta
        means, _ = self.interval.tables(log_t, delta, len(self.coefficients))
        return np.asarray(delta[0] * (means @ self.coefficients)[0])

    @property
    def slip(self) -> float:
        """Bound on the error of the displacement at its end, by Markov's inequality."""
        m, interval = len(self.coefficients), self.interval
        end = interval.start * float(np.exp(2 * interval.half))
        return self.error * m**2 / (interval.half * end)


@np.errstate(over="ignore", invalid="ignore")  # Newton's iteration may run away: it is given up
def solve(motion: Motion, interval: Interval, m: int, near: Leap | None, share: float) -> Leap:
    """Solve (*) on an interval with m points, to an error well below `share`.

    `near` is a solution nearby, from which this one is guessed.
    """
    half, length = interval.half, 2 * interval.half
    # The points lie a step before the interval's end, so that t + 1 stays inside.
    log_t = (_radau(m) + 1) / 2 * (length + np.log1p(-np.exp(-length) / interval.start))
    step = np.exp(-log_t) / interval.start  # over t
    ahead, behind = np.log1p(step), -np.log1p(-step)  # log(t + 1) - log(t), log(t) - log(t - 1)
    means, values = interval.tables(log_t, ahead, m)
    if motion.inertia:
        last, _ = interval.tables(log_t - behind, behind, m)
        means = means - motion.inertia * (behind / ahead)[:, None] * last
    c = _predict(motion, interval, m, near)
    curvatures: FloatArray | None = None
    known = np.empty(0), np.empty(0)  # some of them, and their log t
    parted = None
    previous = np.inf
    for _ in range(_NEWTON_OF_MANY if motion.many else _NEWTON):
        thetas = interval.theta + values @ c
        if not motion.many:
            pushes, curvatures = motion.both(thetas)
        else:
            pushes = motion.pushes(thetas)
            if curvatures is None:
                known = _few_curvatures(motion, interval, c, near)
                curvatures = _between(*known, np.log(interval.start) + log_t)
                parted = _parted(means, values / ahead[:, None], curvatures)
        if not (np.isfinite(pushes).all() and np.isfinite(curvatures).all()):
            break
        residual = pushes / ahead[:, None] - means @ c
        system = means, values / ahead[:, None], curvatures
        change = _solve(*system, residual, parted)
        c = c + change
        moved = float(np.linalg.norm(values @ change, axis=1).max())
        ratio = moved / previous if np.isfinite(previous) else 1.0
        # With rough curvatures what changes fell slowest is left last: from half to half, at worst
        left = moved if motion.many else moved * min(1.0, ratio)
        if left <= 0.1 * share:
            growth = _growth(motion, system, ahead, half)
            return Leap(interval, c, _tail(c, half, bool(motion.inertia)) + left, growth, *known)
        if not ratio <= 2:
            break
        previous = moved
    return Leap(interval, c, np.inf, 1.0, *known)


def _tail(c: FloatArray, half: float, ringing: bool) -> float:
    """Bound the first integral that the polynomial leaves out, from its last coefficients."""
    size = np.linalg.norm(c[-4:], axis=1)
    # By the even and the odd ones apart, where modes that swing may still ring on
    before = size[:-2] if ringing else size.max()
    decay = np.clip((size[-2:] / np.maximum(before, 1e-300)).max() ** 0.5, 0.1, 1.0)
    # One of them may be small by chance: each says what the next one would be
    last = (size * decay ** np.arange(len(size) - 1, -1, -1)).max()
    return float(SAFETY * 2 * half * decay * last / (2 * len(c) - 1))


def _growth(
    motion: Motion, system: tuple[FloatArray, FloatArray, FloatArray], ahead: FloatArray,
    half: float,
) -> float:  # fmt: skip
    """Norm of the derivative of a leap's end by its start, but at least 1.

    That is the product of the Jacobians of all its steps on the smooth curve, from the linear
    system that found it. Without inertia it is known to be 1 at most, and beyond some hundred
    unknowns it is taken to be, as it is in the limit of late steps: the gradient flow of a convex
    loss brings no two points further apart.
    """
    m, size = system[2].shape[:2]
    if not motion.inertia or m * size > _DENSE:
        return 1.0
    by_start = _solve(*system, -system[2] / ahead[:, None, None])
    return max(1.0, float(np.linalg.norm(np.eye(size) + 2 * half * by_start[0], 2)))


def _predict(motion: Motion, interval: Interval, m: int, near: Leap | None) -> FloatArray:
    """Guess a leap's coefficients: the derivative of one nearby, as far as it reaches or beyond."""
    c = np.zeros((m, motion.size))
    if near is None:
        c[0] = motion.push(interval.theta) / np.log1p(1 / interval.start) / (1 - motion.inertia)
        return c
    known, degree = near.coefficients, m - 1
    if near.interval.start < interval.start:  # continued: high powers would run away
        degree = min(5, degree)
        known = _lower(m, degree) @ known
    ahead = (_radau(degree + 1) + 1) * interval.half + np.log(interval.start / near.interval.start)
    there = _legendre(ahead / near.interval.half - 1, degree)
    c[: degree + 1] = _from_radau(degree + 1) @ (there.T @ known)
    return c


def _few_curvatures(
    motion: Motion, interval: Interval, c: FloatArray, near: Leap | None
) -> tuple[FloatArray, FloatArray]:
    """Log t of some curvatures, and those: two new ones, where no leap from here had some.

    With many unknowns a Hessian costs more than the gradients of all nodes; so the one at the start
    is the last leap's at its end.
    """
    start = float(np.log(interval.start))
    knots, curvatures = (near.knots, near.curvatures) if near else (np.empty(0), np.empty(0))
    if near and len(knots) and near.interval.start == interval.start:
        return knots, curvatures
    last = np.flatnonzero(knots < start + 1e-9)[-1:]
    at = np.array([0.0, 1.0])
    new = [motion.curvature(theta, rough=True) for theta in interval.theta_at(at, c)]
    knots = np.concatenate([knots[last], start + (at + 1) * interval.half])
    return knots, np.stack([*curvatures[last], *new])


def _between(knots: FloatArray, curvatures: FloatArray, log_t: FloatArray) -> FloatArray:
    """Curvatures at log_t, shape (m, size, size): a parabola through three, a line through two."""
    x, k = (log_t - knots[-1]) / (knots[-1] - knots[0]), len(knots) - 1
    at = (knots - knots[-1]) / (knots[-1] - knots[0])
    weights = legendre.legvander(x, k) @ np.linalg.inv(legendre.legvander(at, k))
    return np.asarray(np.einsum("ji,iab->jab", weights, curvatures))


def _parted(
    means: FloatArray, values: FloatArray, curvatures: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Part the system of `_solve` into `size` small ones: their inverses, and the basis.

    As the mean curvature's eigenvectors do, which is near enough to start from.
    """
    curvature, basis = np.linalg.eigh(curvatures.mean(axis=0))
    parts: FloatArray = np.asarray(np.linalg.inv(means + curvature[:, None, None] * values))
    return parts, basis


def _solve(
    means: FloatArray, values: FloatArray, curvatures: FloatArray, residual: FloatArray,
    parted: tuple[FloatArray, FloatArray] | None = None,
) -> FloatArray:  # fmt: skip
    """Solve means @ c + (curvature_j (values @ c)_j)_j = residual for c.

    Residual and c have the shape (m, size), or (m, size, r) for r of them where they are few.
    """
    m, size = curvatures.shape[:2]
    if m * size <= (_DENSE if residual.ndim == 3 else _DIRECT):
        full = values[:, None, :, None] * curvatures[:, :, None, :]
        each = np.arange(size)
        full[:, each, :, each] += means
        solved = np.linalg.solve(full.reshape(m * size, -1), residual.reshape(m * size, -1))
        return np.asarray(solved).reshape(residual.shape)
    parts, basis = parted or _parted(means, values, curvatures)

    def apply(c: FloatArray) -> FloatArray:
        c = c.reshape(m, size)
        return np.ravel(means @ c + np.einsum("jab,jb->ja", curvatures, values @ c))

    def precondition(r: FloatArray) -> FloatArray:
        return np.ravel(np.einsum("ijk,ki->ji", parts, r.reshape(m, size) @ basis) @ basis.T)

    shape, kind = (m * size, m * size), np.float64
    solution, _ = gmres(
        LinearOperator(shape, matvec=apply, dtype=kind), residual.ravel(),
        M=LinearOperator(shape, matvec=precondition, dtype=kind),
        rtol=1e-5 if m * size <= _DENSE else 1e-3, restart=20, maxiter=3,
    )  # fmt: skip
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
    """Nodes on [0, 1], and a last one at 0 that no weight belongs to; and weights."""
    nodes, weights = legendre.leggauss(m)
    return np.append((nodes + 1) / 2, 0.0), weights / 2


def _integrals(table: FloatArray) -> FloatArray:
    """Integrals of the Legendre polynomials 0 to m - 1 from -1 to x, shape (len(x), m).

    From the polynomials 0 to m at x.
    """
    m = len(table) - 1
    integrals = np.empty((m, table.shape[1]))
    np.add(table[0], table[1], out=integrals[0])
    np.subtract(table[2:], table[: m - 1], out=integrals[1:])
    integrals[1:] /= 2 * np.arange(1, m)[:, None] + 1
    return integrals.T


def _legendre(x: FloatArray, degree: int) -> FloatArray:
    """Legendre polynomials 0 to `degree` at x, shape (degree + 1, *x.shape).

    From Chebyshev's, T_(k+j) = 2 T_k T_j - T_(k-j), so that what is known doubles with each of a
    few products: NumPy's `legvander` takes four calls a degree, more than a leap's arithmetic.
    """
    table = np.ones((degree + 1, x.size))
    table[1] = x.ravel()
    k = 1
    while k < degree:
        more = min(k, degree - k)
        new = np.multiply(table[1 : more + 1], 2 * table[k], out=table[k + 1 : k + more + 1])
        new -= table[k - 1 : k - more - 1 : -1] if more < k else table[k - 1 :: -1]
        k += more
    return np.asarray((_from_chebyshev(degree) @ table).reshape(-1, *x.shape))


@lru_cache
def _from_chebyshev(degree: int) -> FloatArray:
    """Matrix from Chebyshev polynomials to Legendre's; its rows are shares."""
    x = chebyshev.chebpts1(degree + 1)
    tables = chebyshev.chebvander(x, degree), legendre.legvander(x, degree)
    return np.asarray(np.linalg.solve(*tables).T)
