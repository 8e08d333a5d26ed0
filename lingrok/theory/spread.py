"""How far a seed is from the mean field: the covariance of (a, b, |v|^2) over seeds.

Two samples of the same kind differ by their projections on w_true and by their lateral parts. The
book's page "Derivations" has each step.

*Projections.* One more point at u pushes (a, b) by (u, y) s, and the others answer with the slope J
of the forces, |v|^2 and theta following. Points of a class are independent, so covariances add up;
planted points have no projection to vary.

*Lateral parts.* At given (a, b), v is where the loss is least. The least loss F has all that is
asked for as derivatives: minus the forces, by a and b, and half of |v|^2, by a penalty. So what is
wanted is its covariance over samples between two settings of (a, b, penalty). For Gaussian lateral
parts that is, to leading order in 1/n and to all orders in the crowding,

    Cov[F, F'] = extremum over rho of  <Cov_rho[M, M']> / n - rho^2 / (2 (d - 1) theta theta').

M(x; r) = min over z of loss(z) + (z - x)^2 / (2 r) is what a point adds, dM/dx = -s; its covariance
is over two Gaussian lateral margins with the variances V |v|^2, V |v'|^2 and the covariance V rho.
For equal settings the extremum is at rho = |v|^2, so that the second derivatives by both settings
are averages over one Gaussian.

Over time the forces add up coherently: they are made by the same points with slowly changing pulls.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincinv, ndtr

from .._checks import FloatArray

_AT_ONCE = 16  # states that are looked at together
_SOFTEST = 1e-3  # what is left of the curvature by rho where fluctuations diverge
_TINY = 1e-24
_MODERATE = 0.2


class _Local(NamedTuple):
    """What varies in k states, and what answers; see `_fluctuations`."""

    near: slice
    pull: FloatArray
    forces: FloatArray
    drift: FloatArray
    answer: FloatArray


def covariance(system: Any, steps: FloatArray, states: FloatArray) -> FloatArray:
    """Integrate the covariance of (a, b, |v|^2) over seeds by implicit Euler steps.

    Parameters
    ----------
    system : meanfield.System
    steps : (k,) array
        From 0 on.
    states : (k, 4) array
        (a, b, |v|^2, theta) there.

    Returns
    -------
    (k, 3, 3) array
    """
    single = np.zeros((len(steps), 2, len(system.u)))  # what one more point does to (a, b)
    common = np.zeros((len(steps), 3, 3))  # what three common causes do
    through = np.zeros((len(steps), 3, 2))  # what (a, b) do
    through[:, :2] = np.eye(2)
    for start in range(1, len(steps), _AT_ONCE):
        local = _fluctuations(system, states[start : start + _AT_ONCE])
        dtau = system.lr * np.diff(steps[start - 1 : start + _AT_ONCE])[:, None, None]
        decays = np.linalg.inv(np.eye(2) - dtau * local.drift)
        pushes = dtau * system.sides[:, local.near] * local.pull[:, None]
        factors = roots(local.forces)
        causes, at = dtau * factors[:, :2], slice(start, start + len(dtau))
        for i, decay in enumerate(decays, start):
            now = single[i - 1].copy()
            now[:, local.near] += pushes[i - start]
            single[i] = decay @ now
            common[i, :2] = decay @ (common[i - 1, :2] + causes[i - start])
        through[at, 2] = local.answer
        common[at, 2] = factors[:, 2] + (local.answer[:, None] @ common[at, :2])[:, 0]
    classes = system.share * system.bulk
    mean = single @ classes.T
    alone = (single * classes.sum(axis=0)) @ single.transpose(0, 2, 1)
    alone -= mean / np.maximum(classes.sum(axis=1), 1e-300) @ mean.transpose(0, 2, 1)
    spread = common @ common.transpose(0, 2, 1)
    return np.asarray(spread + through @ alone @ through.transpose(0, 2, 1) / system.n)


def _fluctuations(system: Any, states: FloatArray) -> _Local:
    """Find what varies in states (k, 4), and what answers.

    Returns the groups that still pull and their mean pulls; the covariance over seeds of the forces
    on a and b and of |v|^2, at given (a, b), shape (k, 3, 3); the forces' derivative by (a, b) with
    |v|^2 and theta following, (k, 2, 2); and that of |v|^2 itself, (k, 2).
    """
    xi, chance = system.nodes(states)
    near, z, r, s, slope = system.margins(states, xi)
    square, theta = np.maximum(states[:, 2:].T, _TINY)
    share, felt, sides = system.share[near], system.felt[near], system.sides[:, near]
    lateral = share * system.variance[near]
    hold = 1 + r * slope
    k = slope / hold  # minus ds/dx, the points reacting; x is the margin without the reaction
    bend = -system.bends(z, s, slope, system.width[near])[0] / hold**3  # dk/dx
    r = system.reaction * felt  # by theta
    # Averages over xi, shape (k, group): all that follows is made of them
    mean_s, mean_k, mean_bend = (chance @ one for one in (s, k, bend))
    sk, s_bend, square_k = (chance @ one for one in (s * k, s * bend, s * s * k))
    varying = np.stack([s - mean_s[:, None], k - mean_k[:, None], s**2])
    varying[2] -= (chance @ varying[2])[:, None]
    covary = np.einsum("pkjg,qkjg,j->pqkg", varying, varying, chance)
    square_s, k_square = covary[0, 0] + mean_s**2, covary[1, 1] + mean_k**2
    answers = np.zeros((len(states), 2, 3))  # of (|v|^2, theta) to (a, b, penalty)
    if system.load:
        # At rest 1/theta = K + penalty and |v|^2 = load theta^2 Q, Q = <V s^2>. Before, what has
        # not decayed yet acts like a penalty, as early stopping does: so 1/theta stands for K
        q, c = square_s @ lateral, felt / 2
        faster = 2 * ((r * square_k) @ lateral / q - 1 / theta)
        by_x = (chance * xi) @ bend / np.sqrt(square[:, None] * np.where(felt > 0, felt, 1))
        curving = k_square - s_bend
        matrix = np.array([
            [theta * ((c * by_x) @ lateral), 1 / theta - theta * ((r * curving) @ lateral)],
            [1 / square - 2 * ((c * curving) @ lateral) / q, faster],
        ])  # fmt: skip
        right = np.array([
            [*(-theta * (mean_bend * lateral @ sides.T).T), -theta],
            [*(-2 * (sk * lateral @ sides.T).T / q), 0 * theta],
        ])  # fmt: skip
        answers = np.linalg.solve(matrix.transpose(2, 0, 1), right.transpose(2, 0, 1))
    # Derivatives of M by (a, b, penalty) are made of s, k and s^2, and those by x of their slopes;
    # shape (3, 3, k, group)
    square_by, theta_by = answers.transpose(1, 2, 0)[..., None]
    parts = np.empty((3, 3, *mean_s.shape))
    parts[:, 0] = -np.vstack([sides, 0 * sides[:1]])[:, None]
    parts[:, 1], parts[:, 2] = felt / 2 * square_by, -r / 2 * theta_by
    slopes = parts * np.array([-1, 1, -2])[:, None, None]
    along = np.einsum("epkg,pkg->ekg", slopes[:2], np.stack([mean_k, mean_bend, sk])) * share
    drift = -np.einsum("fg,ekg->kfe", sides, along) - np.diag(system.l2)
    forces = np.zeros((len(states), 3, 3))
    if system.load:
        half = np.einsum("epkg,pqkg->eqkg", parts * share, covary)
        forces = np.einsum("eqkg,fqkg->kef", half, parts) / system.n
        theta_by, stiff = answers[:, 1], system.lateral * theta**2
        own = (square / stiff)[:, None]
        forces -= (
            system.lateral / 2 * (own[..., None] ** 2) * theta_by[..., None] * theta_by[:, None]
        )
        by_rho = own / theta[:, None] * theta_by
        pulled = np.stack([sk, s_bend, square_k]) * lateral
        by_rho -= np.einsum("epkg,pkg->ke", slopes, pulled) / system.n
        left = 1 - stiff / system.n * (k_square @ (lateral * system.variance[near]))
        scale = stiff / np.maximum(left, _SOFTEST)
        forces += scale[:, None, None] * by_rho[..., None] * by_rho[:, None]
        forces *= np.outer([-1, -1, 2], [-1, -1, 2])
    return _Local(near, mean_s, forces, drift, answers[:, 0, :2])


def roots(matrices: FloatArray) -> FloatArray:
    """Find triangular roots of covariances (k, 3, 3) that may be singular, from the last row up.

    So |v|^2 has a cause of its own, b a second one and a a third. The factors change as slowly as
    the covariance does, which those by eigenvectors would not.
    """
    root = np.zeros_like(matrices)
    for i in (2, 1, 0):
        for j in range(2, i, -1):
            rest = matrices[:, i, j] - np.einsum("ki,ki->k", root[:, i, j:], root[:, j, j:])
            rest += root[:, i, j] * root[:, j, j]
            root[:, i, j] = rest / np.where(root[:, j, j] > 0, root[:, j, j], np.inf)
        root[:, i, i] = np.sqrt(np.maximum(matrices[:, i, i] - (root[:, i] ** 2).sum(axis=1), 0))
    return root


def squares(mean: FloatArray, variance: FloatArray, scores: FloatArray, lateral: int) -> FloatArray:
    """Lengths squared at normal scores, with so many lateral directions.

    Their law is gamma: chi squared where nothing is crowded. Near the edge of separability the
    curvature varies as much as the pushes, by factors: what is beyond a variance of `_MODERATE`,
    relative to the mean square, or chi squared's, is log-normal around the gamma law's quantiles.

    Parameters
    ----------
    mean, variance : (k,) array
        Of |v|^2.
    scores : (q,) array
    lateral : int

    Returns
    -------
    (k, q) array
    """
    mean = mean[:, None]
    relative = variance[:, None] / np.where(mean > 0, mean**2, 1)
    moderate = np.clip(relative, 1e-12, max(_MODERATE, 2 / max(lateral, 1)))
    beyond = np.sqrt(np.log1p(np.maximum(relative, moderate))) - np.sqrt(np.log1p(moderate))
    found = mean * gammaincinv(1 / moderate, ndtr(scores)) * moderate * np.exp(beyond * scores)
    return np.asarray(found)
