"""Recorded long runs: make them, check them, use them (python -m lingrok list | record | verify).

A record is the table of a recipe, as a CSV file in the data directory. The manifest beside it, a
Frictionless Data Package, holds for each record its checksum, what its columns mean, and how it was
made. Nothing reads a record but `load`, which compares the checksum first.
"""

import hashlib
import json
import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import scipy

from .. import _state
from .._format import number
from .._origin import Origin
from .recipes import RECIPES, Column, Recipe

MANIFEST = "datapackage.json"
_WORK = ".work"  # where stopped runs keep their state, not a part of the records
# The environment's word, or else the book's repository around the package, or where one works
_GIVEN, _HERE = os.environ.get("LINGROK_DATA"), Path("data").absolute()
_BESIDE = [Path(__file__).parents[2] / "data", _HERE.parents[1] / "data", _HERE]
_PLACES = [Path(_GIVEN)] if _GIVEN else _BESIDE
DATA = next((place for place in _PLACES if (place / MANIFEST).exists()), _PLACES[-1])
_GIGA = 1e9

Resource = dict[str, Any]


class RecordError(RuntimeError):
    """A record, its manifest or its recipe is not as it must be."""


def load(name: str, directory: str | os.PathLike[str] = DATA) -> pd.DataFrame:
    """Return the table of a record, its checksum verified.

    The manifest's entry, with the recipe and what it took, is in the table's `attrs`.

    Raises
    ------
    RecordError
        For a record that is not there or differs from its manifest.
    """
    resource = read_manifest(Path(directory)).get(name)
    if resource is None:
        raise _absent(f"{name} is not recorded", Path(directory))
    table = pd.read_csv(BytesIO(_content(Path(directory), resource)))
    made = resource["hash"].removeprefix("sha256:")[:12]
    origin = Origin(f"records.load({name!r})", ((resource["path"], f"SHA-256 {made}…"),))
    table.attrs = dict[Any, Any](resource) | {"origin": origin}
    return table


def verify(directory: str | os.PathLike[str] = DATA) -> list[str]:
    """Compare every record with its checksum; return the names.

    Raises
    ------
    RecordError
        Naming every file that differs, is missing or is in no manifest.
    """
    directory = Path(directory)
    resources, broken = read_manifest(directory), []
    if not resources:
        raise _absent("no record is listed", directory)
    for resource in resources.values():
        try:
            _content(directory, resource)
        except RecordError as error:
            broken.append(str(error))
    listed = {resource["path"] for resource in resources.values()}
    stray = sorted(path for path in directory.glob("*.csv") if path.name not in listed)
    broken += [f"{path} is in no manifest" for path in stray]
    if broken:
        raise RecordError("\n".join(broken))
    return list(resources)


def record(
    name: str, *, directory: str | os.PathLike[str] = DATA, force: bool = False,
    progress: bool = False,
) -> Path:  # fmt: skip
    """Run a recipe and record it; return the file.

    A run that was stopped at any moment goes on from its last state, under `directory`.

    Parameters
    ----------
    name : str
        In `RECIPES`.
    force : bool
        Overwrite a record that is there already.
    progress : bool
        Say on standard error what is needed, and show bars.

    Raises
    ------
    RecordError
        For an unknown name, a record that is there already or is being made, a wrong manifest, and
        too little memory or disk.
    ValueError
        For the state of a stopped run that is damaged or belongs to another recipe.
    """
    recipe, directory = RECIPES.get(name), Path(directory)
    if recipe is None:
        raise RecordError(f"{name!r} is no recipe; there are {', '.join(RECIPES)}")
    file, work = directory / f"{name}.csv", directory / _WORK / name

    def refuse_another() -> None:
        known = name in read_manifest(directory)
        if file.exists() and (known or not work.exists()) and not force:
            raise RecordError(f"{file} is there already; --force makes it again")

    refuse_another()
    _check_room(name, recipe, directory, progress)
    with _locked(work, f"{name} is being recorded in {directory} by another process: let it end"):
        refuse_another()  # which another process may have made since
        work.mkdir(exist_ok=True)
        attempts, began = _begin(work)
        result = recipe.run(work=work, progress=progress)
        digits = f"%.{recipe.digits}g" if recipe.digits else None
        columns = recipe.columns()
        table = result.table.to_csv(index=False, lineterminator="\n", float_format=digits)
        parameters = asdict(recipe)
        enter(
            file, table.encode(), title=parameters.pop("title"), columns=columns,
            key=[next(iter(columns))],
            recipe={
                "command": f"python -m lingrok record {name}",
                "parameters": parameters,
                "seconds": round(time.time() - began, 3),
                "attempts": attempts,
                **{name: value for name, value in vars(result).items() if name != "table"},
            },
        )  # fmt: skip
    return file


