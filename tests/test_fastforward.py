"""Fast-forward against descent walked step by step: error, estimate, counts, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import blobs, curvature, plain_loop, planted, refuses, relative_error, thetas

from lingrok import Dataset, FastForwardError, fast_forward, gradient_descent, sample_standard
from lingrok import fastforward as module


@pytest.mark.parametrize("rtol", [1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_stays_within_its_estimate_and_its_tolerance(rtol, d):
    data = planted(400, d=d)
    exact = gradient_descent(data, 5_000)
    fast = fast_forward(data, 5_000, rtol=rtol)
    error = relative_error(fast, thetas(exact))
    assert np.all(error <= fast.error_estimate)
    assert np.all(error <= rtol + 1e-13)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("bias", [True, False])
def test_reaches_to_the_edge_of_stability(share, bias):
    data = planted(200)
    lr = 2 * share / curvature(data, bias=bias)
    exact = gradient_descent(data, 3_000, lr=lr, bias=bias)
    fast = fast_forward(data, 3_000, lr=lr, bias=bias)
    assert np.all(relative_error(fast, thetas(exact)) <= fast.error_estimate)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.01, 0.99), st.floats(-12, -2))
def test_never_errs_above_its_estimate(seed, d, share, digits):
    data = blobs(20, d, seed=seed)
    lr = 2 * share / curvature(data)
    fast = fast_forward(data, 600, lr=lr, rtol=10**digits)
    truth = plain_loop(data, 600, lr=lr)[fast.steps - 1]
    assert np.all(relative_error(fast, truth) <= fast.error_estimate)


def test_ten_million_steps_cost_three_hundred_gradients():
    data = sample_standard(1000, 1000, sv_pos=350, sv_neg=250, seed=1)
    fast = fast_forward(data, 1e7)
    assert fast.gradient_evaluations <= 300
    assert fast.error_estimate.max() <= 1e-8
    assert fast_forward(data, 1e14).gradient_evaluations <= 800


def test_many_unknowns_are_solved_for_as_few_are(monkeypatch):
    data = planted(200, d=4)
    direct = fast_forward(data, 1e6, rtol=1e-8)
    monkeypatch.setattr(module, "_DENSE", 0)
    krylov = fast_forward(data, 1e6, rtol=1e-8)
    monkeypatch.setattr(module, "_FEW", 0)
    sparing = fast_forward(data, 1e6, rtol=1e-8)
    assert relative_error(krylov, thetas(direct)).max() < 1e-8
    assert relative_error(sparing, thetas(direct)).max() < 1e-8
    assert sparing.hessian_evaluations < direct.hessian_evaluations / 2


def test_reads_the_same_curve_at_other_checkpoints():
    data = planted(200)
    some = fast_forward(data, 1e6, checkpoints=[1, 16, 17, 1000, 10**6])
    full = fast_forward(data, 1e6, checkpoints=np.unique(np.geomspace(1, 1e6, 50).astype(int)))
    assert some.w[-1] == pytest.approx(full.w[-1], rel=1e-14)
    exact = gradient_descent(data, 1000, checkpoints=[1, 16, 17, 1000])
    assert relative_error(some, np.vstack([thetas(exact), thetas(full)[-1]])).max() < 1e-8


@pytest.mark.parametrize("share", [0.75, 0.9, 0.98])
def test_counts_what_still_oscillates_when_it_leaps(share):
    rng = np.random.default_rng(3208518)
    data = Dataset(rng.standard_normal((28, 1)), rng.choice([-1.0, 1.0], 28), 1.0)
    lr = 2 * share / curvature(data)
    exact = gradient_descent(data, 300, lr=lr, checkpoints=range(1, 301))
    fast = fast_forward(data, 300, lr=lr, rtol=1e-3, checkpoints=range(1, 301))
    assert np.all(relative_error(fast, thetas(exact)) <= fast.error_estimate)


def test_counts_the_rounding_of_terms_that_cancel():
    rng = np.random.default_rng(958565268)
    x = rng.standard_normal((28, 1)) * 10.0 ** rng.uniform(-3, 3)
    data = Dataset(x, rng.choice([-1.0, 1.0], 28), 1.0)  # theta stays at 1e-5 of what they add to
    exact = gradient_descent(data, 3000, lr=0.006730016533008074)
    fast = fast_forward(data, 3000, lr=0.006730016533008074, rtol=1e-11)
    assert np.all(relative_error(fast, thetas(exact)) <= fast.error_estimate)


@pytest.mark.parametrize("steps", [600, 601, 777, 1003])
def test_walks_on_from_a_whole_step(steps):
    data = blobs(20, 1)
    lr = 0.02 / curvature(data)
    fast = fast_forward(data, steps, lr=lr)
    exact = gradient_descent(data, steps, lr=lr)
    assert relative_error(fast, thetas(exact)).max() < 1e-8


@pytest.mark.parametrize("steps", [1, 2, 16, 17, 40])
def test_short_runs_are_exact(steps):
    data = planted(200)
    exact = gradient_descent(data, steps)
    assert relative_error(fast_forward(data, steps), thetas(exact)).max() < 1e-14


def test_the_bias_ends_at_half_the_log_ratio_of_support_vectors():
    x = np.r_[np.full(20, 0.5), np.full(10, -0.5), 4.0, -4.0][:, None]
    data = Dataset(x, np.sign(x[:, 0]), gamma=1.0)
    late = fast_forward(data, 1e14, lr=0.1)
    assert late.b[-1] == pytest.approx(0.5 * np.log(2), abs=1e-4)


def test_sum_is_mean_at_n_times_the_rate():
    data = planted(200)
    mean = fast_forward(data, 1e5, lr=1e-2)
    total = fast_forward(data, 1e5, lr=1e-2 / data.n, reduction="sum")
    assert relative_error(total, thetas(mean)).max() < 1e-9


def test_refuses_a_rate_beyond_stability():
    data = planted(400)
    with pytest.raises(FastForwardError, match=r"step 0 .* use lr < .*gradient_descent"):
        fast_forward(data, 1e6, lr=2.1 / curvature(data))


def test_gives_up_aloud_where_the_start_never_turns_smooth(monkeypatch):
    monkeypatch.setattr(module, "_LONGEST_WALK", 20)
    data = planted(200)
    with pytest.raises(FastForwardError, match=r"at step \d+ .*estimate.*smaller lr"):
        fast_forward(data, 1e6, lr=1.99 / curvature(data))


@pytest.mark.parametrize("rtol", [0, -1e-8, 1e-13, 0.1, np.nan])
def test_refuses_a_tolerance_out_of_range(rtol):
    with refuses("rtol", repr(rtol)):
        fast_forward(planted(40), 100, rtol=rtol)
