"""Early fusion: the features of all modalities side by side."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, Features, perceptron
from emofuse.research.models.fusion.settings import EarlyFusionSettings


class EarlyFusion(FeatureNet):
    """Standardised features side by side, with which modalities are there, into a perceptron."""

    description: ClassVar[str] = "A perceptron over the features of all modalities side by side."

    def __init__(self, settings: EarlyFusionSettings, layout: FeatureLayout, n_classes: int) -> None:
        super().__init__(layout, settings.modality_dropout)
        n_in = sum(layout.dims.values()) + len(layout.dims)
        self.body = perceptron(n_in, settings.hidden, settings.dropout)
        self.n_features = settings.hidden[-1] if settings.hidden else n_in
        self.head = nn.Sequential(nn.Linear(self.n_features, n_classes))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D)."""
        vectors = [self.pooled(x, mask) for x, mask in zip(features[::2], features[1::2], strict=True)]
        return cast(Tensor, self.body(torch.cat([*vectors, self.present(features).float()], dim=1)))
