"""When a deep linear net gets to where plain descent goes, beyond the edge of stability as well.

With layers of rank one that are aligned, the net is its layers' lengths: those of the first, v, of
the others, u_k, with the products p of the u_k and a = p v. Nothing is fitted; the way, its force
and its curvature are read off a run of plain descent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..data import Dataset
from ..descent import Trajectory
from ..losses import LOGISTIC, Loss
from ..problem import Problem


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
    loss: Loss = LOGISTIC,
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
    lr : float
        Rate of `run`.

    Raises
    ------
    ValueError
        For lengths or rates that are not above 0, and for a run that ends before the start.

    Notes
    -----
    With the plain force F along the way each layer grows by F times the product of the others, and
    the differences of squared lengths stay (Arora et al., 2018). So v grows by p F in the flow's
    time, a by (p^2 + v^2 p^2 sum 1 / u_k^2) F, which is L a^(2 - 2/L) F from a balanced start.

    What is across feels p^2 times its curvature K. Where rate p^2 K reaches 2, w swings from side to
    side, with the square c^2 of its amplitude. A swing pulls the lengths u_k back by K c^2 / u_k as
    the force pulls them on by a F / u_k. It grows until it holds p where the net is just stable
    (as in Damian et al., 2023): p = sqrt(2 / (rate K)), c^2 = a F / K but for the small share of
    the force that p still needs as K fades. The first layer goes on growing by p F, and a therefore
    by p^2 F = 2 F / (rate K) in the flow's time: as plain descent does at *its* largest stable rate
    2 / K, whatever depth and rate are.

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
    stiff, across = _stiffness(run, keep, Problem(data, loss=loss))
    first, others, grown = _lengths(start, norm[keep], np.sqrt(2 / (rate * stiff)))
    # The net starts between two checkpoints of the run
    before = max(int(keep[0]) - 1, 0)
    near = (norm[before], tau[before]) if keep[0] else (0.0, 0.0)
    begin = np.interp(a0, [near[0], norm[keep[0]]], [near[1], tau[keep[0]]])
    force = np.diff(norm[keep], prepend=a0) / np.diff(tau[keep], prepend=begin)
    middle = np.sqrt(others * np.append(start[1:].prod(), others[:-1]))
    spent = np.diff(first, prepend=start[0]) / (force * rate * middle)
    # Of the force on the u_k, what they grow by; the swing takes the rest
    needed = np.diff(grown, prepend=0.0) / (2 * rate * spent)
    held = others >= (1 - 1e-9) * np.sqrt(2 / (rate * stiff))
    square = np.where(held, np.maximum(force * norm[keep] - needed, 0) / stiff, 0)
    return DepthLaw(
        steps=np.cumsum(spent), w=run.w[keep], b=run.b[keep], first=first, others=others,
        swing=np.sqrt(square)[:, None] * across,
    )  # fmt: skip


def _stiffness(
    run: Trajectory, keep: npt.NDArray[np.int64], problem: Problem
) -> tuple[FloatArray, FloatArray]:
    """Largest curvature across w, and its direction, b being held."""
    stiff, across = np.empty(len(keep)), np.empty((len(keep), run.w.shape[1]))
    for i, at in enumerate(keep):
        hessian = problem.gradient_and_hessian(np.append(run.w[at], run.b[at]))[1][:-1, :-1]
        plane = np.eye(len(hessian)) - np.outer(run.w[at], run.w[at]) / run.norm[at] ** 2
        values, vectors = np.linalg.eigh(plane @ hessian @ plane)
        stiff[i], across[i] = values[-1], vectors[:, -1]
    return stiff, across


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
