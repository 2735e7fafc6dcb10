"""What every network over frames is made of: how a clip enters, embeddings of frames, activations computed twice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint
from torchvision.models import resnet18, resnet50

from emofuse.research.models.frontends import FeatureKind

Colour: TypeAlias = tuple[float, float, float]  # a value for each of red, green and blue; 1 is full scale

# what torchvision's networks were trained with
IMAGENET: Final[tuple[Colour, Colour]] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean, deviation
KINETICS: Final[tuple[Colour, Colour]] = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
KINETICS_MVIT: Final[tuple[Colour, Colour]] = ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
CENTRED: Final[tuple[Colour, Colour]] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # -1 to 1


class ScaledFrames(nn.Module):
    """Centres and scales the colours of frames by fixed values, and puts colours before places."""

    def __init__(self, colours: tuple[Colour, Colour]) -> None:
        super().__init__()
        mean, deviation = (255 * torch.tensor(colour).view(3, 1, 1) for colour in colours)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)
        self.mean: Tensor
        self.deviation: Tensor

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, H, W, 3) uint8 RGB to (N, T, 3, H, W) float32."""
        return (frames.permute(0, 1, 4, 2, 3).float() - self.mean) / self.deviation


class VideoNet(nn.Module, ABC):
    """Frames in, logits out: what the networks of one clip share. n_features: D of what `embed` gives."""

    inputs: ClassVar[tuple[str, ...]] = ("frames",)
    feature_kind: ClassVar[FeatureKind] = "frames"
    description: ClassVar[str]
    frontend: nn.Module
    head: nn.Sequential
    n_features: int

    def forward(self, frames: Tensor) -> Tensor:
        """Score clips. frames: (N, T, H, W, 3) uint8 RGB face crops. Returns (N, C) logits."""
        return self.classify(self.frontend(frames))

    def classify(self, frames: Tensor) -> Tensor:
        """Score frames (N, T, ...) that the front end made. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(frames)))

    @abstractmethod
    def embed(self, frames: Tensor) -> Tensor:
        """Map frames (N, T, ...) that the front end made to (N, D)."""


class FrameEmbedding(nn.Module):
    """A ResNet of torchvision's without its classifier, over each frame. weights: a file of ImageNet weights."""

    def __init__(
        self, resnet: Literal["resnet18", "resnet50"], gradient_checkpointing: bool = False, weights: Path | None = None
    ) -> None:
        super().__init__()
        network = {"resnet18": resnet18, "resnet50": resnet50}[resnet]()
        if weights is not None:
            load_torchvision(network, weights)
        stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
        layers = (network.layer1, network.layer2, network.layer3, network.layer4)
        self.blocks = nn.Sequential(stem, *(block for layer in layers for block in layer))
        self.n_features = int(network.fc.in_features)
        self.gradient_checkpointing = gradient_checkpointing

    def forward(self, frames: Tensor) -> Tensor:
        """Map (N, T, 3, H, W) to (N, T, D)."""
        x = forward_blocks(self.blocks, frames.flatten(0, 1), self.gradient_checkpointing and self.training)
        return x.mean(dim=(2, 3)).view(-1, frames.shape[1], self.n_features)


def load_torchvision(network: nn.Module, path: Path) -> None:
    """Fill a whole network of torchvision's from its file. Raises RuntimeError when a name or shape differs."""
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))


def forward_blocks(blocks: nn.Sequential, x: Tensor, recomputing: bool) -> Tensor:
    """Send x through blocks one after the other; where `recomputing`, only what goes into each of them is kept.

    In mixed precision on a CPU, blocks that may convolve two frames are computed in single precision: oneDNN leaves
    parts of the gradient of a bfloat16 3 x 3 x 3 convolution over two frames, and no other number, unwritten (torch
    2.15).
    """
    for block in blocks:
        is_mixed = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        is_single = is_mixed and x.ndim == 5 and 2 <= x.shape[2] <= 4  # a block halves the frames at most once
        with torch.autocast("cpu", enabled=False) if is_single else nullcontext():
            x = x.float() if is_single else x
            x = recompute(block, x) if recomputing else block(x)
    return x


def recompute(block: nn.Module, *inputs: Any) -> Any:
    """Run a block whose activations are computed again in the backward pass (arXiv:1604.06174), not kept."""
    return checkpoint(block, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_kept(block)))


@contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """Keep the running statistics of norms as they are: the first time a batch went through, they heard of it."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def area_weights(n_in: int, n_out: int, share: float, device: torch.device) -> Tensor:
    """Return (n_out, n_in) by which the middle `share` of n_in pixels in a row is averaged into n_out equal parts.

    A pixel that two parts share counts for each by how much of it lies there (OpenCV calls it INTER_AREA).
    """
    size = n_in * share / n_out
    low = n_in * (1 - share) / 2 + size * torch.arange(n_out, device=device).unsqueeze(1)
    pixel = torch.arange(n_in, device=device)
    return (torch.minimum(low + size, pixel + 1) - torch.maximum(low, pixel)).clamp(min=0) / size
