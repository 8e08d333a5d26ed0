"""Maximum margins against certificates and another solver; the theorems against what they solve."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import planted, refuses
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from lingrok import (
    Dataset,
    bias_curve,
    bias_limit,
    check_assumption,
    fast_forward,
    grokking_bounds,
    max_margin,
    residual_limit,
    sample_standard,
)

AUGMENTED = pytest.mark.parametrize("augmented", [False, True])
# The SVM stands across the line between the two, far from the origin
TILTED = Dataset(np.array([[1.0, 3.0], [-1.0, 4.0]]), np.array([1.0, -1.0]), 1.0)


def separable(seed: int, *, gap: float = 0.5) -> Dataset:
    """Some points on two sides of a random plane, off the origin, with nothing planted."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 40)), int(rng.integers(1, 7))
    normal, X = rng.standard_normal(d), rng.standard_normal((n, d))
    normal /= np.linalg.norm(normal)
    y = np.where(np.arange(n) < max(1, n // 3), 1.0, -1.0)
    X += (y * (gap + np.abs(X @ normal)) - X @ normal)[:, None] * normal
    return Dataset(X + rng.standard_normal(d), y, 0.1)


def bracket(data: Dataset, svm) -> tuple[float, float]:
    """Certain bounds on the largest margin, 2 / ||theta||, from below and above.

    Below, by a hyperplane that separates by it. Above, by points of the two hulls (or a combination
    of rows), which nothing can separate by more than their distance.
    """
    y, alpha = data.y[svm.support], svm.dual
    assert alpha.min() >= 0
    least = np.min(data.y * (data.X @ svm.w + svm.b))
    length = np.hypot(np.linalg.norm(svm.w), svm.b if svm.augmented else 0)
    if svm.augmented:
        rows = np.c_[data.X[svm.support], np.ones(len(y))] * y[:, None]
        return 2 * least / length, 2 * float(np.linalg.norm(alpha @ rows) / alpha.sum())
    hulls = [alpha[y == s] @ data.X[svm.support][y == s] / alpha[y == s].sum() for s in (1, -1)]
    return 2 * least / length, float(np.linalg.norm(hulls[0] - hulls[1]))


def by_slsqp(data: Dataset, augmented: bool) -> np.ndarray:
    """The same problem for a general solver, from a hyperplane that separates the points."""
    rows = np.c_[data.X, np.ones(data.n)] * data.y[:, None]
    weight = np.append(np.ones(data.d), float(augmented))
    start = np.linalg.lstsq(rows, np.full(data.n, 2.0), rcond=None)[0]
    result = minimize(
        lambda theta: weight @ theta**2 / 2,
        start,
        jac=lambda theta: weight * theta,
        constraints={"type": "ineq", "fun": lambda v: rows @ v - 1, "jac": lambda _: rows},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert result.success, result.message
    return result.x


@AUGMENTED
def test_two_points_are_parted_half_way(augmented):
    svm = max_margin(Dataset([[1.0], [4.0]], [-1.0, 1.0], 1.0), augmented=augmented)
    assert [svm.w[0], svm.b, svm.margin] == pytest.approx([2 / 3, -5 / 3, 3])
    assert svm.support.tolist() == [0, 1]


def test_the_two_margins_differ_where_the_bias_costs():
    free, augmented = max_margin(TILTED), max_margin(TILTED, augmented=True)
    assert [*free.w, free.b, free.margin] == pytest.approx([0.8, -0.4, 1.4, 5**0.5])
    assert [*augmented.w, augmented.b] == pytest.approx([53 / 54, -2 / 54, 7 / 54])
    assert augmented.dual == pytest.approx([30 / 54, 23 / 54])
    assert augmented.margin < free.margin
    assert free.dual == pytest.approx([0.4, 0.4])


@AUGMENTED
@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_the_margin_is_certain(augmented, seed):
    data = separable(seed)
    svm = max_margin(data, augmented=augmented)
    below, above = bracket(data, svm)
    assert below == pytest.approx(above, rel=1e-9)
    assert svm.margin == pytest.approx(2 / np.linalg.norm(svm.w), rel=1e-14)
    assert svm.kkt_residual < 1e-9


@AUGMENTED
@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_another_solver(augmented, seed):
    data = separable(seed)
    svm = max_margin(data, augmented=augmented)
    assert np.append(svm.w, svm.b) == pytest.approx(by_slsqp(data, augmented), abs=1e-5)


@AUGMENTED
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), power=st.integers(-6, 6))
def test_turns_scales_and_changes_sides_with_the_points(augmented, seed, power):
    data = separable(seed)
    svm = max_margin(data, augmented=augmented)
    other = max_margin(Dataset(data.X, -data.y, 1.0), augmented=augmented)
    assert np.append(other.w, other.b) == pytest.approx(-np.append(svm.w, svm.b), rel=1e-7)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((data.d, data.d)))[0]
    turned = max_margin(Dataset(data.X @ turn, data.y, 1.0), augmented=augmented)
    assert np.append(turned.w @ turn.T, turned.b) == pytest.approx(
        np.append(svm.w, svm.b), rel=1e-7, abs=1e-9
    )
    if not augmented:
        scale = 10.0**power
        scaled = max_margin(Dataset(data.X * scale, data.y, 1.0))
        assert [scaled.margin, scaled.b] == pytest.approx([svm.margin * scale, svm.b], rel=1e-7)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), far=st.floats(-1e4, 1e4))
