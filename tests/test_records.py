"""Records: made, stopped and made again, checked, read; and every way in which that can fail."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import frictionless
import numpy as np
import psutil
import pytest

from lingrok import (
    Dataset,
    _state,
    accuracy,
    ensemble,
    fast_forward,
    recipes,
    records,
    sample_standard,
)
from lingrok._origin import origins
from lingrok.attack import adversarial_accuracy
from lingrok.runs.command import main
from lingrok.runs.recipes import RECIPES, Experiment

TINY = {
    "tiny": replace(
        RECIPES["d64-planted"], d=8, n_pos=100, n_neg=100, sv_pos=35, sv_neg=25, steps=100_000,
        n_test=1_000, n_attacked=500, test_rows=300,
    ),
    "walk": replace(RECIPES["exact-350-250"], steps=300),
    "weights": replace(
        RECIPES["d1024-planted-weights"], d=8, n_pos=100, n_neg=100, sv_pos=35, sv_neg=25,
        steps=100_000,
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _tiny_recipes(monkeypatch):
    for name, recipe in TINY.items():
        monkeypatch.setitem(RECIPES, name, recipe)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both tiny records, and the manifest; not to be changed."""
    directory = tmp_path_factory.mktemp("data")
    RECIPES.update(TINY)
    for name in TINY:
        records.record(name, directory=directory)
    for name in TINY:
        del RECIPES[name]
    return directory


