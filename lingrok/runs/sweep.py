"""Many settings, many seeds: one table, from one machine or many, that survives being stopped."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from ..measures import crossing_time
from ..theory.theorems import kappa
from .ensemble import ensemble

_TABLE = "CREATE TABLE sweep (setting TEXT PRIMARY KEY, result TEXT)"  # both as JSON


def sweep(
    run: Callable[..., Mapping[str, Any]], settings: Iterable[Mapping[str, Any]],
    seeds: Sequence[int], *, store: str | Path | None = None, jobs: int | None = None,
    progress: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Call `run(seed=seed, **setting)` for every setting and seed, and gather what it returns.

    Parameters
    ----------
    run : function
        Returns a mapping of names to numbers (or short strings), with the same names each time.
    settings : iterable of mappings
        Arguments of `run`, numbers or strings, with the same names each time.
    seeds : sequence of int
        Each setting is run once with each of them.
    store : path, optional
        SQLite file that gets a row as soon as a result is there. A sweep that was stopped goes on
        from it, a longer one adds to it; whoever changes `run` starts a new file.
    jobs : int, optional
        Processes (joblib). By default what `joblib.parallel_config` says, which may be a Dask
        cluster: ``with parallel_config(backend="dask"): sweep(...)``.
    progress : bool
        Show a bar over the runs.

    Returns
    -------
    DataFrame
        A row a run, settings and seeds in the order given, whatever order they finished in. Whole
        numbers are integers.

    Raises
    ------
    ValueError
        For no setting or seed, names that differ, values that are neither numbers nor strings, and
        a store that no sweep wrote, or another one.
    """
    settings, seeds = list(map(dict, settings)), list(seeds)
    for name, given in (("settings", settings), ("seeds", seeds)):
        if not given:
            raise ValueError(f"{name} must name at least one run, got none")
    names = [*settings[0], "seed"]
    for setting in settings:
        if [*setting, "seed"] != names:
            raise ValueError(f"settings must all have the names {names[:-1]}, got {list(setting)}")
    wanted = [setting | {"seed": seed} for setting, seed in product(settings, seeds)]
    keys = [_json("settings", one) for one in wanted]
    by_key = dict(zip(keys, wanted, strict=True))

    def one(key: str) -> tuple[str, dict[str, Any]]:
        return key, dict(run(**by_key[key]))

    with _opened(store, names) as (table, results):
        todo = [key for key in by_key if key not in results]
        # One task at a time: a batch would hold finished results back
        parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        with tqdm(total=len(by_key), initial=len(by_key) - len(todo), unit="run",
                  disable=not progress) as bar:  # fmt: skip
            for key, result in parallel(delayed(one)(key) for key in todo):
                before = [*json.loads(next(iter(results.values()), "{}"))]
                if before and before != [*result]:
                    raise ValueError(f"run must return {before}, got {[*result]}")
                results[key] = _json("run", result)
                with table:  # on the disk before the next one
                    table.execute("REPLACE INTO sweep VALUES (?, ?)", (key, results[key]))
                bar.update()
    return pd.DataFrame([json.loads(key) | json.loads(results[key]) for key in keys])


def measured_times(
    seed: int, *, steps: int, gamma: float, alpha: float,
    eps: Sequence[float] = (0.0, 0.01, 0.05, 0.2), decades: int = 12, n_test: int = 20_000,
    **setting: Any,
) -> dict[str, float]:  # fmt: skip
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
        level = gamma / 2 * kappa(one, alpha)
        result[f"distance {one:g}"] = crossing_time(run.steps, run.distance, level)
        result[f"accuracy {one:g}"] = crossing_time(run.steps, 1 - curve, max(one, 0.5 / n_test))
        (defined,) = runs.times("concentrated", eps=one)
        result[f"train {one:g}"], result[f"test {one:g}"] = defined.t_train, defined.t_test
    w_hat = 2 / gamma * np.asarray(run.w_true)
    rho = run.w - np.outer(np.log(run.steps), w_hat)
    result["rho"] = float(np.linalg.norm(rho, axis=1).max())
    for decade in range(decades + 1):
        seen = 10**decade <= steps
        result[f"at 1e{decade}"] = float(curve[runs.at(10**decade)]) if seen else np.nan
    return result


@contextmanager
def _opened(
    store: str | Path | None, names: list[str]
) -> Iterator[tuple[sqlite3.Connection, dict[str, str]]]:
    """Open a store, made if need be, and read it; without a path it is in memory."""
    with ExitStack() as held:
        try:
            file = sqlite3.connect(":memory:" if store is None else store, timeout=60)
            held.callback(file.close)
            tables = dict(file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
            if tables not in ({}, {"sweep": _TABLE}):
                raise sqlite3.DatabaseError(f"a database of {', '.join(tables)}")
            if not tables:
                file.execute(_TABLE)
            results = dict(file.execute("SELECT setting, result FROM sweep"))
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"store must be a file that sweep wrote, got {store}: {error}"
            ) from None
        for key in results:
            if (others := [*json.loads(key)]) != names:
                raise ValueError(f"store must be of a sweep over {names}, got {others} in {store}")
        yield file, results


def _json(what: str, values: Mapping[str, Any]) -> str:
    """Write values so that equal numbers look equal, and none loses a digit or becomes another."""
    return json.dumps({name: _plain(what, value) for name, value in values.items()})


def _plain(what: str, value: Any) -> bool | int | float | str:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer):
        return int(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{what} must give numbers and strings, got {value!r}") from None
    return int(value) if number.is_integer() and abs(number) < 2**53 else number
