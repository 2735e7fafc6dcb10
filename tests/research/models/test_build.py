"""Which network each of the settings makes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import ResNet18_Weights, ResNet50_Weights, resnet18
from torchvision.models.video import MViT_V2_S_Weights, R3D_18_Weights

from emofuse.assets import ASSETS
from emofuse.research.models.audio_video import AudioVideoNet
from emofuse.research.models.cnn3d import Cnn3d
from emofuse.research.models.face import FaceNet
from emofuse.research.models.face_mobilenet_v2 import FaceMobileNetV2
from emofuse.research.models.face_sequence import FaceSequence
from emofuse.research.models.frame_lstm_mel import FrameLstmMel
from emofuse.research.models.frame_sequence import ResnetLstm, ResnetTransformer
from emofuse.research.models.mel_cnn import MelCnn
from emofuse.research.models.mfcc_cnn import MfccCnn
from emofuse.research.models.registry import build
from emofuse.research.models.settings import (
    AudioVideoSettings,
    ClipNetSettings,
    Cnn3dSettings,
    FaceMobileNetV2Settings,
    FaceNetSettings,
    FaceSequenceSettings,
    FrameLstmMelSettings,
    MelCnnSettings,
    MfccCnnSettings,
    MvitSettings,
    R3dSettings,
    ResnetLstmSettings,
    ResnetTransformerSettings,
    SpeechNetSettings,
    VoiceNetSettings,
    WaveCnnSettings,
    WhisperVoiceSettings,
)
from emofuse.research.models.torchvision_clips import Mvit, R3d
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.models.wave_cnn import WaveCnn

PAIRS = [
    (FaceNetSettings(), FaceNet, "face"),
    (FaceMobileNetV2Settings(), FaceMobileNetV2, "face"),
    (MfccCnnSettings(), MfccCnn, "cepstra"),
    (WaveCnnSettings(), WaveCnn, "samples"),
    (MelCnnSettings(), MelCnn, "log-mel"),
    (VoiceNetSettings(pretrained="mn04_as", hidden=8), VoiceNet, "log-mel"),  # its weights come from a checkpoint
    (WhisperVoiceSettings(width=64), WhisperVoice, "whisper-mel"),
    (Cnn3dSettings(), Cnn3d, "frames"),
    (ResnetLstmSettings(), ResnetLstm, "frames"),
    (ResnetTransformerSettings(), ResnetTransformer, "frames"),
    (R3dSettings(), R3d, "frames"),
    (MvitSettings(), Mvit, "frames"),
    (FaceSequenceSettings(), FaceSequence, "frames"),
    (FrameLstmMelSettings(), FrameLstmMel, "frames+samples"),
    (AudioVideoSettings(video=Cnn3dSettings(), audio=MfccCnnSettings()), AudioVideoNet, "frames+samples"),
]


@pytest.mark.parametrize(("settings", "network", "kind"), PAIRS)
def test_settings_make_the_network_they_describe(
    settings: FaceNetSettings | SpeechNetSettings | ClipNetSettings, network: type, kind: str
) -> None:
    made = build(settings, 3)
    assert type(made) is network
    assert made.feature_kind == kind
    last = [module for module in made.head.modules() if isinstance(module, nn.Linear)][-1]
    assert last.out_features == 3


@pytest.mark.parametrize("settings", [MfccCnnSettings(), WaveCnnSettings(), MelCnnSettings()])
def test_a_network_that_starts_from_nothing_is_small(settings: SpeechNetSettings) -> None:
    assert 1e5 < sum(p.numel() for p in build(settings, 8).parameters()) < 1.5e6


def test_torchvisions_files_are_those_that_torchvision_names() -> None:
    files = {
        "resnet18": ResNet18_Weights.IMAGENET1K_V1,
        "resnet50": ResNet50_Weights.IMAGENET1K_V2,
        "r3d_18": R3D_18_Weights.KINETICS400_V1,
        "mvit_v2_s": MViT_V2_S_Weights.KINETICS400_V1,
    }
    assert {name: ASSETS[name].url for name in files} == {name: enum.url for name, enum in files.items()}


@pytest.mark.parametrize(
    ("settings", "asset"),
    [
        (FaceNetSettings(), None),
        (FaceMobileNetV2Settings(published="facex.whl"), None),  # no asset, but a file of one's own
        (MfccCnnSettings(), None),
        (VoiceNetSettings(), "mn04_as"),
        (VoiceNetSettings(pretrained=None), None),
        (WhisperVoiceSettings(), "whisper_base"),
        (Cnn3dSettings(), None),
        (ResnetLstmSettings(), "resnet50"),
        (ResnetLstmSettings(pretrained=False), None),
        (ResnetTransformerSettings(resnet="resnet18"), "resnet18"),
        (R3dSettings(), "r3d_18"),
        (R3dSettings(pretrained=False), None),
        (MvitSettings(), "mvit_v2_s"),
        (MvitSettings(size="tiny"), None),
        (FaceSequenceSettings(), None),  # what it starts from ships
        (FrameLstmMelSettings(), "resnet18"),
    ],
)
def test_settings_name_the_weights_that_they_want(settings: SpeechNetSettings, asset: str | None) -> None:
    assert settings.assets == (() if asset is None else (asset,))
    assert asset is None or asset in ASSETS


def test_each_encoder_starts_from_its_own_weights(tmp_path: Path) -> None:
    settings = AudioVideoSettings(video=ResnetLstmSettings(resnet="resnet18", hidden=8), audio=VoiceNetSettings())
    assert settings.assets == ("resnet18", "mn04_as")
    state = {name: torch.rand_like(value) for name, value in resnet18().state_dict().items() if value.ndim}
    torch.save({**resnet18().state_dict(), **state}, tmp_path / "resnet18.pth")
    network = build(settings, 4, {"resnet18": tmp_path / "resnet18.pth"})
    loaded = network.encoders["video"].backbone.state_dict()
    assert torch.equal(loaded["blocks.0.0.weight"], state["conv1.weight"])
    assert torch.equal(loaded["blocks.8.conv2.weight"], state["layer4.1.conv2.weight"])
