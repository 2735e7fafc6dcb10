"""Decision-level fusion of whatever modalities spoke."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.timeline import LEAST_WEIGHT, pool_scores
from emofuse.types import MODALITIES, Scores

DOUBT: Final = 0.02  # of every network, so that none can veto the others: it may be wrong where it is sure

Priors = Mapping[str, NDArray[np.float64]]
"""How often each label is what a modality's network says, (C,) by modality: what it says before it sees anything."""


def fuse(
    by_modality: Mapping[str, Scores], weights: Mapping[str, float], priors: Priors | None = None
) -> Scores | None:
    """Pool calibrated probabilities, each with its modality's weight times its own quality.

    Any subset of modalities gives an answer; one alone is passed on, none gives None. Without priors the pool is
    linear (Genest and Zidek, 1986, https://doi.org/10.1214/ss/1177013825); with them it is `log_pool`, where a quality
    is of the best one's. The result's quality is the weighted mean of the qualities.
    """
    present = [by_modality[m] for m in MODALITIES if m in by_modality]
    if not present:
        return None
    trust = [weights[s.modality] for s in present]
    quality = [max(s.quality, LEAST_WEIGHT) for s in present]
    share = [t * q for t, q in zip(trust, quality, strict=True)]
    pooled = pool_scores(present, "fused", share, trust)
    if priors is None or len(present) == 1:
        return pooled
    said = np.stack([s.probabilities for s in present]).astype(np.float64)
    before = np.stack([priors[s.modality] for s in present])
    strength = np.array(share) / max(quality)
    fused = log_pool(said[:, None], strength, before)[0].astype(np.float32)
    return replace(pooled, probabilities=fused / fused.sum())


def log_pool(
    said: NDArray[np.float64], weights: NDArray[np.float64], priors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add up the evidence of M networks: (M, N, C) probabilities and (M, C) priors to (N, C) probabilities.

    A logarithmic opinion pool (Heskes, 1998, https://papers.nips.cc/paper/1413) of what each says beyond its own
    prior, over the weighted geometric mean of the priors. With weights of 1 that is Bayes' rule for inputs that are
    independent given the label; smaller ones (M,) count evidence less that they share. DOUBT bounds what one can say.
    """
    doubtful = (1 - DOUBT) * said + DOUBT * priors[:, None]
    evidence = np.log(doubtful) - np.log(priors)[:, None]
    logits = np.einsum("m,mnc->nc", weights, evidence) + weights @ np.log(priors) / weights.sum()
    logits -= logits.max(axis=1, keepdims=True)
    unnormalised = np.exp(logits)
    return np.asarray(unnormalised / unnormalised.sum(axis=1, keepdims=True))
