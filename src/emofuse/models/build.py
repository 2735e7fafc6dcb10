"""From the settings of a network to the network."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from emofuse.config import FaceNetSettings, MelCnnSettings, MfccCnnSettings, SpeechNetSettings, WaveCnnSettings
from emofuse.models.face import FaceNet
from emofuse.models.mel_cnn import MelCnn
from emofuse.models.mfcc_cnn import MfccCnn
from emofuse.models.voice import VoiceNet
from emofuse.models.wave_cnn import WaveCnn

BuiltNetwork: TypeAlias = FaceNet | MfccCnn | WaveCnn | MelCnn | VoiceNet


def build(settings: FaceNetSettings | SpeechNetSettings, n_classes: int, weights: Path | None = None) -> BuiltNetwork:
    """Make the network that settings describe. weights: the file of the asset that `pretrained` names; without it
    the network starts from random weights, as do those that have no such setting."""
    if isinstance(settings, FaceNetSettings):
        return FaceNet(settings, n_classes)
    if isinstance(settings, MfccCnnSettings):
        return MfccCnn(settings, n_classes)
    if isinstance(settings, WaveCnnSettings):
        return WaveCnn(settings, n_classes)
    if isinstance(settings, MelCnnSettings):
        return MelCnn(settings, n_classes)
    return VoiceNet(settings, n_classes, weights)
