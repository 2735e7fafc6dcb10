"""From the predictions of every clip to the numbers of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.research.evaluation.scores.metrics import (
    METRICS,
    ConfusionMetric,
    accuracy_of,
    confusions_by_group,
    f1s_of,
    precisions_of,
    recalls_of,
    resampled,
    uar_of,
)
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import UAR_ON, ClassScore, GroupScore, Metric

N_DRAWS: Final = 2000
MEAN_OF_CORPORA: Final = "UAR, mean of corpora"


@dataclass(frozen=True, slots=True)
class Summary:
    """The parts of an EvaluationReport that its predictions decide, under the names they have there."""

    metrics: tuple[Metric, ...]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[float, ...], ...]
    by_sex: tuple[GroupScore, ...]
    by_speaker: tuple[GroupScore, ...]


def summarise(predictions: Predictions, fold_names: Sequence[str], *, by_corpus: bool = False) -> Summary:
    """Score predictions: every metric of METRICS, by class, by sex (where known) and by speaker.

    by_corpus: the folds are corpora, the mean of whose UARs comes first, and then each one's.

    A metric is the mean over seeds of what the clips of all folds give together; its interval is the percentile
    bootstrap over speakers, and [0, 1] where there is one speaker, who says nothing of others. `by_fold` is in
    the order of `fold_names`. Raises ValueError when those are not the folds of the predictions.
    """
    p = predictions
    if sorted(fold_names) != sorted(set(p.folds)):
        raise ValueError(f"the predictions are of folds {sorted(set(p.folds))}, not {sorted(fold_names)}")
    by_fold = _confusions(p, p.folds)[:, [sorted(fold_names).index(name) for name in fold_names]]
    by_speaker = _confusions(p, p.speakers)
    total = by_speaker.sum(axis=1)
    corpora = _corpus_scores(p, fold_names) if by_corpus else ()
    return Summary(
        metrics=(*corpora, *(metric_score(name, METRICS[name], total, by_fold, by_speaker) for name in METRICS)),
        per_class=class_scores(p.labels, total),
        confusion=tuple(tuple(row) for row in total.mean(axis=0).tolist()),
        by_sex=_groups(p, p.sexes) if set(p.sexes) != {"unknown"} else (),
        by_speaker=_groups(p, p.speakers),
    )


def _corpus_scores(p: Predictions, fold_names: Sequence[str]) -> tuple[Metric, ...]:
    """Score the mean of the corpora, and each of them; intervals resample the speakers of every corpus apart."""
    scores, draws = [], []
    folds = np.asarray(p.folds)
    for name in fold_names:
        inside = np.flatnonzero(folds == name)
        groups = [p.speakers[i] for i in inside]
        confusions = confusions_by_group(p.truth[inside], p.guesses[:, inside], groups, len(p.labels))
        total = confusions.sum(axis=1)
        scores.append(metric_score(f"{UAR_ON}{name}", uar_of, total, total[:, None], confusions))
        draws.append(resampled(uar_of, confusions, N_DRAWS, seed=0))
    by_fold = [score.value for score in scores]
    by_seed = np.mean([score.by_seed for score in scores], axis=0)
    low, high = np.percentile(np.mean(draws, axis=0), [2.5, 97.5])
    mean = Metric(
        name=MEAN_OF_CORPORA,
        value=float(np.mean(by_fold)),
        interval_95=(float(low), float(high)),
        by_seed=tuple(by_seed.tolist()),
        by_fold=tuple(by_fold),
        deviation_seeds=_deviation(by_seed),
        deviation_folds=_deviation(np.array(by_fold)),
    )
    return (mean, *scores)


def _confusions(p: Predictions, groups: Sequence[str]) -> NDArray[np.int64]:
    """Return (S, G, C, C) over the groups, sorted by name."""
    return confusions_by_group(p.truth, p.guesses, groups, len(p.labels))


def metric_score(
    name: str,
    metric: ConfusionMetric,
    total: NDArray[np.int64],
    by_fold: NDArray[np.int64],
    by_group: NDArray[np.int64],
) -> Metric:
    """Score confusions of S seeds: (S, C, C) of all clips, (S, F, C, C) by fold, and (S, G, C, C) by what an interval
    resamples."""
    seeds = metric(total)
    folds = metric(by_fold).mean(axis=0)
    low, high = 0.0, 1.0
    if by_group.shape[1] > 1:
        low, high = np.percentile(resampled(metric, by_group, N_DRAWS, seed=0), [2.5, 97.5])
    return Metric(
        name=name,
        value=float(seeds.mean()),
        interval_95=(float(low), float(high)),
        by_seed=tuple(seeds.tolist()),
        by_fold=tuple(folds.tolist()),
        deviation_seeds=_deviation(seeds),
        deviation_folds=_deviation(folds),
    )


def _deviation(values: NDArray[np.float64]) -> float:
    """Return the sample standard deviation; 0 of a single value."""
    return float(values.std(ddof=1)) if len(values) > 1 else 0.0


def class_scores(labels: tuple[str, ...], total: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    """Score every class of (S, C, C) confusions, mean over the S seeds."""
    recall, precision, f1 = (of(total).mean(axis=0).tolist() for of in (recalls_of, precisions_of, f1s_of))
    n_clips = total[0].sum(axis=1).tolist()
    return tuple(
        ClassScore(label=label, n=n_clips[i], recall=recall[i], precision=precision[i], f1=f1[i])
        for i, label in enumerate(labels)
    )


def _groups(p: Predictions, groups: Sequence[str]) -> tuple[GroupScore, ...]:
    confusions = _confusions(p, groups)
    accuracy, uar = (of(confusions).mean(axis=0).tolist() for of in (accuracy_of, uar_of))
    n_clips = confusions[0].sum(axis=(1, 2)).tolist()
    return tuple(
        GroupScore(group=name, n=n_clips[i], accuracy=accuracy[i], uar=uar[i])
        for i, name in enumerate(sorted(set(groups)))
    )
