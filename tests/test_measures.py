"""Accuracy, times, crossings and phases against closed forms."""

import numpy as np
import pytest
from problems import hand_made, refuses

from lingrok import (
    Dataset,
    accuracy,
    crossing_time,
    grokking_time,
    lag,
    phases,
    sample_standard,
)
from lingrok._format import number, spread

STEPS = np.array([1, 10, 100, 1000])


def test_a_point_on_the_hyperplane_counts_as_wrong():
    data = Dataset(np.array([[1.0], [0.0], [-1.0], [2.0]]), np.array([1.0, 1.0, -1.0, -1.0]), 1.0)
    run = hand_made([1, 2, 3], [[1.0], [-1.0], [1.0]], [0.0, 0.0, -1.0])
    assert accuracy(run, data) == pytest.approx([0.5, 0.25, 0.25])
    mirrored = Dataset(data.X, -data.y, 1.0)
    assert accuracy(run, mirrored) == pytest.approx([0.25, 0.5, 0.5])


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


def test_rounding_does_not_hide_a_level_that_is_met():
    assert (1 - 0.08) * 0.75 > 0.69  # as floats have it
    assert grokking_time(STEPS, [1.0] * 4, [0.1, 0.69, 0.75, 0.75], eps=0.08).t_test == 10


def test_an_early_passage_does_not_keep_the_level():
    test = [0.9, 0.5, 0.6, 0.6]
    assert grokking_time(STEPS, [1.0] * 4, test, eps=0.05).t_test == 1
    assert grokking_time(STEPS, [1.0] * 4, test, eps=0.05, reference="final").t_test == 100


def test_kept_is_of_one_and_to_the_end():
    steps, train = [1, 10, 100, 1000, 10_000], [0.96, 0.9, 1, 1, 1]
    for test, step, groks in (
        ([0.5, 0.97, 0.9, 0.9, 0.96], 10_000, True),  # an early passage does not count
        ([0.5, 0.6, 0.6, 0.96, 0.95], 1000, False),  # ten times as late as training
        ([0.5, 0.5, 0.6, 0.8, 0.9], np.inf, False),  # cut off on its way: it has not got there
    ):
        time = grokking_time(steps, train, test, eps=0.05, reference="kept")
        assert (time.t_train, time.t_test, time.groks) == (100, step, groks)


def test_crossing_is_the_last_one_and_exact_in_log_time():
    distance = [2.0, 0.5, 3.0, 1.0]
    assert crossing_time(STEPS, distance, 2.0) == pytest.approx(100 * 10**0.5)
    assert crossing_time(STEPS, distance, 0.9) == np.inf
    assert crossing_time(STEPS, distance, 5.0) == 1
    touching = [2.0, 1.0, 1.0, 0.5]
    assert crossing_time(STEPS, touching, 1.0) == pytest.approx(10)
    assert crossing_time(STEPS, [2.0, 2.0, 2.0, 1.0], 1.0) == pytest.approx(1000)


def test_phases_meet_at_the_peak_and_at_the_shell():
    run = hand_made(STEPS, np.ones((4, 1)), [0.1, 0.5, 0.2, 0.02])
    found = phases(run, gamma=0.01, alpha=10)
    assert found.unlearning == 10
    assert found.generalisation == pytest.approx(100 * 10 ** (0.1 / 0.18))
    inside = phases(run, gamma=0.06, alpha=10)  # never beyond the shell: both ends at the peak
    assert (inside.unlearning, inside.generalisation) == (10, 10)


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


def test_numbers_read_as_one_writes_them():
    assert [number(v) for v in (0, 0.5, 12.3, 8999, 1e4, 1.04e7, 2e-4, np.inf)] == [
        "0", "0.5", "12", "9000", "1.0e4", "1.0e7", "2.0e-4", "never",
    ]  # fmt: skip
    assert [number(v) for v in (-np.inf, -1.04e7, np.nan)] == ["-inf", "-1.0e7", "nan"]
    assert spread([3, 1, np.inf]) == "3 [1, never]"


def test_the_lag_of_two_jumps_is_the_logarithm_of_their_factor():
    steps = np.geomspace(1, 1e8, 8001)
    train, test = np.where(steps >= 1e2, 1, 0.5), np.where(steps >= 1e6, 1, 0.5)
    assert lag(steps, train, test)[-1] == pytest.approx(4, abs=2e-3)
    assert lag(steps, test, train)[-1] == 0  # who is ahead does not lag
    low, high = np.where(steps >= 1e2, 1, 0.1), np.where(steps >= 1e6, 1, 0.1)
    assert lag(steps, low, high, chance=0.1)[-1] == pytest.approx(4, abs=2e-3)


def test_the_lag_adds_up_over_decades_and_never_falls():
    found = lag(STEPS, [0.5, 1, 1, 0.8], [0.5, 0.5, 0.75, 1])
    np.testing.assert_allclose(found, [0, 0.5, 1.25, 1.5])
    np.testing.assert_array_equal(lag(STEPS[:3], [0.5, 1, 1], [0.5, 0.5, 0.75]), found[:3])


@pytest.mark.parametrize("chance", [-0.1, 1, np.nan])
def test_chance_is_below_certainty(chance):
    with refuses("chance", str(chance)):
        lag(STEPS, [1] * 4, [1] * 4, chance=chance)
