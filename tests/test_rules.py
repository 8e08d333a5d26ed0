"""Update rules: a table of textbook loops, what holds for all of them, and batches."""

import functools
import itertools

import numpy as np
import pytest
from problems import blobs, planted, refuses, relative_error, thetas

from lingrok import Dataset, DivergenceError, fast_forward, gradient_descent
from lingrok.descent import Batches
from lingrok.losses import EXPONENTIAL, HINGE, LOGISTIC, SQUARED
from lingrok.problem import Problem
from lingrok.rules import (
    Adam,
    GradientDescent,
    HeavyBall,
    Nesterov,
    NormalisedGradient,
    RMSprop,
    SignDescent,
)

# Textbook loops: from a gradient function to one theta after the other. One entry a rule.


def plain(gradient, theta, lr=0.1):
    while True:
        theta = theta - lr * gradient(theta)
        yield theta


def heavy_ball(gradient, theta, lr=0.1, mu=0.9):
    before = theta
    while True:
        theta, before = theta - lr * gradient(theta) + mu * (theta - before), theta
        yield theta


def nesterov(gradient, theta, lr=0.1, mu=None):
    before = theta
    for t in itertools.count(1):
        share = (t - 1) / (t + 2) if mu is None else mu
        ahead = theta + share * (theta - before)
        theta, before = ahead - lr * gradient(ahead), theta
        yield theta


def normalised(gradient, theta, lr=0.1):
    while True:
        theta = theta - lr * gradient(theta) / np.linalg.norm(gradient(theta))
        yield theta


def sign(gradient, theta, lr=0.1):
    while True:
        theta = theta - lr * np.sign(gradient(theta))
        yield theta


def rmsprop(gradient, theta, lr=0.1, rho=0.99, eps=1e-8):
    v = 0
    while True:
        g = gradient(theta)
        v = rho * v + (1 - rho) * g**2
        theta = theta - lr * g / (v**0.5 + eps)
        yield theta


def adam(gradient, theta, *, lr=0.1, b1=0.9, b2=0.999, eps=1e-8, wd=0.0):
    m = v = 0
    decay = np.append(np.full(len(theta) - 1, wd), 0)
    for t in itertools.count(1):
        g = gradient(theta)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        step = (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + eps)
        theta = theta - lr * decay * theta - lr * step
        yield theta


TABLE = [
    (GradientDescent(0.1), plain, {}),
    (HeavyBall(0.1, 0.9), heavy_ball, {}),
    (Nesterov(0.1), nesterov, {}),
    (Nesterov(0.1, momentum=0.5), nesterov, {"mu": 0.5}),
    (NormalisedGradient(0.1), normalised, {}),
    (SignDescent(0.1), sign, {}),
    (RMSprop(0.1), rmsprop, {}),
    (RMSprop(0.1, decay=0.5, epsilon=0.1), rmsprop, {"rho": 0.5, "eps": 0.1}),
    (Adam(0.1), adam, {}),
    (Adam(0.1, betas=(0.5, 0.7), epsilon=0.1), adam, {"b1": 0.5, "b2": 0.7, "eps": 0.1}),
    (Adam(0.1, weight_decay=0.3), adam, {"wd": 0.3}),
]
RULES = [rule for rule, *_ in TABLE]
rules = pytest.mark.parametrize("rule", RULES, ids=repr)
EVERY = range(1, 41)  # from 45 on normalised descent turns at the minimum, on a rounding error


@pytest.mark.parametrize(("rule", "loop", "settings"), TABLE, ids=[repr(one) for one in RULES])
@pytest.mark.parametrize("l2", [0.0, (0.2, 0.05)])
def test_walks_as_the_textbook_says(rule, loop, settings, l2):
    data = blobs(40, 3, positive=0.3)
    problem = Problem(data, l2=l2)
    path = list(itertools.islice(loop(problem.gradient, np.zeros(4), **settings), 40))
    run = gradient_descent(data, 40, rule=rule, l2=l2, checkpoints=EVERY)
    assert relative_error(run, np.array(path)).max() < 1e-12
    assert run.gradient_evaluations == 40


