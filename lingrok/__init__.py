"""Grokking in linear models for logistic regression: sample, descend, measure."""

from .attack import adversarial_accuracy, pgd, worst_case
from .data import Dataset, sample_concentrated, sample_standard
from .descent import Trajectory, gradient_descent
from .ensemble import Ensemble, ensemble
from .fastforward import FastForwardError, fast_forward
from .measures import (
    GrokkingTime,
    Phases,
    accuracy,
    crossing_time,
    grokking_time,
    phases,
)

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Ensemble",
    "FastForwardError",
    "GrokkingTime",
    "Phases",
    "Trajectory",
    "accuracy",
    "adversarial_accuracy",
    "crossing_time",
    "ensemble",
    "fast_forward",
    "gradient_descent",
    "grokking_time",
    "pgd",
    "phases",
    "sample_concentrated",
    "sample_standard",
    "worst_case",
]
