"""Grokking in linear models for logistic regression: sample, descend, measure."""

from .data import Dataset, sample_concentrated, sample_standard
from .descent import Trajectory, gradient_descent
from .ensemble import Ensemble, ensemble
from .fastforward import FastForwardError, fast_forward
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
from .theory import grokking_bounds

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Ensemble",
    "FastForwardError",
    "GrokkingTime",
    "MeanField",
    "Phases",
    "PredictedTime",
    "Trajectory",
    "accuracy",
    "crossing_time",
    "ensemble",
    "fast_forward",
    "gradient_descent",
    "grokking_bounds",
    "grokking_time",
    "mean_field",
    "phases",
    "predicted_accuracy",
    "predicted_grokking_time",
    "quadrature_time",
    "sample_concentrated",
    "sample_standard",
]
