"""The mean field against closed forms, limits, its own derivatives, and descent itself."""

import numpy as np
import pytest
from problems import central, refuses
from scipy.integrate import quad, trapezoid
from scipy.optimize import brentq
from scipy.special import expit

from lingrok import (
    Dataset,
    MeanField,
    critical_l2,
    crossing_time,
    ensemble,
    fast_forward,
    gradient_descent,
    mean_field,
    minimiser,
    predicted_accuracy,
    predicted_grokking_time,
    quadrature_curve,
    quadrature_time,
    sample_concentrated,
    sample_standard,
)
from lingrok.losses import (
    EXPONENTIAL,
    HINGE,
    LOGISTIC,
    SQUARED,
    SQUARED_HINGE,
    huber,
    polynomial,
)
from lingrok.rules import HeavyBall
from lingrok.theory.meanfield import System
from lingrok.theory.population import lateral_variance, projections, slice_area
from lingrok.theory.predictions import _Balance, lateral_distribution, plane_accuracy

DIMENSIONS = (1, 2, 3, 16, 256, 1024)
SIGMAS = 4.0  # of what chance may do; seeds are fixed, so a test fails always or never
MEDIAN_SIZE = 0.6744897501960817  # of a normal variable


def only_planted(steps, many=30, few=10, **setting):
    """Every point planted, one dimension: nothing is random, and support vectors are all."""
    setting = {"d": 1, "gamma": 1e-2, "lr": 1.0} | setting
    return mean_field(many, few, steps, sv_pos=many, sv_neg=few, **setting)


# The population


@pytest.mark.parametrize("d", DIMENSIONS)
def test_coordinates_have_the_variance_of_the_cube(d):
    u, weight = projections(d, 1e-6)
    assert weight.sum() == pytest.approx(1, abs=1e-12)
    total = weight @ (u**2 + (d - 1) * lateral_variance(u, d))
    assert total == pytest.approx(25 / 3 * d, rel=2e-4)
    assert weight @ u**2 == pytest.approx(25 / 3, rel=2e-4)


@pytest.mark.parametrize("gamma", [1e-4, 0.5, 4.0])
def test_the_square_has_a_triangle_of_projections_and_segments_across(gamma):
    u, weight = projections(2, gamma)
    height = 5 * np.sqrt(2) - gamma / 2  # density is proportional to 5 sqrt(2) - u
    assert weight @ u == pytest.approx(gamma / 2 + height / 3, rel=1e-9)
    np.testing.assert_allclose(lateral_variance(u, 2), (5 * np.sqrt(2) - u) ** 2 / 3, rtol=1e-9)


@pytest.mark.parametrize("d", [2, 64])
@pytest.mark.parametrize("a", [0.1, 10.0, 1e3, 1e5])
def test_averages_resolve_gamma_and_the_layer_of_points_that_pull(d, a):
    gamma = 1e-4
    u, weight = projections(d, gamma)
    x = gamma / 2 + np.append(0, np.geomspace(1e-9, 5 * np.sqrt(d), 100_001))
    density = slice_area(x, d)
    expected = trapezoid(density * expit(-a * x), x) / trapezoid(density, x)
    assert weight @ expit(-a * u) == pytest.approx(expected, rel=2e-4)


def test_projections_are_those_of_the_samples():
    data = sample_standard(20_000, 1, d=8, gamma=0.7, seed=1)
    sampled = (data.X @ data.w_true)[:-1]
    across = ((data.X[:-1] ** 2).sum(axis=1) - sampled**2) / 7
    u, weight = projections(8, 0.7)
    for values, expected in (
        (sampled, weight @ u),
        (sampled**2, weight @ u**2),
        (across, weight @ lateral_variance(u, 8)),
        (across * sampled, weight @ (u * lateral_variance(u, 8))),
    ):
        assert abs(values.mean() - expected) < SIGMAS * values.std() / np.sqrt(len(values))


# The equations


