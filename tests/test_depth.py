"""The law of depth against walks of deep linear nets: stable, at the edge, and unbalanced."""

import numpy as np
import pytest

from lingrok import accuracy, clock, depth_law, fast_forward, rules, sample_concentrated
from lingrok import sample_standard as sample
from lingrok.nets import Net, train

STEPS = np.unique(np.round(np.geomspace(1, 1e8, 160)).astype(np.int64))


@pytest.fixture(scope="module")
def data():
    return sample(300, 300, sv_pos=100, sv_neg=60, gamma=2e-2, seed=3)


@pytest.fixture(scope="module")
def path(data):
    return fast_forward(data, STEPS[-1], checkpoints=STEPS)


def walked(data, lengths, rate, steps):
    """Last two hyperplanes of a net with these lengths at the start, along the first force."""
    net = Net(data.d, (2,) * (len(lengths) - 1), "linear", "last")
    theta = net.start(seed=0, balanced=1.0, along=data.y @ data.X)
    for layer, length in zip(net.layers(theta)[0], lengths, strict=True):
        layer[:] *= length
    run = train(data, net, steps, start=theta, lr=rate, checkpoints=[steps - 1, steps])
    return run, run.trajectory()


def at(law, steps, values):
    return np.interp(steps, law.steps, values)


def norms(law):
    return np.linalg.norm(law.w, axis=1)


@pytest.mark.parametrize(("depth", "rate"), [(2, 2e-3), (3, 1e-3), (4, 1e-3)])
def test_stable_and_balanced_it_is_the_clock(data, path, depth, rate):
    law = depth_law(path, data, rate=rate, lengths=(0.1 ** (1 / depth),) * depth)
    assert law.edge > 1e5
    told = np.interp(norms(law), path.norm, clock(path, rules.GradientDescent(rate), depth=depth))
    late = (law.steps > 1e3) & (law.steps < law.edge)
    assert late.sum() > 20
    np.testing.assert_allclose(law.steps[late], told[late], rtol=0.02)
    assert not law.swing[late].any()
    np.testing.assert_array_equal(law.sides(data)[:, late][0], law.accuracy(data)[late])


@pytest.mark.parametrize(
    ("lengths", "rate"),
    [((0.3, 0.3), 0.1), ((0.3, 0.3), 0.4), ((0.5, 0.5, 0.5), 0.1), ((0.6, 0.6, 0.6, 0.6), 0.03)],
    ids=str,
)
def test_at_the_edge_it_knows_length_and_swing(data, path, lengths, rate):
    law = depth_law(path, data, rate=rate, lengths=lengths)
    assert law.edge < 5_000
    run, planes = walked(data, lengths, rate, 20_000)
    assert at(law, 20_000, norms(law)) == pytest.approx(planes.norm[-1], rel=0.01)
    weights = run.net.layers(run.thetas[-1])[0]
    others = np.prod([np.linalg.norm(one) for one in weights[1:]])
    assert at(law, 20_000, law.others) == pytest.approx(others, rel=0.01)
    swing = np.linalg.norm(planes.w[1] - planes.w[0]) / 2
    assert at(law, 20_000, np.linalg.norm(law.swing, axis=1)) == pytest.approx(swing, rel=0.02)
    # The clock of a stable net would be far ahead
    told = clock(path, rules.GradientDescent(rate), depth=len(lengths))
    assert np.interp(20_000, told, path.norm) > 1.5 * planes.norm[-1]


def test_its_accuracy_has_both_sides_of_the_swing(data, path):
    shell = sample_concentrated(1000, 1000, gamma=2e-2, seed=4)
    law = depth_law(path, data, rate=0.1, lengths=(0.3, 0.3))
    _, planes = walked(data, (0.3, 0.3), 0.1, 20_000)
    both = np.sort([at(law, 20_000, side) for side in law.sides(shell)])
    np.testing.assert_allclose(both, np.sort(accuracy(planes, shell)), atol=0.01)
    assert both[1] - both[0] > 0.002
    np.testing.assert_allclose(law.accuracy(shell), law.sides(shell).mean(axis=0))


@pytest.mark.parametrize(
    ("lengths", "rate", "steps"),
    [((3.0, 0.03), 2e-3, 20_000), ((0.03, 3.0), 2e-3, 20_000), ((0.1, 2.0, 0.5), 2e-3, 20_000)],
    ids=str,
)
def test_it_knows_unbalanced_starts(data, path, lengths, rate, steps):
    law = depth_law(path, data, rate=rate, lengths=lengths)
    run, planes = walked(data, lengths, rate, steps)
    assert law.edge > steps
    assert at(law, steps, norms(law)) == pytest.approx(planes.norm[-1], rel=0.02)
    first = np.linalg.norm(run.net.layers(run.thetas[-1])[0][0])
    assert at(law, steps, law.first) == pytest.approx(first, rel=0.02)
    balanced = (np.prod(lengths) ** (1 / len(lengths)),) * len(lengths)
    other = depth_law(path, data, rate=rate, lengths=balanced)
    assert abs(at(other, steps, norms(other)) / planes.norm[-1] - 1) > 0.04


def test_it_goes_without_a_bias(data):
    path = fast_forward(data, 10**7, checkpoints=STEPS[STEPS <= 10**7], bias=False)
    law = depth_law(path, data, rate=0.1, lengths=(0.3, 0.3), bias=False)
    net = Net(2, (2,), "linear", "none")
    start = net.start(seed=0, balanced=0.09, along=data.y @ data.X)
    planes = train(data, net, 8_000, start=start, lr=0.1, checkpoints=[7_999, 8_000]).trajectory()
    assert law.edge < 5_000
    assert not law.b.any()
    assert at(law, 8_000, norms(law)) == pytest.approx(planes.norm[-1], rel=0.01)
    swing = np.linalg.norm(planes.w[1] - planes.w[0]) / 2
    assert at(law, 8_000, np.linalg.norm(law.swing, axis=1)) == pytest.approx(swing, rel=0.02)


def test_it_swings_where_the_curvature_is_largest():
    data = sample(300, 300, sv_pos=100, sv_neg=60, gamma=2e-2, d=3, seed=3)
    path = fast_forward(data, 10**7, checkpoints=STEPS[STEPS <= 10**7])
    law = depth_law(path, data, rate=0.1, lengths=(0.3, 0.3))
    _, planes = walked(data, (0.3, 0.3), 0.1, 8_000)
    swing = (planes.w[1] - planes.w[0]) / 2
    told = law.swing[np.searchsorted(law.steps, 8_000)]
    assert abs(told @ swing) > 0.99 * np.linalg.norm(told) * np.linalg.norm(swing) > 0
    assert (np.abs(np.sum(law.swing * law.w, axis=1)) < 1e-3 * norms(law)).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rate": 0.0}, "rate must be"),
        ({"lr": -1.0}, "lr must be"),
        ({"lengths": (0.3,)}, "lengths must be those of two layers or more"),
        ({"lengths": (0.3, 0.0)}, "lengths must be"),
        ({"lengths": (1e3, 1e3)}, "lengths must have a product below the run's"),
    ],
    ids=str,
)
def test_refuses_what_is_no_net(data, path, wrong, says):
    with pytest.raises(ValueError, match=says):
        depth_law(path, data, **{"rate": 0.1, "lengths": (0.3, 0.3)} | wrong)
