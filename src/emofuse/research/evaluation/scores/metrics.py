"""Scores of a classifier from its confusion counts, and intervals where there is a unit to resample.

A confusion is (..., C, C): how often the class of the row was called the class of the column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[Any]  # integers, or floats where they are means
ConfusionMetric = Callable[[Counts], NDArray[np.float64]]
Interval = tuple[float, float]
UNKNOWN: Final[Interval] = (0.0, 1.0)  # of a single person
_CHUNK: Final = 500  # draws at once, which bounds the memory


def confusion_counts(truth: NDArray[np.int64], guess: NDArray[np.int64], n_classes: int) -> NDArray[np.int64]:
    """Count (N,) true and guessed class indices into a (C, C) confusion."""
    counts = np.bincount(truth * n_classes + guess, minlength=n_classes**2)
    return counts.astype(np.int64).reshape(n_classes, n_classes)


def recalls_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (..., C): the share of each class that was called by its name; 0 for a class that does not occur."""
    return _share(_right(confusion), confusion.sum(axis=-1))


def precisions_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (..., C): the share of each name's uses that were right; 0 for a name that was not used."""
    return _share(_right(confusion), confusion.sum(axis=-2))


def f1s_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (..., C): the harmonic mean of precision and recall of each class."""
    return _share(2 * _right(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def uar_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (...): the mean recall over the classes that occur."""
    return _mean_of_present(recalls_of(confusion), confusion)


def accuracy_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (...): the share that is right; also called weighted accuracy."""
    return _share(_right(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def macro_f1_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (...): the mean F1 over the classes that occur."""
    return _mean_of_present(f1s_of(confusion), confusion)


def micro_f1_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (...): the F1 of all decisions together, which is the accuracy where every clip has one label."""
    right = _right(confusion).sum(axis=-1)
    missed, wrong = (confusion.sum(axis=axis).sum(axis=-1) - right for axis in (-1, -2))
    return _share(2 * right, 2 * right + missed + wrong)


def weighted_f1_of(confusion: Counts) -> NDArray[np.float64]:
    """Return (...): the mean F1 over the classes, each weighed by how many clips have it."""
    return _share((f1s_of(confusion) * confusion.sum(axis=-1)).sum(axis=-1), confusion.sum(axis=(-2, -1)))


METRICS: Final[Mapping[str, ConfusionMetric]] = {
    "UAR": uar_of,
    "accuracy": accuracy_of,
    "macro F1": macro_f1_of,
    "micro F1": micro_f1_of,
    "weighted F1": weighted_f1_of,
}


def _right(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _share(part: Counts, whole: Counts) -> NDArray[np.float64]:
    return np.asarray(part / np.where(whole == 0, 1, whole), dtype=np.float64)


def _mean_of_present(values: NDArray[np.float64], confusion: Counts) -> NDArray[np.float64]:
    present = confusion.sum(axis=-1) > 0
    return _share((values * present).sum(axis=-1), present.sum(axis=-1))


def confusions_by_group(
    truth: NDArray[np.int64], guesses: NDArray[np.int64], groups: Sequence[str], n_classes: int
) -> NDArray[np.int64]:
    """Count (N,) truths and (S, N) guesses, one row a seed, into (S, G, C, C) over the groups, sorted by name."""
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    n_seeds, n_groups = len(guesses), len(names)
    cell = (np.arange(n_seeds)[:, None] * n_groups + group) * n_classes + truth
    counts = np.bincount((cell * n_classes + guesses).ravel(), minlength=n_seeds * n_groups * n_classes**2)
    return counts.astype(np.int64).reshape(n_seeds, n_groups, n_classes, n_classes)


def resampled(metric: ConfusionMetric, confusions: NDArray[np.int64], n_draws: int, seed: int) -> NDArray[np.float64]:
    """Draw whole groups with replacement from (S, G, C, C) and return (n_draws,): the metric, mean over seeds.

    The same seed and number of groups draw the same groups, so two models' draws are paired
    (Bisani and Ney, 2004, https://doi.org/10.1109/ICASSP.2004.1326009).
    """
    n_seeds, n_groups, n_classes, _ = confusions.shape
    by_group = confusions.swapaxes(0, 1).reshape(n_groups, -1).astype(np.float64)
    random = np.random.default_rng(seed)
    values = []
    for first in range(0, n_draws, _CHUNK):
        n = min(_CHUNK, n_draws - first)
        drawn = random.integers(0, n_groups, (n, n_groups)) + np.arange(n)[:, None] * n_groups
        times = np.bincount(drawn.ravel(), minlength=n * n_groups).reshape(n, n_groups)
        summed = (times @ by_group).reshape(n, n_seeds, n_classes, n_classes)
        values.append(metric(summed).mean(axis=1))
    return np.concatenate(values)


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
