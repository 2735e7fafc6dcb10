"""The third reference system's network: 1D convolutions over samples."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.layers import ResidualBlock, Standardise, conv_norm, mean_and_deviation
from emofuse.research.models.settings import WaveCnnSettings


class WaveCnn(nn.Module):
    """A wide convolution in place of a filter bank, residual blocks, and the mean and deviation over time
    (after M11 of Dai et al., 2017, arXiv:1610.00087)."""

    inputs: ClassVar[tuple[str, ...]] = ("samples",)
    feature_kind: ClassVar[FeatureKind] = "samples"
    description: ClassVar[str] = "1D convolutions over samples, pooled statistics."

    def __init__(self, settings: WaveCnnSettings, n_classes: int) -> None:
        super().__init__()
        stem, *widths = settings.widths
        self.frontend = Standardise(quiet=1e-4)  # 80 dB below full scale
        layers = [conv_norm(1, stem, (1, settings.stride), (1, settings.kernel)), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d((1, settings.pool)))
        n_in = stem
        for n_out in widths:
            layers += [ResidualBlock(n_in, n_out, 1, (1, 3)), nn.MaxPool2d((1, 4)), nn.Dropout(settings.block_dropout)]
            n_in = n_out
        self.layers = nn.Sequential(*layers[:-2])
        self.n_features = 2 * n_in
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))

    def forward(self, samples: Tensor) -> Tensor:
        """Score speech. samples: (N, T) float32 in [-1, 1] at 16 kHz, T of 0.25 s or more. Returns (N, C) logits."""
        return self.classify(self.frontend(samples))

    def classify(self, samples: Tensor) -> Tensor:
        """Score (N, T) samples that the front end has standardised. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(samples)))

    def embed(self, samples: Tensor) -> Tensor:
        """Map (N, T) to (N, D): the mean and deviation over time of each channel."""
        x = self.layers(samples[:, None, None])
        return mean_and_deviation(x, torch.ones_like(x[:1, :1]))
