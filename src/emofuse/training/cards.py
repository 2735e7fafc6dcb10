"""What a network's card says, from its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from emofuse import __version__
from emofuse.card import DataSource, InputSpec, ModelCard, Score
from emofuse.config import (
    AudioVideoSettings,
    CorpusSettings,
    FaceSequenceSettings,
    Recipe,
    TextDataSettings,
    VideoDataSettings,
    VoiceDataSettings,
)
from emofuse.corpora import cremad, emodb, ravdess, savee, tess
from emofuse.corpora.manifest import read_manifest
from emofuse.corpora.utterance_names import MELD_LICENCE
from emofuse.errors import CorpusError
from emofuse.models.build import BuiltNetwork
from emofuse.models.frontends import RATE_HZ
from emofuse.training.networks import assets_of, hears

SOURCES: Final = {
    "ravdess": DataSource(name="RAVDESS", licence=ravdess.LICENCE),
    "cremad": DataSource(name="CREMA-D", licence=cremad.LICENCE),
    "emodb": DataSource(name="EMO-DB", licence=emodb.LICENCE),
    "tess": DataSource(name="TESS", licence=tess.LICENCE),
    "savee": DataSource(name="SAVEE", licence=savee.LICENCE),
}
"""By the reader's name, before the first dash."""
FER_PLUS: Final = DataSource(name="FER+", licence="MIT (labels), over web images", part="FER2013Train")
_MELD: Final = DataSource(name="MELD", licence=MELD_LICENCE, part="the words of its train part")
_TORCHVISION: Final = "BSD-3-Clause (torchvision); the pictures have their owners' licences"
PRETRAINING: Final = {
    "mn04_as": DataSource(name="AudioSet, by EfficientAT mn04", licence="MIT (weights)", part="pretraining"),
    "resnet18": DataSource(name="ImageNet, by torchvision's ResNet-18", licence=_TORCHVISION, part="pretraining"),
    "resnet50": DataSource(name="ImageNet, by torchvision's ResNet-50", licence=_TORCHVISION, part="pretraining"),
    "r3d_18": DataSource(name="Kinetics-400, by torchvision's R3D-18", licence=_TORCHVISION, part="pretraining"),
    "mvit_v2_s": DataSource(name="Kinetics-400, by torchvision's MViTv2-S", licence=_TORCHVISION, part="pretraining"),
}
"""By the asset's name."""
ACTED: Final = "The emotions are acted; spontaneous ones are subtler and scores on them will be lower."
SCRIPTED: Final = (
    "It learnt from the lines of one American comedy series alone: it reads English, knows a few thousand words, and "
    "hardly ever finds fear or disgust."
)


def model_card(
    network: BuiltNetwork, recipe: Recipe, labels: tuple[str, ...], scores: Sequence[Score] = ()
) -> ModelCard:
    """Write the card of a network that was trained by a recipe."""
    began = _began_with(recipe)
    start = f"weights of {' and '.join(source.name for source in began)}" if began else "random weights"
    facts = _facts(recipe)
    return ModelCard(
        name=recipe.name,
        version=__version__,
        description=f"{network.description} Trained from {start}.",
        labels=labels,
        n_parameters=sum(p.numel() for p in network.parameters()),
        recipe=recipe.model_dump_json(),
        seed=recipe.seed,
        scores=tuple(scores),
        data=(*facts.pop("data"), *began),
        **facts,
    )


def _began_with(recipe: Recipe) -> tuple[DataSource, ...]:
    """Describe what a network's weights come from that were there before its training."""
    part = recipe.model.video if isinstance(recipe.model, AudioVideoSettings) else recipe.model
    fetched = tuple(PRETRAINING[name] for name in assets_of(recipe))
    if isinstance(part, FaceSequenceSettings) and part.pretrained:
        own = FER_PLUS.model_copy(update={"name": "FER+, by the base bundle's face network", "part": "pretraining"})
        return (own, *fetched)
    return fetched


def _facts(recipe: Recipe) -> dict[str, Any]:
    settings = recipe.data
    if isinstance(settings, TextDataSettings):
        return {"modality": "text", "input": InputSpec(kind="text"), "data": (_MELD,), "cautions": (SCRIPTED,)}
    if not isinstance(settings, CorpusSettings):
        return {
            "modality": "face",
            "input": InputSpec(kind="face", size_px=48),
            "data": (FER_PLUS,),
            "cautions": ("The faces are web photos; FER+ names no subjects, so a person may be in two of its parts.",),
        }
    facts: dict[str, Any] = {"data": tuple(map(_source, settings.train_on)), "cautions": (ACTED,)}
    if isinstance(settings, VoiceDataSettings):
        spec = InputSpec(kind="samples", rate_hz=RATE_HZ, window_s=settings.window_s)
        return facts | {"modality": "voice", "input": spec}
    assert isinstance(settings, VideoDataSettings)
    return facts | {"modality": "clip", "input": _clip_spec(recipe, settings)}


def _clip_spec(recipe: Recipe, settings: VideoDataSettings) -> InputSpec:
    return InputSpec(
        kind="clip",
        size_px=settings.size_px,
        n_frames=settings.n_frames,
        sampling=settings.sampling,
        stride=settings.stride if settings.sampling == "strided" else None,
        frame_rate_hz=settings.rate_hz,
        margin=settings.margin,
        window_s=settings.sound.window_s,
        rate_hz=RATE_HZ if hears(recipe) else None,
        per_frame=recipe.model.name == "frame-lstm-mel",
    )


def _source(name: str) -> DataSource:
    """Describe a corpus of a recipe: one that a reader knows, or a manifest's file, with the licence that it states."""
    if name.lower().endswith(".csv"):
        try:
            licence = read_manifest(name).licence
        except CorpusError:  # it has gone since the training
            licence = ""
        return DataSource(name=Path(name).stem, licence=licence or "as its manifest says")
    corpus, _, part = name.partition("-")
    return SOURCES[corpus].model_copy(update={"part": part})
