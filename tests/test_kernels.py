"""Features of kernels, and the separator that is a circle."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from lingrok import Dataset
from lingrok.kernels import circle, features


def test_the_circle_has_the_papers_margin():
    gamma, (train, shell) = 1e-3, circle(3)
    out = train.y * (np.linalg.norm(train.X, axis=1) - 3)
    planted = np.isclose(out, gamma / 2, rtol=1e-9)
    assert out.min() >= gamma / 2 * (1 - 1e-9)
    assert [np.sum(planted & (train.y == label)) for label in (-1, 1)] == [250, 350]
    # As many points on an area everywhere: the disc's mean squared radius is half of its edge's
    inside = (train.y < 0) & ~planted
    assert np.mean(np.sum(train.X[inside] ** 2, axis=1)) == pytest.approx(
        (3 - gamma / 2) ** 2 / 2, abs=0.3
    )
    away = shell.y * (np.linalg.norm(shell.X, axis=1) - 3)
    assert gamma / 2 * (1 - 1e-9) <= away.min() < gamma
    assert 9 * gamma < away.max() <= 10 * gamma * (1 + 1e-9)
    assert np.abs(train.X.mean(axis=0)).max() < 0.3


def test_gaussian_features_have_the_kernel_as_inner_products():
    train, shell = circle(0)
    mapped, other = features("Gaussian, width 5", train, shell)
    assert mapped.X.shape == other.X.shape == (2000, 20)
    kernel = rbf_kernel(shell.X, train.X, gamma=1 / 50)
    centred = kernel - kernel.mean(axis=1, keepdims=True)
    centred -= (
        rbf_kernel(train.X, gamma=1 / 50).mean(axis=0) - rbf_kernel(train.X, gamma=1 / 50).mean()
    )
    np.testing.assert_allclose(other.X @ mapped.X.T, centred, atol=1e-3)
    np.testing.assert_array_equal(mapped.y, train.y)


def test_polynomial_features_are_the_monomials():
    (mapped,) = features(
        "polynomial, degree 3", Dataset(np.array([[2.0, 3.0], [1.0, 0.0]]), [1, -1])
    )
    assert sorted(mapped.X[0]) == [2, 3, 4, 6, 8, 9, 12, 18, 27]


def test_refuses_what_it_does_not_know():
    with pytest.raises(ValueError, match="kernel must be"):
        features("linear", circle(0)[0])
