"""A voice emotion network over the first layers of Whisper's encoder: samples in, logits out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.research.models.ctranslate2_file import read_weights
from emofuse.research.models.frontends import HOP, RATE_HZ, WINDOW, FeatureKind, PowerSpectrum
from emofuse.research.models.layers import CoarseLinear, mean_and_deviation
from emofuse.research.models.settings import WhisperVoiceSettings

N_MELS: Final = 80
FLOOR: Final = 8.0  # powers of ten below the loudest band of the window; what is fainter is as faint
LOUDEST: Final = 1.5  # what Whisper is given for the loudest band of speech at its usual level
LOUD, QUIET = 3.0, 5.0  # powers of ten below the loudest: such frames count whole, and not at all


class WhisperLogMel(nn.Module):
    """The log-mel of Whisper (https://github.com/openai/whisper, whisper/audio.py), measured against the loudest band
    of the window, so that a microphone's gain does not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = PowerSpectrum(np.hanning(WINDOW + 1)[:-1], HOP, WINDOW)
        bank = librosa.filters.mel(sr=RATE_HZ, n_fft=WINDOW, n_mels=N_MELS)
        self.register_buffer("bank", torch.from_numpy(bank.astype(np.float32)), persistent=False)
        self.bank: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Map (N, T) samples in [-1, 1] at 16 kHz to (N, 80, T // 160), from LOUDEST - 2 to LOUDEST."""
        mel = torch.matmul(self.bank, self.spectrum(samples)[:, :, :-1])
        powers = torch.log10(mel.clamp(min=1e-10))
        below = powers - powers.amax(dim=(1, 2), keepdim=True)
        return below.clamp(min=-FLOOR) / 4 + LOUDEST


def _linear(n_in: int, n_out: int, rank: int) -> nn.Module:
    if not rank:
        return CoarseLinear(n_in, n_out)
    return nn.Sequential(CoarseLinear(n_in, rank, bias=False), CoarseLinear(rank, n_out))


class EncoderLayer(nn.Module):
    """Self-attention and two dense layers, each after a norm and beside a shortcut.

    rank: of the matrices, each of which is then a product of two narrow ones; 0: whole.
    """

    def __init__(self, width: int, heads: int, rank: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.dense_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = _linear(width, 3 * width, rank), _linear(width, width, rank)
        self.up, self.down = _linear(width, 4 * width, rank), _linear(4 * width, width, rank)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, width) to the same form."""
        parts = self.query_key_value(self.attention_norm(x)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = x + self.out(attended)
        return cast(Tensor, x + self.down(F.gelu(self.up(self.dense_norm(x)))))


class WhisperEncoder(nn.Module):
    """The first layers of Whisper's encoder.

    rank: of its large matrices; see `narrowing.narrow`. 0: whole. pool: so many steps of 20 ms, which follow each
    other, are one to the layers: their mean.
    """

    def __init__(self, width: int, heads: int, n_layers: int, rank: int = 0, pool: int = 1) -> None:
        super().__init__()
        self.pool = pool
        self.conv1 = nn.Conv1d(N_MELS, width, 3, padding=1)
        self.conv2: nn.Module = nn.Conv1d(width, width, 3, stride=2, padding=1)
        if rank:
            narrow = nn.Conv1d(width, rank, 3, stride=2, padding=1, bias=False)
            self.conv2 = nn.Sequential(narrow, nn.Conv1d(rank, width, 1))
        self.layers = nn.ModuleList(EncoderLayer(width, heads, rank) for _ in range(n_layers))
        # of the sinusoids that tell where a frame is: computed, so that sound of any length has them
        speeds = torch.exp(-math.log(10_000) / (width // 2 - 1) * torch.arange(width // 2))
        self.register_buffer("speeds", speeds, persistent=False)
        self.speeds: Tensor

    def forward(self, log_mel: Tensor) -> list[Tensor]:
        """Map (N, 80, T) to what each layer makes, (N, T / 2 / pool, width), rounded up."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(log_mel)))).transpose(1, 2)
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * self.speeds
        x = self.pooled((x + torch.cat([angles.sin(), angles.cos()], dim=1)).transpose(1, 2)).transpose(1, 2)
        made = []
        for layer in self.layers:
            x = layer(x)
            made.append(x)
        return made

    def pooled(self, x: Tensor) -> Tensor:
        """Map (N, D, T), of the convolutions' steps, to those that the layers have."""
        # ceil: so that an odd step at the end counts
        return x if self.pool == 1 else F.avg_pool1d(x, self.pool, ceil_mode=True)


class Classifiers(nn.Module):
    """Small classifiers of the same statistics, trained beside each other; their mean counts."""

    def __init__(self, n_features: int, settings: WhisperVoiceSettings, n_classes: int) -> None:
        super().__init__()
        self.each = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm1d(n_features),
                nn.Dropout(settings.input_dropout),
                CoarseLinear(n_features, settings.hidden),
                nn.Hardswish(),
                nn.Dropout(settings.dropout),
                nn.Linear(settings.hidden, n_classes),
            )
            for _ in range(settings.classifiers)
        )

    def forward(self, statistics: Tensor) -> Tensor:
        """Map (N, D) to (N, C) logits; in training to those of each classifier, (N, K, C), as each learns by itself."""
        if self.training:
            return torch.stack([classifier(statistics) for classifier in self.each], dim=1)
        # the mean of their last layers is one layer over what all of them have before it: the embedding
        parts = [cast(nn.Sequential, classifier) for classifier in self.each]
        embedding = torch.cat([part[:-1](statistics) for part in parts], dim=1)
        last = [cast(nn.Linear, part[-1]) for part in parts]
        weight = torch.cat([layer.weight for layer in last], dim=1) / len(last)
        return F.linear(embedding, weight, torch.stack([layer.bias for layer in last]).mean(dim=0))


