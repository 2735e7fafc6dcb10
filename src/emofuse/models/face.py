"""The face emotion network: a small residual network over grey 48 x 48 faces."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from emofuse.config import FaceNetSettings


def _conv(n_in: int, n_out: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(n_out))


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut that pools before it projects (ResNet-D, arXiv:1812.01187)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_conv(n_in, n_out, stride), nn.ReLU(inplace=True), _conv(n_out, n_out))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), _conv(n_in, n_out, kernel=1))
        nn.init.zeros_(cast(Tensor, cast(nn.Sequential, self.branch[2])[1].weight))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n_in, H, W) to (N, n_out, H / stride, W / stride)."""
        return torch.relu(self.branch(x) + self.shortcut(x))


class Standardise(nn.Module):
    """Centres and scales each face by its own mean and deviation, so that exposure does not matter."""

    def forward(self, faces: Tensor) -> Tensor:
        """Map (N, 1, H, W) in [0, 255] to the same form with mean 0 and deviation 1 (0 for a flat picture)."""
        mean = faces.mean(dim=(2, 3), keepdim=True)
        deviation = ((faces - mean) ** 2).mean(dim=(2, 3), keepdim=True).sqrt()
        return (faces - mean) / (deviation + 1.0)


class FaceNet(nn.Module):
    """Faces in, logits out. Pixels go in as they are: normalisation is the first layer."""

    def __init__(self, settings: FaceNetSettings, n_classes: int) -> None:
        super().__init__()
        stem, *widths = settings.widths
        layers: list[nn.Module] = [_conv(1, stem), nn.ReLU(inplace=True)]
        n_in = stem
        for n_out, n_blocks in zip(widths, settings.blocks, strict=True):
            for block in range(n_blocks):
                layers.append(ResidualBlock(n_in, n_out, 2 if block == 0 else 1))
                n_in = n_out
        self.frontend = Standardise()
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(settings.dropout), nn.Linear(n_in, n_classes)
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, 48, 48) float32 grey in [0, 255]. Returns (N, C) logits."""
        return self.classify(self.frontend(faces))

    def classify(self, faces: Tensor) -> Tensor:
        """Score faces that the front end has standardised. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.features(faces)))