def enter(
    path: Path, table: bytes, *, title: str, columns: Mapping[str, Column], key: Sequence[str],
    recipe: Mapping[str, Any],
) -> None:  # fmt: skip
    """Write a table, the content of a CSV file, and enter it into the manifest beside it.

    `key` names the columns that together tell a row from all others; `recipe` has the `command` and
    the `seconds` that made it, and what else there is to say.
    """
    entry = {
        "profile": "tabular-data-resource",
        "name": path.stem,
        "title": title,
        "path": path.name,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(table),
        "hash": _hash(table),
        "schema": {
            "fields": [
                {"name": column, "type": what.kind, "description": what.description}
                for column, what in columns.items()
            ],
            "primaryKey": list(key),
        },
        "recipe": {
            **recipe,
            "versions": {
                "python": platform.python_version(), "numpy": np.__version__,
                "scipy": scipy.__version__,
            },
            "machine": f"{os.cpu_count()} cores ({platform.machine()})",
        },
    }  # fmt: skip
    package = {
        "profile": "tabular-data-package",
        "name": "lingrok-records",
        "title": "Long runs of gradient descent on logistic regression",
        "description": "Each recipe: seconds of wall time over all attempts, peak_memory in bytes.",
        "licenses": [
            {"name": "MIT", "path": "https://opensource.org/license/mit", "title": "MIT License"}
        ],
    }
    work, manifest = path.parent / _WORK / path.stem, path.with_name(MANIFEST)
    # Others may enter theirs: one at a time, each after those before
    with _locked(work.with_name(MANIFEST), f"{manifest} is held by another process", wait=60):
        work.mkdir(exist_ok=True)
        resources = read_manifest(path.parent) | {path.stem: entry}
        package["resources"] = [resources[name] for name in sorted(resources)]
        content = json.dumps(package, indent=1, ensure_ascii=False) + "\n"
        # Both files are on the disk before one is moved into place
        _state.write(work / MANIFEST, content.encode())
        _state.write(work / path.name, table)
        (work / path.name).replace(path)
        (work / MANIFEST).replace(manifest)
    shutil.rmtree(work)


def read_manifest(directory: Path) -> dict[str, Resource]:
    """Return the manifest's entries by name; none where there is no manifest.

    Raises
    ------
    RecordError
        For a manifest that is damaged or lacks what a record needs.
    """
    path = directory / MANIFEST
    if not path.exists():
        return {}
    try:
        listed = json.loads(path.read_bytes())["resources"]
        resources = {one["name"]: one for one in listed}
        for one in resources.values():
            sizes = one["bytes"], one["recipe"]["seconds"]
            well = Path(one["path"]).name == one["path"] and one["hash"].startswith("sha256:")
            if not well or not all(isinstance(size, int | float) for size in sizes):
                raise ValueError(f"the entry of {one['name']} is wrong")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"{path} is no manifest of records: {error!r}") from None
    return resources


