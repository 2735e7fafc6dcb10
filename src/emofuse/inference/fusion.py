"""Decision-level fusion of whatever modalities spoke."""

from __future__ import annotations

from collections.abc import Mapping

from emofuse.timeline import LEAST_WEIGHT, pool_scores
from emofuse.types import MODALITIES, Scores


def fuse(by_modality: Mapping[str, Scores], weights: Mapping[str, float]) -> Scores | None:
    """Pool calibrated probabilities linearly, each with its modality's weight times its own quality.

    A linear pool (Genest and Zidek, 1986, https://doi.org/10.1214/ss/1177013825) keeps a confident modality
    from being vetoed by another that is wrong, and needs no joint training data. Any subset of modalities
    gives an answer; none gives None. The result's quality is the weighted mean of the qualities.
    """
    present = [by_modality[m] for m in MODALITIES if m in by_modality]
    if not present:
        return None
    trust = [weights[s.modality] for s in present]
    share = [t * max(s.quality, LEAST_WEIGHT) for t, s in zip(trust, present, strict=True)]
    return pool_scores(present, "fused", share, trust)
