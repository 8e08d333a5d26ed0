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

    z = a u + y b + sqrt(V) |v| xi + r s,    r = d/n V theta       (to be solved for z)
    dtheta/dtau = 1 - K theta,               K = <V s' / (1 + r s')>,    s' = s (1 - s)
    d|v|^2/dtau = -2 K |v|^2 + 2 (d - 1)/n theta <V s^2>

With a and b these close. If d is small against the number of points that count, r and |v| drop out
of z, and v is a small cloud around w_true. If not, the fixed point of the last three lines is the
one known for M-estimators in high dimensions, where d is proportional to n. It exists while there
are more than about two support vectors a dimension; with fewer they can be separated across w_true,
which is the end of this theory: see `edge`.

*Other losses* put their own pull and curvature in the place of s and s'; a penalty on w adds
-lambda a to da/dtau and lambda to K, one on b adds -lambda_b b to db/dtau.

b holds a point back as any direction across does: hence d, and not d - 1, in r. *Over seeds* (a, b,
|v|^2) vary as `spread` says.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq, root
from scipy.special import expit

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..collocation import Interval, Leap, Motion, solve
from ..cube import Cube
from ..data import class_sizes, planted_sizes
from ..descent import Trajectory, plan
from ..losses import LOGISTIC, Loss, penalties
from .population import lateral_variance, projections
from .spread import covariance, roots, squares

_NEGLIGIBLE = 45.0  # a margin whose pull is below 1e-19
_WIDEST = 3.0  # standard deviation of margins that 8 nodes average over, see `System.ends`
_LEAST_GAMMA = 1e-100  # panels of its quadrature double from there to the cube's edge
_ORDER, _RTOL = 10, 1e-5  # of the solution: points a leap, and what one may err by
_FLOOR = np.array([1e-4, 1e-4, 1e-8, 1e-4])  # of a state's size: below, errors are not relative
_SHORTEST = 1e-9  # leap in nats, before it is given up
_INSTANT = 1e-9  # steps: short against all, so that a difference is a derivative
_PER_DECADE = 20  # implicit Euler steps for the spread over seeds
_ROUNDED = 0.1  # of a margin, over which the kinks of losses in pieces are rounded off
_XI, _XI_WEIGHT = hermegauss(8)
_XI_WEIGHT /= _XI_WEIGHT.sum()
_FEW_XI, _FEW_WEIGHT = hermegauss(4)
_FEW_WEIGHT /= _FEW_WEIGHT.sum()
_NARROW = 0.35  # standard deviation of margins up to which these are as good to 1e-6
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
    covariance : (k, 3, 3) array
        Of (along, b, lateral^2) over seeds.
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

        (along, b) are Gaussian; the part across w_true has a direction that stays. The deviations
        of all checkpoints come from the same random numbers.
        """
        rng = np.random.default_rng(_checks.count("seed", seed))
        scores = rng.standard_normal(3)
        moved = roots(self.covariance) @ scores
        along, b = np.stack([self.along, self.b]) + moved.T[:2]
        varying = self.lateral**2, self.covariance[:, 2, 2], scores[2:], self.d - 1
        length = np.sqrt(squares(*varying)[:, 0])
        w_true = np.full(self.d, self.d**-0.5)
        across = rng.standard_normal(self.d)
        across -= (across @ w_true) * w_true
        across /= max(float(np.linalg.norm(across)), 1e-300)
        return Trajectory(
            steps=self.steps, w=np.outer(along, w_true) + np.outer(length, across), b=b,
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
    sizes, planted = planted_sizes(n_pos, n_neg, sv_pos, sv_neg)
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
        sizes, planted, d=d, gamma=gamma, lr=lr, bias=bias, crowding=crowding, loss=loss,
        l2=penalties(l2), widest=widest,
    )  # fmt: skip
    rest = np.subtract(sizes, planted)
    if _checks.count("flips", flips, 0, int(rest.sum())):
        system.flip(*system.wrong(flips * rest / rest.sum()))
    steps, recorded = plan(steps, checkpoints)
    curve = solved(system, steps)
    end = curve.end
    grid = np.linspace(0, end, 2 + int(_PER_DECADE * end / np.log(10)))
    spread = covariance(system, np.expm1(grid), curve(grid)).reshape(-1, 9)
    at = np.log1p(recorded)
    state = np.where(at <= end, curve(np.minimum(at, end)).T, np.nan)
    scatter = np.array([np.interp(at, grid, entry, right=np.nan) for entry in spread.T])
    return MeanField(
        n=sum(sizes), d=d, sv_pos=planted[0], sv_neg=planted[1], gamma=gamma, lr=lr,
        steps=recorded, along=state[0], b=state[1] * bias, lateral=np.sqrt(np.maximum(state[2], 0)),
        covariance=scatter.T.reshape(-1, 3, 3),
    )  # fmt: skip


class Flow(Motion):
    """The equations as a motion for `collocation`: descent by steps that are an instant long.

    Its unknowns are the state in units of `scale`; it counts instants, from steps = 0 on as 1.
    """

    def __init__(self, system: "System") -> None:
        self.system, self.scale = system, _FLOOR
        self.size, self.many = 4, False
        self.inertia, self.lr = 0.0, system.lr * _INSTANT

    def push(self, theta: FloatArray) -> FloatArray:
        """Return what an instant changes."""
        return np.asarray(self.both(theta[None])[0][0])

    def both(self, thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return that at k thetas, and minus its derivative."""
        rates, by = self.system.rates(thetas * self.scale)
        by *= self.scale / self.scale[:, None]
        return self.lr * rates / self.scale, -self.lr * by


