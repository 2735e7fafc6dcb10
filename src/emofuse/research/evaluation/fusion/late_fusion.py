"""Late fusion: what the models of several modalities say of the same clips, put together by validation speakers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from emofuse.inference.network import softmax
from emofuse.research.evaluation.protocols.folds import FoldResult
from emofuse.research.recipes.recipe import LateFusionSettings

ABSTAINS: Final = 1e-6  # between the highest and the lowest log-probability of a member that says nothing
LARGEST: Final = 10.0  # weight: a few validation clips that are all right would have it grow without end


def fuse_folds(
    settings: LateFusionSettings, members: Sequence[Sequence[FoldResult]], n_seeds: int = 1
) -> list[FoldResult]:
    """Put the members' results together, fold by fold. members: for each, its results, seed by seed."""
    if settings.over_seeds:
        members = [_over_seeds(results, n_seeds) for results in members]
    return [_fuse(settings, results) for results in zip(*members, strict=True)]


def _over_seeds(results: Sequence[FoldResult], n_seeds: int) -> list[FoldResult]:
    """Put the results of all seeds in the place of each seed's: the mean of their calibrated log-probabilities."""
    n_folds = len(results) // n_seeds
    together = []
    for fold in range(n_folds):
        seeds = results[fold::n_folds]
        test, valid = (np.mean(part, axis=0) for part in zip(*(seed.calibrate() for seed in seeds), strict=True))
        n_parameters = sum(seed.n_parameters for seed in seeds)
        together.append(FoldResult(test, valid, seeds[0].valid_truth, n_parameters, None))
    return together * n_seeds


def _fuse(settings: LateFusionSettings, results: Sequence[FoldResult]) -> FoldResult:
    truth = results[0].valid_truth
    test, valid = map(np.stack, zip(*(result.calibrate() for result in results), strict=True))
    if settings.rule == "learned":
        weights = product_weights(valid, truth)
        fused_valid, fused_test = (np.einsum("m,mnc->nc", weights, part) for part in (valid, test))
    else:
        fused_valid, fused_test = (_POOLS[settings.rule](part) for part in (valid, test))
    n_parameters = sum(result.n_parameters for result in results)
    return FoldResult(fused_test.astype(np.float32), fused_valid.astype(np.float32), truth, n_parameters, None)


def _mean(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    speaks = _speaks(scores)
    return _log((speaks * np.exp(scores)).sum(axis=0) / np.maximum(speaks.sum(axis=0), 1))


def _product(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(scores.sum(axis=0), dtype=np.float32)


def _vote(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log-probabilities (N, C) that are highest where most members' are, and among these by their sum.

    A class has a share for each vote, and of one vote more its mean probability.
    """
    speaks, n_classes = _speaks(scores), scores.shape[2]
    votes = (speaks * np.eye(n_classes)[scores.argmax(axis=2)]).sum(axis=0)
    return _log((votes + np.exp(_mean(scores))) / (speaks.sum(axis=0) + 1))


def _speaks(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (M, N, 1): whether a member says anything. It says all classes alike of what it has no input of."""
    return np.asarray(np.ptp(scores, axis=2, keepdims=True) > ABSTAINS)


def _log(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the logarithm; where no modality predicted anything, of all classes alike."""
    n_classes = probabilities.shape[1]
    silent = probabilities.sum(axis=1, keepdims=True) == 0
    return np.asarray(np.log(np.where(silent, 1 / n_classes, np.maximum(probabilities, 1e-30))), dtype=np.float32)


_POOLS: Final[Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]]] = {
    "mean": _mean,
    "product": _product,
    "vote": _vote,
}
"""Log-probabilities (M, N, C) of all members to (N, C), where there is nothing to learn."""


def product_weights(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Find the weights (M,) under which the weighted sum of log-probabilities (M, N, C) predicts (N,) labels best.

    The negative log-likelihood is convex in them; none is negative. This is a logarithmic opinion pool (Heskes, 1998,
    https://papers.nips.cc/paper/1413-selecting-weighting-factors-in-logarithmic-opinion-pools).
    """
    stacked = scores.astype(np.float64)
    rows = np.arange(len(truth))

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        pooled = np.einsum("m,mnc->nc", weights, stacked)
        probabilities = softmax(pooled.astype(np.float32)).astype(np.float64)
        top = pooled.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(pooled - top).sum(axis=1))
        gradient = (np.einsum("nc,mnc->mn", probabilities, stacked) - stacked[:, rows, truth]).mean(axis=1)
        return float((log_sum - pooled[rows, truth]).mean()), gradient

    start = np.ones(len(scores))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, LARGEST)] * len(scores))
    return np.asarray(found.x, dtype=np.float64)
