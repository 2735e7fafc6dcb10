"""Which network each of the settings makes."""

from __future__ import annotations

import pytest

from emofuse.config import (
    FaceNetSettings,
    MelCnnSettings,
    MfccCnnSettings,
    SpeechNetSettings,
    VoiceNetSettings,
    WaveCnnSettings,
)
from emofuse.models.build import build
from emofuse.models.face import FaceNet
from emofuse.models.mel_cnn import MelCnn
from emofuse.models.mfcc_cnn import MfccCnn
from emofuse.models.voice import VoiceNet
from emofuse.models.wave_cnn import WaveCnn

PAIRS = [
    (FaceNetSettings(), FaceNet, "face"),
    (MfccCnnSettings(), MfccCnn, "cepstra"),
    (WaveCnnSettings(), WaveCnn, "samples"),
    (MelCnnSettings(), MelCnn, "log-mel"),
    (VoiceNetSettings(pretrained="mn04_as", hidden=8), VoiceNet, "log-mel"),  # its weights come from a checkpoint
]


@pytest.mark.parametrize(("settings", "network", "kind"), PAIRS)
def test_settings_make_the_network_they_describe(
    settings: FaceNetSettings | SpeechNetSettings, network: type, kind: str
) -> None:
    made = build(settings, 3)
    assert type(made) is network
    assert made.feature_kind == kind
    assert made.head[-1].out_features == 3


@pytest.mark.parametrize("settings", [MfccCnnSettings(), WaveCnnSettings(), MelCnnSettings()])
def test_a_network_that_starts_from_nothing_is_small(settings: SpeechNetSettings) -> None:
    assert 1e5 < sum(p.numel() for p in build(settings, 8).parameters()) < 1.5e6
