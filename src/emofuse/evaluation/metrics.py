"""Scores of a classifier, each with an interval where there is a unit to resample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

Metric = Callable[[NDArray[np.int64], NDArray[np.int64]], float]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores of one set of predictions, as fractions of 1. confusion: (C, C) counts, rows are the truth."""

    n: int
    accuracy: float
    uar: float
    macro_f1: float
    recalls: tuple[float, ...]
    confusion: NDArray[np.int64]


def score(truth: NDArray[np.int64], guess: NDArray[np.int64], n_classes: int) -> Scored:
    """Score (N,) predicted class indices against the truth. UAR is the mean recall over the classes that occur."""
    classes = list(range(n_classes))
    present = sorted(set(truth.tolist()))
    recalls = recall_score(truth, guess, labels=classes, average=None, zero_division=0.0)
    return Scored(
        n=len(truth),
        accuracy=float(accuracy_score(truth, guess)),
        uar=float(recalls[present].mean()),
        macro_f1=float(f1_score(truth, guess, labels=present, average="macro", zero_division=0.0)),
        recalls=tuple(float(r) for r in recalls),
        confusion=np.asarray(confusion_matrix(truth, guess, labels=classes), dtype=np.int64),
    )


def accuracy(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Return the share that is right."""
    return float(np.mean(truth == guess))


def unweighted_average_recall(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Return the mean over the classes that occur of the share of each that is right."""
    return float(np.mean([np.mean(guess[truth == c] == c) for c in np.unique(truth)]))


def bootstrap_interval(
    metric: Metric,
    truth: NDArray[np.int64],
    guess: NDArray[np.int64],
    groups: Sequence[str] | None = None,
    n_draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap 95 % interval of a metric, resampling whole groups (speakers) where given."""
    random = np.random.default_rng(seed)
    names = None if groups is None else np.asarray(groups)
    members = None if names is None else [np.flatnonzero(names == name) for name in np.unique(names)]
    values = []
    for _ in range(n_draws):
        if members is None:
            chosen = random.integers(0, len(truth), len(truth))
        else:
            chosen = np.concatenate([members[i] for i in random.integers(0, len(members), len(members))])
        values.append(metric(truth[chosen], guess[chosen]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def expected_calibration_error(probabilities: NDArray[np.float32], truth: NDArray[np.int64], n_bins: int = 15) -> float:
    """Return the mean distance of confidence from accuracy over equal bins (arXiv:1706.04599)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    total = 0.0
    for b in np.unique(bins):
        inside = bins == b
        total += float(inside.mean()) * abs(float(confidence[inside].mean()) - float(right[inside].mean()))
    return total


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Find the temperature that minimises the negative log-likelihood of validation logits (N, C), to 1 %."""
    grid = np.exp(np.arange(np.log(0.2), np.log(5.0), 0.01))
    losses = []
    for temperature in grid:
        scaled = logits / temperature
        top = scaled.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
        losses.append(float((log_sum - scaled[np.arange(len(truth)), truth]).mean()))
    return float(grid[int(np.argmin(losses))])
