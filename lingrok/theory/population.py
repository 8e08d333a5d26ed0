"""What `sample_standard` draws from, as densities and averages: no sample, no luck."""

import numpy as np
from numpy.polynomial.legendre import leggauss

from .._checks import FloatArray
from ..cube import HALF_WIDTH, sum_density

FARTHEST = 8 * HALF_WIDTH / np.sqrt(3)  # 8 standard deviations of a projection, in any dimension
_FINEST = 64  # parts of gamma that the first panel is wide


def slice_area(u: FloatArray, d: int) -> FloatArray:
    """Density of the projection w_true·x of a point of the cube, shape of `u`."""
    scale = np.sqrt(d) / (2 * HALF_WIDTH)
    return np.asarray(sum_density(d)(u * scale) * scale)


def projections(d: int, gamma: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights for averages over a class's projections, from gamma/2 on.

    Gauss-Legendre on panels that double from gamma / 64 on: averages are wanted of what falls to
    nothing over u = 1 / ||w||, while ||w|| grows from 0 to some 60 / gamma.
    """
    reach = min(HALF_WIDTH * np.sqrt(d), FARTHEST) - gamma / 2
    panels = max(1, int(np.ceil(np.log2(_FINEST * reach / gamma))))
    edges = gamma / 2 + np.append(0, reach * 0.5 ** np.arange(panels, -1, -1))
    x, weight = leggauss(4)
    width = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + width * (x + 1)).ravel()
    density = (width * weight).ravel() * slice_area(u, d)
    return u, density / density.sum()


def lateral_variance(u: FloatArray, d: int) -> FloatArray:
    """Variance of a point in one direction across w_true, given its projection u."""
    if d == 1:
        return np.zeros_like(u)
    # One coordinate x, given that all add up to u sqrt(d); widths of the cube are the unit
    total, edge = (u * np.sqrt(d) / (2 * HALF_WIDTH))[:, None], (d - 1) / 2
    low, high = np.maximum(-0.5, total - edge), np.minimum(0.5, total + edge)
    nodes, weight = leggauss(24)
    x = low + (high - low) * (nodes + 1) / 2
    density = sum_density(d - 1)(total - x) * weight
    square = (density * x**2).sum(axis=1) / np.maximum(density.sum(axis=1), 1e-300)
    return np.asarray(np.maximum((d * square * (2 * HALF_WIDTH) ** 2 - u**2) / (d - 1), 0))


def beyond(u: FloatArray, d: int, edge: float) -> FloatArray:
    """Mean of max(edge - x, 0) over one coordinate x of a point, given its projection u."""
    if d == 1:
        return np.asarray(np.maximum(edge - u, 0))
    total, reach = (u * np.sqrt(d) / (2 * HALF_WIDTH))[:, None], (d - 1) / 2
    edge /= 2 * HALF_WIDTH
    low, high = np.maximum(-0.5, total - reach), np.minimum(min(edge, 0.5), total + reach)
    nodes, weight = leggauss(24)
    width = np.maximum(high - low, 0) / 2
    x = low + width * (nodes + 1)
    mean = (width * weight * (edge - x) * sum_density(d - 1)(total - x)).sum(axis=1)
    return np.asarray(2 * HALF_WIDTH * mean / np.maximum(sum_density(d)(total[:, 0]), 1e-300))
