"""Clocks of update rules: against walks of the rules themselves, and what is refused."""

import numpy as np
import pytest

from lingrok import (
    accuracy,
    crossing_time,
    fast_forward,
    gradient_descent,
    rules,
    sample_concentrated,
    sample_standard,
)
from lingrok.nets import Net
from lingrok.nets import train as training
from lingrok.theory.clocks import clock

STEPS = np.unique(np.round(np.geomspace(1, 1e9, 200)).astype(np.int64))


@pytest.fixture(scope="module")
def train():
    return sample_standard(300, 300, sv_pos=100, sv_neg=60, gamma=2e-2, seed=3)


@pytest.fixture(scope="module")
def path(train):
    return fast_forward(train, STEPS[-1], checkpoints=STEPS)


def crossed(steps, distance):
    return crossing_time(steps, distance, 1e-2)


@pytest.mark.parametrize(
    ("rule", "within"),
    [
        (rules.GradientDescent(0.6), 0.01),
        (rules.GradientDescent(lambda t: 0.6 * min(t / 500, 1.0)), 0.01),
        (rules.GradientDescent(lambda t: 1.0 / t**0.1), 0.01),
        (rules.HeavyBall(0.1, 0.9), 0.01),
        (rules.Nesterov(1e-2), 0.02),
        (rules.NormalisedGradient(3e-3), 0.03),
        (rules.RMSprop(1e-3), 0.1),
        (rules.Adam(1e-2), 0.2),
    ],
    ids=["large", "warm", "fading", "heavy", "Nesterov", "normalised", "RMSprop", "Adam"],
)
def test_a_clock_tells_when_the_walk_gets_there(train, path, rule, within):
    walk = gradient_descent(train, 60_000, rule=rule)
    measured = crossed(walk.steps, walk.distance)
    assert 100 < measured < 60_000
    if callable(rule.lr):  # its clock sums up rates step by step
        keep = STEPS < 4 * 10**6
        short = fast_forward(train, 4 * 10**6, checkpoints=STEPS[keep])
        predicted = crossed(clock(short, rule), short.distance)
    else:
        predicted = crossed(clock(path, rule, data=train), path.distance)
    assert predicted == pytest.approx(measured, rel=within)


def test_clocks_increase_and_know_the_rate_of_the_run(train, path):
    fast = fast_forward(train, 10**8, lr=0.1, checkpoints=STEPS[STEPS <= 10**8])
    for rule in (rules.HeavyBall(0.1, 0.9), rules.NormalisedGradient(1e-2), rules.Nesterov(1e-2)):
        here = clock(path, rule, data=train)
        assert (np.diff(here[np.isfinite(here)]) >= 0).all()
        there = clock(fast, rule, lr=0.1, data=train)
        one, other = crossed(here, path.distance), crossed(there, fast.distance)
        assert one == pytest.approx(other, rel=0.02)


def test_a_constant_force_gives_nesterov_the_root(train):
    path = fast_forward(train, 30, checkpoints=np.arange(1, 31), lr=1e-4)
    # So short a run feels the same force throughout
    assert clock(path, rules.Nesterov(1e-4), lr=1e-4)[-1] == pytest.approx(240**0.5, rel=0.02)


def test_normalised_descent_has_the_predicted_accuracy(train, path):
    test = sample_concentrated(1000, 1000, gamma=2e-2, seed=4)
    rule = rules.NormalisedGradient(3e-3)
    walk = gradient_descent(train, 10_000, rule=rule, checkpoints=[1000, 3000, 10_000])
    predicted = np.interp(walk.steps, clock(path, rule, data=train), accuracy(path, test))
    np.testing.assert_allclose(accuracy(walk, test), predicted, atol=0.02)


def test_refuses_what_has_no_clock(train, path):
    for rule in (rules.SignDescent(1e-3), rules.Nesterov(1e-2, 0.9), rules.Adam(lambda _: 1e-3)):
        with pytest.raises(ValueError, match="rule must have a clock"):
            clock(path, rule, data=train)
    with pytest.raises(ValueError, match="data must be given"):
        clock(path, rules.Adam(1e-2))
    with pytest.raises(ValueError, match="rule must be plain descent or HeavyBall with depth > 1"):
        clock(path, rules.Nesterov(1e-2), depth=2)
    with pytest.raises(ValueError, match="depth must be"):
        clock(path, rules.GradientDescent(1e-2), depth=0)


@pytest.mark.parametrize("biases", ["last", "all"])
@pytest.mark.parametrize(("depth", "lr"), [(2, 2e-2), (3, 1e-2)])
def test_a_clock_knows_depth(train, path, depth, lr, biases):
    net = Net(2, (2,) * (depth - 1), "linear", biases)
    run = training(train, net, 30_000, start=net.start(seed=0, balanced=0.1), lr=lr).trajectory()
    measured = crossed(run.steps, run.distance)
    assert 1000 < measured < 30_000
    told = clock(path, rules.GradientDescent(lr), depth=depth)
    keep = np.flatnonzero(np.diff(told, prepend=0.0) > 0)
    assert crossed(told[keep], path.distance[keep]) == pytest.approx(measured, rel=0.05)