@pytest.mark.parametrize(("bias", "crowding"), [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize("state", [(0.5, 0.1, 1e-3, 0.4), (60.0, 0.3, 0.08, 12.0)])
@pytest.mark.parametrize("loss", [LOGISTIC, EXPONENTIAL, polynomial(1)])
@pytest.mark.parametrize("l2", [(0.0, 0.0), (1e-2, 2e-2)])
def test_jacobian_is_the_derivative(state, bias, crowding, loss, l2):
    setting = {"d": 128, "gamma": 1e-2, "lr": 0.1, "bias": bias, "crowding": crowding, "loss": loss}
    system = System((1000, 900), (500, 300), l2=l2, **setting)
    state = np.array(state)
    steps = np.diag(1e-4 * state)
    up, down = (system.rates(state + sign * steps)[0] for sign in (1, -1))
    expected = ((up - down) / (2e-4 * state[:, None])).T
    scale = np.abs(expected) + 1e-6 * np.abs(expected).max()
    assert np.abs((system.rates(state[None])[1][0] - expected) / scale).max() < 2e-4


@pytest.mark.parametrize("bias", [True, False])
def test_at_rest_points_hold_themselves_back_by_as_many_directions_as_are_learned(bias):
    """The leverages of a fit add up to its unknowns; the length of w is given here."""
    system = System((300, 200), (100, 60), d=32, gamma=1e-2, lr=1.0, bias=bias)
    state = np.array([250.0, 0.3 * bias, 0.05, 10.0])
    for _ in range(80):
        state[2:] += 0.4 * state[3] * system.rates(state[None])[0][0, 2:]
    near, _, r, _, slope = system.margins(state, system.xi)
    leverage = system.chance @ (1 - 1 / (1 + r * slope))
    assert 500 * system.share[near] @ leverage == pytest.approx(31 + bias, rel=1e-6)


def test_a_penalty_draws_back_all_that_it_falls_on():
    setting = {"d": 32, "gamma": 1e-2, "lr": 0.1, "bias": True}
    state = np.array([60.0, 0.3, 0.08, 12.0])
    free, held = (
        System((200, 100), (50, 30), l2=l2, **setting).rates(state[None])[0][0]
        for l2 in ((0.0, 0.0), (1e-2, 2e-2))
    )
    np.testing.assert_allclose(held - free, -np.array([1, 2, 2, 1]) * 1e-2 * state, rtol=1e-9)


def test_every_margin_solves_its_equation():
    system = System((60, 60), (20, 10), d=40, gamma=1e-2, lr=0.1, bias=True)
    state = np.array([3.0, 0.5, 0.4, 200.0])  # a point holds itself back by up to 500
    xi = np.linspace(-4, 4, 8)
    near, z, _, s, slope = system.margins(state, xi)
    r, spread = (
        system.reaction * 200.0 * system.variance[near],
        np.sqrt(0.4 * system.variance[near]),
    )
    x = 3.0 * system.u[near] + 0.5 * system.y[near] + spread * xi[:, None]
    np.testing.assert_allclose(z, x + r * s, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(z, -np.log(s / (1 - s)), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(slope, s * (1 - s), rtol=1e-12)


def test_the_bias_first_sits_at_the_log_ratio_and_ends_at_half_of_it():
    field = mean_field(1000, 1000, 1e18, sv_pos=300, sv_neg=100, gamma=1e-4)
    assert field.b.max() == pytest.approx(np.log(3), rel=0.02)
    assert field.b[-1] == pytest.approx(np.log(3) / 2, rel=0.01)


def test_late_lateral_length_counts_dimensions_against_support_vectors():
    # Pulls are equal then, and the theory linear: variance of margins (d - 1) / planted points
    field = mean_field(3000, 3000, 1e14, sv_pos=1000, sv_neg=1000, d=21, gamma=1e-3)
    variance = lateral_variance(np.array([5e-4]), 21)[0] * field.lateral[-1] ** 2
    assert variance == pytest.approx(20 / 2000, rel=0.05)
    assert field.b[-1] == 0


def test_swapping_the_classes_mirrors_the_bias():
    one = mean_field(900, 700, 1e8, sv_pos=300, sv_neg=100, d=16)
    other = mean_field(700, 900, 1e8, sv_pos=100, sv_neg=300, d=16)
    np.testing.assert_allclose(other.b, -one.b, rtol=1e-9)
    np.testing.assert_allclose(other.lateral, one.lateral, rtol=1e-9)
    np.testing.assert_allclose(predicted_accuracy(other), predicted_accuracy(one), rtol=1e-9)


def test_without_bias_there_is_none():
    field = mean_field(900, 700, 1e8, sv_pos=300, sv_neg=100, bias=False)
    assert not field.b.any()
    assert not field.b_sd.any()
    assert np.all(np.diff(predicted_accuracy(field)[60:]) > 0)


def test_crowding_is_what_is_new_where_points_are_few():
    crowded = {"n_pos": 200, "n_neg": 200, "sv_pos": 100, "sv_neg": 60, "gamma": 1e-2, "d": 32}
    roomy = crowded | {"n_pos": 20_000, "n_neg": 20_000, "sv_pos": 10_000, "sv_neg": 6000}
    for setting, least, most in ((crowded, 0.1, 0.6), (roomy, 0, 0.01)):
        felt, left_out = (mean_field(steps=1e8, **setting, crowding=on) for on in (True, False))
        change = felt.b[-1] / left_out.b[-1] - 1
        assert least <= change <= most


def test_checkpoints_are_those_of_descent():
    field = mean_field(100, 100, 1e4, checkpoints=[1, 20, 10_000])
    full = mean_field(100, 100, 1e4)
    np.testing.assert_array_equal(field.steps, [1, 20, 10_000])
    assert field.along[-1] == pytest.approx(full.along[-1], rel=1e-9)
    assert field.steps.dtype == full.steps.dtype == np.int64


def test_ends_aloud_where_support_vectors_are_separated_across():
    field = mean_field(600, 600, 1e10, sv_pos=60, sv_neg=40, d=64, gamma=1e-2)
    assert np.isnan(field.along[-1])
    assert np.isfinite(field.along[: len(field.steps) // 2]).all()
    assert np.isnan(field.b_sd[-1])
    widest = np.nanmax(field.lateral) * np.sqrt(lateral_variance(np.array([5e-3]), 64)[0])
    assert 2 < widest <= 3  # standard deviation of the planted margins
    assert np.isnan(predicted_accuracy(field)[-1])
    for by in ("distance", "accuracy"):
        assert np.isnan(predicted_grokking_time(field, eps=0.01, by=by).median)


@pytest.mark.parametrize("loss", [LOGISTIC, EXPONENTIAL, polynomial(1), polynomial(2)], ids=str)
def test_margins_may_spread_further_where_pulls_fall_slower(loss):
    system = System((300, 200), (100, 60), d=32, gamma=1e-2, lr=1.0, bias=True, loss=loss)
    nearest = np.array([20.0])
    fall = -central(lambda z: np.log(loss.slope(z)), nearest, 1e-5)
    spread = np.sqrt(0.5 * system.variance[0])
    left = system.ends(np.array([4000.0, 0.3, 0.5, 1.0]))
    assert 3 - left == pytest.approx(spread * min(1, fall.item()), rel=1e-6)


# Times


@pytest.mark.parametrize("eps", [0, 0.01, 0.2])
@pytest.mark.parametrize(("many", "few"), [(30, 10), (35, 25), (80, 10)])
def test_quadrature_is_the_equations_where_all_points_are_planted(eps, many, few):
    field = only_planted(1e9, many, few)
    law = quadrature_time(eps, n=many + few, sv_pos=many, sv_neg=few, gamma=1e-2, lr=1.0)
    for by, tolerance in (("distance", 2e-3), ("quadrature", 1e-12)):
        time = predicted_grokking_time(field, eps=eps, by=by)
        assert time.median == pytest.approx(law, rel=tolerance)
    assert law == quadrature_time(eps, n=many + few, sv_pos=few, sv_neg=many, gamma=1e-2, lr=1.0)


def test_quadrature_by_another_road():
    n, many, few, gamma, lr = 1000, 350, 250, 1e-3, 1e-2

    def b(m):
        return brentq(lambda b: many * expit(-m - b) - few * expit(b - m), 0, 5, xtol=1e-14)

    last = np.log(2 * many / few - 1) / 2  # eps = 0: |b| = m
    assert b(last) == pytest.approx(last)
    area = quad(lambda m: 1 / (many * expit(-m - b(m)) + few * expit(b(m) - m)), 0, last)[0]
    law = quadrature_time(0, n=n, sv_pos=many, sv_neg=few, gamma=gamma, lr=lr)
    assert law == pytest.approx(4 * n / (lr * gamma**2) * area, rel=1e-9)


@pytest.mark.parametrize(
    ("change", "factor"),
    [({"gamma": 2e-6}, 25), ({"lr": 5e-2}, 0.2), ({"sv_pos": 70, "sv_neg": 50}, 5)],
)
def test_time_scales_like_one_over_rate_margin_squared_and_planted_share(change, factor):
    def times(**setting):
        field = mean_field(1000, 1000, 1e18, **setting)
        ways = ("distance", "quadrature")
        return [predicted_grokking_time(field, eps=0, by=by).median for by in ways]

    base = {"sv_pos": 350, "sv_neg": 250, "gamma": 1e-5, "lr": 1e-2}
    distance, law = np.array(times(**base | change)) / np.array(times(**base))
    assert law == pytest.approx(factor, rel=1e-9)
    assert distance == pytest.approx(factor, rel=0.05)


def test_equal_numbers_leave_nothing_to_wait_for():
    assert quadrature_time(0.1, n=100, sv_pos=20, sv_neg=20, gamma=1e-3) == 0


def hand_made(b, lateral, *, along=100.0, d=2, gamma=1e-3):
    steps = np.arange(1, 1 + len(b))
    flat = np.zeros(len(b))
    covariance = np.zeros((len(b), 3, 3))
    covariance[:, 2, 2] = 2 * lateral**4 / max(d - 1, 1)  # of chi squared
    return MeanField(
        n=100, d=d, sv_pos=1, sv_neg=1, gamma=gamma, lr=1.0, steps=steps, along=flat + along,
        b=np.asarray(b), lateral=flat + lateral, covariance=covariance,
    )  # fmt: skip


@pytest.mark.parametrize("d", [1, 2, 256])
@pytest.mark.parametrize("alpha", [2.0, 10.0, 30.0])
def test_accuracy_without_a_tilt_is_the_overlap_with_the_shell(d, alpha):
    """As in the proof of theorem 4.6: Q = 1 - (|b|/||w|| - gamma/2) / (2 (alpha - 1/2) gamma)."""
    distance = np.array([0.2, 0.5, 0.7, 1.1, 1.9]) * 1e-3
    accuracy = predicted_accuracy(hand_made(100 * distance, 0.0, d=d), alpha=alpha)
    expected = 1 - np.maximum(distance - 5e-4, 0) / (2e-3 * (alpha - 0.5))
    np.testing.assert_allclose(accuracy, expected, atol=0.02 / alpha + 0.01)


def test_a_step_through_the_shell_moves_smoothly():
    """One dimension: no point is spared by a node that stands for many."""
    distance = np.linspace(0.6e-3, 4e-3, 200)
    accuracy = predicted_accuracy(hand_made(100 * distance, 0.0, d=1), alpha=10.0)
    expected = 1 - (distance - 5e-4) / (2e-3 * 9.5)
    np.testing.assert_allclose(accuracy, expected, atol=2e-4)
    assert np.all(np.diff(accuracy) < 0)


def test_accuracy_of_a_tilted_line_is_what_it_cuts_off_the_segments():
    tilt = 1e-4
    field = hand_made([0.0], 100 * tilt)
    median = MEDIAN_SIZE * tilt
    offset = np.linspace(5e-4, 1e-2, 2001)
    expected = np.mean(np.clip(0.5 + offset / (2 * median * 5 * np.sqrt(2)), 0, 1))
    planes = np.ones(2), median * np.array([1, -2]), np.zeros(2)
    one, steeper = plane_accuracy(*planes, d=2, gamma=1e-3, alpha=10.0)
    assert one == pytest.approx(expected, abs=1e-3)
    assert steeper < expected
    assert predicted_accuracy(field)[0] == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("d", [2, 3, 5, 64])
def test_points_of_the_shell_lie_across_as_tabulated(d):
    data = sample_concentrated(20_000, 1, d=d, gamma=1e-2, seed=d)
    direction = np.random.default_rng(d).standard_normal(data.X.shape)
    direction -= np.outer(direction @ data.w_true, data.w_true)
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    across = np.sort(np.einsum("ij,ij->i", data.X, direction))
    across /= np.sqrt(lateral_variance(np.array([0.05]), d))
    below = np.interp(across, *lateral_distribution(d))
    assert np.abs(below - np.linspace(0, 1, len(across))).max() < 0.015


def test_a_time_is_where_the_curve_crosses_and_its_spread_is_ordered():
    field = mean_field(1000, 1000, 1e11, sv_pos=350, sv_neg=250)
    accuracy = predicted_grokking_time(field, eps=0.05)
    distance = predicted_grokking_time(field, eps=0.05, by="distance")
    level = 5e-4 * (1 + 2 * 0.05 * 19)
    assert distance.median == crossing_time(field.steps, field.distance, level)
    planes = field.along, MEDIAN_SIZE * field.lateral, field.b
    curve = 1 - plane_accuracy(*planes, d=2, gamma=1e-3, alpha=10.0)
    assert accuracy.median == pytest.approx(crossing_time(field.steps, curve, 0.05), rel=0.01)
    for time in (accuracy, distance):
        assert time.low < time.median < time.high < 1.5 * time.low
    late = predicted_grokking_time(mean_field(1000, 1000, 1e6, sv_pos=350, sv_neg=250), eps=0.05)
    assert late.median == np.inf


# Descent

# With the length of each run: to the end, or to where the theory holds
SETTINGS = {
    "d=2": {
        "n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 250, "gamma": 1e-3, "steps": 1e10,
    },
    "d=1, unequal classes": {
        "n_pos": 600, "n_neg": 1400, "sv_pos": 300, "sv_neg": 100, "gamma": 1e-2, "d": 1,
        "steps": 1e8,
    },
    "d=16": {
        "n_pos": 800, "n_neg": 400, "sv_pos": 200, "sv_neg": 300, "gamma": 1e-2, "d": 16,
        "steps": 1e8,
    },
    "d=32, five support vectors each": {
        "n_pos": 200, "n_neg": 200, "sv_pos": 100, "sv_neg": 60, "gamma": 1e-2, "d": 32,
        "steps": 1e8,
    },
    "nothing planted": {"n_pos": 1000, "n_neg": 1000, "gamma": 1e-3, "d": 8, "steps": 1e6},
}  # fmt: skip


@pytest.fixture(scope="module", params=SETTINGS)
def compared(request):
    """A setting's ensemble and its mean field."""
    setting = SETTINGS[request.param]
    return ensemble(range(12), **setting), mean_field(**setting)


def test_bias_and_lateral_length_follow_the_theory_within_its_own_spread(compared):
    runs, field = compared
    d, count = field.d, len(runs.seeds)
    decades = [runs.at(step) for step in 10.0 ** np.arange(2, np.log10(runs.steps[-1]) + 0.01)]
    b = np.array([run.b for run in runs.runs])[:, decades]
    sd = np.maximum(field.b_sd[decades], b.std(axis=0, ddof=1))
    assert np.all(np.abs(b.mean(axis=0) - field.b[decades]) < SIGMAS * sd / np.sqrt(count) + 2e-3)
    along = np.array([run.w @ run.w_true for run in runs.runs])
    np.testing.assert_allclose(along.mean(axis=0)[decades], field.along[decades], rtol=0.05)
    if d == 1:
        assert not field.lateral.any()
        return
    square = np.array([run.norm**2 for run in runs.runs]) - along**2
    ratio = square.mean(axis=0)[decades] / field.lateral[decades] ** 2
    # Crowding widens the spread over seeds beyond chi squared, hence the tenth
    assert np.all(np.abs(ratio - 1) < SIGMAS * np.sqrt(2 / ((d - 1) * count)) + 0.1)


def test_concentrated_accuracy_follows_the_theory(compared):
    runs, field = compared
    difference = np.abs(runs.concentrated.mean(axis=0) - predicted_accuracy(field))
    error = runs.concentrated.std(axis=0, ddof=1) / np.sqrt(len(runs.seeds))
    late = field.steps >= 100
    assert np.all(difference[late] < SIGMAS * error[late] + 0.01)


def test_grokking_times_follow_the_theory(compared):
    runs, field = compared
    if not field.sv_pos:
        return
    tolerance = 0.15 if field.d == 32 else 0.05
    for eps in (0, 0.05):
        level = field.gamma / 2 * (1 + 2 * eps * 19)
        measured = [crossing_time(run.steps, run.distance, level) for run in runs.runs]
        predicted = predicted_grokking_time(field, eps=eps, by="distance")
        assert predicted.median == pytest.approx(np.median(measured), rel=tolerance)
    measured = [crossing_time(runs.steps, 1 - curve, 0.05) for curve in runs.concentrated]
    predicted = predicted_grokking_time(field, eps=0.05)
    assert predicted.median == pytest.approx(np.median(measured), rel=2 * tolerance)


@pytest.mark.parametrize(
    ("count", "d", "planted", "steps"),
    [
        (60, 2, (150, 100), [10, 100, 1000, 10_000, 1e5]),
        (60, 24, (150, 100), [10, 100, 1000, 10_000, 1e8]),
        (120, 32, (300, 20), [1e6, 1e7]),  # where the products of lateral averages cancel least
    ],
)
def test_the_spread_over_seeds_is_predicted_too(count, d, planted, steps):
    setting = {"n_pos": 400, "n_neg": 400, "gamma": 1e-2, "d": d}
    setting |= dict(zip(("sv_pos", "sv_neg"), planted, strict=True))
    runs = ensemble(range(count), steps[-1], n_test=2, checkpoints=steps, rtol=1e-4, **setting)
    field = mean_field(steps=steps[-1], checkpoints=steps, **setting)
    ratio = np.array([run.b for run in runs.runs]).std(axis=0, ddof=1) / field.b_sd
    assert np.all(np.abs(np.log(ratio)) < SIGMAS / np.sqrt(2 * count) + 0.1)


@pytest.mark.parametrize("eps", [0.05, 0.2])  # late, and on the bias's plateau
def test_a_tenth_of_the_seeds_are_beyond_each_end_of_a_predicted_time(eps):
    setting = {"n_pos": 500, "n_neg": 500, "sv_pos": 200, "sv_neg": 100, "gamma": 1e-3}
    late = np.geomspace(1e5, 1e10, 60).astype(int)
    runs = ensemble(range(100), 1e10, n_test=20_000, checkpoints=late, rtol=1e-6, **setting)
    field = mean_field(steps=1e10, **setting)
    level = field.gamma / 2 * (1 + 2 * eps * 19)
    for by, times in (
        ("distance", [crossing_time(run.steps, run.distance, level) for run in runs.runs]),
        ("accuracy", [crossing_time(runs.steps, 1 - curve, eps) for curve in runs.concentrated]),
    ):
        predicted = predicted_grokking_time(field, eps=eps, by=by)
        assert 0.02 <= np.mean(np.less(times, predicted.low)) <= 0.22, by
        assert 0.02 <= np.mean(np.greater(times, predicted.high)) <= 0.22, by


def test_where_the_mean_bias_vanishes_a_time_is_right_within_the_noise_of_120_seeds():
    setting = {"n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 350, "gamma": 1e-3}
    late = np.geomspace(1e3, 1e10, 60).astype(int)
    runs = ensemble(range(120), 1e10, n_test=5000, checkpoints=late, rtol=1e-6, **setting)
    field = mean_field(steps=1e10, **setting)
    distances = [crossing_time(run.steps, run.distance, field.gamma / 2) for run in runs.runs]
    accuracies = [crossing_time(runs.steps, 1 - curve, 0.01) for curve in runs.concentrated]
    for times, predicted in (
        (distances, predicted_grokking_time(field, eps=0, by="distance")),
        (accuracies, predicted_grokking_time(field, eps=0.01, n_test=5000)),
    ):
        for q, time in zip((0.1, 0.5, 0.9), vars(predicted).values(), strict=True):
            noise = 2 * np.sqrt(q * (1 - q) / len(times))
            assert abs(np.mean(np.less(times, time)) - q) < noise, (predicted, q)


@pytest.mark.parametrize("d", [1, 2, 32])
@pytest.mark.parametrize("planted", [(200, 200), (200, 195), (195, 200), (1, 1)])
def test_a_predicted_time_is_below_its_high_and_above_its_low_end(d, planted):
    field = mean_field(400, 400, 1e10, sv_pos=planted[0], sv_neg=planted[1], gamma=1e-2, d=d)
    for eps, by in ((0, "distance"), (0.05, "distance"), (0.2, "distance"), (0.05, "accuracy")):
        time = predicted_grokking_time(field, eps=eps, by=by)
        if not np.isnan(time.median):
            assert time.low <= time.median <= time.high, (eps, by, time)


# Refusals

SETTING = {"n_pos": 10, "n_neg": 10, "steps": 100, "sv_pos": 5, "sv_neg": 5}


@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ({"sv_pos": 11}, "sv_pos", "11"),
        ({"sv_neg": -1}, "sv_neg", "-1"),
        ({"n_pos": -1}, "n_pos", "-1"),
        ({"d": 0}, "d", "0"),
        ({"gamma": 0}, "gamma", "0"),
        ({"gamma": 20.0}, "gamma", "20.0"),
        ({"gamma": 1e-101}, "gamma", "1e-101"),
        ({"lr": -0.1}, "lr", "-0.1"),
        ({"bias": "yes"}, "bias", "'yes'"),
        ({"crowding": 2}, "crowding", "2"),
        ({"steps": 0}, "steps", "0"),
        ({"checkpoints": [3, 3]}, "checkpoints", "3 followed by 3"),
    ],
)
def test_mean_field_refuses(wrong, name, value):
    with refuses(name, value):
        mean_field(**SETTING | wrong)


@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ({"eps": 0.5}, "eps", "0.5"),
        ({"eps": -0.1}, "eps", "-0.1"),
        ({"eps": 0, "by": "accuracy"}, "eps", "0"),
        ({"alpha": 0.5}, "alpha", "0.5"),
        ({"by": "luck"}, "by", "'luck'"),
    ],
)
def test_predicted_times_refuse(wrong, name, value):
    with refuses(name, value):
        predicted_grokking_time(mean_field(**SETTING), **{"eps": 0.1} | wrong)


@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ({"n": 0}, "n", "0"),
        ({"sv_neg": 0}, "sv_neg", "0"),
        ({"sv_pos": 101}, "sv_pos", "101"),
        ({"gamma": -1e-3}, "gamma", "-0.001"),
        ({"lr": 0}, "lr", "0"),
    ],
)
def test_the_quadrature_refuses(wrong, name, value):
    with refuses(name, value):
        quadrature_time(0.1, **{"n": 100, "sv_pos": 20, "sv_neg": 10, "gamma": 1e-3} | wrong)


# Other losses, and penalties


OTHERS = [EXPONENTIAL, SQUARED_HINGE, huber(0.3), polynomial(1), SQUARED]


@pytest.mark.parametrize("loss", [LOGISTIC, *OTHERS], ids=str)
def test_one_class_of_planted_points_in_one_dimension_is_descent_itself(loss):
    # No population and nothing random: two groups of points, and two equations
    n_pos, n_neg, gamma, lr, l2 = 30, 10, 0.5, 1e-3, (1e-3, 1e-2)
    field = only_planted(20_000, n_pos, n_neg, gamma=gamma, lr=lr, loss=loss, l2=l2)
    x = np.repeat([gamma / 2, -gamma / 2], [n_pos, n_neg])[:, None]
    data = Dataset(x, np.sign(x[:, 0]), gamma)
    run = gradient_descent(data, 20_000, lr=lr, loss=loss, l2=l2, checkpoints=field.steps)
    late = field.steps > 100
    np.testing.assert_allclose(field.along[late], run.w[late, 0], rtol=0.02)
    np.testing.assert_allclose(field.b[late], run.b[late], rtol=0.02, atol=2e-4)


@pytest.mark.parametrize("loss", OTHERS, ids=str)
def test_predicts_accuracy_under_other_losses(loss):
    setting = {"n_pos": 1000, "n_neg": 1000, "sv_pos": 350, "sv_neg": 250, "gamma": 4e-3}
    field = mean_field(steps=10**9, loss=loss, **setting)
    runs = ensemble(range(12), 10**9, loss=loss, rtol=1e-4, checkpoints=field.steps, **setting)
    off = np.abs(predicted_accuracy(field) - runs.concentrated.mean(axis=0))
    error = runs.concentrated.std(axis=0) / np.sqrt(12)
    assert np.mean(off <= 0.02 + SIGMAS * error) == 1


@pytest.mark.parametrize("loss", OTHERS, ids=str)
def test_every_margin_solves_its_equation_under_other_losses(loss):
    system = System((60, 60), (20, 10), d=40, gamma=1e-2, lr=0.1, bias=True, loss=loss)
    state = np.array([0.5, 0.2, 0.05, 20.0])
    xi = np.linspace(-4, 4, 8)
    near, _, _, s, slope = system.margins(state, xi)
    x = 0.5 * system.u[near] + 0.2 * system.y[near]
    x = x + np.sqrt(0.05 * system.variance[near]) * xi[:, None]
    r = system.reaction * state[3] * system.variance[near]
    pull, curvature = system.pull(x + r * s, system.width[near])
    np.testing.assert_allclose(s, pull, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(slope, curvature, rtol=1e-3, atol=1e-6)


def test_refuses_a_loss_without_curvature():
    with refuses("loss", "HINGE"):
        mean_field(10, 10, 100, loss=HINGE)


@pytest.mark.parametrize("loss", [LOGISTIC, EXPONENTIAL, SQUARED_HINGE, polynomial(1)], ids=str)
def test_law_is_the_mean_field_where_only_support_vectors_count(loss):
    setting = {"sv_pos": 1300, "sv_neg": 700, "gamma": 1e-4, "lr": 1.0}
    law = quadrature_time(0, n=2000, loss=loss, **setting)
    field = mean_field(1300, 700, int(20 * law), d=1, loss=loss, **setting)
    assert predicted_grokking_time(field, eps=0, by="distance").median == pytest.approx(
        law, rel=0.02
    )


@pytest.mark.parametrize("loss", [LOGISTIC, EXPONENTIAL, SQUARED_HINGE, polynomial(2)], ids=str)
@pytest.mark.parametrize("d", [2, 16])
def test_critical_penalty_is_where_the_minimum_passes_the_distance(loss, d):
    setting = {"n_pos": 1000, "n_neg": 1000, "sv_pos": 300, "sv_neg": 150, "gamma": 5e-3, "d": d}
    l2 = critical_l2(0, n=2000, loss=loss, **setting)
    level, ratios = setting["gamma"] / 2, []
    for seed in range(4):
        data = sample_standard(seed=seed, **setting)
        for factor in (0.85, 1.15):
            one = minimiser(data, loss=loss, l2=factor * l2)
            ratios.append(abs(one.b) / np.linalg.norm(one.w) / level)
    assert np.median(ratios[::2]) < 1 < np.median(ratios[1::2])


def test_under_a_critical_penalty_the_mean_field_rests_at_the_distance():
    setting = {"n_pos": 1000, "n_neg": 1000, "sv_pos": 300, "sv_neg": 150, "gamma": 0.1, "d": 64}
    l2 = critical_l2(0, n=2000, **setting)
    field = mean_field(**setting, steps=10**9, l2=(l2, 0.0), checkpoints=[10**9])
    assert field.distance[0] == pytest.approx(0.05, rel=1e-6)


def test_critical_penalty_of_support_vectors_and_its_bounds():
    known = {"n": 2000, "sv_pos": 350, "sv_neg": 250, "gamma": 1e-3}
    law = critical_l2(0, **known)
    assert law == pytest.approx(1.06e-7, rel=0.01)
    assert critical_l2(0.05, **known) > law
    assert critical_l2(0, **known, n_pos=1000, n_neg=1000) == pytest.approx(law, rel=0.03)
    assert critical_l2(0, **known | {"sv_neg": 350}) == np.inf
    assert np.isnan(critical_l2(0.05, **known | {"gamma": 1.0}, n_pos=1000, n_neg=1000))
    with refuses("n_pos", "900"):
        critical_l2(0, **known, n_pos=1000, n_neg=900)
    with refuses("loss", "SQUARED"):
        critical_l2(0, **known, loss=SQUARED)
    with refuses("loss", "SQUARED"):
        quadrature_time(0, **known, loss=SQUARED)


@pytest.mark.parametrize("loss", [LOGISTIC, EXPONENTIAL, polynomial(1), polynomial(2)], ids=str)
@pytest.mark.parametrize(("share", "momentum"), [(0, 0), (0, 0.9), (0.5, 0), (0.99, 0.9)])
def test_the_curve_is_the_walk_of_planted_points(loss, share, momentum):
    many, few, gamma = 35, 25, 1e-3
    known = {"n": 60, "sv_pos": many, "sv_neg": few, "gamma": gamma, "loss": loss}
    l2 = share * critical_l2(0.05, **known)
    known |= {"lr": 0.1 / (1 - momentum), "l2": l2}
    law = quadrature_time(0.05, **known)
    y = np.repeat([1.0, -1.0], [many, few])
    steps = np.unique(np.geomspace(1, 3 * law, 600).astype(np.int64))
    run = fast_forward(
        Dataset(y[:, None] * gamma / 2, y, gamma=gamma), int(steps[-1]), checkpoints=steps,
        loss=loss, l2=l2, rule=HeavyBall(0.1, momentum),
    )  # fmt: skip
    level = gamma / 2 * 2.9  # 1 + 2 * 0.05 * 19
    assert crossing_time(run.steps, run.distance, level) == pytest.approx(law, rel=2e-3)
    margin = run.norm * gamma / 2
    late = margin > 0.05
    found, distance, _ = quadrature_curve(margin[late], **known)
    np.testing.assert_allclose(found, run.steps[late], rtol=1e-4)
    np.testing.assert_allclose(distance * gamma / 2, run.distance[late], rtol=1e-6)


@pytest.mark.parametrize(
    "loss", [LOGISTIC, EXPONENTIAL, SQUARED_HINGE, HINGE, huber(0.3), polynomial(1)], ids=str
)
@pytest.mark.parametrize("planted", [(350, 250), (301, 300), (1000, 10)])
def test_a_penalty_slows_down_until_nothing_moves(loss, planted):
    known = {"n": 2000, "sv_pos": planted[0], "sv_neg": planted[1], "gamma": 1e-3, "loss": loss}
    edge = critical_l2(0.05, **known)
    shares = [0, 1e-9, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6, 1 - 1e-9, 1, 1.5]
    times = np.array([quadrature_time(0.05, **known, l2=share * edge) for share in shares])
    assert times[1] == pytest.approx(times[0], rel=1e-8)
    assert (np.diff(times[:-1]) > 0).all()
    assert np.isinf(times[-2:]).all()
    # A zero of the speed, once more as near: as much again
    assert times[6] - times[5] == pytest.approx(times[5] - times[4], rel=0.01)
    balance = _Balance(0.05, n=2000, planted=planted, gamma=1e-3, alpha=10.0, loss=loss)
    last = balance.margin()

    def slowness(m):
        pull = float(balance.pull(np.array([m]))[0])
        return 1 / (1e-2 * (1e-6 / 4000 * pull - 0.999 * edge * m))

    near = last * (1 - 10.0 ** -np.arange(1, 6))
    area = quad(slowness, 0, last, epsabs=0, epsrel=1e-9, limit=400, points=near)[0]
    assert times[4] == pytest.approx(area, rel=1e-8)


def test_the_curve_ends_where_the_penalty_holds_it():
    known = {"n": 2000, "sv_pos": 350, "sv_neg": 250, "gamma": 1e-3}
    edge = critical_l2(0.05, **known)
    steps, distance, accuracy = quadrature_curve([1e-3, 0.05, 0.12, 1.0], **known, l2=edge / 2)
    assert (np.diff(steps[:3]) > 0).all()
    assert steps[2] < np.inf == steps[3]
    assert distance[2] < 2.9 < distance[1]
    assert 0.5 == accuracy[0] < accuracy[1] < 0.95 < accuracy[2] < accuracy[3] == 1
    steps, distance, accuracy = quadrature_curve([1.0, 2.0], **known | {"sv_pos": 250})
    assert steps[0] > 0
    assert (distance == 0).all()
    assert (accuracy == 1).all()
    # No pull is left beyond a margin of 1
    steps, _, _ = quadrature_curve([0.9, 1.001], **known, loss=SQUARED_HINGE)
    assert steps[0] < np.inf == steps[1]


@pytest.mark.parametrize("d", [1, 2, 300])
def test_the_curves_accuracy_is_that_of_sampled_shells(d):
    known = {"n": 2000, "sv_pos": 350, "sv_neg": 250, "gamma": 0.05, "d": d, "alpha": 20.0}
    _, distance, accuracy = quadrature_curve([0.03, 0.08, 0.2], **known)
    shell = sample_concentrated(50_000, 50_000, d=d, gamma=0.05, alpha=20.0, seed=0)
    projection = (shell.X @ shell.w_true)[:, None]
    measured = ((projection > -distance * 0.025) == (shell.y[:, None] > 0)).mean(axis=0)
    np.testing.assert_allclose(measured, accuracy, atol=4 * 0.5 / np.sqrt(50_000))


def test_the_curve_refuses():
    known = {"n": 100, "sv_pos": 20, "sv_neg": 10, "gamma": 1e-3}
    for wrong, value in (({"margins": [1, 0]}, "0"), ({"d": 0}, "0"), ({"l2": -1}, "-1")):
        with refuses(next(iter(wrong)), value):
            quadrature_curve(**{"margins": [1.0]} | known | wrong)
    with refuses("l2", "-1"):
        quadrature_time(0, **known, l2=-1)
