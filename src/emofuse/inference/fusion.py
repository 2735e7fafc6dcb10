"""Decision-level fusion of whatever modalities there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.timeline import LEAST_WEIGHT, pool_scores
from emofuse.types import Scores, in_order

EPSILON: Final = 0.02  # of every network, so that none can veto the others: it may be wrong where it is sure

Pool = Literal["linear", "logarithmic"]


def fuse(by_modality: Mapping[str, Scores], weights: Mapping[str, float], pool: Pool = "linear") -> Scores | None:
    """Pool calibrated probabilities, each with its modality's weight times its own quality.

    Any subset of modalities gives an answer; one alone is passed on, none gives None. The result's quality is the
    weighted mean of the qualities.

    Args:
        by_modality: The scores of each modality that there is, all over the same C labels.
        weights: A positive number for each modality.
        pool: "linear": the weighted mean (Genest and Zidek, 1986, https://doi.org/10.1214/ss/1177013825).
            "logarithmic": `log_pool`, where a quality counts as a share of the best one; for probabilities that are
            evidence, which priors have been taken off.
    """
    present = [by_modality[m] for m in in_order(by_modality)]
    if not present:
        return None
    modality_weights = [weights[s.modality] for s in present]
    quality = [max(s.quality, LEAST_WEIGHT) for s in present]
    strengths = _strengths(present, weights)
    pooled = pool_scores(present, "fused", strengths, modality_weights)
    if pool == "linear" or len(present) == 1:
        return pooled
    evidence = np.stack([s.evidence for s in present]).astype(np.float64)
    strength = np.array(strengths) / max(quality)
    fused = log_pool(evidence[:, None], strength)[0].astype(np.float32)
    return replace(pooled, probabilities=fused / fused.sum())


def shares(by_modality: Mapping[str, Scores], weights: Mapping[str, float]) -> dict[str, float]:
    """Return each modality's share of a fused answer, adding up to 1."""
    present = list(by_modality.values())
    strengths = _strengths(present, weights)
    return {s.modality: strength / sum(strengths) for s, strength in zip(present, strengths, strict=True)}


def _strengths(present: Sequence[Scores], weights: Mapping[str, float]) -> list[float]:
    return [weights[s.modality] * max(s.quality, LEAST_WEIGHT) for s in present]


def log_pool(evidence: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up the evidence of M networks.

    A logarithmic opinion pool (Heskes, 1998, https://papers.nips.cc/paper/1413) before which all labels are equally
    likely. With weights of 1 that is Bayes' rule for inputs that are independent given the label; smaller ones count
    evidence less that networks share. EPSILON bounds how much one network can add.

    Args:
        evidence: (M, N, C) probabilities, each network's prior taken off.
        weights: (M,) positive numbers.

    Returns:
        (N, C) probabilities.
    """
    doubtful = (1 - EPSILON) * evidence + EPSILON / evidence.shape[-1]
    logits = np.einsum("m,mnc->nc", weights, np.log(doubtful))
    logits -= logits.max(axis=1, keepdims=True)
    unnormalised = np.exp(logits)
    return np.asarray(unnormalised / unnormalised.sum(axis=1, keepdims=True))
