"""Files in which a run keeps what it needs to go on after it was stopped at any moment."""

import hashlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .data import Dataset

_SECONDS = 0.2  # between two writes at least: many short intervals would cost more than they save

Arrays = dict[str, npt.NDArray[Any]]


def write(path: Path, content: bytes) -> None:
    """Write a file beside `path` and rename it, so that a stop leaves the old file or the new."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):  # which does not always say where
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def fingerprint(data: Dataset | None = None, **settings: object) -> str:
    """Digest of a run's settings and its data."""
    said = json.dumps([data and data.fingerprint, settings], sort_keys=True, default=_digest)
    return hashlib.sha256(said.encode()).hexdigest()


class State:
    """The file of one run; without a path it is never there and takes nothing.

    Parameters
    ----------
    path : str or Path, optional
        An npz file without pickles.
    run : function
        Gives the run's fingerprint, where it is needed; the state of another run is refused.
    """

    def __init__(self, path: str | os.PathLike[str] | None, run: Callable[[], str]) -> None:
        self.path = None if path is None else Path(path)
        self.run = "" if path is None else run()
        self._written = -np.inf

    def read(self) -> Arrays | None:
        """Return what was written last, or None where there is no file yet.

        Raises
        ------
        ValueError
            For a file that is damaged or belongs to another run.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with np.load(BytesIO(self.path.read_bytes()), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            owner = str(arrays.pop("run"))
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(
                f"state must be a file that a run wrote, got a damaged {self.path} ({error}); "
                "remove it to start anew"
            ) from None
        if owner != self.run:
            raise ValueError(
                f"state must belong to this run, got {self.path} of another one (other data or "
                "settings); remove it to start anew"
            )
        return arrays

    def write(self, arrays: Mapping[str, Any], *, last: bool = False) -> None:
        """Keep `arrays`, unless the last ones are a moment old and more will come."""
        if self.path is None or (time.monotonic() < self._written + _SECONDS and not last):
            return
        buffer = BytesIO()
        np.savez(buffer, run=np.array(self.run), **arrays)
        write(self.path, buffer.getvalue())
        self._written = time.monotonic()


def _digest(array: npt.NDArray[Any]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
