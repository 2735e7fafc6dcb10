"""Decision-level fusion of whatever modalities spoke."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

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
    trust = np.array([weights[s.modality] for s in present], dtype=np.float64)
    quality = np.array([s.quality for s in present], dtype=np.float64)
    share = trust * np.maximum(quality, 1e-3)
    pooled = np.average(np.stack([s.probabilities for s in present]).astype(np.float64), axis=0, weights=share)
    return Scores(
        "fused",
        present[0].labels,
        (pooled / pooled.sum()).astype(np.float32),
        min(s.start_s for s in present),
        max(s.end_s for s in present),
        float(np.average(quality, weights=trust)),
    )
