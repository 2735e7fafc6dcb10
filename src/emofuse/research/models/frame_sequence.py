"""Networks that embed each frame and then look at how the embeddings change."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar, Final, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.frames import IMAGENET, FrameEmbedding, ScaledFrames, VideoNet
from emofuse.research.models.layers import transformer
from emofuse.research.models.settings import ResnetLstmSettings, ResnetTransformerSettings

LONGEST_PERIOD: Final = 1000.0  # frames, of the sinusoids that say where a frame is; a clip has at most some hundred


class ResnetLstm(VideoNet):
    """A ResNet's embedding of each frame, a bidirectional LSTM over them, and the mean over time."""

    description: ClassVar[str] = "A ResNet over frames and a bidirectional LSTM."

    def __init__(self, settings: ResnetLstmSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        self.frontend = ScaledFrames(IMAGENET)
        self.backbone = FrameEmbedding(settings.resnet, settings.gradient_checkpointing, weights)
        self.lstm = nn.LSTM(
            self.backbone.n_features,
            settings.hidden,
            settings.layers,
            batch_first=True,
            bidirectional=True,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
        )
        self.n_features = 2 * settings.hidden
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))

    def embed(self, frames: Tensor) -> Tensor:
        """Map (N, T, 3, H, W) to (N, D)."""
        states: Tensor = self.lstm(self.backbone(frames))[0]
        return states.mean(dim=1)


class ResnetTransformer(VideoNet):
    """A ResNet's embedding of each frame, a transformer encoder over them, and the mean over time."""

    description: ClassVar[str] = "A ResNet over frames and a transformer encoder."

    def __init__(self, settings: ResnetTransformerSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        width = settings.width
        self.frontend = ScaledFrames(IMAGENET)
        self.backbone = FrameEmbedding(settings.resnet, settings.gradient_checkpointing, weights)
        self.projection = nn.Linear(self.backbone.n_features, width)
        self.encoder = transformer(width, settings.heads, settings.layers, settings.dropout, 4 * width)
        self.n_features = width
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(width, n_classes))

    def embed(self, frames: Tensor) -> Tensor:
        """Map (N, T, 3, H, W) to (N, D)."""
        x: Tensor = self.projection(self.backbone(frames))
        x = x + positions(x.shape[1], x.shape[2], x.device)
        return cast(Tensor, self.encoder(x)).mean(dim=1)


def positions(n: int, width: int, device: torch.device) -> Tensor:
    """Return (n, width): sines, then cosines, of n places at periods from 2 pi frames to LONGEST_PERIOD of them.

    They know any n, as the learnt ones of a clip's length would not (Vaswani et al., 2017, arXiv:1706.03762).
    """
    half = width // 2
    rates = torch.exp(-math.log(LONGEST_PERIOD) * torch.arange(half, device=device) / half)
    angles = torch.arange(n, device=device).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
