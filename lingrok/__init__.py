"""Grokking in linear models for logistic regression: sample, descend, measure."""

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
    "crossing_time",
    "ensemble",
    "fast_forward",
    "gradient_descent",
    "grokking_time",
    "phases",
    "sample_concentrated",
    "sample_standard",
]
