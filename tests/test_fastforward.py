"""Fast-forward against descent walked step by step: error, estimate, counts, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import (
    blobs,
    central,
    curvature,
    plain_loop,
    planted,
    random_problem,
    refuses,
    relative_error,
    thetas,
)

from lingrok import (
    Dataset,
    FastForwardError,
    collocation,
    fast_forward,
    gradient_descent,
    minimiser,
    rotated,
    sample_standard,
)
from lingrok import fastforward as module
from lingrok._threads import ThreadedRows
from lingrok.losses import EXPONENTIAL, HINGE, LOGISTIC, SQUARED, SQUARED_HINGE, polynomial
from lingrok.problem import Problem
from lingrok.rules import Adam, GradientDescent, HeavyBall, Nesterov


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


@pytest.mark.parametrize("seed", [1, 2])
def test_late_iterates_keep_the_default_tolerance_and_are_those_of_exact_arithmetic(seed):
    data = sample_standard(1000, 1000, sv_pos=350, sv_neg=250, seed=seed)
    fast, fine = fast_forward(data, 10**16), fast_forward(data, 10**16, rtol=1e-12)
    assert fast.error_estimate.max() <= 1e-8
    assert np.all(relative_error(fast, thetas(fine)) <= fast.error_estimate)
    # Other roundings everywhere, of data and of margins up to 1e5 whose terms cancel
    turned = rotated(data, seed=seed)
    turn = np.linalg.lstsq(data.X, turned.X)[0]
    other = fast_forward(turned, 10**16, rtol=1e-12)
    error = relative_error(fine, np.c_[other.w @ turn.T, other.b])
    assert np.all(error <= 1e-12)
    # Where a walk would stand still: a step is below half a unit in the last place
    last = fine.w[-1] - fine.w[fine.steps <= 9 * 10**15][-1]
    assert np.all(last < 1e15 * np.spacing(fine.w[-1]) / 2)


def test_many_unknowns_are_solved_for_as_few_are(monkeypatch):
    data = planted(200, d=4)
    direct = fast_forward(data, 1e6, rtol=1e-8)
    monkeypatch.setattr(collocation, "_DENSE", 0)
    krylov = fast_forward(data, 1e6, rtol=1e-8)
    monkeypatch.setattr(collocation, "_FEW", 0)
    sparing = fast_forward(data, 1e6, rtol=1e-8)
    assert relative_error(krylov, thetas(direct)).max() < 1e-8
    assert relative_error(sparing, thetas(direct)).max() < 1e-8
    assert sparing.hessian_evaluations < direct.hessian_evaluations / 2


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize(("enough", "hessians", "passes"), [(128, 17, 45), (16, 50, 150)])
def test_many_unknowns_cost_few_hessians_and_err_below_the_estimate(  # noqa: PLR0917
    monkeypatch, seed, share, enough, hessians, passes
):
    n, d = 6_000, 50
    data = sample_standard(
        n // 2, n // 2, d=d, sv_pos=int(share / 2 * n), sv_neg=int(share / 2 * n), seed=seed
    )
    with monkeypatch.context() as direct:
        direct.setattr(collocation, "_FEW", 100)
        truth = fast_forward(data, 1e6, rtol=1e-9)
    monkeypatch.setattr("lingrok.problem._SMALL", 0)
    monkeypatch.setattr("lingrok._threads._ENOUGH", enough)  # with 16, Hessians good to a half
    read, pulls = [], ThreadedRows.pulls
    monkeypatch.setattr(
        ThreadedRows, "pulls", lambda self, thetas: read.append(1) or pulls(self, thetas)
    )
    run = fast_forward(data, 1e6, rtol=1e-4)
    error = relative_error(run, thetas(truth))
    assert np.all(error <= run.error_estimate + truth.error_estimate)
    assert run.error_estimate.max() < 1e-4
    assert run.hessian_evaluations <= hessians
    assert len(read) <= passes


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


def test_a_run_that_never_leaves_the_origin_stays_there():
    balanced = Dataset(
        [[1.0], [1.0]], [1, -1]
    )  # where an error relative to its length has no sense
    assert not thetas(fast_forward(balanced, 10**6)).any()


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
        fast_forward(data, 1e6, lr=1.99 / curvature(data, loss=SQUARED), loss=SQUARED)


@pytest.mark.parametrize("rtol", [0, -1e-8, 1e-13, 0.1, np.nan])
def test_refuses_a_tolerance_out_of_range(rtol):
    with refuses("rtol", repr(rtol)):
        fast_forward(planted(40), 100, rtol=rtol)


# Other losses, penalties and momentum


MOTIONS = {
    "l2": {"l2": 1e-3},
    "l2 of both": {"l2": (1e-2, 0.3)},
    "exponential": {"loss": EXPONENTIAL, "lr": 5e-3},
    "squared": {"loss": SQUARED},
    "polynomial": {"loss": polynomial(1), "l2": 1e-6},
    "momentum": {"rule": HeavyBall(1e-2, 0.5)},
    "much momentum": {"rule": HeavyBall(1e-2, 0.9), "loss": polynomial(2)},
    "nearly all": {"rule": HeavyBall(1e-3, 0.97), "l2": 1e-4},
}


@pytest.mark.parametrize("rtol", [1e-4, 1e-8, 1e-11])
@pytest.mark.parametrize("options", MOTIONS.values(), ids=MOTIONS)
def test_leaps_over_other_problems_and_with_momentum(options, rtol):
    data = planted(400)
    fast = fast_forward(data, 20_000, rtol=rtol, **options)
    exact = gradient_descent(data, 20_000, **options)
    error = relative_error(fast, thetas(exact))
    assert np.all(error <= fast.error_estimate)
    assert np.all(error <= rtol + 1e-12)
    assert fast.gradient_evaluations < 20_000 / 6


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_the_estimate_is_a_bound_in_random_problems(seed):
    data, options, _, rtol = random_problem(seed)
    try:
        fast = fast_forward(data, 1_500, rtol=rtol, **options)
    except FastForwardError:
        return
    exact = gradient_descent(data, 1_500, **options)
    assert np.all(relative_error(fast, thetas(exact)) <= fast.error_estimate)


def test_until_the_first_leap_it_is_the_walk_to_the_last_digit():
    data = planted(200)
    for rule in (GradientDescent(0.3), HeavyBall(0.1, 0.9)):
        fast = fast_forward(data, 1e5, rule=rule, checkpoints=[1, 5, 16, 100_000])
        exact = gradient_descent(data, 16, rule=rule, checkpoints=[1, 5, 16])
        np.testing.assert_array_equal(thetas(fast)[:3], thetas(exact))


def test_plain_descent_is_heavy_ball_without_momentum():
    data = planted(200)
    plain = fast_forward(data, 1e6)
    for rule in (GradientDescent(1e-2), HeavyBall(1e-2, 0.0)):
        other = fast_forward(data, 1e6, lr=0.7, rule=rule)  # whose lr counts
        np.testing.assert_array_equal(thetas(other), thetas(plain))


def test_a_penalised_run_ends_at_the_minimiser():
    data = planted(400)
    for loss in (LOGISTIC, EXPONENTIAL, SQUARED, polynomial(1)):
        for l2 in (1e-4, (1e-3, 1e-2)):
            end = minimiser(data, loss=loss, l2=l2)
            for rule in (None, HeavyBall(1e-2, 0.9)):
                run = fast_forward(data, 1e12, loss=loss, l2=l2, rule=rule)
                assert run.w[-1] == pytest.approx(end.w, rel=1e-7)
                assert run.b[-1] == pytest.approx(end.b, rel=1e-7)


@pytest.mark.parametrize(
    ("gradients", "steps", "options"),
    [
        (95, 1e7, {"rtol": 1e-2}),
        (149, 1e7, {"rtol": 1e-4}),
        (201, 1e7, {"rtol": 1e-6}),
        (273, 1e7, {}),
        (573, 1e14, {}),
        (735, 1e10, {"rtol": 1e-11}),  # below, the processor's rounding decides, by a factor of 4
        (303, 1e7, {"l2": 1e-7}),
        (257, 1e7, {"loss": EXPONENTIAL}),
        (672, 1e7, {"rule": HeavyBall(1e-2, 0.9)}),
        (400, 1e7, {"rule": HeavyBall(0.2, 0.5)}),
        (5680, 1e7, {"rule": HeavyBall(1e-2, 0.99)}),
    ],
)
def test_counts_of_gradients_stay(gradients, steps, options):
    data = sample_standard(1000, 1000, sv_pos=350, sv_neg=250, seed=1)
    run = fast_forward(data, steps, **options)
    # What is tuned here is tuned for these; a leap more or less is up to rounding
    assert run.gradient_evaluations == pytest.approx(gradients, rel=0.03)


def test_modes_grow_by_the_eigenvalues_of_a_step():
    for kappa in (0.01, 0.7, 1.8, 2.6):
        step = np.array([[1 + 0.5 - kappa, -0.5], [1, 0]])
        roots = module._roots(np.array([kappa]), 0.5)[:, 0]
        np.testing.assert_allclose(np.sort(roots), np.sort(np.linalg.eigvals(step)), rtol=1e-12)
        reached = [np.linalg.matrix_power(step, t)[0] @ [1, 1] for t in range(200)]
        assert module._worst_growth(np.array([kappa]), 0.5) == pytest.approx(np.abs(reached).max())
    np.testing.assert_allclose(module._roots(np.array([0.3, 1.8]), 0.0), [[0.7, -0.8]])


def test_a_leap_knows_what_an_error_at_its_start_grows_to():
    data, rule = blobs(), HeavyBall(0.2, 0.8)
    motion = collocation.Motion(Problem(data), rule)
    theta = fast_forward(data, 100, rule=rule, checkpoints=[100])
    start = np.append(theta.w[0], theta.b[0])

    def leap(theta):
        interval = collocation.Interval(100, 0.5, theta)
        return collocation.solve(motion, interval, 12, None, 1e-10)

    by_start = central(lambda theta: leap(theta).at(np.array([100 * np.e]))[0], start, 1e-6).T
    assert leap(start).growth == pytest.approx(max(1, np.linalg.norm(by_start, 2)), rel=1e-4)
    assert collocation.Leap(collocation.Interval(1, 1, start), start, 0).growth == 1


def test_curvatures_of_many_unknowns_are_kept_for_the_next_leap_and_the_next_attempt():
    motion = collocation.Motion(Problem(planted(200, d=4)), GradientDescent(1e-2))
    theta, c = np.ones(5), np.zeros((8, 5))

    def some(start, half, near):
        interval = collocation.Interval(start, half, theta)
        known = collocation._few_curvatures(motion, interval, c, near)
        return collocation.Leap(interval, c, 1.0, 1.0, *known)

    first = some(100.0, 1.0, None)
    again = some(100.0, 0.5, first)
    assert motion.problem.hessians == 2
    following = some(100.0 * np.e, 0.5, again)
    assert motion.problem.hessians == 4
    np.testing.assert_array_equal(again.curvatures, first.curvatures)
    np.testing.assert_array_equal(following.curvatures[0], first.curvatures[0])
    at = np.log(100) + np.array([1, 2, 1.5, 2])
    np.testing.assert_allclose([*again.knots, *following.knots[1:]], at)


def test_a_bar_counts_decades(monkeypatch):
    bars = []

    class Bar(module.tqdm):
        def __init__(self, **options):
            super().__init__(**options)
            bars.append(self)

    monkeypatch.setattr(module, "tqdm", Bar)
    fast_forward(planted(200), 1e6, progress=True)
    assert (bars[0].n, bars[0].total) == (pytest.approx(6), pytest.approx(6))


def test_checks_stability_where_curvature_has_no_bound():
    rng = np.random.default_rng(1)
    data = Dataset(rng.standard_normal((40, 2)), rng.choice([-1.0, 1.0], 40))
    at_zero = curvature(data, loss=EXPONENTIAL)
    run = fast_forward(data, 1e4, lr=0.5 / at_zero, loss=EXPONENTIAL)
    assert run.error_estimate.max() < 1e-8
    with pytest.raises(FastForwardError, match="beyond stability"):
        fast_forward(data, 1e4, lr=2.01 / at_zero, loss=EXPONENTIAL)
    # Stable at margins 0, and no longer where one class has pushed the other's points far out
    skew = Dataset([[1.0], [1.0], [1.0], [-0.1]], [1, 1, 1, 1])
    lr = 1.9 / curvature(skew, loss=EXPONENTIAL, bias=False)
    with pytest.raises(FastForwardError, match=r"at step \d+ "):
        fast_forward(Dataset(-60 * skew.X, skew.y), 1e4, lr=lr, loss=EXPONENTIAL, bias=False)


def test_a_penalty_counts_towards_stability():
    data = planted(200)
    lr = 1.9 / curvature(data)
    fast_forward(data, 1e4, lr=lr)
    with pytest.raises(FastForwardError, match=r"step 0 .*beyond stability"):
        fast_forward(data, 1e4, lr=lr, l2=0.2 / lr)


def test_momentum_widens_what_is_stable():
    data = planted(200)
    lr = 3.7 / curvature(data)
    with pytest.raises(FastForwardError, match="from 2 on"):
        fast_forward(data, 1e4, lr=lr)
    fast_forward(data, 1e4, rule=HeavyBall(lr, 0.9))
    with pytest.raises(FastForwardError, match=r"from 3\.8 on"):
        fast_forward(data, 1e4, rule=HeavyBall(lr * 1.1, 0.9))


def test_a_run_that_overflows_is_told():
    data = Dataset([[-4.0], [-5.0], [-2.0], [1.0]], [-1, 1, 1, 1])
    lr = 1.9 / curvature(data, loss=EXPONENTIAL)
    with pytest.raises(FastForwardError, match=r"at step \d+ .*no longer finite.* smaller lr"):
        fast_forward(data, 1e4, lr=lr, loss=EXPONENTIAL)


def test_a_curvature_that_overflows_is_told():
    data = Dataset([[0.5, 1.0], [-0.1, -1.3], [0.8, 0.4], [0.3, -0.4]], [1, 1, -1, -1])
    lr = 1.95 * 4 / np.linalg.eigvalsh(data.X.T @ data.X)[-1]
    with pytest.raises(FastForwardError, match=r"at step 16 the curvature .*floats: .* smaller lr"):
        fast_forward(data, 1e4, lr=lr, loss=EXPONENTIAL, bias=False)


@pytest.mark.parametrize("loss", [HINGE, SQUARED_HINGE], ids=repr)
def test_refuses_a_loss_with_kinks(loss):
    with refuses("loss", repr(loss)) as error:
        fast_forward(planted(40), 100, loss=loss)
    assert "gradient_descent" in str(error.value)


@pytest.mark.parametrize(
    "rule",
    [Adam(1e-2), Nesterov(1e-2), GradientDescent(lambda t: 1 / t)],
    ids=["Adam", "Nesterov", "a rate that changes"],
)
def test_refuses_a_rule_that_cannot_be_leapt_over(rule):
    with pytest.raises(ValueError, match=r"rule must be .*HeavyBall .*gradient_desc"):
        fast_forward(planted(40), 100, rule=rule)
