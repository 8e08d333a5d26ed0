"""Break the core in many places, one at a time, and list what its tests did not notice.

    python tools/mutants.py [--count 160] [--seed 1] [MODULE[:LINE] ...]     (or make mutants)

Cosmic Ray makes the mutants: it changes the source itself, so that it reaches what is decorated,
cached or computed at import (mutmut leaves all of that out). Here is what it has no option for: a
sample, the tests of the module that a mutant is in, and the table. With MODULE or MODULE:LINE only
that part of the sample is tried, and the table printed.
"""

import argparse
import ast
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from itertools import groupby
from multiprocessing import Queue
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import Any, NamedTuple

from tqdm import tqdm

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
TABLE = ROOT / "benchmarks" / "mutants.md"
COUNT, SEED, GOAL = 160, 1, 0.85
PROCESSES = 2
MEMORY = 8 * 2**30  # bytes of address space: a mutant may ask for any amount

# A module is judged by tests/test_NAME.py where there is such a file, and by these
ALSO_JUDGED_BY = {
    "_checks": ["data", "descent", "measures"],
    "_format": ["measures"],
    "_origin": ["provenance"],
    "_sums": ["problem"],
    "_threads": ["problem"],
    "chunked": ["sweep"],
    "cube": ["data"],
    "collocation": ["fastforward"],
    "descent": ["rules", "state"],
    "fastforward": ["state"],
    "rounding": ["attack", "peers"],
}
NO_MUTANTS = {"__init__", "__main__"}  # the facade and the command line

# What no reader would take for a slip: bits of numbers, remainders, `<` that became `is`. All of
# them are killed by a TypeError or at once, and would only make the score look better. Decorators
# are left alone because most are caches, without which the same comes out, only later.
FOREIGN = re.compile(
    r"core/(RemoveDecorator|Variable.*|ReplaceUnaryOperator_.*Invert.*"
    r"|ReplaceBinaryOperator_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)_(Mod|RShift|LShift|BitOr|BitAnd|BitXor)"
    r"|ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_(Is|IsNot))"
)

Place = tuple[int, int]  # line from 1, column from 0


class Mutant(NamedTuple):
    module: str
    start: Place
    operator: str
    spec: Any  # Cosmic Ray's own


class Judged(NamedTuple):
    mutant: Mutant
    outcome: str  # killed, timeout, survived
    lines: str  # that the mutant changes


def unjudged(source: str) -> Iterator[tuple[Place, Place]]:
    """Yield where a change is none of what the module computes: types, messages, assertions."""
    for node in ast.walk(ast.parse(source)):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.arg):
            parts = [node.annotation]
        elif isinstance(node, ast.AnnAssign):
            alias = isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
            parts = [node if alias else node.annotation]
        elif isinstance(node, ast.FunctionDef):
            parts = [node if node.name == "__repr__" else node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            parts = [*node.decorator_list]
        elif isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr):
            parts = [node]
        elif isinstance(node, ast.keyword) and node.arg == "strict":  # an assertion of zip's
            parts = [node.value]
        for part in filter(None, parts):
            yield (part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)


def sample(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """Draw places of the source, each equally likely, and at each of them one mutant."""
    places = defaultdict(list)
    for mutant in sorted(mutants, key=lambda one: one[:3]):
        places[mutant.module, mutant.start].append(mutant)
    chance = random.Random(seed)
    drawn = chance.sample(sorted(places), min(count, len(places)))
    return sorted((chance.choice(places[place]) for place in drawn), key=lambda one: one[:2])


def judges(module: str) -> list[str]:
    """Return the test files of a module; ends the program where there is none."""
    names = [module.lstrip("_"), *ALSO_JUDGED_BY.get(module, [])]
    files = [f"tests/test_{name}.py" for name in names if (TESTS / f"test_{name}.py").is_file()]
    if not files:
        sys.exit(f"no tests/test_{names[0]}.py: say in {__file__} what judges {module}.py")
    return files


def every_mutant(modules: Iterable[str]) -> Iterator[Mutant]:
    from cosmic_ray.commands import init  # noqa: PLC0415 - only an extra brings it
    from cosmic_ray.work_db import WorkDB, use_db  # noqa: PLC0415

    paths = [Path("lingrok", f"{name}.py") for name in modules]
    skip = {path.stem: list(unjudged(path.read_text("utf-8"))) for path in paths}
    with (
        TemporaryDirectory() as folder,
        use_db(Path(folder) / "all.sqlite", WorkDB.Mode.create) as db,
    ):
        init(paths, db, {})
        for item in db.work_items:
            [spec] = item.mutations
            module, start = spec.module_path.stem, tuple(spec.start_pos)
            if not FOREIGN.fullmatch(spec.operator_name) and not any(
                first <= start < last for first, last in skip[module]
            ):
                yield Mutant(module, start, f"{spec.operator_name} {spec.occurrence}", spec)


def enter(folders: "Queue[str]") -> None:
    """Make a process work in a copy of its own, which Cosmic Ray then changes in place."""
    os.chdir(folders.get())
    # For the processes that tests start: their folder is not this one
    os.environ["PYTHONPATH"] = str(Path.cwd())
    try:
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except ImportError:  # Windows has no such limit
        pass


def command(module: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *judges(module)]


def unbroken(module: str) -> float:
    """Return the seconds that the module's tests take; they must pass as it is."""
    start = time.perf_counter()
    done = subprocess.run(command(module), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"tests of {module}.py fail without a mutant:\n{done.stdout[-4000:]}")
    return time.perf_counter() - start


def judge(mutant: Mutant, seconds: float) -> Judged:
    from cosmic_ray.mutating import mutate_and_test  # noqa: PLC0415
    from cosmic_ray.work_item import WorkerOutcome  # noqa: PLC0415

    result = mutate_and_test([mutant.spec], shlex.join(command(mutant.module)), 3 * seconds + 20)
    if result.worker_outcome != WorkerOutcome.NORMAL:
        raise RuntimeError(f"{mutant}: {result.output}")
    lines = [line for line in result.diff.split("\n") if re.match(r"[-+](?![-+]{2} )", line)]
    outcome = "timeout" if result.output == "timeout" else result.test_outcome.value
    return Judged(mutant, outcome, "\n".join(lines))


def copies(folder: Path) -> "Queue[str]":
    leave = [".git", ".venv", "_build", "__pycache__", ".*_cache", "figure-data"]
    folders: Queue[str] = Queue()
    for number in range(PROCESSES):
        copy = folder / str(number)
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*leave))
        folders.put(str(copy))
    return folders


