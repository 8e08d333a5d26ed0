"""Update rules: from a gradient to the next (w, b).

A rule is a value: its settings, no memory. What it remembers from step to step is its *state*, a
tuple of arrays of theta's shape with theta first, which the walk hands in and gets back new. So a
state can be kept and gone on from, bit for bit. Definitions are PyTorch's, but decay is of w only.
Steps count from 1. A rate lr is a number, or a function of the step.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from . import _checks
from ._checks import FloatArray

State = tuple[FloatArray, ...]
Rate = float | Callable[[int], float]


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
        if not callable(self.lr):
            object.__setattr__(self, "lr", _checks.positive("lr", self.lr))

    def start(self, theta: FloatArray, d: int) -> State:  # noqa: ARG002
        """State before step 1; theta has `d` weights, and then perhaps a bias."""
        return (theta,)

    def point(self, t: int, state: State) -> FloatArray:  # noqa: ARG002
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

    def resumed(self, theta: FloatArray, displacement: FloatArray) -> State:  # noqa: ARG002
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
        """State after step t."""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_share(self, "momentum", self.momentum)

    @property
    def inertia(self) -> float | None:
        """The momentum, unless the rate changes."""
        return None if callable(self.lr) else self.momentum

    def start(self, theta: FloatArray, d: int) -> State:  # noqa: ARG002
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum is not None:
            _set_share(self, "momentum", self.momentum)

    def start(self, theta: FloatArray, d: int) -> State:  # noqa: ARG002
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
        """State after step t."""
        length = float(np.sqrt(gradient.dot(gradient))) or 1.0
        return (state[0] - (self.rate(t) / length) * gradient,)


@dataclass(frozen=True)
class SignDescent(Rule):
    """theta <- theta - lr * sign(gradient)."""

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        """State after step t."""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        _set_share(self, "decay", self.decay)
        object.__setattr__(self, "epsilon", _checks.at_least_zero("epsilon", self.epsilon))

    def start(self, theta: FloatArray, d: int) -> State:  # noqa: ARG002
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            raise ValueError(f"betas must be a pair of numbers, got {self.betas!r}")
        for beta in self.betas:
            _checks.share("betas", beta)
        object.__setattr__(self, "betas", tuple(float(beta) for beta in self.betas))
        for name in ("epsilon", "weight_decay"):
            object.__setattr__(self, name, _checks.at_least_zero(name, getattr(self, name)))

    def start(self, theta: FloatArray, d: int) -> State:
        """Theta, both means at 0, and which entries decay."""
        rest = np.zeros_like(theta)
        return theta, rest, rest, np.where(np.arange(len(theta)) < d, self.weight_decay, 0.0)

    def step(self, t: int, state: State, gradient: FloatArray) -> State:
        """State after step t."""
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


def _set_share(rule: Rule, name: str, value: float) -> None:
    object.__setattr__(rule, name, _checks.share(name, value))
