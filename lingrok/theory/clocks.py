"""When each update rule gets to where plain descent goes.

Late in a run everything but the way along w_true has come to rest, and a rule can only decide how
fast that way is gone: one path, and a clock for each rule. Clocks read the path off a run of plain
descent; nothing is fitted.
"""

from typing import cast

import numpy as np
from scipy.integrate import solve_ivp

from .. import _checks
from .._checks import FloatArray
from .._origin import traced
from ..data import Dataset
from ..descent import Trajectory
from ..losses import LOGISTIC, Loss
from ..problem import Problem
from ..rules import Adam, GradientDescent, HeavyBall, Nesterov, NormalisedGradient, RMSprop, Rule


@traced
def clock(
    run: Trajectory, rule: Rule, *, lr: float = 1e-2, data: Dataset | None = None,
    loss: Loss = LOGISTIC, depth: int = 1, start: float = 0.1,
) -> FloatArray:  # fmt: skip
    """Predict the step at which `rule` is where plain descent is at its checkpoints.

    Parameters
    ----------
    run : Trajectory
        Of plain descent at the rate `lr`, over all of the path; about 20 checkpoints a decade.
    rule : Rule
        `GradientDescent` (also with a rate that is a function of the step), `HeavyBall`,
        `Nesterov`, `NormalisedGradient`, `RMSprop` or `Adam`.
    lr : float
        Rate of `run`.
    data, loss
        What was trained on, for the rules that live at the edge of stability: their clock has the
        curvature along the path in it.
    depth : int
        Layers of a deep linear net with balanced layers, which takes the rule's steps in place of
        the hyperplane; plain descent and momentum only.
    start : float
        Length of the product of such a net's layers before the first step; the way up to it takes
        no time.

    Returns
    -------
    (k,) array
        Steps; not whole.

    Raises
    ------
    ValueError
        For a rule that has no clock, or none with depth, and for no data where they are needed.

    Notes
    -----
    With the flow's time tau = lr * step: `GradientDescent` has the sum of its rates equal to tau,
    `HeavyBall` is 1 / (1 - momentum) times as fast, and `Nesterov` solves x'' + 3 x' / s = F(x)
    along the path, s = sqrt(rate) * step, which for a constant force F gives sqrt(8 T). A step of
    constant length can't rest across the path, where curvature K is large: it swings with the
    gradient that makes it unstable, K rate / |g| = 2 for `NormalisedGradient`, and so goes along
    the path as plain descent does at the rate 2 / K. `RMSprop` does the same with its own metric,
    and `Adam` with 2 (1 + beta) / (1 - beta) for 2; none of them goes farther than its rate in a
    step, in length or in each weight. Squares remember the start for a while, which adds to the
    time of `Adam`.

    In a deep linear net with balanced layers the length a of their product grows by
    L a^(2 - 2/L) F(a), F being the plain force (Saxe et al., 2014; Arora et al., 2018). The stiff
    directions are a^(2 - 2/L) times stiffer; where that takes the rate beyond stability, the net
    does not keep to this clock.
    """
    tau = np.asarray(lr * run.steps, dtype=np.float64)
    depth, start = _checks.count("depth", depth, 1), _checks.positive("start", start)
    if depth > 1:
        if not isinstance(rule, GradientDescent | HeavyBall):
            raise ValueError(f"rule must be plain descent or HeavyBall with depth > 1, got {rule}")
        before = np.append(0.0, run.norm[:-1])
        way = (run.norm - start) / np.maximum(run.norm - before, 1e-300)
        middle = np.sqrt(np.maximum(run.norm, start) * np.maximum(before, start))
        force = depth * middle ** (2 - 2 / depth)
        tau = np.cumsum(np.diff(tau, prepend=0.0) * np.clip(way, 0, 1) / force)
    if isinstance(rule, GradientDescent | HeavyBall):
        return _summed(rule, tau, int(run.steps[-1]))
    if isinstance(rule, Nesterov) and rule.momentum is None and not callable(rule.lr):
        return np.asarray(_nesterov(run, tau) / rule.lr**0.5)
    if not isinstance(rule, NormalisedGradient | RMSprop | Adam) or callable(rule.lr):
        raise ValueError(f"rule must have a clock (see clock), got {rule}")
    if data is None:
        raise ValueError(f"data must be given for {rule}, whose clock has the curvature in it")
    return _at_the_edge(run, rule, tau, Problem(data, loss=loss))


