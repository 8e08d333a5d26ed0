"""The long runs that the book keeps as records, as recipes that anybody can run again.

A recipe fixes everything that its result depends on, the seeds of all points included. Run with a
`work` directory it can be stopped at any moment, and goes on to the identical result.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import psutil
from tqdm.auto import tqdm

from .._checks import FloatArray
from .._origin import remember
from .._state import State, fingerprint
from ..data import Dataset, sample_concentrated, sample_standard
from ..descent import Trajectory, gradient_descent
from ..fastforward import fast_forward
from ..measures import accuracy
from ..problem import one_blas_thread
from .ensemble import accuracies_by_planting

_LIBRARIES = 600_000_000  # bytes that Python and its libraries take, working chunks included
_HESSIANS = 40  # that are held at once while they are summed, about


@dataclass(frozen=True)
class Column:
    """What a column holds: kind "integer" or "number", and in words with its unit."""

    kind: str
    description: str


@dataclass(frozen=True, eq=False)
class Result:
    """A recipe's table, a row a checkpoint, and what it took to make it.

    `largest_error_estimate` is 0 for exact runs; `peak_memory` is in bytes.
    """

    table: pd.DataFrame
    gradient_evaluations: int
    hessian_evaluations: int
    largest_error_estimate: float
    peak_memory: int


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """One run of gradient descent on the mean loss; all arguments as in `sample_standard`.

    `per_decade` checkpoints are recorded in each decade of steps, about.
    """

    title: str
    d: int
    n_pos: int
    n_neg: int
    sv_pos: int = 0
    sv_neg: int = 0
    gamma: float = 1e-3
    lr: float = 1e-2
    steps: int = 10_000_000
    bias: bool = True
    seed: int = 0
    per_decade: int = 10

    digits: ClassVar[int | None] = None  # of the table's numbers, where not all are kept

    @abstractmethod
    def columns(self) -> dict[str, Column]:
        """Return the table's columns, in order."""

    @abstractmethod
    def run(self, *, work: Path | None = None, progress: bool = False) -> Result:
        """Sample, descend and measure; keep the state of all that under `work`, and go on from it.

        Raises
        ------
        ValueError
            For a state in `work` that is damaged or belongs to another recipe.
        """

    def train(self) -> Dataset:
        """Sample the training set."""
        return sample_standard(
            self.n_pos, self.n_neg, d=self.d, gamma=self.gamma, sv_pos=self.sv_pos,
            sv_neg=self.sv_neg, seed=self.streams[0],
        )  # fmt: skip

    @property
    def streams(self) -> list[np.random.Generator]:
        """Independent generators, as in `ensemble`: training set, standard and other tests."""
        return np.random.default_rng(self.seed).spawn(4)

    @property
    def checkpoints(self) -> npt.NDArray[np.int64]:
        """Steps that are recorded, log-spaced; shape (k,)."""
        grid = np.geomspace(1, self.steps, 1 + int(np.ceil(self.per_decade * np.log10(self.steps))))
        return np.unique(np.round(grid).astype(np.int64))

    @property
    def memory(self) -> int:
        """Bytes that a run needs: the training set once, sums of Hessians, and the libraries."""
        points = (self.n_pos + self.n_neg) * (self.d + 1) * 8
        return int(1.02 * points) + _HESSIANS * (self.d + 1) ** 2 * 8 + _LIBRARIES

    @property
    def disk(self) -> int:
        """Bytes of disk that a run needs, its state included."""
        curvatures = 2 * 3 * (self.d + 1) ** 2 * 8  # of a leap, in the old state and in the new
        return 4 * len(self.checkpoints) * (self.d + 8) * 8 + curvatures + 1_000_000


@dataclass(frozen=True, kw_only=True)
class Trace(Recipe):
    """Descent walked step by step: the exact weights, as a reference."""

    per_decade: int = 20

    def columns(self) -> dict[str, Column]:
        """Return step, weights and bias."""
        weights = {f"w{i + 1}": Column("number", f"weight {i + 1}") for i in range(self.d)}
        return {"step": _STEP} | weights | {"b": Column("number", "bias")}

    def run(self, *, work: Path | None = None, progress: bool = False) -> Result:
        """Walk every step."""
        run = gradient_descent(
            self.train(), self.steps, lr=self.lr, bias=self.bias, checkpoints=self.checkpoints,
            progress=progress, state=work and work / "descent.npz",
        )  # fmt: skip
        table = pd.DataFrame(np.c_[run.w, run.b], columns=list(self.columns())[1:])
        table.insert(0, "step", run.steps)
        return Result(table, run.gradient_evaluations, 0, 0.0, peak_memory())


