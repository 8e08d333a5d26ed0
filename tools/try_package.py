"""Install the package as a user does, into an empty environment, and use it from another folder.

    python tools/try_package.py

First without extras: the core must work, and bring nothing of the book's. Then with those of the
book: its commands must find the records, or say that they are not there. On any system.
"""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent

BOOKS = ["matplotlib", "PIL", "seaborn", "pandas", "psutil", "IPython", "ipykernel", "ipywidgets"]
BOOKS += ["myst_nb", "sphinx", "dask", "sklearn"]

# One small call of each of the core's parts
WORK = """
import lingrok
train = lingrok.sample_standard(200, 200, sv_pos=70, sv_neg=50, seed=0)
shell = lingrok.sample_concentrated(200, 200, seed=1)
walk = lingrok.gradient_descent(train, 1000)
run = lingrok.fast_forward(train, 1e12)
assert abs(lingrok.fast_forward(train, 1000).w[-1] - walk.w[-1]).max() < 1e-6
accuracy = lingrok.accuracy(run, shell)
assert accuracy[-1] == 1
lingrok.grokking_time(run.steps, lingrok.accuracy(run, train), accuracy, eps=0.05)
assert lingrok.adversarial_accuracy(run, train, epsilon=1e-4)[-1] == 1
assert abs(lingrok.max_margin(train).margin - 1e-3) < 1e-8
"""
PLAIN = """
import importlib.util, sys, time
start = time.process_time()
import lingrok
took = time.process_time() - start
assert took < 0.5, f"a plain import takes {took:.2f} s"
assert lingrok.__file__.startswith(sys.prefix), lingrok.__file__
here = [name for name in BOOKS if importlib.util.find_spec(name)]
assert not here, f"installed without being asked for: {here}"
"""


def run(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    texts = [str(one) for one in command]
    return subprocess.run(texts, cwd=folder, check=False, capture_output=True, text=True)


def must(*command: object, folder: Path) -> None:
    done = run(*command, folder=folder)
    if done.returncode:
        sys.exit(f"{command[1]} {command[2]}: {done.stdout}{done.stderr}")


def built(folder: Path) -> Path:
    """Build a wheel of what is here, and see that no module is left out."""
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps"]
    must(*pip, "--wheel-dir", folder, ROOT, folder=folder)
    [wheel] = folder.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "lingrok").rglob("*.py")}
    if missing := modules - inside:
        sys.exit(f"not in the wheel: {', '.join(sorted(missing))}")
    return wheel


def environment(folder: Path) -> Path:
    venv.create(folder, with_pip=True)
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def main() -> None:
    with TemporaryDirectory() as empty:
        folder = Path(empty).resolve()
        wheel, python = built(folder), environment(folder / "environment")
        install = [python, "-m", "pip", "install", "--quiet"]
        must(*install, wheel, folder=folder)
        must(python, "-I", "-c", f"BOOKS = {BOOKS}{PLAIN}{WORK}", folder=folder)
        print("the core, without extras: works")
        must(*install, f"lingrok[book] @ {wheel.as_uri()}", folder=folder)
        must(python, "-I", "-c", "import lingrok.book.figures, lingrok.runs.records", folder=folder)
        for command in (["list"], ["verify"]):
            done = run(python, "-I", "-m", "lingrok", *command, folder=folder)
            print("python -m lingrok", *command, "\n", done.stdout, done.stderr)
            if "Traceback" in done.stderr or not done.stdout + done.stderr:
                sys.exit("its records are neither found nor missed")


if __name__ == "__main__":
    main()
