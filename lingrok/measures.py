"""What is read off a trajectory: accuracy, the times of definition 3.4, phases, crossings."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.integrate import cumulative_trapezoid

from . import _checks
from ._checks import FloatArray
from .cube import row_chunks
from .data import Dataset
from .descent import Trajectory

SCORES = 1 << 20  # numbers that a part of the rows makes: 8 MB


@dataclass(frozen=True)
class GrokkingTime:
    """The times of definition 3.4, in steps; infinite where the level is never reached.

    Attributes
    ----------
    t_train, t_test : float
        First checkpoint at which train and test accuracy reach their level.
    delay : float
        Grokking time, t_test - t_train.
    zeta : float
        Delay as a factor, t_test / t_train. The paper speaks of grokking from about 100 on.
    """

    t_train: float
    t_test: float
    delay: float
    zeta: float

    @property
    def groks(self) -> bool:
        """Whether the test gets to its level, and a hundred times as late as training, or later."""
        return bool(100 <= self.zeta < np.inf)


@dataclass(frozen=True)
class Phases:
    """Where the paper's three phases meet, in steps.

    Attributes
    ----------
    unlearning : float
        End of the population-dominated phase: |b| / ||w|| is at its peak.
    generalisation : float
        End of the unlearning: the hyperplane comes back to the outer edge of the shell of
        concentrated points, |b| / ||w|| = alpha gamma. Infinite if it does not.
    """

    unlearning: float
    generalisation: float


def accuracy(trajectory: Trajectory, data: Dataset) -> FloatArray:
    """Share of points on their own side of the hyperplane at each checkpoint, shape (k,).

    A point on the hyperplane counts as wrong. The rows of a `ChunkedDataset` are read chunk by
    chunk.

    Raises
    ------
    ValueError
        If the data have another dimension than the trajectory.
    """
    same_dimension(trajectory, data)
    right = np.zeros(len(trajectory.steps), dtype=np.int64)
    for part in row_chunks(data.n, len(right), SCORES):
        scores = np.asarray(data.X[part]) @ trajectory.w.T  # rows may come from elsewhere
        scores += trajectory.b
        positive = np.asarray(data.y[part]) > 0
        right += np.count_nonzero(scores[positive] > 0, axis=0)
        right += np.count_nonzero(scores[~positive] < 0, axis=0)
    return right / data.n


def same_dimension(trajectory: Trajectory, data: Dataset) -> None:
    """Raise unless a trajectory's hyperplanes fit the points."""
    if data.d != trajectory.w.shape[1]:
        raise ValueError(
            f"data must have the trajectory's d = {trajectory.w.shape[1]}, got {data.d}"
        )


def grokking_time(
    steps: npt.ArrayLike, train_accuracy: npt.ArrayLike, test_accuracy: npt.ArrayLike, *,
    eps: float, reference: str = "supremum",
) -> GrokkingTime:  # fmt: skip
    """Measure when train and test accuracy reach (1 - eps) of their reference (definition 3.4).

    Parameters
    ----------
    steps, train_accuracy, test_accuracy : (k,) array
        Checkpoints and the accuracies at them.
    eps : float
        From 0 to below 1.
    reference : {"supremum", "one", "final", "kept"}
        Each curve's own supremum over the run, as the definition has it; accuracy 1, which does
        not let a run pass that never fits; or the curve's last value, and then the checkpoint
        counts from which on the level is *kept*, so that an early passage is not taken for success.
        "kept" asks for both, accuracy 1 and to the end: a run that is cut off has not got there.

    Raises
    ------
    ValueError
        For shapes that do not fit, steps that do not increase, eps out of range and an unknown
        reference.
    """
    t, train, test = _series(steps, train_accuracy=train_accuracy, test_accuracy=test_accuracy)
    eps = float(eps)
    if not 0 <= eps < 1:
        raise ValueError(f"eps must be from 0 to below 1, got {eps!r}")
    _checks.one_of("reference", reference, ("supremum", "one", "final", "kept"))

    def first(accuracy: FloatArray) -> float:
        full = {"supremum": accuracy.max(), "final": accuracy[-1]}.get(reference, 1.0)
        # Accuracies are counts over n: a level that equals one is met in spite of rounding
        reached = accuracy >= (1 - eps) * full - 1e-12
        if reference in {"final", "kept"}:
            reached = np.logical_and.accumulate(reached[::-1])[::-1]
        return float(t[np.argmax(reached)]) if reached.any() else np.inf

    t_train, t_test = first(train), first(test)
    if np.isinf(t_train):
        return GrokkingTime(t_train, t_test, np.inf, np.inf)
    return GrokkingTime(t_train, t_test, t_test - t_train, t_test / t_train)


