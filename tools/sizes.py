"""Count the package's lines against its budgets: python tools/sizes.py.

The core is what a student reads in an evening, and chapters 1 to 3 need only a part of it. What
they load is found by loading it: their imports, and one small call of all that they call.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lingrok"
AIMS = {"core": 3000, "package": 6500, "core in chapters 1 to 3": 1800}
# What is kept so far; it may only come closer to the aims
BUDGETS = {"core": 4730, "package": 11_300, "core in chapters 1 to 3": 3095}

USE = """
train = lingrok.sample_standard(20, 20, sv_pos=3, sv_neg=2, seed=0)
shell = lingrok.sample_concentrated(20, 20, seed=1)
lingrok.Dataset(train.X, train.y, train.gamma)
lingrok.gradient_descent(train, 50)
run = lingrok.fast_forward(train, 10_000)
lingrok.crossing_time(run.steps, run.distance, 1e-3)
lingrok.accuracy(run, shell)
few = lingrok.ensemble(range(2), 10_000, n_pos=20, n_neg=20, n_test=20)
few.times("concentrated", eps=0.05)
few.phases()
files = [getattr(module, "__file__", None) for module in sys.modules.values()]
print(json.dumps(sorted({file for file in files if file and file.startswith(package)})))
"""


def lines(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def code(chapter: Path) -> list[str]:
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def imports(chapter: Path) -> list[str]:
    """Return the statements by which a chapter imports from the package."""
    nodes = [node for source in code(chapter) for node in ast.walk(ast.parse(source))]
    return [
        ast.unparse(node)
        for node in nodes
        if (isinstance(node, ast.ImportFrom) and str(node.module).startswith("lingrok"))
        or (isinstance(node, ast.Import) and node.names[0].name.startswith("lingrok"))
    ]


def loaded_by_chapters() -> list[Path]:
    """Return the modules that chapters 1 to 3 load, in whatever folder."""
    chapters = sorted((ROOT / "chapters").glob("0[1-3]-*.ipynb"))
    first = [line for chapter in chapters for line in imports(chapter)]
    start = f"import json, sys, lingrok\npackage = {str(PACKAGE)!r}"
    code = "\n".join([start, *first, USE])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    return [Path(file) for file in json.loads(done.stdout)]


def sizes() -> dict[str, int]:
    """Return lines by what has a budget, and by folder."""
    core, everything = [*PACKAGE.glob("*.py")], [*PACKAGE.rglob("*.py")]
    loaded = loaded_by_chapters()
    found = {
        "core": sum(map(lines, core)),
        "package": sum(map(lines, everything)),
        "core in chapters 1 to 3": sum(map(lines, {*core} & {*loaded})),
        "all in chapters 1 to 3": sum(map(lines, loaded)),
    }
    for folder in sorted({path.parent for path in everything} - {PACKAGE}):
        found[f"lingrok/{folder.name}"] = sum(map(lines, folder.glob("*.py")))
    return found


def main() -> int:
    found = sizes()
    for what, count in found.items():
        print(f"{count:6,} of {AIMS[what]:,}" if what in AIMS else f"{count:6,}", what)
    return int(any(found[what] > most for what, most in BUDGETS.items()))


if __name__ == "__main__":
    sys.exit(main())
