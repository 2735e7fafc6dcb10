"""Scores of a classifier from its confusion counts, and intervals by resampling groups.

A confusion is (..., C, C): how often the class of the row was predicted as the class of the column.
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
    """Count true and predicted classes.

    Args:
        truth: (N,) class indices.
        guess: (N,) predicted class indices.
        n_classes: C.

    Returns:
        (C, C) counts; a row is a true class, a column a predicted one.

    Example:
        >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, 1]), n_classes=2).tolist()
        [[1, 1], [0, 1]]
    """
    counts = np.bincount(truth * n_classes + guess, minlength=n_classes**2)
    return counts.astype(np.int64).reshape(n_classes, n_classes)


def recalls_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the recall of each class.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (..., C), in [0, 1]; 0 for a class that does not occur.

    Example:
        >>> recalls_of(np.array([[1, 1], [0, 2]])).tolist()
        [0.5, 1.0]
    """
    return _share(_right(confusion), confusion.sum(axis=-1))


def precisions_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the precision of each class.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (..., C), in [0, 1]; 0 for a class that was never predicted.

    Example:
        >>> precisions_of(np.array([[1, 1], [0, 1]])).tolist()
        [1.0, 0.5]
    """
    return _share(_right(confusion), confusion.sum(axis=-2))


def f1s_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the F1 of each class: the harmonic mean of precision and recall.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (..., C), in [0, 1].

    Example:
        >>> f1s_of(np.array([[2, 0], [0, 2]])).tolist()
        [1.0, 1.0]
    """
    return _share(2 * _right(confusion), confusion.sum(axis=-1) + confusion.sum(axis=-2))


def uar_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the unweighted average recall: the mean recall over the classes that occur.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (...), in [0, 1].

    Source:
        Schuller et al., The INTERSPEECH 2009 Emotion Challenge, https://doi.org/10.21437/Interspeech.2009-103.

    Example:
        >>> float(uar_of(np.array([[1, 1], [0, 2]])))
        0.75
    """
    return _mean_of_present(recalls_of(confusion), confusion)


def accuracy_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the accuracy, also called weighted accuracy: the share of right predictions.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (...), in [0, 1].

    Example:
        >>> float(accuracy_of(np.array([[1, 1], [0, 2]])))
        0.75
    """
    return _share(_right(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def macro_f1_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the macro F1: the mean F1 over the classes that occur.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (...), in [0, 1].

    Example:
        >>> float(macro_f1_of(np.array([[2, 0], [0, 2]])))
        1.0
    """
    return _mean_of_present(f1s_of(confusion), confusion)


def micro_f1_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the micro F1: the F1 of all decisions together, which is the accuracy if every clip has one label.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (...), in [0, 1].

    Example:
        >>> float(micro_f1_of(np.array([[1, 1], [0, 2]])))
        0.75
    """
    right = _right(confusion).sum(axis=-1)
    missed, wrong = (confusion.sum(axis=axis).sum(axis=-1) - right for axis in (-1, -2))
    return _share(2 * right, 2 * right + missed + wrong)


def weighted_f1_of(confusion: Counts) -> NDArray[np.float64]:
    """Compute the weighted F1: the mean F1 over the classes, weighted by their numbers of clips.

    Args:
        confusion: (..., C, C) counts; a row is a true class, a column a predicted one.

    Returns:
        (...), in [0, 1].

    Example:
        >>> float(weighted_f1_of(np.array([[2, 0], [0, 2]])))
        1.0
    """
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
    """Count true and predicted classes by seed and group.

    Args:
        truth: (N,) class indices.
        guesses: (S, N) predicted class indices, one row for each seed.
        groups: The N groups of the clips, such as speakers.
        n_classes: C.

    Returns:
        (S, G, C, C) counts, with the groups sorted by name.

    Example:
        >>> truth, guesses = np.array([0, 1]), np.array([[0, 0]])
        >>> confusions_by_group(truth, guesses, ["anna", "ben"], n_classes=2).shape
        (1, 2, 2, 2)
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    n_seeds, n_groups = len(guesses), len(names)
    cell = (np.arange(n_seeds)[:, None] * n_groups + group) * n_classes + truth
    counts = np.bincount((cell * n_classes + guesses).ravel(), minlength=n_seeds * n_groups * n_classes**2)
    return counts.astype(np.int64).reshape(n_seeds, n_groups, n_classes, n_classes)


def resampled(metric: ConfusionMetric, confusions: NDArray[np.int64], n_draws: int, seed: int) -> NDArray[np.float64]:
    """Compute a metric on bootstrap samples of whole groups.

    The same seed and number of groups draw the same groups, so the samples of two models are paired.

    Args:
        metric: Of METRICS.
        confusions: (S, G, C, C) counts, of S seeds and G groups.
        n_draws: The number of samples.
        seed: Of the random numbers.

    Returns:
        (n_draws,) the metric, averaged over seeds.

    Source:
        Bisani and Ney, 2004, https://doi.org/10.1109/ICASSP.2004.1326009.

    Example:
        >>> resampled(accuracy_of, np.array([[[[1, 0], [0, 1]], [[2, 0], [0, 0]]]]), n_draws=3, seed=0).tolist()
        [1.0, 1.0, 1.0]
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
    """Compute the expected calibration error: the mean distance between confidence and accuracy.

    Args:
        probabilities: (N, C), each row summing to 1.
        truth: (N,) class indices.
        n_bins: The number of bins of equal width.

    Returns:
        The error, in [0, 1].

    Source:
        Guo et al., On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599.

    Example:
        >>> expected_calibration_error(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([0, 1]))
        0.0
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    total = 0.0
    for b in np.unique(bins):
        inside = bins == b
        total += float(inside.mean()) * abs(float(confidence[inside].mean()) - float(right[inside].mean()))
    return total


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Find the temperature that minimises the negative log-likelihood, to 1 %.

    Args:
        logits: (N, C), of validation data.
        truth: (N,) class indices.

    Returns:
        What to divide the logits by, from 0.2 to 5.

    Source:
        Guo et al., On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599.

    Example:
        >>> logits = np.array([[3.0, 0.0], [3.0, 0.0], [3.0, 0.0], [0.0, 3.0]], np.float32)
        >>> fit_temperature(logits, np.array([0, 0, 1, 1])) > 1  # too sure: one of four is wrong
        True
    """
    grid = np.exp(np.arange(np.log(0.2), np.log(5.0), 0.01))
    losses = []
    for temperature in grid:
        scaled = logits / temperature
        top = scaled.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
        losses.append(float((log_sum - scaled[np.arange(len(truth)), truth]).mean()))
    return float(grid[int(np.argmin(losses))])
