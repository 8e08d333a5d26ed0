"""Losses against their formulas, their derivatives, and margins that no float can square."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from problems import refuses
from scipy.integrate import quad

from lingrok.losses import (
    EXPONENTIAL,
    HINGE,
    LOGISTIC,
    SQUARED,
    SQUARED_HINGE,
    penalties,
    polynomial,
)

# A loss, its value by a formula of its own, and where it has a kink: one line each
TABLE = [
    (LOGISTIC, lambda z: np.log1p(np.exp(-z)), []),
    (EXPONENTIAL, lambda z: np.exp(-z), []),
    (HINGE, lambda z: (1 - z) * (z < 1), [1]),
    (SQUARED_HINGE, lambda z: ((1 - z) * (z < 1)) ** 2, [1]),
    (SQUARED, lambda z: (z - 1) ** 2, []),
    (polynomial(0.1), lambda z: tail(0.1, z), []),
    (polynomial(1), lambda z: tail(1, z), []),
    (polynomial(2), lambda z: tail(2, z), []),
    (polynomial(2.5), lambda z: tail(2.5, z), []),
]
LOSSES = [loss for loss, *_ in TABLE]
losses = pytest.mark.parametrize("loss", LOSSES, ids=repr)
Z = np.linspace(-6, 8, 281) + 0.01  # no kink among them, nor next to one


@np.vectorize
def tail(p, z):
    """What the polynomial loss still has to pull, from z on: from 40 on softplus(u) is u."""
    pull = lambda u: (1 + np.logaddexp(0, u) / (p + 1)) ** -(p + 1)  # noqa: E731
    near = quad(pull, z, 40, epsabs=0, epsrel=1e-12, limit=200)[0]
    return near + (p + 1) / p * (1 + 40 / (p + 1)) ** -p


@pytest.mark.parametrize(("loss", "formula", "kinks"), TABLE, ids=[repr(one) for one in LOSSES])
def test_the_value_is_the_formula(loss, formula, kinks):
    z = Z[::20]
    np.testing.assert_allclose(loss.value(z), formula(z), rtol=1e-11)
    assert loss.smooth == (not kinks)


@losses
def test_slope_and_curvature_are_the_derivatives(loss):
    h = 1e-5
    slope = (loss.value(Z - h) - loss.value(Z + h)) / (2 * h)
    np.testing.assert_allclose(loss.slope(Z), slope, atol=1e-7 * np.abs(slope).max())
    curvature = (loss.slope(Z - h) - loss.slope(Z + h)) / (2 * h)
    np.testing.assert_allclose(
        loss.curvature(Z), curvature, atol=1e-8 * max(np.abs(slope).max(), 1)
    )


@losses
def test_one_call_gives_what_two_do(loss):
    slope, curvature = loss.slope_and_curvature(Z)
    np.testing.assert_array_equal(slope, loss.slope(Z))
    np.testing.assert_allclose(curvature, loss.curvature(Z), atol=1e-16, rtol=1e-12)
    assert not np.shares_memory(slope, curvature)


@losses
def test_a_place_for_the_slope_may_be_the_margins_own(loss):
    margins, other = Z.copy(), np.empty_like(Z)
    expected = loss.slope(Z)
    assert loss.slope(Z, other) is other
    np.testing.assert_array_equal(other, expected)
    assert loss.slope(margins, margins) is margins
    np.testing.assert_array_equal(margins, expected)


@losses
def test_arrays_that_are_given_stay_as_they_are(loss):
    z = Z.copy()
    for method in (loss.value, loss.slope, loss.curvature, loss.slope_and_curvature):
        method(z)
        np.testing.assert_array_equal(z, Z)


@losses
def test_is_convex_and_only_the_squared_loss_pulls_back(loss):
    assert (loss.curvature(Z) >= 0).all()
    assert (np.diff(loss.slope(Z)) <= 1e-16).all()
    assert (loss.slope(Z) < 0).any() == (loss is SQUARED)


@losses
def test_steepest_is_the_largest_curvature(loss):
    top = loss.curvature(np.linspace(-30, 30, 600_001)).max()
    if loss is EXPONENTIAL:
        assert loss.steepest == np.inf
    else:
        assert top <= loss.steepest <= top * (1 + 1e-8)


@losses
@pytest.mark.parametrize("z", [40.0, 700.0, 746.0, 1e4, 1e150, 1e300])
@pytest.mark.filterwarnings("error")
def test_no_margin_is_too_large_for_a_number(loss, z):
    both = np.array([-z, z])
    for method in (loss.value, loss.slope, loss.curvature):
        assert not np.isnan(method(both)).any()
        assert not np.isnan(method(both[0])).any()  # one number will do
    if loss in {LOGISTIC, HINGE, polynomial(1), polynomial(2.5)}:  # whose pull has a bound
        assert loss.slope(both)[0] == pytest.approx(1)
        assert loss.value(both)[0] == pytest.approx(z, rel=0.1)


@pytest.mark.parametrize("z", [1, 30, 300, 700])
def test_small_pulls_keep_their_digits(z):
    with localcontext(prec=400):
        power = Decimal(z).exp()
        pull = LOGISTIC.slope(np.array([float(z)]))[0]
        assert pull == pytest.approx(float(1 / (1 + power)), rel=1e-14)
        for p in (1.0, 2.5):
            exact = (1 + (1 + power).ln() / Decimal(p + 1)) ** Decimal(-(p + 1))
            pull = polynomial(p).slope(np.array([float(z)]))[0]
            assert pull == pytest.approx(float(exact), rel=1e-13)


def test_the_logistic_curvature_keeps_its_digits_on_both_sides():
    z = np.array([1.0, 30.0, 300.0, 700.0])
    exact = np.exp(-z) / (1 + np.exp(-z)) ** 2
    for sign in (1, -1):
        np.testing.assert_allclose(LOGISTIC.curvature(sign * z), exact, rtol=1e-13)


def test_a_kink_counts_as_what_lies_beyond_it():
    # As in PyTorch: where z = 1 nothing pulls any more
    assert HINGE.slope(np.array([1.0]))[0] == 0
    assert SQUARED_HINGE.curvature(np.array([1.0]))[0] == 0


def test_polynomial_tails_lie_between_their_power_and_the_logistic_loss():
    z = np.array([1e3, 1e4])
    for p in (0.5, 1.0, 3.0):
        pulls = polynomial(p).slope(z)
        assert np.log(pulls[0] / pulls[1]) / np.log(10) == pytest.approx(p + 1, rel=0.02)
    np.testing.assert_allclose(polynomial(1e7).slope(Z), LOGISTIC.slope(Z), rtol=1e-5)


def test_a_loss_is_named_as_it_is_written_and_equals_its_like():
    for loss in LOSSES:
        assert eval(repr(loss)) == loss
    assert len(set(LOSSES)) == len(LOSSES)
    assert polynomial(1) == polynomial(1.0) != polynomial(2)


@pytest.mark.parametrize("p", [0, -1, np.inf, np.nan, "1", None])
def test_refuses_a_power_that_is_none(p):
    with refuses("p", repr(p)):
        polynomial(p)


def test_penalties_are_of_w_or_of_both():
    assert penalties(0.5) == (0.5, 0.0)
    assert penalties((0.5, 0.1)) == penalties([0.5, 0.1]) == (0.5, 0.1)
    assert penalties(0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("l2", "shown"),
    [(-1e-9, "-1e-09"), (np.nan, "nan"), (np.inf, "inf"), ((0.1, -2.0), "-2.0"),
     ((0.1, 0.2, 0.3), "(0.1, 0.2, 0.3)"), ("0.1", "'0.1'"), (None, "None")],
)  # fmt: skip
def test_refuses_a_penalty_that_is_none(l2, shown):
    with refuses("l2", shown):
        penalties(l2)
