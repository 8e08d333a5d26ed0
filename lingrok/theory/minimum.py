"""The end of a run where it is finite: the minimum of a regularised or inseparable problem."""

from dataclasses import dataclass

import numpy as np

from .._checks import FloatArray
from .._origin import traced
from ..data import Dataset
from ..losses import LOGISTIC, Loss
from ..problem import Problem, one_blas_thread

_NEWTON = 200  # iterations at most: half a dozen from nearby, a few dozen at weak penalties
_DONE = 1e-13  # length of a step, over that of theta, at which it is found
_NEAR = 1e-6  # the same, from which on a step that is no shorter than the last one is rounding


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where loss and penalty are smallest.

    Attributes
    ----------
    w : (d,) array
    b : float
        0 without a bias.
    value : float
        Of loss and penalty.
    gradient : float
        Length of the gradient that is left.
    """

    w: FloatArray
    b: float
    value: float
    gradient: float


@traced
def minimiser(
    data: Dataset, *, loss: Loss = LOGISTIC, l2: float | tuple[float, float] = 0.0,
    bias: bool = True, reduction: str = "mean",
) -> Minimum:  # fmt: skip
    """Find the minimum to rounding, by Newton's method.

    Parameters
    ----------
    data, loss, l2, bias, reduction
        As in `gradient_descent`.

    Raises
    ------
    ValueError
        As `gradient_descent`; for a loss without curvature; and where there is no finite minimum,
        as for separable data without a penalty, or one class alone without a penalty on b.
    """
    problem = Problem(data, loss=loss, l2=l2, bias=bias, reduction=reduction)
    if not loss.steepest:
        raise ValueError(f"loss must have a curvature for Newton's method, got {loss}")
    theta, last = np.zeros(problem.size), np.inf
    with one_blas_thread():
        gradient, hessian = problem.gradient_and_hessian(theta)
        first = hessian
        # A length that moves margins by a thousandth: where the minimum is at 0, a scale for steps
        short = 1e-3 * (problem.value(theta) / max(float(np.trace(first)), 1e-300)) ** 0.5
        for _ in range(_NEWTON):
            step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
            decrement = float(gradient @ step)
            size = float(np.linalg.norm(step)) / max(float(np.linalg.norm(theta)), short)
            if not decrement > 0 or size <= _DONE or (size <= _NEAR and decrement >= last):
                break
            last, part = decrement, 1.0
            # By the slope along the step, since values would differ by rounding alone near the end
            while True:
                gradient = problem.gradient(theta - part * step)
                if not -float(gradient @ step) > decrement / 2:
                    break
                part /= 2
            theta = theta - part * step
            gradient, hessian = problem.gradient_and_hessian(theta)
        else:
            raise _unbounded(loss, l2)
    # Along a way to infinity that the rows do see, curvature is lost to rounding, and Newton stops
    values, vectors = np.linalg.eigh(hessian)
    flat = vectors[:, values <= 16 * np.finfo(float).eps * problem.size * values[-1]]
    if loss.smooth and np.trace(flat.T @ first @ flat) > 1e-12 * np.trace(first):
        raise _unbounded(loss, l2)
    b = float(theta[-1]) if bias else 0.0
    return Minimum(theta[: data.d], b, problem.value(theta), float(np.linalg.norm(gradient)))


def _unbounded(loss: Loss, l2: float | tuple[float, float]) -> ValueError:
    return ValueError(
        f"l2 must be above 0 where nothing else bounds theta (classes that a hyperplane parts, if "
        f"only weakly; one class alone, for b), got {l2!r}: under {loss} the minimum is at infinity"
    )