def test_the_free_bias_makes_up_for_a_shift(seed, far):
    data = separable(seed)
    svm, shifted = max_margin(data), max_margin(Dataset(data.X + far, data.y, 1.0))
    assert shifted.w == pytest.approx(svm.w, rel=1e-6, abs=1e-7)
    assert shifted.margin == pytest.approx(svm.margin, rel=1e-7)


@AUGMENTED
@pytest.mark.parametrize(("d", "n"), [(1, 100), (2, 2000), (5, 2000), (64, 4000)])
def test_planted_points_are_the_support_and_leave_gamma(augmented, d, n):
    data = sample_standard(n // 2, n // 2, d=d, sv_pos=7 * n // 40, sv_neg=n // 8, seed=d)
    svm = max_margin(data, augmented=augmented)
    assert svm.margin == pytest.approx(data.gamma, rel=1e-9)
    assert svm.w / np.linalg.norm(svm.w) == pytest.approx(data.w_true, abs=1e-9)
    assert svm.b == pytest.approx(0, abs=1e-9)
    expected = np.r_[: 7 * n // 40, n // 2 : n // 2 + n // 8]
    np.testing.assert_array_equal(svm.support, expected)
    assert (svm.dual * data.y[expected]) @ data.X[expected] == pytest.approx(svm.w, rel=1e-7)
    below, above = bracket(data, svm)
    assert below == pytest.approx(above, rel=1e-9)


def test_a_point_just_off_the_margin_is_no_support():
    X = np.array([[1.0, 0], [1 + 1e-6, 1], [-1, 0], [-1 - 1e-9, 1]])
    assert max_margin(Dataset(X, np.array([1.0, 1, -1, -1]))).support.tolist() == [0, 2, 3]


def test_a_hundred_thousand_points_in_64_dimensions():
    data = sample_standard(50_000, 50_000, d=64, sv_pos=3000, sv_neg=2500, seed=1)
    svm = max_margin(data)
    assert svm.margin == pytest.approx(data.gamma, rel=1e-9)
    assert len(svm.support) == 5500


@AUGMENTED
@pytest.mark.parametrize(("d", "n"), [(2, 3000), (20, 5000)])
def test_finds_the_few_that_count_among_many(augmented, d, n):
    data = sample_standard(n // 2, n - n // 2, d=d, seed=d)
    svm = max_margin(data, augmented=augmented)
    assert len(svm.support) <= d + 1
    below, above = bracket(data, svm)
    assert below == pytest.approx(above, rel=1e-9)


def test_gradient_descent_tends_to_the_augmented_margin():
    late = fast_forward(TILTED, 1e14, lr=0.1)
    direction = np.append(late.w[-1], late.b[-1])
    cosine = []
    for augmented in (True, False):
        svm = max_margin(TILTED, augmented=augmented)
        theta = np.append(svm.w, svm.b)
        cosine.append(direction @ theta / np.linalg.norm(direction) / np.linalg.norm(theta))
    assert cosine[0] > 0.997
    assert cosine[1] < 0.7


@AUGMENTED
def test_refuses_what_no_hyperplane_separates(augmented):
    square = np.array([[0.0, 0], [1, 1], [0, 1], [1, 0]])
    for X, y in (
        (square, [1.0, 1, -1, -1]),
        (square[:2] * 0 + 1, [1.0, -1]),  # one point in both classes
        (np.array([[0.0, 0], [2, 0], [1, 0]]), [1.0, 1, -1]),  # hulls that touch
        (np.random.default_rng(0).standard_normal((200, 3)), np.tile([1.0, -1], 100)),
    ):
        with refuses("data", "not"):
            max_margin(Dataset(X, np.array(y), 1.0), augmented=augmented)


def test_refuses_one_class_and_no_data():
    with refuses("data", "3 of class -1"):
        max_margin(Dataset(np.eye(3), -np.ones(3), 1.0))
    with refuses("X", "0"):
        max_margin(Dataset(np.zeros((2, 1)), np.array([1.0, -1]), 1.0))
    with refuses("data", "list"):
        max_margin([[1.0], [2.0]])
    with refuses("augmented", "2"):
        max_margin(TILTED, augmented=2)


def test_planting_makes_assumption_three_point_one_true():
    for d, counts in ((2, (350, 250)), (2, (10, 5)), (5, (40, 60))):
        checked = check_assumption(
            sample_standard(200 + counts[0], 500, d=d, sv_pos=counts[0], sv_neg=counts[1], seed=d)
        )
        assert checked.holds
        assert max(checked.offset, abs(checked.excess), checked.angle) < 1e-8
    bare = check_assumption(sample_standard(1000, 1000, seed=1))
    assert not bare.holds
    assert bare.offset > 0.01
    assert bare.excess > 0.1


def test_a_wide_margin_on_one_side_is_an_offset_of_the_separator():
    data = Dataset(np.array([[2.0, 2.0], [-1.0, -1.0]]), np.array([1.0, -1.0]), 2 * 2**0.5)
    checked = check_assumption(data)
    assert [checked.offset, checked.excess, checked.angle] == pytest.approx([1 / 3, 0.5, 0])
    assert not checked.holds
    assert check_assumption(data, tolerance=0.4).holds
    narrower = check_assumption(Dataset(data.X * [[0.5], [1]], data.y, 2**0.5))
    assert narrower.holds
    assert narrower.excess == pytest.approx(1)


def test_refuses_a_gamma_that_the_points_contradict():
    data = planted()
    with refuses("gamma", "got 0.002"):
        check_assumption(Dataset(data.X, data.y, 0.002))
    with refuses("tolerance", "0"):
        check_assumption(data, tolerance=0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(("d", "sv"), [(2, (70, 50)), (2, (4, 2)), (8, (40, 20))])
def test_the_residual_solves_equation_eight(reduction, d, sv):
    data = sample_standard(200, 200, d=d, sv_pos=sv[0], sv_neg=sv[1], seed=3)
    limit = residual_limit(data, lr=0.03, reduction=reduction)
    rate = 0.03 / (data.n if reduction == "mean" else 1)
    support = limit.svm.support
    X, y = data.X[support], data.y[support]
    margins = y * (X @ limit.w + limit.b)
    assert rate * np.exp(-margins) == pytest.approx(limit.dual, rel=1e-6)
    assert limit.clock == pytest.approx(np.exp(-margins), rel=1e-6)
    assert (limit.dual * y) @ X == pytest.approx(limit.svm.w, rel=1e-7)
    assert limit.dual @ y == pytest.approx(0, abs=1e-8 * limit.dual.sum())
    # The dual's sum is ||w_hat||^2, and with it theorem 4.5's exponent
    assert limit.dual.sum() == pytest.approx(4 / data.gamma**2, rel=1e-8)
    assert 2 * np.sqrt(limit.a_pos * limit.a_neg) == pytest.approx(4 / data.gamma**2, rel=1e-6)
    assert np.log(limit.a_pos / limit.a_neg) / 2 == pytest.approx(limit.b, abs=1e-8)


def test_gradient_descent_chooses_the_duals_of_largest_entropy():
    data = sample_standard(200, 200, sv_pos=7, sv_neg=5, seed=2)
    limit = residual_limit(data)
    y = data.y[limit.svm.support]
    rows = np.c_[data.X[limit.svm.support], np.ones(12)] * y[:, None]
    free = np.linalg.svd(rows.T)[2][3:]  # changes of the duals that leave both sums
    assert np.abs(rows.T @ free.T).max() < 1e-12

    def entropy(dual):
        share = dual / dual.sum()
        return -share @ np.log(share)

    rng = np.random.default_rng(0)
    for _ in range(20):
        change = rng.standard_normal(len(free)) @ free
        other = limit.dual + 0.3 * change * np.min(limit.dual / np.abs(change))
        assert other.min() > 0
        assert entropy(other) < entropy(limit.dual)


def test_descent_ends_where_the_residual_limit_says():
    data = planted(400, seed=5)
    limit = residual_limit(data)
    late = fast_forward(data, 1e14, checkpoints=[10**14])
    rho = late.w[0] - np.log(1e14) * limit.svm.w
    assert np.linalg.norm(rho - limit.w) < 1e-3 * np.linalg.norm(limit.w)
    assert late.b[0] == pytest.approx(limit.b, rel=1e-3)
    z = data.y * (data.X @ late.w[0] + late.b[0])
    assert z[limit.svm.support] == pytest.approx(np.log(1e14 / limit.clock), abs=1e-3)


def test_the_residual_of_a_separator_off_the_origin():
    limit = residual_limit(TILTED, lr=0.1)
    assert np.append(limit.svm.w, limit.svm.b) == pytest.approx(np.array([53, -2, 7]) / 54)
    late = fast_forward(TILTED, 1e14, lr=0.1, checkpoints=[10**14])
    z = TILTED.y * (TILTED.X @ late.w[0] + late.b[0])
    assert z == pytest.approx(np.log(1e14 / limit.clock), abs=1e-6)


def test_a_small_dual_is_one():
    X = np.array([[1e8, 1], [-1, 1], [0, -1.0]])
    limit = residual_limit(Dataset(X, np.array([1.0, 1, -1])))
    assert limit.dual[0] / limit.dual[1] == pytest.approx(1e-8)


def test_refuses_a_residual_that_grows_without_limit():
    X = np.array([[0.0, 1], [5, 1], [0, -1]])  # all on the margin, but the second carries nothing
    with refuses("support vector", "dual of 0"):
        residual_limit(Dataset(X, np.array([1.0, 1, -1]), 1.0))
    with refuses("reduction", "'max'"):
        residual_limit(planted(), reduction="max")
    with refuses("lr", "-1"):
        residual_limit(planted(), lr=-1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-4, 4), st.floats(0, 3).map(lambda x: 10**x))
def test_the_bias_curve_solves_its_equation(log_pos, log_neg, b0, t0):
    a_pos, a_neg = np.exp(log_pos), np.exp(log_neg)
    t = t0 * np.geomspace(1, 50, 20)
    expected = solve_ivp(
        lambda t, b: (a_pos * np.exp(-b) - a_neg * np.exp(b)) / t,
        (t[0], t[-1]), [b0], t_eval=t, method="LSODA", rtol=1e-10, atol=1e-12,
    ).y[0]  # fmt: skip
    curve = bias_curve(t, a_pos=a_pos, a_neg=a_neg, t0=t0, b0=b0)
    assert curve == pytest.approx(expected, abs=1e-7)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(-600, 600), st.floats(-600, 600), st.floats(-1e4, 1e4), st.floats(0, 600))
def test_the_bias_curve_stays_between_start_and_limit(log_pos, log_neg, b0, log_t):
    a_pos, a_neg, t = np.exp(log_pos), np.exp(log_neg), np.exp(log_t) * np.array([1, 1 + 1e-9, 3])
    curve = bias_curve(t, a_pos=a_pos, a_neg=a_neg, t0=t[0], b0=b0)
    low, high = sorted((b0, (log_pos - log_neg) / 2))
    slack = 1e-9 * (1 + abs(low) + abs(high))
    assert np.all((low - slack <= curve) & (curve <= high + slack))
    assert curve[0] == pytest.approx(b0, rel=1e-9, abs=1e-9)
    mirrored = bias_curve(t, a_pos=a_neg, a_neg=a_pos, t0=t[0], b0=-b0)
    assert mirrored == pytest.approx(-curve, rel=1e-9, abs=1e-9)


def test_the_printed_form_of_theorem_four_point_five():
    a_pos, a_neg, t0, b0, t = 0.7, 0.2, 10.0, -0.5, np.array([10.0, 30, 1e4])
    delta, g = np.sqrt(a_neg / a_pos), 2 * np.sqrt(a_pos * a_neg) * np.log(t / t0)
    plus, minus = 1 + delta * np.exp(b0), 1 - delta * np.exp(b0)
    printed = np.log((plus * np.exp(g) - minus) / (plus * np.exp(g) + minus)) - np.log(delta)
    assert bias_curve(t, a_pos=a_pos, a_neg=a_neg, t0=t0, b0=b0) == pytest.approx(printed)


def test_a_large_exponent_leaves_the_limit():
    with np.errstate(all="raise", under="ignore"):
        curve = bias_curve([1, 2, 1e300], a_pos=4e12, a_neg=1e12, t0=1, b0=-3.0)
    assert curve == pytest.approx([-3, np.log(2), np.log(2)], rel=1e-14)


@pytest.mark.parametrize(
    ("name", "value", "change"),
    [
        ("t0", "0", {"t0": 0}),
        ("t0", "-1", {"t0": -1}),
        ("t", "got 1", {"t0": 2.0}),
        ("t", "nan", {"t": [1.0, np.nan]}),
        ("a_pos", "0", {"a_pos": 0}),
        ("a_neg", "inf", {"a_neg": np.inf}),
        ("a_pos", "1e+308", {"a_pos": 1e308, "a_neg": 1e308}),
        ("b0", "nan", {"b0": np.nan}),
    ],
)
def test_the_bias_curve_refuses(name, value, change):
    good = {"t": [1.0, 9.0], "a_pos": 1.0, "a_neg": 2.0, "t0": 1.0, "b0": 0.0}
    with refuses(name, value):
        bias_curve(**{**good, **change})


def test_the_limit_with_planted_counts():
    assert bias_limit(350, 250) == pytest.approx(0.5 * np.log(1.4))
    assert bias_limit(3, 8) == -bias_limit(8, 3)
    curve = bias_curve([1e9], a_pos=350, a_neg=250, t0=1, b0=0.0)
    assert curve[0] == pytest.approx(bias_limit(350, 250))
    with refuses("sv_neg", "0"):
        bias_limit(5, 0)
    with refuses("sv_pos", "1.5"):
        bias_limit(1.5, 2)


def test_the_bounds_as_printed_and_their_twin_for_training():
    given_ = {"log_delta": -0.4, "gamma": 1e-3, "rho_bound": 3000.0}
    kappa = 1 + 2 * 0.05 * 19
    lower, upper = grokking_bounds(0.05, alpha=10, **given_)
    assert [lower, upper] == pytest.approx(np.exp(0.4 / kappa + 1.5 * np.array([-1, 1])))
    twin = grokking_bounds(0.05, alpha=7 / 1e-3, **given_)
    middle = np.exp(0.4 / (1 + 2 * 0.05 * (2 * 7 / 1e-3 - 1)))
    assert np.sqrt(twin[0] * twin[1]) == pytest.approx(middle)
    assert grokking_bounds(0, alpha=10, **{**given_, "rho_bound": 0.0}) == pytest.approx(
        [np.exp(0.4)] * 2
    )


def test_bounds_that_leave_the_floats_are_zero_and_infinite():
    with np.errstate(all="raise", under="ignore"):
        assert grokking_bounds(
            0.0, log_delta=0.2, alpha=10, gamma=1.0, rho_bound=1e308
        ) == (0, np.inf)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "change"),
    [
        ("eps", "1", {"eps": 1}),
        ("eps", "-0.1", {"eps": -0.1}),
        ("alpha", "0.5", {"alpha": 0.5}),
        ("gamma", "0", {"gamma": 0}),
        ("rho_bound", "-2", {"rho_bound": -2}),
        ("rho_bound", "nan", {"rho_bound": np.nan}),
        ("log_delta", "inf", {"log_delta": np.inf}),
    ],
)
def test_the_bounds_refuse(name, value, change):
    good = {"eps": 0.0, "log_delta": 0.2, "alpha": 10, "gamma": 1e-3, "rho_bound": 1.0}
    with refuses(name, value):
        grokking_bounds(**{**good, **change})
