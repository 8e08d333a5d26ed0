"""Exact descent: the gradient, the loop, the record it keeps, and what must not change it."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import (
    blobs,
    hand_made,
    plain_loop,
    planted,
    refuses,
    relative_error,
    thetas,
)

from lingrok import Dataset, gradient_descent
from lingrok.descent import walk
from lingrok.problem import Problem
from lingrok.rules import HeavyBall

REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum"])
BIAS = pytest.mark.parametrize("bias", [True, False])


@pytest.fixture(params=["copied", "chunked"])
def path(request, monkeypatch):
    """Both ways through the data: signed rows in memory, and chunks of 64 rows."""
    if request.param == "chunked":
        monkeypatch.setattr("lingrok.problem._SMALL", 0)
        monkeypatch.setattr("lingrok._sums._CHUNK", 1)
    return request.param


@REDUCTIONS
def test_first_step_is_half_the_signed_mean(reduction):
    data = blobs(20, 3, positive=0.7)
    share = data.n if reduction == "mean" else 1
    run = gradient_descent(data, 1, lr=0.2, reduction=reduction)
    np.testing.assert_allclose(run.w, [0.1 * data.y @ data.X / share], rtol=1e-14)
    np.testing.assert_allclose(run.b, [0.1 * data.y.sum() / share], rtol=1e-14)
    np.testing.assert_array_equal(run.steps, [1])


@REDUCTIONS
@BIAS
def test_descent_equals_the_plain_loop(path, reduction, bias):  # noqa: ARG001
    data = planted(200)
    lr = 1e-2 if reduction == "mean" else 1e-4
    truth = plain_loop(data, 1000, lr=lr, reduction=reduction, bias=bias)
    run = gradient_descent(
        data, 1000, lr=lr, reduction=reduction, bias=bias, checkpoints=range(1, 1001)
    )
    assert relative_error(run, truth).max() < 1e-12
    assert bias == run.b.any()
    np.testing.assert_array_equal(run.error_estimate, np.zeros(1000))
    assert run.hessian_evaluations == 0


def test_default_learning_rate_and_reduction_are_those_of_the_figures():
    data = blobs()
    truth = plain_loop(data, 50, lr=1e-2, reduction="mean", bias=True)
    assert relative_error(gradient_descent(data, 50, checkpoints=[50]), truth[-1:])[0] < 1e-13


def test_sum_is_mean_with_n_times_the_learning_rate():
    data = blobs(40, 2)
    mean = gradient_descent(data, 300, lr=0.4, reduction="mean")
    total = gradient_descent(data, 300, lr=0.01, reduction="sum")
    np.testing.assert_allclose(thetas(total), thetas(mean), rtol=1e-12)


def test_a_bias_is_a_weight_on_a_constant_column():
    data = blobs(30, 2)
    augmented = Dataset(np.c_[data.X, np.ones(30)], data.y, data.gamma)
    run = gradient_descent(augmented, 200, lr=0.5, bias=False)
    np.testing.assert_allclose(run.w, thetas(gradient_descent(data, 200, lr=0.5)), rtol=1e-12)


@st.composite
def datasets(draw) -> Dataset:
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.integers(-3, 2))
    return Dataset(scale * rng.standard_normal((n, d)), rng.choice([-1.0, 1.0], n), 1.0)


EXAMPLES = settings(max_examples=30, deadline=None, derandomize=True)


def tolerance(run) -> float:
    """What rounding may do in a few steps, against the longest theta (curvature may be large)."""
    return 1e-9 * np.abs(thetas(run)).max()


@EXAMPLES
@given(data=datasets(), reduction=st.sampled_from(["mean", "sum"]))
def test_swapping_the_classes_mirrors_the_descent(data, reduction):
    run = gradient_descent(data, 20, reduction=reduction)
    turned = gradient_descent(Dataset(-data.X, -data.y, 1.0), 20, reduction=reduction)
    np.testing.assert_allclose(turned.w, run.w, atol=tolerance(run))
    np.testing.assert_allclose(turned.b, -run.b, atol=tolerance(run))
    renamed = gradient_descent(Dataset(data.X, -data.y, 1.0), 20, reduction=reduction)
    np.testing.assert_allclose(thetas(renamed), -thetas(run), atol=tolerance(run))


@EXAMPLES
@given(data=datasets(), seed=st.integers(0, 1000))
def test_rotated_points_give_a_rotated_descent(data, seed):
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((data.d, data.d)))[0]
    run = gradient_descent(data, 20)
    turned = gradient_descent(Dataset(data.X @ rotation.T, data.y, 1.0), 20)
    np.testing.assert_allclose(turned.w, run.w @ rotation.T, atol=tolerance(run))
    np.testing.assert_allclose(turned.b, run.b, atol=tolerance(run))


@EXAMPLES
@given(data=datasets(), seed=st.integers(0, 1000))
def test_the_order_of_points_does_not_matter(data, seed):
    order = np.random.default_rng(seed).permutation(data.n)
    run = gradient_descent(data, 20)
    shuffled = gradient_descent(Dataset(data.X[order], data.y[order], 1.0), 20)
    np.testing.assert_allclose(thetas(shuffled), thetas(run), atol=tolerance(run))


@EXAMPLES
@given(data=datasets(), a=st.integers(0, 40), b=st.integers(0, 40))
def test_a_steps_then_b_steps_are_a_plus_b_steps(data, a, b):
    it, rule = Problem(data), HeavyBall(1.0, 0.5)
    start = rule.start(np.zeros(it.size), data.d)
    halfway = walk(it, rule, start, 0, a)
    end = walk(it, rule, halfway, a, a + b)
    np.testing.assert_array_equal(end, walk(it, rule, start, 0, a + b))
    assert it.gradients == 2 * (a + b)
    np.testing.assert_array_equal(start, 0)  # the state that is given stays as it is


def test_default_checkpoints_cover_the_run():
    data = blobs(5, 2)
    for steps in (1, 2, 19, 1000, 1001):
        run = gradient_descent(data, steps)
        assert run.steps.dtype == np.int64
        assert run.steps[0] == 1
        assert run.steps[-1] == steps
        assert (np.diff(run.steps) > 0).all()
        assert run.gradient_evaluations == steps
        assert run.w.shape == (len(run.steps), 2)
        assert run.b.shape == run.norm.shape == run.distance.shape == run.angle.shape
    assert 40 <= len(run.steps) <= 70  # about 20 a decade


@pytest.mark.parametrize("kind", [list, np.array, lambda steps: np.array(steps, dtype=float)])
def test_given_checkpoints_are_returned_as_given(kind):
    data = blobs(10, 2)
    truth = plain_loop(data, 50, lr=1e-2)
    run = gradient_descent(data, 50, checkpoints=kind([1, 2, 17, 50]))
    assert run.steps.dtype == np.int64
    np.testing.assert_array_equal(run.steps, [1, 2, 17, 50])
    np.testing.assert_allclose(thetas(run), truth[[0, 1, 16, 49]], rtol=1e-12)
    assert run.gradient_evaluations == 50


def test_a_longer_run_begins_like_a_shorter_one():
    data = blobs(10, 2)
    short = gradient_descent(data, 100, checkpoints=[3, 40, 100])
    long = gradient_descent(data, 300, checkpoints=[3, 40, 100, 300])
    np.testing.assert_array_equal(thetas(long)[:3], thetas(short))


def test_steps_may_be_a_whole_float():
    assert gradient_descent(blobs(5, 1), 1e2).steps[-1] == 100


def test_memory_does_not_grow_with_steps():
    data = blobs(10, 2)
    gradient_descent(data, 10)
    tracemalloc.start()
    try:
        gradient_descent(data, 5000, checkpoints=[5000])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000  # bytes: 5000 thetas of 3 numbers alone are twice that


@REDUCTIONS
def test_a_descent_far_beyond_stability_stays_finite(path, reduction):  # noqa: ARG001
    rng = np.random.default_rng(3)
    data = Dataset(1e4 * rng.standard_normal((100, 3)), rng.choice([-1.0, 1.0], 100), 1.0)
    run = gradient_descent(data, 200, lr=10.0, reduction=reduction)
    assert np.abs(data.X @ run.w.T).max() > 1e6  # margins, on both sides
    assert np.isfinite(thetas(run)).all()


def test_norm_distance_and_angle():
    run = hand_made(
        [1, 2, 3, 4], [[3, 4], [1, 1], [-2, -2], [0, 5]], [-10, 0, 1, 2], w_true=np.array([0, 1.0])
    )
    np.testing.assert_allclose(run.norm, [5, 2**0.5, 8**0.5, 5])
    np.testing.assert_allclose(run.distance, [2, 0, 8**-0.5, 0.4])
    np.testing.assert_allclose(run.angle, [np.arctan2(3, 4), np.pi / 4, 3 * np.pi / 4, 0])


@pytest.mark.parametrize("angle", [1e-9, 1e-5, 1.0, np.pi / 2, np.pi - 1e-9])
@pytest.mark.parametrize("length", [1e-8, 1.0, 1e8])
def test_small_angles_keep_their_digits(angle, length):
    w = length * (np.cos(angle) * np.array([1, 1]) + np.sin(angle) * np.array([1, -1]))
    assert hand_made([1], [w], [0]).angle[0] == pytest.approx(angle, rel=1e-6)


def test_progress_shows_a_bar_and_changes_nothing(capsys):
    data = blobs(10, 2)
    silent = gradient_descent(data, 300)
    assert capsys.readouterr() == ("", "")
    shown = gradient_descent(data, 300, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    for part in ("100%", "300/300", "step/s", "<"):  # share, steps, rate, time left
        assert part in err
    np.testing.assert_array_equal(thetas(shown), thetas(silent))
    np.testing.assert_array_equal(shown.steps, silent.steps)


@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ({"steps": 0}, "steps", "0"),
        ({"steps": -5}, "steps", "-5"),
        ({"steps": 1.5}, "steps", "1.5"),
        ({"steps": np.inf}, "steps", "inf"),
        ({"steps": None}, "steps", "None"),
        ({"lr": 0}, "lr", "0"),
        ({"lr": -0.1}, "lr", "-0.1"),
        ({"lr": np.nan}, "lr", "nan"),
        ({"reduction": "average"}, "reduction", "'average'"),
        ({"bias": "yes"}, "bias", "'yes'"),
        ({"data": [[1.0]]}, "data", "list"),
        ({"checkpoints": []}, "checkpoints", "none"),
        ({"checkpoints": [0, 5]}, "checkpoints", "0 at index 0"),
        ({"checkpoints": [-2]}, "checkpoints", "-2 at index 0"),
        ({"checkpoints": [1, 2.5]}, "checkpoints", "2.5 at index 1"),
        ({"checkpoints": [3, 11]}, "checkpoints", "11 at index 1"),
        ({"checkpoints": [3, 3]}, "checkpoints", "3 followed by 3"),
        ({"checkpoints": [1, 7, 4]}, "checkpoints", "7 followed by 4"),
        ({"checkpoints": [1, np.nan]}, "checkpoints", "nan at index [1]"),
        ({"checkpoints": [[1, 2]]}, "checkpoints", "(1, 2)"),
        ({"checkpoints": "often"}, "checkpoints", "'often'"),
    ],
)
def test_descent_refuses(wrong, name, value):
    arguments = {"data": blobs(5, 1), "steps": 10} | wrong
    with refuses(name, value):
        gradient_descent(arguments.pop("data"), arguments.pop("steps"), **arguments)
