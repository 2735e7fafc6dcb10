"""From the settings of a network to the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from emofuse.research.models.audio_video import AudioVideoNet
from emofuse.research.models.cnn3d import Cnn3d
from emofuse.research.models.face import FaceNet
from emofuse.research.models.face_sequence import MARGIN, FaceSequence
from emofuse.research.models.frame_lstm_mel import FrameLstmMel
from emofuse.research.models.frame_sequence import ResnetLstm, ResnetTransformer
from emofuse.research.models.fusion.attention import AttentionFusion
from emofuse.research.models.fusion.base import FeatureLayout
from emofuse.research.models.fusion.early import EarlyFusion
from emofuse.research.models.fusion.gated import GatedFusionNet
from emofuse.research.models.fusion.settings import (
    AttentionFusionSettings,
    EarlyFusionSettings,
    FeatureNetSettings,
    GatedFusionSettings,
    TemporalFusionSettings,
    UnifiedSettings,
    UnimodalSettings,
)
from emofuse.research.models.fusion.temporal import TemporalFusion
from emofuse.research.models.fusion.unified import UnifiedTransformer
from emofuse.research.models.fusion.unimodal import UnimodalNet
from emofuse.research.models.imported import ImportedNet, imported_network
from emofuse.research.models.mel_cnn import MelCnn
from emofuse.research.models.mfcc_cnn import MfccCnn
from emofuse.research.models.settings import (
    AudioVideoSettings,
    ClipNetSettings,
    Cnn3dSettings,
    FaceNetSettings,
    FaceSequenceSettings,
    FrameLstmMelSettings,
    ImportedNetSettings,
    MelCnnSettings,
    MfccCnnSettings,
    MvitSettings,
    R3dSettings,
    ResnetLstmSettings,
    ResnetTransformerSettings,
    SpeechNetSettings,
    TextNetSettings,
    VideoNetSettings,
    VoiceNetSettings,
    WaveCnnSettings,
    WhisperVoiceSettings,
)
from emofuse.research.models.text import TextNet
from emofuse.research.models.torchvision_clips import Mvit, R3d
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.models.wave_cnn import WaveCnn

SpeechNetwork: TypeAlias = MfccCnn | WaveCnn | MelCnn | VoiceNet | WhisperVoice
VideoNetwork: TypeAlias = Cnn3d | ResnetLstm | ResnetTransformer | R3d | Mvit | FaceSequence
FeatureNetwork: TypeAlias = (
    UnimodalNet | EarlyFusion | GatedFusionNet | AttentionFusion | TemporalFusion | UnifiedTransformer
)
BuiltNetwork: TypeAlias = (
    FaceNet | SpeechNetwork | VideoNetwork | FrameLstmMel | AudioVideoNet | FeatureNetwork | TextNet | ImportedNet
)
NetworkSettings: TypeAlias = (
    FaceNetSettings | SpeechNetSettings | ClipNetSettings | FeatureNetSettings | TextNetSettings | ImportedNetSettings
)
Weights: TypeAlias = Mapping[str, Path]  # files of assets, by the assets' names
_OnePart: TypeAlias = (
    ImportedNetSettings
    | FaceNetSettings
    | SpeechNetSettings
    | VideoNetSettings
    | FrameLstmMelSettings
    | FeatureNetSettings
    | TextNetSettings
)


def pretrained_assets(settings: NetworkSettings) -> tuple[str, ...]:
    """Name the assets that a network starts from, for `assets.find`: none, one, or one of each encoder."""
    if isinstance(settings, AudioVideoSettings):
        return pretrained_assets(settings.video) + pretrained_assets(settings.audio)
    name = _asset(settings)
    return () if name is None else (name,)


def _asset(settings: _OnePart) -> str | None:
    match settings:
        case VoiceNetSettings() | WhisperVoiceSettings():
            return settings.pretrained
        case ResnetLstmSettings(pretrained=True) | ResnetTransformerSettings(pretrained=True):
            return settings.resnet
        case FrameLstmMelSettings(pretrained=True):
            return settings.resnet
        case R3dSettings(pretrained=True):
            return "r3d_18"
        case MvitSettings(pretrained=True, size="small"):
            return "mvit_v2_s"
        case _:
            return None


def build(
    settings: NetworkSettings,
    n_classes: int,
    weights: Weights | None = None,
    *,
    margin: float = MARGIN,
    layout: FeatureLayout | None = None,
    takes: str = "samples",
) -> BuiltNetwork:
    """Make the network that settings describe.

    weights: files by the names that `pretrained_assets` gives; what has none starts from random weights. margin: by
    which the frames are cropped wider than a face, as in VideoDataSettings. layout: what a network over features is
    given; it needs one. takes: the input of a network of one's own. Raises RecipeError for settings that contradict
    each other or the layout.
    """
    match settings:
        case FaceNetSettings():
            return FaceNet(settings, n_classes)
        case TextNetSettings():
            return TextNet(settings, n_classes)
        case ImportedNetSettings():
            return imported_network(settings, n_classes, takes)
        case FrameLstmMelSettings():
            return FrameLstmMel(settings, n_classes, _file(settings, weights))
        case AudioVideoSettings():
            video = _build_video(settings.video, n_classes, _file(settings.video, weights), margin)
            audio = _build_speech(settings.audio, n_classes, _file(settings.audio, weights))
            return AudioVideoNet(settings, {"video": video, "audio": audio}, n_classes)
        case MfccCnnSettings() | WaveCnnSettings() | MelCnnSettings() | VoiceNetSettings() | WhisperVoiceSettings():
            return _build_speech(settings, n_classes, _file(settings, weights))
        case (
            UnimodalSettings()
            | EarlyFusionSettings()
            | GatedFusionSettings()
            | AttentionFusionSettings()
            | TemporalFusionSettings()
            | UnifiedSettings()
        ):
            assert layout is not None  # of the data, or of the weights
            return _build_over_features(settings, layout, n_classes)
        case _:
            return _build_video(settings, n_classes, _file(settings, weights), margin)


def _build_speech(settings: SpeechNetSettings, n_classes: int, weights: Path | None) -> SpeechNetwork:
    match settings:
        case MfccCnnSettings():
            return MfccCnn(settings, n_classes)
        case WaveCnnSettings():
            return WaveCnn(settings, n_classes)
        case MelCnnSettings():
            return MelCnn(settings, n_classes)
        case VoiceNetSettings():
            return VoiceNet(settings, n_classes, weights)
        case WhisperVoiceSettings():
            return WhisperVoice(settings, n_classes, weights)


def _build_video(settings: VideoNetSettings, n_classes: int, weights: Path | None, margin: float) -> VideoNetwork:
    match settings:
        case Cnn3dSettings():
            return Cnn3d(settings, n_classes)
        case ResnetLstmSettings():
            return ResnetLstm(settings, n_classes, weights)
        case ResnetTransformerSettings():
            return ResnetTransformer(settings, n_classes, weights)
        case R3dSettings():
            return R3d(settings, n_classes, weights)
        case MvitSettings():
            return Mvit(settings, n_classes, weights)
        case FaceSequenceSettings():
            return FaceSequence(settings, n_classes, weights, margin)


def _build_over_features(settings: FeatureNetSettings, layout: FeatureLayout, n_classes: int) -> FeatureNetwork:
    match settings:
        case UnimodalSettings():
            return UnimodalNet(settings, layout, n_classes)
        case EarlyFusionSettings():
            return EarlyFusion(settings, layout, n_classes)
        case GatedFusionSettings():
            return GatedFusionNet(settings, layout, n_classes)
        case AttentionFusionSettings():
            return AttentionFusion(settings, layout, n_classes)
        case TemporalFusionSettings():
            return TemporalFusion(settings, layout, n_classes)
        case UnifiedSettings():
            return UnifiedTransformer(settings, layout, n_classes)


def _file(settings: _OnePart, weights: Weights | None) -> Path | None:
    name = _asset(settings)
    return None if name is None or weights is None else weights.get(name)