@rules
def test_a_rate_may_depend_on_the_step_which_counts_from_1(rule):
    cls, settings = type(rule), {name: value for name, value in vars(rule).items() if name != "lr"}
    data, asked = blobs(40, 3), []

    def rate(t):
        asked.append(t)
        return 0.1 if t <= 5 else 0.0

    run = gradient_descent(data, 10, rule=cls(rate, **settings), checkpoints=range(1, 11))
    whole = gradient_descent(data, 5, rule=rule, checkpoints=range(1, 6))
    np.testing.assert_array_equal(thetas(run)[:5], thetas(whole))
    assert {*asked} == {*range(1, 11)}
    if not isinstance(rule, Nesterov):  # which still swings
        np.testing.assert_array_equal(run.w[5:], np.tile(run.w[4], (5, 1)))


@rules
def test_a_bias_that_is_not_learned_stays_0(rule):
    run = gradient_descent(blobs(30, 2), 50, rule=rule, bias=False)
    assert not run.b.any()
    assert run.w.all()


@rules
def test_settings_tell_rules_apart(rule):
    assert [other for other in RULES if other == rule] == [rule]
    assert len({other.identity([1, 2]) for other in RULES}) == len(RULES)
    assert eval(repr(rule)) == rule


def test_a_schedule_is_known_by_its_rates():
    one, other = GradientDescent(lambda t: 1 / t), GradientDescent(lambda t: 2 / t)
    same = GradientDescent(lambda t: 1 / max(t, 1))
    assert one.identity([1, 5]) == same.identity([1, 5]) != other.identity([1, 5])
    names = {HeavyBall(one.lr, momentum).identity([1, 5]) for momentum in (0.5, 0.9)}
    assert len(names) == 2
    assert Adam(one.lr).identity([1]) != Adam(one.lr, betas=(0.5, 0.9)).identity([1])


def test_decay_is_of_w_only():
    data = blobs(40, 3)
    free = gradient_descent(data, 1, rule=Adam(0.1))
    decayed = gradient_descent(data, 2, rule=Adam(0.1, weight_decay=2.0), checkpoints=[1, 2])
    np.testing.assert_array_equal(thetas(decayed)[0], thetas(free)[0])  # nothing there to decay
    after = gradient_descent(data, 2, rule=Adam(0.1), checkpoints=[1, 2])
    np.testing.assert_allclose(decayed.w[1], after.w[1] - 0.2 * after.w[0], rtol=1e-12)
    assert decayed.b[1] == after.b[1]
    np.testing.assert_array_equal(  # and there may be no bias at all
        gradient_descent(data, 9, rule=Adam(0.1, weight_decay=2.0), bias=False).b, 0
    )


def test_nesterovs_schedule_on_a_quadratic_is_the_recursion_of_its_modes():
    # (1 - z)^2 in one dimension: theta* - theta follows a scalar recursion with the curvature h
    data = blobs(30, 1)
    problem = Problem(data, loss=SQUARED, bias=False)
    h = problem.hessian(np.zeros(1))[0, 0]
    best = -problem.gradient(np.zeros(1))[0] / h
    lr = 0.3 / h
    run = gradient_descent(
        data, 200, rule=Nesterov(lr), loss=SQUARED, bias=False, checkpoints=range(1, 201)
    )
    last, now = -best, -best
    for t in range(1, 201):
        mu = (t - 1) / (t + 2)
        last, now = now, (1 - lr * h) * ((1 + mu) * now - mu * last)
        assert run.w[t - 1, 0] - best == pytest.approx(now, abs=1e-12 * abs(best))
    assert abs(now) < 1e-3 * abs(best)


def test_momentum_0_is_plain_descent():
    data = planted(200)
    truth = thetas(gradient_descent(data, 100, lr=0.1))
    for rule in (HeavyBall(0.1, 0), Nesterov(0.1, momentum=0)):
        np.testing.assert_array_equal(thetas(gradient_descent(data, 100, rule=rule)), truth)


def test_a_gradient_of_0_moves_nothing():
    zero = np.zeros(3)
    for rule in (NormalisedGradient(0.1), SignDescent(0.1), Adam(0.1), RMSprop(0.1)):
        state = rule.step(1, rule.start(np.ones(3), 2), zero)
        np.testing.assert_array_equal(state[0], np.ones(3))


