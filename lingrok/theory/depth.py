"""When a deep linear net gets to where plain descent goes, beyond the edge of stability as well.

With layers of rank one that are aligned, the net is its layers' lengths: those of the first, v, of
the others, u_k, with the products p of the u_k and a = p v. Nothing is fitted; the way, its force
and its curvature are read off a run of plain descent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..data import Dataset
from ..descent import Trajectory
from ..losses import LOGISTIC, Loss
from ..problem import Problem

_NO_BIAS = np.zeros(0)


@dataclass(frozen=True, eq=False)
class DepthLaw:
    """A deep linear net at the points of a run of plain descent.

    Attributes
    ----------
    steps : (k,) array
        Of the net, increasing; not whole.
    w, b : (k, d) and (k,) arrays
        Hyperplanes, without the swing: those of the run that are longer than the net's start.
    first : (k,) array
        Length v of the first layer.
    others : (k,) array
        Product p of the others' lengths.
    swing : (k, d) array
        What w is off from one step to the next, to one side and to the other; 0 where stable.
    """

    steps: FloatArray
    w: FloatArray
    b: FloatArray
    first: FloatArray
    others: FloatArray
    swing: FloatArray

    @property
    def edge(self) -> float:
        """Step from which on the net swings; inf if it never does."""
        swings = self.swing.any(axis=1)
        return float(self.steps[np.argmax(swings)]) if swings.any() else np.inf

    def sides(self, data: Dataset) -> FloatArray:
        """Share of points on their own side of the hyperplane, at both ends of a swing: (2, k)."""
        turned = (self.w - self.swing, self.w + self.swing)
        scores = [data.y[:, None] * (data.X @ w.T + self.b) for w in turned]
        return np.array([(one > 0).mean(axis=0) for one in scores])

    def accuracy(self, data: Dataset) -> FloatArray:
        """Share of points on their own side of the hyperplane, mean over a swing; shape (k,)."""
        return np.asarray(self.sides(data).mean(axis=0))


@traced
def depth_law(
    run: Trajectory, data: Dataset, *, rate: float, lengths: Sequence[float], lr: float = 1e-2,
    bias: bool = True, loss: Loss = LOGISTIC,
) -> DepthLaw:  # fmt: skip
    """Predict a deep linear net by full-batch descent from a run of the hyperplane.

    Parameters
    ----------
    run : Trajectory
        Of plain descent at the rate `lr`, over all of the way; about 30 checkpoints a decade.
    data, loss
        What both are trained on.
    rate : float
        Learning rate of the net.
    lengths : sequence of float
        Length of each layer at the start, the first layer's first: L of them, and none is 0.
    lr, bias
        Of `run`.

    Raises
    ------
    ValueError
        For lengths or rates that are not above 0, and for a run that ends before the start.

    Notes
    -----
    With the plain force F along the way each layer grows by F times the product of the others, and
    the differences of squared lengths stay (Arora et al., 2018). So v grows by p F in the flow's
    time, a by (p^2 + v^2 p^2 sum 1 / u_k^2) F, which is L a^(2 - 2/L) F from a balanced start.

    What is across feels p^2 times its curvature K. Where rate p^2 K reaches 2, w swings from side
    to side, by c say. The swing pulls each u_k back by K c^2 / u_k where the force pulls it on by
    a F / u_k, and grows until it holds p at the edge (the mechanism of Damian et al., 2023):
    p = sqrt(2 / (rate K)), and c^2 = a F / K but for the share of the force that p needs as K
    fades. The first layer goes on growing by p F, and a therefore by p^2 F = 2 F / (rate K) in the
    flow's time: as under plain descent at *its* largest stable rate 2 / K, at any depth and rate.

    A bias at the output is taken to rest where the force on it vanishes. Biases in other layers
    only let it rest sooner; they change the balance by their squares, which are small.
    """
    rate, lr = _checks.positive("rate", rate), _checks.positive("lr", lr)
    start = np.array([_checks.positive("lengths", one) for one in lengths])
    if len(start) < 2:
        raise ValueError(f"lengths must be those of two layers or more, got {lengths!r}")
    a0, norm, tau = start.prod(), run.norm, np.asarray(lr * run.steps, dtype=np.float64)
    keep = np.flatnonzero((norm > a0) & (np.maximum.accumulate(norm) <= norm))
    if not len(keep):
        raise ValueError(f"lengths must have a product below the run's {norm[-1]:g}, got {a0:g}")
    # The net starts between two checkpoints of the run
    before = max(int(keep[0]) - 1, 0)
    near = (norm[before], tau[before]) if keep[0] else (0.0, 0.0)
    begin = np.interp(a0, [near[0], norm[keep[0]]], [near[1], tau[keep[0]]])
    force = np.diff(norm[keep], prepend=a0) / np.diff(tau[keep], prepend=begin)
    problem = Problem(data, loss=loss, bias=bias)
    plain = [_Place(problem, run.w[i], run.b[i : i + 1] if bias else _NO_BIAS) for i in keep]
    share = np.zeros(len(keep))  # of the force on the u_k, what they grow by
    swung, possible = [one.still() for one in plain], np.zeros(len(keep), dtype=bool)
    # The first time only tells which places may be at the edge: a swing makes less of K
    for attempt in range(3):
        if attempt:
            for at in np.flatnonzero(possible):
                swung[at] = plain[at].swung(1 - share[at])
        stiff, size, fade = np.array([(one.stiff, one.size, one.fade) for one in swung]).T
        first, others, grown = _lengths(start, norm[keep], np.sqrt(2 / (rate * stiff)))
        held = others >= (1 - 1e-9) * np.sqrt(2 / (rate * stiff))
        possible = possible if attempt else held
        pull = force * np.where(held, fade, 1)
        middle = np.sqrt(others * np.append(start[1:].prod(), others[:-1]))
        spent = np.diff(first, prepend=start[0]) / (pull * rate * middle)
        share = np.clip(np.diff(grown, prepend=0.0) / (2 * rate * spent * pull * norm[keep]), 0, 1)
    return DepthLaw(
        steps=np.cumsum(spent), first=first, others=others,
        w=np.where(held[:, None], [one.w for one in swung], run.w[keep]),
        b=np.where(held, [one.b.sum() for one in swung], run.b[keep]),
        swing=np.where(held, size, 0)[:, None] * [one.across for one in plain],
    )  # fmt: skip


@dataclass
class _Swung:
    """A place with a swing: curvature and force are means over it."""

    w: FloatArray
    b: FloatArray  # (1,), or (0,) without one
    size: float
    stiff: float
    fade: float  # force over that without a swing


class _Place:
    """Force and curvature around a hyperplane on the way."""

    def __init__(self, problem: Problem, w: FloatArray, b: FloatArray) -> None:
        self.problem, self.theta, self.a = problem, np.append(w, b), float(np.linalg.norm(w))
        self.along = np.append(w / self.a, 0 * b)
        self.gradient, hessian = problem.gradient_and_hessian(self.theta)
        d, free = len(w), np.eye(len(w)) - np.outer(w, w) / self.a**2
        values, vectors = np.linalg.eigh(free @ hessian[:d, :d] @ free)
        self.stiff, self.across = float(values[-1]), vectors[:, -1]
        self.rest = np.linalg.svd(self.along[None])[2][1:]  # all directions but along

    def still(self) -> _Swung:
        """Give the place without a swing."""
        d = len(self.across)
        return _Swung(self.theta[:d], self.theta[d:], 0.0, self.stiff, 1.0)

    def swung(self, share: float) -> _Swung:
        """Find the swing that takes such a share of the force, and where the rest is then."""
        d = len(self.across)
        theta, stiff, force = self.theta.copy(), self.stiff, -float(self.gradient @ self.along)
        plain, size = force, 0.0
        for _ in range(6):
            before, size = size, float(np.sqrt(max(self.a * force * share, 0.0) / stiff))
            out = size * np.append(self.across, 0 * theta[d:])
            (one, first), (other, second) = (
                self.problem.gradient_and_hessian(theta + way) for way in (out, -out)
            )
            if size:
                stiff = float((one - other)[:d] @ self.across) / (2 * size)
            force = -float((one + other) @ self.along) / 2
            # What does not swing rests where its mean force is as it was
            off = self.rest @ ((one + other) / 2 - self.gradient)
            theta -= (
                np.linalg.solve(self.rest @ (first + second) @ self.rest.T / 2, off) @ self.rest
            )
            if abs(size - before) < 1e-5 * size:
                break
        return _Swung(theta[:d], theta[d:], size, stiff, force / plain)


def _grown(squares: FloatArray, product: float) -> float:
    """Find by what all squares of lengths have to grow for the lengths' product."""
    low, high = -float(squares.min()), product ** (2 / len(squares))
    return float(brentq(lambda q: np.sqrt(np.prod(squares + q)) - product, low, high, rtol=1e-14))


def _lengths(
    start: FloatArray, a: FloatArray, most: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Follow v, p, and what the squares of the u_k have grown by; p stays below `most`."""
    now, grown, result = start**2, 0.0, np.empty((3, len(a)))
    for i, (length, limit) in enumerate(zip(a, most, strict=True)):
        more = _grown(now, length)
        if np.sqrt(np.prod(now[1:] + more)) > limit:
            more = _grown(now[1:], limit)
        grown += more
        now = now + more
        p = float(np.sqrt(np.prod(now[1:])))
        now[0] = (length / p) ** 2
        result[:, i] = length / p, p, grown
    return result[0], result[1], result[2]
