"""Stand-in for the theory module: theorem 4.6's bounds."""

import numpy as np


def grokking_bounds(
    eps: float, *, log_delta: float, alpha: float, gamma: float, rho_bound: float
) -> tuple[float, float]:
    """Bounds of theorem 4.6 on T_te(eps), in steps."""
    middle = abs(log_delta) / (1 + 2 * eps * (2 * alpha - 1))
    half = gamma * rho_bound / 2
    with np.errstate(over="ignore"):
        return float(np.exp(middle - half)), float(np.exp(middle + half))