@rules
def test_a_step_leaves_the_state_before_as_it_was(rule):
    state = rule.start(np.arange(4.0), 3)
    for t in (1, 2):
        kept = [array.copy() for array in state]
        after = rule.step(t, state, np.array([1.0, -2.0, 0.5, 3.0]))
        for array, copy in zip(state, kept, strict=True):
            np.testing.assert_array_equal(array, copy)
        state = after


# Batches


def rows_of(data, steps, batch, **options):
    """Which rows each step of a run asks for."""
    seen = []

    class Watched(Problem):
        def batch_gradient(self, theta, rows):
            seen.append(rows.copy())
            return super().batch_gradient(theta, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lingrok.descent.Problem", Watched)
        gradient_descent(data, steps, batch=batch, **options)
    return seen


def test_an_epoch_goes_through_all_points_in_an_order_of_its_own():
    seen = rows_of(blobs(10, 2), 12, 3, seed=4)
    assert [len(rows) for rows in seen] == [3, 3, 3, 1] * 3
    epochs = [np.concatenate(seen[i : i + 4]) for i in (0, 4, 8)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(10))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_with_replacement_every_batch_is_drawn_from_all():
    seen = rows_of(blobs(10, 2), 4000, 3, replace=True, seed=4)
    assert {len(rows) for rows in seen} == {3}
    counts = np.bincount(np.concatenate(seen), minlength=10)
    assert np.abs(counts - 1200).max() < 5 * 1200**0.5
    assert any(len({*rows}) < 3 for rows in seen)


def test_a_seed_is_a_run_and_another_seed_another():
    data = blobs(30, 2)
    run = functools.partial(gradient_descent, data, 100, batch=7)
    np.testing.assert_array_equal(thetas(run(seed=1)), thetas(run(seed=1)))
    assert (thetas(run(seed=1))[-1] != thetas(run(seed=2))[-1]).all()
    assert (thetas(run(seed=1))[-1] != thetas(run(seed=1, replace=True))[-1]).all()
    few = run(seed=1, checkpoints=[13, 100])
    every = run(seed=1, checkpoints=range(1, 101))
    np.testing.assert_array_equal(thetas(few), thetas(every)[[12, 99]])


def test_a_step_has_its_batch_whatever_was_asked_before():
    batches = Batches(blobs(30, 2), 7, replace=False, seed=1)
    ahead = [batches(t) for t in range(1, 16)]
    for t in reversed(range(1, 16)):  # the search for the step of a divergence goes back
        np.testing.assert_array_equal(batches(t), ahead[t - 1])


def test_a_batch_of_all_points_is_the_whole_gradient():
    data = blobs(30, 2)
    run = gradient_descent(data, 100, batch=30, seed=0)
    assert relative_error(run, thetas(gradient_descent(data, 100))).max() < 1e-12


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_batch_stands_for_all_points(reduction):
    # Over the batches of an epoch, from one theta, gradients average to the whole one
    data = blobs(30, 2)
    ends = [
        thetas(gradient_descent(data, 1, batch=1, replace=True, seed=s, reduction=reduction))[0]
        for s in range(3000)
    ]
    whole = thetas(gradient_descent(data, 1, reduction=reduction))[0]
    error = np.std(ends, axis=0) / 3000**0.5
    assert (np.abs(np.mean(ends, axis=0) - whole) < 5 * error).all()


@pytest.mark.parametrize(
    ("options", "name", "shown"),
    [
        ({"batch": 0, "seed": 0}, "batch", "0"),
        ({"batch": 31, "seed": 0}, "batch", "31"),
        ({"batch": 2.5, "seed": 0}, "batch", "2.5"),
        ({"batch": 3}, "seed", "None"),
        ({"batch": 3, "seed": -1}, "seed", "-1"),
        ({"batch": 3, "seed": 0, "replace": 2}, "replace", "2"),
    ],
)
def test_refuses_batches_that_are_none(options, name, shown):
    with refuses(name, shown):
        gradient_descent(blobs(30, 2), 10, **options)


# Runs that stop, and runs that diverge


class StopError(Exception):
    """In place of a kill."""


@rules
@pytest.mark.parametrize("loss", [LOGISTIC, HINGE], ids=repr)
@pytest.mark.parametrize("batch", [{}, {"batch": 7, "seed": 3}], ids=["all", "batches"])
def test_a_stopped_run_ends_like_one_that_was_not(rule, loss, batch, tmp_path, monkeypatch):
    monkeypatch.setattr("lingrok._state._SECONDS", 0.0)
    data, settings = blobs(30, 2), {"rule": rule, "loss": loss, **batch}
    whole = gradient_descent(data, 40, **settings)
    run = functools.partial(gradient_descent, data, 40, state=tmp_path / "run.npz", **settings)
    step = type(rule).step
    for stop in (5, 9, 31):  # within epochs of 5 batches, and at their ends

        def stopping(self, t, state, gradient, stop=stop):
            if t > stop:
                raise StopError
            return step(self, t, state, gradient)

        monkeypatch.setattr(type(rule), "step", stopping)
        with pytest.raises(StopError):
            run()
    monkeypatch.setattr(type(rule), "step", step)
    resumed = run()
    np.testing.assert_array_equal(thetas(resumed), thetas(whole))
    assert resumed.gradient_evaluations == whole.gradient_evaluations == 40


@pytest.mark.parametrize(
    "other",
    [
        {"rule": HeavyBall(0.1, 0.5)},
        {"rule": HeavyBall(lambda t: 0.1 / t, 0.9)},
        {"rule": GradientDescent(0.1)},
        {"loss": EXPONENTIAL},
        {"l2": 1e-3},
        {"batch": 8},
        {"seed": 4},
        {"replace": True},
        {"batch": None, "seed": None},
    ],
)
def test_refuses_the_state_of_another_run(other, tmp_path):
    mine = {"rule": HeavyBall(0.1, 0.9), "batch": 7, "seed": 3, "state": tmp_path / "run.npz"}
    gradient_descent(blobs(30, 2), 20, **mine)
    with pytest.raises(ValueError, match="belong to this run"):
        gradient_descent(blobs(30, 2), 20, **mine | other)


@pytest.mark.parametrize("rule", [GradientDescent(1e3), HeavyBall(1e3, 0.9), Nesterov(1e3)])
@pytest.mark.parametrize("batch", [{}, {"batch": 7, "seed": 3}], ids=["all", "batches"])
@pytest.mark.filterwarnings("error")
def test_a_run_that_diverges_says_at_which_step_and_what_to_do(rule, batch):
    data = blobs(30, 2)
    with pytest.raises(DivergenceError, match=r"smaller lr") as error:
        gradient_descent(data, 10_000, rule=rule, loss=SQUARED, **batch)
    step = int(str(error.value).split("at step ")[1].split()[0])
    assert 50 < step < 1000
    last = gradient_descent(data, step - 1, rule=rule, loss=SQUARED, **batch)
    assert np.isfinite(thetas(last)).all()
    for part in (repr(rule), "SQUARED"):
        assert part in str(error.value)


def test_0_over_0_ends_a_run_instead_of_hiding_in_it():
    data = planted(20)
    with pytest.raises(DivergenceError, match="epsilon above 0"):
        gradient_descent(data, 10, rule=RMSprop(lambda _: 0.1, epsilon=0), loss=Flat())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "rule", [RMSprop(1.0, decay=0, epsilon=0), Adam(1.0, betas=(0, 0), epsilon=0)], ids=repr
)
def test_a_division_by_a_square_that_is_0_ends_a_run_without_a_warning(rule):
    # At margins of 372 the gradient is 1e-162, and its square is 0
    with pytest.raises(DivergenceError, match="epsilon above 0"):
        gradient_descent(TWO, 1000, rule=rule, bias=False)


