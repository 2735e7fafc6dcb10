"""What a network's card says, from its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from emofuse import __version__
from emofuse.card import DataSource, InputSpec, ModelCard, Score
from emofuse.errors import BundleError, CorpusError, UsageError
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.registry import CORPORA, FACES, PORTRAITS, TEXTS, corpus_of, get_corpus, read_corpus
from emofuse.research.feature_sets.store import find_feature_set
from emofuse.research.models.face_sequence import SHIPPED
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.models.fusion.base import FeatureNet
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.settings import AudioVideoSettings, FaceNetSettings, FaceSequenceSettings
from emofuse.research.recipes.data import (
    CorpusSettings,
    FeatureDataSettings,
    TextDataSettings,
    VideoDataSettings,
    VoiceDataSettings,
)
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.networks import assets_of, hears

_TORCHVISION: Final = "BSD-3-Clause (torchvision); the pictures have their owners' licences"
PRETRAINING: Final = {
    "mn04_as": DataSource(name="AudioSet, by EfficientAT mn04", licence="MIT (weights)", part="pretraining"),
    "whisper_base": DataSource(
        name="680,000 hours of speech with their words, by OpenAI's Whisper base",
        licence="MIT (weights)",
        part="pretraining",
    ),
    "resnet18": DataSource(name="ImageNet, by torchvision's ResNet-18", licence=_TORCHVISION, part="pretraining"),
    "resnet50": DataSource(name="ImageNet, by torchvision's ResNet-50", licence=_TORCHVISION, part="pretraining"),
    "r3d_18": DataSource(name="Kinetics-400, by torchvision's R3D-18", licence=_TORCHVISION, part="pretraining"),
    "mvit_v2_s": DataSource(name="Kinetics-400, by torchvision's MViTv2-S", licence=_TORCHVISION, part="pretraining"),
}
"""By the asset's name."""


def model_card(
    network: BuiltNetwork, recipe: Recipe, labels: tuple[str, ...], scores: Sequence[Score] = ()
) -> ModelCard:
    """Write the card of a network that was trained by a recipe."""
    began = _began_with(recipe)
    start = f"weights of {' and '.join(source.name for source in began)}" if began else "random weights"
    facts = _facts(network, recipe)
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
    if isinstance(part, FaceNetSettings) and part.start:
        return (_network_of(Path(part.start)),)
    if isinstance(part, FaceSequenceSettings) and part.pretrained:
        return (_network_of(SHIPPED), *fetched)
    return fetched


def _network_of(path: Path) -> DataSource:
    """Describe the network that a training started from."""
    try:
        card = OnnxNetwork(path).card
    except BundleError:  # it has gone since the training, or is yet to come
        return DataSource(name=f"the network {path.as_posix()}", licence="as its card says", part="pretraining")
    own = [source for source in card.data if source.part != "pretraining"]
    names = ", ".join(source.name for source in own)
    licences = "; ".join(dict.fromkeys(source.licence for source in own))
    return DataSource(name=f"{names}, by the network {card.name}", licence=licences, part="pretraining")


def _facts(network: BuiltNetwork, recipe: Recipe) -> dict[str, Any]:
    settings = recipe.data
    if isinstance(settings, TextDataSettings):
        sources = _data(*(TEXTS[name] for name in settings.train_on))
        return {"modality": "text", "input": InputSpec(kind="text")} | sources
    if isinstance(settings, FeatureDataSettings):
        assert isinstance(network, FeatureNet)
        spec = InputSpec(kind="embeddings", dims=network.frontend.dims)
        return {"modality": "fusion", "input": spec} | {"data": tuple(map(_feature_set, settings.train_on))}
    if not isinstance(settings, CorpusSettings):
        sets: tuple[Corpus[Any], ...] = (replace(FACES["ferplus"], part="FER2013Train"), *PORTRAITS.values())
        used = [one for one in sets if one.name in settings.train_on]
        if settings.original_share and used[0].name == "ferplus":
            used[0] = replace(used[0], title="FER+, and the labels of FER2013")
        return {"modality": "face", "input": InputSpec(kind="face", size_px=48)} | _data(*used)
    facts = _data(*map(_corpus, settings.train_on))
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


def _feature_set(name: str) -> DataSource:
    """Describe a feature set by the licences of its utterances."""
    try:
        licences = dict.fromkeys(clip.licence for clip in find_feature_set(name, None).manifest if clip.licence)
    except (CorpusError, UsageError):  # it has gone since the training, or was in the data folder
        licences = {}
    return DataSource(name=f"the feature set {Path(name).name}", licence="; ".join(licences) or "as its table says")


def _corpus(name: str) -> Corpus[Manifest]:
    """Return a corpus of a recipe: one of a reader, or what a manifest's file is of."""
    if not name.lower().endswith(".csv"):
        return get_corpus(name)
    try:
        return corpus_of(read_corpus("csv", name))
    except CorpusError:  # it has gone since the training
        return replace(CORPORA["csv"], title=Path(name).stem)


def _data(*corpora: Corpus[Any]) -> dict[str, Any]:
    """Return what a card tells of the corpora that were trained on: names, licences and cautions."""
    return {
        "data": tuple(DataSource(name=c.title, licence=c.licence, part=c.part) for c in corpora),
        "cautions": tuple(dict.fromkeys(caution for c in corpora for caution in c.all_cautions)),
    }
