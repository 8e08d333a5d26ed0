"""Robust accuracy of a hyperplane: projected gradient descent, and the exact worst case.

The paper describes two adversaries. Both move a point x to x' inside a ball of radius epsilon:

- appendix C: untargeted PGD in the l_inf ball (epsilon 1, 20 sign steps of 1/4), clipped to the
  range of the data;
- section 5.1: the moved point keeps its label (`preserve_label=True`). Here that means that it
  obeys the rule by which points are sampled, y w_true·x' >= gamma/2, or, with a `clearance` c below
  1, that it enters the gap as far as y w_true·x' >= c gamma/2.

For a linear model the worst x' is known exactly. In signed points z = y x the margin is w·z + y b,
to be minimised over a box, and over the half-space w_true·z' >= c gamma/2 where labels are kept.
Without the half-space a corner solves it. With it, it is a fractional knapsack: from that corner,
coordinates go back, those with the smallest price w_i / w_true_i first, until the half-space is
reached. The order of the prices is the same for all points. Without clipping the boxes are equal
as well, and what the attack takes from a margin depends on one number a point: its *slack*
y w_true·x - c gamma/2, the room that it has before its label would change.
"""

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from . import _checks
from ._checks import FloatArray
from .cube import row_chunks
from .data import Dataset, need
from .descent import Trajectory
from .measures import same_dimension
from .rounding import pull, vanishing_margin

_EPS = float(np.finfo(np.float64).eps)
_CHUNK = 1 << 17  # numbers in a chunk of rows: 1 MB, so that a dozen passes find it in cache


def worst_case(
    w: npt.ArrayLike, b: float, data: Dataset, *, epsilon: float, preserve_label: bool = False,
    clearance: float = 1.0, norm: float = np.inf, clip: tuple[float, float] | None = None,
) -> FloatArray:  # fmt: skip
    """Return the points with the smallest margins in the balls around the points, exactly.

    Parameters
    ----------
    w : (d,) array
        Weights.
    b : float
        Bias; it shifts all margins of a class alike, so no attacked point depends on it.
    data : Dataset
        Points to attack.
    epsilon : float
        Radius of the ball, 0 or more.
    preserve_label : bool
        Keep y w_true·x' >= clearance gamma/2 (section 5.1); without, any point of the ball will do
        (appendix C).
    clearance : float
        From 1, where no moved point may lie in the gap, to 0, where it may touch the separator.
    norm : {inf, 2}
        Of the ball, as `ord` in `numpy.linalg.norm`; inf is the paper's.
    clip : (low, high), optional
        Range in which every coordinate must stay, too; for the l_inf ball only.

    Returns
    -------
    (n, d) array
        The attacked points. Where several are equally bad, one of them.

    Raises
    ------
    ValueError
        For bad arguments, and for points whose ball does not meet the half-space or the range. A
        point that lies outside of the half-space by no more than rounding counts as on its edge.
    """
    spec = _AttackSpec(data, epsilon, preserve_label, clearance, norm, clip)
    return spec.points(_exact(spec, _hyperplane(w, b, data.d)[0]))


