"""Few planted points a dimension: when they are separable across w_true, and what then happens."""

from math import comb

import numpy as np
import pytest
from record_edge import across
from scipy.stats import binom

from lingrok import (
    check_assumption,
    edge,
    max_margin,
    mean_field,
    rest_width,
    sample_standard,
    separable_share,
    separation,
    widest_margin,
)
from lingrok.theory.edge import _intrinsic_volume


@pytest.mark.parametrize(("k", "m"), [(1, 1), (2, 1), (3, 2), (5, 5), (2, 10)])
def test_on_a_line_every_order_of_points_is_as_likely(k, m):
    assert separable_share(k, m, 2) == pytest.approx(2 / comb(k + m, k), rel=1e-8)


@pytest.mark.parametrize("d", [5, 12, 20])
def test_over_all_labels_it_is_covers_count(d):
    """Cover counts dichotomies; here each number of points of a class has its own chance."""
    n = 24
    chances = [separable_share(k, n - k, d) for k in range(n + 1)]
    over = binom.pmf(np.arange(n + 1), n, 0.5) @ chances
    assert over == pytest.approx(binom.cdf(d - 1, n - 1, 0.5), rel=1e-8)
    assert chances == pytest.approx(chances[::-1], rel=1e-9)


def test_in_many_dimensions_both_sums_meet():
    """Beyond 40 the side with the smaller terms is summed: they all add up to 1/2."""
    volumes = {q: _intrinsic_volume(50, 44, q) for q in range(2, 95)}
    assert sum(volumes[q] for q in range(2, 95, 2)) == pytest.approx(0.5, rel=1e-8)
    for d in (41, 43, 61):
        rest = sum(volumes[q] for q in range(d + 1, 95, 2))
        assert separable_share(50, 44, d) == pytest.approx(1 - 2 * rest, abs=1e-9)
    tiny = 2 * sum(_intrinsic_volume(110, 90, q) for q in range(48, 1, -2))
    assert 1e-14 < tiny < 1e-11
    assert separable_share(110, 90, 49) == pytest.approx(tiny, rel=1e-6, abs=0)


@pytest.mark.parametrize(("k", "m", "d"), [(16, 16, 16), (20, 4, 8)])
def test_planted_points_are_separable_as_often(k, m, d):
    """In the cube as well, whose slices are not Gaussian."""
    seeds = range(200)
    shares = [
        separation(across(sample_standard(k, m, d=d, gamma=1e-2, sv_pos=k, sv_neg=m, seed=seed)))
        .separable for seed in seeds
    ]  # fmt: skip
    expected = separable_share(k, m, d)
    assert np.mean(shares) == pytest.approx(expected, abs=3.5 * np.sqrt(0.25 / len(seeds)))
    assert 0.2 < expected < 0.9


def test_far_above_the_edge_hardly_any_are_separable():
    """Where volumes rise from next to nothing the sum must not end, as it once did, at 1."""
    assert separable_share(350, 250, 2) == pytest.approx(2 / comb(600, 350), rel=1e-9)
    assert 0 < separable_share(350, 250, 16) < 1e-100
    assert separable_share(2000, 2000, 100) == 0
    for d in (3, 4, 5, 12):  # over all labels, Cover's count
        shares = [separable_share(k, 60 - k, d) for k in range(61)]
        law = binom.cdf(d - 1, 59, 0.5)
        assert binom.pmf(np.arange(61), 60, 0.5) @ shares == pytest.approx(law, rel=1e-8)


def test_assumption_31_holds_where_planted_points_are_not_separable():
    seen = set()
    for seed in range(24):
        data = sample_standard(200, 200, d=8, gamma=1e-2, sv_pos=8, sv_neg=8, seed=seed)
        apart = separation(across(data)).separable
        found = check_assumption(data)
        assert apart == (found.excess > 1e-6)
        assert apart == (not found.holds)
        seen.add(apart)
    assert seen == {True, False}


def test_the_edge_is_where_the_share_falls_from_1_to_0():
    assert edge() == pytest.approx(2, abs=1e-9)
    assert edge(0.2) == pytest.approx(edge(0.8))
    assert edge(7 / 8) == pytest.approx(3.431, abs=1e-3)
    for share in (0.5, 0.7, 7 / 8):
        below, above = (
            separable_share(round(share * n), n - round(share * n), 201)
            for n in (round(200 * edge(share) * f) for f in (0.9, 1.1))
        )
        assert below > 0.9
        assert above < 0.1


def test_late_margins_rest_at_a_width():
    assert rest_width(1e-3) == pytest.approx(1e-3**0.5, rel=2e-3)
    assert rest_width(1e-30) == pytest.approx(1e-15)
    field = mean_field(
        800, 800, 10**12, sv_pos=150, sv_neg=150, d=76, gamma=1e-2, checkpoints=[10**12]
    )
    assert np.sqrt(25 / 3) * field.lateral[0] == pytest.approx(rest_width(0.25), rel=0.02)
    for share in (0.5, 0.8):
        load = 0.3 / edge(share)
        assert rest_width(load, share) == pytest.approx(rest_width(load, 1 - share), rel=1e-7)