@pytest.mark.parametrize("rule", [Adam(1.0), RMSprop(1.0)], ids=repr)
def test_a_mean_of_squares_that_overflows_does_not_pass_for_convergence(rule):
    wide = Dataset([[500.0], [-400.0]], [1, 1])  # pulls exp(400), whose square is infinite
    with pytest.raises(DivergenceError, match=r"at step 2 .*memory .*bounded slope"):
        gradient_descent(wide, 100, rule=rule, loss=EXPONENTIAL, bias=False)


def test_normalised_descent_goes_on_where_squares_underflow():
    run = gradient_descent(TWO, 700, rule=NormalisedGradient(1.0), bias=False)
    assert run.w[-1, 0] == pytest.approx(700, rel=1e-12)
    (far,) = NormalisedGradient(0.5).step(1, (np.zeros(2),), np.array([3e200, -4e200]))
    np.testing.assert_allclose(far, [-0.3, 0.4], rtol=1e-15)
    (near,) = NormalisedGradient(0.5).step(1, (np.zeros(2),), np.array([3e-310, -4e-310]))
    np.testing.assert_allclose(near, [-0.3, 0.4], rtol=1e-12)


TWO = Dataset([[1.0], [-1.0]], [1, -1])


class Flat(type(HINGE)):
    """Pulls nowhere."""

    def slope(self, z, out=None):
        return np.multiply(z, 0.0, out=out)


