"""Predicted accuracies under attack: against closed forms, drawn hyperplanes, and runs."""

from dataclasses import replace

import numpy as np
import pytest
from problems import refuses
from scipy.stats import irwinhall

from lingrok import (
    MeanField,
    adversarial_accuracy,
    ensemble,
    mean_field,
    predicted_accuracy,
    predicted_adversarial_accuracy,
    sample_concentrated,
    sample_standard,
)
from lingrok.rounding import FORMULAS, vanishing_margin
from lingrok.theory.adversary import _draws
from lingrok.theory.population import beyond

CUBE = (-5.0, 5.0)
SIGMAS = 4.0  # of what chance may do; seeds are fixed
GRID = 0.004  # what cells and directions leave


def hyperplanes(d, *, along=1.0, b=0.0, lateral=0.0, sd=(0.0, 0.0), gamma=1e-3):
    """A mean field that somebody made up; what is not one number is one a checkpoint."""
    along, b, lateral = np.broadcast_arrays(*np.atleast_1d(along, b, lateral))
    covariance = np.zeros((len(b), 3, 3))
    covariance[:, [0, 1], [0, 1]] = np.square(sd)
    covariance[:, 2, 2] = 2 * lateral**4 / max(d - 1, 1)  # of chi squared
    return MeanField(
        n=2, d=d, sv_pos=0, sv_neg=0, gamma=gamma, lr=1.0, steps=np.arange(1, len(b) + 1),
        along=along, b=b, lateral=lateral, covariance=covariance,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fields():
    planted = {"sv_pos": 60, "sv_neg": 40, "checkpoints": [1, 30, 1000, 10**5, 10**8, 10**10]}
    return {d: mean_field(150, 150, 10**10, d=d, **planted) for d in (1, 2, 5, 20)}


# Closed forms


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_without_an_attack_it_is_the_accuracy(fields, d):
    plain = predicted_accuracy(fields[d], alpha=7.0)
    for kept in (False, True):
        found = predicted_adversarial_accuracy(
            fields[d], epsilon=0, test="concentrated", alpha=7.0, preserve_label=kept
        )
        np.testing.assert_allclose(found, plain, atol=0.01)
        assert np.abs(found - plain).mean() < GRID


@pytest.mark.parametrize("d", [1, 2, 64, 1024])
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0])
def test_the_true_separator_loses_what_is_in_reach_and_nothing_whose_label_is_kept(d, epsilon):
    true = hyperplanes(d, along=[1.0, 1e6])
    left = predicted_adversarial_accuracy(true, epsilon=epsilon)
    np.testing.assert_allclose(left, 2 * irwinhall.sf(d / 2 + epsilon * d / 10, d), atol=2e-3)
    for clearance in (1.0, 0.01):
        kept = {"preserve_label": True, "clearance": clearance}
        np.testing.assert_allclose(
            predicted_adversarial_accuracy(true, epsilon=epsilon, **kept), 1, atol=1e-5
        )


def test_an_offset_gives_away_a_class_as_far_as_the_ball_reaches():
    gamma, d, epsilon = 0.1, 4, 0.25
    moved = hyperplanes(d, b=0.04 * 1e3, along=1e3, gamma=gamma)  # into the gap: 0.04 < gamma/2
    inside = 2 * irwinhall.sf(d / 2 + gamma / 2 * 2 / 10, d)
    far = 2 * irwinhall.sf(d / 2 + (epsilon * 2 + 0.04) * 2 / 10, d)
    left = predicted_adversarial_accuracy(moved, epsilon=epsilon, preserve_label=True)
    assert left == pytest.approx(1, abs=1e-9)
    left = predicted_adversarial_accuracy(
        moved, epsilon=epsilon, preserve_label=True, clearance=0.5
    )
    assert left == pytest.approx((1 + far / inside) / 2, abs=2e-3)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("b", [0.0, 12.0])
def test_a_rounded_gradient_leaves_alone_what_lies_beyond_its_edge(formula, kind, b):
    d, epsilon, along = 4, 1.0, 30.0
    edges = [vanishing_margin(formula, dtype=kind, y=y) for y in (1.0, -1.0)]
    reach = np.minimum(edges, 2 * epsilon * along) - [b, -b]
    expected = np.mean(2 * irwinhall.sf(d / 2 + np.maximum(reach / along, 0) * 2 / 10, d))
    threat = {"method": "pgd", "pgd_dtype": kind, "pgd_formula": formula}
    plane = hyperplanes(d, along=along, b=b)
    found = predicted_adversarial_accuracy(plane, epsilon=epsilon, **threat)
    assert found == pytest.approx(expected, abs=1e-3)