def pgd(
    w: npt.ArrayLike, b: float, data: Dataset, *, epsilon: float, step: float = 0.25,
    steps: int = 20, preserve_label: bool = False, clearance: float = 1.0,
    clip: tuple[float, float] | None = None,
    dtype: npt.DTypeLike | None = None, formula: str = "difference", seed: int | None = None,
) -> FloatArray:  # fmt: skip
    """Attack by projected gradient descent on the margin in the l_inf ball (appendix C).

    A step moves each coordinate by `step` against the sign of the gradient; the exact Euclidean
    projection on the ball, the range and the half-space follows.

    Parameters
    ----------
    w, b, data, epsilon, preserve_label, clearance, clip
        As in `worst_case`.
    step : float
        Length of a step in each coordinate.
    steps : int
        At least 1.
    dtype : float type, optional
        Take the gradient of the logistic loss as it comes out in this type: 0 from some margin on,
        such as 16.6 in float32 (`lingrok.rounding`). By default its sign is exact.
    formula : str
        Which formula of the loss is differentiated in that type, as in `lingrok.rounding.pull`.
    seed : int, optional
        Start from uniform points of the box; by default the attack starts from the points.

    Returns
    -------
    (n, d) array
        The attacked points, never worse than `worst_case`, and as bad without label preservation
        once steps * step >= epsilon. With it they need not be: where all weights are positive a
        sign step is parallel to w_true, and the projection undoes it.

    Raises
    ------
    ValueError
        As `worst_case`, and for step <= 0, steps < 1, a dtype that is not a float and an unknown
        formula.
    """
    spec = _AttackSpec(data, epsilon, preserve_label, clearance, np.inf, clip)
    descent = _Descent(spec, step, steps, dtype, formula, seed)
    return spec.points(descent.attack(*_hyperplane(w, b, data.d)))


def adversarial_accuracy(
    trajectory: Trajectory, data: Dataset, *, epsilon: float, preserve_label: bool = False,
    clearance: float = 1.0, method: str = "exact", norm: float = np.inf, pgd_steps: int = 20,
    pgd_step: float = 0.25, pgd_dtype: npt.DTypeLike | None = None, pgd_formula: str = "difference",
    pgd_seed: int | None = None, clip: tuple[float, float] | None = None, progress: bool = False,
) -> FloatArray:  # fmt: skip
    """Share of points that stay on their own side under attack at each checkpoint, shape (k,).

    An attacked point on the hyperplane counts as wrong.

    Parameters
    ----------
    trajectory : Trajectory
    data : Dataset
    epsilon, preserve_label, clearance, norm, clip
        As in `worst_case`.
    method : {"exact", "pgd"}
        Whether points move as in `worst_case` or as in `pgd`, which knows the l_inf ball only.
    pgd_steps, pgd_step, pgd_dtype, pgd_formula, pgd_seed
        `steps`, `step`, `dtype`, `formula` and `seed` of `pgd`.
    progress : bool
        Show a bar over the points.

    Raises
    ------
    ValueError
        As `worst_case` and `pgd`, for an unknown method, and for data of another dimension than
        the trajectory.
    """
    _checks.one_of("method", method, ("exact", "pgd"))
    spec = _AttackSpec(data, epsilon, preserve_label, clearance, norm, clip)
    if method == "pgd" and norm == 2:
        raise ValueError(f'norm must be inf with method="pgd", got {norm!r}')
    same_dimension(trajectory, data)
    w, b = trajectory.w, trajectory.b
    descent = None
    if method == "pgd":
        descent = _Descent(spec, pgd_step, pgd_steps, pgd_dtype, pgd_formula, pgd_seed)
    width, margins = _left(spec, w, b, descent)
    right = np.zeros(len(w), dtype=np.int64)
    with tqdm(total=data.n, unit="point", unit_scale=True, disable=not progress) as bar:
        for rows in spec.chunks(width):
            right += np.count_nonzero(margins(rows) > 0, axis=1)
            bar.update(len(rows.y))
    return right / data.n