def run(mutants: list[Mutant]) -> list[Judged]:
    found = []
    with TemporaryDirectory(prefix="mutants-") as folder:
        pool = ProcessPoolExecutor(PROCESSES, initializer=enter, initargs=(copies(Path(folder)),))
        with pool, tqdm(total=len(mutants), unit="mutant") as bar:
            modules = sorted({mutant.module for mutant in mutants})
            seconds = dict(zip(modules, pool.map(unbroken, modules), strict=True))
            # Slow ones first, so that at the end no process waits for the other
            queue = sorted(mutants, key=lambda one: -seconds[one.module])
            for done in as_completed(
                [pool.submit(judge, one, seconds[one.module]) for one in queue]
            ):
                found.append(done.result())
                mutant, outcome, lines = found[-1]
                if outcome == "survived":
                    bar.write(f"{place(mutant)} survived\n{lines}", file=sys.stderr)
                bar.update()
    return sorted(found, key=lambda one: one.mutant[:3])


def place(mutant: Mutant) -> str:
    return f"lingrok/{mutant.module}.py:{mutant.start[0]}"


def table(found: list[Judged]) -> Iterator[str]:
    yield "| Module | Judged by | Mutants | Killed | Timeouts | Survived | Noticed |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    total: Counter[str] = Counter()
    for module, group in groupby(found, key=lambda one: one.mutant.module):
        count = Counter(one.outcome for one in group)
        total += count
        yield row(f"`{module}.py`", ", ".join(Path(name).stem for name in judges(module)), count)
    yield row("all", "", total)


def row(name: str, by: str, count: "Counter[str]") -> str:
    numbers = [count.total(), count["killed"], count["timeout"], count["survived"]]
    share = 1 - count["survived"] / count.total()
    return "| " + " | ".join([name, by, *map(str, numbers), f"{share:.0%}"]) + " |"


def survivors(found: list[Judged]) -> Iterator[str]:
    for mutant, outcome, lines in found:
        if outcome == "survived":
            within = mutant.spec.definition_name or "the module"
            shown = indent(f"```diff\n{lines}\n```", "  ")
            yield f"- `{place(mutant)}`, in `{within}`\n\n{shown}\n"


def page(found: list[Judged], places: int, seed: int) -> str:
    made = [
        f"Made by `make mutants` with Cosmic Ray {version('cosmic-ray')}: {len(found)} of the",
        f"{places} places of the core where it can change something, drawn with seed {seed}.",
        "A timeout is three times what the module's tests take, and 20 seconds.",
    ]
    lines = ["# Mutants", "", *made, "", *table(found), "", "## Survivors", "", *survivors(found)]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", metavar="MODULE[:LINE]")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    os.chdir(ROOT)
    core = {path.stem for path in Path("lingrok").glob("*.py")} - NO_MUTANTS
    if unknown := {name.partition(":")[0] for name in given.only} - core:
        parser.error(f"no module of the core: {', '.join(sorted(unknown))}")
    for module in core:
        judges(module)
    mutants = list(every_mutant(sorted(core)))
    places = len({mutant[:2] for mutant in mutants})
    drawn = sample(mutants, given.count, given.seed)
    if only := {*given.only}:
        drawn = [one for one in drawn if {one.module, f"{one.module}:{one.start[0]}"} & only]
    if not drawn:
        sys.exit("no mutant of the sample is there: a larger --count draws more")
    found = run(drawn)
    text = page(found, places, given.seed)
    if only:
        print(text)
    else:
        TABLE.write_text(text, encoding="utf-8")
    share = sum(one.outcome != "survived" for one in found) / len(found)
    print(f"{share:.0%} of {len(found)} mutants were noticed; {GOAL:.0%} is the goal")
    return int(share < GOAL)


if __name__ == "__main__":
    sys.exit(main())
