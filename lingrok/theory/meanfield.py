"""A theory without parameters: where the hyperplane is at each step, given the kind of data alone.

The book's page "Derivations" has each step and the number that tests it. In short: write w = a
w_true + v, with v across w_true. A point with the projection u = y w_true·x and the lateral part x'
has the margin z = a u + y (b + v·x'), and descent on the mean loss moves the hyperplane by y x s, s
= 1 / (1 + e^z) being the point's *pull*. With averages < > over the points and tau = lr * steps (a
step is short against every change that matters here),

    da/dtau = <u s>,    db/dtau = <y s>,    dv/dtau = <y x' s>.

*Along w_true* the averages are integrals over the known density of u in the cube, exact in every
dimension, with the planted points as atoms at u = gamma/2.

*Across* no direction is preferred: v is made by chance alone, as the mean of y x' p over the
points, where p is what is still remembered of a point's pushes. So a point meets its own share of v
again: y v·x' = sqrt(V) |v| xi + (d - 1)/n V p, where V is the variance of x' in one direction. The
first part is due to all other points, hence Gaussian (xi is standard normal). The second holds the
point back. One sample forgets faster in some directions than in others, but only the trace of its
response counts, which hardly varies, and of that its integral: p = theta s with one memory theta
for all points, drawn back by one curvature K (at rest, the harmonic mean over directions):

    z = a u + y b + sqrt(V) |v| xi + r s,    r = (d - 1)/n V theta       (to be solved for z)
    dtheta/dtau = 1 - K theta,               K = <V s' / (1 + r s')>,    s' = s (1 - s)
    d|v|^2/dtau = -2 K |v|^2 + 2 (d - 1)/n theta <V s^2>

With a and b these close. If d is small against the number of points that count, r and |v| drop out
of z, and v is a small cloud around w_true. If not, the fixed point of the last three lines is the
one known for M-estimators in high dimensions, where d is proportional to n. It exists while there
are more than about two support vectors a dimension; with fewer they can be separated across w_true,
which is the end of this theory: see `edge`.

*Other losses* put their own pull and curvature in the place of s and s'; a penalty on w adds
-lambda a to da/dtau and lambda to K, one on b adds -lambda_b b to db/dtau.

*Over seeds* (a, b) vary because the sample's projections do, in linear response, and because b
feels the product of two lateral averages, to lowest order in chance: with few support vectors, or
few a dimension, the spread comes out too small. |v|^2 is taken to vary like chi squared with d - 1
degrees, as it does early; late, in crowded settings, it varies more.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import numpy.typing as npt
from numpy.polynomial.hermite_e import hermegauss
from scipy.integrate import OdeSolution, solve_ivp
from scipy.optimize import root
from scipy.special import expit

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..cube import Cube
from ..data import class_sizes
from ..descent import Trajectory, plan
from ..losses import LOGISTIC, Loss, penalties
from .population import lateral_variance, projections

_NEGLIGIBLE = 45.0  # a margin whose pull is below 1e-19
_WIDEST = 3.0  # standard deviation of margins that 8 nodes average over, see `System.ends`
_LEAST_GAMMA = 1e-100  # panels of its quadrature double from there to the cube's edge
_PER_DECADE = 20  # implicit Euler steps for the spread over seeds
_ROUNDED = 0.1  # of a margin, over which the kinks of losses in pieces are rounded off
_XI, XI_WEIGHT = hermegauss(8)
XI_WEIGHT /= XI_WEIGHT.sum()
_FINE = np.linspace(-8, 8, 161)  # instead of them, for wider margins
_FINE_WEIGHT = np.exp(-(_FINE**2) / 2) / np.exp(-(_FINE**2) / 2).sum()


@dataclass(frozen=True, eq=False)
class MeanField:
    """The hyperplane that the theory expects at checkpoints; NaN where the theory has ended.

    Attributes
    ----------
    n, d, sv_pos, sv_neg : int
    gamma, lr : float
        The setting.
    steps : (k,) int64 array
        Checkpoints, in steps.
    along : (k,) array
        Component of w along w_true.
    b : (k,) array
        Bias.
    lateral : (k,) array
        Root mean square over seeds of the length of w's part across w_true.
    covariance : (k, 2, 2) array
        Of (along, b) over seeds.
    """

    n: int
    d: int
    sv_pos: int
    sv_neg: int
    gamma: float
    lr: float
    steps: npt.NDArray[np.int64]
    along: FloatArray
    b: FloatArray
    lateral: FloatArray
    covariance: FloatArray

    @cached_property
    def norm(self) -> FloatArray:
        """Length of w, shape (k,)."""
        return np.hypot(self.along, self.lateral)

    @cached_property
    def distance(self) -> FloatArray:
        """Distance of the hyperplane from the origin, |b| / ||w||, shape (k,)."""
        return np.asarray(np.abs(self.b) / self.norm)

    @cached_property
    def angle(self) -> FloatArray:
        """Root mean square angle between w and w_true in rad, shape (k,)."""
        return np.arctan2(self.lateral, self.along)

    @cached_property
    def b_sd(self) -> FloatArray:
        """Standard deviation of the bias over seeds, shape (k,)."""
        return np.sqrt(self.covariance[:, 1, 1])

    def draw(self, seed: int) -> Trajectory:
        """Draw the hyperplanes of a seed, for what can be measured on a run.

        (along, b) are Gaussian, and so is the part across w_true, in a direction that stays. The
        deviations of all checkpoints come from the same random numbers.
        """
        rng = np.random.default_rng(_checks.count("seed", seed))
        values, vectors = np.linalg.eigh(self.covariance)
        roots = np.einsum("kij,kj,klj->kil", vectors, np.sqrt(np.maximum(values, 0)), vectors)
        along, b = np.stack([self.along, self.b]) + (roots @ rng.standard_normal(2)).T
        w_true = np.full(self.d, self.d**-0.5)
        across = rng.standard_normal(self.d)
        across = (across - (across @ w_true) * w_true) / np.sqrt(max(self.d - 1, 1))
        return Trajectory(
            steps=self.steps, w=np.outer(along, w_true) + np.outer(self.lateral, across), b=b,
            w_true=w_true, error_estimate=np.full(len(b), np.nan), gradient_evaluations=0,
        )  # fmt: skip


@traced
def mean_field(
    n_pos: int, n_neg: int, steps: int, *, sv_pos: int = 0, sv_neg: int = 0, d: int = 2,
    gamma: float = 1e-3, lr: float = 1e-2, bias: bool = True, crowding: bool = True,
    checkpoints: npt.ArrayLike | None = None, loss: Loss = LOGISTIC,
    l2: float | tuple[float, float] = 0.0, flips: int = 0, widest: float = _WIDEST,
) -> MeanField:  # fmt: skip
    """Predict gradient descent on the mean loss of `sample_standard` data, as expected over seeds.

    Parameters
    ----------
    n_pos, n_neg, sv_pos, sv_neg, d, gamma
        As in `sample_standard`.
    steps, lr, bias, checkpoints
        As in `gradient_descent`; `lr` is the rate for the mean of the losses.
    crowding : bool
        Whether margins feel the lateral part, |v| and r above. Without, the theory is that of many
        points a dimension.
    flips : int
        Labels that `flip_labels` flips: points of the population, of either class as expected.
    widest : float
        Standard deviation of the planted points' margins at which the theory ends. Towards the edge
        (`edge`) it diverges: with values above 3, up to 12, there are more nodes, and it takes some
        seconds.

    Raises
    ------
    ValueError
        As in `sample_standard`, `flip_labels` and `gradient_descent`, and for gamma below 1e-100.

    Notes
    -----
    Four equations, solved in log time: about 0.1 s. Left out are lr times the curvature (a
    per cent or two in the first hundred steps) and terms like one over the planted points.
    """
    sizes = class_sizes(n_pos, n_neg)
    sv_pos = _checks.count("sv_pos", sv_pos, 0, sizes[0])
    sv_neg = _checks.count("sv_neg", sv_neg, 0, sizes[1])
    cube = Cube(d, gamma)
    d, gamma = cube.d, cube.gamma
    if gamma < _LEAST_GAMMA:
        raise ValueError(f"gamma must be at least {_LEAST_GAMMA:g} for the theory, got {gamma!r}")
    lr = _checks.positive("lr", lr)
    for name, choice in (("bias", bias), ("crowding", crowding)):
        _checks.one_of(name, choice, (True, False))
    if not loss.steepest:
        raise ValueError(f"loss must have a curvature for the theory, got {loss}")
    if not 0 < _checks.number("widest", widest) <= 12:
        raise ValueError(f"widest must be above 0 and at most 12, got {widest!r}")
    system = System(
        sizes, (sv_pos, sv_neg), d=d, gamma=gamma, lr=lr, bias=bias, crowding=crowding, loss=loss,
        l2=penalties(l2), widest=widest,
    )  # fmt: skip
    rest = np.subtract(sizes, (sv_pos, sv_neg))
    if _checks.count("flips", flips, 0, int(rest.sum())):
        system.flip(*system.wrong(flips * rest / rest.sum()))
    steps, recorded = plan(steps, checkpoints)
    end = float(np.log1p(steps))
    solution = solve_ivp(
        system.derivative, (0, end), np.zeros(4), method="LSODA",
        jac=system.jacobian if loss == LOGISTIC else None,
        rtol=1e-5, atol=[1e-9, 1e-9, 1e-13, 1e-9], events=system.ends, dense_output=True,
    )  # fmt: skip
    if not solution.success:
        raise RuntimeError(f"at step {np.expm1(solution.t[-1]):.3g}: {solution.message}")
    end, curve = float(solution.t[-1]), cast("OdeSolution", solution.sol)
    grid = np.linspace(0, end, 2 + int(_PER_DECADE * end / np.log(10)))
    spread = system.covariance(np.expm1(grid), curve(grid).T).reshape(-1, 4)
    at = np.log1p(recorded)
    state = np.where(at <= end, curve(np.minimum(at, end)), np.nan)
    covariance = np.array([np.interp(at, grid, entry, right=np.nan) for entry in spread.T])
    return MeanField(
        n=sum(sizes), d=d, sv_pos=sv_pos, sv_neg=sv_neg, gamma=gamma, lr=lr, steps=recorded,
        along=state[0], b=state[1] * bias, lateral=np.sqrt(np.maximum(state[2], 0)),
        covariance=covariance.T.reshape(-1, 2, 2),
    )  # fmt: skip


def stationary_l2(
    sizes: tuple[int, int], planted: tuple[int, int], *, d: int, gamma: float, loss: Loss,
    kappa: float,
) -> float:  # fmt: skip
    """Find the penalty of w with which the theory comes to rest at |b| / ||w|| = kappa gamma/2.

    From where a run without penalty passes that distance: it is close to the place of rest.
    """
    field = mean_field(
        *sizes, 10**15, sv_pos=planted[0], sv_neg=planted[1], d=d, gamma=gamma, loss=loss
    )
    threshold = kappa * gamma / 2
    known = np.isfinite(field.along)
    late = np.flatnonzero(known & (field.distance > threshold))
    i = int(late[-1]) if late.size else 0
    if i + 1 >= known.sum():
        return np.nan
    system = System(
        class_sizes(*sizes), planted, d=d, gamma=gamma, lr=1.0, bias=True, loss=loss
    )  # fmt: skip
    a, b, square = field.along[i], field.b[i], field.lateral[i] ** 2
    sign = np.sign(b)

    def rest(x: FloatArray) -> FloatArray:
        """Relative excess of each equation; all unknowns are positive, and by their logarithms."""
        a, b, square, theta, decay = np.exp(x)
        state = np.array([a, sign * b, square * (d > 1), theta])
        near, s, slope, hold = system.points(state)
        share, lateral = system.share[near], system.share[near] * system.variance[near]
        along, bias = system.sides[:, near] @ (share * (XI_WEIGHT @ s))
        one_side = share @ (XI_WEIGHT @ s)
        curvature = lateral @ (XI_WEIGHT @ (slope / hold)) + decay
        fluctuation = system.load * theta * (lateral @ (XI_WEIGHT @ s**2))
        return np.array([
            along / (decay * a) - 1, bias / one_side, curvature * theta - 1,
            fluctuation / (curvature * square) - 1 if d > 1 else np.log(square / 1e-20),
            b / np.hypot(a, np.sqrt(square) * (d > 1)) / threshold - 1,
        ])  # fmt: skip

    state = np.array([a, b, square, 0.0])
    _, s, slope, _ = system.points(state)
    share = system.share[: s.shape[1]]
    decay = float(system.u[: s.shape[1]] @ (share * (XI_WEIGHT @ s)) / a)
    theta = 1 / float((share * system.variance[: s.shape[1]]) @ (XI_WEIGHT @ slope) + decay)
    start = np.log([a, abs(b), max(square, 1e-20), theta, decay])
    found = root(rest, start, method="hybr", tol=1e-10)
    if np.abs(found.fun).max() > 1e-4:
        return np.nan
    return float(np.exp(found.x[4]))


class System:
    """The four equations, over groups of points that share u and y."""

    def __init__(
        self, sizes: tuple[int, int], planted: tuple[int, int], *, d: int, gamma: float, lr: float,
        bias: bool, crowding: bool = True, loss: Loss = LOGISTIC,
        l2: tuple[float, float] = (0.0, 0.0), widest: float = _WIDEST,
    ) -> None:  # fmt: skip
        self.widest, wide = widest, widest > _WIDEST
        self.xi: FloatArray = _FINE if wide else _XI
        self.chance: FloatArray = _FINE_WEIGHT if wide else XI_WEIGHT
        self.loss, self.l2 = loss, np.asarray(l2)
        self.tail = loss.slope(np.array([_NEGLIGIBLE]))[0] > 1e-18  # pulls from far away
        n = sum(sizes)
        u, density = projections(d, gamma)
        self.lr, self.n, self.lateral = lr, n, d - 1
        self.load = (d - 1) / n
        self.u = np.repeat(np.append(gamma / 2, u), 2)  # increasing; the classes in turn
        self.y = np.tile([1.0, -1.0], len(u) + 1)
        rest = np.subtract(sizes, planted)
        self.share = np.vstack([planted, np.outer(density, rest)]).ravel() / n
        self.variance = lateral_variance(self.u, d)
        self.felt = self.variance * crowding  # by margins
        self.sides = np.vstack([self.u, self.y * bias])  # what a point moves: a and b
        # As wide as nodes are apart, where the points are many; the planted ones are all at one
        self.width = np.where(self.u > gamma / 2, _ROUNDED, _ROUNDED / 8)
        self.bulk = [self.y == y for y in (1, -1)]
        for rows in self.bulk:
            rows[:2] = False  # the planted ones: their projections do not vary
        self.planted = 0  # their first row

    def wrong(self, count: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Spread so many wrong labels of either class as the population is spread; see `flip`."""
        shares = self.share[2:].reshape(-1, 2)
        shares = shares / np.maximum(shares.sum(axis=0), 1e-300) * count / self.n
        return self.u[2:], self.y[2:], shares.ravel()

    def flip(self, u: FloatArray, y: FloatArray, share: FloatArray) -> None:
        """Give points of the population at u, of the classes y, the other class's label.

        Their margins are then -a u + ..., and the others of their class are fewer.
        """
        kept = np.ones(len(self.u))
        for rows, label in zip(self.bulk, (1, -1), strict=True):
            kept[rows] -= share[y == label].sum() / max(self.share[rows].sum(), 1e-300)
        order = np.argsort(-u, kind="stable")
        self.planted = len(u)
        self.u, self.y = np.append(-u[order], self.u), np.append(-y[order], self.y)
        self.share = np.append(share[order], self.share * kept)
        variance = np.interp(u[order], self.u[self.planted :: 2], self.variance[::2])
        self.felt = np.append(variance * (self.felt[0] > 0), self.felt)
        self.variance = np.append(variance, self.variance)
        self.sides = np.vstack([self.u, self.y * np.any(self.sides[1])])
        self.width = np.append(np.full(len(u), _ROUNDED), self.width)
        index = np.arange(len(self.u)) - self.planted
        parts = index >= 2, index < 0
        self.bulk = [part & (self.y == label) for part in parts for label in (1, -1)]

    def ends(self, _: float, state: FloatArray) -> float:
        """Zero where margins spread so far that support vectors are separated across w_true."""
        # In units over which the pull changes: 1 for an exponential tail, more for a slower one
        unit = 1.0
        if self.tail:
            nearest = self.u[self.planted : self.planted + 1]
            pull, slope = self.loss.slope_and_curvature(state[0] * nearest)
            unit = max(1.0, float(pull[0] / max(slope[0], 1e-300)))
        return float(self.widest - np.sqrt(max(state[2], 0) * self.variance[self.planted]) / unit)

    ends.terminal = True  # type: ignore[attr-defined]

    def points(self, state: FloatArray) -> tuple[slice, FloatArray, FloatArray, FloatArray]:
        """Find the groups that still pull, and their s, s' and 1 + r s', shape (xi, group)."""
        a, b, square, theta = state
        last = np.searchsorted(self.u, (_NEGLIGIBLE + abs(b)) / max(a, 1e-300))
        near = slice(max(int(last), self.planted + 2))
        if self.tail:
            near = slice(len(self.u))
        x = a * self.u[near] + b * self.y[near]
        x = x + np.sqrt(max(square, 0)) * self.xi[:, None] * np.sqrt(self.felt[near])
        r = self.load * max(theta, 0) * self.felt[near]
        if self.loss == LOGISTIC:
            s, slope = self._solved(x, r)
        else:
            s, slope = self._bracketed(x, r, self.width[near])
        return near, s, slope, 1 + r * slope

    @staticmethod
    def _solved(x: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Solve z = x + r s(z) for the logistic pull; return s and its slope."""
        # From here Newton's iteration comes to the root from one side
        z = np.where(x > -r / 2, np.maximum(x, 0), np.minimum(x + r, 0))
        for _ in range(100):
            s = expit(-z)
            slope = s * (1 - s)
            change = (x + r * s - z) / (1 + r * slope)
            if np.abs(change).max() < 1e-7:
                break
            z = z + change
        s = s - slope * change  # the last step, at rounding: its square is gone
        return s, s * (1 - s)

    def pull(self, z: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pull and curvature; kinks of a loss in pieces are rounded off over `width`."""
        if (pieces := self.loss.pieces) is None:
            return self.loss.slope_and_curvature(z)
        rates = np.array(pieces.rates)
        s, slope = pieces.constants[-1] - rates[-1] * z, np.full_like(z, rates[-1])
        for knot, change in zip(pieces.knots, rates[:-1] - rates[1:], strict=True):
            x = (knot - z) / width
            s = s + change * width * np.logaddexp(0.0, x)
            slope = slope + change * expit(x)
        return s, slope

    def _bracketed(
        self, x: FloatArray, r: FloatArray, width: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Solve it for any pull that does not rise with z: Newton, halving where that leaves."""
        s, slope = self.pull(x, width)
        low, high = x + np.minimum(r * s, 0), x + np.maximum(r * s, 0)
        z = np.clip(x + r * s / (1 + r * slope), low, high)
        for turn in range(200):
            s, slope = self.pull(z, width)
            change = (x + r * s - z) / (1 + r * slope)
            if (left := np.abs(change) > 1e-9).sum() == 0:
                break
            low, high = np.where(change >= 0, z, low), np.where(change <= 0, z, high)
            there = z + change
            # Halving now and then as well, since at a sharp bend Newton goes to and fro
            inside = (there > low) & (there < high) & (turn % 4 < 3)
            z = np.where(left, np.where(inside, there, (low + high) / 2), z)
        return s - slope * change, slope

    def derivative(self, log_time: float, state: FloatArray) -> FloatArray:
        """d(a, b, |v|^2, theta) / d log(1 + steps)."""
        near, s, slope, hold = self.points(state)
        share, theta = self.share[near], state[3]
        lateral = share * self.variance[near]
        curvature = lateral @ (self.chance @ (slope / hold))
        square = -2 * (curvature + self.l2[0]) * state[2]
        square += 2 * self.load * theta * (lateral @ (self.chance @ s**2))
        forces = self.sides[:, near] @ (share * (self.chance @ s))
        forces -= self.l2 * state[:2]
        rates = np.append(forces, [square, 1 - (curvature + self.l2[0]) * theta])
        return np.asarray(self.lr * np.exp(log_time) * rates)

    def jacobian(self, log_time: float, state: FloatArray) -> FloatArray:
        """Differentiate `derivative`; by |v|^2 with Stein's lemma, which needs no division."""
        near, s, slope, hold = self.points(state)
        share, felt, theta = self.share[near], self.felt[near], state[3]
        r_theta = self.load * felt
        lateral = share * self.variance[near]

        def by_state(first: FloatArray, second: FloatArray, own: FloatArray) -> FloatArray:
            """Chain rule for averages over xi: minus d/dx, d2/dx2, and minus d/dtheta."""
            x = self.chance @ first
            return np.array([
                -self.u[near] * x, -self.y[near] * x,
                0.5 * felt * (self.chance @ second),
                -r_theta * (self.chance @ own),
            ])  # fmt: skip

        first = slope / hold
        second = slope * (1 - 2 * s) / hold**3
        third = (slope * (1 - 2 * s) ** 2 * (3 / hold - 2) - 2 * slope**2) / hold**4
        pull = by_state(first, second, s * first) * share
        pull_square = by_state(2 * s * first, 2 * (first**2 + s * second), 2 * s**2 * first)
        curved = by_state(second, third, s * second + first**2) @ lateral
        curvature = lateral @ (self.chance @ first)
        jacobian = np.empty((4, 4))
        jacobian[:2] = self.sides[:, near] @ pull.T
        jacobian[2] = -2 * state[2] * curved + 2 * self.load * theta * (pull_square @ lateral)
        jacobian[2, 2] -= 2 * curvature
        jacobian[2, 3] += 2 * self.load * (lateral @ (self.chance @ s**2))
        jacobian[3] = -theta * curved
        jacobian[3, 3] -= curvature
        jacobian -= np.diag([*self.l2, 2 * self.l2[0], self.l2[0]])
        return np.asarray(self.lr * np.exp(log_time) * jacobian)

    def bend(
        self, state: FloatArray, near: slice, pull: FloatArray, curved: FloatArray
    ) -> FloatArray:
        """How fast curvatures fall as margins grow, minus the third derivative of the loss."""
        if self.loss == LOGISTIC:
            return np.asarray(curved * (1 - 2 * pull))
        z, h = state[0] * self.u[near] + state[1] * self.y[near], 1e-3
        return np.asarray(self.loss.curvature(z - h) - self.loss.curvature(z + h)) / (2 * h)

    def covariance(self, steps: FloatArray, states: FloatArray) -> FloatArray:
        """Integrate the covariance of (a, b) over seeds, by implicit Euler steps."""
        response = np.zeros((len(self.u), 2))  # of (a, b) to one more point in a group
        lateral = 0.0
        result = np.zeros((len(steps), 2, 2))
        for i in range(1, len(steps)):
            near, s, slope, hold = self.points(states[i])
            dtau, theta = self.lr * (steps[i] - steps[i - 1]), states[i, 3]
            share, y, sides = self.share[near], self.y[near], self.sides[:, near]
            pull, curved = self.chance @ s, self.chance @ (slope / hold)
            hessian = (sides * (share * curved)) @ sides.T + np.diag(self.l2)
            response[near] += dtau * (sides * pull).T
            response = np.linalg.solve(np.eye(2) + dtau * hessian, response.T).T
            for rows in self.bulk:
                weight = self.share[rows]
                mean = weight @ response[rows] / max(weight.sum(), 1e-300)
                away = response[rows] - mean
                result[i] += (away.T * weight) @ away / self.n
            # b is pushed by -v·<y x' s'> + ..., with v = theta <y x' s>: a product of averages
            both = share * self.variance[near] / self.n
            xx, yy, xy = both @ pull**2, both @ curved**2, both @ (y * pull * curved)
            c = (
                theta**2
                / 2
                * (share * self.variance[near])
                @ (y * self.bend(states[i], near, pull, curved))
            )
            push = theta**2 * (xx * yy + xy**2) + 2 * c**2 * xx**2 - 4 * c * theta * xx * xy
            lateral += dtau * np.sqrt(max(self.lateral * push, 0)) * sides[1, 0] ** 2
            lateral /= 1 + dtau * hessian[1, 1]
            result[i, 1, 1] += lateral**2
        return result
