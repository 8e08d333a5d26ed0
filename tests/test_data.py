"""Sampled points lie where section 5.1 puts them, and are spread as if rejected from the cube."""

import dataclasses
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from problems import refuses
from scipy.interpolate import BSpline
from scipy.stats import ks_2samp, kstest

from lingrok import (
    Dataset,
    bias_pull,
    flip_labels,
    gradient_descent,
    max_margin,
    rotated,
    sample_concentrated,
    sample_standard,
    worst_case,
)
from lingrok.cube import SumDensity

DIMENSIONS = (1, 2, 3, 64, 1024)
ROUNDING = 1e-13  # of projections: a sum of d numbers up to 5, divided by sqrt(d)
LEAST_P = 1e-4  # of each of some 200 comparisons; seeds are fixed, so it fails always or never


def signed_projection(data: Dataset) -> np.ndarray:
    return data.y * (data.X @ data.w_true)


def rejected(
    rng: np.random.Generator, n: int, d: int, inner: float, outer: float, *, normal=None
) -> np.ndarray:
    """Points of the cube with a projection between inner and outer, by rejection."""
    found = np.empty((0, d))
    while len(found) < n:
        X = rng.uniform(-5, 5, (200_000, d))
        projection = X.sum(axis=1) / np.sqrt(d) if normal is None else X @ normal
        found = np.r_[found, X[(inner <= projection) & (projection <= outer)]]
    return found[:n]


def directions(d: int) -> dict[str, np.ndarray]:
    """Directions in which distributions are compared."""
    random = np.random.default_rng(99).standard_normal(d)
    some = {"first": np.eye(d)[0], "last": np.eye(d)[-1], "projection": np.full(d, d**-0.5)}
    return some | {"lateral": np.eye(d)[0] - np.eye(d)[-1], "random": random}


def assert_same_distribution(a: np.ndarray, b: np.ndarray) -> None:
    for name, direction in directions(a.shape[1]).items():
        p = ks_2samp(a @ direction, b @ direction).pvalue
        assert p > LEAST_P, f"{name}: p = {p:.1e}"


@pytest.mark.parametrize("d", DIMENSIONS)
def test_standard_points_lie_in_the_cube_outside_of_the_gap_on_their_side(d):
    data = sample_standard(50, 30, d=d, gamma=1.5, seed=d)
    assert data.X.shape == (80, d)
    assert (data.n, data.d) == (80, d)
    assert data.X.dtype == data.y.dtype == np.float64
    assert np.abs(data.X).max() <= 5
    np.testing.assert_array_equal(data.y, [1.0] * 50 + [-1.0] * 30)
    assert signed_projection(data).min() >= 0.75 - ROUNDING
    assert data.gamma == 1.5


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("gamma", [1e-3, 2.0])
def test_planted_points_lie_on_the_margin_and_come_first_in_their_class(d, gamma):
    data = sample_standard(40, 30, d=d, gamma=gamma, sv_pos=12, sv_neg=7, seed=d)
    excess = signed_projection(data) - gamma / 2
    on_the_margin = np.abs(excess) < ROUNDING
    expected = np.zeros(70, dtype=bool)
    expected[:12] = expected[40:47] = True
    np.testing.assert_array_equal(on_the_margin, expected)
    assert excess.min() >= -ROUNDING
    assert np.abs(data.X).max() <= 5
    assert data.margin == pytest.approx(gamma, abs=4 * ROUNDING)


def test_planted_points_are_uniform_on_their_slice():
    data = sample_standard(3000, 3000, gamma=4.0, sv_pos=3000, sv_neg=3000, seed=5)
    reach = 5 * np.sqrt(2) - 2  # the slice of the square is a segment of this half length
    lateral = data.X @ [0.5**0.5, -(0.5**0.5)]
    for part in (lateral[:3000], lateral[3000:]):
        assert kstest(part, "uniform", args=(-reach, 2 * reach)).pvalue > LEAST_P
        assert np.unique(part).size == 3000


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_standard_points_are_spread_as_by_rejection(d):
    data = sample_standard(4000, 4000, d=d, gamma=3.0, seed=10 + d)
    rng = np.random.default_rng(d)
    expected = rejected(rng, 8000, d, 1.5, np.inf)
    assert_same_distribution(data.X[:4000], expected[:4000])
    assert_same_distribution(data.X[4000:], -expected[4000:])