def listing(directory: str | os.PathLike[str] = DATA) -> str:
    """Return a line for each recipe: whether it is recorded, and what that took."""
    resources, lines = read_manifest(Path(directory)), []
    for name, recipe in RECIPES.items():
        one = resources.get(name)
        made = f"{one['bytes']:,} bytes, made in {took(one)}" if one else "not recorded"
        lines.append(f"{name:<33}{made:<36}{recipe.title}")
    return "\n".join(lines)


def took(resource: Mapping[Any, Any]) -> str:
    """Return the time that a record took, in words."""
    seconds = resource["recipe"]["seconds"]
    return f"{number(seconds)} seconds" if seconds < 100 else f"{number(seconds / 60)} minutes"


def provenance(table: pd.DataFrame) -> str:
    """Return a line that says how a record was made."""
    made, sha = table.attrs["recipe"], table.attrs["hash"].removeprefix("sha256:")
    counts = [f"{made['gradient_evaluations']:,} gradients"]
    if made["hessian_evaluations"]:
        counts.append(f"{made['hessian_evaluations']} Hessians")
    return (
        f"{made['command']} took {took(table.attrs)} on {made['machine']}, "
        f"{' and '.join(counts)}, {number(made['peak_memory'] / _GIGA)} GB of memory; "
        f"data/{table.attrs['path']}, SHA-256 {sha[:12]}…"
    )


def _begin(work: Path) -> tuple[int, float]:
    """Begin one more attempt: its number, and when a single one would have begun.

    An attempt that was stopped has lasted until it wrote a state for the last time.
    """
    path, attempt, before = work / "clock.json", 0, 0.0
    if path.exists():
        try:
            before, began, attempt = json.loads(path.read_bytes())
        except ValueError:
            raise ValueError(f"{path} is damaged: remove {work} to start anew") from None
        before += max([0.0, *(state.stat().st_mtime - began for state in work.glob("*.npz"))])
    _state.write(path, json.dumps([before, time.time(), attempt + 1]).encode())
    return attempt + 1, time.time() - before


def _content(directory: Path, resource: Resource) -> bytes:
    """Read a record's file, if it is what the manifest says."""
    path: Path = directory / resource["path"]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from None
    if _hash(content) != resource["hash"]:
        sizes = f"{len(content)} bytes, where its manifest has {resource['bytes']}"
        raise RecordError(f"{path} is damaged: another checksum, {sizes}")
    return content


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _absent(what: str, directory: Path) -> RecordError:
    """Say where a record was looked for, and what helps."""
    places = _PLACES if directory == DATA else [directory]
    return RecordError(
        f"{what} in {' or '.join(str(place / MANIFEST) for place in places)}; LINGROK_DATA can "
        "name the directory of the book's data, and python -m lingrok record makes a record"
    )


@contextmanager
def _locked(work: Path, busy: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a working directory, which dies with the process.

    SQLite's own, since the standard library has no other that is the same on every system. Its file
    stays: were it removed, who waits for it and who comes later would lock two files.
    """
    work.parent.mkdir(parents=True, exist_ok=True)
    path = work.with_name(f"{work.name}.lock")
    with ExitStack() as held:
        try:
            lock = sqlite3.connect(path, timeout=wait, isolation_level=None)
            held.callback(lock.close)
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            said = busy if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else f"{path}: {error}"
            raise RecordError(said) from None
        yield


def _check_room(name: str, recipe: Recipe, directory: Path, progress: bool) -> None:
    """Refuse a run that memory or disk have no room for."""
    place = next(path for path in (directory, *directory.resolve().parents) if path.exists())
    for what, need, free in (
        ("memory", recipe.memory, psutil.virtual_memory().available),
        ("disk", recipe.disk, shutil.disk_usage(place).free),
    ):
        needs = f"{name} needs {need / _GIGA:.2g} GB of {what}"
        if free < need:
            raise RecordError(f"{needs}, and {free / _GIGA:.2g} GB are free")
        if progress:
            print(needs, file=sys.stderr)
