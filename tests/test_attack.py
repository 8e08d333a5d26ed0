"""Attacks against closed forms, against linear programmes and duals, and against each other."""

import tracemalloc
from inspect import signature

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import hand_made, refuses
from scipy.optimize import linprog, minimize_scalar
from scipy.stats import kstest

from lingrok import (
    Dataset,
    accuracy,
    adversarial_accuracy,
    attack,
    pgd,
    sample_standard,
    worst_case,
)
from lingrok.rounding import FORMULAS, pull, vanishing_margin

CUBE = (-5.0, 5.0)
keep = pytest.mark.parametrize("preserve_label", [False, True])
many = settings(max_examples=60, deadline=None, derandomize=True)


def margins(w, b, points, data):
    return data.y * (points @ w + b)


def hyperplane(d, *, tilt, seed):
    """From parallel to w_true (tilt 0) to any direction; some weights are zero, some are equal."""
    rng = np.random.default_rng(seed)
    w = np.full(d, d**-0.5) + tilt * rng.standard_normal(d)
    w[rng.random(d) < 0.1] = 0
    return np.round(w, 1 + int(rng.integers(3))), float(rng.normal())


def points(d, *, seed, gamma=0.5):
    """Planted, free and, inside of the gap, mislabelled points: slacks of both signs and zero."""
    data = sample_standard(6, 6, d=d, gamma=gamma, sv_pos=2, sv_neg=2, seed=seed)
    X = data.X.copy()
    X[5], X[11] = 0.02 * X[5], -0.02 * X[11]
    return Dataset(X, data.y, gamma)


def elsewhere(d, *, seed, gamma=0.5):
    """The same for a separator in any direction, along some axes not at all."""
    rng = np.random.default_rng(seed)
    w_true = rng.standard_normal(d) * rng.choice([0, 0.01, 1], d)
    w_true[rng.integers(d)] = rng.choice([-1, 1])
    w_true /= np.linalg.norm(w_true)
    X = rng.uniform(-4, 4, (12, d))
    slack = np.abs(X @ w_true) - gamma / 2
    y = np.sign(X @ w_true)
    planted = np.array([1, 1, 0, 0, 0, 0] * 2, dtype=bool)
    X -= (y * np.where(planted, slack, np.minimum(slack - 0.1, 0)))[:, None] * w_true
    X[[5, 11]] *= 0.02
    y[[5, 11]] *= -1
    return Dataset(X, y, gamma, w_true)


every = pytest.mark.parametrize("make", [points, elsewhere])


def linear_programme(w, b, data, i, *, epsilon, preserve_label, clip, clearance=1):
    """Smallest margin of one point, by HiGHS."""
    x, y = data.X[i], data.y[i]
    low, high = x - epsilon, x + epsilon
    if clip is not None:
        low, high = np.maximum(low, clip[0]), np.minimum(high, clip[1])
    label = (
        {"A_ub": -y * data.w_true[None], "b_ub": [-clearance * data.gamma / 2]}
        if preserve_label
        else {}
    )
    found = linprog(y * w, bounds=np.c_[low, high], method="highs", **label)
    assert found.status == 0
    return found.fun + y * b


