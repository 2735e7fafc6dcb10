"""The third reference system's best: an emotion for every frame, from the frame and the sound around it."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.audio_video import BothFrontends, Features, drop_one_modality
from emofuse.research.models.frames import IMAGENET, FrameEmbedding, ScaledFrames
from emofuse.research.models.frontends import HOP, RATE_HZ, AudioSetLogMel, FeatureKind
from emofuse.research.models.layers import ResidualBlock, conv_norm
from emofuse.research.models.settings import FrameLstmMelSettings

WIDTHS: Final = (16, 32, 64)  # channels over log-mels; each halves frequency and time
STRIDE: Final = 2 ** len(WIDTHS)  # log-mels that become one place
N_HEARD: Final = 128  # features of the sound around a frame


class FrameLstmMel(nn.Module):
    """A ResNet's embedding of each frame beside that of the log-mels around it, and a one-way LSTM over both.

    Frames are taken to be spread evenly over the time that the samples cover. Learnt values stand in for frames or
    samples that are absent.
    """

    inputs: ClassVar[tuple[str, ...]] = ("frames", "samples", "present")
    feature_kind: ClassVar[FeatureKind] = "frames+samples"
    sound_kind: ClassVar[FeatureKind] = "log-mel"
    description: ClassVar[str] = "A ResNet over frames and an LSTM, with the log-mels around each frame."

    def __init__(self, settings: FrameLstmMelSettings, n_classes: int, weights: Path | None = None) -> None:
        super().__init__()
        log_mel = AudioSetLogMel("relative")
        self.frontend = BothFrontends(ScaledFrames(IMAGENET), log_mel)
        self.backbone = FrameEmbedding(settings.resnet, settings.gradient_checkpointing, weights)
        stem, *widths = WIDTHS
        layers: list[nn.Module] = [conv_norm(1, stem, stride=2, kernel=5), nn.ReLU(inplace=True)]
        n_in, height = stem, (log_mel.n_mels + 1) // 2
        for n_out in widths:
            layers.append(ResidualBlock(n_in, n_out, stride=2))
            n_in, height = n_out, (height + 1) // 2
        self.ear = nn.Sequential(*layers)
        self.ear_projection = nn.Sequential(nn.Linear(n_in * height, N_HEARD), nn.ReLU())
        self.unseen = nn.Parameter(torch.zeros(self.backbone.n_features))
        self.unheard = nn.Parameter(torch.zeros(N_HEARD))
        self.sound_s = settings.sound_s
        self.modality_dropout = settings.modality_dropout
        self.dropout = nn.Dropout(settings.dropout)
        self.lstm = nn.LSTM(self.backbone.n_features + N_HEARD, settings.hidden, batch_first=True)
        self.n_features = settings.hidden
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(self.n_features, n_classes))

    def forward(self, frames: Tensor, samples: Tensor, present: Tensor) -> Tensor:
        """Score every frame. Returns (N, T, C) logits.

        frames: (N, T, H, W, 3) uint8 RGB face crops. samples: (N, L) float32 in [-1, 1] at 16 kHz. present: (N, 2)
        float32, 1 or 0: whether there are frames, and whether there are samples; those that are absent may be anything.
        """
        return self.classify(self.frontend(frames, samples, present))

    def classify(self, features: Features) -> Tensor:
        """Score what the front end made. Returns (N, T, C) logits."""
        return cast(Tensor, self.head(self.embed(features)))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, T, D): what is known at each frame of it and of those before."""
        frames, log_mel, present = features
        if self.training:
            present = drop_one_modality(present, self.modality_dropout)
        is_seen, is_heard = (present > 0.5).view(-1, 2, 1, 1).unbind(dim=1)
        seen = torch.where(is_seen, self.backbone(frames), self.unseen)
        heard = torch.where(is_heard, self._encode_sound(log_mel, frames.shape[1]), self.unheard)
        states: Tensor = self.lstm(self.dropout(torch.cat([seen, heard], dim=2)))[0]
        return states

    def _encode_sound(self, log_mel: Tensor, n_frames: int) -> Tensor:
        """Map log-mels (N, F, M) to (N, T, D), the sound around each of T frames."""
        x: Tensor = self.ear(log_mel.unsqueeze(1)).flatten(1, 2)
        shares = shares_of_sound(x.shape[2], log_mel.shape[2], n_frames, self.sound_s, x.device)
        return cast(Tensor, self.ear_projection(shares @ x.transpose(1, 2)))


def shares_of_sound(n_places: int, n_mels: int, n_frames: int, sound_s: float, device: torch.device) -> Tensor:
    """Return (T, n_places), rows that sum to 1: what each place, STRIDE log-mels apart, counts for at each frame.

    Frame t is at (t + 0.5) / T of the sound that n_mels log-mels cover; a place counts by how much of it lies within
    sound_s around that.
    """
    reach = sound_s / 2 * RATE_HZ / HOP  # in log-mels, as all that follows
    when = (torch.arange(n_frames, device=device) + 0.5) / n_frames * (n_mels - 0.5)
    places = STRIDE * torch.arange(n_places, device=device)
    inside: Tensor = (reach + STRIDE / 2 - (places - when.unsqueeze(1)).abs()).clamp(0, STRIDE)
    return inside / inside.sum(dim=1, keepdim=True)