class _AttackSpec:
    """What may be done to which points: the checked arguments, and the points in chunks."""

    def __init__(  # noqa: PLR0917
        self, data: Dataset, epsilon: float, preserve_label: bool, clearance: float, norm: float,
        clip: tuple[float, float] | None,
    ) -> None:  # fmt: skip
        _checks.one_of("preserve_label", preserve_label, (True, False))
        _checks.one_of("norm", norm, (np.inf, 2))
        known = need(data, *["gamma", "w_true"] * preserve_label)
        self.data, self.preserve_label, self.norm = data, preserve_label, norm
        self.epsilon = _checks.at_least_zero("epsilon", epsilon)
        clearance = _checks.at_least_zero("clearance", clearance)
        if clearance > 1:
            raise ValueError(f"clearance must be from 0 to 1, got {clearance!r}")
        self.clip = None if clip is None else _checks.finite("clip", clip, 1)
        if self.clip is not None and (len(self.clip) != 2 or self.clip[0] >= self.clip[1]):
            raise ValueError(f"clip must be (low, high) with low < high, got {clip!r}")
        if self.clip is not None and norm == 2:
            raise ValueError(f"clip must be None with norm=2, got {clip!r}")
        # Labels are kept by w_true·z >= level; w_true is 0 here where they need not be
        self.w_true, self.level = np.zeros(data.d), -np.inf
        if preserve_label:
            # No sum feels smaller entries, and prices are divided by them
            self.w_true = np.where(np.abs(known.w_true) > _EPS**2, known.w_true, 0)
            self.level = clearance * known.gamma / 2
        # A sum of d terms of up to max |x|, and of sqrt(d) max |x| in all, rounds so. At d = 1024
        # planted points come out 1e-13 beside the margin; this bound is 4e-11.
        self.rounding = _EPS * data.d**1.5 * float(max(data.X.max(), -data.X.min()))

    def chunks(self, width: int) -> Iterator["_Rows"]:
        """Rows to attack together, so many that arrays of `width` columns stay in cache."""
        for part in row_chunks(self.data.n, width, _CHUNK):
            yield _Rows(self, part)

    def points(self, attack: "_Attack") -> FloatArray:
        """Attack all points; shape (n, d)."""
        moved = np.empty((self.data.n, self.data.d))
        for rows in self.chunks(self.data.d):
            np.multiply(attack(rows), rows.y[:, None], out=moved[rows.part])
        return moved

    def prices(self, w: FloatArray) -> npt.NDArray[np.int64]:
        """Coordinates whose attack costs the label something, the cheapest to take back first."""
        costly = np.flatnonzero(np.sign(w) * self.w_true > 0)
        return costly[np.argsort(w[costly] / self.w_true[costly])]


class _Rows:
    """Points x to attack together, their labels y, and their slacks y w_true·x - level."""

    def __init__(self, spec: _AttackSpec, part: slice) -> None:
        self.spec, self.part = spec, part
        self.x, self.y = spec.data.X[part], spec.data.y[part]
        self.slack = self.y * (self.x @ spec.w_true) - spec.level
        if spec.clip is not None:
            outside = np.max(self.box[0] - self.box[1], axis=1)
            self._refuse(outside, f"clip must meet the ball of every point, got {spec.clip}")
            reach = np.where(spec.w_true > 0, *self.box[::-1]) @ spec.w_true - spec.level
        else:
            dual = 2 if spec.norm == 2 else 1
            reach = self.slack + spec.epsilon * np.linalg.norm(spec.w_true, dual)
        self._refuse(
            -spec.rounding - reach,
            f"epsilon must let every point keep y w_true·x >= clearance gamma/2 = {spec.level:g}, "
            f"got {spec.epsilon!r}",
        )

    @cached_property
    def z(self) -> FloatArray:
        """Signed points y x."""
        return self.x * self.y[:, None]

    @cached_property
    def box(self) -> tuple[FloatArray, FloatArray]:
        """Smallest and largest signed coordinates in the l_inf ball and the range."""
        low, high = self.z - self.spec.epsilon, self.z + self.spec.epsilon
        if self.spec.clip is not None:
            ends = np.sort(self.y[:, None] * self.spec.clip, axis=1)  # mirrored for class -1
            low, high = np.maximum(low, ends[:, :1]), np.minimum(high, ends[:, 1:])
        return low, high

    def _refuse(self, miss: FloatArray, rule: str) -> None:
        worst = int(np.argmax(miss))
        if miss[worst] > 0:
            raise ValueError(f"{rule}; point {self.part.start + worst} misses by {miss[worst]:.3g}")


_Attack = Callable[[_Rows], FloatArray]  # to signed points, shape (r, d)


