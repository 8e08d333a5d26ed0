"""One experiment over many seeds: what a single run can't say."""

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, cpu_count, delayed

from .. import _checks
from .._checks import FloatArray
from .._origin import Origin, own, remember, traced
from ..data import Dataset, need, sample_concentrated, sample_standard
from ..descent import Trajectory, gradient_descent
from ..fastforward import fast_forward
from ..losses import LOGISTIC
from ..measures import (
    GrokkingTime,
    Phases,
    accuracy,
    crossing_time,
    grokking_time,
    lag,
    phases,
)
from ..problem import one_blas_thread

SETS = ("train", "standard", "concentrated")


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """From a seed to its three data sets, drawn again each time, so that none is kept.

    Attributes are as in `ensemble`.
    """

    n_pos: int
    n_neg: int
    d: int
    gamma: float
    alpha: float
    sv_pos: int
    sv_neg: int
    n_test: int

    def __call__(self, seed: int) -> dict[str, Dataset]:
        """Draw all three, by name."""
        return {name: self.draw(name, seed) for name in SETS}

    def draw(self, name: str, seed: int) -> Dataset:
        """Draw "train", "standard" or "concentrated", each from a stream of its own."""
        stream = np.random.default_rng(seed).spawn(len(SETS))[SETS.index(name)]
        cube: dict[str, Any] = {"d": self.d, "gamma": self.gamma, "seed": stream}
        if name == "train":
            planted = {"sv_pos": self.sv_pos, "sv_neg": self.sv_neg}
            return sample_standard(self.n_pos, self.n_neg, **planted, **cube)
        half = self.n_test - self.n_test // 2, self.n_test // 2
        if name == "standard":
            return sample_standard(*half, **cube)
        return sample_concentrated(*half, alpha=self.alpha, **cube)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Runs of one setting with different seeds. Accuracies follow from them, whatever is replaced.

    Attributes
    ----------
    sample : Sampler
        From a seed to its three data sets, by name.
    seeds : (s,) tuple of int
    runs : tuple of s Trajectory
        With the same checkpoints.
    """

    sample: Sampler
    seeds: tuple[int, ...]
    runs: tuple[Trajectory, ...]

    def __post_init__(self) -> None:
        if not len(self.seeds):
            raise ValueError("seeds must name at least one seed, got none")
        if len(self.runs) != len(self.seeds):
            raise ValueError(
                f"runs must be one for each of the {len(self.seeds)} seeds, got {len(self.runs)}; "
                "first(k) keeps the first k of both"
            )
        if any(not np.array_equal(run.steps, self.steps) for run in self.runs):
            raise ValueError("runs must have the same checkpoints, got different ones")

    @property
    def gamma(self) -> float:
        """Full width of the margin."""
        return self.sample.gamma

    @property
    def alpha(self) -> float:
        """Outer edge of the concentrated shell, in units of gamma."""
        return self.sample.alpha

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Checkpoints, the same in all runs; shape (k,)."""
        return self.runs[0].steps

    @cached_property
    def train(self) -> FloatArray:
        """Accuracy on the training set, shape (s, k)."""
        return self._measured("train", accuracy)

    @cached_property
    def standard(self) -> FloatArray:
        """Accuracy on the standard test, shape (s, k)."""
        return self._measured("standard", accuracy)

    @cached_property
    def concentrated(self) -> FloatArray:
        """Accuracy on the concentrated test, shape (s, k)."""
        return self._measured("concentrated", accuracy)

    def unplanted(self) -> FloatArray:
        """Accuracy on the training points that were not planted, shape (s, k)."""
        return self._measured("train", lambda run, train: accuracies_by_planting(run, train)[1])

    def attacked(self, on: str, **threat: Any) -> FloatArray:
        """Adversarial accuracy on "train", "standard" or "concentrated" points, shape (s, k).

        The rest as in `adversarial_accuracy`.
        """
        from ..attack import adversarial_accuracy  # noqa: PLC0415 - for those who attack

        _checks.one_of("on", on, SETS)
        return self._measured(on, lambda run, data: adversarial_accuracy(run, data, **threat))

    def first(self, k: int) -> "Ensemble":
        """Keep the first k seeds, and all that belongs to them."""
        k = _checks.count("k", k, 1, len(self.seeds))
        return self._with(self.runs[:k], f"first({k})")

    def changed(self, change: Callable[[Trajectory], Trajectory]) -> "Ensemble":
        """Change every run, as by ``lambda run: replace(run, b=0 * run.b)``: what would be then."""
        return self._with(tuple(map(change, self.runs)), "changed(…)")

    def times(
        self, test: str | FloatArray, *, eps: float, train: FloatArray | None = None,
        reference: str = "supremum", until: float = np.inf,
    ) -> list[GrokkingTime]:  # fmt: skip
        """Definition 3.4's times of each run, as if it had ended at step `until`.

        `test` is "standard" or "concentrated", or an (s, k) array of accuracies, as `train` is; by
        default `train` is the accuracy on the training set. `eps` and `reference` are as in
        `grokking_time`.
        """
        seen = slice(self.at(until, "until") + 1)
        fitted = self._curves("train", "train" if train is None else train)
        return [
            grokking_time(self.steps[seen], one[seen], other[seen], eps=eps, reference=reference)
            for one, other in zip(fitted, self._curves("test", test), strict=True)
        ]

    def zetas(self, test: str | FloatArray, **definition: Any) -> FloatArray:
        """Delay factors, shape (s,); `eps`, `train`, `reference` and `until` as in `times`."""
        return np.array([time.zeta for time in self.times(test, **definition)])

    def groks(self, test: str | FloatArray, **definition: Any) -> npt.NDArray[np.bool_]:
        """Whether each run groks, shape (s,): its test is late, and gets there; as in `times`."""
        return np.array([time.groks for time in self.times(test, **definition)])

    def lags(self, test: str | FloatArray, train: str | FloatArray = "train") -> FloatArray:
        """Decades by which the test is behind training at each checkpoint, shape (s, k): `lag`."""
        pairs = zip(self._curves("train", train), self._curves("test", test), strict=True)
        return np.array([lag(self.steps, *pair) for pair in pairs])

    def settled(self, level: float, test: str | FloatArray = "concentrated") -> FloatArray:
        """Step from which on each run's accuracy stays at `level` or above, shape (s,).

        Interpolated in log time, as in `crossing_time`; infinite for a run that ends below. `test`
        is as in `times`, and `level` above 0 and below 1.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be above 0 and below 1, got {level!r}")
        missing = 1 - self._curves("test", test)
        return np.array([crossing_time(self.steps, one, 1 - level) for one in missing])

    def phases(self) -> Phases:
        """Where the phases meet: medians over the runs."""
        each = [phases(run, gamma=self.gamma, alpha=self.alpha) for run in self.runs]
        return Phases(*np.median(list(map(astuple, each)), axis=0).tolist())

    def at(self, step: float, name: str = "step") -> int:
        """Index of the last checkpoint that is not after `step`."""
        if not step >= self.steps[0]:
            raise ValueError(
                f"{name} must be at least the first checkpoint, {self.steps[0]}, got {step!r}"
            )
        return int(np.searchsorted(self.steps, step, side="right")) - 1

    def _curves(self, name: str, value: str | FloatArray) -> FloatArray:
        """Accuracies by name, or given ones if they fit."""
        if isinstance(value, str):
            _checks.one_of(name, value, SETS)
            return np.asarray(getattr(self, value))
        curves, shape = _checks.finite(name, value, 2), (len(self.seeds), len(self.steps))
        if curves.shape != shape:
            raise ValueError(f"{name} must be (seeds, checkpoints) = {shape}, got {curves.shape}")
        return curves

    def _measured(
        self, on: str, measure: Callable[[Trajectory, Dataset], FloatArray]
    ) -> FloatArray:
        def one(seed: int, run: Trajectory) -> FloatArray:
            return measure(run, self.sample.draw(on, seed))

        with one_blas_thread(), ThreadPoolExecutor(cpu_count()) as pool:
            return np.array(list(pool.map(one, self.seeds, self.runs)))

    def _with(self, runs: tuple[Trajectory, ...], how: str) -> "Ensemble":
        """Take other runs of the first seeds, and say where they come from."""
        result = replace(self, seeds=self.seeds[: len(runs)], runs=runs)
        if origin := own(self):
            remember(result, Origin(f"{origin.call}.{how}", origin.files))
        return result


@traced
def ensemble(
    seeds: Sequence[int], steps: int, *, n_pos: int = 1000, n_neg: int = 1000, d: int = 2,
    gamma: float = 1e-3, alpha: float = 10.0, sv_pos: int = 0, sv_neg: int = 0,
    n_test: int = 2000, walk: bool = False, jobs: int = 1, **descent: Any,
) -> Ensemble:  # fmt: skip
    """Sample, descend (by `fast_forward`, or `piecewise_descent`) and measure for each seed.

    Parameters
    ----------
    seeds : sequence of int
        One run each. Training set and both test sets come from independent streams of it.
    steps, **descent
        As in `fast_forward`: lr, bias, checkpoints, rtol and the rest, by name.
    n_pos, n_neg, d, gamma, sv_pos, sv_neg, alpha
        As in `sample_standard` and `sample_concentrated`.
    n_test : int
        Points in each test set, half of them in each class.
    walk : bool
        Take every step instead, for what cannot be leapt over; `descent` is then as in
        `gradient_descent`.
    jobs : int
        Processes that share the runs (joblib).
    """
    sample = Sampler(
        n_pos=n_pos, n_neg=n_neg, d=d, gamma=gamma, alpha=alpha, sv_pos=sv_pos, sv_neg=sv_neg,
        n_test=_checks.count("n_test", n_test, 1),
    )  # fmt: skip
    _checks.one_of("walk", walk, (True, False))
    seeds = tuple(seeds)

    loss = descent.get("loss", LOGISTIC)
    kinks = not walk and not loss.smooth and loss.pieces is not None
    run_by: Callable[..., Trajectory] = gradient_descent if walk else fast_forward
    if kinks:
        from ..piecewise import piecewise_descent  # noqa: PLC0415 - for those who have kinks

        run_by = piecewise_descent
        descent.pop("rtol", None)  # it is exact

    def one(seed: int) -> tuple[Trajectory, list[FloatArray]]:
        sets = sample(seed)
        run = run_by(sets["train"], steps, **descent)
        return run, [accuracy(run, data) for data in sets.values()]

    results = Parallel(n_jobs=jobs)(delayed(one)(seed) for seed in seeds)
    result = Ensemble(sample, seeds, tuple(run for run, _ in results))
    # Measured where the runs were made, by all processes: it need not be done again
    curves = (np.array([curves[i] for _, curves in results]) for i in range(len(SETS)))
    vars(result).update(zip(SETS, curves, strict=True))
    return result


def accuracies_by_planting(run: Trajectory, data: Dataset) -> tuple[FloatArray, FloatArray]:
    """Accuracies on all points and on those that were not planted, (k,) each; NaN where all were.

    Points are taken in stretches, which are views: a million of them are not copied.
    """
    planted = need(data, "planted").planted
    edges = [0, *(np.flatnonzero(np.diff(planted)) + 1).tolist(), data.n]
    right = np.zeros((2, len(run.steps)))
    for start, stop in itertools.pairwise(edges):
        rows = slice(start, stop)
        part = Dataset(data.X[rows], data.y[rows], data.gamma)
        right[int(planted[start])] += np.rint(accuracy(run, part) * part.n)
    free = data.n - np.count_nonzero(planted)
    return right.sum(axis=0) / data.n, right[0] / free if free else np.full_like(right[0], np.nan)
