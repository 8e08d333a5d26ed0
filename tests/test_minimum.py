"""Where runs end: the minimum against its conditions, long runs and a general optimiser."""

import numpy as np
import pytest
from problems import SMOOTH, blobs, planted, refuses
from scipy.optimize import minimize

from lingrok import Dataset, fast_forward, flip_labels, gradient_descent, minimiser
from lingrok.losses import EXPONENTIAL, HINGE, LOGISTIC, SQUARED, SQUARED_HINGE
from lingrok.problem import Problem

LOSSES = pytest.mark.parametrize("loss", [*SMOOTH, SQUARED_HINGE], ids=repr)
L2 = pytest.mark.parametrize("l2", [0.1, 1e-4, (0.1, 0.02)])


@LOSSES
@L2
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nothing_nearby_is_lower_and_the_gradient_is_gone(loss, l2, bias, reduction):
    data = blobs(40, 3, positive=0.3)
    settings = {"loss": loss, "l2": l2, "bias": bias, "reduction": reduction}
    found = minimiser(data, **settings)
    problem = Problem(data, **settings)
    theta = np.append(found.w, [found.b] * bias)
    assert found.w.shape == (3,)
    assert (found.b != 0) == bias
    gradient = problem.gradient(theta)
    assert np.linalg.norm(gradient) <= 1e-11 * np.linalg.norm(problem.gradient(0 * theta))
    assert found.gradient == pytest.approx(np.linalg.norm(gradient), abs=1e-13)
    assert found.value == problem.value(theta)
    for away in np.random.default_rng(0).standard_normal((20, len(theta))):
        assert problem.value(theta + 1e-3 * away) > found.value


@LOSSES
def test_a_general_optimiser_finds_nothing_lower(loss):
    problem = Problem(blobs(40, 3), loss=loss, l2=0.01)
    theirs = minimize(problem.value, np.zeros(4), jac=problem.gradient, method="BFGS", tol=1e-9)
    ours = minimiser(blobs(40, 3), loss=loss, l2=0.01)
    assert ours.value <= theirs.fun + 1e-12
    np.testing.assert_allclose([*ours.w, ours.b], theirs.x, atol=1e-5)


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
def test_long_runs_end_there(loss):
    data = planted(200)
    end = minimiser(data, loss=loss, l2=1e-2)
    run = fast_forward(data, 1e7, loss=loss, l2=1e-2, checkpoints=[10**7])
    np.testing.assert_allclose([*run.w[0], run.b[0]], [*end.w, end.b], rtol=1e-9)


def test_kinks_are_no_obstacle_where_the_slope_is_continuous():
    data = planted(200)
    end = minimiser(data, loss=SQUARED_HINGE, l2=1e-2)
    run = gradient_descent(data, 20_000, lr=0.05, loss=SQUARED_HINGE, l2=1e-2, checkpoints=[20_000])
    np.testing.assert_allclose([*run.w[0], run.b[0]], [*end.w, end.b], rtol=1e-9)


def test_labels_that_no_hyperplane_parts_need_no_penalty():
    data = flip_labels(planted(200), 20, seed=0)
    for loss in (LOGISTIC, EXPONENTIAL):
        end = minimiser(data, loss=loss)
        assert end.gradient < 1e-12
        assert np.linalg.norm(end.w) < 10


def test_a_weak_penalty_is_no_obstacle():
    # ||w|| ~ log(1/l2) / margin, far from the start
    data = planted(200)
    norms = [float(np.linalg.norm(minimiser(data, l2=l2).w)) for l2 in (1e-6, 1e-9, 1e-12)]
    assert 10 < norms[0] < norms[1] < norms[2]
    assert minimiser(data, l2=1e-12).gradient < 1e-14


def test_columns_that_say_the_same_are_shared_evenly():
    data = Dataset(np.repeat([[1.0], [-0.5], [0.3]], 2, axis=1), [1, -1, -1])
    w = minimiser(data, loss=SQUARED).w
    assert w[0] == pytest.approx(w[1])


@pytest.mark.parametrize("loss", [LOGISTIC, EXPONENTIAL], ids=repr)
def test_refuses_what_has_no_finite_minimum(loss):
    with refuses("l2", "0.0"):
        minimiser(planted(100), loss=loss)


def touching(seed):
    """Classes parted by a hyperplane that all but two points lie on."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(8, 20)), int(rng.integers(1, 4))
    y = rng.choice([-1.0, 1.0], n)
    X = 10 ** rng.uniform(0, 1.5) * rng.standard_normal((n, d))
    X[:, 0] = np.where(np.arange(n) < n - 2, 0.0, y)
    return Dataset(X, y)


@pytest.mark.parametrize("loss", [one for one in SMOOTH if one is not SQUARED], ids=repr)
def test_weakly_separable_classes_have_no_finite_minimum_either(loss):
    # Curvature on the way there is lost to rounding beside that of the points on the hyperplane
    for seed in range(40):
        with refuses("l2", "0.0"):
            minimiser(touching(seed), loss=loss)


def test_a_flat_bottom_is_a_minimum_where_a_loss_reaches_0():
    end = minimiser(Dataset([[1.0], [10.0]], [1, 1]), loss=SQUARED_HINGE, bias=False)
    assert end.w[0] == pytest.approx(1, rel=1e-12)  # beyond which nothing pulls, nor curves
    assert end.value < 1e-20


def test_whole_newton_steps_that_would_go_round_in_circles_are_cut():
    for seed in range(100):  # over kinks, there and back, in a few of them
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((30, 8)) + rng.normal(0, 1, 8)
        data = Dataset(X, np.where(X @ rng.standard_normal(8) > 0, 1.0, -1.0))
        assert minimiser(data, loss=SQUARED_HINGE, l2=1e-5).gradient < 1e-12


# One class alone, whose b is free
ALONE = Dataset(np.random.default_rng(0).standard_normal((20, 2)), np.ones(20))


@pytest.mark.parametrize("loss", [*SMOOTH, SQUARED_HINGE], ids=repr)
def test_one_class_alone_has_a_minimum_where_b_is_penalised_too(loss):
    if loss in {SQUARED, SQUARED_HINGE}:
        assert minimiser(ALONE, loss=loss, l2=0.1).gradient < 1e-12
        return
    with refuses("l2", "0.1"):
        minimiser(ALONE, loss=loss, l2=0.1)
    assert minimiser(ALONE, loss=loss, l2=(0.1, 0.1)).gradient < 1e-12


@LOSSES
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_minimum_may_be_at_0(loss, l2):
    # Classes that no hyperplane tells apart: gradients at 0 are rounding, and so are steps
    corners = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]) / 3
    data = Dataset(np.repeat(corners, 7, axis=0), np.repeat([1, 1, -1, -1], 7))
    end = minimiser(data, loss=loss, l2=l2)
    np.testing.assert_allclose([*end.w, end.b], 0, atol=1e-14)


def test_refuses_what_newtons_method_cannot_see():
    with refuses("loss", "HINGE"):
        minimiser(planted(100), loss=HINGE, l2=0.1)
    with refuses("l2", "-1"):
        minimiser(planted(100), l2=-1)
