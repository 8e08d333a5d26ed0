"""Nets trained by full-batch descent: deep linear ones, and ReLU nets with explicit biases.

A net is a value: its widths, its activation, and which of its layers have biases. Its parameters
are one vector theta, the weights of all layers first and then the biases, so that the update rules
and the walk are those of the hyperplane, and decay leaves biases alone.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _checks
from ._checks import FloatArray
from ._origin import traced
from .data import Dataset
from .descent import Trajectory, plan, rule_of, walk
from .losses import LOGISTIC, Loss
from .problem import Problem, one_blas_thread
from .rules import Rule

_BIASES = ("none", "first", "last", "all")
_POINTS = 512  # taken through a net at once
_NONE = np.zeros(1)  # stands for the biases of a layer that has none


@dataclass(frozen=True)
class Net:
    """Layers from d inputs to one score.

    Parameters
    ----------
    d : int
        Inputs.
    widths : tuple of int
        Of the hidden layers; () is the hyperplane. There are L = len(widths) + 1 layers.
    activation : {"relu", "linear"}
        Of the hidden layers.
    biases : {"none", "first", "last", "all"}
        Layers that have them.

    Raises
    ------
    ValueError
        For widths that are not whole or below 1, and an activation or biases that are none.
    """

    d: int
    widths: tuple[int, ...] = (64,)
    activation: str = "relu"
    biases: str = "all"

    def __post_init__(self) -> None:
        object.__setattr__(self, "d", _checks.count("d", self.d, 1))
        if not isinstance(self.widths, tuple | list):
            raise ValueError(f"widths must be a tuple of whole numbers, got {self.widths!r}")
        widths = tuple(_checks.count("widths", one, 1) for one in self.widths)
        object.__setattr__(self, "widths", widths)
        _checks.one_of("activation", self.activation, ("relu", "linear"))
        _checks.one_of("biases", self.biases, _BIASES)

    @property
    def depth(self) -> int:
        """Number of layers L."""
        return len(self.widths) + 1

    @cached_property
    def shapes(self) -> list[tuple[int, int]]:
        """Shape of each layer's weights, (outputs, inputs)."""
        return [(out, into) for into, out in pairwise((self.d, *self.widths, 1))]

    @cached_property
    def weights(self) -> int:
        """Number of weights, biases not counted."""
        return sum(out * into for out, into in self.shapes)

    @cached_property
    def size(self) -> int:
        """Length of theta."""
        return int(self._places[-1][1].stop)

    @cached_property
    def _places(self) -> list[tuple[slice, slice]]:
        """Where in theta each layer's weights and biases are; an empty place for none."""
        places, at, bias_at = [], 0, self.weights
        for k, (out, into) in enumerate(self.shapes):
            here = {"none": False, "first": not k, "last": k == self.depth - 1, "all": True}
            biases = out * here[self.biases]
            places.append((slice(at, at + out * into), slice(bias_at, bias_at + biases)))
            at, bias_at = places[-1][0].stop, places[-1][1].stop
        return places

    def layers(self, theta: FloatArray) -> tuple[list[FloatArray], list[FloatArray]]:
        """View each layer's weights and biases in `theta`; `_NONE` if it has none."""
        weights = [
            theta[here].reshape(shape)
            for (here, _), shape in zip(self._places, self.shapes, strict=True)
        ]
        biases = [theta[here] if here.stop > here.start else _NONE for _, here in self._places]
        return weights, biases

    def start(
        self, *, seed: int, scale: float = 1.0, balanced: float | None = None,
        along: npt.ArrayLike | None = None,
    ) -> FloatArray:  # fmt: skip
        """Draw parameters to start from; biases are 0.

        Parameters
        ----------
        seed : int
        scale : float
            Times the standard deviations of He et al. (2015), the root of 2 / inputs.
        balanced : float, optional
            Start a deep linear net from rank one instead: all layers of the same norm, aligned,
            with a product w of this length.
        along : (d,) array, optional
            Direction of that w; by default it is drawn.

        Returns
        -------
        (size,) array

        Raises
        ------
        ValueError
            For a scale or length that is not above 0, and a direction that is none.
        """
        rng, theta = np.random.default_rng(_checks.count("seed", seed)), np.zeros(self.size)
        weights, _ = self.layers(theta)
        if balanced is None:
            scale = _checks.positive("scale", scale)
            for one in weights:
                one[:] = rng.normal(0, scale * (2 / one.shape[1]) ** 0.5, one.shape)
            return theta
        size = _checks.positive("balanced", balanced) ** (1 / self.depth)
        into = rng.standard_normal(self.d)
        if along is not None:
            into = _checks.finite("along", along, 1)
            if into.shape != (self.d,) or not into.any():
                raise ValueError(f"along must be a direction of {self.d} numbers, got {along!r}")
        for one in weights:
            out = rng.standard_normal(len(one)) if one is not weights[-1] else np.ones(1)
            out, into = out / np.linalg.norm(out), into / np.linalg.norm(into)
            one[:] = size * np.outer(out, into)
            into = out
        return theta

    def scores(self, theta: FloatArray, X: FloatArray) -> FloatArray:
        """Score of each row of X, shape (n,); above 0 is class +1."""
        weights, biases = self.layers(theta)
        hidden = X.T
        for k, (one, bias) in enumerate(zip(weights, biases, strict=True)):
            hidden = one @ hidden + bias[:, None]
            if k < self.depth - 1 and self.activation == "relu":
                np.maximum(hidden, 0, out=hidden)
        return np.asarray(hidden[0])

    def hyperplane(self, theta: FloatArray) -> tuple[FloatArray, float]:
        """Weights w, shape (d,), and bias b that a deep linear net amounts to."""
        if self.activation != "linear":
            raise ValueError(f"activation must be 'linear' for one hyperplane, got {self}")
        weights, biases = self.layers(theta)
        w, b = np.eye(self.d), np.zeros(self.d)
        for one, bias in zip(weights, biases, strict=True):
            w, b = one @ w, one @ b + bias
        return w[0], float(b[0])


