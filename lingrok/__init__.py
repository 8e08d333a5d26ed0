"""Grokking in linear models for logistic regression: sample, descend, measure, explain."""

from .attack import adversarial_accuracy, pgd, worst_case
from .bias import BiasPull, bias_equilibrium, bias_pull, pull_phases
from .data import Dataset, sample_concentrated, sample_standard
from .descent import Trajectory, gradient_descent
from .ensemble import Ensemble, ensemble
from .fastforward import FastForwardError, fast_forward
from .margin import Assumption, MaxMargin, check_assumption, max_margin
from .meanfield import MeanField, mean_field
from .measures import (
    GrokkingTime,
    Phases,
    accuracy,
    crossing_time,
    grokking_time,
    phases,
)
from .predictions import (
    PredictedTime,
    predicted_accuracy,
    predicted_grokking_time,
    quadrature_time,
)
from .sweep import sweep
from .theory import ResidualLimit, bias_curve, bias_limit, grokking_bounds, residual_limit

__version__ = "0.1.0"

__all__ = [
    "Assumption",
    "BiasPull",
    "Dataset",
    "Ensemble",
    "FastForwardError",
    "GrokkingTime",
    "MaxMargin",
    "MeanField",
    "Phases",
    "PredictedTime",
    "ResidualLimit",
    "Trajectory",
    "accuracy",
    "adversarial_accuracy",
    "bias_curve",
    "bias_equilibrium",
    "bias_limit",
    "bias_pull",
    "check_assumption",
    "crossing_time",
    "ensemble",
    "fast_forward",
    "gradient_descent",
    "grokking_bounds",
    "grokking_time",
    "max_margin",
    "mean_field",
    "pgd",
    "phases",
    "predicted_accuracy",
    "predicted_grokking_time",
    "pull_phases",
    "quadrature_time",
    "residual_limit",
    "sample_concentrated",
    "sample_standard",
    "sweep",
    "worst_case",
]
