"""Against PyTorch: update rules for 1,000 steps, pulls as they round. Scikit-learn's minima.

    python tests/test_peers.py      writes peers.json again (pip install 'lingrok[peers]')

They are large, so what they find is kept in peers.json, and no other test or page needs them. Where
they are installed, the file is compared with them as well. PyTorch has no schedule for Nesterov's
momentum (test_rules has one by a closed form), and no normalised descent: there its gradients are
divided by hand. Its momentum buffer starts with the first gradient, which is ours from rest.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from lingrok import Dataset, gradient_descent, minimiser
from lingrok.losses import LOGISTIC, SQUARED, SQUARED_HINGE
from lingrok.rounding import FORMULAS, pull, vanishing_margin
from lingrok.rules import (
    Adam,
    GradientDescent,
    HeavyBall,
    Nesterov,
    NormalisedGradient,
    RMSprop,
    SignDescent,
)

PEERS = Path(__file__).with_name("peers.json")
STEPS = [1, 2, 3, 10, 30, 100, 300, 1000]


def fading(t):
    return 0.1 / t**0.5


# Our rule, and the optimiser with its options, per parameter group, that should be the same
TABLE = {
    "plain": (GradientDescent(0.1), "SGD", {"lr": 0.1}),
    "heavy ball": (HeavyBall(0.1, 0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "Nesterov": (
        Nesterov(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "RMSprop": (RMSprop(1e-3), "RMSprop", {"lr": 1e-3}),
    "RMSprop, other settings": (
        RMSprop(1e-3, decay=0.9, epsilon=1e-3), "RMSprop", {"lr": 1e-3, "alpha": 0.9, "eps": 1e-3},
    ),
    "Adam": (Adam(0.01), "Adam", {"lr": 0.01}),
    "Adam, other settings": (
        Adam(0.01, betas=(0.5, 0.8), epsilon=1e-3), "Adam",
        {"lr": 0.01, "betas": (0.5, 0.8), "eps": 1e-3},
    ),
    "AdamW": (Adam(0.01, weight_decay=0.3), "AdamW", {"lr": 0.01, "weight_decay": 0.3}),
    "plain, fading": (GradientDescent(fading), "SGD", {"lr": 0.1}),
    "Adam, fading": (Adam(fading), "Adam", {"lr": 0.1}),
    "normalised": (NormalisedGradient(1e-3), "SGD", {"lr": 1e-3}),
    # Adam that remembers nothing divides each coordinate by its own length
    "sign": (SignDescent(1e-3), "Adam", {"lr": 1e-3, "betas": (0.0, 0.0), "eps": 0.0}),
}  # fmt: skip
L2 = {"no penalty": 0.0, "penalty": 0.01}
CASES = [f"{name}, {penalty}" for name in TABLE for penalty in L2]
# Loss and penalty of a minimum, and the estimator with its options that should find it. Its sum of
# losses stands beside its penalty, so that C or alpha has n; LinearSVC's b is penalised as w is
MINIMA = {
    "logistic": (
        LOGISTIC, 0.01, "LogisticRegression",
        {"C": 1 / 0.24, "solver": "newton-cholesky", "tol": 1e-12},
    ),
    "squared hinge": (
        SQUARED_HINGE, (0.02, 0.02), "LinearSVC",
        {"C": 1 / 0.48, "dual": False, "tol": 1e-12, "max_iter": 10**6},
    ),
    "squared": (SQUARED, 0.5, "Ridge", {"alpha": 6.0, "solver": "cholesky"}),
}  # fmt: skip
# Formulas of the logistic loss as one writes them, of the logits f and labels y of -1 and +1
WRITTEN = {
    "bce_with_logits": lambda torch, f, y: torch.nn.functional.binary_cross_entropy_with_logits(
        f, (1 + y) / 2, reduction="none"
    ),
    "clamped_log": lambda torch, f, y: torch.nn.functional.binary_cross_entropy(
        torch.sigmoid(f), (1 + y) / 2, reduction="none"
    ),
    "log(1 + exp)": lambda torch, f, y: torch.log(1 + torch.exp(-y * f)),
    "softplus": lambda torch, f, y: torch.nn.functional.softplus(-y * f),
}
# Others that round as one of them does, at margins from 0 on
ALIKE = {
    "log(sigmoid)": ("difference", lambda torch, f, y: -torch.log(torch.sigmoid(y * f))),
    "log1p(exp)": ("log(1 + exp)", lambda torch, f, y: torch.log1p(torch.exp(-y * f))),
    "logsigmoid": ("softplus", lambda torch, f, y: -torch.nn.functional.logsigmoid(y * f)),
    "soft_margin_loss": (
        "softplus",
        lambda torch, f, y: torch.nn.functional.soft_margin_loss(f, y, reduction="none"),
    ),
}
PULLED = [*WRITTEN, *ALIKE]
MARGINS = [
    -800, -300, -95, -80, -40, -20, -5, -1, 0, 1, 5, 10, 16, 16.5, 17, 30, 36, 37, 50, 65, 66, 80,
    88, 89, 100, 103, 105, 300, 380, 390, 700, 709, 711, 740, 747,
]  # fmt: skip


def points():
    """Separable classes, off the origin, so that no coordinate of a gradient comes near 0.

    There RMSprop divides by next to nothing and is chaotic: in 300 steps rounding grows to 1e-4.
    """
    rng = np.random.default_rng(0)
    X = np.round(20 * rng.standard_normal((24, 3))) / 16 + 0.25
    return Dataset(X, np.where(X @ [1.0, 2.0, 3.0] > 1.5, 1.0, -1.0))


def by_torch(name, l2):
    """Thetas of an optimiser at STEPS, with the loss differentiated automatically."""
    import torch  # noqa: PLC0415 - large

    data, (_, optimiser, options) = points(), TABLE[name]
    X, y = torch.tensor(data.X), torch.tensor(data.y)
    w = torch.zeros(data.d, dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    groups = [{"params": [w]}, {"params": [b], "weight_decay": 0.0}]
    optimiser = getattr(torch.optim, optimiser)(groups, **options)
    fades = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: (k + 1) ** -0.5)  # k from 0
    found = []
    for step in range(1, STEPS[-1] + 1):
        optimiser.zero_grad()
        loss = torch.nn.functional.softplus(-y * (X @ w + b)).mean() + l2 / 2 * (w**2).sum()
        loss.backward()
        if name == "normalised":
            length = (w.grad.square().sum() + b.grad.square()).sqrt()
            w.grad, b.grad = w.grad / length, b.grad / length
        optimiser.step()
        if name.endswith("fading"):
            fades.step()
        if step in STEPS:
            found.append([*w.tolist(), b.item()])
    return found


def pulled_by_torch(name, dtype, label, margins):
    """Pulls at margins: minus the derivative of the loss, differentiated automatically."""
    import torch  # noqa: PLC0415 - large

    formula = WRITTEN[name] if name in WRITTEN else ALIKE[name][1]
    y = torch.full((len(margins),), float(label), dtype=getattr(torch, dtype))
    f = (torch.tensor(margins, dtype=y.dtype) * y).requires_grad_()
    formula(torch, f, y).sum().backward()
    return (-f.grad * y).tolist()


def vanishing_in_torch(name, dtype, label):
    """Smallest margin whose pull is 0, to 1e-3."""
    coarse = np.arange(0, 760, 0.5)
    low = coarse[np.array(pulled_by_torch(name, dtype, label, coarse)) > 0].max()
    fine = low + np.arange(0, 0.501, 1e-3)
    return float(fine[np.array(pulled_by_torch(name, dtype, label, fine)) == 0].min())


def pulls_by_torch():
    """Pulls as strings, for no file of JSON has NaN, and the margins from which they are 0."""
    return {
        f"{name}, {dtype}, {label:+d}": {
            "vanishes": vanishing_in_torch(name, dtype, label),
            "pulls": " ".join(f"{p:.9g}" for p in pulled_by_torch(name, dtype, label, MARGINS)),
        }
        for name in PULLED
        for dtype in ("float32", "float64")
        for label in (1, -1)
    }


def by_scikit_learn(name):
    """(w, b) at the minimum."""
    from sklearn import linear_model, svm  # noqa: PLC0415 - large

    data, (_, _, estimator, options) = points(), MINIMA[name]
    estimator = getattr(svm if estimator == "LinearSVC" else linear_model, estimator)(**options)
    estimator.fit(data.X, data.y)
    return [*estimator.coef_.ravel().tolist(), float(np.ravel(estimator.intercept_)[0])]


def ours(name, l2):
    rule = TABLE[name][0]
    run = gradient_descent(points(), STEPS[-1], rule=rule, l2=l2, checkpoints=range(1, 1001))
    thetas = np.c_[run.w, run.b]
    if isinstance(rule, Nesterov):
        # PyTorch keeps the point ahead, at which it takes its gradients: theta + mu * (its move)
        before = np.concatenate([np.zeros((1, 4)), thetas[:-1]])
        thetas = thetas + rule.momentum * (thetas - before)
    return thetas[np.array(STEPS) - 1]


@pytest.fixture(scope="module")
def peers():
    return json.loads(PEERS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("penalty", L2)
@pytest.mark.parametrize("name", TABLE)
def test_walks_as_pytorch_does(name, penalty, peers):
    assert [*peers["thetas"]] == CASES
    assert peers["steps"] == STEPS
    theirs = np.array(peers["thetas"][f"{name}, {penalty}"])
    error = np.linalg.norm(ours(name, L2[penalty]) - theirs, axis=1)
    assert (error / np.linalg.norm(theirs, axis=1)).max() < 1e-12


@pytest.mark.parametrize("name", MINIMA)
def test_minima_are_scikit_learns(name, peers):
    loss, l2, *_ = MINIMA[name]
    end = minimiser(points(), loss=loss, l2=l2)
    assert [*peers["minima"]] == [*MINIMA]
    np.testing.assert_allclose([*end.w, end.b], peers["minima"][name], rtol=1e-12)


@pytest.mark.parametrize("label", [1, -1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PULLED)
def test_pulls_round_as_pytorchs(name, dtype, label, peers):
    assert {one.rpartition(",")[0].rpartition(",")[0] for one in peers["pulls"]} == {*PULLED}
    assert {*FORMULAS} == {*WRITTEN, "difference"}
    kept = peers["pulls"][f"{name}, {dtype}, {label:+d}"]
    theirs = np.array(kept["pulls"].split(), dtype=float)
    formula = name if name in WRITTEN else ALIKE[name][0]
    found = vanishing_margin(formula, dtype=dtype, y=label)
    assert found == pytest.approx(kept["vanishes"], abs=2e-3)
    margins = np.array(MARGINS, dtype=float)
    if name not in WRITTEN:  # where they may overflow otherwise
        margins, theirs = margins[margins >= 0], theirs[margins >= 0]
    ours = pull(margins, label, formula=formula, dtype=dtype)
    assert ours.dtype == dtype
    np.testing.assert_array_equal(ours == 0, theirs == 0)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(ours, theirs, rtol=5e-6, atol=eps)  # exp is right to a few places


def test_epsilon_stands_outside_of_the_root(peers):
    theirs = np.array(peers["thetas"]["RMSprop, other settings, no penalty"])
    data, theta, square = points(), np.zeros(4), 0
    rows = np.c_[data.X, np.ones(data.n)]
    for _ in range(3):
        gradient = -(data.y / (1 + np.exp(data.y * (rows @ theta)))) @ rows / data.n
        square = 0.9 * square + 0.1 * gradient**2
        theta = theta - 1e-3 * gradient / (square + 1e-3**2) ** 0.5
    assert np.abs(theta - theirs[2]).max() > 1e-6 * np.abs(theta).max()


def test_the_file_is_what_pytorch_says(peers):
    pytest.importorskip("torch", reason="the extra lingrok[peers] is not installed")
    for name in TABLE:
        for penalty, l2 in L2.items():
            np.testing.assert_allclose(
                by_torch(name, l2), peers["thetas"][f"{name}, {penalty}"], rtol=1e-12
            )


def test_the_file_rounds_as_pytorch(peers):
    pytest.importorskip("torch", reason="the extra lingrok[peers] is not installed")
    assert pulls_by_torch() == peers["pulls"]


def test_the_file_is_what_scikit_learn_says(peers):
    pytest.importorskip("sklearn", reason="the extra lingrok[peers] is not installed")
    for name in MINIMA:
        np.testing.assert_allclose(by_scikit_learn(name), peers["minima"][name], rtol=1e-12)


def main():
    import sklearn  # noqa: PLC0415 - large
    import torch  # noqa: PLC0415 - large

    thetas = {
        f"{name}, {penalty}": by_torch(name, l2) for name in TABLE for penalty, l2 in L2.items()
    }
    content = {
        "torch": torch.__version__.split("+")[0], "steps": STEPS, "thetas": thetas,
        "pulls": pulls_by_torch(),
        "scikit-learn": sklearn.__version__,
        "minima": {name: by_scikit_learn(name) for name in MINIMA},
    }  # fmt: skip
    PEERS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
