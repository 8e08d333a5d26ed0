"""How far a seed is from the mean field: the covariance of (a, b, |v|^2) over seeds.

Two samples of the same kind differ by their projections on w_true and by their lateral parts. The
book's page "Derivations" has each step.

*Projections.* One more point at u pushes (a, b) by (u, y) s, and the others answer with the
curvature J of the mean field, that of |v|^2 and theta included. Points of a class are independent,
so covariances add up; planted points have no projection to vary.

*Lateral parts.* Late, at given (a, b), v is where the loss F across w_true is least. Its derivatives
are what is asked for: -dF/da and -dF/db are the forces, and |v|^2 is twice the derivative by a
penalty. So the covariance of F over the samples, between two settings c and c' of (a, b, penalty),
is enough, and for Gaussian lateral parts that is, to leading order in 1 / n and to all orders in the
crowding,

    Cov[F, F'] = extremum over rho of  <Cov_rho[M, M']> / n - rho^2 / (2 (d - 1) theta theta').

M(x; r) = min over z of loss(z) + (z - x)^2 / 2r is what a point adds (its derivative by x is -s),
and the covariance is over two Gaussian lateral margins, with the variances V |v|^2 and V |v'|^2 and
the covariance V rho. At c' = c the extremum is at rho = |v|^2. Its second derivative by c and c'
needs no more than averages over one Gaussian.

What the forces do over time adds up coherently, since it is made by the same points with slowly
changing weights.
"""

from typing import TYPE_CHECKING

import numpy as np

from .._checks import FloatArray

if TYPE_CHECKING:
    from .meanfield import System

_SOFTEST = 1e-3  # share of its curvature that rho keeps, where fluctuations diverge
_TINY = 1e-24


def covariance(system: "System", steps: FloatArray, states: FloatArray) -> FloatArray:
    """Integrate the covariance of (a, b, |v|^2) over seeds by implicit Euler steps.

    Parameters
    ----------
    system : System
    steps : (k,) array
        From 0 on.
    states : (k, 4) array
        (a, b, |v|^2, theta) there.

    Returns
    -------
    (k, 3, 3) array
    """
    single = np.zeros((len(system.u), 2))  # what one more point in a group does to (a, b)
    common = np.zeros((2, 3))  # what three common causes do
    result = np.zeros((len(steps), 3, 3))
    for i in range(1, len(steps)):
        near, pull, forces, drift, answer = _fluctuation(system, states[i])
        dtau = system.lr * (steps[i] - steps[i - 1])
        decay = np.linalg.inv(np.eye(2) - dtau * drift).T
        single[near] += dtau * (system.sides[:, near] * pull).T
        single = single @ decay
        # The causes in the order |v|^2, b, a: their factors change as slowly as the covariance
        factor = _root(forces[::-1, ::-1])[::-1]
        common = decay.T @ (common + dtau * factor[:2])
        both = np.vstack([common, factor[2] + answer @ common])
        result[i] = both @ both.T
        for rows in system.bulk:
            weight = system.share[rows]
            away = single[rows] - weight @ single[rows] / max(weight.sum(), 1e-300)
            away = np.column_stack([away, away @ answer])
            result[i] += (away.T * weight) @ away / system.n
    return result


def _fluctuation(
    system: "System", state: FloatArray
) -> tuple[slice, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Find what varies in a state, and what answers.

    Returns the groups that still pull and their mean pull; the covariance over seeds of the forces
    on a and b and of |v|^2, at given (a, b); the forces' derivative by (a, b), |v|^2 and theta
    following; and that of |v|^2 by (a, b).
    """
    near, s, slope, hold = system.points(state)
    square, theta = max(state[2], _TINY), max(state[3], _TINY)
    share, sides = system.share[near], system.sides[:, near]
    felt, r = system.felt[near], system.reaction * system.felt[near]
    weight = np.outer(XI_WEIGHT, share)
    lateral = weight * system.variance[near]
    k = slope / hold  # -ds/dx, points reacting; x is the margin without the reaction
    bend = -system.bend(state, near, s, slope) / hold**3  # dk/dx

    def mean(*values: FloatArray, over: FloatArray = weight) -> FloatArray:
        return np.array([np.vdot(over, value) for value in values])

    answers = np.zeros((2, 3))  # of (|v|^2, theta) to (a, b, penalty)
    load = system.lateral / system.n
    if load:
        # At rest 1/theta = K + penalty and |v|^2 = load theta^2 Q. Before, what has not decayed yet
        # acts like a penalty (early stopping is one), so 1/theta stands for K
        bend_x = XI[:, None] * bend / np.sqrt(square * np.where(felt > 0, felt, 1))  # by Stein
        q_sum, k_square, k_theta, q_square, q_theta = mean(
            s**2, felt / 2 * bend_x, r * (s * bend - k**2), felt * (k**2 - s * bend),
            -2 * r * s**2 * k, over=lateral,
        )  # fmt: skip
        by_sides = np.array([mean(bend * e, -2 * s * k * e, over=lateral) for e in sides])
        matrix = np.array([
            [theta * k_square, theta * k_theta + 1 / theta],
            [1 / square - q_square / q_sum, -2 / theta - q_theta / q_sum],
        ])  # fmt: skip
        right = np.array([[*(-theta * by_sides[:, 0]), -theta], [*(by_sides[:, 1] / q_sum), 0]])
        answers = np.linalg.solve(matrix, right)
    # Derivatives of M by (a, b, penalty), and of those by x
    sides = np.vstack([sides, np.zeros(sides.shape[1])])[:, None]
    by_square, by_theta = answers[:, :, None, None]
    change = -s * sides + felt / 2 * k * by_square - r / 2 * s**2 * by_theta
    steeper = k * sides + felt / 2 * bend * by_square + r * s * k * by_theta
    drift = -np.einsum("ejg,fjg,jg->ef", np.broadcast_to(sides, change.shape)[:2], steeper[:2], weight)
    drift -= np.diag(system.l2)
    forces = np.zeros((3, 3))
    if load:
        flat = change.reshape(3, -1)
        forces = (flat * weight.ravel()) @ flat.T / system.n
        alone = np.einsum("ejg,j->eg", change, XI_WEIGHT)
        forces -= (alone * share) @ alone.T / system.n
        own = square / (system.lateral * theta**2)
        forces -= own**2 * system.lateral / 2 * np.outer(answers[1], answers[1])
        by_rho = own / theta * answers[1]
        by_rho -= np.einsum("ejg,jg->e", steeper, lateral * s) / system.n
        rho = np.vdot(lateral * system.variance[near], k**2) / system.n * system.lateral * theta**2
        forces += np.outer(by_rho, by_rho) * system.lateral * theta**2 / max(1 - rho, _SOFTEST)
        forces *= np.outer([-1, -1, 2], [-1, -1, 2])
    return near, XI_WEIGHT @ s, forces, drift, answers[0, :2]


def _root(matrix: FloatArray) -> FloatArray:
    """Lower triangular root of a covariance that may be singular."""
    root = np.zeros_like(matrix)
    for i in range(len(matrix)):
        for j in range(i):
            if root[j, j] > 0:
                root[i, j] = (matrix[i, j] - root[i, :j] @ root[j, :j]) / root[j, j]
        root[i, i] = np.sqrt(max(matrix[i, i] - root[i, :i] @ root[i, :i], 0))
    return root
