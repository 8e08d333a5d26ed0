"""Execute every chapter as Binder does for a reader, and put what it takes into README.md.

    python tools/try_binder.py

In an empty folder: the files of the last commit, the Python that runtime.txt names, and what
requirements.txt names, nothing else. A chapter fails if it does not run there, if a number comes
out other than committed, or if it takes more than Binder gives: two cores and 2 GB of memory.
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import NamedTuple

import drift
import nbformat
import psutil

ROOT = Path(__file__).parent.parent
CORES = 2
MEMORY = 2 * 1024**3
BETWEEN = re.compile(r"(?<=<!-- binder -->\n).*(?=<!-- /binder -->)", re.DOTALL)
# A limit by the system: a peak between two looks at the memory is not missed.
SCOPE = ["systemd-run", "--user", "--scope", "--quiet"]
SCOPE += ["-p", f"MemoryMax={MEMORY}", "-p", "MemorySwapMax=0"]


class Took(NamedTuple):
    seconds: float
    processor: float  # seconds, of all processes: what others on the machine can't change much
    peak: int
    wrong: str


def copy(folder: Path) -> None:
    """Write the files of the last commit."""
    command = ["git", "archive", "--format=tar", "HEAD"]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    folder.mkdir()
    subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)


def install(folder: Path) -> str:
    """Make the environment, and return its interpreter."""
    name = (folder / "runtime.txt").read_text().strip().replace("-", "")
    python = shutil.which(name)
    if python is None:
        sys.exit(f"runtime.txt asks for {name}, which is not on this machine")
    environment = folder.parent / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True)
    interpreter = str(environment / "bin" / "python")
    pip = [interpreter, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    subprocess.run(pip, cwd=folder, check=True)
    return interpreter


def limits() -> list[str]:
    """Take two cores, and return what to put before a command to limit its memory."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    else:
        print("cores: not limited on this system")
    try:
        subprocess.run([*SCOPE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        print("memory: looked at 50 times a second")
        return []
    print("memory: limited by systemd, and looked at 50 times a second")
    return SCOPE


def memory(process: psutil.Process) -> int:
    """Resident memory of a process and all below it, in bytes; shared pages count each time."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                total += one.memory_info().rss
    return total


def stop(process: psutil.Process) -> None:
    for one in [*process.children(recursive=True), process]:
        with suppress(psutil.NoSuchProcess):
            one.kill()


def processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str], folder: Path) -> Took:
    """Run a command; return what it took, and what went wrong, if anything."""
    # What a reader's Binder does not have: settings and packages of whoever runs this.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "JUPYTER"))}
    kept |= {"IPYTHONDIR": str(folder.parent / "ipython"), "PYTHONNOUSERSITE": "1"}
    start, used, peak = time.perf_counter(), processor(), 0
    with TemporaryFile("w+") as log:
        process = psutil.Popen(command, cwd=folder, env=kept, stdout=log, stderr=log)
        while process.poll() is None:
            peak = max(peak, memory(process))
            if peak > MEMORY:
                stop(process)
            time.sleep(0.02)
        log.seek(0)
        wrong = log.read() if process.returncode else ""
    if peak > MEMORY:
        wrong = "more than 2 GB of memory"
    return Took(time.perf_counter() - start, processor() - used, peak, wrong)


def try_chapter(chapter: Path, command: list[str], folder: Path) -> tuple[str, str]:
    """Execute it; return its row of the table, and what went wrong, if anything."""
    before = nbformat.read(chapter, as_version=4)
    script = [*command, "tools/execute_chapters.py", str(chapter)]
    took = run(script, folder)
    wrong = took.wrong
    if not wrong and (changes := drift.compare(chapter.stem, before, nbformat.read(chapter, 4))):
        wrong = drift.table(changes)
    numbers = f"{took.seconds:.0f} | {took.processor:.0f} | {took.peak / 1024**2:.0f}"
    return f"| {chapter.stem} | {numbers} |", wrong


def main() -> int:
    head = ["| Chapter | Seconds | CPU seconds | Peak MB |", "|---|---:|---:|---:|"]
    rows, failed = [], False
    with TemporaryDirectory() as empty:
        folder = Path(empty) / "book"
        copy(folder)
        interpreter = install(folder)
        command = [*limits(), interpreter]
        print(*head, sep="\n")
        for chapter in sorted((folder / "chapters").glob("*.ipynb")):
            row, wrong = try_chapter(chapter, command, folder)
            print(row, flush=True)
            rows.append(row)
            if wrong:
                print(f"{chapter.name}: {wrong}", file=sys.stderr)
                failed = True
    if failed:
        return 1
    readme = ROOT / "README.md"
    text, found = BETWEEN.subn("\n".join(["", *head, *rows, "", ""]), readme.read_text("utf-8"))
    if found != 1:
        sys.exit("README.md has no place for the table: <!-- binder --> and <!-- /binder -->")
    readme.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
