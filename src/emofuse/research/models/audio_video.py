"""Video and voice networks put together: encoders, a fusion, a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, Protocol, TypeAlias, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.fusion.merge import ConcatFusion, GatedFusion
from emofuse.research.models.settings import AudioVideoSettings

Modality: TypeAlias = Literal["video", "audio"]
MODALITIES: Final[tuple[Modality, ...]] = ("video", "audio")  # as the columns of `present`
Features: TypeAlias = tuple[Tensor, Tensor, Tensor]  # of the frames, of the samples, and `present`


class Encoder(Protocol):
    """What a video or voice network is used for here."""

    feature_kind: ClassVar[FeatureKind]
    head: nn.Sequential
    n_features: int

    @property
    def frontend(self) -> nn.Module:
        """Makes features of frames or samples."""
        ...

    def embed(self, features: Tensor, /) -> Tensor:
        """Map what the front end made to (N, D)."""
        ...


class BothFrontends(nn.Module):
    """The front ends of frames and of samples, side by side."""

    def __init__(self, video: nn.Module, audio: nn.Module) -> None:
        super().__init__()
        self.video = video
        self.audio = audio

    def forward(self, frames: Tensor, samples: Tensor, present: Tensor) -> Features:
        """Make features of frames and of samples; `present` goes through."""
        return self.video(frames), self.audio(samples), present


class AudioVideoNet(nn.Module):
    """A clip's frames and samples in, logits out; one of the two may be absent.

    encoders: a video and a voice network, which lose their own classifiers here.
    """

    inputs: ClassVar[tuple[str, ...]] = ("frames", "samples", "present")
    feature_kind: ClassVar[FeatureKind] = "frames+samples"
    description: ClassVar[str] = "A video and a voice network with a merging layer."

    def __init__(self, settings: AudioVideoSettings, encoders: Mapping[Modality, Encoder], n_classes: int) -> None:
        super().__init__()
        self.frontend = BothFrontends(encoders["video"].frontend, encoders["audio"].frontend)
        self.sound_kind: FeatureKind = encoders["audio"].feature_kind
        projections: dict[str, nn.Module] = {}
        for modality in MODALITIES:
            encoder = encoders[modality]
            encoder.head = nn.Sequential()
            projections[modality] = nn.Sequential(
                nn.BatchNorm1d(encoder.n_features),
                nn.Dropout(settings.dropout),
                nn.Linear(encoder.n_features, settings.width),
                nn.ReLU(),
            )
        self.encoders = nn.ModuleDict({modality: cast(nn.Module, encoders[modality]) for modality in MODALITIES})
        self.projections = nn.ModuleDict(projections)
        kind = GatedFusion if settings.fusion == "gated" else ConcatFusion
        self.fusion = kind(len(MODALITIES), settings.width)
        self.modality_dropout = settings.modality_dropout
        self.n_features = self.fusion.n_features
        self.head = nn.Sequential(
            nn.Linear(self.n_features, settings.hidden),
            nn.ReLU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, n_classes),
        )

    def forward(self, frames: Tensor, samples: Tensor, present: Tensor) -> Tensor:
        """Score clips. Returns (N, C) logits.

        frames: (N, T, H, W, 3) uint8 RGB face crops. samples: (N, L) float32 in [-1, 1] at 16 kHz. present: (N, 2)
        float32, 1 or 0: whether there are frames, and whether there are samples; those that are absent may be anything.
        """
        return self.classify(self.frontend(frames, samples, present))

    def classify(self, features: Features) -> Tensor:
        """Score what the front end made. Returns (N, C) logits."""
        return cast(Tensor, self.head(self.embed(features)))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D): both embeddings, merged."""
        *each, present = features
        if self.training:
            present = drop_one_modality(present, self.modality_dropout)
        merged = [
            self.projections[modality](cast(Encoder, self.encoders[modality]).embed(x))
            for modality, x in zip(MODALITIES, each, strict=True)
        ]
        return cast(Tensor, self.fusion(torch.stack(merged, dim=1), present))


def drop_one_modality(present: Tensor, probability: float) -> Tensor:
    """Take one of two modalities away, at random, from rows of `present` (N, 2) that have both; never both."""
    is_chosen = torch.rand(len(present), 1, device=present.device) < probability
    side = torch.randint(0, 2, (len(present), 1), device=present.device)
    is_taken = is_chosen & (present > 0.5).all(dim=1, keepdim=True) & (torch.arange(2, device=present.device) == side)
    return present.masked_fill(is_taken, 0.0)
