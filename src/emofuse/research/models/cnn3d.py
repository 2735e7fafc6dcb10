"""The first reference system's network: 3D convolutions over a short clip, then dense layers."""

from __future__ import annotations

from typing import ClassVar, Final

import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.research.models.frames import CENTRED, ScaledFrames, VideoNet, area_weights, forward_blocks
from emofuse.research.models.settings import Cnn3dSettings

PLACES: Final = 4  # rows and columns that are kept apart before the dense layers: eyes are not mouths


class Halving(nn.Module):
    """Takes the largest of 2 x 2 pixels and, where there are that many, of 2 frames."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, c, T, H, W) to (N, c, T / 2, H / 2, W / 2), rounded down, but one frame stays one."""
        return F.max_pool3d(x, (min(2, x.shape[2]), 2, 2))


class Cnn3d(VideoNet):
    """Blocks of 3D convolution, norm and pooling, the mean over time of each channel and place, two dense layers."""

    description: ClassVar[str] = "3D convolutions over frames and dense layers."

    def __init__(self, settings: Cnn3dSettings, n_classes: int) -> None:
        super().__init__()
        self.frontend = ScaledFrames(CENTRED)
        blocks: list[nn.Module] = []
        n_in = 3
        for n_out in settings.widths:
            convolution = nn.Conv3d(n_in, n_out, 3, padding=1, bias=False)
            blocks += [nn.Sequential(convolution, nn.BatchNorm3d(n_out)), nn.ReLU(inplace=True), Halving()]
            n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.n_features = n_in * PLACES**2
        self.head = nn.Sequential(
            nn.Linear(self.n_features, settings.hidden, bias=False),
            nn.BatchNorm1d(settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, n_classes),
        )

    def embed(self, frames: Tensor) -> Tensor:
        """Map (N, T, 3, H, W) to (N, D), for any T and any H and W that the blocks can halve."""
        x = forward_blocks(self.blocks, frames.transpose(1, 2), recomputing=False).mean(dim=2)
        rows, columns = (area_weights(size, PLACES, 1.0, x.device) for size in x.shape[2:])
        return (rows @ x @ columns.T).flatten(1)
