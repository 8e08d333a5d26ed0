"""Nets: gradients against differences, deep linear nets against the hyperplane they amount to."""

from itertools import product

import numpy as np
import pytest

from lingrok import DivergenceError, gradient_descent, nets, rules, sample_standard
from lingrok.nets import Net, NetProblem, train
from lingrok.problem import Problem

BIASES = ("none", "first", "last", "all")


@pytest.fixture(scope="module")
def data():
    return sample_standard(40, 30, sv_pos=8, sv_neg=5, d=3, gamma=0.1, seed=1)


@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("widths", [(), (1,), (4, 3), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("activation", ["linear", "relu"])
def test_the_gradient_is_that_of_the_value(data, activation, widths, biases, monkeypatch):
    monkeypatch.setattr(nets, "_POINTS", 32)  # in three parts
    net = Net(3, widths, activation, biases)
    problem = NetProblem(data, net, l2=0.1)
    theta = np.random.default_rng(0).standard_normal(net.size)
    steps = 1e-5 * np.eye(net.size)
    slopes = [problem.value(theta + step) - problem.value(theta - step) for step in steps]
    np.testing.assert_allclose(problem.gradient(theta), np.array(slopes) / 2e-5, atol=1e-7)
    assert problem.gradients == 1


def test_scores_are_those_of_layers_by_hand(data):
    net = Net(3, (4, 2), "relu", "all")
    theta = np.random.default_rng(0).standard_normal(net.size)
    one, two, three = np.split(theta[:22], [12, 20])
    first, second, last = np.split(theta[22:], [4, 6])
    hidden = np.maximum(data.X @ one.reshape(4, 3).T + first, 0)
    hidden = np.maximum(hidden @ two.reshape(2, 4).T + second, 0)
    np.testing.assert_allclose(net.scores(theta, data.X), hidden @ three + last[0])


@pytest.mark.parametrize("biases", BIASES)
def test_a_deep_linear_net_is_a_hyperplane(data, biases):
    net = Net(3, (4, 2), "linear", biases)
    theta = np.random.default_rng(0).standard_normal(net.size)
    w, b = net.hyperplane(theta)
    np.testing.assert_allclose(net.scores(theta, data.X), data.X @ w + b)
    assert (b == 0) == (biases == "none")


def test_without_hidden_layers_it_is_descent_on_the_hyperplane(data):
    net = Net(3, (), "linear", "last")
    plain = gradient_descent(data, 500, rule=rules.Adam(1e-2, weight_decay=0.1))
    run = train(data, net, 500, start=np.zeros(4), rule=rules.Adam(1e-2, weight_decay=0.1))
    there = run.trajectory()
    np.testing.assert_allclose(there.w, plain.w, rtol=1e-12)
    np.testing.assert_allclose(there.b, plain.b, rtol=1e-12)
    assert run.gradient_evaluations == plain.gradient_evaluations == 500
    np.testing.assert_array_equal(there.steps, plain.steps)


def test_biases_in_layers_move_the_bias_as_derived(data):
    net = Net(3, (4, 2), "linear", "all")
    theta = np.random.default_rng(0).standard_normal(net.size)
    w, b = net.hyperplane(theta)
    *force, push = -Problem(data).gradient(np.append(w, b))
    step = -1e-6 * NetProblem(data, net).gradient(theta)
    moved = (net.hyperplane(theta + step)[1] - net.hyperplane(theta - step)[1]) / 2e-6
    (one, two, three), (first, second, _) = net.layers(theta)
    # What a layer's output counts for, what comes into it of the inputs, and of the biases
    layers = [(three @ two, np.eye(3), np.zeros(3)), (three, one, first),
              (np.ones(1), two @ one, two @ first + second)]  # fmt: skip
    told = sum(
        np.sum(out**2) * ((1 + c @ c) * push + c @ (into @ force) * (k > 0))
        for k, (out, into, c) in enumerate(layers)
    )
    assert moved == pytest.approx(told, rel=1e-6)
    assert abs(told) > 2 * abs(push)  # it was push with a bias at the output only


def test_layers_stay_balanced(data):
    net = Net(3, (4, 2), "linear", "last")
    start = net.start(seed=0, balanced=0.5)
    assert np.linalg.norm(net.hyperplane(start)[0]) == pytest.approx(0.5)
    run = train(data, net, 2000, start=start, lr=1e-2)
    assert np.linalg.norm(run.trajectory().w[-1]) > 1
    weights, _ = net.layers(run.thetas[-1])
    given = net.hyperplane(net.start(seed=0, balanced=0.5, along=[0, 3, 4]))[0]
    np.testing.assert_allclose(given, [0, 0.3, 0.4], atol=1e-12)
    sizes = [np.linalg.norm(one) for one in weights]
    assert max(sizes) / min(sizes) == pytest.approx(1, abs=2e-3)


def test_starts_are_drawn_as_he_says():
    net = Net(3, (200, 300), "relu", "all")
    for scale in (1.0, 0.1):
        weights, biases = net.layers(net.start(seed=3, scale=scale))
        for one in weights[:2]:
            assert one.std() == pytest.approx(scale * (2 / one.shape[1]) ** 0.5, rel=0.1)
        assert not any(np.any(one) for one in biases)
    np.testing.assert_array_equal(net.start(seed=3), net.start(seed=3))
    assert (net.start(seed=3) != net.start(seed=4)).any()


def test_a_penalty_shortens_weights_and_not_biases(data):
    net = Net(3, (5,), "relu", "all")
    problem, free = NetProblem(data, net, l2=0.3), NetProblem(data, net)
    theta = np.random.default_rng(0).standard_normal(net.size)
    added = problem.gradient(theta) - free.gradient(theta)
    np.testing.assert_allclose(added[: net.weights], 0.3 * theta[: net.weights], atol=1e-12)
    assert not added[net.weights :].any()


def test_accuracies_are_those_of_scores(data):
    net = Net(3, (8,), "relu", "all")
    run = train(data, net, 300, start=net.start(seed=0), lr=0.1, checkpoints=[1, 300])
    right = [np.mean(np.sign(net.scores(theta, data.X)) == data.y) for theta in run.thetas]
    np.testing.assert_allclose(run.accuracy(data), right)
    assert right[1] > 0.9 > right[0]


def test_divergence_is_said(data):
    net = Net(3, (8,), "relu", "all")
    with pytest.raises(DivergenceError, match="at step"):
        train(data, net, 1000, start=1e3 * net.start(seed=0), lr=1e300)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"d": 0}, "d must be"),
        ({"widths": 64}, "widths must be a tuple"),
        ({"widths": (4, 0)}, "widths must be"),
        ({"activation": "tanh"}, "activation must be one of 'relu', 'linear'"),
        ({"biases": "some"}, "biases must be one of"),
    ],
    ids=str,
)
def test_refuses_nets_that_are_none(wrong, says):
    with pytest.raises(ValueError, match=says):
        Net(**{"d": 2} | wrong)


def test_refuses_what_does_not_fit(data):
    net = Net(3, (4,), "relu", "all")
    with pytest.raises(ValueError, match="net must have d = 3 inputs"):
        NetProblem(data, Net(2))
    with pytest.raises(ValueError, match="start must have the shape"):
        train(data, net, 10, start=np.zeros(3))
    with pytest.raises(ValueError, match="l2 must be"):
        train(data, net, 10, start=net.start(seed=0), l2=-1.0)
    with pytest.raises(ValueError, match="activation must be 'linear'"):
        net.hyperplane(net.start(seed=0))
    for along in ([1.0, 2.0], [0.0, 0.0, 0.0]):
        with pytest.raises(ValueError, match="along must be a direction of 3 numbers"):
            net.start(seed=0, balanced=0.1, along=along)
    for name, value in product(("scale", "balanced"), (0.0, -1.0)):
        with pytest.raises(ValueError, match=f"{name} must be"):
            net.start(seed=0, **{name: value})
