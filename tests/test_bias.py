"""Who pulls the bias, and where it would rest, against gradients and closed forms."""

import numpy as np
import pytest
from problems import blobs, hand_made, planted, refuses
from scipy.special import expit

from lingrok import (
    Dataset,
    bias_equilibrium,
    bias_limit,
    bias_pull,
    fast_forward,
    gradient_descent,
    pull_phases,
)
from lingrok.problem import Problem


def along(data: Dataset, lengths, b) -> object:
    """Hyperplanes with the true separator's direction, of the given lengths and biases."""
    return hand_made(1 + np.arange(len(lengths)), np.outer(lengths, data.w_true), b)


def test_pulls_add_up_to_the_gradient():
    data = blobs(60, 3, positive=0.3)
    run = gradient_descent(data, 50, lr=0.5)
    pull = bias_pull(run, data, support=[0, 5, 59])
    for i, (w, b) in enumerate(zip(run.w, run.b, strict=True)):
        step = -Problem(data).gradient(np.append(w, b))[-1]
        assert pull.support[i] + pull.population[i] == pytest.approx(step, abs=1e-15)
    z = data.y[:, None] * (data.X @ run.w.T + run.b)
    size = expit(-z)
    assert pull.magnitude == pytest.approx(size.mean(axis=0))
    assert pull.share == pytest.approx(size[[0, 5, 59]].sum(axis=0) / size.sum(axis=0))
    assert pull.support == pytest.approx(data.y[[0, 5, 59]] @ size[[0, 5, 59]] / data.n)


def test_chunks_change_nothing(monkeypatch):
    data = planted()
    run = fast_forward(data, 1e4)
    whole = bias_pull(run, data)
    monkeypatch.setattr("lingrok.theory.bias.SCORES", 7 * len(run.steps))
    chunked = bias_pull(run, data)
    for name in ("support", "population", "share", "magnitude"):
        assert getattr(chunked, name) == pytest.approx(getattr(whole, name), rel=1e-12, abs=1e-15)


def test_the_support_is_found_where_it_is_not_given():
    data = planted(400)
    run = fast_forward(data, 1e4)
    given, found = bias_pull(run, data, support=np.r_[:70, 200:250]), bias_pull(run, data)
    assert np.array_equal(given.share, found.share)
    assert found.share[0] == pytest.approx(120 / 400, rel=0.02)


def test_no_pull_is_left_where_floats_end():
    data = planted(40)
    pull = bias_pull(along(data, [1e7], [0.0]), data, support=[0])
    assert (pull.share[0], pull.magnitude[0]) == (0, 0)


def test_phases_meet_where_half_is_the_supports_and_at_the_peak():
    data = planted(400)
    run = fast_forward(data, 1e7)
    pull = bias_pull(run, data)
    meet = pull_phases(run, pull)
    assert pull.share[run.steps < meet.unlearning].max() < 0.5
    assert pull.share[run.steps == meet.unlearning] >= 0.5
    assert meet.generalisation == run.steps[np.argmax(run.distance)]
    short = fast_forward(data, 10)
    never = pull_phases(short, bias_pull(short, data))
    assert (never.unlearning, never.generalisation) == (np.inf, np.inf)


def test_no_net_pull_is_left_at_the_equilibrium():
    data = blobs(80, 3, positive=0.7)
    run = gradient_descent(data, 300, lr=0.5, checkpoints=[1, 30, 300])
    rest = bias_equilibrium(run, data)
    at_rest = hand_made(run.steps, run.w, rest)
    pull = bias_pull(at_rest, data, support=[0])
    assert pull.support + pull.population == pytest.approx(0, abs=1e-12)


def test_equilibria_of_equal_margins_are_logarithms_of_counts():
    X = np.repeat([[1.0], [-1.0]], [30, 10], axis=0)
    data = Dataset(X, X[:, 0].copy(), 2.0)
    lengths = [1e-9, 1.0, 30.0]
    run = along(data, lengths, np.zeros(3))
    exponential = bias_equilibrium(run, data, loss="exponential")
    assert exponential == pytest.approx([np.log(3) / 2] * 3)
    logistic = bias_equilibrium(run, data)
    # Margins near 0: all points pull alike, by 1/2; large ones: the exponential's
    assert logistic[[0, 2]] == pytest.approx([np.log(3), np.log(3) / 2], abs=1e-8)
    assert 30 * expit(-1 - logistic[1]) == pytest.approx(10 * expit(-1 + logistic[1]))


def test_chosen_points_alone_give_the_limit_of_the_planted_counts():
    data = planted(400)
    run = along(data, [1.0, 1e5], np.zeros(2))
    support = np.r_[:70, 200:250]
    rest = bias_equilibrium(run, data, loss="exponential", points=support)
    assert rest == pytest.approx([bias_limit(70, 50)] * 2)


def test_other_labels_pull_the_other_way():
    data = blobs(40, 2, positive=0.3)
    mirror = Dataset(-data.X, -data.y, data.gamma)
    run = hand_made([1, 2], [[0.3, 1.0], [2.0, -1.0]], [0.2, -0.5])
    back = hand_made([1, 2], run.w, -run.b)
    one, other = bias_pull(run, data, support=[3]), bias_pull(back, mirror, support=[3])
    assert other.population == pytest.approx(-one.population)
    assert other.share == pytest.approx(one.share)
    for loss in ("logistic", "exponential"):
        rest = bias_equilibrium(run, data, loss=loss)
        assert bias_equilibrium(back, mirror, loss=loss) == pytest.approx(-rest)


def test_refuses_what_does_not_fit():
    data = planted(40)
    run = hand_made([1], [[1.0, 0.0, 0.0]], [0.0])
    with refuses("data", "got 2"):
        bias_pull(run, data)
    with refuses("data", "got 2"):
        bias_equilibrium(run, data)
    run = along(data, [1.0], [0.0])
    with refuses("loss", "'hinge'"):
        bias_equilibrium(run, data, loss="hinge")
    with refuses("data", "got 3"):
        bias_equilibrium(run, data, points=[0, 1, 2])
    for wrong, shown in (([40], "40"), ([-1], "-1"), ([0.5], "0.5")):
        with refuses("indices", shown):
            bias_pull(run, data, support=wrong)
