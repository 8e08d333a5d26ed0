"""A walked step of each update rule beside optax's, and whether both walk the same way.

    python benchmarks/update_rules.py > benchmarks/update_rules.md

In an environment of its own: pip install jax optax --editable '.[bench]'. They are large, so that
neither `make bench` nor a lock file has them. Times are of pairs taken in turn, and the median of
the pairs' ratios is what counts.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import optax
from descent import Row, planted

from lingrok import Dataset, gradient_descent
from lingrok.rules import (
    Adam,
    GradientDescent,
    HeavyBall,
    Nesterov,
    NormalisedGradient,
    RMSprop,
    Rule,
    SignDescent,
)

# Before the first array: digits as ours, and one thread as ours, which so small a product is
# faster with
jax.config.update("jax_enable_x64", True)
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

Gradient = Callable[[jax.Array], jax.Array]
Walk = Callable[[int], np.ndarray]

# Our rule, and optax's that should be the same. Where definitions differ:
# - Nesterov's: optax keeps the point ahead, at which it takes its gradients. It has no rule for the
#   schedule (t - 1) / (t + 2): a scheduled momentum is that of one step in both its places.
# - Normalised: 1e-6 is added to the length unless eps says otherwise; ours has none.
# - RMSprop: epsilon is in the root unless told otherwise, and the decay is 0.9.
# - Adam: epsilon is outside of the root, after the bias corrections, as ours; eps_root is 0.
# - AdamW: decay stands beside the gradient, times the rate, as ours. A vector keeps it off b, for
#   which a mask would need w and b apart.
TABLE: dict[str, tuple[Rule, optax.GradientTransformation]] = {
    "plain": (GradientDescent(1e-2), optax.sgd(1e-2)),
    "heavy ball": (HeavyBall(1e-2, 0.9), optax.sgd(1e-2, momentum=0.9)),
    "Nesterov, 0.9": (Nesterov(1e-2, 0.9), optax.sgd(1e-2, momentum=0.9, nesterov=True)),
    "normalised": (
        NormalisedGradient(1e-2),
        optax.chain(optax.normalize_by_update_norm(eps=0), optax.scale_by_learning_rate(1e-2)),
    ),
    "sign": (SignDescent(1e-3), optax.sign_sgd(1e-3)),
    "RMSprop": (RMSprop(1e-3), optax.rmsprop(1e-3, decay=0.99, eps_in_sqrt=False)),
    "Adam": (Adam(1e-2), optax.adam(1e-2)),
    "AdamW": (
        Adam(1e-2, weight_decay=0.01),
        optax.adamw(1e-2, weight_decay=np.array([0.01, 0.01, 0.0])),
    ),
}


def by_hand(data: Dataset) -> Gradient:
    """Gradient as ours: of six ways to write it, the fastest."""
    columns = jnp.asarray(np.c_[data.X, np.ones(data.n)].T * data.y)
    return lambda theta: -columns @ (1 / (1 + jnp.exp(theta @ columns))) / data.n


def differentiated(data: Dataset) -> Gradient:
    """Gradient as most have it."""
    columns = jnp.asarray(np.c_[data.X, np.ones(data.n)].T * data.y)
    return jax.grad(lambda theta: jax.nn.softplus(-theta @ columns).mean())


def theirs(data: Dataset, rule: optax.GradientTransformation, gradient: Gradient) -> Walk:
    """All steps in one compiled loop, whose length it is told when it is called."""

    @jax.jit
    def walk(steps):
        def step(_, now):
            theta, state = now
            updates, state = rule.update(gradient(theta), state, theta)
            return optax.apply_updates(theta, updates), state

        start = jnp.zeros(data.d + 1)
        return jax.lax.fori_loop(0, steps, step, (start, rule.init(start)))[0]

    return lambda steps: np.asarray(walk(steps))


def ours(data: Dataset, rule: Rule) -> Walk:
    """The walk; with Nesterov's momentum its point ahead, as optax has it."""

    def walk(steps):
        run = gradient_descent(data, steps, rule=rule, checkpoints=[steps - 1, steps])
        thetas = np.c_[run.w, run.b]
        ahead = rule.momentum if isinstance(rule, Nesterov) else 0.0
        return thetas[1] + ahead * (thetas[1] - thetas[0])

    return walk


def pairs(theirs: Walk, ours: Walk, steps: int, times: int) -> np.ndarray:
    """Seconds a step of both, in turns: who is first takes turns as well."""
    taken = np.empty((times, 2))
    calls = (theirs, ours)
    for call in calls:
        call(2)  # compiles
    for i in range(times):
        for which in (0, 1) if i % 2 else (1, 0):
            began = time.perf_counter()
            calls[which](steps)
            taken[i, which] = (time.perf_counter() - began) / steps
    return taken


def agreement(seeds: range = range(3)) -> Iterator[Row]:
    """How far apart both are, relative to the length of theta.

    Rules that swing enlarge a difference of rounding from step to step, so that for them a long
    walk says nothing of the definitions: it has no target.
    """
    for name, (rule, peer) in TABLE.items():
        for steps, target in ((100, "<= 1e-12"), (1000, "")):
            gaps = []
            for seed in seeds:
                data = planted(seed)
                mine, other = ours(data, rule)(steps), theirs(data, peer, by_hand(data))(steps)
                gaps.append(np.linalg.norm(mine - other) / np.linalg.norm(other))
            yield Row(
                work=f"theta after {steps:,} steps: optax - ours, {name}, {len(seeds)} seeds",
                target=target,
                measured=f"{max(gaps):.0e}",
            )


def speed(steps: int = 5000, times: int = 31) -> Iterator[Row]:
    """A step of each rule, and of plain descent with the gradient that most would have."""
    data = planted(0)
    work = {name: (*both, by_hand) for name, both in TABLE.items()}
    work["plain, differentiated by jax"] = (*TABLE["plain"], differentiated)
    for name, (rule, peer, gradient) in work.items():
        taken = pairs(theirs(data, peer, gradient(data)), ours(data, rule), steps, times)
        low, ratio, high = np.quantile(taken[:, 0] / taken[:, 1], [0.25, 0.5, 0.75])
        other, mine = 1e6 * np.median(taken, axis=0)
        yield Row(
            work=f"a step, n=2,000, d=2, {name}: optax / ours",
            target="",
            measured=f"{ratio:.2f} [{low:.2f}, {high:.2f}] ({other:.1f} us / {mine:.1f} us)",
        )


def main() -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "jax", "optax"))
    print(
        "# Update rules beside optax\n\nMade by `python benchmarks/update_rules.py`. `a / b` is a"
    )
    print("ratio of times, above 1 where b is faster: median and quartiles of pairs taken in turn;")
    print("optax's steps are one compiled loop, compiled before.\n")
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()},")
    print(f"{libraries}.\n")
    print("| work | target | measured |\n|---|---|---|", flush=True)
    for measure in (agreement, speed):
        for row in measure():
            print("| {work} | {target} | {measured} |".format(**row), flush=True)


if __name__ == "__main__":
    main()