@pytest.fixture
def data(made, tmp_path):
    """Copy them, to be damaged."""
    for path in made.glob("[!.]*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def entry(directory, name="tiny"):
    return records.read_manifest(directory)[name]


def contents(directory):
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def fails(capsys, *arguments):
    """Run a command that must fail; return what it says."""
    assert main([str(each) for each in arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    return said.err


def test_a_trace_comes_back_bit_for_bit(made):
    table = records.load("walk", made)
    run = TINY["walk"].run().table
    assert list(table) == ["step", "w1", "w2", "b"]
    np.testing.assert_array_equal(table, run)
    np.testing.assert_array_equal(table["step"], TINY["walk"].checkpoints)
    assert table["step"].dtype == np.int64


def test_an_experiment_comes_back_to_eight_digits(made):
    table, run = records.load("tiny", made), TINY["tiny"].run().table
    assert list(table) == list(run) == list(TINY["tiny"].columns())
    np.testing.assert_allclose(table, run, rtol=1e-7)
    for name in ("step", "train", "concentrated", "label_preserving_0.1"):
        np.testing.assert_array_equal(table[name], run[name])


def test_an_experiment_measures_the_run_on_whole_test_sets(monkeypatch):
    recipe = TINY["tiny"]
    measured = {}
    measure = Experiment._test
    tests = []

    def kept(self, name, run, *rest):
        measured[name] = run
        return measure(self, name, run, *rest)

    monkeypatch.setattr(Experiment, "_test", kept)
    for sampler in ("sample_standard", "sample_concentrated"):
        sample = getattr(recipes, sampler)

        def seen(*sizes, sample=sample, **keys):
            data = sample(*sizes, **keys)
            tests.append((sample.__name__, data))
            return data

        monkeypatch.setattr(recipes, sampler, seen)
    monkeypatch.setattr(recipes.joblib, "cpu_count", lambda: 1)
    table = recipe.run().table
    train = tests.pop(0)[1]
    run = fast_forward(train, recipe.steps, rtol=1e-4, checkpoints=recipe.checkpoints)
    np.testing.assert_array_equal(run.w, measured["standard"].w)
    np.testing.assert_array_equal(table["train"], accuracy(run, train))
    free = np.r_[35:100, 125:200]
    unplanted = Dataset(train.X[free], train.y[free], train.gamma)
    np.testing.assert_array_equal(table["unplanted"], accuracy(run, unplanted))
    np.testing.assert_array_equal(table["angle"], run.angle)
    np.testing.assert_array_equal(table["error_estimate"], run.error_estimate)
    assert [name for name, _ in tests] == ["sample_standard"] * 4 + ["sample_concentrated"] * 4 + [
        "sample_standard"
    ] * 2

    def mean(chunks, measure):
        sizes = [data.n for _, data in chunks]
        return np.average([measure(data) for _, data in chunks], axis=0, weights=sizes)

    for data in (data for _, data in tests):
        assert data.y.sum() == 0
    for stream, first in ((1, tests[0][1]), (3, tests[8][1])):  # each test from one of its own
        seed = np.random.default_rng(recipe.seed).spawn(4)[stream].spawn(1)[0]
        np.testing.assert_array_equal(first.X, sample_standard(150, 150, d=8, seed=seed).X)
    for name, chunks in (("standard", tests[:4]), ("concentrated", tests[4:8])):
        assert [data.n for _, data in chunks] == [300, 300, 300, 100]
        expected = mean(chunks, lambda data: accuracy(run, data))
        np.testing.assert_allclose(table[name], expected, rtol=1e-14)
    for preserve, name in ((False, "adversarial_0.1"), (True, "label_preserving_0.1")):

        def attacked(data, preserve=preserve):
            return adversarial_accuracy(run, data, epsilon=0.1, preserve_label=preserve)

        np.testing.assert_allclose(table[name], mean(tests[8:], attacked), rtol=1e-14)


def test_weights_come_back_as_the_run_that_they_were(made):
    recipe = TINY["weights"]
    table = records.load("weights", made)
    run = recipe.trajectory(table)
    data = recipe.train()
    truth = fast_forward(data, 100_000, checkpoints=recipe.checkpoints, rtol=recipe.rtol)
    np.testing.assert_array_equal(run.steps, truth.steps)
    np.testing.assert_allclose(run.w, truth.w, rtol=6e-7)
    np.testing.assert_allclose(run.b, truth.b, rtol=6e-7)
    assert np.all(run.error_estimate >= truth.error_estimate)
    assert (run.gradient_evaluations, run.hessian_evaluations) == (
        truth.gradient_evaluations, truth.hessian_evaluations,
    )  # fmt: skip
    np.testing.assert_allclose(run.angle, truth.angle, rtol=1e-5)
    assert origins(run)[0].files == origins(table)[0].files != ()
    for name in ("d1024-planted", "d1024-unplanted-no-bias"):
        one, other = RECIPES[name], RECIPES[f"{name}-weights"]
        assert {
            field: getattr(other, field) for field in ("d", "seed", "bias", "sv_pos", "lr")
        } == {field: getattr(one, field) for field in ("d", "seed", "bias", "sv_pos", "lr")}


def test_recipes_are_those_of_the_book():
    for name, per_decade in (("exact-350-250", 20), ("d1024-planted", 10)):
        steps = RECIPES[name].checkpoints
        assert list(steps[[0, -1]]) == [1, 10**7]
        assert sum((steps > 10**5) & (steps <= 10**6)) == per_decade
    first = ensemble([0], 10, sv_pos=350, sv_neg=250).sample(0)["train"]  # of chapter 3
    np.testing.assert_array_equal(RECIPES["exact-350-250"].train().X, first.X)


def test_the_manifest_is_a_valid_data_package(made):
    report = frictionless.Package(str(made / records.MANIFEST)).validate()
    assert report.valid, report.flatten(["type", "message"])
    assert {task.name: task.stats["rows"] for task in report.tasks} == {
        "tiny": len(TINY["tiny"].checkpoints), "walk": len(TINY["walk"].checkpoints), "weights": 9,
    }  # fmt: skip


def test_the_validator_would_see_a_damaged_record(data):
    (data / "tiny.csv").write_text((data / "tiny.csv").read_text().replace(",0", ",x", 1))
    report = frictionless.Package(str(data / records.MANIFEST)).validate()
    assert {"hash-count", "type-error"} <= {kind for (kind,) in report.flatten(["type"])}


def test_the_manifest_says_how_a_record_was_made(made):
    recipe, run = entry(made)["recipe"], TINY["tiny"].run()
    assert recipe["command"] == "python -m lingrok record tiny"
    assert recipe["parameters"]["sv_pos"] == 35
    assert recipe["parameters"]["seed"] == 0
    assert recipe["versions"]["numpy"] == np.__version__
    assert recipe["gradient_evaluations"] == run.gradient_evaluations
    assert recipe["hessian_evaluations"] == run.hessian_evaluations
    assert recipe["largest_error_estimate"] == run.table["error_estimate"].max()
    assert list(recipe)[2:8] == [
        "seconds", "attempts", "gradient_evaluations", "hessian_evaluations",
        "largest_error_estimate", "peak_memory",
    ]  # fmt: skip
    assert 0 < recipe["seconds"] < 60
    assert recipe["attempts"] == 1
    assert 2**24 < recipe["peak_memory"] < 2**35
    line = records.provenance(records.load("tiny", made))
    gradients = f"{run.gradient_evaluations} gradients"
    for part in ("lingrok record tiny took", "seconds", "data/tiny.csv, SHA-256 ", gradients):
        assert part in line


def test_every_record_of_this_book_is_as_its_manifest_says():
    kept = records.verify()
    assert set(kept) >= {n for n in RECIPES if not n.startswith("d64-") and n not in TINY}
    report = frictionless.Package(str(records.DATA / records.MANIFEST)).validate()
    assert report.valid, report.flatten(["type", "message"])
    for name in set(kept) & set(RECIPES):
        made = entry(records.DATA, name)
        recipe = json.loads(json.dumps(asdict(RECIPES[name])))
        assert {"title": made["title"]} | made["recipe"]["parameters"] == recipe
        table, checkpoints = records.load(name), RECIPES[name].checkpoints
        if hasattr(RECIPES[name], "trajectory"):
            table = {"step": RECIPES[name].trajectory(table).steps}
        np.testing.assert_array_equal(table["step"], checkpoints)
        assert (records.DATA / f"{name}.csv").stat().st_size < 2**20


# Forks after the imports, which would take longer than the runs
KILL = """
import json, os, pathlib, random, signal, sys, time
from dataclasses import replace
from lingrok.runs.command import main
from lingrok.runs.recipes import RECIPES
import test_records

RECIPES["slow"] = test_records.SLOW
directory, chance = pathlib.Path(sys.argv[1]), random.Random(1)
clock = directory / ".work" / "slow" / "clock.json"
for attempt in range(1, 12):
    child = os.fork()
    if not child:
        os._exit(main(["record", "slow", "--directory", str(directory)]))
    if attempt < 11:
        while not clock.exists() or json.loads(clock.read_bytes())[2] < attempt:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    print(-signal.SIGKILL if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))
    print(*directory.glob("[!.]*"))
"""
SLOW = replace(RECIPES["d64-unplanted"], n_test=60_000, test_rows=1_000)


def test_ten_kills_change_no_byte(tmp_path, monkeypatch):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    said = subprocess.run(
        [sys.executable, "-c", KILL, str(killed)], cwd=Path(__file__).parent, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ).stdout.split("\n")  # fmt: skip
    # Killed ten times, with nothing in the directory; then it ends
    assert said[:20] == ["-9", ""] * 10
    assert said[-3] == "0"
    monkeypatch.setitem(RECIPES, "slow", SLOW)
    records.record("slow", directory=whole)
    assert (killed / "slow.csv").read_bytes() == (whole / "slow.csv").read_bytes()
    several, one = entry(killed, "slow")["recipe"], entry(whole, "slow")["recipe"]
    for same in ("gradient_evaluations", "hessian_evaluations", "largest_error_estimate"):
        assert several[same] == one[same]
    assert several["attempts"] == 11
    assert several["seconds"] > one["seconds"] / 2
    left = {path.name for path in (killed / ".work").iterdir()}
    assert left == {"slow.lock", "datapackage.json.lock"}


def test_stopped_tests_go_on_from_the_last_chunk(monkeypatch, tmp_path):
    monkeypatch.setattr(_state, "_SECONDS", 0.0)
    monkeypatch.setattr(recipes.joblib, "cpu_count", lambda: 1)
    whole, chunks, measured = TINY["tiny"].run().table, [], accuracy

    def stop_at_the_third(run, data):
        chunks.append(data.n)
        if len(chunks) == 3:
            raise KeyboardInterrupt
        return measured(run, data)

    monkeypatch.setattr(recipes, "accuracy", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        TINY["tiny"].run(work=tmp_path)
    begun = len(chunks)
    monkeypatch.setattr(recipes, "fast_forward", lambda *_, **__: pytest.fail("again"))
    resumed = TINY["tiny"].run(work=tmp_path).table
    np.testing.assert_array_equal(resumed, whole)
    assert chunks[begun:] == [300, 100, 300, 300, 300, 100]  # from the third on, and the other test


def test_a_damaged_clock(tmp_path, capsys):
    clock = tmp_path / ".work" / "tiny" / "clock.json"
    clock.parent.mkdir(parents=True)
    clock.write_text("[1")
    said = fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert f"{clock} is damaged: remove {clock.parent}" in said


def test_refuses_the_state_of_another_recipe(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(
        recipes, "accuracies_by_planting", lambda *_: (_ for _ in ()).throw(OSError)
    )
    fails(capsys, "record", "tiny", "--directory", tmp_path)
    monkeypatch.undo()
    monkeypatch.setitem(RECIPES, "tiny", replace(TINY["tiny"], seed=1))
    said = fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert "descent.npz of another one" in said
    assert "remove it" in said


def test_refuses_a_finished_descent_of_another_recipe(tmp_path):
    TINY["tiny"].run(work=tmp_path)
    with pytest.raises(ValueError, match=r"run\.npz of another one"):
        replace(TINY["tiny"], seed=1).run(work=tmp_path)


def test_time_adds_up_over_attempts(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(records.time, "time", lambda: now[0])
    assert records._begin(tmp_path) == (1, 1000.0)
    state = tmp_path / "descent.npz"
    state.touch()
    os.utime(state, (1007, 1007))
    now[0] = 5000.0
    # What was not kept does not count: 7 seconds do
    assert records._begin(tmp_path) == (2, pytest.approx(4993))


def test_list_says_what_is_recorded(made, capsys):
    assert main(["list", "--directory", str(made)]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == list(RECIPES)
    assert "made in" in lines["tiny"]
    assert "not recorded" in lines["d1024-planted"]


def test_verify_says_what_is_well(made, capsys):
    assert main(["verify", "--directory", str(made)]) == 0
    assert "3 records" in capsys.readouterr().out


def test_a_record_is_not_overwritten_without_force(data, capsys):
    before = contents(data)
    said = fails(capsys, "record", "tiny", "--directory", data)
    assert "tiny.csv is there already; --force" in said
    assert contents(data) == before
    (data / "tiny.csv").write_bytes(b"damaged")
    assert main(["record", "tiny", "--force", "--directory", str(data)]) == 0
    assert (data / "tiny.csv").read_bytes() == before[data / "tiny.csv"]
    assert records.verify(data) == ["tiny", "walk", "weights"]


def test_somebodys_file_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "tiny.csv").write_text("mine")
    assert "--force" in fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert (tmp_path / "tiny.csv").read_text() == "mine"


def test_a_lost_file_is_made_again(data):
    before = (data / "walk.csv").read_bytes()
    (data / "walk.csv").unlink()
    records.record("walk", directory=data)
    assert (data / "walk.csv").read_bytes() == before


def test_a_stop_between_the_two_files_is_no_loss(tmp_path, capsys, monkeypatch):
    replace_file = Path.replace

    def stopped(self, target):
        if self.name == records.MANIFEST:
            raise KeyboardInterrupt
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", stopped)
    fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert "no record is listed" in fails(capsys, "verify", "--directory", tmp_path)
    monkeypatch.setattr(Path, "replace", replace_file)
    monkeypatch.setattr(recipes, "fast_forward", lambda *_, **__: pytest.fail("again"))
    assert main(["record", "tiny", "--directory", str(tmp_path)]) == 0
    assert records.verify(tmp_path) == ["tiny"]


def test_a_table_of_another_program_is_entered(data):
    path, table = data / "other.csv", b"a,b,c\n1,1,0.5\n1,2,0.5\n"
    path.write_bytes(table)
    with pytest.raises(records.RecordError, match=r"other\.csv is in no manifest"):
        records.verify(data)
    columns = {name: recipes.Column("number", name) for name in "abc"}
    made = {"command": "python other.py", "seconds": 3.0}
    records.enter(path, table, title="Other", columns=columns, key=["a", "b"], recipe=made)
    assert records.verify(data) == ["other", "tiny", "walk", "weights"]
    assert records.load("other", data)["b"].tolist() == [1, 2]
    assert entry(data, "other")["recipe"]["command"] == "python other.py"
    assert frictionless.Package(str(data / records.MANIFEST)).validate().valid
    assert main(["list", "--directory", str(data)]) == 0


def test_an_unknown_recipe(tmp_path, capsys):
    said = fails(capsys, "record", "d2048", "--directory", tmp_path)
    assert "'d2048' is no recipe; there are d1024-unplanted" in said
    assert not list(tmp_path.iterdir())
    with pytest.raises(records.RecordError, match="d2048 is not recorded in"):
        records.load("d2048", tmp_path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda content: content[:-1], "bytes, where its manifest has"),
        (lambda content: content[: len(content) // 2], "bytes, where its manifest has"),
        (lambda _: b"", "0 bytes"),
        (lambda content: content.replace(b"1", b"2", 1), "checksum"),
        (lambda content: content.replace(b"\n", b"\r\n"), "bytes"),
        (None, "No such file"),
    ],
)
def test_a_damaged_record_is_named_and_not_loaded(data, capsys, damage, says):
    path = data / "tiny.csv"
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    else:
        path.unlink()
    said = fails(capsys, "verify", "--directory", data)
    assert str(path) in said
    assert says in said
    assert "walk.csv" not in said
    with pytest.raises(records.RecordError, match=r"tiny\.csv"):
        records.load("tiny", data)
    assert len(records.load("walk", data))


def test_every_damaged_record_is_named(data, capsys):
    for name in TINY:
        (data / f"{name}.csv").write_bytes(b"")
    (data / "stray.csv").write_text("1")
    said = fails(capsys, "verify", "--directory", data)
    assert "tiny.csv" in said
    assert "walk.csv" in said
    assert "stray.csv is in no manifest" in said


def without(key):
    def change(package):
        del package["resources"][0][key]

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(without(key) for key in ("name", "path", "bytes", "hash", "recipe")),
        lambda package: package["resources"][0].update(path="../tiny.csv"),
        lambda package: package["resources"][0].update(path="/etc/passwd"),
        lambda package: package["resources"][0].update(hash="md5:0"),
        lambda package: package["resources"][0].update(bytes="many"),
        lambda package: package.update(resources="none"),
        lambda package: package.clear(),
    ],
)
@pytest.mark.parametrize("command", [["verify"], ["list"], ["record", "walk", "--force"]])
def test_a_wrong_manifest(data, capsys, change, command):
    package = json.loads((data / records.MANIFEST).read_text())
    change(package)
    (data / records.MANIFEST).write_text(json.dumps(package))
    before = contents(data)
    said = fails(capsys, *command, "--directory", data)
    assert "datapackage.json is no manifest of records" in said
    assert contents(data) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_damaged_manifest(data, capsys, content):
    (data / records.MANIFEST).write_bytes(content)
    assert "no manifest of records" in fails(capsys, "verify", "--directory", data)
    with pytest.raises(records.RecordError, match="no manifest of records"):
        records.load("tiny", data)


def test_a_missing_manifest(tmp_path, capsys):
    said = fails(capsys, "verify", "--directory", tmp_path)
    assert f"no record is listed in {tmp_path / records.MANIFEST}" in said
    assert "LINGROK_DATA" in said


@pytest.mark.parametrize("what", ["memory", "disk"])
def test_too_little_room(tmp_path, capsys, monkeypatch, what):
    little = SimpleNamespace(available=1_000_000, free=1_000_000)
    if what == "memory":
        monkeypatch.setattr(psutil, "virtual_memory", lambda: little)
    else:
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**12))
        monkeypatch.setattr(records.shutil, "disk_usage", lambda _: little)
    monkeypatch.setattr(Experiment, "run", lambda *_, **__: pytest.fail("ran"))
    said = fails(capsys, "record", "d1024-planted", "--directory", tmp_path / "new")
    assert f"of {what}, and 0.001 GB are free" in said
    assert "d1024-planted needs 9.3 GB of memory" in said
    assert not (tmp_path / "new").exists()


def test_memory_that_runs_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        recipes, "fast_forward", lambda *_, **__: (_ for _ in ()).throw(MemoryError)
    )
    assert "memory ran out" in fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert not list(tmp_path.glob("[!.]*"))


@pytest.mark.parametrize("full", ["descent.npz", "run.npz", "concentrated.npz", "datapackage.json"])
def test_a_full_disk_leaves_all_as_it_was_and_the_run_goes_on_from_there(
    full, data, capsys, monkeypatch
):
    before, write = contents(data), _state.write

    def filling(path, content):
        if path.name == full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(_state, "write", filling)
    said = fails(capsys, "record", "tiny", "--force", "--directory", data)
    assert "No space left on device" in said
    assert full in said
    kept = {path: content for path, content in contents(data).items() if ".work" not in path.parts}
    assert kept == before
    monkeypatch.setattr(_state, "write", write)
    assert main(["record", "tiny", "--force", "--directory", str(data)]) == 0
    assert (data / "tiny.csv").read_bytes() == before[data / "tiny.csv"]


def test_a_file_system_that_takes_no_more(tmp_path):
    # The limit on a file's size stands in for the disk's end: what fits of a write is written
    code = f"""
import resource, sys
from lingrok.runs.command import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({2048}, {2048}))
sys.exit(main(["record", "d64-unplanted", "--directory", {str(tmp_path)!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "lingrok: [Errno 27] File too large" in done.stderr
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"clock.json", "d64-unplanted.lock"}


def test_an_interrupt_is_no_traceback(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        recipes, "fast_forward", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    said = fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert "record goes on from there" in said


def test_a_recipe_needs_little_more_than_its_points():
    large = RECIPES["d1024-planted"]
    points = (large.n_pos + large.n_neg) * large.d * 8
    assert points < large.memory < 12e9
    assert large.memory < 1.2 * points


def test_memory_stays_within_what_a_recipe_asks_for():
    # In a process of its own; a small run first, on the way of a large one, for what libraries take
    # once: a compiler among them
    code = """
from dataclasses import replace
from lingrok import problem
from lingrok.runs.recipes import RECIPES, peak_memory
small, problem._SMALL = problem._SMALL, 0
recipe = replace(RECIPES["d64-unplanted"], steps=20, n_test=4_000, n_attacked=1_000)
recipe.run()
problem._SMALL = small
before, large = peak_memory(), replace(recipe, n_pos=200_000, n_neg=200_000)
large.run()
print(before, peak_memory(), large.memory)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, peak, asked = (int(number) for number in out.stdout.split())
    assert peak - before < 1.5 * 400_000 * 64 * 8  # no copy of the points
    assert peak < asked


def test_an_old_and_a_new_state_fit_into_what_a_recipe_asks_for(tmp_path, monkeypatch):
    """With a leap's curvatures, which are most of them in many dimensions."""
    written, write = [], _state.write
    monkeypatch.setattr(_state, "_SECONDS", 0.0)
    monkeypatch.setattr(
        _state, "write", lambda path, content: written.append(len(content)) or write(path, content)
    )
    recipe = replace(
        RECIPES["d64-unplanted"], d=200, n_pos=300, n_neg=300, steps=1000, n_test=10,
        n_attacked=10,
    )  # fmt: skip
    recipe.run(work=tmp_path)
    assert 3 * 201**2 * 8 < max(written) < recipe.disk / 2


def test_the_peak_is_in_bytes():
    unit = 1 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    assert recipes.peak_memory() == most > psutil.Process().memory_info().rss / 2


def test_windows_counts_its_peak_itself(monkeypatch):
    monkeypatch.setattr(recipes, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setitem(sys.modules, "resource", None)  # no such module there
    info = SimpleNamespace(rss=1, peak_wset=2**30 + 1)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(memory_info=lambda: info))
    assert recipes.peak_memory() == 2**30 + 1


@pytest.mark.parametrize("other", ["tiny", "walk"])
def test_a_record_that_is_being_made_is_not_made_twice(tmp_path, capsys, monkeypatch, other):
    """In the middle of one run, the same command once more, or another one."""
    measure, said = Experiment._test, []

    def interrupted(self, name, *rest):
        if not said:
            status = main(["record", other, "--directory", str(tmp_path)])
            said.append((status, capsys.readouterr().err))
        return measure(self, name, *rest)

    monkeypatch.setattr(Experiment, "_test", interrupted)
    records.record("tiny", directory=tmp_path)
    ((status, error),) = said
    if other == "tiny":
        assert status == 1
        assert f"tiny is being recorded in {tmp_path} by another process" in error
        assert records.verify(tmp_path) == ["tiny"]
    else:
        assert status == 0
        assert records.verify(tmp_path) == ["tiny", "walk"]
    assert records.record("tiny", directory=tmp_path, force=True)


def test_what_another_process_records_is_left_to_it(tmp_path, capsys):
    code = f"""
import sys
from lingrok.runs import recipes, records
import test_records
recipes.RECIPES.update(test_records.TINY)
recipes.Trace.run = lambda *_, **__: (print("runs", flush=True), sys.stdin.read())
records.record("walk", directory={str(tmp_path)!r})
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "runs\n"
        for _ in range(2):
            said = fails(capsys, "record", "walk", "--directory", tmp_path)
            assert "walk is being recorded" in said
        process.kill()
    records.record("walk", directory=tmp_path)  # its lock died with it
    assert records.verify(tmp_path) == ["walk"]


def test_what_was_recorded_while_one_waited_is_not_made_again(tmp_path, monkeypatch):
    locked = records._locked

    def late(work, busy, wait=0.0):
        if work.name == "walk":
            monkeypatch.setattr(records, "_locked", locked)
            records.record("walk", directory=tmp_path)
        return locked(work, busy, wait)

    monkeypatch.setattr(records, "_locked", late)
    with pytest.raises(records.RecordError, match=r"walk\.csv is there already"):
        records.record("walk", directory=tmp_path)


def test_two_tables_are_entered_one_after_the_other(data, monkeypatch):
    read = records.read_manifest

    def slow(directory):
        resources = read(directory)
        time.sleep(0.1)
        return resources

    monkeypatch.setattr(records, "read_manifest", slow)
    made = {"command": "python other.py", "seconds": 3.0}

    def enter(name):
        columns = {"a": recipes.Column("integer", "a")}
        path = data / f"{name}.csv"
        records.enter(path, b"a\n1\n", title=name, columns=columns, key=["a"], recipe=made)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(enter, ("one", "two")))
    assert records.verify(data) == ["one", "tiny", "two", "walk", "weights"]


def test_a_lock_that_cannot_be_had_is_told(tmp_path, capsys):
    (tmp_path / ".work" / "tiny.lock").mkdir(parents=True)
    said = fails(capsys, "record", "tiny", "--directory", tmp_path)
    assert "tiny.lock: unable to open database file" in said


def test_the_data_directory_is_the_books():
    assert Path(__file__).parent.parent / "data" == records.DATA


def test_records_are_found_where_the_package_is_not(made, tmp_path):
    """As installed, not editable: a copy of the package alone, far from the book's repository."""
    package = tmp_path / "site-packages"
    shutil.copytree(Path(records.__file__).parents[1], package / "lingrok")
    book, chapters = tmp_path / "book", tmp_path / "book" / "chapters"
    shutil.copytree(made, book / "data")
    empty = tmp_path / "elsewhere" / "deep"
    for directory in (chapters, empty):
        directory.mkdir(parents=True)

    def asked(code, directory, **environment):
        clean = {key: value for key, value in os.environ.items() if key != "LINGROK_DATA"}
        return subprocess.run(
            [sys.executable, "-c", f"from lingrok.runs import records; {code}"], cwd=directory,
            env=clean | {"PYTHONPATH": str(package)} | environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    code = "print(records.DATA, len(records.load('walk')))"
    rows = len(TINY["walk"].checkpoints)
    found = asked(code, chapters)
    assert found.stdout == f"{book / 'data'} {rows}\n", found.stderr
    given = asked(code, empty, LINGROK_DATA=str(book / "data"))
    assert given.stdout == f"{book / 'data'} {rows}\n", given.stderr
    nowhere = asked("print(records.DATA); records.load('walk')", empty)
    assert nowhere.stdout == f"{empty / 'data'}\n"
    absent = nowhere.stderr.splitlines()[-1]
    assert "RecordError: walk is not recorded in " in absent
    for place in (package / "data", empty.parent / "data", empty / "data"):
        assert str(place / records.MANIFEST) in absent
    assert "LINGROK_DATA" in absent
    assert "python -m lingrok record" in absent
    wrong = asked("records.load('walk')", book, LINGROK_DATA=str(empty)).stderr.splitlines()[-1]
    assert f"walk is not recorded in {empty / records.MANIFEST};" in wrong