class NetProblem:
    """Mean loss of a net on data, and a penalty on its weights, as a function of theta.

    It is used as a `Problem` is. A deep linear net's gradient is the hyperplane's, taken through
    the layers; with ReLU it is the textbook's backward pass.
    """

    def __init__(
        self, data: Dataset, net: Net, *, loss: Loss = LOGISTIC, l2: float = 0.0,
    ) -> None:  # fmt: skip
        if net.d != data.d:
            raise ValueError(f"net must have d = {data.d} inputs as the data, got {net}")
        self.data, self.net, self.loss = data, net, loss
        self.l2 = _checks.at_least_zero("l2", l2)
        self.gradients = 0
        self._plane = Problem(data, loss=loss)
        self._columns, self._y = np.ascontiguousarray(data.X.T), data.y.astype(np.float64)

    def value(self, theta: FloatArray) -> float:
        """Loss and penalty at `theta`."""
        margins = self._y * self.net.scores(theta, self.data.X)
        squares = float(theta[: self.net.weights] @ theta[: self.net.weights])
        return float(np.mean(self.loss.value(margins))) + self.l2 / 2 * squares

    def gradient(self, theta: FloatArray) -> FloatArray:
        """Gradient at `theta`, shape (size,)."""
        self.gradients += 1
        result = np.zeros(self.net.size)
        (self._linear if self.net.activation == "linear" else self._relu)(theta, result)
        if self.l2:
            result[: self.net.weights] += self.l2 * theta[: self.net.weights]
        return result

    def _linear(self, theta: FloatArray, result: FloatArray) -> None:
        weights, biases = self.net.layers(theta)
        steps, shifts = self.net.layers(result)
        # What comes out of each layer: of the inputs, and of the biases up to there
        into, moved = [weights[0]], [biases[0]]
        for one, bias in zip(weights[1:], biases[1:], strict=True):
            into.append(one.dot(into[-1]))
            moved.append(bias if moved[-1] is _NONE else one.dot(moved[-1]) + bias)
        plane = np.empty(self.data.d + 1)
        plane[:-1], plane[-1] = into[-1][0], moved[-1][0]
        pull = self._plane.gradient(plane)
        force, push, out = pull[:-1], pull[-1], np.ones(1)
        for k in range(self.net.depth - 1, -1, -1):
            if k:
                reached = into[k - 1].dot(force)
                if moved[k - 1] is not _NONE:
                    reached += moved[k - 1] * push
            else:
                reached = force
            steps[k][:] = out[:, None] * reached
            if biases[k] is not _NONE:
                shifts[k][:] = out * push
            out = out.dot(weights[k])

    def _relu(self, theta: FloatArray, result: FloatArray) -> None:
        layers = *self.net.layers(theta), *self.net.layers(result)
        # Some points at a time: what their layers need stays in the processor's cache
        for start in range(0, self.data.n, _POINTS):
            self._part(slice(start, start + _POINTS), *layers)

    def _part(self, part: slice, *layers: list[FloatArray]) -> None:
        weights, biases, steps, shifts = layers
        hidden, y = [self._columns[:, part]], self._y[part]
        for k, (one, bias) in enumerate(zip(weights, biases, strict=True)):
            hidden.append(one.dot(hidden[-1]))
            if bias is not _NONE:
                hidden[-1] += bias[:, None]
            if k < self.net.depth - 1:
                np.maximum(hidden[-1], np.zeros(len(y)), out=hidden[-1])  # one 0 is slower
        back = self.loss.slope(y * hidden[-1]) * y
        back *= -1 / self.data.n
        for k in range(self.net.depth - 1, -1, -1):
            steps[k] += back.dot(hidden[k].T)
            if biases[k] is not _NONE:
                shifts[k] += back.sum(axis=1)
            if k:
                on = hidden[k] > 0
                # In its place: with two such arrays memory goes to the system and back each time
                back = np.dot(weights[k].T, back, out=hidden[k])
                back *= on


