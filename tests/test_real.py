"""Real data: bundled sets, sets of one's own, splits and concentrated tests."""

import numpy as np
import pytest

from lingrok import Dataset, max_margin, real, sample_standard


@pytest.mark.parametrize(
    ("load", "which", "shape", "positive"),
    [
        (real.breast_cancer, (), (569, 30), 357),
        (real.digits, (1,), (1797, 64), 182),
        (real.digits, (3, 9), (363, 64), 183),
        (real.iris, (0,), (150, 4), 50),
        (real.wine, (2,), (178, 13), 48),
    ],
)
def test_bundled_sets(load, which, shape, positive):
    data = load(*which)
    assert (data.n, data.d) == shape
    assert np.sum(data.y > 0) == positive
    assert data.gamma is None
    assert data.w_true is None


def test_scales():
    """Pixels from 0 to 1; all others of mean 0 and standard deviation 1."""
    pixels = real.digits(0, 1).X
    assert (pixels.min(), pixels.max()) == (0, 1)
    for data in (real.breast_cancer(), real.iris(1), real.wine(1)):
        np.testing.assert_allclose(data.X.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(data.X.std(axis=0), 1)


def test_half_margins_of_the_bundled_sets():
    """As independent studies found them."""
    assert max_margin(real.breast_cancer()).margin / 2 == pytest.approx(1.40e-3, rel=5e-3)
    assert max_margin(real.digits(0, 1)).margin / 2 == pytest.approx(0.61, rel=1e-2)
    assert max_margin(real.digits(1, 8)).margin / 2 == pytest.approx(0.11, rel=3e-2)


def test_any_labels_will_do():
    X = np.array([[0.0, 1], [1, 3], [2, 2], [5, 4]])
    data = real.dataset(X, ["a", "b", "c", "a"], "a", standardise=False)
    np.testing.assert_array_equal(data.y, [1, -1, -1, 1])
    pair = real.dataset(X, ["a", "b", "c", "a"], "a", "c", standardise=False)
    np.testing.assert_array_equal(pair.X, X[[0, 2, 3]])


@pytest.mark.parametrize(
    ("X", "labels", "more", "message"),
    [
        ([[1.0], [2]], [1, 1], {}, "negative must be a label"),
        ([[1.0], [2]], [0, 0], {}, "positive must be a label"),
        ([[1.0], [2]], [1, 0], {"negative": 7}, "negative must be a label"),
        ([[1.0, 5], [2, 5]], [1, 0], {}, "column 1 first"),
        ([[1.0], [1]], [1, 0], {"standardise": False}, "equal rows 0 and 1"),
        ([[1.0], [np.nan]], [1, 0], {}, "X must"),
        ([[1.0], [np.inf]], [1, 0], {}, "X must"),
        ([[1.0], [2]], [1, 0, 1], {}, "labels must be one a row"),
    ],
)
def test_bad_data_are_refused(X, labels, more, message):
    with pytest.raises(ValueError, match=message):
        real.dataset(X, labels, 1, **more)


def test_equal_points_of_one_class_are_fine():
    data = real.dataset([[1.0], [1], [2]], [1, 1, 0], 1, standardise=False)
    assert data.n == 3


@pytest.mark.parametrize(("a", "b"), [(10, None), (-1, None), (3, 3), (3, 12)])
def test_bad_digits_are_refused(a, b):
    with pytest.raises(ValueError, match="must be"):
        real.digits(a, b)


def test_split_takes_each_class_by_the_same_share():
    data = real.digits(3)
    train, test = real.split(data, seed=1)
    assert train.n + test.n == data.n
    for y in (1, -1):
        assert np.sum(test.y == y) == round(np.sum(data.y == y) / 3)
    rows = np.concatenate([train.X, test.X])
    np.testing.assert_array_equal(np.sort(rows.sum(axis=1)), np.sort(data.X.sum(axis=1)))
    again, _ = real.split(data, seed=1)
    np.testing.assert_array_equal(again.X, train.X)
    other, _ = real.split(data, seed=2)
    assert not np.array_equal(other.X, train.X)


@pytest.mark.parametrize("share", [0.0, 1.0, 1e-4, 0.9999])
def test_bad_splits_are_refused(share):
    with pytest.raises(ValueError, match="test must"):
        real.split(real.iris(), share, seed=0)


def test_nearest_points_are_the_nearest():
    data = real.wine(0)
    plane = max_margin(data)
    near = real.nearest(data, plane, 0.25)
    far = np.sort(np.abs(data.X @ plane.w + plane.b))
    assert near.n == round(0.25 * data.n)
    assert np.abs(near.X @ plane.w + plane.b).max() == pytest.approx(far[near.n - 1])


def test_points_moved_into_the_shell():
    """Half to ten margins away on the side of their label, and otherwise where they were."""
    data = real.wine(0)
    plane = max_margin(data)
    moved = real.into_shell(data, plane, seed=0)
    unit = plane.w / np.linalg.norm(plane.w)
    distance = data.y * (moved.X @ unit + plane.b / np.linalg.norm(plane.w)) / plane.margin
    assert distance.min() >= 0.5 - 1e-9
    assert distance.max() <= 10 + 1e-9
    assert distance.mean() == pytest.approx(5.25, abs=0.7)
    way = moved.X - data.X
    np.testing.assert_allclose(way - np.outer(way @ unit, unit), 0, atol=1e-12)


def test_a_margin_can_be_chosen():
    data = real.iris(0)
    plane = max_margin(data)
    tight = real.with_margin(data, plane, 1e-3, share=(0.4, 0.2), seed=0)
    again = max_margin(tight)
    assert again.margin / 2 == pytest.approx(1e-3, rel=1e-6)
    assert [np.sum(tight.planted & (tight.y == y)) for y in (1, -1)] == [20, 20]
    distance = tight.y * (tight.X @ plane.w + plane.b) / np.linalg.norm(plane.w)
    np.testing.assert_allclose(distance[tight.planted], 1e-3, rtol=1e-9)
    train, test = real.split(tight, seed=0)
    assert train.planted.sum() + test.planted.sum() == tight.planted.sum()


@pytest.mark.parametrize("change", [{"half": 0.0}, {"share": (1.0, 0.0)}, {"share": (-0.1, 0)}])
def test_bad_margins_are_refused(change):
    data = real.iris(0)
    with pytest.raises(ValueError, match="must be"):
        real.with_margin(data, max_margin(data), **{"half": 1e-3, "seed": 0} | change)


def test_paper_data_keep_what_is_known_of_them():
    data = sample_standard(60, 60, sv_pos=10, sv_neg=10, seed=0)
    train, test = real.split(data, seed=0)
    assert train.gamma == test.gamma == data.gamma
    assert isinstance(train, Dataset)
    assert train.planted.sum() + test.planted.sum() == 20
