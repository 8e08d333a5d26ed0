"""Sweeps lose nothing and repeat nothing, and rows elsewhere give what rows here give."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import joblib
import numpy as np
import pytest
import record_delays
import record_losses
import record_nets
import record_noise
import record_optimisers
import record_readings
import record_real
import recording
from problems import blobs, planted, refuses, relative_error, thetas

from lingrok import accuracy, crossing_time, ensemble, fast_forward, gradient_descent, records
from lingrok.nets import Net
from lingrok.runs.sweep import measured_times, sweep

SETTINGS = [{"scale": 0.1, "name": "a"}, {"scale": 1, "name": "b"}, {"scale": 1e9, "name": "c"}]


@pytest.fixture
def counted(tmp_path):
    """A run that leaves a mark each time it is called, also in another process."""
    marks = tmp_path / "marks"
    marks.mkdir()

    def run(seed, scale, name):
        number = len(list(marks.glob(f"{name}-{seed}-*")))
        (marks / f"{name}-{seed}-{number}").touch()
        rest = {"whole": 7, "never": np.inf, "none": np.nan, "kind": name * 2}
        return {"third": (seed + scale) / 3} | rest

    run.calls = lambda: sorted(path.name for path in marks.iterdir())
    return run


def test_a_row_for_each_setting_and_seed_in_order(counted):
    table = sweep(counted, SETTINGS, [5, 3])
    results = ["third", "whole", "never", "none", "kind"]
    assert list(table.columns) == ["scale", "name", "seed", *results]
    assert table["name"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert table["seed"].tolist() == [5, 3] * 3
    assert table["third"].tolist() == [
        (seed + setting["scale"]) / 3 for setting in SETTINGS for seed in (5, 3)
    ]
    assert table["whole"].dtype == np.int64
    assert np.isinf(table["never"]).all()
    assert np.isnan(table["none"]).all()
    assert table["kind"].tolist()[-1] == "cc"


@pytest.mark.parametrize("stored", [False, True])
def test_processes_change_nothing(counted, tmp_path, stored):
    store = tmp_path / "runs.db" if stored else None
    assert sweep(counted, SETTINGS, range(4), jobs=2, store=store).equals(
        sweep(counted, SETTINGS, range(4))
    )


def test_a_store_is_read_back_to_the_last_digit_and_nothing_runs_twice(counted, tmp_path):
    store = tmp_path / "runs.db"
    first = sweep(counted, SETTINGS, range(3), store=store)
    content = store.read_bytes()
    again = sweep(counted, SETTINGS, range(3), store=store)
    assert again.equals(first)
    assert list(again.dtypes) == list(first.dtypes)
    assert store.read_bytes() == content
    assert len(counted.calls()) == 9
    longer = sweep(counted, [*SETTINGS, {"scale": 2, "name": "d"}], range(5), store=store)
    assert longer[:3].equals(first[:3])
    assert len(counted.calls()) == 20
    assert all(call.endswith("-0") for call in counted.calls())


def test_equal_numbers_are_one_run(counted, tmp_path):
    store = tmp_path / "runs.db"
    sweep(counted, [{"scale": 1, "name": "b"}], [0], store=store)
    sweep(counted, [{"scale": 1.0, "name": "b"}], [np.int64(0)], store=store)
    sweep(counted, [{"scale": 1.0, "name": "b"}] * 2, [0, 0], store=store)
    assert len(counted.calls()) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from lingrok.runs.sweep import sweep

def run(seed):
    if seed == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    with Path(sys.argv[2]).open("a") as file:
        file.write(f"{seed} ")
    return {"square": seed**2 / 7}

sweep(run, [{}], range(6), store=sys.argv[1])
"""


def test_a_killed_sweep_goes_on_where_it_was(tmp_path):
    store, calls = tmp_path / "runs.db", tmp_path / "calls"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(store), str(calls)], check=False, timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    assert calls.read_text() == "0 1 2 "
    seen = []

    def run(seed):
        seen.append(seed)
        return {"square": seed**2 / 7}

    table = sweep(run, [{}], range(6), store=store)
    assert seen == [3, 4, 5]
    assert table["square"].tolist() == [seed**2 / 7 for seed in range(6)]


TEXTS = ["1_000", "nan", "NaN", "INF", "True", "007", "1e5", " 12 ", "two\nlines\r\n", 'a,"b"', ""]


