"""Update rules: from a gradient to the next (w, b).

A rule is a value: its settings, no memory. What it remembers from step to step is its *state*, a
tuple of arrays of theta's shape with theta first, which the walk hands in and gets back new. So a
state can be kept and gone on from, bit for bit. Definitions are PyTorch's, but decay is of w only.
Steps count from 1. A rate lr is a number, or a function of the step.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from . import _checks
from ._checks import FloatArray

State = tuple[FloatArray, ...]
Rate = float | Callable[[int], float]


def _pair_of_shares(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ValueError(f"{name} must be a pair of numbers, got {value!r}")
    return _checks.share(name, value[0]), _checks.share(name, value[1])


# What settings of rules may be, by their names
_RANGES: dict[str, Callable[[str, Any], Any]] = {
    "lr": _checks.positive,
    "momentum": _checks.share,
    "decay": _checks.share,
    "betas": _pair_of_shares,
    "epsilon": _checks.at_least_zero,
    "weight_decay": _checks.at_least_zero,
}


@dataclass(frozen=True)
class Rule(ABC):
    """From (step, state, gradient) to the next state.

    Parameters
    ----------
    lr : float or function
        Learning rate, above 0; or its value at a step, at least 0.

    Raises
    ------
    ValueError
        For settings out of range, and, during the run, for a rate that is no such number.
    """

    lr: Rate

    def __post_init__(self) -> None:
        for setting in fields(self):
            name, value = setting.name, getattr(self, setting.name)
            left = value is None and setting.default is None  # to the rule
            if not left and not (name == "lr" and callable(value)):
                object.__setattr__(self, name, _RANGES[name](name, value))

    def start(self, theta: FloatArray, d: int) -> State:
        """State before step 1; theta has `d` weights, and then perhaps a bias."""
        return (theta,)

    def point(self, t: int, state: State) -> FloatArray:
        """Where the gradient of step t is taken."""
        return state[0]

    @abstractmethod
    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        """State after step t; the one before stays as it is."""

    @property
    def inertia(self) -> float | None:
        """Share of the last displacement that the next one keeps, in a rule that can be leapt over.

        That is one whose displacement is -lr * gradient and this share of the last one; None for
        all others.
        """
        return None

    def resumed(self, theta: FloatArray, displacement: FloatArray) -> State:
        """State at theta after such a displacement, in a rule that can be leapt over."""
        return (theta,)

    def rate(self, t: int) -> float:
        """Learning rate of step t."""
        if not callable(self.lr):
            return self.lr
        return _checks.at_least_zero(f"lr({t})", self.lr(t))

    def identity(self, steps: Iterable[int]) -> str:
        """Name all that tells it from other rules, in a run that records `steps`."""
        if not callable(self.lr):
            return repr(self)
        settings = {name: value for name, value in vars(self).items() if name != "lr"}
        return f"{type(self).__name__} {settings} {[self.rate(int(t)) for t in steps]}"


@dataclass(frozen=True)
class GradientDescent(Rule):
    """theta <- theta - lr * gradient, the paper's."""

    @property
    def inertia(self) -> float | None:
        """0, unless the rate changes."""
        return None if callable(self.lr) else 0.0

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        return (state[0] - self.rate(t) * gradient,)


@dataclass(frozen=True)
class HeavyBall(Rule):
    """Polyak's momentum: the velocity is momentum * velocity + gradient, theta moves by -lr of it.

    Parameters
    ----------
    momentum : float
        From 0 to below 1.
    """

    momentum: float

    @property
    def inertia(self) -> float | None:
        """The momentum, unless the rate changes."""
        return None if callable(self.lr) else self.momentum

    def start(self, theta: FloatArray, d: int) -> State:
        """Theta, at rest."""
        return theta, np.zeros_like(theta)

    def resumed(self, theta: FloatArray, displacement: FloatArray) -> State:
        """Theta, and the velocity that has moved it so."""
        return theta, displacement / -self.rate(1)

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        """State after step t: theta and velocity."""
        velocity = self.momentum * state[1] + gradient
        return state[0] - self.rate(t) * velocity, velocity


@dataclass(frozen=True)
class Nesterov(Rule):
    """Plain descent from the look-ahead theta_t + mu_t (theta_t - theta_(t-1)).

    Parameters
    ----------
    momentum : float, optional
        mu, from 0 to below 1; by default (t - 1) / (t + 2).
    """

    momentum: float | None = None

    def start(self, theta: FloatArray, d: int) -> State:
        """Theta, and theta one step before."""
        return theta, theta

    def point(self, t: int, state: State) -> FloatArray:
        """Where theta would go without a gradient."""
        theta, before = state
        momentum = (t - 1) / (t + 2) if self.momentum is None else self.momentum
        return theta + momentum * (theta - before)

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        """State after step t: theta, and that before."""
        return self.point(t, state) - self.rate(t) * gradient, state[0]


@dataclass(frozen=True)
class NormalisedGradient(Rule):
    """theta <- theta - lr * gradient / ||gradient||; stays where the gradient is 0."""

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        # hypot: squares would be 0 from margins of 372 on, and the run would stop there
        length = math.hypot(*gradient.tolist()) or 1.0
        return (state[0] - self.rate(t) * (gradient / length),)


@dataclass(frozen=True)
class SignDescent(Rule):
    """theta <- theta - lr * sign(gradient), in each coordinate."""

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        return (state[0] - self.rate(t) * np.sign(gradient),)


@dataclass(frozen=True)
class RMSprop(Rule):
    """theta <- theta - lr * gradient / (sqrt(v) + epsilon), v a running mean of squares.

    Parameters
    ----------
    decay : float
        Of v in a step (PyTorch's alpha), from 0 to below 1.
    epsilon : float
        At least 0, outside the root. With 0, a gradient that was always 0 gives 0/0, which ends the
        run.
    """

    decay: float = 0.99
    epsilon: float = 1e-8

    def start(self, theta: FloatArray, d: int) -> State:
        """Theta and v = 0."""
        return theta, np.zeros_like(theta)

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        """State after step t: theta and v."""
        square = self.decay * state[1] + (1 - self.decay) * gradient * gradient
        return state[0] - self.rate(t) * gradient / (np.sqrt(square) + self.epsilon), square


@dataclass(frozen=True)
class Adam(Rule):
    """Kingma and Ba's; with `weight_decay` it is AdamW.

    Parameters
    ----------
    betas : pair of float
        Memory of the mean of gradients and of that of their squares, from 0 to below 1.
    epsilon : float
        As in `RMSprop`.
    weight_decay : float
        At least 0: w, but not b, is first multiplied by 1 - lr * weight_decay, beside the
        gradient. (A penalty goes through it: l2 of `gradient_descent`.)
    """

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def start(self, theta: FloatArray, d: int) -> State:
        """Theta, both means at 0, and which entries decay."""
        rest = np.zeros_like(theta)
        return theta, rest, rest, np.where(np.arange(len(theta)) < d, self.weight_decay, 0.0)

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        theta, mean, square, decay = state
        rate, (first, second) = self.rate(t), self.betas
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient * gradient
        if self.weight_decay:
            theta = theta * (1 - rate * decay)
        length = np.sqrt(square)
        length /= (1 - second**t) ** 0.5
        length += self.epsilon
        return theta - (rate / (1 - first**t)) * mean / length, mean, square, decay