def test_a_range_that_is_wider_on_one_side_spares_one_class_only():
    plane = hyperplanes(4, along=1.0)
    free, both, *one = (
        predicted_adversarial_accuracy(plane, epsilon=1.0, clip=clip)
        for clip in (None, CUBE, (-5, 50), (-50, 5))
    )
    assert both > free + 0.005
    np.testing.assert_allclose(one, np.tile((free + both) / 2, (2, 1)), atol=1e-12)
    tipped = hyperplanes(4, along=1.0, b=2.0)  # positive points are the safer ones
    low, high = (
        predicted_adversarial_accuracy(tipped, epsilon=1.0, clip=clip)
        for clip in ((-5, 50), (-50, 5))
    )
    assert high > low


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.parametrize("ratio", [0.95, -0.95])
def test_what_goes_along_with_a_length_that_is_not_felt_changes_nothing(i, ratio):
    apart = hyperplanes(2, along=3.0, b=2.0, lateral=1e-3, sd=(0.8, 1.5))
    covariance = apart.covariance.copy()
    covariance[:, i, 2] = covariance[:, 2, i] = ratio * np.sqrt(
        covariance[:, i, i] * covariance[:, 2, 2]
    )
    found, expected = (
        predicted_adversarial_accuracy(field, epsilon=0.3)
        for field in (replace(apart, covariance=covariance), apart)
    )
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_pgd_goes_no_further_than_its_steps():
    plane = hyperplanes(8, along=1.0, lateral=0.2)
    near = predicted_adversarial_accuracy(plane, epsilon=0.5)
    by_pgd = {"method": "pgd", "pgd_steps": 5, "pgd_step": 0.1}
    assert predicted_adversarial_accuracy(plane, epsilon=1.0, **by_pgd) == near
    assert predicted_adversarial_accuracy(plane, epsilon=0.5, method="pgd") == near
    assert predicted_adversarial_accuracy(plane, epsilon=1.0, method="pgd") < near - 0.05


@pytest.mark.parametrize("d", [1, 2, 7])
@pytest.mark.parametrize("edge", [-4.0, 1.0, 6.0])
def test_what_a_coordinate_lacks_is_that_of_sampled_points(d, edge):
    X = np.random.default_rng(0).uniform(*CUBE, (400_000, d))
    u = X.sum(axis=1) / np.sqrt(d)
    near = np.abs(u - 1.5) < 0.05
    lack = np.maximum(edge - X[near], 0)
    error = SIGMAS * lack.mean(axis=1).std() / np.sqrt(near.sum()) + 0.05 * (d == 1)
    assert beyond(np.array([1.5]), d, edge)[0] == pytest.approx(lack.mean(), abs=error + 1e-3)


# Hyperplanes that are drawn, and points that are sampled


@pytest.mark.parametrize("on", ["standard", "concentrated"])
@pytest.mark.parametrize("d", [2, 5, 20])
@pytest.mark.parametrize(
    "threat",
    [
        {"epsilon": 0.1},
        {"epsilon": 1.0},
        {"epsilon": 1.0, "clip": CUBE},
        {"epsilon": 0.01, "preserve_label": True},
        {"epsilon": 1.0, "preserve_label": True},
        {"epsilon": 1.0, "preserve_label": True, "clearance": 0.3},
        {"epsilon": 0.3, "method": "pgd", "pgd_dtype": "float32", "pgd_formula": "bce_with_logits"},
    ],
    ids=str,
)
def test_it_is_the_mean_over_drawn_hyperplanes(fields, on, d, threat):
    known = np.isfinite(fields[d].along)
    names = ("steps", "along", "b", "lateral", "covariance")
    field = replace(fields[d], **{name: getattr(fields[d], name)[known] for name in names})
    assert known.sum() >= 4
    sample = sample_standard if on == "standard" else sample_concentrated
    curves = np.array([
        adversarial_accuracy(field.draw(seed), sample(100, 100, d=d, seed=1000 + seed), **threat)
        for seed in range(150)
    ])  # fmt: skip
    error = SIGMAS * curves.std(axis=0) / np.sqrt(len(curves))
    missed = np.abs(predicted_adversarial_accuracy(field, test=on, **threat) - curves.mean(axis=0))
    assert (missed < error + GRID).all(), f"{missed} beside {error}"


@pytest.mark.parametrize(("length", "both"), [(0.09, -0.26), (0.09, 0.26), (0.16, 0.0)])
def test_length_and_bias_vary_together(length, both):
    off = hyperplanes(2, b=1.0)
    covariance = np.zeros((1, 3, 3))
    covariance[0, :2, :2] = [[length, both], [both, 0.81 * (both != 0)]]
    off = replace(off, covariance=covariance)
    curves = np.array([
        adversarial_accuracy(off.draw(seed), sample_standard(20, 20, seed=seed), epsilon=0.3)
        for seed in range(1000)
    ])  # fmt: skip
    error = SIGMAS * curves.std() / np.sqrt(1000)
    found = predicted_adversarial_accuracy(off, epsilon=0.3)
    assert found == pytest.approx(curves.mean(), abs=error)


