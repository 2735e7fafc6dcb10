"""Whom a bundle reads worse: groups of people, the gaps between them with intervals, and equalised odds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from emofuse.research.evaluation.protocols.recorded_scores import N_DRAWS, score
from emofuse.research.evaluation.scores.metrics import (
    UNKNOWN,
    Counts,
    Interval,
    accuracy_of,
    confusions_by_group,
    expected_calibration_error,
    recalls_of,
    resampled,
    uar_of,
)
from emofuse.research.evaluation.scores.report import ReportProvenance

FORMAT: Final = "emofuse-fairness/1"
UNTOLD: Final = ("", "unknown")  # of a group that the data do not tell
LEAST: Final = 20  # recordings of a group that is compared
_AGES: Final = (("under 18", 18.0), ("18 to 29", 30.0), ("30 to 44", 45.0), ("45 to 59", 60.0), ("60 and over", np.inf))


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GroupResult(_Part):
    """One group. accuracy_95, uar_95: 95 % intervals over its people."""

    name: str
    n: int
    n_people: int
    uar: float
    uar_95: Interval
    accuracy: float
    accuracy_95: Interval
    confidence: float
    calibration_error: float


class AttributeResult(_Part):
    """The groups of one attribute.

    Attributes:
        attribute: What tells them apart.
        groups: The worst first; those of fewer than LEAST recordings, or of one emotion, are not compared.
        n_left_out: Recordings of which the data do not tell the group, or whose group is too small.
        gap: The best group's accuracy over the emotions alike (UAR) less the worst's, in the emotions that all have.
        gap_95: Its 95 % interval over people, who are drawn anew in either group.
        equalised_odds: By emotion: the larger of the largest differences of recall, and of false alarms.
        odds_95: The 95 % interval of the largest of these.
    """

    attribute: str
    groups: tuple[GroupResult, ...]
    n_left_out: int
    gap: float | None = None
    gap_95: Interval = UNKNOWN
    equalised_odds: dict[str, float] = Field(default_factory=dict)
    odds_95: Interval = UNKNOWN


class FairnessReport(_Part):
    """How a model's answers differ from group to group."""

    format: str = FORMAT
    title: str
    stamp: ReportProvenance
    n: int
    attributes: tuple[AttributeResult, ...]


def compare_groups(
    attribute: str,
    groups: Sequence[str],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    people: Sequence[str],
    labels: Sequence[str],
) -> AttributeResult:
    """Compare the groups of an attribute.

    Args:
        attribute: What tells them apart, such as "sex"; "age" in years is cut into ranges.
        groups: Of each of N recordings; UNTOLD where the data do not tell.
        truth: (N,) index into labels.
        probabilities: (N, L); NaN where there was no answer, which is wrong.
        people: Whose each recording is.
        labels: L.

    Returns:
        The groups, and the gap between the best and the worst of them, where there are two.
    """
    named = [age_range(group) if attribute == "age" else group for group in groups]
    kept = _large_enough(named, truth)
    by_group = {name: np.array([i for i, one in enumerate(named) if one == name]) for name in kept}
    answered = ~np.isnan(probabilities[:, 0])
    guesses = np.where(answered, np.nan_to_num(probabilities).argmax(axis=1), len(labels))
    counts = {
        name: confusions_by_group(truth[rows], guesses[None, rows], [people[i] for i in rows], len(labels) + 1)
        for name, rows in by_group.items()
    }
    results = [
        _group(name, counts[name], truth[rows], probabilities[rows], answered[rows]) for name, rows in by_group.items()
    ]
    results.sort(key=lambda one: one.uar)
    n_left_out = len(groups) - sum(len(rows) for rows in by_group.values())
    if len(results) < 2:
        return AttributeResult(attribute=attribute, groups=tuple(results), n_left_out=n_left_out)
    common = [c for c in range(len(labels)) if all(bool((truth[rows] == c).any()) for rows in by_group.values())]
    return AttributeResult(
        attribute=attribute,
        groups=tuple(results),
        n_left_out=n_left_out,
        **_gaps(counts, labels, common),
    )


