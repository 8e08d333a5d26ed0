"""Wrong labels: the theory of where descent ends, and whether points are still separable."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm

from lingrok import (
    Dataset,
    fast_forward,
    flip_labels,
    mean_field,
    minimiser,
    noise_law,
    sample_standard,
    separability_threshold,
    separation,
)
from lingrok.theory.noise import NoiseLaw
from lingrok.theory.population import slice_area

SETTING = {"sv_pos": 300, "sv_neg": 200, "gamma": 1e-2}


def minima(flips, seeds, n=1000, **setting):
    """Length of w along the true separator, and bias, over seeds."""
    found = []
    for seed in seeds:
        data = sample_standard(n, n, **setting, seed=seed)
        wrong = flip_labels(data, flips, seed=seed + 1000)
        if not separation(wrong).separable:  # as one wrong point right at the margin may leave them
            one = minimiser(wrong)
            found.append((one.w @ data.w_true, one.b))
    return np.array(found).T


@pytest.mark.parametrize("planted", [{"sv_pos": 350, "sv_neg": 250}, {}])
def test_one_wrong_label_has_the_law_that_is_foreseen(planted):
    """300 seeds against the theory's draws: an exact law is off by 0.1 once in two hundred."""
    along, b = minima(1, range(300), **planted)
    assert len(along) >= 295
    law = noise_law(1000, 1000, 1, **planted, draws=1024)
    assert ks_2samp(along, law.along).statistic < 0.1
    assert ks_2samp(b, law.b).statistic < 0.1


@pytest.mark.parametrize("d", [2, 16])
def test_many_wrong_labels_end_where_the_mean_field_does(d):
    """A run of the four equations to their rest, drawn minima, and minima of points."""
    field = mean_field(1000, 1000, 10**12, d=d, flips=100, **SETTING)
    law = noise_law(1000, 1000, 100, d=d, draws=512, **SETTING)
    along, b = minima(100, range(12), d=d, **SETTING)
    assert np.median(law.along) == pytest.approx(field.along[-1], rel=0.03)
    assert along.mean() == pytest.approx(np.mean(law.along), rel=0.06)
    assert b.mean() == pytest.approx(field.b[-1], abs=0.03)
    error = 4 * np.sqrt(2 / (d - 1) / 512)
    assert np.mean(law.lateral**2) == pytest.approx(field.lateral[-1] ** 2, rel=error)


@pytest.mark.parametrize(
    ("flips", "n", "setting"),
    [(20, 1000, {}), (100, 1000, {}), (100, 300, {"sv_pos": 100, "sv_neg": 100, "d": 16})],
)
def test_seeds_spread_as_foreseen(flips, n, setting):
    """60 seeds fix a standard deviation to 9 %."""
    along, b = minima(flips, range(60), n=n, **setting)
    law = noise_law(n, n, flips, draws=1024, **setting)
    assert along.std() == pytest.approx(law.along.std(), rel=0.25)
    assert b.std() == pytest.approx(law.b.std(), rel=0.25)