@dataclass(frozen=True, kw_only=True)
class Weights(Recipe):
    """Descent by `fast_forward`: the hyperplane at a few checkpoints, for whatever is asked later.

    A row a coordinate and a column a checkpoint, since there are more of those.
    """

    per_decade: int = 4
    rtol: float = 1e-4

    digits = 7

    def columns(self) -> dict[str, Column]:
        """Return the coordinate, and its weight after so many steps."""
        number = Column("integer", f"number of the weight, from 1 to {self.d}; 0 is the bias")
        return {"coordinate": number} | {
            f"step_{step}": Column("number", f"weight, or bias, after {step} steps")
            for step in self.checkpoints
        }

    def run(self, *, work: Path | None = None, progress: bool = False) -> Result:
        """Fast-forward."""
        run = fast_forward(
            self.train(), self.steps, lr=self.lr, bias=self.bias, checkpoints=self.checkpoints,
            rtol=self.rtol, progress=progress, state=work and work / "descent.npz",
        )  # fmt: skip
        table = pd.DataFrame(np.c_[run.b, run.w].T, columns=list(self.columns())[1:])
        table.insert(0, "coordinate", np.arange(self.d + 1))
        return Result(
            table, run.gradient_evaluations, run.hessian_evaluations,
            float(run.error_estimate.max()), peak_memory(),
        )  # fmt: skip

    def trajectory(self, table: pd.DataFrame) -> Trajectory:
        """Turn the record's table into the run it was; its errors are bounded by the largest."""
        made = table.attrs["recipe"]
        thetas = table.drop(columns="coordinate").to_numpy().T
        run = Trajectory(
            self.checkpoints, thetas[:, 1:], thetas[:, 0], np.full(self.d, self.d**-0.5),
            np.full(len(thetas), made["largest_error_estimate"] + 10.0**-self.digits),
            made["gradient_evaluations"], made["hessian_evaluations"],
        )  # fmt: skip
        remember(run, table.attrs["origin"])
        return run


