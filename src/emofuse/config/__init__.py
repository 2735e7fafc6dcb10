"""Recipes and settings: the defaults stand here and nowhere else."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emofuse.config.base import (
        Settings,
    )
    from emofuse.config.data import (
        CorpusSettings,
        FaceDataSettings,
        FeatureDataSettings,
        SoundSettings,
        TextCorpusName,
        TextDataSettings,
        VideoDataSettings,
        VoiceDataSettings,
    )
    from emofuse.config.feature_networks import (
        AttentionFusionSettings,
        EarlyFusionSettings,
        FeatureNetSettings,
        GatedFusionSettings,
        TemporalFusionSettings,
        UnifiedSettings,
        UnimodalSettings,
    )
    from emofuse.config.networks import (
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
        SvmSettings,
        TextNetSettings,
        VideoNetSettings,
        VoiceNetSettings,
        WaveCnnSettings,
        WhisperVoiceSettings,
    )
    from emofuse.config.recipe import (
        LateFusionSettings,
        Recipe,
        TrainSettings,
        load_recipe,
        single_recipes,
    )

__all__ = [
    "AttentionFusionSettings",
    "AudioVideoSettings",
    "ClipNetSettings",
    "Cnn3dSettings",
    "CorpusSettings",
    "EarlyFusionSettings",
    "FaceDataSettings",
    "FaceNetSettings",
    "FaceSequenceSettings",
    "FeatureDataSettings",
    "FeatureNetSettings",
    "FrameLstmMelSettings",
    "GatedFusionSettings",
    "ImportedNetSettings",
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
    "TemporalFusionSettings",
    "TextCorpusName",
    "TextDataSettings",
    "TextNetSettings",
    "TrainSettings",
    "UnifiedSettings",
    "UnimodalSettings",
    "VideoDataSettings",
    "VideoNetSettings",
    "VoiceDataSettings",
    "VoiceNetSettings",
    "WaveCnnSettings",
    "WhisperVoiceSettings",
    "load_recipe",
    "single_recipes",
]

_MODULES = ("base", "data", "feature_networks", "networks", "recipe")


def __getattr__(name: str) -> Any:
    """Import what is public on first use: who analyses needs no recipe, and making their models takes a while."""
    if name in __all__:
        modules = (import_module(f"emofuse.config.{module}") for module in _MODULES)
        return next(getattr(module, name) for module in modules if hasattr(module, name))
    raise AttributeError(f"module 'emofuse.config' has no attribute {name!r}")
