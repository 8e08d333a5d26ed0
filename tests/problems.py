"""Problems, references and helpers that several test modules share."""

import re

import numpy as np
import pytest
from scipy.special import expit, log_expit

from lingrok import Dataset, Trajectory, sample_standard
from lingrok.descent import Objective


def blobs(n: int = 30, d: int = 3, *, positive: float = 0.5, seed: int = 0) -> Dataset:
    """Two overlapping Gaussian clouds, off the origin: nothing about them is symmetric."""
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) < round(positive * n), 1.0, -1.0)
    return Dataset(rng.standard_normal((n, d)) + 0.7 * y[:, None] + 0.3, y, gamma=0.1)


def planted(n: int = 400, *, d: int = 2, seed: int = 1) -> Dataset:
    """Half of each class, a third of them on the margin: the paper's setting, smaller."""
    return sample_standard(n // 2, n // 2, d=d, sv_pos=7 * n // 40, sv_neg=n // 8, seed=seed)


def plain_loop(
    data: Dataset, steps: int, *, lr: float, reduction: str = "mean", bias: bool = True
) -> np.ndarray:
    """The loop anybody would write, one gradient a line; (steps, d + 1), bias last."""
    w, b, path = np.zeros(data.d), 0.0, []
    rate = lr / data.n if reduction == "mean" else lr
    for _ in range(steps):
        pull = data.y * expit(-data.y * (data.X @ w + b))
        w, b = w + rate * (data.X.T @ pull), b + rate * pull.sum() * bias
        path.append(np.append(w, b))
    return np.array(path)


def loss(data: Dataset, theta: np.ndarray, reduction: str = "mean") -> float:
    """Logistic loss; theta may end in a bias."""
    b = theta[data.d] if len(theta) > data.d else 0.0
    terms = -log_expit(data.y * (data.X @ theta[: data.d] + b))
    return float(terms.mean() if reduction == "mean" else terms.sum())


def curvature(data: Dataset, *, bias: bool = True) -> float:
    """Largest curvature of the mean loss, which is at theta = 0."""
    rows = np.c_[data.X, np.ones(data.n)] if bias else data.X
    return float(np.linalg.eigvalsh(rows.T @ rows / (4 * data.n))[-1])


def objective(data: Dataset, *, lr: float = 1.0, reduction: str = "mean", bias: bool = True):
    return Objective(data, lr, reduction, bias)


def hand_made(steps, w, b, *, w_true=None) -> Trajectory:
    """A trajectory of given hyperplanes."""
    w = np.asarray(w, dtype=float)
    d = w.shape[1]
    return Trajectory(
        steps=np.asarray(steps, dtype=np.int64),
        w=w,
        b=np.asarray(b, dtype=float),
        w_true=np.full(d, d**-0.5) if w_true is None else w_true,
        error_estimate=np.zeros(len(w)),
        gradient_evaluations=0,
    )


def thetas(run: Trajectory) -> np.ndarray:
    return np.c_[run.w, run.b]


def relative_error(run: Trajectory, truth: np.ndarray) -> np.ndarray:
    """Distance of (w, b) from the true ones at each checkpoint, relative to their length."""
    return np.linalg.norm(thetas(run) - truth, axis=1) / np.linalg.norm(truth, axis=1)


def refuses(name: str, value: str):
    """Expect a ValueError that names the argument, says what is allowed, and shows the value."""
    return pytest.raises(ValueError, match=rf"(?s)\b{name}\b.* must .*{re.escape(value)}")
