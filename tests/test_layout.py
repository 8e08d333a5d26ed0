"""What holds the house up: who imports whom, how large the core is, what it needs, its names.

Everything here is read from the files, so a new module meets the rules without being named; only
its place in the core's order has to be said once, in CORE.
"""

import ast
import functools
import graphlib
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import sizes
from packaging.requirements import Requirement
from try_package import BOOKS, WORK

import lingrok

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lingrok"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

LAYERS = ["core", "theory", "runs", "book"]  # each may import those before it
# What a module of the core imports stands before it; those with an underscore serve them all
CORE = [
    "cube",
    "data",
    "real",
    "losses",
    "problem",
    "rules",
    "descent",
    "collocation",
    "fastforward",
    "piecewise",
    "measures",
]
CORE += ["rounding", "attack", "chunked", "kernels", "nets"]
FACADE = ""  # names everything, so it is exempt

OPTIONAL = {
    "dask",
    "numba",
    "sklearn",
}  # which the core's modules that need them ask for when called, but
OPTIONAL_MODULES = {"chunked"}  # this one is of dask's arrays
UNIX_ONLY = {"crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "resource", "spwd"}
UNIX_ONLY |= {"syslog", "termios", "tty"}


def name_of(path):
    """Name of a module below the package: "data", "theory.bias", "theory"; "" is the facade."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in PACKAGE.rglob("*.py")}
modules = pytest.mark.parametrize("name", sorted(MODULES))


@functools.cache
def tree(name):
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def layer(name):
    if name == "__main__":  # the command line of runs
        return "runs"
    top = name.partition(".")[0]
    return top if top in LAYERS else "core"


def imported(name):
    """Modules of the package that a module imports anywhere in it, also in a function."""
    package = name.split(".") if MODULES[name].name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.partition(".")[0] == "lingrok")
        elif isinstance(node, ast.ImportFrom):
            if not node.level and node.module.partition(".")[0] == "lingrok":
                yield node.module
            elif node.level:
                base = [part for part in package[: len(package) - node.level + 1] if part]
                base += node.module.split(".") if node.module else []
                for one in node.names:
                    whole = ".".join([*base, one.name])
                    yield whole if whole in MODULES else ".".join(base)


def others(name):
    """Top names of what a module imports from outside the package and the standard library."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found = [one.name for one in node.names]
        else:
            found = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        for one in found:
            top = one.partition(".")[0]
            if top not in sys.stdlib_module_names and top != "lingrok":
                yield top


def declared(*extras):
    """Distributions that the package names as its own needs and those of the extras."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return {Requirement(line).name.lower() for line in lines}


packages = functools.cache(packages_distributions)


def distributions(top):
    return {name.lower() for name in packages().get(top, [])}


# Directions


@modules
def test_imports_go_one_way(name):
    if name == FACADE:
        return
    for other in imported(name):
        assert other in MODULES, f"{name} imports {other}, which is by no relative name"
        assert other != FACADE, f"{name} imports the facade, which imports everything"
        assert LAYERS.index(layer(other)) <= LAYERS.index(layer(name)), f"{name} imports {other}"


def test_imports_do_not_go_round():
    graph = {name: set(imported(name)) - {FACADE} for name in MODULES if name != FACADE}
    graphlib.TopologicalSorter(graph).prepare()


def test_the_core_goes_down_its_list():
    core = {name for name in MODULES if layer(name) == "core" and not name.startswith("_")}
    core -= {FACADE}
    assert core <= set(CORE), "a new module of the core: give it its place in CORE"
    for name in core:
        for other in core & set(imported(name)):
            assert CORE.index(other) < CORE.index(name), f"{name} imports {other}"


# Needs


@modules
def test_needs_no_more_than_its_layer_declares(name):
    known = declared() if layer(name) == "core" else declared("book")
    for top in set(others(name)) - OPTIONAL:
        assert distributions(top) & known, f"{name} imports {top}"


def test_chapters_need_no_more_than_binder_installs():
    known, found = declared("book"), set()
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for source in sizes.code(path):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Import):
                    found |= {one.name.partition(".")[0] for one in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add(node.module.partition(".")[0])
    assert "lingrok" in found
    for top in found - sys.stdlib_module_names - {"lingrok"}:
        assert distributions(top) & known, f"a chapter imports {top}"


@modules
def test_imports_work_on_windows_too(name):
    # Attributes that a system lacks, such as os.fork, are found by mypy: make platforms
    guarded = [
        child
        for node in ast.walk(tree(name))
        if isinstance(node, ast.If | ast.Try | ast.FunctionDef)
        for child in ast.walk(node)
    ]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in guarded:
            tops = (
                {one.name for one in node.names} if isinstance(node, ast.Import) else {node.module}
            )
            assert not tops & UNIX_ONLY, f"{name}.py, line {node.lineno}"


def locked(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = (line.partition(";")[0].strip() for line in lines if line[:1] not in "#-")
    return dict(pin.split("==") for pin in pins)


def test_lock_files_name_what_is_declared():
    everything, run = locked("requirements-dev.txt"), locked("requirements.txt")
    assert run.items() <= everything.items()
    for extra, lines in ({"": PROJECT["dependencies"]} | PROJECT["optional-dependencies"]).items():
        if extra in {"mutants", "peers"}:  # too large for everybody
            continue
        for need in map(Requirement, lines):
            pin = everything.get(need.name)
            assert pin, f"{need.name} is in no lock file: make lock"
            assert pin in need.specifier, f"{need} is not what {pin} in the lock file is"
            assert (need.name in run) >= (extra in {"", "book"}), f"Binder lacks {need.name}"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_lock_files_name_no_place(name):
    # A reader's pip asks whatever index it is set up for
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pin = r"[a-z0-9.-]+==[^\s/@]+( ; [^/@]+)?"
    assert [line for line in lines if not re.fullmatch(rf"#.*|-e \.|{pin}", line)] == []
    assert lines[-1] == "-e ."


# What an import brings


def in_python(code):
    """Run code in a new interpreter, in the repository; return what it prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plain_import_brings_nothing_but_itself():
    code = "import sys; before = {*sys.modules}; import lingrok; print(*({*sys.modules} - before))"
    found = {name.partition(".")[0] for name in in_python(code).split()}
    assert found - sys.stdlib_module_names == {"lingrok"}


@pytest.mark.alone
def test_a_plain_import_takes_less_than_half_a_second():
    # Processor time: what else the machine does matters little to it
    code = "import time; start = time.process_time(); import lingrok"
    assert float(in_python(f"{code}; print(time.process_time() - start)")) < 0.5


WITHOUT = """
import importlib, importlib.abc, sys

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in BOOKS:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
for name in CORE:
    importlib.import_module("lingrok." + name)
"""
BROUGHT = "print(*{*BOOKS} & {name.partition('.')[0] for name in sys.modules})"


def test_the_core_works_where_the_books_libraries_are_missing():
    core = [name for name in MODULES if layer(name) == "core"]
    core = [name for name in core if name not in {FACADE, *OPTIONAL_MODULES}]
    names = f"BOOKS, CORE = {BOOKS}, {core}"
    assert in_python(names + WITHOUT + WORK + BROUGHT).split() == []


# Sizes


def test_lines_stay_within_their_budgets():
    found = sizes.sizes()
    for what, most in sizes.BUDGETS.items():
        assert found[what] <= most, f"lines: {found}"


# Names

SAMPLER = "separator seed"
ATTACK = "epsilon preserve_label clip"
DESCENT = "lr loss l2 rule reduction bias checkpoints progress"
# Of each public name its parameters: before the star by position or name, after it by name only
NAMES = {
    "Dataset": "X y gamma",
    "sample_standard": f"n_pos n_neg * d gamma sv_pos sv_neg {SAMPLER}",
    "sample_concentrated": f"n_pos n_neg * d gamma alpha {SAMPLER}",
    "flip_labels": "data count * seed",
    "rotated": "data * seed",
    "gradient_descent": f"data steps * {DESCENT} batch replace seed",
    "fast_forward": f"data steps * {DESCENT} rtol",
    "accuracy": "trajectory data",
    "adversarial_accuracy": f"trajectory data * {ATTACK} method pgd_steps pgd_step",
    "worst_case": f"w b data * {ATTACK}",
    "pgd": "w b data * epsilon step steps",
    "grokking_time": "steps train_accuracy test_accuracy * eps",
    "crossing_time": "steps distance threshold",
    "max_margin": "data * augmented",
    "minimiser": "data * loss l2 bias",
    "bias_curve": "t * a_pos a_neg t0 b0",
    "bias_limit": "sv_pos sv_neg",
    "grokking_bounds": "eps * log_delta alpha gamma rho_bound",
    "mean_field": "n_pos n_neg steps * sv_pos sv_neg d gamma lr checkpoints",
    "predicted_accuracy": "field * alpha",
    "predicted_adversarial_accuracy": f"field * test alpha {ATTACK} clearance method pgd_dtype",
    "predicted_grokking_time": "field * eps",
    "losses.polynomial": "p",
    "rules.GradientDescent": "lr",
    "rules.HeavyBall": "lr momentum",
    "rules.Nesterov": "lr momentum",
    "rules.NormalisedGradient": "lr",
    "rules.SignDescent": "lr",
    "rules.RMSprop": "lr decay epsilon",
    "rules.Adam": "lr betas epsilon weight_decay",
}
LOSSES = ["LOGISTIC", "EXPONENTIAL", "HINGE", "SQUARED_HINGE", "SQUARED"]
FIELDS = {
    "Dataset": "X y gamma w_true planted n d",
    "Trajectory": "steps w b norm distance angle gradient_evaluations error_estimate",
    "GrokkingTime": "t_train t_test delay zeta",
    "MaxMargin": "w b margin support dual",
    "MeanField": "steps norm b distance angle",
}


def named(name):
    module, _, last = name.rpartition(".")
    return getattr(importlib.import_module(f"lingrok.{module}") if module else lingrok, last)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_takes_what_it_always_took(name):
    before, _, after = NAMES[name].partition("*")
    found = inspect.signature(named(name)).parameters
    by_name = {key for key, one in found.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}
    free = [key for key, one in found.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert free[: len(before.split())] == before.split()
    assert set(after.split()) <= by_name


@pytest.mark.parametrize("name", FIELDS)
def test_a_result_has_the_fields_it_always_had(name):
    found = named(name)
    assert set(FIELDS[name].split()) <= {*dir(found), *found.__annotations__}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_value_slope_and_curvature(name):
    loss = named(f"losses.{name}")
    for method in ("value", "slope", "curvature"):
        assert callable(getattr(loss, method))


@pytest.mark.parametrize("name", sorted({*lingrok.__all__, *NAMES, *FIELDS}))
def test_a_public_name_is_explained(name):
    found = named(name)
    assert found.__module__.startswith("lingrok."), "a name from elsewhere"
    assert len(inspect.getdoc(found) or "") > 40
    # what dataclass writes where nothing is written
    assert not inspect.getdoc(found).startswith(f"{name}(")


def test_no_public_name_is_a_modules_name_too():
    # Whoever imports the module first would bind the module where the name is expected
    assert set(lingrok.__all__) & {path.stem for path in PACKAGE.glob("*.py")} == set()


def test_the_facade_names_all_that_it_loads():
    assert {*lingrok.__all__} <= {*dir(lingrok)}
    with pytest.raises(AttributeError, match="no attribute 'gradient_ascent'"):
        getattr(lingrok, "gradient_ascent")  # noqa: B009


def test_the_version_is_the_one_installed():
    assert version("lingrok") == lingrok.__version__ == PROJECT["version"]