@pytest.mark.parametrize("stored", [False, True])
def test_strings_stay_strings(tmp_path, stored):
    """Among them those that Python or a spreadsheet would read as numbers."""
    store = tmp_path / "runs.db" if stored else None
    settings = [{"text": text} for text in TEXTS]

    def run(seed, text):
        return {"same": text, "number": len(text) + seed}

    for _ in range(2):
        table = sweep(run, settings, [0], store=store)
        assert table["text"].tolist() == table["same"].tolist() == TEXTS
        assert table["number"].tolist() == list(map(len, TEXTS))
    both = sweep(lambda seed, x: {"kind": f"{type(x).__name__} {seed}"},
                 [{"x": "1"}, {"x": 1}, {"x": True}], [0])  # fmt: skip
    assert both["kind"].tolist() == ["str 0", "int 0", "bool 0"]


@pytest.mark.parametrize("stored", [False, True])
def test_numbers_come_back_as_they_were(tmp_path, stored):
    store = tmp_path / "runs.db" if stored else None
    values = {
        "float": [0.1, 1 / 3, 5e-324, -1.7976931348623157e308], "whole": [1.0, 2, np.int64(3), -4],
        "large": [2**53 + 1, 2, 3, 2**62 + 1], "infinite": [np.inf, -np.inf, np.nan, 0.5],
        "yes": [True, np.True_, False, np.False_], "single": list(np.float32([0.1, 2.5, 3, 1e10])),
    }  # fmt: skip
    for _ in range(2):
        table = sweep(lambda seed: {name: each[seed] for name, each in values.items()},
                      [{}], range(4), store=store)  # fmt: skip
        for name, each in values.items():
            np.testing.assert_array_equal(table[name], np.array(each), err_msg=name)
        kinds = {name: table[name].dtype.kind for name in values}
        assert kinds == {"float": "f", "whole": "i", "large": "i", "infinite": "f", "yes": "b",
                         "single": "f"}  # fmt: skip


def test_a_store_without_a_first_row_starts_again(counted, tmp_path):
    store = tmp_path / "runs.db"
    store.touch()
    assert len(sweep(counted, SETTINGS[:1], range(3), store=store)) == 3
    assert len(sweep(counted, SETTINGS[:1], range(3), store=store)) == 3
    assert len(counted.calls()) == 3


def test_a_store_of_another_sweep_is_refused_and_left_alone(counted, tmp_path):
    store = tmp_path / "runs.db"
    sweep(counted, SETTINGS, [0], store=store)
    content = store.read_bytes()
    with refuses("store", "['scale', 'name', 'seed']"):
        sweep(lambda seed, other: {"x": other + seed}, [{"other": 1}], [0], store=store)
    with pytest.raises(ValueError, match=r"run must return \['third', .* got \['x'\]"):
        sweep(lambda seed, scale, name: {"x": 1}, SETTINGS, [1], store=store)  # noqa: ARG005
    assert store.read_bytes() == content


def test_what_no_sweep_wrote_is_refused_and_left_alone(counted, tmp_path):
    csv, short, damaged = tmp_path / "runs.csv", tmp_path / "short", tmp_path / "damaged.db"
    csv.write_text("scale,name,seed,third\n1,a,0,0.5\n" * 100)
    short.write_text("scale,na")
    sweep(counted, SETTINGS, [0], store=damaged)
    damaged.write_bytes(damaged.read_bytes()[:-5000])
    other, foreign = tmp_path / "other.db", tmp_path / "foreign.db"
    for path, columns in ((other, "letters (a)"), (foreign, "sweep (a)")):
        with closing(sqlite3.connect(path)) as file, file:
            file.execute(f"CREATE TABLE {columns}")
    for store in (csv, short, damaged, other, foreign, tmp_path / "nowhere" / "runs.db"):
        content = store.read_bytes() if store.exists() else None
        with refuses("store", str(store)):
            sweep(counted, SETTINGS, [1], store=store)
        assert content == (store.read_bytes() if store.exists() else None)
    assert [call[-4:] for call in counted.calls()] == ["-0-0"] * 3