@dataclass(frozen=True, kw_only=True)
class Experiment(Recipe):
    """Descent by `fast_forward`, measured on large test sets that are never whole in memory.

    Attributes
    ----------
    alpha : float
        Of the concentrated test.
    rtol : float
        Of the fast-forward.
    n_test, n_attacked : int
        Points of the standard and of the concentrated test, and of the standard test under attack.
    epsilons : tuple of float
        Radii of the l_inf ball, in which the exact worst case is taken, without clipping.
    test_rows : int
        Points that are sampled at once, with a generator of their own.
    """

    alpha: float = 10.0
    rtol: float = 1e-4
    n_test: int = 1_000_000
    n_attacked: int = 100_000
    epsilons: tuple[float, ...] = (1.0, 0.1, 0.01)
    test_rows: int = 4_000

    digits = 8

    def columns(self) -> dict[str, Column]:
        """Return where the hyperplane is, and how good."""
        numbers = {
            "norm": "length of the weights w",
            "b": "bias",
            "distance": "|b| / ||w||, in units of the points' coordinates",
            "angle": "angle between w and the true separator's normal, in rad",
            "train": "accuracy on the training points, from 0 to 1",
            "unplanted": "accuracy on those of them that were not planted",
        }
        for name in ("standard", "concentrated"):
            numbers[name] = f"accuracy on {self.n_test} points of the {name} distribution"
        for epsilon in self.epsilons:
            plain, preserving = _attacks(epsilon)
            numbers[plain] = (
                f"accuracy on {self.n_attacked} standard points, attacked up to {epsilon:g} (l_inf)"
            )
            numbers[preserving] = f"{numbers[plain]}, labels preserved"
        numbers["error_estimate"] = "bound on the error of (w, b) / its length"
        return {"step": _STEP} | {name: Column("number", what) for name, what in numbers.items()}

    def run(self, *, work: Path | None = None, progress: bool = False) -> Result:
        """Fast-forward, and measure; the training set is gone before the tests are sampled."""
        run, known = self._descend(work, progress)
        for name in ("standard", "concentrated", "adversarial"):
            known |= self._test(name, run, work, progress)
        table = pd.DataFrame(
            {name: known[name] if name in known else getattr(run, name) for name in self.columns()}
        )
        return Result(
            table, run.gradient_evaluations, run.hessian_evaluations,
            float(run.error_estimate.max()), max(known["peak"], peak_memory()),
        )  # fmt: skip

    def _descend(self, work: Path | None, progress: bool) -> tuple[Trajectory, dict[str, Any]]:
        """Trajectory, and by name: its steps, accuracies on training points, peak memory so far."""
        file = State(work and work / "run.npz", partial(fingerprint, **asdict(self)))
        kept: dict[str, Any] | None = file.read()
        if kept is None:
            data = self.train()
            run = fast_forward(
                data, self.steps, lr=self.lr, bias=self.bias, checkpoints=self.checkpoints,
                rtol=self.rtol, progress=progress, state=work and work / "descent.npz",
            )  # fmt: skip
            kept = {field.name: getattr(run, field.name) for field in fields(run)}
            kept |= dict(zip(_TRAIN, accuracies_by_planting(run, data), strict=True))
            kept["peak"] = peak_memory()
            file.write(kept, last=True)
        kept = {name: each if np.ndim(each) else int(each) for name, each in kept.items()}
        known = {name: kept.pop(name) for name in (*_TRAIN, "peak")} | {"step": kept["steps"]}
        return Trajectory(**kept), known

    def _test(
        self, name: str, run: Trajectory, work: Path | None, progress: bool
    ) -> dict[str, FloatArray]:
        """Accuracies on one of the test sets, chunk by chunk."""
        n = self.n_attacked if name == "adversarial" else self.n_test
        sample = partial(sample_standard, d=self.d, gamma=self.gamma)
        if name == "concentrated":
            sample = partial(sample_concentrated, d=self.d, gamma=self.gamma, alpha=self.alpha)
        measures: dict[str, Callable[[Trajectory, Dataset], FloatArray]] = {name: accuracy}
        if name == "adversarial":
            from ..attack import adversarial_accuracy  # noqa: PLC0415 - for those who attack

            measures = {
                label: partial(adversarial_accuracy, epsilon=epsilon, preserve_label=kept)
                for epsilon in self.epsilons
                for label, kept in zip(_attacks(epsilon), (False, True), strict=True)
            }
        sizes = [min(self.test_rows, n - start) for start in range(0, n, self.test_rows)]
        stream = self.streams[{"standard": 1, "concentrated": 2, "adversarial": 3}[name]]
        seeds = stream.spawn(len(sizes))

        def count(i: int) -> npt.NDArray[np.int64]:
            data = sample(sizes[i] - sizes[i] // 2, sizes[i] // 2, seed=seeds[i])
            shares = np.array([measure(run, data) for measure in measures.values()])
            right: npt.NDArray[np.int64] = np.rint(shares * sizes[i]).astype(np.int64)
            return right

        file = State(
            work and work / f"{name}.npz",
            partial(fingerprint, **asdict(self), test=name, w=run.w, b=run.b),
        )
        kept: dict[str, Any] = file.read() or {"done": 0, "right": 0}
        done, right = int(kept["done"]), kept["right"]
        bar = tqdm(total=n, initial=sum(sizes[:done]), desc=name, unit="point", unit_scale=True,
                   disable=not progress)  # fmt: skip
        with bar, one_blas_thread(), ThreadPoolExecutor(joblib.cpu_count()) as pool:
            counts = pool.map(count, range(done, len(sizes)))
            try:
                for i, one in enumerate(counts, done):
                    right = right + one
                    bar.update(sizes[i])
                    file.write({"done": i + 1, "right": right}, last=i == len(sizes) - 1)
            finally:  # where writing failed, what has not begun never does
                pool.shutdown(cancel_futures=True)
        return dict(zip(measures, right / n, strict=True))


def _attacks(epsilon: float) -> tuple[str, str]:
    return f"adversarial_{epsilon:g}", f"label_preserving_{epsilon:g}"


def peak_memory() -> int:
    """Most memory that this process has held so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    else:  # noqa: RET505 - which the type checker wants to see
        import resource  # noqa: PLC0415

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_TRAIN = ("train", "unplanted")
_STEP = Column("integer", "updates of (w, b), from w = 0 and b = 0")

_PAPER = Experiment(
    title="d = 1024, a million points, nothing planted, as the paper's text has it",
    d=1024, n_pos=500_000, n_neg=500_000,
)  # fmt: skip
_PLANTED = replace(
    _PAPER, title="d = 1024, a million points, planted in the ratio of S(350, 250)",
    sv_pos=175_000, sv_neg=125_000,
)  # fmt: skip
_SMALL: dict[str, Any] = {
    "d": 64, "n_pos": 10_000, "n_neg": 10_000, "n_test": 20_000, "n_attacked": 4_000,
}  # fmt: skip
_WALKED = Trace(
    title="d = 2, walked step by step, S(350, 250)",
    d=2, n_pos=1000, n_neg=1000, sv_pos=350, sv_neg=250,
)  # fmt: skip

_SETTING = ("d", "n_pos", "n_neg", "sv_pos", "sv_neg", "bias")
_LARGE = {
    "d1024-unplanted": _PAPER,
    "d1024-planted": _PLANTED,
    "d1024-unplanted-no-bias": replace(_PAPER, title=f"{_PAPER.title}; no bias", bias=False),
    "d1024-planted-no-bias": replace(_PLANTED, title=f"{_PLANTED.title}; no bias", bias=False),
}

RECIPES: dict[str, Recipe] = {
    **_LARGE,
    **{
        f"{name}-weights": Weights(
            title=f"{one.title}; the weights", **{key: getattr(one, key) for key in _SETTING}
        )
        for name, one in _LARGE.items()
    },
    "exact-350-250": _WALKED,
    "exact-350-350": replace(_WALKED, title="d = 2, walked step by step, S(350, 350)", sv_neg=350),
    # In seconds: for a try, for the tests, and live in chapter 8 beside the large ones
    "d64-unplanted": replace(_PAPER, title="d1024-unplanted, smaller", **_SMALL),
    "d64-planted": replace(
        _PLANTED, title="d1024-planted, smaller", sv_pos=3_500, sv_neg=2_500, **_SMALL
    ),
}
