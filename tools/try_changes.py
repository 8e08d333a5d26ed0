"""Change chapters as a reader would, and run them to the end.

    python tools/try_changes.py [01-setup ...]

Three changes in each chapter: other seeds, another planting, another number of steps. Each copy is
executed whole, as "run all cells" does, and must show all its verdicts. What they say may differ.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CHAPTERS = Path(__file__).parent.parent / "chapters"
CHANGES = {
    "01-setup": [
        ("n_seeds = 24", "n_seeds = 5"),
        ("sv_pos=350, sv_neg=250, seed=seed", "sv_pos=30, sv_neg=120, seed=seed"),
        ("fast_forward(data, 1e7)", "fast_forward(data, 3e8)"),
    ],
    "02-standard-test": [
        ("range(24)", "range(50, 57)"),
        ("(350, 350), (0, 0)", "(100, 20), (0, 0)"),
        ("ensemble(seeds, 1e7,", "ensemble(seeds, 2e8,"),
    ],
    "03-concentrated-test": [
        ("range(24)", "range(70, 78)"),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 60, "sv_neg": 200'),
        ("main = ensemble(seeds, 1e12", "main = ensemble(seeds, 1e10"),
    ],
    "04-adversarial-test": [
        ("(2, 24), (64, 6)", "(2, 12), (64, 4)"),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 200, "sv_neg": 300'),
        ("12 if all_runs.sample.d == 2 else 3", "5 if all_runs.sample.d == 2 else 2"),
    ],
    "05-bias-dynamics": [
        ("seeds, planted = range(11)", "seeds, planted = range(40, 46)"),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 250, "sv_neg": 150'),
        ("range(100, 340), 60", "range(100, 130), 10"),
    ],
    "06-theorem": [
        ("range(7)", "range(20, 23)"),
        ("counts = 350, 250", "counts = 300, 100"),
        ("fast_forward(each, 1e14)", "fast_forward(each, 3e14)"),
    ],
    "07-bounds-vs-experiment": [
        ('(24, {"steps": 10**12})', '(5, {"steps": 10**10})'),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 250, "sv_neg": 350'),
        ('recorded[names].to_dict("records"), [0]', 'recorded[names].to_dict("records"), [1]'),
    ],
    "08-the-papers-scale": [
        ("seeds, planted = range(24)", "seeds, planted = range(30, 36)"),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 120, "sv_neg": 250'),
        ("low = {bias: ensemble(seeds, 1e7", "low = {bias: ensemble(seeds, 1e8"),
    ],
    "09-losses": [
        ("seeds = range(few.get(name, n_seeds))", "seeds = range(50, 50 + few.get(name, 4))"),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 200, "sv_neg": 300'),
        ("n_seeds, steps = 8, 10**11", "n_seeds, steps = 3, 10**12"),
    ],
    "10-regularisation": [
        ("n_seeds, gamma, n = 24,", "n_seeds, gamma, n = 5,"),
        ('"sv_pos": 350, "sv_neg": 250', '"sv_pos": 250, "sv_neg": 100'),
        ("ensemble(range(8), 10**12, l2=m * law", "ensemble(range(4), 10**11, l2=m * law"),
    ],
    "11-optimisers": [
        ("gamma, seeds = 1e-3, range(24)", "gamma, seeds = 1e-3, range(1, 3)"),
        ("rules.HeavyBall(1e-2, beta), rtol", "rules.HeavyBall(2e-2, beta), rtol"),
        ("fast_forward(train, 1e12, rule", "fast_forward(train, 1e13, rule"),
    ],
    "12-noise-and-real-data": [
        ("gamma, seeds = 1e-3, range(12)", "gamma, seeds = 1e-3, range(20, 26)"),
        ('"sv_pos": 3500, "sv_neg": 2500', '"sv_pos": 2000, "sv_neg": 3000'),
        ("flips, n, starts = 5, 20_000, range(24)", "flips, n, starts = 20, 20_000, range(5)"),
    ],
    "13-kernels-and-depth": [
        ("seeds = range(4)", "seeds = range(20, 24)"),
        ("rates = {2: 3e-2, 3: 9e-3, 4: 4.5e-3}", "rates = {2: 2e-2, 3: 8e-3, 4: 4e-3}"),
        ('"Gaussian, width 5", "line"', '"Gaussian, width 4", "line"'),
    ],
    "14-what-decides-the-delay": [
        ("for seed in range(6)])", "for seed in range(10, 16)])"),
        ("solved(gamma=3e-3)", "solved(gamma=1e-2)"),
        ("one.X + 9 * np.outer", "one.X + 99 * np.outer"),
    ],
}


def changed(name, old, new):
    """Return a chapter in which one setting is another."""
    notebook = nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4)
    cells = [one for one in notebook.cells if one.cell_type == "code"]
    found = [cell for cell in cells if old in cell.source]
    if not found:
        raise SystemExit(f"{name} has nothing that reads {old!r}: what it says now goes here")
    for cell in found:
        cell.source = cell.source.replace(old, new)
    return notebook


def verdicts(notebook):
    """Return the words of all verdicts that a notebook shows."""
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    texts = ["".join(out.get("data", {}).get("text/plain", "")) for out in shown]
    return [one.split("verdict:")[1].strip() for one in texts if "verdict:" in one]


def main(names):
    failed = 0
    for name in names or CHANGES:
        was = verdicts(nbformat.read(CHAPTERS / f"{name}.ipynb", as_version=4))
        for old, new in CHANGES[name]:
            notebook, begun = changed(name, old, new), time.perf_counter()
            try:
                NotebookClient(
                    notebook, timeout=300, resources={"metadata": {"path": CHAPTERS}}
                ).execute()
                now = verdicts(notebook)
                wrong = len(now) != len(was)
                other = sum(a != b for a, b in zip(was, now, strict=False))
                said = f"{len(now)} of {len(was)} verdicts, {other} otherwise"
            except CellExecutionError as error:
                wrong, said = True, str(error)[-400:]
            failed += wrong
            seconds = time.perf_counter() - begun
            print(f"{name}: {new}: {seconds:.0f} s, {said}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
