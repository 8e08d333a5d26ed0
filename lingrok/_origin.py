"""Where results come from: calls that are remembered with what they return."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

from . import _format

_UNSAID = ("jobs", "progress", "state")  # how a result was come by, not which
_SHORT = 4  # entries of a list that is written out
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Origin:
    """The call that made an object, as it would be written again, and the records it read.

    `files` are pairs of a record's file and its checksum.
    """

    call: str
    files: tuple[tuple[str, str], ...] = ()


def traced(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Remember with each result the call that made it, for `origins` to find."""

    @wraps(function)
    def remembering(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        files = [file for origin in origins((args, kwargs)) for file in origin.files]
        said = call(function.__name__, args, kwargs)  # before a Generator moves on
        origin, result = Origin(said, tuple(dict.fromkeys(files))), function(*args, **kwargs)
        for one in result if isinstance(result, tuple) else (result,):
            remember(one, origin)
        for i, run in enumerate(getattr(result, "runs", ())):
            remember(run, Origin(f"{origin.call}.runs[{i}]", origin.files))
        return result

    return remembering


def remember(value: object, origin: Origin) -> None:
    """Attach an origin to a dataclass or a table."""
    if is_dataclass(value):
        object.__setattr__(value, "_origin", origin)  # also where it is frozen
    elif hasattr(value, "attrs"):  # a pandas table
        value.attrs["origin"] = origin


def origins(value: object) -> list[Origin]:
    """Find the origins of an object, or of all that are in its containers, each one once."""
    return list(dict.fromkeys(_found(value)))


def _found(value: object) -> Iterator[Origin]:
    if mine := own(value):
        yield mine
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _found(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _found(one)


def own(value: object) -> Origin | None:
    """Origin of an object itself, if it has one."""
    table = getattr(value, "attrs", None)
    found = table.get("origin") if isinstance(table, dict) else getattr(value, "_origin", None)
    if found is None and isinstance(name := getattr(value, "fingerprint", None), str):
        found = Origin(f"{value} of checksum {name[:8]}")  # points that somebody made by hand
    return found if isinstance(found, Origin) else None


def call(name: str, args: Iterable[object], kwargs: Mapping[str, object]) -> str:
    """Write a call down, with arguments that have a short form."""
    said = [_said(value) for value in args]
    said += [f"{key}={_said(value)}" for key, value in kwargs.items() if key not in _UNSAID]
    # What has no short form is in the code above: three dots once, not for each
    said = [one for i, one in enumerate(said) if one != "…" or one not in said[:i]]
    return f"{name}({', '.join(one for one in said if not one.endswith('=…'))})"


def _said(value: object) -> str:
    """Short form of an argument, the same on every machine; three dots for what has none."""
    said = "…"
    if mine := own(value):
        said = mine.call
    elif isinstance(value, np.random.Generator):
        said = _generator(value.bit_generator)
    elif isinstance(value, range):
        said = f"range({value.start}, {value.stop})" if value.start else f"range({value.stop})"
    elif isinstance(value, bool | str | None):
        said = repr(value)
    elif hasattr(value, "slope_and_curvature") or (
        hasattr(value, "inertia") and not callable(getattr(value, "lr", len))
    ):  # a loss or an update rule, which name themselves
        said = str(value)
    elif isinstance(value, int | float | np.integer | np.floating):
        short = f"{float(value):g}"
        # The last bits of a computed number differ between machines; an integer has none
        full = str(value) if isinstance(value, int | np.integer) else f"{float(value):.10g}"
        said = _format.short(short if float(short) == value else full)
    elif isinstance(value, list | tuple) and len(value) <= _SHORT:
        inner = [_said(one) for one in value]
        said = f"[{', '.join(inner)}]" if "…" not in inner else said
    return said


def _generator(bits: np.random.BitGenerator) -> str:
    """Seed of a generator, and where it is by now if it has drawn."""
    seed = bits.seed_seq
    if not isinstance(seed, np.random.SeedSequence):
        return f"a generator at {zlib.crc32(repr(bits.state).encode()):08x}"
    said = f"default_rng(SeedSequence({seed.entropy}, spawn_key={seed.spawn_key}))"
    if repr(type(bits)(seed).state) != repr(bits.state):
        said += f" at {zlib.crc32(repr(bits.state).encode()):08x}"
    return said
