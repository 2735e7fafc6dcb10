"""Scores of answers for recordings: what is right, how sure it was, and what is kept of another condition's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.research.evaluation.protocols.recordings import FUSED, Answers
from emofuse.research.evaluation.scores.metrics import (
    UNKNOWN,
    Counts,
    Interval,
    accuracy_of,
    confusions_by_group,
    expected_calibration_error,
    resampled,
    uar_of,
)

N_DRAWS: Final = 2_000


def confusions(answers: Answers, modality: str = FUSED, groups: Sequence[str] | None = None) -> NDArray[np.int64]:
    """Return (1, G, L + 1, L + 1) counts over groups, by default speakers: the last column is of recordings without an
    answer, which is wrong, and no row."""
    guesses = answers.guesses(modality)[None]
    return confusions_by_group(answers.truth, guesses, groups or answers.speakers, len(answers.labels) + 1)


def score(
    metric: Callable[[Counts], NDArray[np.float64]], counts: NDArray[np.int64], seed: int = 0
) -> tuple[float, Interval]:
    """Return a metric of (1, G, C, C) counts, and its 95 % interval over the groups."""
    value = float(metric(counts.sum(axis=1))[0])
    if counts.shape[1] < 2:
        return value, UNKNOWN
    low, high = np.percentile(resampled(metric, counts, N_DRAWS, seed), [2.5, 97.5])
    return value, (float(low), float(high))


def kept(counts: NDArray[np.int64], before: NDArray[np.int64], seed: int = 0) -> tuple[float, Interval]:
    """Return which share of the unweighted recall of `before` is left, and its 95 % interval over the same groups.

    counts, before: (1, G, C, C) of the same recordings. Where nothing was right before, all of it is kept.
    """
    was = float(uar_of(before.sum(axis=1))[0])
    value = float(uar_of(counts.sum(axis=1))[0]) / was if was else 1.0
    if counts.shape[1] < 2:
        return value, UNKNOWN
    drawn, drawn_before = (resampled(uar_of, one, N_DRAWS, seed) for one in (counts, before))
    shares = drawn / np.maximum(drawn_before, 1e-9)
    low, high = np.percentile(shares, [2.5, 97.5])
    return value, (float(low), float(high))


def calibration(answers: Answers, modality: str = FUSED) -> tuple[float, float]:
    """Return the mean confidence and the expected calibration error of the answers that there are; 0 where there is
    none."""
    there = answers.answered(modality)
    if not there.any():
        return 0.0, 0.0
    p = answers.probabilities[modality][there]
    return float(p.max(axis=1).mean()), expected_calibration_error(p, answers.truth[there])


def accuracy(answers: Answers, modality: str = FUSED) -> float:
    """Return the share of the answers that there are, that is right."""
    there = answers.answered(modality)
    guesses = answers.guesses(modality)
    return float((guesses[there] == answers.truth[there]).mean()) if there.any() else 0.0


def share(marks: NDArray[np.bool_], groups: Sequence[str]) -> tuple[float, Interval]:
    """Return which share of (N,) marks is set, and its 95 % interval over their groups."""
    counts = confusions_by_group(np.ones(len(marks), np.int64), marks[None].astype(np.int64), groups, 2)
    return score(accuracy_of, counts)