def lag(
    steps: npt.ArrayLike, train_accuracy: npt.ArrayLike, test_accuracy: npt.ArrayLike, *,
    chance: float = 0.5,
) -> FloatArray:  # fmt: skip
    """Measure how far the test has been behind training so far, in decades of steps, shape (k,).

    The area between the two accuracies over log10 of the step, where the test is below, in units
    of 1 - chance. Where both jump from chance to 1, it is log10 of the factor between the times.
    It has no eps and no reference, never falls, and is small if the curves stay close: a measure
    of the delay that does not hang on single points or on where the run ends. `chance` is the
    accuracy of guessing.

    Raises
    ------
    ValueError
        For shapes that do not fit, steps that do not increase, and chance out of [0, 1).
    """
    t, train, test = _series(steps, train_accuracy=train_accuracy, test_accuracy=test_accuracy)
    if not 0 <= chance < 1:
        raise ValueError(f"chance must be from 0 to below 1, got {chance!r}")
    behind = np.maximum(train - test, 0) / (1 - chance)
    return np.asarray(cumulative_trapezoid(behind, np.log10(t), initial=0))


def crossing_time(steps: npt.ArrayLike, distance: npt.ArrayLike, threshold: float) -> float:
    """Step of the last downward crossing of `threshold`, interpolated in log time.

    Infinite where the curve ends above the threshold; the first step where it is never above.

    Raises
    ------
    ValueError
        For shapes that do not fit, steps that do not increase, and threshold <= 0.
    """
    t, curve = _series(steps, distance=distance)
    threshold = _checks.positive("threshold", threshold)
    above = np.flatnonzero(curve > threshold)
    if not above.size:
        return float(t[0])
    i = int(above[-1])
    if i == len(t) - 1:
        return np.inf
    part = (curve[i] - threshold) / (curve[i] - curve[i + 1])
    return float(t[i] * (t[i + 1] / t[i]) ** part)


def phases(trajectory: Trajectory, *, gamma: float, alpha: float = 10.0) -> Phases:
    """Where the population, unlearning and generalisation phases of section 4 meet.

    The rule uses the trajectory alone: the peak of |b| / ||w||, and its return to the outer edge
    alpha gamma of the concentrated shell, from where on test points are won back.
    """
    gamma, alpha = _checks.positive("gamma", gamma), _checks.positive("alpha", alpha)
    peak = float(trajectory.steps[np.argmax(trajectory.distance)])
    back = crossing_time(trajectory.steps, trajectory.distance, alpha * gamma)
    return Phases(peak, max(peak, back))


def _series(steps: npt.ArrayLike, **curves: npt.ArrayLike) -> list[FloatArray]:
    """Check increasing steps, and curves with a value at each of them."""
    t = _checks.finite("steps", steps, 1)
    if not (t.size and t[0] > 0):
        raise ValueError(f"steps must hold at least one checkpoint, all above 0, got {t[:1]}")
    _checks.increasing("steps", t)
    arrays = [_checks.finite(name, values, 1) for name, values in curves.items()]
    for name, array in zip(curves, arrays, strict=True):
        if len(array) != len(t):
            raise ValueError(f"{name} must be as long as steps ({len(t)}), got {len(array)}")
    return [t, *arrays]