@pytest.mark.parametrize(
    ("d", "gamma", "alpha"),
    [
        (1, 1.0, 3.0),
        (2, 1.0, 3.0),
        (2, 0.4, 10.0),
        (2, 12.0, 0.58),  # the corner: a trapezium of half length 1.07 to 0.11
        (3, 1.0, 3.0),
        (3, 10.0, 0.8),  # where the slice is a triangle
        (5, 1.0, 3.0),
    ],
)
def test_concentrated_points_are_spread_as_by_rejection(d, gamma, alpha):
    data = sample_concentrated(4000, 4000, d=d, gamma=gamma, alpha=alpha, seed=20 + d)
    expected = rejected(np.random.default_rng(d), 8000, d, gamma / 2, alpha * gamma)
    assert_same_distribution(data.X[:4000], expected[:4000])
    assert_same_distribution(data.X[4000:], -expected[4000:])


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize(("gamma", "alpha"), [(1e-3, 10.0), (1.0, 3.0), (2.0, 0.500001)])
def test_concentrated_points_lie_in_the_cube_and_the_shell(d, gamma, alpha):
    data = sample_concentrated(40, 60, d=d, gamma=gamma, alpha=alpha, seed=d)
    projection = signed_projection(data)
    assert np.abs(data.X).max() <= 5
    assert projection.min() >= gamma / 2 - ROUNDING
    assert projection.max() <= alpha * gamma + ROUNDING
    np.testing.assert_array_equal(data.y, [1.0] * 40 + [-1.0] * 60)
    assert np.unique(projection).size == 100 if alpha > 1 else projection.std() < 1e-6


@pytest.mark.parametrize("d", [1, 2, 3, 64, 300])
def test_a_shell_wider_than_the_cube_gives_the_standard_distribution(d):
    shell = sample_concentrated(20_000, 10_000, d=d, alpha=1e9, seed=d)
    cube = sample_standard(20_000, 10_000, d=d, seed=d + 1)
    assert np.abs(shell.X).max() <= 5
    assert_same_distribution(shell.X[:20_000], cube.X[:20_000])
    assert_same_distribution(shell.X[20_000:], cube.X[20_000:])


def test_projections_of_a_shell_follow_the_triangle_of_the_square():
    data = sample_concentrated(5000, 0, gamma=2.0, alpha=3.0, seed=3)
    top = 5 * np.sqrt(2)

    def distribution(p):  # the slice at p is 2 (top - p) long
        return ((top - 1) ** 2 - (top - p) ** 2) / ((top - 1) ** 2 - (top - 6) ** 2)

    assert kstest(signed_projection(data), distribution).pvalue > LEAST_P


