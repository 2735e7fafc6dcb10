"""Scores and intervals done the plain way, one resample after another, to hold the package's fast ones against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emofuse.research.evaluation.scores.metrics import accuracy_of, confusion_counts, macro_f1_of, recalls_of, uar_of

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
    confusion = confusion_counts(truth, guess, n_classes)
    return Scored(
        n=len(truth),
        accuracy=float(accuracy_of(confusion)),
        uar=float(uar_of(confusion)),
        macro_f1=float(macro_f1_of(confusion)),
        recalls=tuple(recalls_of(confusion).tolist()),
        confusion=confusion,
    )


def accuracy(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Return the share that is right."""
    return float(np.mean(truth == guess))


def unweighted_average_recall(truth: NDArray[np.int64], guess: NDArray[np.int64]) -> float:
    """Return the mean over the classes that occur of the share of each that is right."""
    n_classes = 1 + int(max(truth.max(), guess.max()))
    return float(uar_of(confusion_counts(truth, guess, n_classes)))


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
