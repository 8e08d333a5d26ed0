"""Problems, references and helpers that several test modules share."""

import re

import numpy as np
import pytest
from scipy.special import expit

from lingrok import Dataset, Trajectory, sample_standard
from lingrok.losses import EXPONENTIAL, LOGISTIC, SQUARED, polynomial
from lingrok.problem import Problem
from lingrok.rules import GradientDescent, HeavyBall

SMOOTH = (LOGISTIC, EXPONENTIAL, SQUARED, polynomial(1), polynomial(2.5))


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


def curvature(data: Dataset, *, bias: bool = True, loss=LOGISTIC, l2=0.0) -> float:
    """Largest curvature of mean loss and penalty at theta = 0."""
    problem = Problem(data, loss=loss, l2=l2, bias=bias)
    return float(np.linalg.eigvalsh(problem.hessian(np.zeros(problem.size)))[-1])


def central(f, x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Derivative of f by central differences, a row a coordinate."""
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def random_problem(seed):
    """Data, options of a descent, steps and rtol: up to 0.999 of the edge of stability."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 40)), int(rng.integers(1, 9))
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-1, 1) + rng.normal(0, 1, d)
    y = rng.choice([-1.0, 1.0], n)
    if rng.random() < 0.5:  # separable
        y = np.where(X @ rng.standard_normal(d) > 0, 1.0, -1.0)
    data = Dataset(X, y)
    l2 = float(rng.choice([0.0, 10 ** rng.uniform(-7, 0)]))
    options = {
        "loss": SMOOTH[rng.integers(len(SMOOTH))],
        "l2": (l2, l2) if rng.random() < 0.3 else l2,
        "bias": bool(rng.random() < 0.8),
        "reduction": str(rng.choice(["mean", "sum"])),
    }
    momentum = float(rng.choice([0.0, 0.0, 0.5, 0.9, 0.99, rng.uniform(0, 0.99)]))
    share = float(rng.choice([0.999, 1 - 10 ** rng.uniform(-3, -0.3), 10 ** rng.uniform(-2.5, 0)]))
    problem = Problem(data, **options)
    steepest = np.linalg.eigvalsh(problem.hessian(np.zeros(problem.size)))[-1]
    lr = 2 * (1 + momentum) * min(share, 0.999) / float(steepest)
    rule = HeavyBall(lr, momentum) if momentum else GradientDescent(lr)
    steps = int(10 ** rng.uniform(2.5, 4.5))
    return data, options | {"rule": rule}, steps, float(10 ** rng.uniform(-11, -2))


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