def test_shell_points_fill_the_cube_in_high_dimensions():
    d, n = 1024, 1000
    X = sample_concentrated(n, 0, d=d, seed=1).X
    variance = 25 / 3
    assert X.var() == pytest.approx(variance, rel=0.01)
    for column in (0, d // 2, d - 1):
        assert kstest(X[:, column], "uniform", args=(-5, 10)).pvalue > LEAST_P
    # Coordinates that sum to about 0 are slightly anticorrelated: a block of k varies less.
    for block in (slice(0, d // 2), slice(d // 2, None), slice(3 * d // 4, None), slice(d - 2, d)):
        sums = X[:, block].sum(axis=1)
        k = len(range(*block.indices(d)))
        assert sums.var() == pytest.approx(variance * k * (1 - k / d), rel=0.2)
        assert abs(sums.mean()) < 4 * sums.std() / np.sqrt(n)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 16, 17, 40, 512])
def test_density_of_a_sum_is_normalised_with_variance_k_over_12(k):
    reach = min(k / 2, 12 * np.sqrt(k / 12))
    edges = np.linspace(-reach, reach, 2 * 1024 + 1)
    middle, weight = np.polynomial.legendre.leggauss(4)
    x = ((edges[1:] + edges[:-1])[:, None] + np.diff(edges)[:, None] * middle) / 2
    mass = SumDensity(k)(x) * weight * np.diff(edges)[:, None] / 2
    assert mass.sum() == pytest.approx(1, abs=1e-10)
    assert (mass * x**2).sum() == pytest.approx(k / 12, rel=1e-9)


def test_density_of_a_sum_against_closed_forms():
    x = np.linspace(-2, 2, 401)
    np.testing.assert_allclose(SumDensity(2)(x), np.maximum(1 - np.abs(x), 0), atol=1e-14)
    a = np.abs(x)
    quadratic = np.where(a < 0.5, 0.75 - a**2, np.maximum(1.5 - a, 0) ** 2 / 2)
    np.testing.assert_allclose(SumDensity(3)(x), quadratic, atol=1e-14)
    inside = np.array([-0.5, -0.2, 0.0, 0.3, 0.5])  # both faces belong to the cube
    np.testing.assert_allclose(SumDensity(1)(inside), 1)
    np.testing.assert_array_equal(SumDensity(1)(np.array([-0.51, 0.51, 3.0])), 0)


@pytest.mark.parametrize("k", [17, 20, 24])
def test_density_by_its_fourier_series_agrees_with_the_spline(k):
    spline = BSpline.basis_element(np.arange(k + 1) - k / 2, extrapolate=False)
    x = np.linspace(-k / 2, 0, 500)
    np.testing.assert_allclose(SumDensity(k)(x), spline(x), atol=1e-11)
    np.testing.assert_allclose(SumDensity(k)(-x), spline(x), atol=1e-11)
    np.testing.assert_array_equal(SumDensity(k)(np.array([-k / 2 - 0.1, k / 2 + 0.1])), 0)


@pytest.mark.parametrize("k", [100, 512])
def test_density_of_many_uniforms_is_gaussian_to_the_next_order(k):
    x = np.linspace(0, 3, 20) * np.sqrt(k / 12)
    z2 = x**2 * 12 / k
    gaussian = np.exp(-z2 / 2) * np.sqrt(6 / (np.pi * k))
    edgeworth = gaussian * (1 - (z2**2 - 6 * z2 + 3) / (20 * k))
    np.testing.assert_allclose(SumDensity(k)(x), edgeworth, rtol=0, atol=0.5 / k**2 * gaussian[0])


@pytest.mark.parametrize("sample", [sample_standard, sample_concentrated])
@pytest.mark.parametrize("d", [1, 2, 64])
def test_the_seed_alone_decides(sample, d):
    np.random.seed(1)  # noqa: NPY002 - the global state must neither matter nor move
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = sample(20, 20, d=d, seed=7)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(first.X, sample(20, 20, d=d, seed=7).X)
    np.testing.assert_array_equal(first.X, sample(20, 20, d=d, seed=np.random.default_rng(7)).X)
    assert not np.isin(first.X, sample(20, 20, d=d, seed=8).X).any()
    rng = np.random.default_rng(7)
    sample(20, 20, d=d, seed=rng)
    assert not np.isin(first.X, sample(20, 20, d=d, seed=rng).X).any()


@pytest.mark.parametrize("sample", [sample_standard, sample_concentrated])
def test_points_do_not_depend_on_how_many_rows_a_chunk_holds_in_distribution(sample, monkeypatch):
    monkeypatch.setattr("lingrok.cube._AT_ONCE", 64)
    data = sample(500, 500, d=3, gamma=1.0, seed=4)
    assert np.unique(data.X[:, 0]).size == 1000  # no row left out, none twice
    assert np.abs(data.X).max() <= 5
    assert signed_projection(data).min() >= 0.5 - ROUNDING


@pytest.mark.parametrize("sample", [sample_standard, sample_concentrated])
def test_one_class_may_be_empty(sample):
    assert (sample(3, 0, seed=1).y == 1).all()
    assert (sample(0, 3, seed=1).y == -1).all()


def test_dataset_is_immutable_and_shares_nothing_with_its_maker():
    X, y = np.array([[1.0, 2.0], [-3.0, -4.0]]), np.array([1.0, -1.0])
    data = Dataset(X, y, 0.5)
    X[0, 0], y[0] = 99, -1
    assert data.X[0, 0] == 1
    assert data.y[0] == 1
    assert X.flags.writeable
    assert y.flags.writeable
    for array in (data.X, data.y, data.w_true):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    for field in ("X", "y", "gamma"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(data, field, 1.0)


def test_sampled_points_are_immutable_too():
    for data in (sample_standard(2, 2, sv_pos=1, seed=1), sample_concentrated(2, 2, seed=1)):
        assert not data.X.flags.writeable
        assert not data.y.flags.writeable


def test_sampled_points_are_not_copied():
    tracemalloc.start()
    try:
        data = sample_standard(10_000, 10_000, d=64, seed=1)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert taken < 1.5 * data.X.nbytes


def test_dataset_of_lists_and_integers():
    data = Dataset([[3, 4], [-1, 0]], [1, -1], 1)
    assert data.X.dtype == data.y.dtype == np.float64
    assert data.margin == pytest.approx(2 * 1 / np.sqrt(2))
    np.testing.assert_allclose(data.w_true, [0.5**0.5] * 2)
    assert "n=2 (1:1), d=2, gamma=1" in repr(data)


def test_margin_is_negative_where_a_point_is_on_the_wrong_side():
    assert Dataset([[2.0], [1.5]], [1, -1], 1.0).margin == pytest.approx(-3.0)


POINTS = [[1.0, 2.0], [-1.0, -2.0]]


@pytest.mark.parametrize(
    ("X", "y", "gamma", "name", "value"),
    [
        (POINTS, [1, 0], 1.0, "y", "0 at index 1"),
        (POINTS, [2, 1], 1.0, "y", "2 at index 0"),
        (POINTS, [True, False], 1.0, "y", "0 at index 1"),
        (POINTS, [1, np.nan], 1.0, "y", "nan at index [1]"),
        (POINTS, ["a", "b"], 1.0, "y", "['a', 'b']"),
        (POINTS, [1, -1, 1], 1.0, "y", "3"),
        (POINTS, [[1], [-1]], 1.0, "y", "(2, 1)"),
        ([[1.0, np.nan], [0, 0]], [1, -1], 1.0, "X", "nan at index [0, 1]"),
        ([[1.0, 0], [-np.inf, 0]], [1, -1], 1.0, "X", "-inf at index [1, 0]"),
        ([[np.inf, 0], [-np.inf, 0]], [1, -1], 1.0, "X", "inf at index [0, 0]"),
        ([1.0, 2.0], [1, -1], 1.0, "X", "(2,)"),
        ([[1.0], [2.0, 3.0]], [1, -1], 1.0, "X", "[[1.0], [2.0, 3.0]]"),
        (np.empty((0, 2)), [], 1.0, "X", "(0, 2)"),
        (np.empty((2, 0)), [1, -1], 1.0, "X", "(2, 0)"),
        (POINTS, [1, -1], 0, "gamma", "0"),
        (POINTS, [1, -1], -0.5, "gamma", "-0.5"),
        (POINTS, [1, -1], np.nan, "gamma", "nan"),
        (POINTS, [1, -1], "wide", "gamma", "'wide'"),
    ],
)
def test_dataset_refuses(X, y, gamma, name, value):
    with refuses(name, value):
        Dataset(X, y, gamma)


def test_large_entries_are_finite_although_their_sum_is_not():
    assert Dataset([[1e308], [1e308]], [1, -1], 1.0).n == 2


@pytest.mark.parametrize("sample", [sample_standard, sample_concentrated])
@pytest.mark.parametrize(
    ("wrong", "name", "value"),
    [
        ({"n_pos": -1}, "n_pos", "-1"),
        ({"n_neg": 2.5}, "n_neg", "2.5"),
        ({"n_neg": np.nan}, "n_neg", "nan"),
        ({"n_pos": None}, "n_pos", "None"),
        ({"n_pos": 0, "n_neg": 0}, "n_pos", "0 and 0"),
        ({"d": 0}, "d", "0"),
        ({"d": 1.5}, "d", "1.5"),
        ({"gamma": 0.0}, "gamma", "0.0"),
        ({"gamma": -1e-3}, "gamma", "-0.001"),
        ({"gamma": np.inf}, "gamma", "inf"),
        ({"gamma": 20.0, "d": 4}, "gamma", "20.0"),
        ({"seed": None}, "seed", "None"),
        ({"seed": -3}, "seed", "-3"),
        ({"seed": 1.5}, "seed", "1.5"),
        ({"seed": "today"}, "seed", "'today'"),
    ],
)
def test_samplers_refuse(sample, wrong, name, value):
    with refuses(name, value):
        sample(**{"n_pos": 3, "n_neg": 3, "seed": 0} | wrong)


@pytest.mark.parametrize(
    ("wrong", "value"),
    [({"sv_pos": 4}, "4"), ({"sv_neg": 6}, "6"), ({"sv_neg": -1}, "-1"), ({"sv_pos": 0.5}, "0.5")],
)
def test_planting_refuses_more_than_there_are(wrong, value):
    with refuses(next(iter(wrong)), value):
        sample_standard(3, 5, seed=0, **wrong)


@pytest.mark.parametrize("alpha", [0.5, 0.1, 0.0, -1.0, np.nan, np.inf])
def test_concentrated_refuses_alpha(alpha):
    with refuses("alpha", repr(alpha)):
        sample_concentrated(3, 3, alpha=alpha, seed=0)


@pytest.mark.parametrize("sample", [sample_standard, sample_concentrated])
def test_the_seed_must_be_given(sample):
    with pytest.raises(TypeError, match="seed"):
        sample(3, 3)


# What a Dataset may lack, and what nobody else may write to


def test_a_dataset_may_be_points_and_labels_alone():
    data = Dataset(POINTS, [1, -1])
    assert data.gamma is data.w_true is data.planted is None
    assert repr(data) == "Dataset(n=2 (1:1), d=2)"
    run = gradient_descent(data, 10)
    with pytest.raises(ValueError, match="needs data with a true separator"):
        _ = run.angle
    for use in (
        lambda: data.margin,
        lambda: worst_case([1, 1], 0.0, data, epsilon=0.1, preserve_label=True),
    ):
        with pytest.raises(ValueError, match=r"data must have \w+ for this, got Dataset"):
            use()
    assert max_margin(data).margin > 0


def test_gamma_alone_means_the_papers_separator():
    np.testing.assert_allclose(Dataset(POINTS, [1, -1], 0.1).w_true, [0.5**0.5] * 2)
    data = Dataset(POINTS, [1, -1], w_true=[0.6, -0.8])
    assert data.gamma is None
    np.testing.assert_array_equal(data.w_true, [0.6, -0.8])
    assert data.margin == pytest.approx(-2.0)


def test_the_planted_mask_says_who_is_planted():
    data = sample_standard(30, 20, sv_pos=4, sv_neg=3, seed=0)
    assert np.flatnonzero(data.planted).tolist() == [0, 1, 2, 3, 30, 31, 32]
    assert not sample_standard(3, 2, seed=0).planted.any()
    assert not sample_concentrated(3, 2, seed=0).planted.any()
    with pytest.raises(ValueError, match="read-only"):
        data.planted[0] = False


@pytest.mark.parametrize(
    ("known", "name", "shown"),
    [
        ({"w_true": [1.0, 1.0]}, "w_true", "2 of length 1.41421"),
        ({"w_true": [1.0]}, "w_true", "1 of length 1"),
        ({"w_true": [np.nan, 1.0]}, "w_true", "nan"),
        ({"planted": [True]}, "planted", "(1,)"),
        ({"planted": [1, 0]}, "planted", "int64"),
        ({"gamma": "1"}, "gamma", "'1'"),
        ({"gamma": True}, "gamma", "True"),
        ({"gamma": 1 + 0j}, "gamma", "(1+0j)"),
        ({"X": [["1", "2"], ["3", "4"]]}, "X", "'1'"),
        ({"X": [[1j, 2], [3, 4]]}, "X", "1j"),
    ],
)
def test_dataset_refuses_what_is_not_known_so(known, name, shown):
    with refuses(name, shown):
        Dataset(**{"X": POINTS, "y": [1, -1]} | known)


def test_views_of_what_others_can_write_to_are_copied():
    frame = pd.DataFrame({"a": [1.0, -1.0], "b": [2.0, -2.0], "y": [1.0, -1.0]})
    X, y = frame[["a", "b"]].to_numpy(), frame["y"].to_numpy()
    own = np.array(POINTS)
    view = own[:]
    view.flags.writeable = False
    for data, change in (
        (Dataset(X, y), lambda: (frame.__setitem__("y", -1.0), X.flags.writeable and X.fill(9))),
        (Dataset(view, [1, -1]), lambda: own.fill(9.0)),
        (Dataset(view[::-1], [1, -1]), lambda: own.fill(7.0)),
    ):
        before = data.X.copy(), data.y.copy()
        change()
        np.testing.assert_array_equal(data.X, before[0])
        np.testing.assert_array_equal(data.y, before[1])


def test_what_nobody_can_write_to_is_shared():
    data = sample_standard(3, 2, seed=0)
    assert Dataset(data.X[1:4], data.y[1:4]).X.base is data.X
    assert dataclasses.replace(data, gamma=1e-4).X is data.X


def test_the_fingerprint_is_of_all_there_is(monkeypatch):
    data = sample_standard(400, 300, sv_pos=3, seed=0)
    X, y = data.X.copy(), data.y.copy()
    assert Dataset(X, y, data.gamma).fingerprint == data.fingerprint
    monkeypatch.setattr("lingrok.cube._AT_ONCE", 64)
    assert Dataset(np.asfortranarray(X), y, data.gamma).fingerprint == data.fingerprint
    X[123, 1] = np.nextafter(X[123, 1], 9)
    others = [Dataset(X, y, data.gamma), Dataset(data.X, y, 2e-3), Dataset(data.X, y)]
    others += [Dataset(data.X, y, data.gamma, w_true=[1.0, 0.0])]
    y[321] *= -1
    others += [Dataset(data.X, y, data.gamma)]
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_what_needs_all_points_says_so_of_rows_elsewhere():
    da = pytest.importorskip("dask.array", reason="the extra lingrok[dask] is not installed")
    from lingrok.chunked import ChunkedDataset  # noqa: PLC0415 - optional

    data = ChunkedDataset(da.from_array(np.array(POINTS)), np.array([1.0, -1.0]), 0.1)
    run = gradient_descent(data, 10)
    for use in (
        lambda: max_margin(data),
        lambda: worst_case([1, 1], 0.0, data, epsilon=0.1),
        lambda: bias_pull(run, data, support=[0]),
        lambda: rotated(data, seed=0),
        lambda: flip_labels(data, 1, seed=0),
    ):
        with pytest.raises(ValueError, match="data must be a Dataset in memory, got Chunked"):
            use()


# Wide margins, and other separators


def normal(d: int, kind: str) -> np.ndarray:
    u = {
        "axis": -np.eye(d)[-1],
        "random": np.random.default_rng(3).standard_normal(d),
        "diagonal": np.ones(d),
    }[kind]
    return u / np.linalg.norm(u)


NORMALS = pytest.mark.parametrize("kind", ["axis", "random", "diagonal"])


@NORMALS
@pytest.mark.parametrize("d", [1, 2, 3, 8])
@pytest.mark.parametrize(("gamma", "alpha"), [(1e-2, 30.0), (1.5, 1.0), (1.0, 4.0), (8.0, 2.0)])
def test_points_beside_any_separator_are_spread_as_by_rejection(d, kind, gamma, alpha):
    u, rng = normal(d, kind), np.random.default_rng(d)
    data = sample_concentrated(1500, 1500, d=d, gamma=gamma, alpha=alpha, seed=1, separator=u)
    inner, outer = gamma / 2, alpha * gamma
    np.testing.assert_array_equal(data.w_true, u)
    assert_same_distribution(data.X[:1500], rejected(rng, 3000, d, inner, outer, normal=u))
    assert_same_distribution(-data.X[1500:], rejected(rng, 3000, d, inner, outer, normal=u))
    data = sample_standard(1500, 1500, d=d, gamma=gamma, seed=2, separator=u)
    assert_same_distribution(data.X[:1500], rejected(rng, 3000, d, inner, np.inf, normal=u))
    assert data.margin >= gamma - ROUNDING


@NORMALS
def test_planted_points_beside_any_separator_are_uniform_on_their_slice(kind):
    u = normal(3, kind)
    data = sample_standard(1500, 1000, d=3, gamma=2.0, sv_pos=1500, seed=5, separator=u)
    assert np.abs(data.X[:1500] @ u - 1).max() < ROUNDING
    thin = rejected(np.random.default_rng(1), 3000, 3, 0.95, 1.05, normal=u)
    thin -= (thin @ u - 1)[:, None] * u  # to the slice, from a hundredth beside it
    away = [direction - (direction @ u) * u for direction in directions(3).values()]
    for direction in away:
        if np.linalg.norm(direction) > 1e-6:
            assert ks_2samp(data.X[:1500] @ direction, thin @ direction).pvalue > LEAST_P


@pytest.mark.parametrize(
    ("d", "gamma"), [(1, 9.99), (2, 13.0), (2, 14.1), (64, 28.0), (64, 79.99), (1024, 28.0)]
)
def test_margins_nearly_as_wide_as_the_cube_are_sampled_all_the_same(d, gamma):
    data = sample_standard(50, 40, d=d, gamma=gamma, sv_pos=10, sv_neg=5, seed=1)
    assert np.abs(data.X).max() <= 5
    assert data.margin == pytest.approx(gamma, rel=1e-12)
    assert np.abs(signed_projection(data)[:10] - gamma / 2).max() < 1e-12 * gamma
    shell = sample_concentrated(50, 40, d=d, gamma=gamma, alpha=2.0, seed=1)
    assert np.abs(shell.X).max() <= 5
    assert gamma - 1e-12 <= shell.margin < 10 * np.sqrt(d)


def test_points_near_the_corner_are_spread_as_by_rejection():
    data = sample_standard(3000, 1, d=3, gamma=13.0, seed=0)
    corner = np.random.default_rng(0).uniform(0, 5, (3_000_000, 3))  # where they all are
    corner = corner[corner.sum(axis=1) / 3**0.5 >= 6.5]
    assert_same_distribution(data.X[:3000], corner)


@pytest.mark.parametrize("sample", [sample_standard, sample_concentrated])
@pytest.mark.parametrize("separator", [[1.0, 1.0], [1.0], [[1.0, 0.0]], ["1", "0"]])
def test_samplers_refuse_a_separator_that_is_no_unit_normal(sample, separator):
    with pytest.raises(ValueError, match="separator must"):
        sample(2, 2, separator=separator, seed=0)


def test_points_cannot_be_planted_on_a_margin_of_rounding():
    with refuses("gamma", "1e-16"):
        sample_standard(4, 4, gamma=1e-16, sv_pos=1, seed=0)
    assert sample_standard(4, 4, gamma=1e-16, seed=0).margin > 0
    assert sample_standard(4, 4, gamma=1e-10, sv_pos=4, sv_neg=4, seed=0).margin > 0


# Other labels, other axes


def test_flipped_labels_leave_all_else_as_it_was():
    data = sample_standard(300, 200, sv_pos=30, sv_neg=20, seed=1)
    noisy = flip_labels(data, 40, seed=2)
    changed = np.flatnonzero(noisy.y != data.y)
    assert len(changed) == 40
    assert not data.planted[changed].any()
    np.testing.assert_array_equal(noisy.y[changed], -data.y[changed])
    assert noisy.X is data.X
    assert (noisy.gamma, noisy.planted) == (data.gamma, data.planted)
    np.testing.assert_array_equal(noisy.w_true, data.w_true)
    planted = flip_labels(data, 40, seed=2, planted=True)
    assert data.planted[planted.y != data.y].all()
    np.testing.assert_array_equal(flip_labels(data, 40, seed=2).y, noisy.y)
    assert (flip_labels(data, 40, seed=3).y != noisy.y).any()
    assert (flip_labels(data, 0, seed=3).y == data.y).all()


def test_every_label_is_as_likely_to_be_flipped():
    data = Dataset(np.ones((10, 1)), np.ones(10))
    flips = sum(flip_labels(data, 3, seed=seed).y < 0 for seed in range(2000))
    assert np.abs(flips - 600).max() < 5 * np.sqrt(600 * 0.7)


@pytest.mark.parametrize(
    ("wrong", "name", "shown"),
    [
        ({"count": 11}, "count", "11"),
        ({"count": 2, "planted": True}, "count", "2"),
        ({"count": -1}, "count", "-1"),
        ({"planted": "yes"}, "planted", "'yes'"),
        ({"seed": -1}, "seed", "-1"),
    ],
)
def test_flips_refuse(wrong, name, shown):
    data = sample_standard(6, 5, sv_pos=1, seed=0)
    with refuses(name, shown):
        flip_labels(data, **{"count": 1, "seed": 0} | wrong)


@pytest.mark.parametrize("d", [1, 2, 5, 64])
def test_a_rotation_turns_points_and_separator_alike(d):
    data = sample_standard(30, 20, d=d, sv_pos=5, seed=1)
    turned = rotated(data, seed=4)
    np.testing.assert_allclose(turned.X @ turned.X.T, data.X @ data.X.T, atol=1e-10)
    np.testing.assert_allclose(turned.X @ turned.w_true, data.X @ data.w_true, atol=1e-12)
    assert (turned.gamma, turned.planted, turned.y is data.y) == (data.gamma, data.planted, True)
    # one seed and d turn every Dataset alike, and a rotation is no mirror
    basis = rotated(Dataset(np.eye(d), np.ones(d)), seed=4)
    assert basis.w_true is None
    np.testing.assert_allclose(data.X @ basis.X, turned.X, atol=1e-12)
    assert np.linalg.det(basis.X) == pytest.approx(1)


def test_rotations_are_uniform():
    point = Dataset([[1.0, 0.0, 0.0]], [1])
    turned = np.array([rotated(point, seed=seed).X[0] for seed in range(1500)])
    for column in turned.T:  # Archimedes: on a sphere, every height is as likely
        assert kstest(column, "uniform", args=(-1, 2)).pvalue > LEAST_P
