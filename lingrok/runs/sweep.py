"""Many settings, many seeds: one table, from one machine or many, that survives being stopped."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..measures import crossing_time, grokking_time
from .ensemble import ensemble

# As they stand in the file, so that what is read back is what was written
Key = tuple[str, ...]
Row = dict[str, str]


def sweep(
    run: Callable[..., Mapping[str, Any]],
    settings: Iterable[Mapping[str, Any]],
    seeds: Sequence[int],
    *,
    store: str | Path | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:
    """Call `run(seed=seed, **setting)` for every setting and seed, and gather what it returns.

    Parameters
    ----------
    run : function
        Returns a mapping of names to numbers (or short strings), with the same names each time.
    settings : iterable of mappings
        Arguments of `run`, with the same names each time.
    seeds : sequence of int
        Each setting is run once with each of them.
    store : path, optional
        CSV file that gets a line as soon as a result is there. A sweep that was stopped goes on
        from it, a longer one adds to it; whoever changes `run` starts a new file.
    jobs : int, optional
        Processes (joblib). By default what `joblib.parallel_config` says, which may be a Dask
        cluster: ``with parallel_config(backend="dask"): sweep(...)``.
    progress : bool
        Show a bar over the runs.

    Returns
    -------
    DataFrame
        A row a run, settings and seeds in the order given, whatever order they finished in.

    Raises
    ------
    ValueError
        For no setting or seed, names that differ, and a store that belongs to another sweep.
    """
    settings, seeds = list(settings), list(seeds)
    for name, given in (("settings", settings), ("seeds", seeds)):
        if not given:
            raise ValueError(f"{name} must name at least one run, got none")
    names = [*settings[0], "seed"]
    for setting in settings:
        if [*setting, "seed"] != names:
            raise ValueError(f"settings must all have the names {names[:-1]}, got {list(setting)}")
    wanted = [setting | {"seed": seed} for setting, seed in product(map(dict, settings), seeds)]
    keys = [tuple(_text(value) for value in one.values()) for one in wanted]
    file = _Store(Path(store), names) if store is not None else None
    results = file.read() if file else {}
    todo = [key for key in dict.fromkeys(keys) if key not in results]
    by_key = dict(zip(keys, wanted, strict=True))

    def one(key: Key, arguments: dict[str, Any]) -> tuple[Key, Row]:
        return key, {name: _text(value) for name, value in run(**arguments).items()}

    # One task at a time: a batch would hold finished results back
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    finished: Iterator[tuple[Key, Row]] = parallel(delayed(one)(key, by_key[key]) for key in todo)
    with tqdm(total=len(set(keys)), initial=len(set(keys)) - len(todo), unit="run",
              disable=not progress) as bar:  # fmt: skip
        for key, result in finished:
            if file:
                file.append(key, result)
            results[key] = result
            bar.update()
    rows = [dict(zip(names, key, strict=True)) | results[key] for key in keys]
    return pd.DataFrame([{name: _value(text) for name, text in row.items()} for row in rows])


def measured_times(
    seed: int,
    *,
    steps: int,
    gamma: float,
    alpha: float,
    eps: Sequence[float] = (0.0, 0.01, 0.05, 0.2),
    decades: int = 12,
    n_test: int = 20_000,
    **setting: Any,
) -> dict[str, float]:
    """Run one seed for `sweep`, and measure what theorem 4.6 speaks of.

    Parameters
    ----------
    seed, steps, gamma, alpha, n_test, **setting
        As in `ensemble`.
    eps : sequence of float
        Levels of the times.
    decades : int
        Accuracies are returned at 1, 10, ... 10^decades steps, NaN beyond the run.

    Returns
    -------
    dict
        For each EPS, in steps: "distance EPS", from which on |b| / ||w|| is below gamma/2 kappa,
        kappa = 1 + 2 EPS (2 alpha - 1), and "accuracy EPS", from which on the concentrated
        accuracy is above 1 - EPS; "train EPS" and "test EPS", the times of definition 3.4 with the
        concentrated test. Further "rho", sup ||w(t) - w_hat log t|| over the run, where w_hat =
        2/gamma w_true is the hard-margin separator of planted data; and the concentrated accuracy
        "at 1eT".
    """
    runs = ensemble([seed], steps, gamma=gamma, alpha=alpha, n_test=n_test, **setting)
    run, curve = runs.runs[0], runs.concentrated[0]
    result = {}
    for one in eps:
        level = gamma / 2 * (1 + 2 * one * (2 * alpha - 1))
        result[f"distance {one:g}"] = crossing_time(run.steps, run.distance, level)
        result[f"accuracy {one:g}"] = crossing_time(run.steps, 1 - curve, max(one, 0.5 / n_test))
        defined = grokking_time(run.steps, runs.train[0], curve, eps=one)
        result[f"train {one:g}"], result[f"test {one:g}"] = defined.t_train, defined.t_test
    rho = run.w - 2 / gamma * np.log(run.steps)[:, None] * run.w_true
    result["rho"] = float(np.linalg.norm(rho, axis=1).max())
    for decade in range(decades + 1):
        seen = 10**decade <= steps
        result[f"at 1e{decade}"] = float(curve[runs.at(10**decade)]) if seen else np.nan
    return result


class _Store:
    """A CSV file of finished runs that only grows, line by line."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path, self.names = path, names
        self.header: list[str] = []

    def read(self) -> dict[Key, Row]:
        """Read what is finished; a last line that was cut off in writing does not count."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            beside = self.path.with_name(self.path.name + ".part")
            beside.write_text(whole, encoding="utf-8", newline="")
            beside.replace(self.path)
        self.header, *lines = [*csv.reader(whole.splitlines())] or [[]]
        k = len(self.names)
        if self.header and self.header[:k] != self.names:
            raise ValueError(
                f"store must have the columns {self.names}, got {self.header} in {self.path}"
            )
        for number, line in enumerate(lines, start=2):
            if len(line) != len(self.header):
                raise ValueError(
                    f"store must have {len(self.header)} values a line, got {len(line)} in line "
                    f"{number} of {self.path}"
                )
        return {
            tuple(line[:k]): dict(zip(self.header[k:], line[k:], strict=True)) for line in lines
        }

    def append(self, key: Key, result: Row) -> None:
        """Add a run, and have it on disk before the next one."""
        new = [*self.names, *result]
        if self.header and new != self.header:
            raise ValueError(f"run must return {self.header[len(key) :]}, got {list(result)}")
        with self.path.open("a", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            if not self.header:
                lines.writerow(new)
            lines.writerow([*key, *result.values()])
            file.flush()
            os.fsync(file.fileno())
        self.header = new


def _text(value: Any) -> str:
    """Write a value so that equal numbers look equal, and none loses a digit."""
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    number = float(value)
    if not np.isfinite(number):  # as table schemas spell them
        return "NaN" if np.isnan(number) else "INF" if number > 0 else "-INF"
    return str(int(value)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"True": True, "False": False}.get(text, text)
