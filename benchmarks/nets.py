"""A step of a net's full-batch descent beside JAX's, and whether both go the same way.

    python benchmarks/nets.py > benchmarks/nets.md

In an environment of its own: pip install jax --editable '.[bench]'. It is large, so that neither
`make bench` nor a lock file has it. Times are of rounds in which all are run in turn, and the
median of the rounds' ratios is what counts; processor time beside it, which other jobs on the
machine hardly touch.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
from descent import Row, planted

from lingrok import Dataset
from lingrok.nets import Net, train

# Before the first array: digits as ours, and one thread as ours
jax.config.update("jax_enable_x64", True)
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

Layers = tuple[list[jax.Array], list[jax.Array]]
Walk = Callable[[int], np.ndarray]

NETS = [Net(2, widths) for widths in ((16,), (64,), (256,), (32, 32))]
RATE = 0.1  # the record's


def named(net: Net) -> str:
    return "width " + " ".join(map(str, net.widths))


def mean_loss(data: Dataset, net: Net) -> Callable[[Layers], jax.Array]:
    """Loss as most have it, a point a row.

    Of five ways to write it none is faster by more than 5 % at width 64; at width 16 a gradient by
    hand halves the time of the compiled loop.
    """
    X, y = jnp.asarray(data.X), jnp.asarray(data.y, dtype=float)

    def loss(layers):
        hidden = X
        for k, (weights, biases) in enumerate(zip(*layers, strict=True)):
            hidden = hidden @ weights.T + biases
            if k < net.depth - 1:
                hidden = jax.nn.relu(hidden)  # no slope at the kink, as ours
        return jax.nn.softplus(-y * hidden[:, 0]).mean()

    return loss


def theirs(data: Dataset, net: Net, start: np.ndarray, lr: float) -> tuple[Walk, Walk]:
    """A compiled step that Python calls, and a compiled loop, which is told its length."""
    both = jax.value_and_grad(mean_loss(data, net))
    layers = jax.tree.map(jnp.asarray, net.layers(start))

    def step(layers):
        value, slopes = both(layers)
        return jax.tree.map(lambda one, slope: one - lr * slope, layers, slopes), value

    once = jax.jit(step)
    loop = jax.jit(lambda n: jax.lax.fori_loop(0, n, lambda _, now: step(now)[0], layers))

    def calls(steps):
        now = layers
        for _ in range(steps):
            now, _value = once(now)
        return flat(now)

    return calls, lambda steps: flat(loop(steps))


def flat(layers: Layers) -> np.ndarray:
    return np.concatenate([np.ravel(one) for kind in layers for one in kind])


def ours(data: Dataset, net: Net, start: np.ndarray, lr: float) -> Walk:
    return lambda steps: train(data, net, steps, start=start, lr=lr, checkpoints=[steps]).thetas[0]


def agreement(seeds: range = range(3), lengths: tuple[int, ...] = (100, 1000)) -> Iterator[Row]:
    """How far apart both are, relative to the length of theta.

    Beside it how far apart two runs of ours are, whose starts differ by a rounding: at the edge of
    stability, and where a point comes to lie on the other side of a kink, what is left of the last
    digit may grow from step to step. So a long run at the record's rate says little of definitions,
    and has no target.
    """
    for net, lr in [(one, RATE) for one in NETS] + [(NETS[1], RATE / 10)]:
        gaps = np.zeros((2, len(lengths), len(seeds)))
        for seed in seeds:
            data, start = planted(seed), net.start(seed=seed)
            signs = np.random.default_rng(seed).choice([-1, 1], net.size)
            moved = ours(data, net, start * (1 + 2**-52 * signs), lr)
            mine, others = ours(data, net, start, lr), theirs(data, net, start, lr)
            for i, steps in enumerate(lengths):
                end = mine(steps)
                far = [np.linalg.norm(one(steps) - end) for one in (*others, moved)]
                far /= np.linalg.norm(end)
                gaps[:, i, seed] = max(far[:2]), far[2]
        for steps, gap, own in zip(lengths, *gaps.max(axis=2), strict=True):
            yield Row(
                work=f"theta after {steps:,} steps at rate {lr:g}: JAX - ours, {named(net)}, "
                f"{len(seeds)} seeds",
                target="<= 1e-12" if steps <= 100 else "",
                measured=f"{gap:.0e} (ours from a rounding beside: {own:.0e})",
            )


def edge(seeds: range = range(3), steps: int = 1000) -> Iterator[Row]:
    """Whether it is at the edge of stability: the steepest curvature, times the rate."""
    net = NETS[1]
    for lr in (RATE, RATE / 10):
        sharpest = []
        for seed in seeds:
            data = planted(seed)
            loss, theta = mean_loss(data, net), ours(data, net, net.start(seed=seed), lr)(steps)
            bent = jax.hessian(lambda theta, loss=loss: loss(net.layers(theta)))(jnp.asarray(theta))
            sharpest.append(lr * np.linalg.eigvalsh(bent)[-1])
        yield Row(
            work=f"rate times largest curvature after {steps:,} steps at {lr:g}, {named(net)}; "
            "2 is the edge",
            target="",
            measured=f"{np.median(sharpest):.2f} [{min(sharpest):.2f}, {max(sharpest):.2f}]",
        )


def rounds(walks: list[Walk], steps: int, times: int) -> np.ndarray:
    """Milliseconds a step of each, by the clock and of the processor; who is first takes turns."""
    taken = np.empty((2, times, len(walks)))
    for walk in walks:
        walk(steps)  # compiles
    for i in range(times):
        for which in np.roll(range(len(walks)), i):
            began = time.perf_counter(), time.process_time()
            walks[which](steps)
            ended = time.perf_counter(), time.process_time()
            taken[:, i, which] = 1e3 * np.subtract(ended, began) / steps
    return taken


def speed(steps: int = 100, times: int = 31) -> Iterator[Row]:
    for net in NETS:
        data, start = planted(0), net.start(seed=0)
        walks = [*theirs(data, net, start, RATE), ours(data, net, start, RATE)]
        clock, cpu = rounds(walks, steps, times)
        low, middle, high = np.quantile(clock[:, -1], [0.25, 0.5, 0.75])
        yield Row(
            work=f"a step, n=2,000, d=2, {named(net)}: ours",
            target="<= 0.5 ms" if net is NETS[1] else "",
            measured=f"{middle:.2f} ms [{low:.2f}, {high:.2f}], fastest {clock[:, -1].min():.2f}; "
            f"processor {np.median(cpu[:, -1]):.2f} ms",
        )
        for which, name in enumerate(("a compiled step", "a compiled loop")):
            low, ratio, high = np.quantile(clock[:, which] / clock[:, -1], [0.25, 0.5, 0.75])
            other, busy = np.median(clock[:, which]), np.median(cpu[:, which])
            share = np.median(cpu[:, which] / cpu[:, -1])
            yield Row(
                work=f"a step, n=2,000, d=2, {named(net)}: JAX, {name} / ours",
                target="",
                measured=f"{ratio:.2f} [{low:.2f}, {high:.2f}] ({other:.2f} ms / {middle:.2f} ms); "
                f"processor {share:.2f} ({busy:.2f} ms)",
            )


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def main() -> None:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "jax"))
    print("# Nets beside JAX\n\nMade by `python benchmarks/nets.py`. `a / b` is a")
    print(
        "ratio of times, above 1 where b is faster: median and quartiles of rounds taken in turn;"
    )
    print("JAX's steps are compiled before, in float64, on one thread as ours.")
    print("Processor times are of the process: the clock's, where no other job is in the way.\n")
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()},")
    print(f"{libraries}; load at the start {load()}, niceness {os.nice(0)}.\n")
    print("| work | target | measured |\n|---|---|---|", flush=True)
    for measure in (agreement, edge, speed):
        for row in measure():
            print("| {work} | {target} | {measured} |".format(**row), flush=True)
    print(f"\nLoad at the end {load()}.")


if __name__ == "__main__":
    main()