def _loss_of_margin(spec: _AttackSpec, w: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Find what the whole l_inf ball takes from a margin, as a function of the slack."""
    order = spec.prices(w)
    corner = np.where(w == 0, -np.abs(spec.w_true), np.sign(w) * spec.w_true).sum()
    # From the corner on, coordinates go to their other ends
    used = corner - 2 * np.append(0, np.cumsum(np.abs(spec.w_true[order])))
    gain = np.abs(w).sum() - 2 * np.append(0, np.cumsum(np.abs(w[order])))
    used, gain = spec.epsilon * used[::-1], spec.epsilon * gain[::-1]
    return lambda slack: np.interp(slack, used, gain)


def _exact(spec: _AttackSpec, w: FloatArray) -> _Attack:
    """Move points to the worst ones of their balls."""
    order, w_true, epsilon = spec.prices(w), spec.w_true, spec.epsilon
    size = np.abs(w_true[order])
    down = np.where(w == 0, w_true < 0, w > 0)
    along = float(w @ w_true)
    across = _unit(w - along * w_true)
    across = across - (across @ w_true) * w_true  # what rounding left, where w is next to w_true

    def box(rows: _Rows) -> FloatArray:
        low, high = rows.box
        z = np.where(down, low, high)
        if order.size:
            width = (high - low)[:, order]
            room = width * size
            lack = (spec.level - z @ w_true)[:, None] - np.cumsum(room, axis=1) + room
            z[:, order] += np.sign(w[order]) * np.clip(lack / size, 0, width)
        return z

    def sphere(rows: _Rows) -> FloatArray:
        # In the plane of w and w_true: at the end of the radius, or where the label stops it
        s = np.minimum(rows.slack, epsilon)[:, None]
        edge = s * w_true + np.sqrt(np.maximum(epsilon**2 - s**2, 0)) * across
        free = s * float(np.linalg.norm(w)) > epsilon * along
        return rows.z - np.where(free, epsilon * _unit(w), edge)

    return sphere if spec.norm == 2 else box


class _Descent:
    """Projected gradient descent on the points."""

    def __init__(  # noqa: PLR0917
        self, spec: _AttackSpec, step: float, steps: int, dtype: npt.DTypeLike | None,
        formula: str, seed: int | None,
    ) -> None:  # fmt: skip
        self.spec, self.dtype, self.formula = spec, dtype, formula
        self.step, self.steps = _checks.positive("step", step), _checks.count("steps", steps, 1)
        self.seed = None if seed is None else _checks.count("seed", seed)
        pull(1.0, formula=formula, dtype=np.float64 if dtype is None else dtype)
        reach = spec.epsilon if seed is None else 2 * spec.epsilon
        # Whether a point that moves ends in its corner, whatever its margin is on the way
        self.whole = not spec.preserve_label and self.step * self.steps >= reach

    def starts(self) -> _Attack:
        """Give where points start: the same at each call of this."""
        if self.seed is None:
            return lambda rows: rows.z
        rng = np.random.default_rng(self.seed)
        return lambda rows: rng.uniform(*rows.box)

    def blind(self, margins: FloatArray, y: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell where the gradient comes out as 0 beyond some margin."""
        kind = np.dtype(self.dtype)
        edges = [vanishing_margin(self.formula, dtype=kind, y=label) for label in (1.0, -1.0)]
        return np.asarray(margins.astype(kind) >= np.where(y > 0, *edges))

    def attack(self, w: FloatArray, b: float) -> _Attack:
        """Move points step by step."""
        starts, move = self.starts(), self.step * np.sign(w)

        def attack(rows: _Rows) -> FloatArray:
            low, high = rows.box
            z = starts(rows)
            for _ in range(self.steps):
                moves = move
                if self.dtype is not None:  # NaN counts as a gradient: such a point is wrong anyway
                    seen = pull(z @ w + rows.y * b, rows.y, formula=self.formula, dtype=self.dtype)
                    moves = move * (seen != 0)[:, None]
                before, z = z, z - moves
                z = _nearest(z, low, high, self.spec.w_true, self.spec.level)
                if np.array_equal(z, before):
                    break  # and so would all steps that are left
            return z

        return attack


def _left(
    spec: _AttackSpec, w: FloatArray, b: FloatArray, descent: _Descent | None
) -> tuple[int, Callable[[_Rows], FloatArray]]:
    """Find how to attack rows for all hyperplanes at once: to margins (k, r); and for what width.

    Where margins and slacks tell what the whole l_inf ball does, no attacked points are made.
    """
    wide, exact = max(spec.data.d, len(w)), descent is None and spec.norm != 2

    def given(rows: _Rows) -> FloatArray:
        return np.asarray(rows.y * (w @ rows.x.T + b[:, None]))

    if exact and spec.clip is None:
        losses = [_loss_of_margin(spec, one) for one in w]
        return len(w), lambda rows: given(rows) - np.stack([loss(rows.slack) for loss in losses])

    if (exact and not spec.preserve_label) or (descent is not None and descent.whole):
        # Hyperplanes whose weights have the same signs send a point to the same corner
        signs, which = np.unique(w >= 0, axis=0, return_inverse=True)
        groups = [(down, np.flatnonzero(which.ravel() == i)) for i, down in enumerate(signs)]
        starts = None if descent is None else descent.starts()

        def corner(rows: _Rows) -> FloatArray:
            margins = np.empty((len(w), len(rows.y)))
            for down, mine in groups:
                margins[mine] = w[mine] @ np.where(down, *rows.box).T
            margins += rows.y * b[:, None]
            if descent is None or starts is None or descent.dtype is None:
                return margins
            first = given(rows)
            if descent.seed is not None:
                first = w @ starts(rows).T + rows.y * b[:, None]
            return np.where(descent.blind(first, rows.y), first, margins)

        return wide, corner

    each = [
        _exact(spec, one) if descent is None else descent.attack(one, float(bias))
        for one, bias in zip(w, b, strict=True)
    ]

    def moved(rows: _Rows) -> FloatArray:
        margins = np.stack([attack(rows) @ one for attack, one in zip(each, w, strict=True)])
        return np.asarray(margins + rows.y * b[:, None])

    return wide, moved


def _nearest(
    z: FloatArray, low: FloatArray, high: FloatArray, w_true: FloatArray, level: float
) -> FloatArray:
    """Find the nearest points of a box and the half-space w_true·z >= level.

    They are clip(z + c w_true, low, high) with the smallest c >= 0 that reaches the half-space.
    How far a c reaches is linear between knots, where a coordinate enters the box or leaves it.
    """
    nearest = np.clip(z, low, high)
    short = np.flatnonzero(nearest @ w_true < level)
    if not short.size:
        return nearest
    z, low, high = z[short], low[short], high[short]
    on = w_true != 0
    ends = [(end - z)[:, on] / w_true[on] for end in (low, high)]
    knots = np.sort(np.concatenate(ends, axis=1), axis=1)

    def lifted(knot: npt.NDArray[np.int64]) -> FloatArray:
        c = np.take_along_axis(knots, knot[:, None], axis=1)
        return np.clip(z + c * w_true, low, high)

    first, last = np.zeros_like(short), np.full_like(short, knots.shape[1] - 1)
    while np.any(last - first > 1):
        middle = (first + last) // 2
        under = lifted(middle) @ w_true < level
        first, last = np.where(under, middle, first), np.where(under, last, middle)
    start, move = lifted(first), lifted(last) - lifted(first)
    lack = level - start @ w_true
    part = np.clip(lack / np.maximum(move @ w_true, 1e-300), 0, 1)
    nearest[short] = start + part[:, None] * move
    return nearest


def _unit(vector: FloatArray) -> FloatArray:
    return vector / (float(np.linalg.norm(vector)) or 1.0)


def _hyperplane(w: npt.ArrayLike, b: float, d: int) -> tuple[FloatArray, float]:
    weights = _checks.finite("w", w, 1)
    if len(weights) != d:
        raise ValueError(f"w must have one weight a column of the data ({d}), got {len(weights)}")
    return weights, float(_checks.finite("b", b, 0))
