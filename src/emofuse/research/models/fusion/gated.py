"""Gated fusion: an embedding of each modality, weighed by gates."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, Features, perceptron
from emofuse.research.models.fusion.merge import GatedFusion
from emofuse.research.models.fusion.settings import GatedFusionSettings


class GatedFusionNet(FeatureNet):
    """A dense layer over each modality, gates that share out what is present, and a dense layer over the result."""

    description: ClassVar[str] = "A dense layer over each modality's features, merged by gates."

    def __init__(self, settings: GatedFusionSettings, layout: FeatureLayout, n_classes: int) -> None:
        super().__init__(layout, settings.modality_dropout)
        width = settings.width
        self.embeddings = nn.ModuleList(perceptron(n, (width,), settings.dropout) for n in layout.dims.values())
        self.fusion = GatedFusion(len(layout.dims), width)
        self.body = perceptron(width, (width,), settings.dropout)
        self.n_features = width
        self.head = nn.Sequential(nn.Linear(width, n_classes))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D)."""
        vectors = [
            embedding(self.pooled(x, mask))
            for embedding, x, mask in zip(self.embeddings, features[::2], features[1::2], strict=True)
        ]
        merged = self.fusion(torch.stack(vectors, dim=1), self.present(features).float())
        return cast(Tensor, self.body(merged))