def age_range(text: str) -> str:
    """Return the range that an age in years is in; any other text as it is.

    Example:
        >>> age_range("34"), age_range("child"), age_range("")
        ('30 to 44', 'child', '')
    """
    try:
        years = float(text)
    except ValueError:
        return text
    return next((name for name, below in _AGES if 0 <= years < below), "")


def _large_enough(groups: Sequence[str], truth: NDArray[np.int64]) -> list[str]:
    kept = []
    for name in sorted(set(groups) - set(UNTOLD)):
        rows = [i for i, one in enumerate(groups) if one == name]
        if len(rows) >= LEAST and len(set(truth[rows].tolist())) > 1:
            kept.append(name)
    return kept


def _group(
    name: str,
    counts: NDArray[np.int64],
    truth: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    answered: NDArray[np.bool_],
) -> GroupResult:
    uar, uar_95 = score(uar_of, counts)
    accuracy, accuracy_95 = score(accuracy_of, counts)
    there = probabilities[answered]
    return GroupResult(
        name=name,
        n=len(truth),
        n_people=counts.shape[1],
        uar=uar,
        uar_95=uar_95,
        accuracy=accuracy,
        accuracy_95=accuracy_95,
        confidence=float(there.max(axis=1).mean()) if len(there) else 0.0,
        calibration_error=expected_calibration_error(there, truth[answered]) if len(there) else 0.0,
    )


def _gaps(counts: Mapping[str, NDArray[np.int64]], labels: Sequence[str], common: Sequence[int]) -> dict[str, object]:
    """Return the gap and the equalised-odds differences with their intervals, over the emotions that all have."""
    if not common:
        return {}
    totals = np.stack([one.sum(axis=(0, 1)) for one in counts.values()])  # (G, C, C)
    recall = recalls_of(totals)[:, common].mean(axis=1)
    best, worst = int(recall.argmax()), int(recall.argmin())
    odds = _odds(totals)[list(common)]
    found: dict[str, object] = {
        "gap": float(recall[best] - recall[worst]),
        "equalised_odds": {labels[c]: float(odds[i]) for i, c in enumerate(common)},
    }
    if any(one.shape[1] < 2 for one in counts.values()):
        return found  # a group of one person has no interval
    # each group's people are drawn by themselves: they are different people
    drawn = np.stack([resampled(_identity, one, N_DRAWS, seed) for seed, one in enumerate(counts.values())])
    recalls = recalls_of(drawn)[:, :, common].mean(axis=2)  # (G, D)
    gaps = recalls[best] - recalls[worst]
    largest = np.array([_odds(drawn[:, d])[list(common)].max() for d in range(drawn.shape[1])])
    for name, values in (("gap_95", gaps), ("odds_95", largest)):
        low, high = np.percentile(values, [2.5, 97.5])
        found[name] = (float(low), float(high))
    return found


def _odds(totals: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (C,) equalised-odds differences of (G, C, C) confusions, each class against the rest: the larger of the
    largest difference between two groups of the true positive rate, and of the false positive rate (Hardt, Price and
    Srebro, 2016, arXiv:1610.02413)."""
    n_true = totals.sum(axis=2)
    right = np.diagonal(totals, axis1=1, axis2=2)
    false_alarms = totals.sum(axis=1) - right
    others = totals.sum(axis=(1, 2))[:, None] - n_true
    true_rate, false_rate = right / np.maximum(n_true, 1), false_alarms / np.maximum(others, 1)
    return np.asarray(np.maximum(np.ptp(true_rate, axis=0), np.ptp(false_rate, axis=0)), dtype=np.float64)


def _identity(confusions: Counts) -> NDArray[np.float64]:
    return np.asarray(confusions, dtype=np.float64)
