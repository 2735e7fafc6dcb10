"""The network of clips that runs on a CPU: our own face network over each frame, and a small recurrent network."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, Self

import torch
from torch import Tensor, nn

from emofuse.emotions import FERPLUS
from emofuse.errors import RecipeError
from emofuse.inference.bundle import BUNDLES
from emofuse.preprocessing.face import SIZE
from emofuse.research.models.face import FaceNet, read_exported
from emofuse.research.models.frames import VideoNet, area_weights
from emofuse.research.models.layers import Standardise
from emofuse.research.models.settings import FaceNetSettings, FaceSequenceSettings

SHIPPED: Final = BUNDLES / "base" / "face.onnx"
MARGIN: Final = 0.2  # of the face's width, which clips are cropped wider by on each side
LUMA: Final = (0.299, 0.587, 0.114)  # of red, green and blue in OpenCV's grey


class FaceCrops(nn.Module):
    """Makes of colour frames what the face network sees: no margin, grey, 48 x 48 pixels, standardised."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.share = 1 / (1 + 2 * margin)
        self.standardise = Standardise(quiet=1.0)
        self.register_buffer("luma", torch.tensor(LUMA), persistent=False)
        self.luma: Tensor

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, H, W, 3) uint8 RGB to (N, T, 1, 48, 48) float32, each frame standardised by itself."""
        grey = frames.float() @ self.luma
        rows, columns = (area_weights(size, SIZE, self.share, grey.device) for size in grey.shape[2:])
        faces = (rows @ grey @ columns.T).flatten(0, 1).unsqueeze(1)
        standardised: Tensor = self.standardise(faces)
        return standardised.view(-1, frames.shape[1], 1, SIZE, SIZE)


class FaceSequence(VideoNet):
    """The face network's embedding of each frame, a bidirectional GRU, and its mean and largest values over time.

    margin: by which clips were cropped wider than the face network's framing, as a part of it, on each side. Raises
    RecipeError for random weights that would be frozen, BundleError where there is no network to start from.
    """

    description: ClassVar[str] = "The face network over frames and a bidirectional GRU."

    def __init__(self, settings: FaceSequenceSettings, n_classes: int, margin: float = MARGIN) -> None:
        super().__init__()
        if settings.freeze and not settings.pretrained:
            raise RecipeError("face-sequence: without pretrained, freeze leaves a random network", "set freeze=false")
        self.frontend = FaceCrops(margin)
        start = settings.start_network
        self.backbone = read_exported(Path(start)) if start else FaceNet(FaceNetSettings(), len(FERPLUS))
        self.backbone.head = nn.Sequential()  # its emotions are not asked for
        self.is_frozen = settings.freeze
        self.backbone.requires_grad_(not self.is_frozen)
        self.norm = nn.LayerNorm(self.backbone.n_features)
        self.gru = nn.GRU(self.backbone.n_features, settings.hidden, batch_first=True, bidirectional=True)
        self.n_features = 4 * settings.hidden
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation, in which a frozen face network always is."""
        super().train(mode)
        if self.is_frozen:
            self.backbone.eval()
        return self

    def embed(self, frames: Tensor) -> Tensor:
        """Map (N, T, 1, 48, 48) to (N, D)."""
        faces = self.backbone.embed(frames.flatten(0, 1))
        states: Tensor = self.gru(self.norm(faces.view(-1, frames.shape[1], self.backbone.n_features)))[0]
        return torch.cat([states.mean(dim=1), states.amax(dim=1)], dim=1)
