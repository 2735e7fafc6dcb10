"""The face emotion network: a small residual network over grey 48 x 48 faces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar, cast

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from emofuse.inference.network import read_card
from emofuse.research.models.folding import fold_norms
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.layers import ResidualBlock, Standardise, conv_norm
from emofuse.research.models.settings import FaceNetSettings


class FaceNet(nn.Module):
    """Faces in, logits out. Pixels go in as they are: normalisation is the first layer."""

    inputs: ClassVar[tuple[str, ...]] = ("faces",)
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
        self.n_features = n_in
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(settings.dropout), nn.Linear(n_in, n_classes)
        )

    def forward(self, faces: Tensor) -> Tensor:
        """Score faces. faces: (N, 1, 48, 48) float32 grey in [0, 255]. Returns (N, C) logits."""
        return self.classify(self.frontend(faces))

    def classify(self, faces: Tensor) -> Tensor:
        """Score faces that the front end has standardised. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.features(faces)))

    def embed(self, faces: Tensor) -> Tensor:
        """Map faces that the front end has standardised to (N, D): the mean of each channel of the last block."""
        return cast(Tensor, self.features(faces)).mean(dim=(2, 3))


def read_exported(path: Path) -> FaceNet:
    """Rebuild a face network from the ONNX file that `emofuse export` wrote: its norms stay folded.

    Raises BundleError where there is no such file, or it has no card, RuntimeError where the file's weights are not
    those of the network that its card describes.
    """
    card = read_card(path)
    network = FaceNet(FaceNetSettings.model_validate(json.loads(card.recipe)["model"]), len(card.labels))
    load_exported(network, path)
    return network


def load_exported(network: nn.Module, path: Path) -> None:
    """Fold a face network's norms, and give it the weights of the ONNX file that was exported of one like it.

    Raises BundleError where there is no such file, or it has no card, RuntimeError where its weights are of another
    form.
    """
    read_card(path)
    fold_norms(network)
    stored = {tensor.name.removesuffix(".half"): tensor for tensor in onnx.load(path).graph.initializer}

    def values(name: str) -> Tensor:
        if f"{name}.steps" in stored:
            return values(f"{name}.steps") * values(f"{name}.sizes")
        return torch.tensor(numpy_helper.to_array(stored[name]), dtype=torch.float32)

    held = [name for name in network.state_dict() if name in stored or f"{name}.steps" in stored]
    network.load_state_dict({name: values(name) for name in held})
