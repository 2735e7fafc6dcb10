"""The voice emotion network: samples in, logits out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidual, MobileNetV3, _mobilenet_v3_conf
from torchvision.ops.misc import SqueezeExcitation

from emofuse.research.models.frontends import AudioSetLogMel, FeatureKind, loudness
from emofuse.research.models.layers import mean_and_deviation
from emofuse.research.models.settings import VoiceNetSettings

WIDTH = 0.4  # of MobileNetV3-Large, as in EfficientAT's mn04


def audio_mobilenet() -> nn.Sequential:
    """Build torchvision's MobileNetV3-Large at width 0.4 as EfficientAT changed it: one input channel, sigmoid
    gates in squeeze-and-excitation. Returns its 17 blocks; a block maps (N, c, F, T) to (N, c', F', T')."""
    settings, last_channel = _mobilenet_v3_conf("mobilenet_v3_large", width_mult=WIDTH)
    block = partial(InvertedResidual, se_layer=partial(SqueezeExcitation, scale_activation=nn.Sigmoid))
    # their momentum of 0.01 is for millions of clips: with a thousand, the averages would lag behind the weights
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.1)
    features = cast(nn.Sequential, MobileNetV3(settings, last_channel, block=block, norm_layer=norm).features)
    stem = cast(nn.Conv2d, cast(nn.Sequential, features[0])[0])
    cast(nn.Sequential, features[0])[0] = nn.Conv2d(1, stem.out_channels, 3, stride=2, padding=1, bias=False)
    return features


def load_audioset(backbone: nn.Sequential, path: Path) -> None:
    """Fill `audio_mobilenet` with EfficientAT's weights. Raises RuntimeError when a name or shape differs."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith("features."):
            continue
        key = name.removeprefix("features.").replace("conc_se_layers.0.", "")
        # their gates are linear layers, torchvision's are 1 x 1 convolutions
        is_gate = ".fc1.weight" in key or ".fc2.weight" in key
        renamed[key] = value[:, :, None, None] if is_gate else value
    backbone.load_state_dict(renamed)


class VoiceNet(nn.Module):
    """Log-mel, MobileNetV3, and the mean and deviation over time of several of its blocks into a small classifier.

    The middle blocks keep what makes an emotion audible (pitch, timbre), which the last ones, trained to name
    sound events, have thrown away: those after the last tap are not even built. Loud frames weigh more, so that
    pauses do not dilute the voice, and every frequency is kept apart.
    """

    inputs: ClassVar[tuple[str, ...]] = ("samples",)
    feature_kind: ClassVar[FeatureKind] = "log-mel"
    description: ClassVar[str] = "Log-mel, MobileNetV3, statistics pooled from several blocks."

    def __init__(self, settings: VoiceNetSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        self.frontend = AudioSetLogMel(settings.level, settings.channel)
        self.frozen_blocks = settings.frozen_blocks
        backbone = audio_mobilenet()
        if weights is not None:
            load_audioset(backbone, weights)
        self.backbone = backbone[: max(settings.taps) + 1]
        self.taps = frozenset(settings.taps)
        self.backbone.eval()  # or the silence below would go into the statistics of its norms
        with torch.no_grad():
            self.n_features = self.embed(torch.zeros(1, self.frontend.n_mels, 64)).shape[1]
        self.backbone[: self.frozen_blocks].requires_grad_(False)
        self.train()
        self.head = nn.Sequential(
            nn.BatchNorm1d(self.n_features),
            nn.Dropout(settings.dropout),
            nn.Linear(self.n_features, settings.hidden),
            nn.Hardswish(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, n_classes),
        )

    def train(self, mode: bool = True) -> VoiceNet:
        """Set the mode of all but the frozen blocks, which stay in evaluation: their norms keep their statistics."""
        super().train(mode)
        self.backbone[: self.frozen_blocks].eval()
        return self

    @property
    def frozen_part(self) -> str:
        """What the activations of the frozen blocks depend on, beside their weights."""
        return f"{self.frozen_blocks} {self.frontend.level} {self.frontend.channel}"

    def forward(self, samples: Tensor) -> Tensor:
        """Score speech. samples: (N, T) float32 in [-1, 1] at 16 kHz, T of 0.25 s or more. Returns (N, C) logits."""
        return self.classify(self.frontend(samples))

    def classify(self, log_mel: Tensor) -> Tensor:
        """Score log-mels (N, F, T) that the front end made. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(log_mel)))

    def embed(self, log_mel: Tensor, weights: Tensor | None = None) -> Tensor:
        """Map (N, F, T) to (N, D): for each tap, channel and frequency, weighted mean and deviation over time.

        weights: (N, 1, T) of the frames, where they are not how loud each is beside the others.
        """
        return self.embed_activations(*self.activate(log_mel, weights))

    def activate(self, log_mel: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run the frozen blocks over (N, F, T). Returns what they make, (N, c, F', T'), and the weights of its frames,
        (N, 1, T')."""
        weights = loudness(log_mel) if weights is None else weights
        x = log_mel.unsqueeze(1)
        for block in self.backbone[: self.frozen_blocks]:
            x, weights = _through(block, x, weights)
        return x, weights

    def embed_activations(self, x: Tensor, weights: Tensor) -> Tensor:
        """Map what `activate` returned to (N, D)."""
        pooled: list[Tensor] = []
        if self.frozen_blocks - 1 in self.taps:
            pooled.append(mean_and_deviation(x, weights.unsqueeze(1)))
        for index, block in enumerate(self.backbone[self.frozen_blocks :], start=self.frozen_blocks):
            x, weights = _through(block, x, weights)
            if index in self.taps:
                pooled.append(mean_and_deviation(x, weights.unsqueeze(1)))
        return torch.cat(pooled, dim=1)


def _through(block: nn.Module, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Run a block over (N, c, F, T) and bring the weights of the frames, (N, 1, T), to the frames that it makes."""
    made = block(x)
    if _halves_time(block):
        weights = F.avg_pool1d(weights, 2, ceil_mode=True)  # ceil: as the convolution rounds
    return made, weights


def _halves_time(block: nn.Module) -> bool:
    return any(isinstance(part, nn.Conv2d) and part.stride[1] == 2 for part in block.modules())
