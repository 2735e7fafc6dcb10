"""A residual network over log-mels that knows nothing beforehand: what pretraining is measured against."""

from __future__ import annotations

from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.research.models.frontends import AudioSetLogMel, FeatureKind, loudness
from emofuse.research.models.layers import ResidualBlock, conv_norm, mean_and_deviation
from emofuse.research.models.settings import MelCnnSettings


class MelCnn(nn.Module):
    """Log-mels, residual blocks, and the mean and deviation over time of each channel and frequency.

    Loud frames weigh more, so that pauses do not dilute the voice.
    """

    inputs: ClassVar[tuple[str, ...]] = ("samples",)
    feature_kind: ClassVar[FeatureKind] = "log-mel"
    description: ClassVar[str] = "Log-mel, a residual network, pooled statistics."

    def __init__(self, settings: MelCnnSettings, n_classes: int) -> None:
        super().__init__()
        stem, *widths = settings.widths
        self.frontend = AudioSetLogMel(settings.level)
        layers: list[nn.Module] = [conv_norm(1, stem, stride=2, kernel=5), nn.ReLU(inplace=True)]
        n_in, height = stem, (self.frontend.n_mels + 1) // 2
        for n_out in widths:
            layers.append(ResidualBlock(n_in, n_out, stride=2))
            n_in, height = n_out, (height + 1) // 2
        self.layers = nn.Sequential(*layers)
        self.time_stride = 2 ** len(settings.widths)
        self.n_features = 2 * n_in * height
        self.head = nn.Sequential(
            nn.BatchNorm1d(self.n_features), nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes)
        )

    def forward(self, samples: Tensor) -> Tensor:
        """Score speech. samples: (N, T) float32 in [-1, 1] at 16 kHz, T of 0.25 s or more. Returns (N, C) logits."""
        return self.classify(self.frontend(samples))

    def classify(self, log_mel: Tensor) -> Tensor:
        """Score log-mels (N, F, T) that the front end made. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(log_mel)))

    def embed(self, log_mel: Tensor) -> Tensor:
        """Map (N, F, T) to (N, D): weighted mean and deviation over time of each channel and frequency."""
        weights = F.avg_pool1d(loudness(log_mel), self.time_stride, ceil_mode=True)
        x = self.layers(log_mel.unsqueeze(1))
        return mean_and_deviation(x, weights.unsqueeze(1))
