"""Exact descent and fast-forward: counts and errors first, then seconds beside what else there is.

    python benchmarks/descent.py

Every row is a dictionary of work, target and measured. Times of a pair are taken in turn, and the
ratio of their medians is what counts: machines are noisy, pairs less so.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import peers

from lingrok import Dataset, Trajectory, fast_forward, gradient_descent, rules, sample_standard
from lingrok.losses import EXPONENTIAL

Row = dict[str, str]


def planted(seed: int) -> Dataset:
    return sample_standard(1000, 1000, sv_pos=350, sv_neg=250, seed=seed)


def error(run: Trajectory, truth: np.ndarray) -> np.ndarray:
    found = np.c_[run.w, run.b]
    return np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)


def seconds(*calls: Callable[[], object], times: int = 7) -> list[float]:
    """Median time of each call, taken in turn after a warm-up."""
    taken = []
    for _ in range(times + 1):
        row = []
        for call in calls:
            began = time.perf_counter()
            call()
            row.append(time.perf_counter() - began)
        taken.append(row)
    return [float(t) for t in np.median(taken[1:], axis=0)]


def errors(seeds: range = range(3), steps: int = 1_000_000) -> Iterator[Row]:
    worst: dict[float, list[float]] = {1e-8: [], 1e-12: []}
    ratio: dict[float, list[float]] = {1e-8: [], 1e-12: []}
    flows: dict[str, tuple[float, int]] = {}
    for seed in seeds:
        data = planted(seed)
        exact = gradient_descent(data, steps)
        truth, late = np.c_[exact.w, exact.b], exact.steps >= 100
        for rtol, found in worst.items():
            fast = fast_forward(data, steps, rtol=rtol)
            gap = error(fast, truth)
            found.append(gap[late].max())
            ratio[rtol].append((gap / fast.error_estimate).max())
        for method in ("LSODA", "BDF", "Radau"):
            end, count = peers.flow(data, steps, method, 1e-8)
            gap = np.linalg.norm(end - truth[-1]) / np.linalg.norm(truth[-1])
            flows[method] = max(flows.get(method, (0.0, 0)), (float(gap), count))
    for rtol, target in ((1e-8, "1e-7 (stretch 1e-8)"), (1e-12, "1e-9 (stretch 1e-10)")):
        name = f"{steps:.0e} steps, rtol {rtol:g}, {len(seeds)} seeds"
        yield {"work": f"error, {name}", "target": target, "measured": f"{max(worst[rtol]):.1e}"}
        yield {
            "work": f"largest error / estimate, {name}",
            "target": "<= 1",
            "measured": f"{max(ratio[rtol]):.2f}",
        }
    for method, (gap, count) in flows.items():
        yield {
            "work": f"peer: {method} on the gradient flow, rtol 1e-8, {steps:.0e} steps",
            "target": "",
            "measured": f"error {gap:.1e} at the last step, {count} gradients",
        }


def counts(seeds: range = range(8)) -> Iterator[Row]:
    for steps, rtol, target in (
        (1e7, 1e-8, "<= 800 (stretch 300)"),
        (1e7, 1e-12, ""),
        (1e14, 1e-8, ""),
    ):
        runs = [fast_forward(planted(seed), steps, rtol=rtol) for seed in seeds]
        gradients = [run.gradient_evaluations for run in runs]
        hessians = [run.hessian_evaluations for run in runs]
        yield {
            "work": f"gradients to {steps:.0e} steps, rtol {rtol:g}, {len(seeds)} seeds",
            "target": target,
            "measured": f"{np.median(gradients):.0f} [{min(gradients)}, {max(gradients)}], "
            f"and {np.median(hessians):.0f} Hessians",
        }


OTHERS = {
    "l2 = 1e-7": ({"l2": 1e-7}, 1e7, 1.5),
    "exponential loss": ({"loss": EXPONENTIAL}, 1e7, 1.5),
    "heavy ball 0.9": ({"rule": rules.HeavyBall(1e-2, 0.9)}, 1e9, 2.0),
}


def others(seeds: range = range(8), walked: int = 100_000) -> Iterator[Row]:
    """Leaps over other problems: gradients beside those of plain descent, and errors."""
    for name, (options, steps, most) in OTHERS.items():
        counts, ratios, errs, over = [], [], [], []
        for seed in seeds:
            data = planted(seed)
            count = fast_forward(data, steps, **options).gradient_evaluations
            counts.append(count)
            ratios.append(count / fast_forward(data, steps).gradient_evaluations)
            if seed < 3:
                exact, fast = (f(data, walked, **options) for f in (gradient_descent, fast_forward))
                gap = error(fast, np.c_[exact.w, exact.b])
                errs.append(gap.max())
                over.append((gap / fast.error_estimate).max())
        yield {
            "work": f"gradients to {steps:.0e} steps, {name}, over plain descent's, "
            f"{len(seeds)} seeds",
            "target": f"<= {most:g}",
            "measured": f"{np.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}] "
            f"({np.median(counts):.0f} gradients)",
        }
        yield {
            "work": f"error, and over its estimate, {walked:.0e} steps, {name}, 3 seeds",
            "target": "1e-8, <= 1",
            "measured": f"{max(errs):.1e}, {max(over):.2f}",
        }


def walked_rules(walked: int = 20_000) -> Iterator[Row]:
    """A walked step of each rule beside one of plain descent."""
    data = planted(0)
    plain = rules.GradientDescent(1e-2)
    for rule in (
        rules.HeavyBall(1e-2, 0.9), rules.Nesterov(1e-2), rules.NormalisedGradient(1e-2),
        rules.SignDescent(1e-3), rules.RMSprop(1e-3), rules.Adam(1e-2),
        rules.Adam(1e-2, weight_decay=0.01),
    ):  # fmt: skip
        other, ours = seconds(
            *(
                lambda rule=one: gradient_descent(data, walked, rule=rule, checkpoints=[walked])
                for one in (rule, plain)
            )
        )
        yield {
            "work": f"a step of {rule} / of plain descent, n=2,000, d=2",
            "target": "<= 1.6" if type(rule).__name__ in ("Adam", "Nesterov") else "",
            "measured": f"{other / ours:.2f} ({1e6 * other / walked:.1f} us / "
            f"{1e6 * ours / walked:.1f} us)",
        }


def speed() -> Iterator[Row]:
    data, walked = planted(0), 100_000
    loop, ours = seconds(
        lambda: peers.plain(data, walked), lambda: fast_forward(data, 1e7), times=5
    )
    yield {
        "work": "1e7 steps: plain loop (from 1e5 of its steps) / fast-forward",
        "target": ">= 10,000",
        "measured": f"{loop * 100 / ours:,.0f} ({loop * 100:.0f} s / {1e3 * ours:.1f} ms)",
    }
    for method in ("LSODA", "BDF"):
        peer, ours = seconds(
            lambda method=method: peers.flow(data, 1e7, method, 1e-8),
            lambda: fast_forward(data, 1e7),
        )
        yield {
            "work": f"1e7 steps: {method} on the gradient flow, rtol 1e-8 / fast-forward",
            "target": "",
            "measured": f"{peer / ours:.1f} ({1e3 * peer:.1f} ms / {1e3 * ours:.1f} ms)",
        }
    (late,) = seconds(lambda: fast_forward(data, 1e14))
    yield {"work": "1e14 steps", "target": "<= 0.5 s", "measured": f"{late:.3f} s"}


def steps() -> Iterator[Row]:
    for n, d, walked in ((2000, 2, 5000), (100_000, 32, 200)):
        data = sample_standard(n // 2, n // 2, d=d, sv_pos=n // 6, sv_neg=n // 8, seed=0)

        def ours(data=data, walked=walked):
            gradient_descent(data, walked, checkpoints=[walked])

        others = {"plain": lambda data=data, walked=walked: peers.plain(data, walked)}
        for kind in peers.COMPILED:
            others[kind] = lambda data=data, walked=walked, kind=kind: peers.compiled(
                data, walked, kind=kind
            )
        for name, other in others.items():
            theirs, mine = seconds(other, ours, times=5)
            yield {
                "work": f"exact step, n={n:,}, d={d}: {name} / ours",
                "target": ">= 1" if (name == "plain") == (n == 2000) else "",
                "measured": f"{theirs / mine:.2f} "
                f"({1e6 * theirs / walked:.0f} us / {1e6 * mine / walked:.0f} us)",
            }


def rows() -> Iterator[Row]:
    """All measurements, the counts and errors before the times."""
    for measure in (counts, errors, others, speed, steps, walked_rules):
        yield from measure()


if __name__ == "__main__":
    for row in rows():
        print("| {work} | {target} | {measured} |".format(**row), flush=True)
