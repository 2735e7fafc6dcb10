"""What each modality adds to a fusion: its Shapley value over the subsets of modalities.

A modality is a player, and what a set of players wins is the score of the fusion that is given these modalities alone
(Shapley, 1953, A value for n-person games; for what a model is fed: Lundberg and Lee, 2017, arXiv:1705.07874).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from emofuse.research.evaluation.fusion.result import Contribution, Share, SubsetScore
from emofuse.research.evaluation.scores.metrics import METRICS, resampled
from emofuse.research.evaluation.scores.summary import N_DRAWS

Subset = frozenset[str]


def subsets_of(modalities: Sequence[str]) -> list[Subset]:
    """Return every subset, from none to all, the smaller ones first."""
    return [frozenset(chosen) for n in range(len(modalities) + 1) for chosen in combinations(modalities, n)]


def shapley_weights(modalities: Sequence[str]) -> NDArray[np.float64]:
    """Return (M, 2^M): what the value of each of `subsets_of` counts for in the Shapley value of each modality.

    A modality has the mean, over all orders in which the modalities can come, of what it adds when it comes.
    """
    subsets, n = subsets_of(modalities), len(modalities)
    weights = np.zeros((n, len(subsets)))
    for i, modality in enumerate(modalities):
        for j, subset in enumerate(subsets):
            if modality not in subset:
                weight = factorial(len(subset)) * factorial(n - len(subset) - 1) / factorial(n)
                weights[i, j] -= weight
                weights[i, subsets.index(subset | {modality})] += weight
    return weights


def contribution(
    method: str, modalities: Sequence[str], counts: Mapping[Subset, NDArray[np.int64]], metric: str
) -> Contribution:
    """Share a method's score out to its modalities.

    counts: (S, G, C, C) confusions by what intervals resample, of the method given each of `subsets_of`; with none it
    is the answer that is given to nothing at all, so that the shares add up to what all modalities gain over that.
    """
    subsets, score = subsets_of(modalities), METRICS[metric]
    values = np.array([score(counts[subset].sum(axis=1)).mean() for subset in subsets])
    weights = shapley_weights(modalities)
    ends = np.tile([-1.0, 1.0], (len(modalities), 1))  # one group says nothing of others
    if counts[subsets[0]].shape[1] > 1:
        drawn = np.stack([resampled(score, counts[subset], N_DRAWS, seed=0) for subset in subsets])
        ends = np.percentile(weights @ drawn, [2.5, 97.5], axis=1).T
    return Contribution(
        method=method,
        subsets=tuple(
            SubsetScore(modalities=tuple(m for m in modalities if m in subset), value=float(value))
            for subset, value in zip(subsets, values, strict=True)
        ),
        shares=tuple(
            Share(modality=m, value=float(value), interval_95=(float(low), float(high)))
            for m, value, (low, high) in zip(modalities, weights @ values, ends, strict=True)
        ),
    )
