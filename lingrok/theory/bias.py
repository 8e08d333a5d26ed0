"""What moves the bias: who pulls it along a trajectory, and where it would come to rest."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, log_expit, logsumexp

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..cube import row_chunks
from ..data import Dataset, need
from ..descent import Trajectory
from ..measures import SCORES, Phases, same_dimension
from .margin import max_margin


@dataclass(frozen=True, eq=False)
class BiasPull:
    """The gradient's bias component along a trajectory, in two parts.

    A point pulls the bias by y s(-z), with its margin z = y (w·x + b) and the logistic function s;
    the mean of all pulls is minus the gradient of the mean loss, so that db/dt = lr * (support +
    population).

    Attributes
    ----------
    steps : (k,) int64 array
    support, population : (k,) array
        Pulls of the support vectors and of all other points, added up and divided by n.
    share : (k,) array
        Part of the sum of the *magnitudes* s(-z) that the support vectors have.
    magnitude : (k,) array
        That sum over all points, divided by n.
    """

    steps: npt.NDArray[np.int64]
    support: FloatArray
    population: FloatArray
    share: FloatArray
    magnitude: FloatArray


@traced
def bias_pull(
    trajectory: Trajectory, data: Dataset, *, support: npt.ArrayLike | None = None
) -> BiasPull:
    """Split db/dt into what support vectors and what the population contribute.

    Parameters
    ----------
    trajectory : Trajectory
    data : Dataset
        The points that it was trained on.
    support : (s,) array of int, optional
        Indices of the support vectors; by default those of the hard-margin SVM.

    Raises
    ------
    ValueError
        For data of another dimension than the trajectory, indices out of range, and as
        `max_margin`.
    """
    need(data)
    same_dimension(trajectory, data)
    chosen = max_margin(data).support if support is None else _indices(support, data.n)
    member = np.zeros((2, data.n))
    member[0, chosen] = 1
    member[1] = 1 - member[0]
    k = len(trajectory.steps)
    net, gross = np.zeros((2, k)), np.zeros((2, k))
    for part in row_chunks(data.n, k, SCORES):
        y = data.y[part]
        pull = expit(-y[:, None] * (data.X[part] @ trajectory.w.T + trajectory.b))
        net += (member[:, part] * y) @ pull
        gross += member[:, part] @ pull
    net, total = net / data.n, gross.sum(axis=0)
    # Margins beyond 745 pull by less than a float can hold: then by nothing
    share = np.divide(gross[0], total, out=np.zeros(k), where=total > 0)
    return BiasPull(trajectory.steps, net[0], net[1], share, total / data.n)


def pull_phases(trajectory: Trajectory, pull: BiasPull) -> Phases:
    """Where the phases meet by who pulls, in steps.

    The population phase ends at the first checkpoint at which the support vectors have half of the
    magnitude of all pulls; the unlearning, when |b| / ||w|| is at its peak. Infinite where the
    support vectors never get so far.
    """
    half = np.flatnonzero(pull.share >= 0.5)
    first = float(pull.steps[half[0]]) if half.size else np.inf
    peak = float(trajectory.steps[np.argmax(trajectory.distance)])
    return Phases(first, max(first, peak))


def bias_equilibrium(
    trajectory: Trajectory, data: Dataset, *, loss: str = "logistic",
    points: npt.ArrayLike | None = None,
) -> FloatArray:  # fmt: skip
    """Find the bias at which the pulls would cancel, with w as it is at each checkpoint; (k,).

    Parameters
    ----------
    trajectory, data
        As in `bias_pull`.
    loss : {"logistic", "exponential"}
        With the exponential loss it is (1/2) log(A+(t) / A-(t)), A+-(t) the sums of exp(-+w·x)
        over the points of a class, which the paper takes for the early bias (section 4).
    points : (s,) array of int, optional
        Indices of the points that count; all by default.

    Raises
    ------
    ValueError
        For an unknown loss, points of one class only, indices out of range, and data of another
        dimension than the trajectory.
    """
    need(data)
    same_dimension(trajectory, data)
    _checks.one_of("loss", loss, ("logistic", "exponential"))
    chosen = np.arange(data.n) if points is None else _indices(points, data.n)
    X, y = data.X[chosen], data.y[chosen]
    if not (np.any(y > 0) and np.any(y < 0)):
        raise ValueError(f"data must hold points of both classes, got {len(y)} of at most one")
    solve = _logistic_rest if loss == "logistic" else _exponential_rest
    return np.array([solve(X @ w, y > 0) for w in trajectory.w])


def _exponential_rest(scores: FloatArray, positive: npt.NDArray[np.bool_]) -> float:
    return float(logsumexp(-scores[positive]) - logsumexp(scores[~positive])) / 2


def _logistic_rest(scores: FloatArray, positive: npt.NDArray[np.bool_]) -> float:
    """Find the b with as many s(score + b), added up, as there are positive points."""
    n_pos = int(np.count_nonzero(positive))

    def lack(b: float) -> float:
        # In logs, of what each term lacks to 0 or 1: that may be less than a float can hold
        moved = scores + b
        rest, above = log_expit(-np.abs(moved)), moved > 0
        up, down = np.logaddexp.reduce(rest[above]), np.logaddexp.reduce(rest[~above])
        whole = n_pos - int(np.count_nonzero(above))
        return float(whole + np.exp(up) - np.exp(down) if whole else up - down)

    # At the middle the classes' smallest margins are equal; if these are above 0, the other points
    # shift the balance by a logarithm, and if not, one class may have to get right first
    least, most = float(scores[positive].min()), float(scores[~positive].max())
    middle = -(least / 2 + most / 2)
    reach = max(most / 2 - least / 2, 0) + 2 + np.log(len(scores))
    reach += 4 * np.spacing(np.abs(scores).max())
    ends = middle - reach, middle + reach
    return float(brentq(lack, *ends, xtol=1e-12, rtol=1e-12, maxiter=5000))


def _indices(values: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"indices must be a row of whole numbers, got {values!r}")
    outside = array[(array < 0) | (array >= n)]
    if outside.size:
        raise ValueError(f"indices must be from 0 to {n - 1}, got {outside[0]}")
    return array.astype(np.int64)
