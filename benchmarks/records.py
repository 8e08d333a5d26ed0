"""What a step costs on data that fill memory: the gradient beside reading the points once.

python benchmarks/records.py
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
from descent import Row, seconds

from lingrok import sample_standard
from lingrok.problem import Problem, one_blas_thread

N, D = 250_000, 1024  # 2 GB, far beyond any cache
_CHUNK = 1 << 17  # numbers: as the gradient's


def rows() -> Iterator[Row]:
    """The gradient first, then what else a record waits for."""
    data = sample_standard(N // 2, N // 2, d=D, sv_pos=N // 6, sv_neg=N // 8, seed=0)
    problem, theta = Problem(data), np.full(D + 1, 1e-2)
    flat = data.X.ravel()
    parts = [flat[i : i + _CHUNK] for i in range(0, flat.size, _CHUNK)]
    pool = ThreadPoolExecutor(joblib.cpu_count())
    groups = [parts[i::32] for i in range(32)]

    def read() -> None:
        """Read X once, by all cores: a dot product waits for memory only."""
        list(pool.map(lambda group: sum(float(np.dot(part, part)) for part in group), groups))

    with one_blas_thread():
        gradient, reading = seconds(lambda: problem.gradient(theta), read, times=9)
        hessian, _ = seconds(lambda: problem.hessian(theta), read, times=3)
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
    yield {
        "work": f"Hessian / gradient, {size}",
        "target": "",
        "measured": f"{hessian / gradient:.1f} ({hessian:.2f} s / {gradient:.2f} s)",
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
