"""The third reference system's network: 1D convolutions over samples."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from emofuse.config import WaveCnnSettings
from emofuse.models.frontends import FeatureKind
from emofuse.models.layers import ResidualBlock, Standardise, conv_norm, mean_and_deviation


class WaveCnn(nn.Module):
    """A wide convolution that takes the part of a filter bank, residual blocks, and statistics over time
    (after M11 of Dai et al., 2017, arXiv:1610.00087)."""

    feature_kind: ClassVar[FeatureKind] = "samples"
    description: ClassVar[str] = "1D convolutions over samples, pooled statistics."

    def __init__(self, settings: WaveCnnSettings, n_classes: int) -> None:
        super().__init__()
        stem, *widths = settings.widths
        self.frontend = Standardise(quiet=1e-4)  # 80 dB below full scale
        layers = [conv_norm(1, stem, settings.stride, settings.kernel, 1), nn.ReLU(inplace=True), nn.MaxPool1d(4)]
        n_in = stem
        for n_out in widths:
            layers += [ResidualBlock(n_in, n_out, 1, dimensions=1), nn.MaxPool1d(4)]
            n_in = n_out
        self.layers = nn.Sequential(*layers[:-1])
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(2 * n_in, n_classes))

    def forward(self, samples: Tensor) -> Tensor:
        """Score speech. samples: (N, T) float32 in [-1, 1] at 16 kHz, T of 0.25 s or more. Returns (N, C) logits."""
        return self.classify(self.frontend(samples))

    def classify(self, samples: Tensor) -> Tensor:
        """Score (N, T) samples that the front end has standardised. Returns (N, C) logits."""
        x = self.layers(samples.unsqueeze(1))
        return cast(Tensor, self.head(mean_and_deviation(x, torch.ones_like(x[:1, :1]))))
