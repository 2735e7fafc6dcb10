"""The networks: what each is trained on, and how it is made of its settings. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from emofuse.research.models.audio_video import AudioVideoNet
from emofuse.research.models.cnn3d import Cnn3d
from emofuse.research.models.face import FaceNet
from emofuse.research.models.face_mobilenet_v2 import FaceMobileNetV2
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
from emofuse.research.models.minilm import MiniLm
from emofuse.research.models.settings import (
    AnyFaceNetSettings,
    AudioVideoSettings,
    ClipNetSettings,
    Cnn3dSettings,
    FaceMobileNetV2Settings,
    FaceNetSettings,
    FaceSequenceSettings,
    FrameLstmMelSettings,
    ImportedNetSettings,
    MelCnnSettings,
    MfccCnnSettings,
    MiniLmSettings,
    ModelSettings,
    MvitSettings,
    R3dSettings,
    ResnetLstmSettings,
    ResnetTransformerSettings,
    SpeechNetSettings,
    TextNetSettings,
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
    FaceNet
    | FaceMobileNetV2
    | SpeechNetwork
    | VideoNetwork
    | FrameLstmMel
    | AudioVideoNet
    | FeatureNetwork
    | TextNet
    | MiniLm
    | ImportedNet
)
NetworkSettings: TypeAlias = (
    AnyFaceNetSettings
    | SpeechNetSettings
    | ClipNetSettings
    | FeatureNetSettings
    | TextNetSettings
    | MiniLmSettings
    | ImportedNetSettings
)
Weights: TypeAlias = Mapping[str, Path]  # files of assets, by the assets' names


@dataclass(frozen=True, slots=True)
class Given:
    """What a network is made with, beside its settings.

    Attributes:
        n_classes: How many labels there are.
        weights: Files by the names of the settings' `assets` and `own_files`; what has none starts from random weights.
        margin: By which the frames are cropped wider than a face, as in VideoDataSettings.
        layout: What a network over features is given; it needs one.
        takes: The input of a network of one's own.

    Example:
        >>> Given(n_classes=7).weights
        {}
    """

    n_classes: int
    weights: Weights = field(default_factory=dict)
    margin: float = MARGIN
    layout: FeatureLayout | None = None
    takes: str = "samples"

    def file(self, settings: ModelSettings) -> Path | None:
        """Return the file of a network's own weights.

        Args:
            settings: Of the network.

        Returns:
            The file, or None where it starts from random weights.
        """
        names = (*settings.assets, *settings.own_files)
        return next((self.weights[name] for name in names if name in self.weights), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A network in the registry.

    Attributes:
        settings: The class of its settings, whose `name` recipes call it by.
        data: The kinds of data, as `data.corpus` calls them, that it can be trained on.
        make: Makes it of its settings and of what else it is given.

    Example:
        >>> entry = Entry(MelCnnSettings, ("speech",), lambda settings, given: MelCnn(settings, given.n_classes))
        >>> entry.make(MelCnnSettings(), Given(n_classes=7)).description
        'Log-mel, a residual network, pooled statistics.'
    """

    settings: type[ModelSettings]
    data: tuple[str, ...]
    make: Callable[[Any, Given], BuiltNetwork]


def _plain(network: Callable[[Any, int], BuiltNetwork]) -> Callable[[Any, Given], BuiltNetwork]:
    return lambda settings, given: network(settings, given.n_classes)


def _pretrained(network: Callable[[Any, int, Path | None], BuiltNetwork]) -> Callable[[Any, Given], BuiltNetwork]:
    return lambda settings, given: network(settings, given.n_classes, given.file(settings))


def _over_features(network: Callable[[Any, FeatureLayout, int], BuiltNetwork]) -> Callable[[Any, Given], BuiltNetwork]:
    def make(settings: Any, given: Given) -> BuiltNetwork:
        assert given.layout is not None  # of the data, or of the weights
        return network(settings, given.layout, given.n_classes)

    return make