class Curve:
    """States at log(1 + steps), from 0 to `end`, as leaps with their scales."""

    def __init__(self, leaps: list[tuple[Leap, FloatArray]], end: float) -> None:
        self.leaps, self.end = leaps, end
        self.starts = np.log([leap.interval.start * _INSTANT for leap, _ in leaps])

    def __call__(self, log_time: FloatArray) -> FloatArray:
        """States, shape (k, 4)."""
        which = np.searchsorted(self.starts, log_time, side="right") - 1
        states = np.empty((len(log_time), 4))
        for i in np.unique(which):
            leap, scale = self.leaps[i]
            there = which == i
            states[there] = leap.at(np.exp(log_time[there]) / _INSTANT) * scale
        return states


def solved(system: "System", steps: int) -> Curve:
    """Solve the equations, until the theory ends."""
    flow, leaps = Flow(system), []
    now, end, length, state = 0.0, float(np.log1p(steps)), 1.0, np.zeros(4)
    near: Leap | None = None
    while now < end:
        length = min(length, end - now)
        scale, flow.scale = flow.scale, np.abs(state) + _FLOOR
        if near:
            near = replace(near, coefficients=near.coefficients * (scale / flow.scale))
        interval = Interval(np.exp(now) / _INSTANT, length / 2, state / flow.scale)
        leap = solve(flow, interval, _ORDER, near, _RTOL)
        if np.isfinite(leap.error):
            near = leap
        if leap.error <= _RTOL:
            leaps.append((leap, flow.scale))
            now += length
            state = leap.at(np.exp(np.array([now])) / _INSTANT)[0] * flow.scale
            if system.ends(state) < 0:
                break
        elif length < _SHORTEST:
            raise RuntimeError(f"at step {np.expm1(now):.3g} the theory's equations go too fast")
        length *= min(2.0, max(0.3, 0.85 * (_RTOL / max(leap.error, 1e-30)) ** (1 / _ORDER)))
    curve = Curve(leaps, now)
    if system.ends(state) < 0:
        last = float(curve.starts[-1])
        curve.end = brentq(lambda t: system.ends(curve(np.array([t]))[0]), last, now)
    return curve


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
        near, pull, curved, squared = system.means(state)
        share, lateral = system.share[near], system.share[near] * system.variance[near]
        along, bias = system.sides[:, near] @ (share * pull)
        curvature = lateral @ curved + decay
        kicks = system.load * theta * (lateral @ squared)
        return np.array([
            along / (decay * a) - 1, bias / (share @ pull), curvature * theta - 1,
            kicks / (curvature * square) - 1 if d > 1 else np.log(square / 1e-20),
            b / np.hypot(a, np.sqrt(square) * (d > 1)) / threshold - 1,
        ])  # fmt: skip

    near, pull, curved, _ = system.means(np.array([a, b, square, 0.0]))
    share = system.share[near]
    decay = float(system.u[near] @ (share * pull) / a)
    theta = 1 / float((share * system.variance[near]) @ curved + decay)
    start = np.log([a, abs(b), max(square, 1e-20), theta, decay])
    with np.errstate(over="ignore", invalid="ignore"):  # on its way to where there is no rest
        found = root(rest, start, method="hybr", tol=1e-10)
    if not np.abs(found.fun).max() <= 1e-4:
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
        self.chance: FloatArray = _FINE_WEIGHT if wide else _XI_WEIGHT
        self.loss, self.l2 = loss, np.asarray(l2)
        self.tail = loss.slope(np.array([_NEGLIGIBLE]))[0] > 1e-18  # pulls from far away
        n = sum(sizes)
        u, density = projections(d, gamma)
        self.lr, self.n, self.lateral = lr, n, d - 1
        self.load = (d - 1) / n
        # A point holds itself back by b as by any direction across: one of them for V theta
        self.reaction = (d - 1 + bias) / n
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

    def ends(self, state: FloatArray) -> float:
        """Zero where margins spread so far that support vectors are separated across w_true."""
        # In units over which the pull changes: 1 for an exponential tail, more for a slower one
        unit = 1.0
        if self.tail:
            nearest = self.u[self.planted : self.planted + 1]
            pull, slope = self.loss.slope_and_curvature(state[0] * nearest)
            unit = max(1.0, float(pull[0] / max(slope[0], 1e-300)))
        return float(self.widest - np.sqrt(max(state[2], 0) * self.variance[self.planted]) / unit)

    def means(self, state: FloatArray) -> tuple[slice, FloatArray, FloatArray, FloatArray]:
        """Find the groups that still pull; their means over xi of s, s' / (1 + r s') and s^2."""
        near, _, r, s, slope = self.margins(state, _XI)
        return near, _XI_WEIGHT @ s, _XI_WEIGHT @ (slope / (1 + r * slope)), _XI_WEIGHT @ s**2

    def nodes(self, states: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values of xi, and their weights: half as many where margins hardly spread."""
        narrow = states[:, 2].max() * self.felt[self.planted] < _NARROW**2
        few = narrow and not self.loss.pieces  # whose bends are sharp
        return (_FEW_XI, _FEW_WEIGHT) if few else (self.xi, self.chance)

    def margins(
        self, state: FloatArray, xi: FloatArray
    ) -> tuple[slice, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Find the groups that still pull, and their z, r, s and s', shape (xi, group).

        Or (k, xi, group) for k states.
        """
        a, b, square, theta = np.moveaxis(np.asarray(state), -1, 0)[..., None, None]
        far = float(((_NEGLIGIBLE + np.abs(b)) / np.maximum(a, 1e-300)).max())
        near = slice(max(int(np.searchsorted(self.u, far)), self.planted + 2))
        if self.tail:
            near = slice(len(self.u))
        felt = self.felt[near]
        x = a * self.u[near] + b * self.y[near]
        x = x + np.sqrt(np.maximum(square, 0)) * (xi[:, None] * np.sqrt(felt))
        r = self.reaction * np.maximum(theta, 0) * felt
        if self.loss == LOGISTIC:
            z, s, slope = self._solved(x, r)
        else:
            z, s, slope = self._bracketed(x, r, self.width[near])
        return near, z, r, s, slope

    @staticmethod
    def _solved(x: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Solve z = x + r s(z) for the logistic pull; return z, s and its slope."""
        # From here Newton's iteration comes to the root from one side
        z = np.where(x > -r / 2, np.maximum(x, 0), np.minimum(x + r, 0))
        for _ in range(100):
            s, slope = LOGISTIC.slope_and_curvature(z)
            change = (x + r * s - z) / (1 + r * slope)
            if max(change.max(), -change.min()) < 1e-4:
                break
            z += change
        # The last step, at rounding: its third power is gone
        s -= slope * change * (1 - (0.5 - s) * change)
        z += change
        return z, s, s * (1 - s)

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
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
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
        return z, s - slope * change, slope

    def rates(self, states: FloatArray) -> tuple[FloatArray, FloatArray]:
        """d(a, b, |v|^2, theta) / dtau at k states, and its derivatives; (k, 4) and (k, 4, 4).

        By |v|^2 with Stein's lemma, which needs no division.
        """
        xi, weight = self.nodes(states)
        near, z, r, s, slope = self.margins(states, xi)
        bend, kink = self.bends(z, s, slope, self.width[near])
        u, y, share, felt = self.u[near], self.y[near], self.share[near], self.felt[near]
        lateral, sides = share * self.variance[near], self.sides[:, near]
        square, theta = states[:, 2], states[:, 3]
        held = 1 / (1 + r * slope)
        # Minus d/dx, d2/dx2 and minus d3/dx3 of the pull, as x is felt through z
        first, second = slope * held, bend * held
        held *= held
        second *= held
        third = -held * (kink * held + 3 * bend * second * r)
        pulled, both = s * first, first * first + s * second  # -d/dx and d2/dx2 of s^2 / 2
        pull, pull_square = weight @ s, weight @ (s * s)
        twice, own = weight @ (s * pulled), weight @ both
        if self.loss.pieces:  # as the nodes see it: they are too few for bends so sharp
            spread = np.sqrt(np.maximum(square[:, None] * felt, 1e-30))
            bent, third, both = (-(weight * xi) @ one / spread for one in (first, second, pulled))
        else:
            bent, third, both = weight @ second, weight @ third, weight @ both
        first, second, pulled = weight @ first, weight @ second, weight @ pulled

        def by_state(first: FloatArray, second: FloatArray, own: FloatArray) -> FloatArray:
            """Chain rule for averages over xi: minus d/dx, d2/dx2, and minus d/dr."""
            return np.stack(
                [-u * first, -y * first, 0.5 * felt * second, -self.reaction * felt * own], axis=1
            )

        curved = by_state(second, third, own) @ lateral
        curvature = first @ lateral + self.l2[0]
        kicks = 2 * self.load * (pull_square @ lateral)
        rates, by = np.empty((len(states), 4)), np.empty((len(states), 4, 4))
        rates[:, :2] = (pull * share) @ sides.T - self.l2 * states[:, :2]
        rates[:, 2] = -2 * curvature * square + kicks * theta
        rates[:, 3] = 1 - curvature * theta
        by[:, :2] = sides @ (by_state(first, bent, pulled) * share).transpose(0, 2, 1)
        by[:, [0, 1], [0, 1]] -= self.l2
        by[:, 2] = -2 * square[:, None] * curved
        by[:, 2] += 4 * self.load * theta[:, None] * (by_state(pulled, both, twice) @ lateral)
        by[:, 2, 2] -= 2 * curvature
        by[:, 2, 3] += kicks
        by[:, 3] = -theta[:, None] * curved
        by[:, 3, 3] -= curvature
        return rates, by

    def bends(
        self, z: FloatArray, s: FloatArray, slope: FloatArray, width: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """How fast curvatures fall as margins grow, and how fast that rises."""
        if self.loss == LOGISTIC:
            bend = slope * (1 - 2 * s)
            return bend, 2 * slope**2 - bend * (1 - 2 * s)
        h = 0.1 * width
        low, high = (self.pull(z + step, width)[1] for step in (-h, h))
        return (low - high) / (2 * h), (2 * slope - low - high) / h**2
