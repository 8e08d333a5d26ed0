"""Is the error estimate a bound? Fast-forward against walked steps, over random problems.

    PYTHONPATH=tests python benchmarks/error_bound.py [problems] [first seed]

Losses, penalties, momentum from 0 to 0.99, d from 1 to 8, tolerances, up to 0.999 of the edge of
stability; the error at every checkpoint over its estimate.
"""

import sys
import warnings
from collections import Counter

import joblib
import numpy as np
from problems import random_problem  # tests/

from lingrok import FastForwardError, fast_forward, gradient_descent


def over(fast, truth):
    """Largest error over its estimate."""
    error = np.linalg.norm(np.c_[fast.w, fast.b] - truth, axis=1)
    error /= np.maximum(np.linalg.norm(truth, axis=1), 1e-300)
    return float((error / fast.error_estimate).max())


def walked_in_more_digits(data, recorded, *, loss, l2, bias, reduction, rule):
    """Plain loop in extended precision: float64 stands still where steps are below its digits."""
    kind = np.longdouble
    rows = np.c_[data.X, np.full(data.n, float(bias))].astype(kind) * data.y[:, None]
    decay = np.append(np.full(data.d, l2[0] if isinstance(l2, tuple) else l2), 0.0).astype(kind)
    decay[-1] = l2[1] if isinstance(l2, tuple) else 0.0
    scale = kind(1) / data.n if reduction == "mean" else kind(1)
    theta, velocity, found = np.zeros(data.d + 1, kind), np.zeros(data.d + 1, kind), []
    for step in range(1, int(recorded[-1]) + 1):
        gradient = decay * theta - scale * (loss.slope(rows @ theta) @ rows)
        velocity = (rule.inertia or 0) * velocity + gradient
        theta = theta - rule.lr * velocity
        if step in recorded:
            found.append(theta.astype(np.float64))
    return np.array(found)


def judge(seed):
    """Largest error over its estimate, or why there is none."""
    data, options, steps, rtol = random_problem(seed)
    try:
        fast = fast_forward(data, steps, rtol=rtol, **options)
    except FastForwardError as error:
        return (
            seed,
            options,
            " ".join(w for w in str(error).split(":")[0].split() if not w[0].isdigit())[:60],
            0,
        )
    try:
        exact = gradient_descent(data, steps, **options)
    except RuntimeError as error:
        return seed, str(options), f"WALK DIVERGED {error}", 0
    ratio = over(fast, np.c_[exact.w, exact.b])
    if not ratio <= 0.5:  # the walk's own rounding, or ours?
        ratio = over(fast, walked_in_more_digits(data, exact.steps, **options))
    return seed, options, ratio, fast.gradient_evaluations < steps


def main():
    count, first = (int(one) for one in (sys.argv[1:] + ["5000", "0"][len(sys.argv) - 1 :])[:2])
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
    print(
        f"{len(ratios)} runs, {leapt} with leaps: largest error / estimate {max(ratios):.3f}; "
        f"above 1: {sum(not one <= 1 for one in ratios)}; refused: {dict(refused)}"
    )


if __name__ == "__main__":
    main()