def _summed(rule: GradientDescent | HeavyBall, tau: FloatArray, most: int) -> FloatArray:
    """Find the steps at which the rates add up to tau, less what momentum saves."""
    needed = tau * (1 - rule.momentum if isinstance(rule, HeavyBall) else 1.0)
    if not callable(rule.lr):
        return np.asarray(needed / rule.lr)
    reached = [0.0]
    while reached[-1] < needed[-1] and len(reached) <= most:
        reached.append(reached[-1] + rule.rate(len(reached)))
    return np.interp(needed, reached, np.arange(len(reached)), right=np.inf)


def _at_the_edge(run: Trajectory, rule: Rule, tau: FloatArray, problem: Problem) -> FloatArray:
    """Add up the steps of a rule that swings across the path at the edge of stability."""
    rate, first = rule.rate(1), rule.betas[0] if isinstance(rule, Adam) else 0.0
    along = run.w / np.maximum(run.norm, 1e-300)[:, None]
    stiff = np.empty(len(tau))
    for i, (w, b) in enumerate(zip(run.w, run.b, strict=True)):
        _, hessian = problem.gradient_and_hessian(np.append(w, b))
        values, vectors = np.linalg.eigh(hessian)
        stiff[i] = values[-1]
        if not isinstance(rule, NormalisedGradient):
            # With a swing along e the squares' roots are p |e|; the swing is stable at
            # K sum |e| / p, and what is left along w is the inverse of sum p |e| w^2
            swing = np.abs(vectors[: run.w.shape[1], -1])
            stiff[i] *= swing.sum() * float(swing @ along[i] ** 2)
    needed = np.diff(tau, prepend=0.0)
    steps = needed * stiff * (1 - first) / (1 + first) / 2
    way = np.diff(run.w, axis=0, prepend=0.0) / rate
    if isinstance(rule, NormalisedGradient):
        return np.asarray(np.cumsum(np.maximum(steps, np.linalg.norm(way, axis=1))))
    # What the squares remember of the start: there each weight moves by the rate in a step, so F^2
    # adds up to the integral of F^2 / (rate sqrt(d)) over the path, of which a weight has 1/d
    memory = 2 / (1 - (rule.betas[1] if isinstance(rule, Adam) else cast("RMSprop", rule).decay))
    force = np.gradient(run.norm, tau)
    start = np.sqrt(np.trapezoid(force**2, run.norm) * 2 / memory / rate) / along.shape[1] ** 0.75
    t, result = 0.0, np.empty(len(tau))
    for i, more in enumerate(needed):
        fading = memory * np.logaddexp(t / memory, np.log(more * start / (rate * memory)))
        t = max(t + steps[i], t + np.abs(way[i]).max(), float(fading))
        result[i] = t
    return result


def _nesterov(run: Trajectory, tau: FloatArray) -> FloatArray:
    """Find the s at which x'' + 3 x' / s = F(x) is at the run's norms, F being its velocity."""
    x = np.maximum.accumulate(run.norm)
    keep = np.flatnonzero(np.diff(x, prepend=0.0) > 0)
    x, tau = x[keep], tau[keep]
    force = np.gradient(x, tau)

    def motion(log_s: float, state: FloatArray) -> FloatArray:
        s = np.exp(log_s)
        pull = np.interp(state[0], x, force)
        return np.array([s * state[1], s * pull - 3 * state[1]])

    end = np.log(10 * np.sqrt(8 * tau[-1]))
    s = np.linspace(np.log(1e-3), end, 4000)
    found = solve_ivp(motion, (s[0], end), np.zeros(2), t_eval=s, method="LSODA", rtol=1e-8,
                      atol=1e-12)  # fmt: skip
    reached = np.maximum.accumulate(found.y[0])
    result = np.full(len(run.steps), np.nan)
    result[keep] = np.exp(np.interp(x, reached, found.t, right=np.inf))
    return np.asarray(np.fmax.accumulate(result))
