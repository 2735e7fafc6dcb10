"""Recipes and settings: the defaults stand here and nowhere else."""

from emofuse.config.base import (
    Settings,
)
from emofuse.config.data import (
    CorpusSettings,
    FaceDataSettings,
    SoundSettings,
    VideoDataSettings,
    VoiceDataSettings,
)
from emofuse.config.networks import (
    AudioVideoSettings,
    ClipNetSettings,
    Cnn3dSettings,
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
    SvmSettings,
    VideoNetSettings,
    VoiceNetSettings,
    WaveCnnSettings,
)
from emofuse.config.recipe import (
    LateFusionSettings,
    Recipe,
    TrainSettings,
    load_recipe,
)

__all__ = [
    "AudioVideoSettings",
    "ClipNetSettings",
    "Cnn3dSettings",
    "CorpusSettings",
    "FaceDataSettings",
    "FaceNetSettings",
    "FaceSequenceSettings",
    "FrameLstmMelSettings",
    "LateFusionSettings",
    "MelCnnSettings",
    "MfccCnnSettings",
    "MvitSettings",
    "R3dSettings",
    "Recipe",
    "ResnetLstmSettings",
    "ResnetTransformerSettings",
    "Settings",
    "SoundSettings",
    "SpeechNetSettings",
    "SvmSettings",
    "TrainSettings",
    "VideoDataSettings",
    "VideoNetSettings",
    "VoiceDataSettings",
    "VoiceNetSettings",
    "WaveCnnSettings",
    "load_recipe",
]
