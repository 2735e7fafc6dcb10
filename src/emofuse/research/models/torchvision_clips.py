"""torchvision's networks over whole clips, wrapped."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torchvision.models.video import MViT, mvit_v2_s, r3d_18
from torchvision.models.video.mvit import MSBlockConfig

from emofuse.errors import UsageError
from emofuse.research.models.frames import (
    KINETICS,
    KINETICS_MVIT,
    ScaledFrames,
    VideoNet,
    forward_blocks,
    load_torchvision,
    recompute,
)
from emofuse.research.models.settings import MvitSettings, R3dSettings

MVIT_FRAMES, MVIT_PX = 16, 224  # of MViTv2-S
_TINY: Final = (  # heads, channels that go in and come out, strides over queries and over keys and values
    (1, 16, 32, [1, 2, 2], [1, 4, 4]),
    (2, 32, 32, [1, 1, 1], [1, 2, 2]),
)


class R3d(VideoNet):
    """R3D-18 (Tran et al., 2018, arXiv:1711.11248), of any number of frames and any size."""

    description: ClassVar[str] = "R3D-18, a residual network with 3D convolutions."

    def __init__(self, settings: R3dSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        network = r3d_18()
        if weights is not None:
            load_torchvision(network, weights)
        layers = (network.layer1, network.layer2, network.layer3, network.layer4)
        self.frontend = ScaledFrames(KINETICS)
        self.backbone = nn.Sequential(network.stem, *(block for layer in layers for block in layer))
        self.gradient_checkpointing = settings.gradient_checkpointing
        self.n_features = int(network.fc.in_features)
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))

    def embed(self, frames: Tensor) -> Tensor:
        """Map (N, T, 3, H, W) to (N, D): the mean of each channel."""
        recomputing = self.gradient_checkpointing and self.training
        return forward_blocks(self.backbone, frames.transpose(1, 2), recomputing).mean(dim=(2, 3, 4))


class Mvit(VideoNet):
    """MViTv2-S (Li et al., 2022, arXiv:2112.01526): its class token. The tiny one takes clips of any size."""

    description: ClassVar[str] = "MViTv2-S, a multiscale vision transformer."

    def __init__(self, settings: MvitSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        self.frontend = ScaledFrames(KINETICS_MVIT)
        self.is_tiny = settings.size == "tiny"
        self.backbone = _tiny_mvit() if self.is_tiny else mvit_v2_s()
        if weights is not None:
            load_torchvision(self.backbone, weights)
        self.n_features = int(self.backbone.head[1].in_features)
        self.backbone.head = nn.Identity()
        _freeze_what_nobody_reads(self.backbone)
        self.gradient_checkpointing = settings.gradient_checkpointing
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))

    def embed(self, frames: Tensor) -> Tensor:
        """Map (N, T, 3, H, W) to (N, D). Raises UsageError where T, H or W are not those of MViTv2-S."""
        n_frames, height, width = frames.shape[1], frames.shape[3], frames.shape[4]
        if not self.is_tiny and (n_frames, height, width) != (MVIT_FRAMES, MVIT_PX, MVIT_PX):
            raise UsageError(
                f"mvit sees {MVIT_FRAMES} frames of {MVIT_PX} x {MVIT_PX}, not {n_frames} of {height} x {width}",
                f"set data.n_frames={MVIT_FRAMES} and data.size_px={MVIT_PX}",
            )
        # as MViT.forward, but by the size of this clip, and with activations that need not be kept
        x = self.backbone.conv_proj(frames.transpose(1, 2))
        size = tuple(x.shape[2:])
        x = self.backbone.pos_encoding(x.flatten(2).transpose(1, 2))
        for block in self.backbone.blocks:
            recomputing = self.gradient_checkpointing and self.training
            x, size = recompute(block, x, size) if recomputing else block(x, size)
        token: Tensor = self.backbone.norm(x[:, 0])
        return token


def _tiny_mvit() -> MViT:
    kernel = [3, 3, 3]
    blocks = [MSBlockConfig(heads, n_in, n_out, kernel, kernel, q, kv) for heads, n_in, n_out, q, kv in _TINY]
    return MViT(
        (112, 112),
        MVIT_FRAMES,
        blocks,
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
    )


def _freeze_what_nobody_reads(network: MViT) -> None:
    """Leave out of training what shapes only how the last block answers for places: the class token alone is read."""
    attention = network.blocks[-1].attn
    unread = (attention.pool_q.pool.weight, attention.rel_pos_h, attention.rel_pos_w, attention.rel_pos_t)
    for parameter in unread:
        assert isinstance(parameter, torch.nn.Parameter)
        parameter.requires_grad_(False)