@dataclass(frozen=True, eq=False)
class NetRun:
    """Parameters of a net at the checkpoints of a run.

    Attributes
    ----------
    net : Net
    steps : (k,) int64 array
        Checkpoints, in steps.
    thetas : (k, size) array
    data : Dataset
        What was trained on.
    gradient_evaluations : int
    """

    net: Net
    steps: npt.NDArray[np.int64]
    thetas: FloatArray
    data: Dataset
    gradient_evaluations: int

    def accuracy(self, data: Dataset) -> FloatArray:
        """Share of points whose score has their label's sign, shape (k,); a score of 0 has none."""
        right = [np.mean(data.y * self.net.scores(one, data.X) > 0) for one in self.thetas]
        return np.array(right)

    def trajectory(self) -> Trajectory:
        """Hyperplanes that a deep linear net amounts to."""
        planes = [self.net.hyperplane(theta) for theta in self.thetas]
        w, b = (np.array(each) for each in zip(*planes, strict=True))
        return Trajectory(
            steps=self.steps, w=w, b=b, w_true=self.data.w_true,
            error_estimate=np.zeros(len(w)), gradient_evaluations=self.gradient_evaluations,
        )  # fmt: skip


@traced
def train(
    data: Dataset, net: Net, steps: int, *, start: FloatArray, lr: float = 1e-2,
    rule: Rule | None = None, loss: Loss = LOGISTIC, l2: float = 0.0,
    checkpoints: npt.ArrayLike | None = None,
) -> NetRun:  # fmt: skip
    """Train a net by full-batch descent on the mean loss, step by step.

    Parameters
    ----------
    data : Dataset
    net : Net
    steps : int
        Length of the run, at least 1.
    start : (size,) array
        Parameters to start from, as from `net.start`.
    lr, rule, loss, checkpoints
        As in `gradient_descent`.
    l2 : float
        lambda of the added (lambda / 2) times the squares of all weights; biases are free.

    Raises
    ------
    ValueError
        As `gradient_descent`, and for a net or a start that does not fit the data.
    DivergenceError
        Where parameters overflow. It names the step and the remedy.
    """
    problem: Any = NetProblem(data, net, loss=loss, l2=l2)
    rule = rule_of(rule, lr)
    steps, recorded = plan(steps, checkpoints)
    start = _checks.finite("start", start, 1)
    if start.shape != (net.size,):
        raise ValueError(f"start must have the shape ({net.size},) for {net}, got {start.shape}")
    thetas, at = np.empty((len(recorded), net.size)), 0
    now = rule.start(start.copy(), net.weights)
    with one_blas_thread():
        for i, checkpoint in enumerate(recorded.tolist()):
            now = walk(problem, rule, now, at, checkpoint)
            at, thetas[i] = checkpoint, now[0]
    return NetRun(net, recorded, thetas, data, problem.gradients)