class WhisperVoice(nn.Module):
    """Whisper's log-mel, the first layers of its encoder as they are, and the mean and deviation over time of some of
    them into small classifiers.

    The first layers keep how something is spoken, which the later ones, trained to write down what is spoken, lose.
    """

    inputs: ClassVar[tuple[str, ...]] = ("samples",)
    feature_kind: ClassVar[FeatureKind] = "whisper-mel"
    description: ClassVar[str] = (
        "Whisper's log-mel, the first layers of its encoder, statistics pooled from some of them."
    )

    def __init__(self, settings: WhisperVoiceSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.frontend = WhisperLogMel()
        self.backbone = WhisperEncoder(settings.width, settings.heads, max(settings.taps), settings.rank, settings.pool)
        if weights is not None and not settings.rank:  # else `narrowing` makes them of these
            load_whisper(self.backbone, weights)
        self.backbone.requires_grad_(False)
        self.taps = sorted(set(settings.taps))
        self.n_features = 2 * settings.width * len(self.taps)
        self.head = nn.Sequential(Classifiers(self.n_features, settings, n_classes))

    @property
    def frozen_blocks(self) -> int:
        """How many layers stay as they were pretrained: all."""
        return len(self.backbone.layers)

    @property
    def frozen_part(self) -> str:
        """What the statistics depend on, beside the encoder's weights."""
        return f"whisper {self.settings.of_encoder}"

    def forward(self, samples: Tensor) -> Tensor:
        """Score speech. samples: (N, T) float32 in [-1, 1] at 16 kHz, T of 0.25 s or more. Returns (N, C) logits."""
        return self.classify(self.frontend(samples))

    def classify(self, log_mel: Tensor) -> Tensor:
        """Score log-mels (N, 80, T) that the front end made. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(log_mel)))

    def embed(self, log_mel: Tensor) -> Tensor:
        """Map (N, 80, T) to (N, D): for each tap and channel, the mean and the deviation over time, in which frames
        much fainter than the loudest do not count."""
        return self.activate(log_mel)[0]

    def activate(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Run the encoder over (N, 80, T). Returns the statistics of its layers, (N, D), and nothing beside, (N, 0):
        they are pooled already."""
        statistics = self.hear(log_mel)[1]
        return statistics, statistics[:, :0]

    def hear(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the encoder over (N, 80, T). Returns what its tapped layers make, (N, K, width, T'), their statistics,
        (N, D), and how much each frame counts, (N, 1, T')."""
        below = 4 * (LOUDEST - log_mel.amax(dim=1, keepdim=True))
        weights = ((QUIET - below) / (QUIET - LOUD)).clamp(0, 1) + 1e-3
        weights = self.backbone.pooled(F.avg_pool1d(weights, 2, ceil_mode=True))  # ceil: as the convolution rounds
        made = self.backbone(log_mel)
        frames = torch.stack([made[tap - 1].transpose(1, 2) for tap in self.taps], dim=1)
        return frames, torch.cat([mean_and_deviation(made_by, weights) for made_by in frames.unbind(1)], dim=1), weights

    def embed_activations(self, statistics: Tensor, weights: Tensor) -> Tensor:
        """Return the (N, D) that `activate` made; there is nothing left to do."""
        return statistics


def load_whisper(encoder: WhisperEncoder, path: Path) -> None:
    """Fill an encoder with the weights of a Whisper model in CTranslate2's form. Raises AssetError when `path` is no
    such file, RuntimeError when it is of another size."""
    stored = read_weights(path, "encoder/")
    encoder.load_state_dict(_renamed(stored, len(encoder.layers)))


def _renamed(stored: Mapping[str, np.ndarray[Any, Any]], n_layers: int) -> dict[str, Tensor]:
    names = {f"conv{k}.{what}": f"conv{k}/{what}" for k in (1, 2) for what in ("weight", "bias")}
    dense = {"query_key_value": "self_attention/linear_0", "out": "self_attention/linear_1"}
    dense |= {"up": "ffn/linear_0", "down": "ffn/linear_1"}
    norms = {"attention_norm": "self_attention/layer_norm", "dense_norm": "ffn/layer_norm"}
    for k in range(n_layers):
        for own, theirs in dense.items():
            names |= {f"layers.{k}.{own}.{what}": f"layer_{k}/{theirs}/{what}" for what in ("weight", "bias")}
        for own, theirs in norms.items():
            names[f"layers.{k}.{own}.weight"] = f"layer_{k}/{theirs}/gamma"
            names[f"layers.{k}.{own}.bias"] = f"layer_{k}/{theirs}/beta"
    missing = [theirs for theirs in names.values() if theirs not in stored]
    if missing:
        raise RuntimeError(f"no weight called encoder/{missing[0]}")
    return {own: torch.from_numpy(stored[theirs].astype(np.float32)) for own, theirs in names.items()}
