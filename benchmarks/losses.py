"""Other losses and penalties: leaps beside the walk and a general solver, and the minimum itself.

python benchmarks/losses.py
"""

import warnings
from collections.abc import Iterator

import numpy as np
import peers
from descent import Row, error, planted, seconds
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from lingrok import Dataset, fast_forward, gradient_descent, minimiser
from lingrok.losses import EXPONENTIAL, SQUARED_HINGE, huber, polynomial
from lingrok.piecewise import piecewise_descent

LEAPS = {
    "exponential loss": {"loss": EXPONENTIAL},
    "tail of power 1": {"loss": polynomial(1)},
    "tail of power 2": {"loss": polynomial(2)},
    "l2 = 1e-7": {"l2": 1e-7},
    "l2 = 1e-4": {"l2": 1e-4},
}
KINKS = {"squared hinge": SQUARED_HINGE, "hinge, rounded off over 0.3": huber(0.3)}
SOLVERS = {"newton-cholesky": 1e-14, "lbfgs": 1e-14}


def leaps(walked: int = 100_000, long: float = 1e7, seeds: range = range(3)) -> Iterator[Row]:
    """Errors against the walk and gradients; a general solver's beside them.

    To 1e7 steps: where a penalty has brought the run to rest, LSODA does not come to an end.
    """
    for name, options in LEAPS.items():
        errors, estimates, counts, theirs, many = [], [], [], [], []
        for seed in seeds:
            data = planted(seed)
            exact, fast = (f(data, walked, **options) for f in (gradient_descent, fast_forward))
            gap = error(fast, np.c_[exact.w, exact.b])
            errors.append(gap.max())
            estimates.append((gap / fast.error_estimate).max())
            counts.append(fast_forward(data, long, **options).gradient_evaluations)
            end, _ = peers.flow(data, walked, "LSODA", 1e-8, **options)
            truth = np.append(exact.w[-1], exact.b[-1])
            theirs.append(np.linalg.norm(end - truth) / np.linalg.norm(truth))
            many.append(peers.flow(data, long, "LSODA", 1e-8, **options)[1])
        yield Row(
            work=f"error, and over its estimate, {walked:.0e} steps, {name}, {len(seeds)} seeds",
            target="1e-8, <= 1",
            measured=f"{max(errors):.1e}, {max(estimates):.2f}; LSODA on the flow "
            f"{max(theirs):.1e}",
        )
        yield Row(
            work=f"gradients to {long:.0e} steps, {name}, {len(seeds)} seeds",
            target="",
            measured=f"{np.median(counts):.0f}; LSODA {np.median(many):.0f}",
        )


def kinks(walked: int = 100_000, long: float = 1e11) -> Iterator[Row]:
    """From kink to kink: error against the walk, and evaluations."""
    data = planted(0)
    for name, loss in KINKS.items():
        exact = gradient_descent(data, walked, loss=loss)
        gap = error(piecewise_descent(data, walked, loss=loss), np.c_[exact.w, exact.b])
        count = piecewise_descent(data, int(long), loss=loss).gradient_evaluations
        yield Row(
            work=f"error from kink to kink, {walked:.0e} steps; evaluations to {long:.0e}: {name}",
            target="1e-9",
            measured=f"{gap.max():.1e}; {count}",
        )


def exact_minimum(data: Dataset, l2: float) -> np.ndarray:
    """(w, b) at the minimum, by Newton's method in extended precision from the one found."""
    rows = (np.c_[data.X, np.ones(data.n)] * data.y[:, None]).astype(np.longdouble)
    decay = np.longdouble(l2) * np.append(np.ones(data.d), 0)
    found = minimiser(data, l2=l2)
    theta = np.append(found.w, found.b).astype(np.longdouble)
    for _ in range(5):
        pull = 1 / (1 + np.exp(np.minimum(rows @ theta, 1000)))
        gradient = decay * theta - rows.T @ pull / data.n
        hessian = (rows.T * (pull * (1 - pull))) @ rows / data.n + np.diag(decay)
        step = np.linalg.solve(hessian.astype(float), gradient.astype(float))
        theta = theta - step
    return theta.astype(float)


def minima() -> Iterator[Row]:
    """Error of the minimum and time, beside scikit-learn's solvers on the same problem."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = planted(0)
    for l2 in (1e-4, 1e-6, 1e-8, 1e-10):
        truth = exact_minimum(data, l2)

        def ours(l2=l2):
            return minimiser(data, l2=l2)

        def theirs(solver, l2=l2):
            model = LogisticRegression(
                C=1 / (l2 * data.n), solver=solver, tol=SOLVERS[solver], max_iter=100_000
            )
            return model.fit(data.X, data.y)

        def off(w, b, truth=truth):
            gap = np.linalg.norm(np.append(w, b) - truth) / np.linalg.norm(truth)
            return f"{gap:.0e}"

        found = ours()
        said = [f"ours {off(found.w, found.b)}"]
        for solver in SOLVERS:
            other = theirs(solver)
            said.append(f"{solver} {off(other.coef_[0], other.intercept_)}")
        yield Row(
            work=f"error of the minimum, l2 = {l2:g}, n=2,000, d=2",
            target="<= peers'",
            measured=", ".join(said),
        )
        for solver in SOLVERS:
            peer, mine = seconds(lambda solver=solver: theirs(solver), ours, times=5)
            yield Row(
                work=f"minimum, l2 = {l2:g}: {solver} / ours",
                target="",
                measured=f"{peer / mine:.1f} ({1e3 * peer:.1f} ms / {1e3 * mine:.1f} ms)",
            )


def rows() -> Iterator[Row]:
    """All measurements, the counts and errors before the times."""
    for measure in (leaps, kinks, minima):
        yield from measure()


if __name__ == "__main__":
    for row in rows():
        print("| {work} | {target} | {measured} |".format(**row), flush=True)
