"""Grokking in linear models for logistic regression: sample, descend, measure, explain.

Everything public is named here and loaded on first use, so that a plain import stays light.
"""

from importlib import import_module

__version__ = "1.2.0"

_PUBLIC = {
    "data": ("Dataset", "flip_labels", "rotated", "sample_concentrated", "sample_standard"),
    "descent": ("DivergenceError", "Trajectory", "gradient_descent"),
    "fastforward": ("FastForwardError", "fast_forward"),
    "piecewise": ("piecewise_descent",),
    "measures": (
        "GrokkingTime", "Phases", "accuracy", "crossing_time", "grokking_time", "lag", "phases",
    ),
    "attack": ("adversarial_accuracy", "pgd", "worst_case"),
    "theory.margin": (
        "Assumption", "MaxMargin", "Separation", "check_assumption", "max_margin", "separation",
    ),
    "theory.minimum": ("Minimum", "minimiser"),
    "theory.adversary": ("predicted_adversarial_accuracy",),
    "theory.bias": ("BiasPull", "bias_equilibrium", "bias_pull", "pull_phases"),
    "theory.theorems": (
        "ResidualLimit", "bias_curve", "bias_limit", "grokking_bounds", "residual_limit",
    ),
    "theory.clocks": ("clock",),
    "theory.depth": ("DepthLaw", "depth_law"),
    "theory.edge": ("edge", "rest_width", "separable_share", "widest_margin"),
    "theory.meanfield": ("MeanField", "mean_field"),
    "theory.noise": ("NoiseLaw", "noise_law", "separability_threshold"),
    "theory.unplanted": ("UnplantedLaw", "unplanted_law"),
    "theory.predictions": (
        "PredictedTime", "critical_l2", "predicted_accuracy", "predicted_grokking_time",
        "quadrature_curve", "quadrature_time",
    ),
    "runs.ensemble": ("Ensemble", "ensemble"),
    "runs.sweep": ("sweep",),
}  # fmt: skip
_MODULES = {
    "figures": "book.figures", "figures_attack": "book.figures_attack",
    "figures_bounds": "book.figures_bounds", "figures_noise": "book.figures_noise",
    "figures_penalty": "book.figures_penalty",
    "figures_scale": "book.figures_scale", "figures_theory": "book.figures_theory",
    "recipes": "runs.recipes", "records": "runs.records",
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - sorted once


def __getattr__(name: str) -> object:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{_MODULES[name]}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
