"""One experiment over many seeds: what a single run can't say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..attack import adversarial_accuracy
from ..data import Dataset, sample_concentrated, sample_standard
from ..descent import Trajectory
from ..fastforward import fast_forward
from ..measures import GrokkingTime, Phases, accuracy, grokking_time, phases


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Runs of one setting with different seeds, and their accuracies.

    Attributes
    ----------
    gamma, alpha : float
        Of the distributions.
    seeds : (s,) tuple of int
    steps : (k,) int64 array
        Checkpoints, the same in all runs.
    runs : tuple of s Trajectory
    sample : function
        From a seed to its three data sets, by name: drawn again, so that none is kept.
    train, standard, concentrated : (s, k) array
        Accuracy on the training set and on the two test sets.
    """

    gamma: float
    alpha: float
    seeds: tuple[int, ...]
    steps: npt.NDArray[np.int64]
    runs: tuple[Trajectory, ...]
    sample: Callable[[int], dict[str, Dataset]]
    train: FloatArray
    standard: FloatArray
    concentrated: FloatArray

    def times(
        self,
        test: str | FloatArray,
        *,
        eps: float,
        train: FloatArray | None = None,
        reference: str = "supremum",
        until: float = np.inf,
    ) -> list[GrokkingTime]:
        """Definition 3.4's times of each run, as if it had ended at step `until`.

        `test` is "standard" or "concentrated", or an (s, k) array of accuracies, as `train` is; by
        default `train` is the accuracy on the training set. `eps` and `reference` are as in
        `grokking_time`.
        """
        if isinstance(test, str):
            _checks.one_of("test", test, ("standard", "concentrated"))
            test = getattr(self, test)
        seen = self.steps <= until
        return [
            grokking_time(self.steps[seen], one[seen], other[seen], eps=eps, reference=reference)
            for one, other in zip(self.train if train is None else train, test, strict=True)
        ]

    def attacked(self, on: str, **threat: Any) -> FloatArray:
        """Adversarial accuracy on "train", "standard" or "concentrated" points, shape (s, k).

        The rest as in `adversarial_accuracy`.
        """
        _checks.one_of("on", on, ("train", "standard", "concentrated"))
        each = zip(self.seeds, self.runs, strict=True)
        return np.array(
            [adversarial_accuracy(run, self.sample(seed)[on], **threat) for seed, run in each]
        )

    def unplanted(self) -> FloatArray:
        """Accuracy on the training points beyond the margin, which were not planted; (s, k)."""
        curves = []
        for seed, run in zip(self.seeds, self.runs, strict=True):
            train = self.sample(seed)["train"]
            free = train.y * (train.X @ train.w_true) > (1 + 1e-6) * train.gamma / 2
            curves.append(accuracy(run, Dataset(train.X[free], train.y[free], train.gamma)))
        return np.array(curves)

    def phases(self) -> Phases:
        """Where the phases meet: medians over the runs."""
        each = [phases(run, gamma=self.gamma, alpha=self.alpha) for run in self.runs]
        return Phases(
            float(np.median([one.unlearning for one in each])),
            float(np.median([one.generalisation for one in each])),
        )

    def at(self, step: float) -> int:
        """Index of the last checkpoint that is not after `step`."""
        return int(np.searchsorted(self.steps, step, side="right")) - 1


@traced
def ensemble(
    seeds: Sequence[int],
    steps: int,
    *,
    n_pos: int = 1000,
    n_neg: int = 1000,
    d: int = 2,
    gamma: float = 1e-3,
    alpha: float = 10.0,
    sv_pos: int = 0,
    sv_neg: int = 0,
    lr: float = 1e-2,
    bias: bool = True,
    n_test: int = 2000,
    checkpoints: npt.ArrayLike | None = None,
    rtol: float = 1e-8,
    jobs: int = 1,
) -> Ensemble:
    """Sample, descend (by `fast_forward`) and measure once for each seed.

    Parameters
    ----------
    seeds : sequence of int
        One run each. Training set and both test sets come from independent streams of it.
    steps, lr, bias, checkpoints, rtol
        As in `fast_forward`.
    n_pos, n_neg, d, gamma, sv_pos, sv_neg, alpha
        As in `sample_standard` and `sample_concentrated`.
    n_test : int
        Points in each test set, half of them in each class.
    jobs : int
        Processes that share the runs (joblib).
    """
    if not len(seeds):
        raise ValueError("seeds must name at least one seed, got none")

    def sample(seed: int) -> dict[str, Dataset]:
        streams = np.random.default_rng(seed).spawn(3)
        half = (n_test - n_test // 2, n_test // 2)
        train = sample_standard(
            n_pos, n_neg, d=d, gamma=gamma, sv_pos=sv_pos, sv_neg=sv_neg, seed=streams[0]
        )
        standard = sample_standard(*half, d=d, gamma=gamma, seed=streams[1])
        shell = sample_concentrated(*half, d=d, gamma=gamma, alpha=alpha, seed=streams[2])
        return {"train": train, "standard": standard, "concentrated": shell}

    def one(seed: int) -> tuple[Trajectory, list[FloatArray]]:
        sets = sample(seed)
        run = fast_forward(
            sets["train"], steps, lr=lr, bias=bias, checkpoints=checkpoints, rtol=rtol
        )
        return run, [accuracy(run, data) for data in sets.values()]

    results = Parallel(n_jobs=jobs)(delayed(one)(seed) for seed in seeds)
    runs = tuple(run for run, _ in results)
    curves = [np.array([curve[i] for _, curve in results]) for i in range(3)]
    return Ensemble(gamma, alpha, tuple(seeds), runs[0].steps, runs, sample, *curves)
