"""The first reference system's network: 2D convolutions over a square of cepstra, then dense layers."""

from __future__ import annotations

from typing import ClassVar, cast

import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.research.models.frontends import FeatureKind, Mfcc
from emofuse.research.models.layers import conv_norm
from emofuse.research.models.settings import MfccCnnSettings


class FixedLength(nn.Module):
    """Cuts off what comes after `n_frames`, and pads with zeros what is shorter."""

    def __init__(self, n_frames: int) -> None:
        super().__init__()
        self.n_frames = n_frames

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, D, T) to (N, D, n_frames)."""
        return F.pad(x, (0, self.n_frames))[:, :, : self.n_frames]


class MfccCnn(nn.Module):
    """Cepstra, blocks of convolution, norm and pooling, and two dense layers. Each cepstrum has its own scale."""

    inputs: ClassVar[tuple[str, ...]] = ("samples",)
    feature_kind: ClassVar[FeatureKind] = "cepstra"
    description: ClassVar[str] = "MFCC, 2D convolutions and dense layers."

    def __init__(self, settings: MfccCnnSettings, n_classes: int) -> None:
        super().__init__()
        self.frontend = nn.Sequential(
            Mfcc(settings.n_mfcc, settings.n_fft, settings.hop), FixedLength(settings.n_frames)
        )
        self.scale = nn.BatchNorm1d(settings.n_mfcc)
        blocks: list[nn.Module] = []
        n_in, height, width = 1, settings.n_mfcc, settings.n_frames
        for n_out in settings.widths:
            blocks += [conv_norm(n_in, n_out), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(settings.dropout)]
            n_in, height, width = n_out, height // 2, width // 2
        self.blocks = nn.Sequential(*blocks)
        self.n_features = n_in * height * width
        self.head = nn.Sequential(
            nn.Linear(self.n_features, settings.hidden, bias=False),
            nn.BatchNorm1d(settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, n_classes),
        )

    def forward(self, samples: Tensor) -> Tensor:
        """Score speech. samples: (N, T) float32 in [-1, 1] at 16 kHz, T of 0.25 s or more. Returns (N, C) logits."""
        return self.classify(self.frontend(samples))

    def classify(self, cepstra: Tensor) -> Tensor:
        """Score (N, n_mfcc, n_frames) cepstra that the front end made. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(cepstra)))

    def embed(self, cepstra: Tensor) -> Tensor:
        """Map (N, n_mfcc, n_frames) to (N, D): what the last block makes of each place."""
        return cast(Tensor, self.blocks(self.scale(cepstra).unsqueeze(1)).flatten(1))