def _audio_video(settings: AudioVideoSettings, given: Given) -> BuiltNetwork:
    parts: Any = {"video": _make(settings.video, given), "audio": _make(settings.audio, given)}
    return AudioVideoNet(settings, parts, given.n_classes)


NETWORKS: Final = (
    Entry(FaceNetSettings, ("ferplus",), _plain(FaceNet)),
    Entry(FaceMobileNetV2Settings, ("ferplus",), _pretrained(FaceMobileNetV2)),
    Entry(MfccCnnSettings, ("speech",), _plain(MfccCnn)),
    Entry(WaveCnnSettings, ("speech",), _plain(WaveCnn)),
    Entry(MelCnnSettings, ("speech",), _plain(MelCnn)),
    Entry(VoiceNetSettings, ("speech",), _pretrained(VoiceNet)),
    Entry(WhisperVoiceSettings, ("speech",), _pretrained(WhisperVoice)),
    Entry(Cnn3dSettings, ("video",), _plain(Cnn3d)),
    Entry(ResnetLstmSettings, ("video",), _pretrained(ResnetLstm)),
    Entry(ResnetTransformerSettings, ("video",), _pretrained(ResnetTransformer)),
    Entry(R3dSettings, ("video",), _pretrained(R3d)),
    Entry(MvitSettings, ("video",), _pretrained(Mvit)),
    Entry(FaceSequenceSettings, ("video",), lambda s, given: FaceSequence(s, given.n_classes, given.margin)),
    Entry(FrameLstmMelSettings, ("video",), _pretrained(FrameLstmMel)),
    Entry(AudioVideoSettings, ("video",), _audio_video),
    Entry(UnimodalSettings, ("features",), _over_features(UnimodalNet)),
    Entry(EarlyFusionSettings, ("features",), _over_features(EarlyFusion)),
    Entry(GatedFusionSettings, ("features",), _over_features(GatedFusionNet)),
    Entry(AttentionFusionSettings, ("features",), _over_features(AttentionFusion)),
    Entry(TemporalFusionSettings, ("features",), _over_features(TemporalFusion)),
    Entry(UnifiedSettings, ("features",), _over_features(UnifiedTransformer)),
    Entry(TextNetSettings, ("text",), _plain(TextNet)),
    Entry(MiniLmSettings, ("text",), _plain(MiniLm)),
    Entry(
        ImportedNetSettings,
        ("ferplus", "speech", "video"),
        lambda s, given: imported_network(s, given.n_classes, given.takes),
    ),
)
"""Every network that a recipe can name."""

_BY_SETTINGS: Final = {entry.settings: entry for entry in NETWORKS}


def goes_with(settings: ModelSettings, data: str) -> bool:
    """Tell whether a network can be trained on a kind of data.

    Args:
        settings: Of the network.
        data: The kind, as `data.corpus` of a recipe calls it.

    Returns:
        Whether it can.

    Example:
        >>> goes_with(MelCnnSettings(), "speech"), goes_with(MelCnnSettings(), "video")
        (True, False)
    """
    entry = _BY_SETTINGS.get(type(settings))
    return entry is not None and data in entry.data


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

    Args:
        settings: Of the network.
        n_classes: How many labels there are.
        weights: Files by the names of the settings' `assets`; what has none starts from random weights.
        margin: See `Given`.
        layout: See `Given`.
        takes: See `Given`.

    Returns:
        The network.

    Raises:
        RecipeError: Settings contradict each other or the layout.

    Example:
        >>> import torch
        >>> build(MelCnnSettings(), n_classes=7)(torch.zeros(2, 16_000)).shape
        torch.Size([2, 7])
    """
    return _make(settings, Given(n_classes, weights or {}, margin, layout, takes))


def _make(settings: NetworkSettings, given: Given) -> BuiltNetwork:
    return _BY_SETTINGS[type(settings)].make(settings, given)