def test_refuses_what_is_no_sweep(counted):
    with refuses("settings", "none"):
        sweep(counted, [], [1])
    with refuses("seeds", "none"):
        sweep(counted, SETTINGS, [])
    with refuses("settings", "['scale']"):
        sweep(counted, [*SETTINGS, {"scale": 1}], [1])
    for wrong in (None, [1], 1j, np.ones(2)):
        with refuses("settings", repr(wrong)):
            sweep(lambda seed, x: {"y": seed}, [{"x": wrong}], [1])  # noqa: ARG005
        with refuses("run", repr(wrong)):
            sweep(lambda seed: {"y": wrong}, [{}], [1])  # noqa: ARG005, B023
    with pytest.raises(ValueError, match=r"run must return \['0'\], got \['1'\]"):
        sweep(lambda seed: {str(seed): 1}, [{}], [0, 1])


def test_progress_counts_the_runs_that_are_left(counted, tmp_path, capsys):
    store = tmp_path / "runs.db"
    sweep(counted, SETTINGS, [0], store=store)
    assert capsys.readouterr() == ("", "")
    sweep(counted, SETTINGS, [0, 1], store=store, progress=True)
    assert "6/6" in capsys.readouterr().err


def test_measures_what_one_reads_off_a_run():
    setting = {"n_pos": 200, "n_neg": 200, "sv_pos": 70, "sv_neg": 50, "gamma": 1e-2}
    found = measured_times(3, steps=1e8, alpha=5.0, eps=(0, 0.1), decades=9, n_test=200, **setting)
    runs = ensemble([3], 1e8, alpha=5.0, n_test=200, **setting)
    (run,), (curve,) = runs.runs, runs.concentrated
    kappa = 1 + 2 * 0.1 * 9
    assert found["distance 0.1"] == crossing_time(run.steps, run.distance, 5e-3 * kappa)
    assert found["accuracy 0.1"] == crossing_time(run.steps, 1 - curve, 0.1)
    assert found["accuracy 0"] <= run.steps[np.flatnonzero(curve < 1)[-1] + 1]
    assert curve[run.steps >= found["accuracy 0"]].min() == 1
    (defined,) = runs.times("concentrated", eps=0.1)
    assert (found["train 0.1"], found["test 0.1"]) == (defined.t_train, defined.t_test)
    rho = [w - 200 * np.log(t) * run.w_true for t, w in zip(run.steps, run.w, strict=True)]
    assert found["rho"] == pytest.approx(np.linalg.norm(rho, axis=1).max())
    assert found["at 1e6"] == curve[runs.at(1e6)]
    assert np.isnan(found["at 1e9"])


MADE = [
    one for one in records.read_manifest(records.DATA).values()
    if one["recipe"]["command"].startswith("python tools/record_")
]  # fmt: skip


@pytest.mark.parametrize("resource", MADE, ids=lambda one: one["name"])
def test_a_tool_writes_its_record_byte_for_byte(resource):
    table = records.load(resource["name"])
    assert recording.written(table) == (records.DATA / resource["path"]).read_bytes()


def test_readings_are_recorded_as_they_come_out():
    table = records.load("readings").set_index(["d", "sv_pos", "sv_neg", "seed"])
    assert len(table) == 6 * len(record_readings.SEEDS)
    found = record_readings.run(7, d=2, sv_pos=350, sv_neg=350)
    for name, value in table.loc[2, 350, 350, 7].items():
        assert found[name] == pytest.approx(value, rel=1e-3), name


@pytest.mark.parametrize("loss", ["squared hinge", "tail of power 1"])
def test_losses_are_recorded_as_they_come_out(loss):
    table = records.load("losses")
    counts = table.groupby(["loss", "family"])["seed"].nunique()
    assert len(counts) == len(record_losses.LOSSES) * len(record_losses.PLACES)
    few = counts.index == ("hinge, rounded off", "d = 64")
    assert counts.tolist() == np.where(few, 6, 24).tolist()
    found = record_losses.run_loss(loss=loss, seed=5, **record_losses.PLACES["d = 2"])
    (row,) = table.query("loss == @loss and d == 2 and seed == 5").to_dict("records")
    for name, value in found.items():
        assert value == pytest.approx(row[name], rel=1e-3, nan_ok=True), name


