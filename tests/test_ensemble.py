"""Ensembles: what one does by hand for each seed, and nothing that does not belong together."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from problems import refuses, relative_error, thetas

from lingrok import (
    Dataset,
    accuracy,
    adversarial_accuracy,
    crossing_time,
    ensemble,
    fast_forward,
    gradient_descent,
    grokking_time,
    lag,
    sample_concentrated,
    sample_standard,
)
from lingrok._origin import own
from lingrok.runs.ensemble import SETS, accuracies_by_planting

SMALL = {"n_pos": 60, "n_neg": 50, "sv_pos": 20, "sv_neg": 10, "n_test": 40}


@pytest.fixture(scope="module")
def runs():
    return ensemble([3, 4, 8], 1e9, **SMALL)


def test_an_ensemble_is_what_one_does_by_hand():
    runs = ensemble([3, 4], 1e5, n_pos=100, n_neg=80, sv_pos=30, sv_neg=20, n_test=50)
    streams = np.random.default_rng(4).spawn(3)
    train = sample_standard(100, 80, sv_pos=30, sv_neg=20, seed=streams[0])
    shell = sample_concentrated(25, 25, seed=streams[2])
    run = fast_forward(train, 1e5)
    assert np.array_equal(runs.train[1], accuracy(run, train))
    assert np.array_equal(runs.concentrated[1], accuracy(run, shell))
    until = runs.steps <= 1e4
    expected = grokking_time(
        runs.steps[until], runs.train[1][until], runs.concentrated[1][until], eps=0.01
    )
    assert runs.times("concentrated", eps=0.01, until=1e4)[1] == expected


def test_an_ensemble_is_attacked_on_the_points_that_it_was_tested_on():
    runs = ensemble([3, 4], 1e4, n_pos=60, n_neg=50, sv_pos=20, sv_neg=10, n_test=40, d=3)
    for name in ("train", "standard", "concentrated"):
        np.testing.assert_array_equal(runs.attacked(name, epsilon=0), getattr(runs, name))
    one = adversarial_accuracy(runs.runs[1], runs.sample(4)["train"], epsilon=0.5)
    np.testing.assert_array_equal(runs.attacked("train", epsilon=0.5)[1], one)
    with refuses("on", "'all'"):
        runs.attacked("all", epsilon=0)


def test_points_that_were_not_planted_are_counted_apart():
    runs = ensemble([5], 1e4, n_pos=60, n_neg=50, sv_pos=20, sv_neg=10, n_test=40)
    train = runs.sample(5)["train"]
    rows = np.r_[0:20, 60:70]
    on_margin = accuracy(runs.runs[0], Dataset(train.X[rows], train.y[rows], train.gamma))
    np.testing.assert_allclose(80 * runs.unplanted() + 30 * on_margin, 110 * runs.train)


def test_times_of_an_ensemble_take_any_two_curves():
    runs = ensemble([1, 2], 1e3, n_pos=20, n_neg=20, n_test=20)
    times = runs.times(runs.concentrated, eps=0.1, train=runs.standard, until=100)
    seen = runs.steps <= 100
    expected = grokking_time(
        runs.steps[seen], runs.standard[1][seen], runs.concentrated[1][seen], eps=0.1
    )
    assert times[1] == expected
    assert runs.times(runs.standard, eps=0) == runs.times("standard", eps=0)


def test_an_ensemble_goes_through_a_pickle(runs):
    back = pickle.loads(pickle.dumps(runs))
    for name in SETS:
        np.testing.assert_array_equal(getattr(back, name), getattr(runs, name))
        np.testing.assert_array_equal(back.sample(4)[name].X, runs.sample(4)[name].X)
    assert own(back) == own(runs) is not None


def test_processes_make_the_same_ensemble(runs):
    again = ensemble([3, 4, 8], 1e9, jobs=2, **SMALL)
    np.testing.assert_array_equal(again.concentrated, runs.concentrated)
    np.testing.assert_array_equal(again.runs[2].w, runs.runs[2].w)


def test_each_data_set_has_a_stream_of_its_own(runs):
    sets = runs.sample(4)
    assert list(sets) == ["train", "standard", "concentrated"]
    for name, data in sets.items():
        np.testing.assert_array_equal(data.X, runs.sample.draw(name, 4).X)
    assert [data.n for data in sets.values()] == [110, 40, 40]


def test_the_first_seeds_are_an_ensemble_of_their_own(runs):
    few, alone = runs.first(2), ensemble([3, 4], 1e9, **SMALL)
    assert few.seeds == (3, 4)
    for name in SETS:
        np.testing.assert_array_equal(getattr(few, name), getattr(alone, name))
    np.testing.assert_array_equal(few.unplanted(), alone.unplanted())
    np.testing.assert_array_equal(few.runs[1].w, alone.runs[1].w)
    assert own(few).call == f"{own(runs).call}.first(2)"
    for k in (0, 4, 1.5):
        with refuses("k", str(k)):
            runs.first(k)


def test_what_is_replaced_takes_its_accuracies_along(runs):
    assert runs.train.shape == (3, len(runs.steps))  # known before
    last = replace(runs, seeds=runs.seeds[2:], runs=runs.runs[2:])
    for name in SETS:
        np.testing.assert_array_equal(getattr(last, name), getattr(runs, name)[2:])


def test_what_does_not_belong_together_is_refused(runs):
    for wrong in ({"seeds": runs.seeds[:2]}, {"runs": runs.runs[:2]}):
        with refuses("runs", str(len(wrong.get("runs", runs.runs)))):
            replace(runs, **wrong)
    other = fast_forward(runs.sample(3)["train"], 1e4)
    with pytest.raises(ValueError, match="runs must have the same checkpoints"):
        replace(runs, runs=(*runs.runs[:2], other))
    for fixed in ("gamma", "train", "concentrated", "steps"):
        with pytest.raises(TypeError, match=fixed):
            replace(runs, **{fixed: getattr(runs, fixed)})
    with refuses("seeds", "none"):
        ensemble([], 10)


def test_changed_hyperplanes_are_measured_and_attacked(runs):
    assert runs.concentrated.shape  # known before, and of other hyperplanes
    unbiased = runs.changed(lambda run: replace(run, b=0 * run.b))
    by_hand = [replace(run, b=np.zeros_like(run.b)) for run in runs.runs]
    for name in SETS:
        expected = [
            accuracy(run, runs.sample(seed)[name])
            for seed, run in zip(runs.seeds, by_hand, strict=True)
        ]
        np.testing.assert_array_equal(getattr(unbiased, name), expected)
    one = adversarial_accuracy(by_hand[1], runs.sample(4)["standard"], epsilon=0.5)
    np.testing.assert_array_equal(unbiased.attacked("standard", epsilon=0.5)[1], one)
    assert runs.runs[0].b.any()


def test_zetas_are_the_delay_factors(runs):
    for options in ({"eps": 0}, {"eps": 0.1, "until": 1e3, "reference": "final"}):
        times = runs.times("concentrated", **options)
        np.testing.assert_array_equal(
            runs.zetas("concentrated", **options), [time.zeta for time in times]
        )
        np.testing.assert_array_equal(
            runs.groks("concentrated", **options), [time.groks for time in times]
        )
    curves, train = runs.attacked("standard", epsilon=0.5), runs.unplanted()
    expected = [time.zeta for time in runs.times(curves, eps=0.1, train=train)]
    np.testing.assert_array_equal(runs.zetas(curves, eps=0.1, train=train), expected)


def test_lags_are_those_of_each_run(runs):
    train = runs.unplanted()
    for i, found in enumerate(runs.lags("concentrated", train)):
        np.testing.assert_array_equal(found, lag(runs.steps, train[i], runs.concentrated[i]))
    np.testing.assert_array_equal(runs.lags(runs.standard), runs.lags("standard", "train"))


def test_settled_is_for_good(runs):
    level = 0.9
    since = runs.settled(level)
    for step, curve in zip(since, runs.concentrated, strict=True):
        assert step == crossing_time(runs.steps, 1 - curve, 1 - level)
        assert curve[runs.steps >= step].min() >= level
        assert 1 < step < np.inf
    np.testing.assert_array_equal(runs.settled(level, "concentrated"), since)
    np.testing.assert_array_equal(runs.settled(level, runs.concentrated), since)
    early = np.ones_like(runs.train)
    early[0, :5], early[1, -1], early[2, 3] = 0.5, 0.89, level  # 0.9 is at the level
    assert runs.settled(level, early)[1:].tolist() == [np.inf, 1]
    assert runs.steps[4] < runs.settled(level, early)[0] < runs.steps[5]
    for wrong in (0, 1, np.nan, -0.1, 95):
        with refuses("level", str(wrong)):
            runs.settled(wrong)


def test_a_step_before_the_first_checkpoint_has_no_checkpoint():
    runs = ensemble([1], 1e4, checkpoints=[100, 1_000, 10_000], **SMALL)
    assert [runs.at(step) for step in (100, 999, 1e3, np.inf)] == [0, 0, 1, 2]
    for wrong in (99, np.nan):
        with refuses("step", str(wrong)):
            runs.at(wrong)
        with refuses("until", str(wrong)):
            runs.times("standard", eps=0, until=wrong)


def test_curves_that_do_not_fit_are_refused(runs):
    for wrong in (runs.train[:2], runs.train[:, 1:], runs.train.T):
        with refuses("test", str(wrong.shape)):
            runs.zetas(wrong, eps=0)
        with refuses("train", str(wrong.shape)):
            runs.times("standard", eps=0, train=wrong)
    with refuses("test", "'adversarial'"):
        runs.settled(0.9, "adversarial")


def test_the_mask_says_who_was_planted(runs):
    run, data = runs.runs[0], runs.sample(3)["train"]
    mask = np.arange(data.n) % 3 == 0  # on the margin or not
    object.__setattr__(data, "planted", mask)
    every, free = accuracies_by_planting(run, data)
    np.testing.assert_array_equal(every, accuracy(run, data))
    rest = Dataset(data.X[~mask], data.y[~mask], data.gamma)
    np.testing.assert_array_equal(free, accuracy(run, rest))
    object.__setattr__(data, "planted", np.ones(data.n, dtype=bool))
    every, free = accuracies_by_planting(run, data)
    np.testing.assert_array_equal(every, accuracy(run, data))
    assert np.isnan(free).all()


def test_what_descends_takes_all_its_options():
    options = {"lr": 0.1, "reduction": "mean", "bias": False, "checkpoints": [10, 3_000]}
    runs = ensemble([2], 3_000, rtol=1e-6, **options, **SMALL)
    train = runs.sample(2)["train"]
    np.testing.assert_array_equal(
        runs.runs[0].w, fast_forward(train, 3_000, rtol=1e-6, **options).w
    )
    walked = ensemble([2], 3_000, walk=True, **options, **SMALL)
    exact = gradient_descent(train, 3_000, **options)
    np.testing.assert_array_equal(walked.runs[0].w, exact.w)
    assert relative_error(runs.runs[0], thetas(exact)).max() < 1e-6
    assert "walk=True" in own(walked).call
    with refuses("walk", "'yes'"):
        ensemble([2], 10, walk="yes")
    with refuses("n_test", "0"):
        ensemble([2], 10, n_test=0)