def test_the_width_diverges_as_one_over_a_root():
    """With D = pi^2 / 16 + (log 2)^2 / 2 for equal classes, and corrections of order 1 / width."""
    D = np.pi**2 / 16 + np.log(2) ** 2 / 2
    left = np.array([1e-2, 1e-3])
    found = np.array([rest_width(0.5 - one) ** 2 * one for one in left])
    # Linear in 1 / width, from two of them
    limit = found[1] + (found[1] - found[0]) / (np.sqrt(left[0] / left[1]) - 1)
    assert limit == pytest.approx(D, rel=1e-2)


def test_the_mean_field_goes_on_with_more_nodes():
    setting = {"sv_pos": 17, "sv_neg": 17, "d": 17, "gamma": 1e-2, "crowding": True}
    at = np.geomspace(1, 1e9, 28).astype(int)
    short = mean_field(68, 68, 10**9, checkpoints=at, **setting)
    long = mean_field(68, 68, 10**9, checkpoints=at, widest=12, **setting)
    known = np.isfinite(short.along)
    assert 0 < known.sum() < len(at)
    assert np.isfinite(long.along).all()
    assert long.lateral[known] == pytest.approx(short.lateral[known], rel=0.02)
    assert np.sqrt(25 / 3) * long.lateral[-1] > 4


def test_above_the_edge_the_true_separator_is_the_widest():
    for many in (127, 200):  # 2.02 a dimension, and 3.2
        found = widest_margin(400, 400, sv_pos=many // 2, sv_neg=-(-many // 2), d=64, gamma=1e-2)
        assert (found.margin, found.angle, found.accuracy) == (1e-2, 0, 1)


def test_below_it_the_angle_opens_with_the_distance():
    """tan(angle) = 3 pi / 4 times the load beyond 1/2, over points not planted a planted one."""
    found = widest_margin(4000, 4000, sv_pos=970, sv_neg=970, d=1001, gamma=1e-5)
    beyond, others = 1000 / 1940 - 0.5, (8000 - 1940) / 1940
    assert np.tan(found.angle) == pytest.approx(0.75 * np.pi * beyond / others, rel=0.05)


def test_samples_end_there():
    sizes, setting = (320, 320), {"sv_pos": 80, "sv_neg": 80, "d": 129, "gamma": 1e-2}
    law = widest_margin(*sizes, **setting)
    angles, widths = [], []
    for seed in range(6):
        data = sample_standard(*sizes, **setting, seed=seed)
        widest = max_margin(data)
        angles.append(np.arccos(widest.w @ data.w_true / np.linalg.norm(widest.w)))
        widths.append(widest.margin)
    assert np.mean(angles) == pytest.approx(law.angle, rel=0.1)
    assert np.mean(widths) == pytest.approx(law.margin, rel=0.15)
    assert law.accuracy < 0.6


def test_a_class_of_more_planted_points_pushes_the_widest_away():
    setting = {"d": 129, "gamma": 1e-2}
    law = widest_margin(320, 320, sv_pos=110, sv_neg=50, **setting)
    mirrored = widest_margin(320, 320, sv_pos=50, sv_neg=110, alpha=3.0, **setting)
    assert mirrored.margin == pytest.approx(law.margin, rel=1e-6)
    assert mirrored.b == pytest.approx(-law.b, rel=1e-4)
    assert 0.5 < mirrored.accuracy < law.accuracy - 0.01  # on a narrower shell
    found = [
        max_margin(sample_standard(320, 320, sv_pos=110, sv_neg=50, **setting, seed=seed))
        for seed in range(8)
    ]
    offsets = [one.b / np.linalg.norm(one.w) for one in found]
    assert law.b == pytest.approx(np.mean(offsets), abs=4 * np.std(offsets) / np.sqrt(8))
    assert np.mean(np.sign(offsets)) >= 0.5


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: separable_share(-1, 2, 3), "sv_pos"),
        (lambda: separable_share(2, 2, 1), "d must"),
        (lambda: edge(1.0), "share must be above 0 and below 1"),
        (lambda: edge(0.0), "share must be above 0 and below 1"),
        (lambda: rest_width(0.0), "load must be above 0"),
        (lambda: rest_width(-0.1), "load must be above 0"),
        (
            lambda: rest_width(0.5),
            r"load must be above 0 and at most 1 / edge - 0\.0001 = 0\.4999, got 0\.5",
        ),
        (lambda: widest_margin(5, 5, sv_pos=6, sv_neg=1, d=3, gamma=1e-2), "sv_pos"),
        (lambda: widest_margin(9, 5, sv_pos=1, sv_neg=6, d=3, gamma=1e-2), "sv_neg"),
        (lambda: widest_margin(5, 0, sv_pos=1, sv_neg=0, d=3, gamma=1e-2), "n_neg"),
        (lambda: mean_field(9, 9, 10, widest=13), "widest must be above 0 and at most 12"),
        (lambda: mean_field(9, 9, 10, widest=0), "widest must be above 0 and at most 12"),
    ],
)
def test_wrong_input_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call()