@keep
@every
@pytest.mark.parametrize("clip", [None, CUBE, (-4.0, 4.5)])
@pytest.mark.parametrize("d", [1, 2, 3, 8, 20, 64])
def test_is_the_solution_of_the_linear_programme(d, clip, make, preserve_label):
    for seed, tilt in enumerate([0, 1e-3, 0.1, 0.5, 2]):
        w, b = hyperplane(d, tilt=tilt, seed=seed)
        data = make(d, seed=seed)
        threat = {"epsilon": 1.2, "preserve_label": preserve_label, "clip": clip}
        found = margins(w, b, worst_case(w, b, data, **threat), data)
        expected = [linear_programme(w, b, data, i, **threat) for i in range(data.n)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@every
@pytest.mark.parametrize("clip", [None, CUBE])
@pytest.mark.parametrize("clearance", [0.3, 0, 1e-3])
def test_labels_may_be_kept_more_loosely(clearance, clip, make):
    for d in (1, 2, 8):
        (w, b), data = hyperplane(d, tilt=0.1, seed=d), make(d, seed=d)
        threat = {"epsilon": 1.2, "preserve_label": True, "clip": clip, "clearance": clearance}
        moved = worst_case(w, b, data, **threat)
        expected = [linear_programme(w, b, data, i, **threat) for i in range(data.n)]
        found = margins(w, b, moved, data)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
        assert (data.y * (moved @ data.w_true)).min() >= clearance * data.gamma / 2 - 1e-13
        assert (margins(w, b, pgd(w, b, data, **threat), data) >= found - 1e-11).all()
        share = adversarial_accuracy(hand_made([1], [w], [b]), data, **threat)
        assert abs(share[0] - np.mean(np.array(expected) > 0)) < 1e-12


def dual_bound(w, z, data, *, epsilon, preserve_label):
    """Best lower bound on w·z' in the l_2 ball around z = y x, over the price of the label."""

    def bound(price):
        v = w - price * data.w_true
        return v @ z - epsilon * np.linalg.norm(v) + price * data.gamma / 2

    if not preserve_label:
        return bound(0)
    far = (0, 1e3 * (1 + np.linalg.norm(w)))
    search = {"bounds": far, "method": "bounded", "options": {"xatol": 1e-10}}
    return max(bound(0), -minimize_scalar(lambda price: -bound(price), **search).fun)


@keep
@every
@pytest.mark.parametrize("d", [1, 2, 7, 64])
def test_has_no_duality_gap_in_the_euclidean_ball(d, make, preserve_label):
    for seed, tilt in enumerate([0, 1e-3, 0.3, 2]):
        w, b = hyperplane(d, tilt=tilt, seed=seed)
        data = make(d, seed=seed)
        threat = {"epsilon": 0.9, "preserve_label": preserve_label}
        found = margins(w, 0, worst_case(w, b, data, norm=2, **threat), data)
        expected = [dual_bound(w, data.y[i] * data.X[i], data, **threat) for i in range(data.n)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7)


@keep
@pytest.mark.parametrize("norm", [2, np.inf])
@pytest.mark.parametrize("angle", [0, 1e-15, 1e-9, 1e-4])
@pytest.mark.parametrize("d", [1, 2, 64, 1024])
def test_late_hyperplanes_are_attacked_as_early_ones(d, angle, norm, preserve_label):
    """Long w, nearly parallel to w_true, where lateral directions are differences of rounding."""
    data = sample_standard(6, 6, d=d, gamma=0.5, sv_pos=2, sv_neg=2, seed=d)
    lateral = np.random.default_rng(d).standard_normal(d)
    lateral -= lateral.mean()
    lateral /= np.linalg.norm(lateral) or 1
    w, b = 1e4 * (data.w_true + angle * lateral), 3.0
    threat = {"epsilon": 0.3, "preserve_label": preserve_label, "norm": norm}
    moved = worst_case(w, b, data, **threat)
    slack = data.y * (data.X @ data.w_true) - 0.25
    reach = 0.3 if norm == 2 else 0.3 * d**0.5
    along = np.minimum(slack, reach) if preserve_label else reach
    least = (slack + 0.25 - along) * 1e4 + data.y * (data.X @ (w - 1e4 * data.w_true) + b)
    deepest = 1e4 * angle * reach  # more than a lateral move can take
    excess = margins(w, b, moved, data) - least
    assert np.all(excess <= 1e-8)
    assert np.all(excess >= -deepest - 1e-8)
    assert np.linalg.norm(moved - data.X, norm, axis=1).max() <= 0.3 * (1 + 1e-12)
    if preserve_label:
        assert np.min(data.y * (moved @ data.w_true)) >= 0.25 - 1e-12


def test_in_one_dimension_the_label_stops_the_attack():
    data = Dataset([[2.0], [0.9], [-0.5], [-3.0]], [1.0, 1.0, -1.0, -1.0], gamma=1.0)
    threat = {"epsilon": 1.0, "preserve_label": True}
    assert worst_case([3.0], 0, data, **threat).ravel() == pytest.approx([1, 0.5, -0.5, -2])
    assert worst_case([-3.0], 0, data, **threat).ravel() == pytest.approx([3, 1.9, -1.5, -4])
    assert worst_case([3.0], 0, data, epsilon=1).ravel() == pytest.approx([1, -0.1, 0.5, -2])


def test_on_the_margin_only_lateral_moves_are_left():
    data = Dataset(np.array([[1.0, -0.5], [-2.0, 1.5]]), [1.0, -1.0], gamma=0.5**0.5)
    moved = worst_case([2.0, 1.0], 0, data, epsilon=0.25, preserve_label=True)
    np.testing.assert_allclose(moved, data.X + 0.25 * np.array([[-1, 1], [1, -1]]))
    moved = worst_case([2.0, 1.0], 0, data, epsilon=0.25, preserve_label=True, norm=2)
    np.testing.assert_allclose(moved, data.X + 0.25 * 0.5**0.5 * np.array([[-1, 1], [1, -1]]))


def test_without_a_label_to_keep_it_is_the_corner_or_the_end_of_the_radius():
    data = points(3, seed=1)
    w = np.array([0.5, -2.0, 0.0])
    moved = worst_case(w, 1, data, epsilon=0.7, clip=(-4, 4.5))
    expected = np.clip(data.X - 0.7 * data.y[:, None] * np.sign(w), -4, 4.5)
    np.testing.assert_allclose(moved[:, :2], expected[:, :2])
    moved = worst_case(w, 1, data, epsilon=0.7, norm=2)
    np.testing.assert_allclose(moved, data.X - 0.7 * data.y[:, None] * w / np.linalg.norm(w))


of_case = {
    "d": st.sampled_from([1, 2, 3, 10]),
    "seed": st.integers(0, 10**6),
    "tilt": st.sampled_from([0.0, 1e-3, 0.1, 1.0, 5.0]),
}
cases = st.fixed_dictionaries(of_case)
made = st.fixed_dictionaries(of_case | {"make": st.sampled_from([points, elsewhere])})
radii = st.one_of(st.just(0.0), st.floats(1e-6, 4))
clips = st.sampled_from([None, CUBE])


@many
@given(made, st.floats(0.4, 4), st.booleans(), clips, st.sampled_from([(0.25, 20), (1.5, 2)]))
def test_descent_stays_inside_and_never_beats_the_worst_case(
    case, epsilon, preserve_label, clip, plan
):
    (step, steps), make = plan, case.pop("make")
    w, b = hyperplane(**case)
    data = make(case["d"], seed=case["seed"])
    threat = {"epsilon": epsilon, "preserve_label": preserve_label, "clip": clip}
    least = margins(w, b, worst_case(w, b, data, **threat), data)
    for seed in (None, 3):
        moved = pgd(w, b, data, step=step, steps=steps, seed=seed, **threat)
        found = margins(w, b, moved, data)
        assert np.all(found >= least - 1e-11)
        if not preserve_label and steps * step >= (1 if seed is None else 2) * epsilon:
            np.testing.assert_allclose(found, least, rtol=0, atol=1e-11)
        assert np.abs(moved - data.X).max() <= epsilon + 1e-14
        if clip:
            assert np.abs(moved).max() <= 5
        if preserve_label:
            assert np.min(data.y * (moved @ data.w_true)) >= data.gamma / 2 - 1e-13


@many
@given(made, st.floats(0.4, 4), clips, st.floats(0.01, 6))
def test_a_step_ends_at_the_nearest_point(case, epsilon, clip, step):
    """No feasible point lies further in the direction from the projection to the moved point."""
    make = case.pop("make")
    w, _ = hyperplane(**case)
    data = make(case["d"], seed=case["seed"])
    threat = {"epsilon": epsilon, "preserve_label": True, "clip": clip}
    found = pgd(w, 0, data, step=step, steps=1, **threat)
    for i in range(data.n):
        z = data.X[i] - data.y[i] * step * np.sign(w)
        away = Dataset(data.X[i : i + 1], data.y[i : i + 1], data.gamma, data.w_true)
        farthest = worst_case(data.y[i] * (found[i] - z), 0, away, **threat)[0]
        assert (z - found[i]) @ (farthest - found[i]) <= 1e-11


@many
@given(made, radii, st.booleans(), st.sampled_from([{}, {"clip": CUBE}, {"norm": 2}]))
def test_accuracy_counts_the_worst_points(case, epsilon, preserve_label, extra):
    make, d, seed = case.pop("make"), case["d"], case["seed"]
    data = make(d, seed=seed)
    kept = np.arange(12) % 6 < 5  # not the mislabelled ones, which no small ball lets off
    data = Dataset(data.X[kept], data.y[kept], data.gamma, data.w_true)
    planes = [hyperplane(d, tilt=tilt, seed=seed) for tilt in (case["tilt"], 0.2, 0.01)]
    run = hand_made([1, 2, 3], [w for w, _ in planes], [b / 4 for _, b in planes])
    threat = {"epsilon": epsilon, "preserve_label": preserve_label} | extra
    found = adversarial_accuracy(run, data, **threat)
    for one, w, b in zip(found, run.w, run.b, strict=True):
        margin = margins(w, b, worst_case(w, b, data, **threat), data)
        clear = np.abs(margin) > 1e-12 * (1 + np.abs(w).sum() * 10)
        least, most = np.sum(margin[clear] > 0), np.sum(margin > 0) + np.sum(~clear)
        assert least <= round(one * data.n) <= most
    np.testing.assert_array_less(found, accuracy(run, data) + 1e-15)
    if epsilon == 0:
        np.testing.assert_array_equal(found, accuracy(run, data))


@many
@given(cases, radii, radii, st.booleans(), clips)
def test_a_wider_ball_is_never_safer(case, one, other, preserve_label, clip):
    w, b = hyperplane(**case)
    data = sample_standard(6, 6, d=case["d"], sv_pos=3, sv_neg=3, seed=case["seed"])
    least = [
        margins(w, b, worst_case(w, b, data, epsilon=e, preserve_label=keep, clip=clip), data)
        for e, keep in [(min(one, other), True), (max(one, other), preserve_label)]
    ]
    assert np.all(least[1] <= least[0] + 1e-11)


@keep
@every
def test_both_classes_are_attacked_alike(make, preserve_label):
    data = make(5, seed=3)
    mirrored = Dataset(-data.X, -data.y, data.gamma, data.w_true)
    w, _ = hyperplane(5, tilt=0.3, seed=1)
    threat = {"epsilon": 1.0, "preserve_label": preserve_label, "clip": (-4, 4)}
    np.testing.assert_array_equal(
        worst_case(w, 2, data, **threat), -worst_case(w, 2, mirrored, **threat)
    )


def test_defaults_are_those_of_appendix_c():
    plain = {name: value.default for name, value in signature(pgd).parameters.items()}
    assert (plain["step"], plain["steps"]) == (0.25, 20)
    given = {
        name: value.default for name, value in signature(adversarial_accuracy).parameters.items()
    }
    assert (given["pgd_step"], given["pgd_steps"], given["method"]) == (0.25, 20, "exact")


def test_sign_steps_parallel_to_w_true_go_nowhere_where_labels_are_kept():
    data = sample_standard(20, 20, sv_pos=20, sv_neg=20, seed=0)
    w, threat = np.array([1.0, 0.5]), {"epsilon": 1, "preserve_label": True}
    np.testing.assert_allclose(pgd(w, 0, data, **threat), data.X, atol=1e-13)
    assert np.abs(worst_case(w, 0, data, **threat) - data.X).max() == pytest.approx(1)


# Where each pull rounds to 0, for class +1 and -1: half an ulp beside 1 where 1 - s is taken;
# else at the least number, at its root where it is squared, or where 1 over it overflows
EDGES = {
    ("difference", "float32"): (16.64, 16.64),
    ("difference", "float64"): (36.74, 36.74),
    ("bce_with_logits", "float32"): (16.64, 88.73),
    ("bce_with_logits", "float64"): (36.74, 709.79),
    ("clamped_log", "float32"): (16.64, 65.81),
    ("clamped_log", "float64"): (36.74, 386.39),
    ("log(1 + exp)", "float32"): (103.98, 103.98),
    ("log(1 + exp)", "float64"): (745.14, 745.14),
    ("softplus", "float32"): (103.98, 103.98),
    ("softplus", "float64"): (745.14, 745.14),
}


@pytest.mark.parametrize(("formula", "dtype"), EDGES)
def test_a_rounded_gradient_does_not_see_safe_points(formula, dtype):
    for label, edge in zip((1.0, -1.0), EDGES[formula, dtype], strict=True):
        assert vanishing_margin(formula, dtype=dtype, y=label) == pytest.approx(edge, abs=0.01)
        z, b = np.array([[edge - 0.02], [edge]]), 3.0 * label
        data = Dataset((z - 3.0) * label, [label, label], 1e-3)  # margins z
        moved = pgd([1.0], b, data, epsilon=1, dtype=dtype, formula=formula) - data.X
        assert moved.ravel() * label == pytest.approx([-1, 0])
        moved = pgd([1.0], b, data, epsilon=1, formula=formula) - data.X
        assert moved.ravel() * label == pytest.approx([-1, -1])


@pytest.mark.parametrize("clip", [None, CUBE])
def test_random_starts_are_uniform_in_the_box(clip):
    data = sample_standard(5_000, 5_000, d=2, gamma=0.5, seed=1)
    low, high = data.X - 1, data.X + 1
    if clip:
        low, high = np.maximum(low, -5), np.minimum(high, 5)
    # All margins are beyond what rounding lets pass: points stay where they start
    start = pgd([0.0, 0.0], 100.0, data, epsilon=1, clip=clip, dtype=np.float32, seed=3)
    moved = data.y < 0
    part = ((start - low) / (high - low))[~moved].ravel()
    assert kstest(part, "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(
        pgd([1.0, 1.0], 0, data, epsilon=1, clip=clip, seed=3)[moved],
        np.minimum(data.X + 1, 5 if clip else 9)[moved],
    )


def test_pulls_are_one_function_as_far_as_they_do_not_round():
    z = np.linspace(-600, 12, 5000)
    for formula in FORMULAS:
        seen = z[z > -12] if formula == "clamped_log" else z
        for label in (1.0, -1.0):
            found = pull(seen, label, formula=formula)
            np.testing.assert_allclose(found, 1 / (1 + np.exp(seen)), rtol=3e-9)
    labels = np.where(np.arange(5000) % 2, 1.0, -1.0)
    both = pull(z, labels, formula="bce_with_logits", dtype=np.float32)
    each = [pull(z, label, formula="bce_with_logits", dtype=np.float32) for label in (-1, 1)]
    np.testing.assert_array_equal(both, np.where(labels > 0, *each[::-1]))


def test_a_mean_over_points_underflows_earlier():
    for dtype, least in (("float32", 103.972), ("float64", 745.133)):
        found = vanishing_margin("softplus", dtype=dtype, points=1000)
        assert found == pytest.approx(least - np.log(1000), abs=1e-2)
    one, many = (vanishing_margin(dtype="float32", points=n) for n in (1, 1000))
    assert one == many  # 1 - s is 0 or not small


@pytest.mark.parametrize("clip", [None, CUBE])
@pytest.mark.parametrize("seed", [None, 5])
@pytest.mark.parametrize("steps", [3, 5, 8])
@pytest.mark.parametrize("formula", FORMULAS)
def test_accuracy_counts_what_descent_leaves(formula, steps, seed, clip):
    # From the signs of a hyperplane and the margins at the start, or step by step if those are few
    data = sample_standard(60, 60, d=3, gamma=0.5, sv_pos=2, sv_neg=2, seed=1)
    w = np.concatenate([np.random.default_rng(0).normal(0, s, (4, 3)) for s in (0.1, 4, 30, 1500)])
    w[3, 1] = w[6] = 0
    b = np.linspace(-1, 1, 16) * np.abs(w).max(axis=1)
    run = hand_made(range(1, 17), w, b)
    counts = {}
    for dtype in (None, np.float32, np.float64):
        rounded = {"dtype": dtype, "formula": formula, "seed": seed}
        found = adversarial_accuracy(
            run, data, epsilon=1, method="pgd", pgd_steps=steps, clip=clip,
            **{f"pgd_{name}": value for name, value in rounded.items()},
        )  # fmt: skip
        moved = [
            pgd(*one, data, epsilon=1, steps=steps, clip=clip, **rounded)
            for one in zip(w, b, strict=True)
        ]
        left = [np.mean(margins(*one, data) > 0) for one in zip(w, b, moved, strict=True)]
        np.testing.assert_array_equal(found, left)
        counts[dtype] = found.sum()
    assert counts[None] < counts[np.float64] < counts[np.float32]


@pytest.mark.parametrize("method", ["exact", "pgd"])
@pytest.mark.parametrize("clip", [None, CUBE])
def test_chunks_change_nothing(monkeypatch, method, clip):
    data = points(4, seed=0)
    w, b = hyperplane(4, tilt=0.4, seed=2)
    run = hand_made([1, 2], [w, np.ones(4)], [b, 0.1])
    threat = {"epsilon": 0.8, "preserve_label": True, "clip": clip}
    whole = worst_case(w, b, data, **threat), pgd(w, b, data, **threat)
    share = adversarial_accuracy(run, data, method=method, **threat)
    monkeypatch.setattr(attack, "_CHUNK", 12)
    for one, other in zip(whole, (worst_case, pgd), strict=True):
        np.testing.assert_allclose(other(w, b, data, **threat), one, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(adversarial_accuracy(run, data, method=method, **threat), share)


@pytest.mark.parametrize("clip", [None, CUBE])
def test_needs_no_second_copy_of_the_points(clip):
    data = sample_standard(20_000, 20_000, d=64, seed=0)
    run = hand_made([1, 2], np.ones((2, 64)), [0, 0.1])
    adversarial_accuracy(run, sample_standard(1, 1, d=64, seed=0), epsilon=1)
    tracemalloc.start()
    try:
        adversarial_accuracy(run, data, epsilon=1, preserve_label=True, clip=clip)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < data.X.nbytes


def test_planted_points_count_as_on_the_margin():
    data = sample_standard(50, 50, d=1024, sv_pos=50, sv_neg=50, seed=0)
    slack = data.y * (data.X @ data.w_true) - data.gamma / 2
    assert slack.min() < 0  # by rounding
    moved = worst_case(data.w_true, 0, data, epsilon=0, preserve_label=True)
    np.testing.assert_allclose(moved, data.X, rtol=0, atol=1e-13)


@keep
@pytest.mark.parametrize("norm", [2, np.inf])
def test_a_hyperplane_without_direction_gives_nothing_to_attack(norm, preserve_label):
    data = sample_standard(4, 2, d=3, seed=0)
    run = hand_made([1], np.zeros((1, 3)), [0.1])
    threat = {"epsilon": 1, "preserve_label": preserve_label, "norm": norm}
    assert adversarial_accuracy(run, data, **threat) == pytest.approx([4 / 6])
    assert margins([0, 0, 0], 0.1, worst_case([0, 0, 0], 0.1, data, **threat), data) == (
        pytest.approx(0.1 * data.y)
    )


def test_an_attacked_point_on_the_hyperplane_counts_as_wrong():
    data = Dataset(np.array([[2.0], [-3.0]]), [1.0, -1.0], gamma=1.0)
    run = hand_made([1], [[1.0]], [0.0])
    assert adversarial_accuracy(run, data, epsilon=2) == pytest.approx([0.5])


def test_progress_counts_points(capsys):
    data = points(2, seed=0)
    run = hand_made([1], [[1.0, 2.0]], [0.0])
    adversarial_accuracy(run, data, epsilon=1)
    assert capsys.readouterr() == ("", "")
    adversarial_accuracy(run, data, epsilon=1, progress=True)
    assert "12.0/12.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("epsilon", "-1", {"epsilon": -1}),
        ("epsilon", "nan", {"epsilon": np.nan}),
        ("epsilon", "'much'", {"epsilon": "much"}),
        ("preserve_label", "'yes'", {"preserve_label": "yes"}),
        ("norm", "1", {"norm": 1}),
        ("clip", "(5, -5)", {"clip": (5, -5)}),
        ("clip", "(5,)", {"clip": (5,)}),
        ("clip", "nan", {"clip": (np.nan, 5)}),
        ("clip", "(-5, 5)", {"clip": (-5, 5), "norm": 2}),
        ("data", "list", {"data": [[1.0, 2.0]]}),
        ("w", "(2), got 3", {"w": [1.0, 2.0, 3.0]}),
        ("w", "nan at index [1]", {"w": [1.0, np.nan]}),
        ("b", "inf", {"b": np.inf}),
        ("step", "0", {"step": 0}),
        ("steps", "0", {"steps": 0}),
        ("dtype", "int", {"dtype": int}),
        ("formula", "'hinge'", {"formula": "hinge"}),
        ("seed", "-3", {"seed": -3}),
        ("method", "'fgsm'", {"method": "fgsm"}),
        ("norm", "2", {"norm": 2, "method": "pgd"}),
        ("clearance", "1.5", {"clearance": 1.5}),
        ("clearance", "-1", {"clearance": -1}),
        ("data", "3", {"data": points(3, seed=0)}),
    ],
)
def test_refuses_what_makes_no_sense(name, value, wrong):
    arguments = {"w": [1.0, 2.0], "b": 0.0, "data": points(2, seed=0), "epsilon": 1} | wrong
    w, b, data = (arguments.pop(key) for key in ("w", "b", "data"))
    with refuses(name, value):
        if {"step", "steps", "dtype", "formula", "seed"} & set(wrong):
            pgd(w, b, data, **arguments)
        elif "method" in wrong or (name == "data" and value == "3"):
            adversarial_accuracy(hand_made([1], [w], [b]), data, **arguments)
        else:
            worst_case(w, b, data, **arguments)


@pytest.mark.parametrize(
    ("radius", "miss", "extra"),
    [(0.5, "0.636", {}), (0.5, "0.919", {"clip": (-5, 4.1)}), (1, "0.344", {"norm": 2})],
)
def test_names_a_point_that_can_not_keep_its_label(monkeypatch, radius, miss, extra):
    monkeypatch.setattr(attack, "_CHUNK", 2)  # the point is in another chunk than the first
    data = Dataset(np.array([[4.0, 0.0], [-3.9, 4.0]]), [1.0, 1.0], gamma=2 * 2**0.5)
    with pytest.raises(
        ValueError, match=rf"epsilon must .* got {radius}.*; point 1 misses by {miss}"
    ):
        worst_case([1.0, 1.0], 0, data, epsilon=radius, preserve_label=True, **extra)


def test_names_a_point_that_can_not_reach_the_range():
    data = Dataset(np.array([[0.0, 0.0], [-1.0, 4.0]]), [1.0, -1.0], gamma=1.0)
    with pytest.raises(ValueError, match=r"clip must .* got .*; point 1 misses by 2.5"):
        pgd([1.0, 1.0], 0, data, epsilon=0.5, clip=(-1, 1))