@pytest.mark.parametrize("d", [6, 20, 64])
def test_a_few_directions_reach_as_far_as_all(d):
    e = np.random.default_rng(9).standard_normal((20_000, d))
    e -= e.mean(axis=1, keepdims=True)
    e /= np.linalg.norm(e, axis=1, keepdims=True)
    few, scores = _draws(d)
    assert np.abs(few).sum(axis=1).mean() == pytest.approx(np.abs(e).sum(axis=1).mean(), rel=0.01)
    np.testing.assert_allclose([*few.sum(axis=1), scores.sum()], 0, atol=1e-9)
    assert np.all(np.diff(few, axis=1) <= 0)


@pytest.mark.parametrize(
    ("along", "lateral", "threat"),
    [(0.5, [1.0, 3.0], {"epsilon": 0.5}), (0.0, [1.0], {"epsilon": 3.0, "clip": CUBE})],
)
def test_weights_of_both_signs_are_taken_from(along, lateral, threat):
    tilted = hyperplanes(6, along=along, lateral=lateral)
    curves = np.array([
        adversarial_accuracy(tilted.draw(seed), sample_standard(50, 50, d=6, seed=seed), **threat)
        for seed in range(400)
    ])  # fmt: skip
    error = SIGMAS * curves.std(axis=0) / np.sqrt(400)
    found = predicted_adversarial_accuracy(tilted, **threat)
    assert (np.abs(found - curves.mean(axis=0)) < error).all()


# Runs


def test_it_is_the_mean_over_runs():
    setting = {"n_pos": 300, "n_neg": 300, "d": 8, "sv_pos": 100, "sv_neg": 60, "gamma": 1e-2}
    steps = [10, 1000, 10**5, 10**6, 10**7, 10**8]
    runs = ensemble(range(24), steps[-1], checkpoints=steps, rtol=1e-4, n_test=400, **setting)
    field = mean_field(**setting, steps=steps[-1], checkpoints=steps)
    for on in ("standard", "concentrated"):
        for threat in (
            {"epsilon": 0.1},
            {"epsilon": 0.1, "preserve_label": True},
            {"epsilon": 1.0, "method": "pgd", "pgd_dtype": "float32"},
        ):
            curves = runs.attacked(on, **threat)
            error = SIGMAS * curves.std(axis=0) / np.sqrt(24)
            missed = predicted_adversarial_accuracy(field, test=on, **threat) - curves.mean(axis=0)
            assert (np.abs(missed) < error + 0.01).all()


def test_where_the_theory_has_ended_there_is_no_number():
    field = mean_field(50, 50, 10**9, d=20, checkpoints=[10, 10**9])
    found = predicted_adversarial_accuracy(field, epsilon=0.1, preserve_label=True)
    np.testing.assert_array_equal(np.isnan(found), [False, True])


def test_an_endless_ball_takes_all():
    found = predicted_adversarial_accuracy(
        hyperplanes(3, lateral=0.1, sd=(0.1, 0.1)), epsilon=1e300
    )
    np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("epsilon", "-1", {"epsilon": -1}),
        ("test", "'train'", {"test": "train"}),
        ("method", "'fgsm'", {"method": "fgsm"}),
        ("preserve_label", "'yes'", {"preserve_label": "yes"}),
        ("preserve_label", "True", {"preserve_label": True, "method": "pgd"}),
        ("preserve_label", "True", {"preserve_label": True, "clip": CUBE}),
        ("clearance", "1.5", {"clearance": 1.5}),
        ("clearance", "-0.1", {"clearance": -0.1}),
        ("alpha", "0.5", {"alpha": 0.5}),
        ("pgd_step", "0", {"method": "pgd", "pgd_step": 0}),
        ("pgd_steps", "0", {"method": "pgd", "pgd_steps": 0}),
        ("formula", "'log'", {"method": "pgd", "pgd_formula": "log"}),
        ("dtype", "int", {"method": "pgd", "pgd_dtype": int}),
        ("dtype", "'flaot32'", {"method": "pgd", "pgd_dtype": "flaot32"}),
        ("clip", "(-4, 5)", {"clip": (-4, 5)}),
        ("clip", "(-5, 4)", {"clip": (-5, 4)}),
        ("clip", "(-5,)", {"clip": (-5,)}),
    ],
)
def test_refuses_what_makes_no_sense(name, value, wrong):
    with refuses(name, value):
        predicted_adversarial_accuracy(hyperplanes(3), **{"epsilon": 0.1} | wrong)
