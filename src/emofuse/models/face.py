"""The face emotion network: a small residual network over grey 48 x 48 faces."""

from __future__ import annotations

from typing import ClassVar, cast

from torch import Tensor, nn

from emofuse.config import FaceNetSettings
from emofuse.models.frontends import FeatureKind
from emofuse.models.layers import ResidualBlock, Standardise, conv_norm


class FaceNet(nn.Module):
    """Faces in, logits out. Pixels go in as they are: normalisation is the first layer."""

    feature_kind: ClassVar[FeatureKind] = "face"
    description: ClassVar[str] = "A residual network over grey 48 x 48 faces."

    def __init__(self, settings: FaceNetSettings, n_classes: int) -> None:
        super().__init__()
        stem, *widths = settings.widths
        layers: list[nn.Module] = [conv_norm(1, stem), nn.ReLU(inplace=True)]
        n_in = stem
        for n_out, n_blocks in zip(widths, settings.blocks, strict=True):
            for block in range(n_blocks):
                layers.append(ResidualBlock(n_in, n_out, 2 if block == 0 else 1))
                n_in = n_out
        self.frontend = Standardise(quiet=1.0)
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
