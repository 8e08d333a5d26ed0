"""Leaps from kink to kink against the steps themselves."""

import numpy as np
import pytest
from problems import refuses

from lingrok import (
    Dataset,
    DivergenceError,
    crossing_time,
    ensemble,
    fast_forward,
    gradient_descent,
    max_margin,
    piecewise_descent,
    sample_standard,
)
from lingrok.losses import HINGE, LOGISTIC, SQUARED, SQUARED_HINGE, huber


@pytest.fixture(scope="module")
def data():
    return sample_standard(150, 150, sv_pos=50, sv_neg=30, gamma=1e-2, seed=3)


@pytest.mark.parametrize("loss", [SQUARED_HINGE, huber(0.1), huber(1.0), SQUARED], ids=str)
@pytest.mark.parametrize(
    "setting",
    [{}, {"l2": (1e-4, 1e-3)}, {"bias": False}, {"reduction": "sum", "lr": 1e-4}],
    ids=str,
)
def test_takes_the_steps_of_descent(data, loss, setting):
    steps = 30_000
    walked = gradient_descent(data, steps, loss=loss, **setting)
    leapt = piecewise_descent(data, steps, loss=loss, **setting)
    assert leapt.gradient_evaluations < steps / 3
    np.testing.assert_array_equal(leapt.steps, walked.steps)
    assert np.abs(leapt.w - walked.w).max() <= 1e-10 * np.abs(walked.w).max()
    assert np.abs(leapt.b - walked.b).max() <= 1e-10 * np.abs(walked.w).max()


def test_is_the_fast_forward_of_a_smooth_loss(data):
    exact = piecewise_descent(data, 10**9, loss=SQUARED)
    leapt = fast_forward(data, 10**9, loss=SQUARED, checkpoints=exact.steps)
    assert np.abs(exact.w - leapt.w).max() <= 1e-7 * np.abs(exact.w).max()


@pytest.mark.parametrize("loss", [SQUARED_HINGE, huber(0.2)], ids=str)
def test_ends_at_the_hard_margin(data, loss):
    run = piecewise_descent(data, 10**11, loss=loss)
    best = max_margin(data)
    assert run.norm[-1] == pytest.approx(2 / best.margin, rel=1e-6)
    np.testing.assert_allclose(run.w[-1], best.w * run.norm[-1] / np.linalg.norm(best.w), rtol=1e-5)
    assert run.gradient_evaluations < 50_000


def test_an_ensemble_goes_from_kink_to_kink():
    setting = {"n_pos": 60, "n_neg": 60, "gamma": 1e-2, "sv_pos": 20, "sv_neg": 10, "n_test": 20}
    runs = ensemble(range(2), 10**10, loss=SQUARED_HINGE, rtol=1e-4, **setting)
    times = [crossing_time(run.steps, run.distance, 5e-3) for run in runs.runs]
    assert np.all(np.isfinite(times))
    assert all(not run.error_estimate.any() for run in runs.runs)


def test_says_where_it_can_not_go(data, monkeypatch):
    monkeypatch.setattr("lingrok.piecewise._MOST", 6000)
    with refuses("loss", "LOGISTIC"):
        piecewise_descent(data, 10, loss=LOGISTIC)
    with pytest.raises(DivergenceError, match="huber"):
        piecewise_descent(data, 10**9, loss=HINGE)
    two = Dataset([[1.0], [-1.0]], [1.0, -1.0], 2.0)
    with pytest.raises(DivergenceError, match="lr"):
        piecewise_descent(two, 10**6, loss=SQUARED, lr=3.0)