def test_rules_are_recorded_as_they_come_out():
    table = records.load("optimisers")
    counts = table.groupby(["d", "rule", "orientation"])["seed"].nunique()
    assert counts.groupby("d").unique().map(list).to_dict() == {2: [24], 16: [6], 64: [6]}
    assert table.query("steps == 10_000_000").groupby("orientation").size().tolist() == [4, 4, 4]
    (row,) = table.query(
        "rule == 'Nesterov' and orientation == 'turned' and d == 16 and seed == 1"
    ).to_dict("records")
    found = record_optimisers.run("Nesterov", "turned", 100_000, 1, **record_optimisers.DEEP)
    for name, value in found.items():
        assert value == pytest.approx(row[name], rel=1e-3, nan_ok=True), name


def test_nets_are_recorded_by_what_they_are():
    table = records.load("nets")
    relu = table.query("activation == 'relu' and widths == '64' and start == 1 and l2 == 0")
    assert relu.groupby("biases").size().to_dict() == dict.fromkeys(
        ("all", "first", "last", "none"), 4
    )
    assert table.query("activation == 'linear'").groupby("lr").size().tolist() == [4, 4, 4, 4]
    # A hyperplane's zero set is as far off as the hyperplane is; one far away counts as one unit
    net, gamma = Net(2, (), "linear", "last"), 1e-2
    for offset, away in ((0.0, 0.0), (0.003, 0.6), (0.5, 100.0), (8.0, 200.0)):
        theta = np.array([2**-0.5, 2**-0.5, offset])
        assert record_nets.zero_set(net, theta, gamma) == pytest.approx(away, rel=0.05, abs=0.02)


def test_delays_are_recorded_as_they_come_out():
    listed, table = records.load("delay-settings"), records.load("delays").set_index("name")
    names = ["kind", "name", "l2", "rule", "depth", "flips", "allowed", *record_delays.CUBE]
    # Critical penalties are theory's: what it had when the list was fixed
    now = {one["name"]: one for one in record_delays.settings()}
    for one in listed.to_dict("records"):
        kept = [name for name in names if name != "l2"]
        assert [one[name] for name in kept] == [now[one["name"]][name] for name in kept]
        assert one["l2"] == pytest.approx(now[one["name"]]["l2"], rel=0.01)
    assert len(now) == len(listed)
    assert sorted(table.index) == sorted(listed["name"])
    for name in (
        "0.5 of the critical one, plane", "momentum 0.9, plane, turned", "logistic, d = 2",
        "2 wrong of 20000, d = 2, margin 0.01",
    ):  # fmt: skip
        (one,) = listed[listed["name"] == name].to_dict("records")
        row = table.loc[name]
        assert record_delays.predicted(one) == pytest.approx(row["predicted"], rel=1e-3)
        if record_delays.recorded(one) is None:
            setting = {key: value for key, value in one.items() if key not in {"kind", "allowed"}}
            times = [record_delays.measured(seed=seed, **setting)["time"] for seed in range(3)]
            assert 0.8 * row["low"] < np.median(times) < 1.25 * row["high"]


def test_minima_with_wrong_labels_are_recorded_as_they_come_out():
    table = records.load("noise").set_index("seed")
    rows = table.query("n == 2000 and flips == 1 and sv_pos == 350")
    assert sorted(rows.index) == list(range(1000))
    for seed in (0, 3, 9):
        for name, value in record_noise.minimum(1, seed, **record_noise.PAPERS).items():
            assert value == pytest.approx(rows.loc[seed, name], rel=1e-2), (seed, name)


def test_separability_is_recorded_as_it_comes_out():
    table = records.load("separable")
    assert table.groupby(["share", "d"]).size().tolist() == [16] * 32
    some = table[(table["share"] == 0.001) & (table["seed"] == 2)]
    for row in some.iloc[[0, -1]].to_dict("records"):
        assert record_noise.parted(row["share"], row["d"], 2)["separable"] == row["separable"]


def test_real_data_are_recorded_as_they_come_out():
    table = records.load("real")
    counts = table.groupby("name")["seed"].nunique()
    assert counts[[*record_real.MAIN, *record_real.MIXED]].eq(24).all()
    assert counts[list(record_real.PAIRS)].eq(6).all()
    (row,) = table.query("name == 'wine 1' and seed == 3").to_dict("records")
    for name, value in record_real.run("wine 1", 3).items():
        assert value == pytest.approx(row[name], rel=1e-3, abs=0.02, nan_ok=True), name


# Dask. The tests with a cluster come last: from then on it has all the work.


