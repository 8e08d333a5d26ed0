"""What a user would run instead: the plain loop, a compiled loop, an ODE solver on the flow."""

import math

import numba
import numpy as np
from scipy.integrate import solve_ivp

from lingrok import Dataset
from lingrok.losses import LOGISTIC, Loss


def plain(data: Dataset, steps: int, lr: float = 1e-2) -> np.ndarray:
    """The NumPy loop that a paper would have; (w, b) after the last step."""
    X, y, n = data.X, data.y, data.n
    w, b = np.zeros(data.d), 0.0
    for _ in range(steps):
        pull = y / (1 + np.exp(y * (X @ w + b)))
        w = w + lr / n * (X.T @ pull)
        b = b + lr / n * pull.sum()
    return np.append(w, b)


def _walk(X, y, theta, steps, rate):
    n, d = X.shape
    for _ in range(steps):
        total = np.zeros(d + 1)
        for i in range(n):
            z = theta[d]
            for j in range(d):
                z += X[i, j] * theta[j]
            pull = y[i] / (1 + math.exp(y[i] * z))
            for j in range(d):
                total[j] += pull * X[i, j]
            total[d] += pull
        theta = theta + rate * total
    return theta


# As anybody would compile it, and with sums that may be reordered so that they vectorise
COMPILED = {"numba": numba.njit(_walk), "numba, fastmath": numba.njit(fastmath=True)(_walk)}


def compiled(data: Dataset, steps: int, lr: float = 1e-2, kind: str = "numba") -> np.ndarray:
    """The same loop over rows, compiled: one pass over the data a step."""
    return COMPILED[kind](data.X, data.y, np.zeros(data.d + 1), steps, lr / data.n)


def flow(
    data: Dataset, steps: float, method: str, rtol: float, *, lr: float = 1e-2,
    loss: Loss = LOGISTIC, l2: float = 0.0,
):  # fmt: skip
    """(w, b) of the gradient flow after `steps` by a general solver, and its gradient count.

    In log time, with the Jacobian: as friendly to the solver as the flow can be made.
    """
    rows = np.c_[data.X, np.ones(data.n)] * data.y[:, None]
    decay = l2 * np.append(np.ones(data.d), 0)

    def field(s, theta):
        return np.exp(s) * lr * (rows.T @ loss.slope(rows @ theta) / data.n - decay * theta)

    def jacobian(s, theta):
        curved = (rows.T * loss.curvature(rows @ theta)) @ rows / data.n
        return -np.exp(s) * lr * (curved + np.diag(decay))

    end = np.log1p(steps)
    atol = rtol * 1e-3
    found = solve_ivp(
        field, (0, end), np.zeros(data.d + 1), method, rtol=rtol, atol=atol, jac=jacobian
    )
    return found.y[:, -1], found.nfev
