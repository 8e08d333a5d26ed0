"""Is the error estimate a bound? Fast-forward against walked steps, over random problems.

    python benchmarks/error_bound.py [problems] [first seed]

Losses, penalties, momentum from 0 to 0.99, d from 1 to 8, tolerances, up to 0.999 of the edge of
stability; the error at every checkpoint over its estimate.
"""

import sys
import warnings
from collections import Counter

import joblib
import numpy as np

from lingrok import Dataset, FastForwardError, fast_forward, gradient_descent
from lingrok.losses import EXPONENTIAL, LOGISTIC, SQUARED, polynomial
from lingrok.problem import Problem
from lingrok.rules import GradientDescent, HeavyBall

LOSSES = (LOGISTIC, EXPONENTIAL, SQUARED, polynomial(1), polynomial(2.5))


def random_problem(seed):
    """Data, options and the length of a run."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 40)), int(rng.integers(1, 9))
    X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-1, 1) + rng.normal(0, 1, d)
    y = rng.choice([-1.0, 1.0], n)
    if rng.random() < 0.5:  # separable
        y = np.where(X @ rng.standard_normal(d) > 0, 1.0, -1.0)
    data = Dataset(X, y)
    l2 = float(rng.choice([0.0, 10 ** rng.uniform(-7, 0)]))
    options = {
        "loss": LOSSES[rng.integers(len(LOSSES))],
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


def judge(seed):
    """Largest error over its estimate, or why there is none."""
    data, options, steps, rtol = random_problem(seed)
    try:
        fast = fast_forward(data, steps, rtol=rtol, **options)
    except FastForwardError as error:
        return seed, options, " ".join(w for w in str(error).split(":")[0].split() if not w[0].isdigit())[:60], 0
    try:
        exact = gradient_descent(data, steps, **options)
    except RuntimeError as error:
        return seed, str(options), f"WALK DIVERGED {error}", 0
    truth = np.c_[exact.w, exact.b]
    error = np.linalg.norm(np.c_[fast.w, fast.b] - truth, axis=1)
    error /= np.maximum(np.linalg.norm(truth, axis=1), 1e-300)
    ratio = float((error / fast.error_estimate).max())
    return seed, options, ratio, fast.gradient_evaluations < steps


def main():
    count, first = (int(one) for one in (sys.argv[1:] + ["5000", "0"][len(sys.argv) - 1:])[:2])
    warnings.simplefilter("error")
    jobs = joblib.Parallel(n_jobs=2, return_as="generator_unordered")
    refused, ratios, leapt = Counter(), [], 0
    for seed, options, result, leaps in jobs(
        joblib.delayed(judge)(seed) for seed in range(first, first + count)
    ):
        if isinstance(result, str):
            refused[result] += 1
            continue
        ratios.append(result)
        leapt += leaps
        if not result <= 1:
            print(f"ABOVE: seed {seed}, {result:.2f}, {options}", flush=True)
    print(f"{len(ratios)} runs, {leapt} with leaps: largest error / estimate {max(ratios):.3f}; "
          f"above 1: {sum(not one <= 1 for one in ratios)}; refused: {dict(refused)}")


if __name__ == "__main__":
    main()
