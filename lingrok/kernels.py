"""Kernel machines as hyperplanes: features of points, and a separator that is a circle."""

from collections.abc import Iterable

import numpy as np

from ._checks import FloatArray
from .data import Dataset

_EIGENFUNCTIONS = 20  # of a Gaussian


def circle(seed: int) -> tuple[Dataset, Dataset]:
    """Sample 2,000 points in- and outside of a circle, 600 of them planted, and a shell around it.

    The paper's data, bent to a radius of 3: the margin 0.001, S(350, 250), and a concentrated test
    with alpha = 10.
    """
    rng, radius, half = np.random.default_rng(seed), 3.0, 5e-4

    def disc(n: int, low: float, high: float) -> FloatArray:
        return np.sqrt(rng.uniform(low**2, high**2, n))

    def around(lengths: Iterable[FloatArray]) -> Dataset:
        size, angle = np.concatenate(list(lengths)), rng.uniform(0, 2 * np.pi, 2000)
        points = size[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
        return Dataset(points, np.repeat([-1.0, 1.0], 1000))

    inner, outer = radius - half, radius + half
    train = [disc(750, 0.0, inner), np.full(250, inner)]
    train += [disc(650, outer, radius * 2**0.5), np.full(350, outer)]
    shell = [radius + side * rng.uniform(half, 20 * half, 1000) for side in (-1, 1)]
    return around(train), around(shell)


def features(kernel: str, *sets: Dataset) -> tuple[Dataset, ...]:
    """Map sets of points into the space of a kernel that the first of them is taken from.

    Parameters
    ----------
    kernel : str
        "polynomial, degree 2", say, or "Gaussian, width 2": its twenty largest eigenfunctions.
    *sets : Dataset
        Trained on is the first.

    Raises
    ------
    ValueError
        For another name.
    """
    from sklearn.decomposition import KernelPCA  # type: ignore[import-untyped] # noqa: PLC0415
    from sklearn.preprocessing import PolynomialFeatures  # type: ignore[import-untyped] # noqa: PLC0415

    kind, _, size = kernel.rpartition(" ")
    if kind == "polynomial, degree":
        found = PolynomialFeatures(int(size), include_bias=False)
    elif kind == "Gaussian, width":
        found = KernelPCA(
            _EIGENFUNCTIONS, kernel="rbf", gamma=1 / (2 * float(size) ** 2), eigen_solver="arpack",
            random_state=0,
        )  # fmt: skip
    else:
        ways = '"polynomial, degree 2" or "Gaussian, width 2", say'
        raise ValueError(f"kernel must be {ways}, got {kernel!r}")
    found.fit(sets[0].X)
    return tuple(Dataset(found.transform(one.X), one.y) for one in sets)
