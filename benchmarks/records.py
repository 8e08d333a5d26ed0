"""What a long run costs on data that fill memory: counts, then a gradient beside reading them once.

python benchmarks/records.py
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import joblib
import numpy as np
from descent import Row, seconds

from lingrok import _threads, fast_forward, sample_standard
from lingrok.problem import Problem, one_blas_thread

N, D = 250_000, 1024  # 2 GB, far beyond any cache
NODES = 8  # of a leap at the records' tolerance
_CHUNK = 1 << 17  # numbers: as the gradient's


def counts(n: int = 100_000, d: int = 256) -> Iterator[Row]:
    """How often a fast-forward to 1e7 steps, as the records', reads its data."""
    pulls, passes = _threads.ThreadedRows.pulls, []

    def counted(self: _threads.ThreadedRows, thetas: np.ndarray) -> np.ndarray:
        passes.append(len(thetas))
        return pulls(self, thetas)

    for planted in (0, 3 * n // 10):
        data = sample_standard(
            n // 2, n // 2, d=d, sv_pos=7 * planted // 12, sv_neg=5 * planted // 12, seed=0
        )
        passes.clear()
        _threads.ThreadedRows.pulls = counted
        try:
            run = fast_forward(data, 1e7, rtol=1e-4)
        finally:
            _threads.ThreadedRows.pulls = pulls
        steps = run.gradient_evaluations - sum(passes)
        yield {
            "work": f"passes over X to 1e+07 steps, rtol 1e-4, n={n:,}, d={d}, {planted:,} planted",
            "target": "",
            "measured": f"{steps + len(passes)} ({steps} for one gradient, {len(passes)} for "
            f"{NODES}), and {run.hessian_evaluations} Hessians; "
            f"error estimate {run.error_estimate.max():.1e}",
        }


def rows() -> Iterator[Row]:
    """Counts, then the gradient, then what else a record waits for."""
    yield from counts()
    data = sample_standard(N // 2, N // 2, d=D, sv_pos=N // 6, sv_neg=N // 8, seed=0)
    problem, theta = Problem(data), np.full(D + 1, 1e-2)
    flat = data.X.ravel()
    parts = [flat[i : i + _CHUNK] for i in range(0, flat.size, _CHUNK)]
    pool = ThreadPoolExecutor(joblib.cpu_count())
    groups = [parts[i::32] for i in range(32)]

    def read() -> None:
        """Read X once, by all cores: a dot product waits for memory only."""
        list(pool.map(lambda group: sum(float(np.dot(part, part)) for part in group), groups))

    thetas = theta + np.random.default_rng(0).normal(0, 1e-3, (NODES, D + 1))

    def without_numba() -> None:
        with patch.object(_threads, "_compiled", lambda: None):
            problem.gradient(theta)

    with one_blas_thread():
        gradient, plain, several, reading = seconds(
            lambda: problem.gradient(theta), without_numba, lambda: problem.gradients_at(thetas),
            read, times=9,
        )  # fmt: skip
        hessian, rough = seconds(
            lambda: problem.hessian(theta), lambda: problem.hessian(theta, rough=True), times=3
        )
        work = {
            "gradient": lambda: problem.gradient(theta),
            "Hessian": lambda: problem.hessian(theta),
            "reading X": read,
        }
        shares = {name: busy(call) for name, call in work.items()}
    size = f"n={N:,}, d={D}"
    yield {
        "work": f"gradient / reading X once from memory, {size}",
        "target": "<= 1.3",
        "measured": f"{gradient / reading:.2f} ({1e3 * gradient:.0f} ms / {1e3 * reading:.0f} ms, "
        f"{data.X.nbytes / reading / 1e9:.1f} GB/s)",
    }
    for name, taken in {
        "gradient without numba": plain,
        f"{NODES} gradients at once": several,
        "Hessian": hessian,
        "rough Hessian": rough,
    }.items():
        yield {
            "work": f"{name} / reading X once, {size}",
            "target": "",
            "measured": f"{taken / reading:.1f} ({taken:.2f} s / {reading:.3f} s)",
        }
    for name, share in shares.items():
        yield {
            "work": f"processor time over wall time, {name}, {size}, {joblib.cpu_count()} cores",
            "target": "" if name == "reading X" else ">= 1.5",
            "measured": f"{share:.2f}",
        }


def busy(call: Callable[[], object], times: int = 5) -> float:
    """Cores that a call keeps at work: the median of processor time over wall time."""
    shares = []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        call()
        shares.append((time.process_time() - processor) / (time.perf_counter() - wall))
    return float(np.median(shares))


if __name__ == "__main__":
    for row in rows():
        print("| {work} | {target} | {measured} |".format(**row), flush=True)
