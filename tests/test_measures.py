"""Accuracy, times, crossings and phases against closed forms."""

import numpy as np
import pytest
from problems import hand_made, refuses

from lingrok import (
    Dataset,
    accuracy,
    adversarial_accuracy,
    crossing_time,
    ensemble,
    fast_forward,
    grokking_time,
    phases,
    sample_concentrated,
    sample_standard,
)
from lingrok.book.report import number, spread

STEPS = np.array([1, 10, 100, 1000])


def test_a_point_on_the_hyperplane_counts_as_wrong():
    data = Dataset(np.array([[1.0], [0.0], [-1.0], [2.0]]), np.array([1.0, 1.0, -1.0, -1.0]), 1.0)
    run = hand_made([1, 2, 3], [[1.0], [-1.0], [1.0]], [0.0, 0.0, -1.0])
    assert accuracy(run, data) == pytest.approx([0.5, 0.25, 0.25])


def test_accuracy_wants_the_same_dimension():
    run = hand_made([1], [[1.0, 0.0]], [0.0])
    with refuses("data", "3"):
        accuracy(run, sample_standard(2, 2, d=3, seed=0))


def test_times_are_measured_against_each_supremum():
    time = grokking_time(STEPS, [0.8, 0.9, 0.9, 0.9], [0.5, 0.5, 0.6, 0.99], eps=0)
    assert (time.t_train, time.t_test, time.delay, time.zeta) == (10, 1000, 990, 100)


def test_times_against_one_are_infinite_where_it_is_not_reached():
    time = grokking_time(STEPS, [0.8, 0.9, 1, 1], [0.5, 0.5, 0.6, 0.99], eps=0, reference="one")
    assert (time.t_train, time.t_test) == (100, np.inf)
    never = grokking_time(STEPS, [0.8] * 4, [1.0] * 4, eps=0.1, reference="one")
    assert (never.t_train, never.zeta) == (np.inf, np.inf)


def test_an_early_passage_does_not_keep_the_level():
    test = [0.9, 0.5, 0.6, 0.6]
    assert grokking_time(STEPS, [1.0] * 4, test, eps=0.05).t_test == 1
    assert grokking_time(STEPS, [1.0] * 4, test, eps=0.05, reference="final").t_test == 100


def test_crossing_is_the_last_one_and_exact_in_log_time():
    distance = [2.0, 0.5, 3.0, 1.0]
    assert crossing_time(STEPS, distance, 2.0) == pytest.approx(100 * 10**0.5)
    assert crossing_time(STEPS, distance, 0.9) == np.inf
    assert crossing_time(STEPS, distance, 5.0) == 1


def test_phases_meet_at_the_peak_and_at_the_shell():
    run = hand_made(STEPS, np.ones((4, 1)), [0.1, 0.5, 0.2, 0.02])
    found = phases(run, gamma=0.01, alpha=10)
    assert found.unlearning == 10
    assert found.generalisation == pytest.approx(100 * 10 ** (0.1 / 0.18))


@pytest.mark.parametrize(
    ("name", "value", "change"),
    [
        ("eps", "1.0", {"eps": 1}),
        ("eps", "-0.1", {"eps": -0.1}),
        ("reference", "'two'", {"reference": "two"}),
    ],
)
def test_refuses_what_makes_no_sense(name, value, change):
    with refuses(name, value):
        grokking_time(STEPS, [1.0] * 4, [1.0] * 4, **{"eps": 0.0, **change})


def test_refuses_series_that_do_not_fit():
    with refuses("test_accuracy", "3"):
        grokking_time(STEPS, [1.0] * 4, [1.0] * 3, eps=0)
    with refuses("steps", "10 followed by 1"):
        crossing_time([10, 1], [1.0, 2.0], 1.0)
    with refuses("threshold", "0"):
        crossing_time(STEPS, [1.0] * 4, 0)


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


def test_numbers_read_as_one_writes_them():
    assert [number(v) for v in (0, 0.5, 12.3, 8999, 1.04e7, 2e-4, np.inf)] == [
        "0", "0.5", "12", "9000", "1.0e7", "2.0e-4", "never",
    ]  # fmt: skip
    assert spread([3, 1, np.inf]) == "3 [1, never]"