# Bad input


@pytest.mark.parametrize("lr", [0, -1.0, np.nan, np.inf, "0.1", None, 1j])
@pytest.mark.parametrize("cls", [GradientDescent, SignDescent, Adam, Nesterov])
def test_refuses_a_rate_that_is_none(cls, lr):
    with refuses("lr", repr(lr)):
        cls(lr)


@pytest.mark.parametrize(
    ("make", "name", "shown"),
    [
        (lambda: HeavyBall(0.1, 1.0), "momentum", "1.0"),
        (lambda: HeavyBall(0.1, -0.1), "momentum", "-0.1"),
        (lambda: HeavyBall(0.1, None), "momentum", "None"),
        (lambda: HeavyBall(0.1, abs), "momentum", repr(abs)),
        (lambda: Nesterov(0.1, momentum=1.0), "momentum", "1.0"),
        (lambda: Nesterov(0.1, momentum=np.nan), "momentum", "nan"),
        (lambda: RMSprop(0.1, decay=1), "decay", "1"),
        (lambda: RMSprop(0.1, epsilon=-1e-8), "epsilon", "-1e-08"),
        (lambda: Adam(0.1, betas=(0.9, 1.0)), "betas", "1.0"),
        (lambda: Adam(0.1, betas=(-0.1, 0.9)), "betas", "-0.1"),
        (lambda: Adam(0.1, betas=0.9), "betas", "0.9"),
        (lambda: Adam(0.1, betas=(0.9,)), "betas", "(0.9,)"),
        (lambda: Adam(0.1, epsilon=np.nan), "epsilon", "nan"),
        (lambda: Adam(0.1, weight_decay=-1), "weight_decay", "-1"),
    ],
)
def test_refuses_settings_out_of_range(make, name, shown):
    with refuses(name, shown):
        make()


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(lambda t: np.nan if t == 3 else 0.1, "nan"), (lambda t: 0.1 - 0.05 * t, "-0.05"),
     (lambda _: "fast", "'fast'"), (lambda t: np.inf * t, "inf")],
)  # fmt: skip
def test_refuses_a_rate_that_is_none_at_some_step(rate, shown):
    for rule in (GradientDescent(rate), Adam(rate), HeavyBall(rate, 0.9)):
        with pytest.raises(ValueError, match=rf"lr\(\d\) must be .*{shown}"):
            gradient_descent(blobs(30, 2), 10, rule=rule)


@pytest.mark.parametrize(
    ("options", "name", "shown"),
    [
        ({"rule": "adam"}, "rule", "'adam'"),
        ({"rule": Adam}, "rule", repr(Adam)),
        ({"loss": "hinge"}, "loss", "'hinge'"),
        ({"loss": np.exp}, "loss", repr(np.exp)),
        ({"l2": -1.0}, "l2", "-1.0"),
    ],
)
@pytest.mark.parametrize("descend", [gradient_descent, fast_forward])
def test_refuses_what_is_no_rule_or_loss(descend, options, name, shown):
    with refuses(name, shown):
        descend(blobs(30, 2), 10, **options)
