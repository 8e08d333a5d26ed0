"""Records on the command line: python -m lingrok list | record NAME | verify."""

import argparse
import sys
from pathlib import Path

from ..fastforward import FastForwardError
from . import records


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lingrok", description=records.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in (
        ("list", "say what can be recorded, and what is"),
        ("record", "run a recipe, or go on with it after a stop, and record its table"),
        ("verify", "compare every record with its checksum"),
    ):
        command = commands.add_parser(name, help=does, description=does)
        command.add_argument("--directory", type=Path, default=records.DATA, help="of the records")
        if name == "record":
            command.add_argument("name", help="of the recipe")
            command.add_argument("--force", action="store_true", help="overwrite a record")
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "list":
            print(records.listing(asked.directory))
        elif asked.command == "verify":
            names = records.verify(asked.directory)
            print(f"{len(names)} records are as their manifest says: {', '.join(names)}")
        else:
            where = {"directory": asked.directory, "force": asked.force}
            print(records.record(asked.name, progress=True, **where))
    except (records.RecordError, FastForwardError, ValueError, OSError) as error:
        said = str(error)
    except MemoryError:
        said = "memory ran out; what the run has saved is kept, record goes on from there"
    except KeyboardInterrupt:
        said = "stopped; record goes on from there"
    else:
        return 0
    print(f"lingrok: {said}", file=sys.stderr)
    return 1