def test_leading_order_of_the_length():
    """Pi^2 / 12 N rho / H, H the sum of the wrong distances, for many of many points."""
    n, flips = 200_000, 20
    law = noise_law(n // 2, n // 2, flips, draws=512)
    far = np.linspace(0, 7.07, 2001)
    density = slice_area(far, 2)
    mean = np.trapezoid(far * density, far) / np.trapezoid(density, far)
    expected = np.sqrt(np.pi**2 / 12 * n * 2 * slice_area(np.zeros(1), 2)[0] / (flips * mean))
    assert np.median(law.along) == pytest.approx(expected, rel=0.05)


def test_the_path_with_wrong_labels_is_foreseen():
    """Bias and length on the way, over seeds, within a few per cent."""
    n, flips = 5000, 50
    field = mean_field(n, n, 10**5, flips=flips, sv_pos=1500, sv_neg=1000)
    runs = [
        fast_forward(
            flip_labels(
                sample_standard(n, n, sv_pos=1500, sv_neg=1000, seed=seed), flips, seed=seed
            ),
            10**5,
        )
        for seed in range(6)
    ]
    late = field.steps >= 1000
    for name in ("norm", "b"):
        mean = np.mean([getattr(run, name) for run in runs], axis=0)
        np.testing.assert_allclose(getattr(field, name)[late], mean[late], rtol=0.06)


def test_no_flips_are_no_noise():
    clean, none = (mean_field(500, 400, 10**6, **SETTING, **more) for more in ({}, {"flips": 0}))
    np.testing.assert_array_equal(clean.b, none.b)


def test_wrong_labels_are_taken_from_their_class():
    """As many points pull as before, and the wrong ones of each class with its other sign."""
    for sizes in ((900, 300), (300, 900)):
        planted = {"sv_pos": 50, "sv_neg": 50}
        field = mean_field(*sizes, 1, flips=200, **planted, lr=1e-6, checkpoints=[1])
        expected = np.mean([
            fast_forward(
                flip_labels(sample_standard(*sizes, **planted, seed=seed), 200, seed=seed),
                1, lr=1e-6,
            ).b[0]
            for seed in range(40)
        ])  # fmt: skip
        assert field.b[0] == pytest.approx(expected, rel=0.05)


def test_the_same_seed_draws_the_same_law():
    one, two, other = (noise_law(200, 200, 3, draws=40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.norm, two.norm)
    assert len(one.norm) == 40
    assert not np.array_equal(one.norm, other.norm)


@pytest.mark.parametrize("sizes", [(1500, 500), (500, 1500)])
def test_wrong_labels_come_from_a_class_as_often_as_it_has_points(sizes):
    field = mean_field(*sizes, 10**12, flips=100, **SETTING)
    law = noise_law(*sizes, 100, draws=512, **SETTING)
    assert law.b.mean() == pytest.approx(field.b[-1], abs=0.02)
    assert np.median(law.along) == pytest.approx(field.along[-1], rel=0.03)


def test_where_points_stay_separable_the_test_is_solved():
    assert np.all(noise_law(20, 20, 1, d=30, gamma=1e-2, draws=4).accuracy() == 1)
    along, b = np.array([[np.inf, 1.0], [0.0, 1.0]])
    mixed = NoiseLaw(d=2, gamma=1e-3, along=along, b=b, lateral=np.zeros(2))
    np.testing.assert_allclose(mixed.accuracy(), [1, 0.5])


def test_one_dimension_has_nothing_across():
    law = noise_law(200, 200, 2, d=1, draws=32)
    assert np.all(law.lateral == 0)
    np.testing.assert_array_equal(law.norm, law.along)
    assert np.all((law.accuracy() >= 0.5) & (law.accuracy() <= 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flips": 0}, "flips must be"),
        ({"flips": 500}, "flips must be"),
        ({"draws": 0}, "draws must be"),
        ({"sv_pos": 201}, "sv_pos must be"),
        ({"gamma": 0}, "gamma must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_bad_laws_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        noise_law(**{"n_pos": 200, "n_neg": 200, "flips": 1, "draws": 16} | change)


def test_more_wrong_labels_than_points_are_refused():
    with pytest.raises(ValueError, match="flips must be"):
        mean_field(100, 100, 10, sv_pos=50, sv_neg=50, flips=101)


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_threshold_is_the_smallest_mean(share):
    """By brute force over t, with another quadrature."""

    u = np.linspace(0, 10, 20_001)
    density = 2 * norm.pdf(u)

    def mean(t):
        m = t * u * np.array([[-1], [1]])
        square = (1 + m**2) * norm.cdf(m) + m * norm.pdf(m)
        return np.trapezoid(density * ([1 - share, share] @ square), u)

    smallest = min(mean(t) for t in np.linspace(0, 6, 301))
    assert separability_threshold(share) == pytest.approx(smallest, rel=1e-3)


def test_threshold_at_its_ends():
    """Labels by chance are Cover's case; without wrong ones any dimension will do."""
    assert separability_threshold(0.5) == pytest.approx(0.5)
    assert separability_threshold(0) == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("share", [-0.1, 0.6, np.nan])
def test_bad_shares_are_refused(share):
    with pytest.raises(ValueError, match="share must be"):
        separability_threshold(share)


@pytest.mark.parametrize("gamma", [1e-1, 1e-3, 1e-6])
def test_separable_points_come_with_a_hyperplane(gamma):
    data = sample_standard(300, 300, sv_pos=50, sv_neg=20, d=5, gamma=gamma, seed=3)
    found = separation(data)
    assert found.separable
    margins = data.y * (data.X @ found.certificate[:-1] + found.certificate[-1])
    length = np.linalg.norm(found.certificate) * np.sqrt((data.X**2).sum(axis=1).max() + 1)
    assert margins.min() > 0
    assert found.slack == pytest.approx(margins.min() / length)


def test_mixed_points_come_with_a_balance():
    """Positive weights of sum 1 whose signed rows cancel: no hyperplane can have margins above."""
    data = flip_labels(sample_standard(300, 300, d=5, seed=3), 1, seed=0)
    found = separation(data)
    assert not found.separable
    assert np.all(found.certificate > 0)
    assert found.certificate.sum() == pytest.approx(1)
    rows = np.c_[data.X, np.ones(data.n)] * data.y[:, None]
    left = np.linalg.norm(found.certificate @ rows)
    assert found.slack == pytest.approx(left / np.linalg.norm(rows, axis=1).max())
    assert found.slack <= 1e-10


def test_separation_at_the_edge():
    """Half of the draws at Cover's dimension; the two answers are both given."""
    answers = [
        separation(Dataset(np.random.default_rng(seed).standard_normal((60, 29)),
                           np.where(np.arange(60) % 2, 1.0, -1.0))).separable
        for seed in range(40)
    ]  # fmt: skip
    assert 8 <= sum(answers) <= 32


def test_columns_that_do_not_vary_are_no_obstacle():
    data = sample_standard(50, 50, d=3, seed=0)
    wide = Dataset(np.c_[data.X, np.zeros(100), np.ones(100)], data.y)
    assert separation(wide).separable


def test_one_class_is_refused():
    data = sample_standard(50, 50, seed=0)
    with pytest.raises(ValueError, match="both classes"):
        separation(Dataset(data.X, np.ones(100)))


def test_classes_that_touch_are_not_called_separable():
    """A plane through a point of each class parts them only weakly."""
    X = np.array([[0.0, 0], [0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    y = np.array([1.0, -1, 1, -1, 1, -1])
    assert not separation(Dataset(X, y)).separable
