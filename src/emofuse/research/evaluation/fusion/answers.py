"""What a method predicted for the clips of one or several draws, as confusions that can be resampled and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.network import softmax
from emofuse.research.evaluation.fusion.late_fusion import ABSTAINS
from emofuse.research.evaluation.scores.metrics import confusions_by_group
from emofuse.research.evaluation.scores.predictions import Predictions


@dataclass(frozen=True, slots=True, eq=False)
class ScoredClips:
    """The clips that were tested in one draw, in the order of its predictions.

    truth: (N,). groups: for each clip what intervals resample, such as its speaker. fallback: the
    commonest class, which stands for an answer where a method has none.
    """

    truth: NDArray[np.int64]
    groups: tuple[str, ...]
    folds: tuple[str, ...]
    styles: tuple[str, ...]
    fallback: int
    n_classes: int

    def answers(self, log_probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return (S, N) class indices from (S, N, C)."""
        silent = np.ptp(log_probabilities, axis=-1) < ABSTAINS
        return np.where(silent, self.fallback, log_probabilities.argmax(axis=-1)).astype(np.int64)


def confusions(
    tested: Sequence[ScoredClips],
    answers: Sequence[NDArray[np.int64]],
    groups: Sequence[Sequence[str]],
    chosen: Sequence[NDArray[np.bool_]] | None = None,
) -> NDArray[np.int64]:
    """Count the answers (S, N) of every draw into (S of all draws, G, C, C), over the groups of all, sorted by name.

    groups: of the clips of every draw. chosen: (N,) marks of the clips of every draw that count; none: all do.
    """
    names = sorted({name for draw in groups for name in draw})
    counts = []
    for i, (draw, predicted) in enumerate(zip(tested, answers, strict=True)):
        mask = np.ones(len(draw.truth), dtype=bool) if chosen is None else chosen[i]
        own = np.asarray(groups[i])[mask]
        found = confusions_by_group(draw.truth[mask], predicted[:, mask], own.tolist(), draw.n_classes)
        whole = np.zeros((len(predicted), len(names), draw.n_classes, draw.n_classes), dtype=np.int64)
        whole[:, [names.index(name) for name in np.unique(own)]] = found
        counts.append(whole)
    return np.concatenate(counts)


def by_unit(tested: Sequence[ScoredClips], answers: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Count answers into (S, G, C, C) over what intervals resample."""
    return confusions(tested, answers, [draw.groups for draw in tested])


def by_fold(
    tested: Sequence[ScoredClips], answers: Sequence[NDArray[np.int64]], folds: Sequence[str]
) -> NDArray[np.int64]:
    """Count answers into (S, F, C, C) over the folds, in the order of their names in `folds`."""
    counts = confusions(tested, answers, [draw.folds for draw in tested])
    return counts[:, [sorted(folds).index(name) for name in folds]]


def ensemble_correct(draws: Sequence[Predictions], tested: Sequence[ScoredClips]) -> dict[str, bool]:
    """Say of every clip whether the mean of its probabilities, over the seeds and the draws it is in, is right."""
    total: dict[str, NDArray[np.float64]] = {}
    truth: dict[str, int] = {}
    for found, draw in zip(draws, tested, strict=True):
        probabilities = np.stack([softmax(seed) for seed in found.log_probabilities]).sum(axis=0, dtype=np.float64)
        for clip, row, label in zip(found.clips, probabilities, draw.truth.tolist(), strict=True):
            total[clip] = total[clip] + row if clip in total else row
            truth[clip] = label
    return {clip: int(row.argmax()) == truth[clip] for clip, row in total.items()}