def chunked(data, rows):
    da = pytest.importorskip("dask.array", reason="the extra lingrok[dask] is not installed")
    from lingrok.chunked import ChunkedDataset  # noqa: PLC0415 - optional

    return ChunkedDataset(da.from_array(np.array(data.X), chunks=(rows, -1)), data.y, data.gamma)


@pytest.mark.parametrize("rows", [37, 200, 1000])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_chunks_of_rows_give_the_same_run(rows, bias, reduction):
    dask = pytest.importorskip("dask", reason="the extra lingrok[dask] is not installed")
    data = planted(400, d=3)
    options = {"bias": bias, "reduction": reduction, "lr": 1e-2 if reduction == "mean" else 1e-5}
    lazy = chunked(data, rows)
    here = fast_forward(data, 1e4, **options)
    with dask.config.set(scheduler="synchronous"):
        fast = fast_forward(lazy, 1e4, **options)
        walked = gradient_descent(lazy, 30, **options)
    assert relative_error(fast, thetas(here)).max() < 1e-10
    assert fast.gradient_evaluations == here.gradient_evaluations
    assert fast.hessian_evaluations == here.hessian_evaluations > 0
    np.testing.assert_array_equal(accuracy(fast, lazy), accuracy(here, data))
    assert relative_error(walked, thetas(gradient_descent(data, 30, **options))).max() < 1e-12


def test_a_chunked_dataset_is_described_by_what_it_holds():
    data = blobs(50, 3)
    lazy = chunked(data, 20)
    assert (lazy.n, lazy.d, lazy.gamma) == (50, 3, data.gamma)
    np.testing.assert_array_equal(lazy.w_true, data.w_true)


def test_chunks_refuse_what_they_cannot_hold():
    da = pytest.importorskip("dask.array", reason="the extra lingrok[dask] is not installed")
    from lingrok.chunked import ChunkedDataset  # noqa: PLC0415 - optional

    X, y = np.ones((6, 2)), np.array([1.0, -1.0] * 3)
    rows = da.from_array(X, chunks=(3, 2))
    for wrong in (X, da.from_array(X, chunks=(3, 1)), da.from_array(y, chunks=3)):
        with refuses("X", ""):
            ChunkedDataset(wrong, y, 1.0)
    with refuses("y", "(5,)"):
        ChunkedDataset(rows, y[:5], 1.0)
    with refuses("gamma", "0"):
        ChunkedDataset(rows, y, 0)
    with pytest.raises(TypeError):  # where a Dataset has w_true too
        ChunkedDataset(rows, y, 1.0, np.array([1.0, 0.0]))
    with refuses("y", "2 at index 1"):
        fast_forward(ChunkedDataset(rows, np.array([1, 2, 1, -1, 1, -1]), 1.0), 10)
    X[4, 1] = np.nan
    with refuses("X", "nan at index [1, 1]"):
        fast_forward(ChunkedDataset(da.from_array(X, chunks=(3, 2)), y, 1.0), 10)


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("dask.distributed", reason="the extra lingrok[dask] is not installed")
    from dask.distributed import Client, LocalCluster  # noqa: PLC0415 - optional

    # Any free port: another process of the tests may have a cluster as well
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as workers,
        Client(workers) as client,
    ):
        yield client


def test_the_same_sweep_runs_on_a_cluster(cluster, tmp_path):
    setting = {
        "steps": 10_000, "n_pos": 60, "n_neg": 60, "sv_pos": 20, "sv_neg": 10, "gamma": 1e-2,
        "alpha": 10.0, "n_test": 100,
    }  # fmt: skip
    assert len(cluster.scheduler_info()["workers"]) == 2
    here = sweep(measured_times, [setting], range(4))
    with joblib.parallel_config(backend="dask"):
        there = sweep(measured_times, [setting], range(4), store=tmp_path / "runs.db")
    assert there.to_string() == here.to_string()
    assert there.equals(here)
    with joblib.parallel_config(backend="dask"):
        sizes = sweep(lambda seed: {"process": os.getpid(), "n": seed}, [{}], range(8))
    assert os.getpid() not in set(sizes["process"])


def test_rows_on_a_cluster_give_the_same_run(cluster):
    data = planted(300, d=3)
    fast, here = fast_forward(chunked(data, 100), 300), fast_forward(data, 300)
    assert relative_error(fast, thetas(here)).max() < 1e-10
    assert len(cluster.scheduler_info()["workers"]) == 2
