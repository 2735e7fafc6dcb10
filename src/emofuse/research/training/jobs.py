"""From a recipe to a job: its network, its data, its labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from emofuse.assets import find
from emofuse.emotions import FERPLUS, LABEL_SETS, label_map
from emofuse.errors import RecipeError
from emofuse.research.corpora.readers.ferplus import read_ferplus
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.models.audio_video import AudioVideoNet
from emofuse.research.models.frame_lstm_mel import FrameLstmMel
from emofuse.research.models.fusion.base import FeatureNet
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.settings import FaceNetSettings, VoiceNetSettings
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.recipes.data import (
    CorpusSettings,
    FaceDataSettings,
    FeatureDataSettings,
    VideoDataSettings,
    VoiceDataSettings,
)
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe
from emofuse.research.tasks.activations import ActivationBatches, AfterFrozen
from emofuse.research.tasks.augment import augment_faces, speech_augmentation
from emofuse.research.tasks.batches import FaceBatches, one_hot
from emofuse.research.tasks.clip_augment import augment_frames, clip_augmentation
from emofuse.research.tasks.clips import decode_video
from emofuse.research.tasks.faces import read_training_faces
from emofuse.research.tasks.features import FeatureData, decode_features
from emofuse.research.tasks.speech import SpeechData, decode_speech
from emofuse.research.tasks.utterances import Corpora, FusedUtterances, Hook, Utterances, read_corpora
from emofuse.research.training.fit import Job, fill, load_weights
from emofuse.research.training.module import Augment
from emofuse.research.training.networks import assets_of, check_pairing, hears, make_network, start_from


def face_job(recipe: Recipe, data: str | Path, without: Mapping[str, frozenset[str]] | None = None) -> Job:
    """Prepare a training on faces: distributions of the train part of FER+ and of laboratory sets; majority labels of
    FER+'s valid part validate.

    without: people who are left out, by the name of their set. Raises CorpusError where a set is not there, RecipeError
    where the model is no face network or starts from another one's weights.
    """
    settings = recipe.data
    if not isinstance(settings, FaceDataSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {settings.corpus!r} with {recipe.model.name!r}")
    torch.manual_seed(recipe.seed)
    network = make_network(recipe, len(FERPLUS))
    if isinstance(recipe.model, FaceNetSettings) and recipe.model.start:
        start_from(network, Path(recipe.model.start))
    faces = read_training_faces(settings, data, without)
    valid_images, valid_labels = read_ferplus(Path(data) / "ferplus.zip", "Valid").majority()
    parts = (faces.batches.images.numpy(), faces.batches.targets.numpy(), valid_images, valid_labels)
    return Job(
        network=network,
        labels=FERPLUS,
        train=faces.batches,
        valid=FaceBatches(valid_images, one_hot(valid_labels, len(FERPLUS))),
        augment_input=lambda faces, generator: augment_faces(faces, settings, generator),
        augment_features=None,
        monitor="val_accuracy",
        fingerprint=hashlib.sha256(b"".join(a.tobytes() for a in parts)).hexdigest(),
        class_prior=torch.from_numpy(faces.prior).float(),
    )


def utterance_settings(recipe: Recipe) -> CorpusSettings:
    """Return the settings of a recipe's corpora. Raises RecipeError when it is no recipe of utterances."""
    if not isinstance(recipe.data, CorpusSettings):
        raise RecipeError(f"recipe {recipe.name!r} is not of utterances")
    return recipe.data


def load_utterances(recipe: Recipe, data: str | Path | None, hook: Hook | None = None) -> Utterances:
    """Read and decode the corpora of a recipe. hook(step, completed, total) hears of the decoding.

    Raises CorpusError for the first clip that cannot be used, and for a corpus with no usable label: a data set
    never becomes smaller silently.
    """
    return decode_utterances(recipe, read_corpora(utterance_settings(recipe), data), hook)


def decode_utterances(recipe: Recipe, corpora: Corpora, hook: Hook | None = None) -> Utterances:
    """Decode every clip as the recipe's network, or each of its members, wants it.

    Raises RecipeError, before anything is decoded, where a model does not go with its data.
    """
    check_pairing(recipe)
    if isinstance(recipe.model, LateFusionSettings):
        members = tuple(decode_utterances(member, corpora, hook) for member in recipe.members)
        first = members[0]
        return FusedUtterances(settings=first.settings, corpora=corpora, digests=first.digests, members=members)
    if isinstance(recipe.data, VoiceDataSettings):
        return decode_speech(recipe.data, corpora, hook)
    if isinstance(recipe.data, VideoDataSettings):
        return decode_video(recipe.data, corpora, hears(recipe), hook)
    if isinstance(recipe.data, FeatureDataSettings):
        return decode_features(recipe.data, corpora)
    raise RecipeError(f"recipe {recipe.name!r} is not of utterances")


def utterance_job(recipe: Recipe, data: Utterances, fold: Fold | None, held_out: Sequence[int] = ()) -> Job:
    """Prepare one fold's training, or, without a fold, the training on every clip but those held out, which validate.

    Where no clip validates nothing is selected.

    Weights that a network starts from are fetched where they are not here yet. Raises RecipeError where the network
    does not go with the data, and AssetError where weights cannot be had.
    """
    if fold is not None:
        train, valid = fold.train + data.added_to(fold), fold.valid
    else:
        valid = tuple(held_out)
        train = tuple(i for i in range(len(data.manifest)) if i not in set(valid))
    torch.manual_seed(recipe.seed)
    weights = {name: find(name) for name in assets_of(recipe)}
    dims = data.dims if isinstance(data, FeatureData) else None
    network = make_network(recipe, len(data.labels), weights, dims)
    if isinstance(data, FeatureData):
        data.check_apart(train, valid, fold.test if fold is not None else ())
        assert isinstance(network, FeatureNet)
        for name, (mean, deviation) in data.statistics(train).items():
            network.frontend.fit(name, mean, deviation)
    if isinstance(recipe.model, VoiceNetSettings) and recipe.model.start is not None:
        go_on_from(Path(recipe.model.start), network, recipe)
    augment_input, augment_features = augmentation(recipe, network)
    if isinstance(data, SpeechData) and data.settings.versions:
        return frozen_job(recipe, data, network, train, valid)
    shares = data.draw_weights(train)
    drawn = data.balanced(train) if shares is None else train
    return Job(
        network=network,
        labels=data.labels,
        train=data.training(train),
        valid=data.batches(valid) if valid else None,
        augment_input=augment_input,
        augment_features=augment_features,
        monitor="val_uar",
        fingerprint=data.fingerprint(train, valid),
        class_weights=loss_weights(recipe.train.class_weights, data.targets(data.balanced(train))),
        class_prior=class_prior(data.targets(drawn), shares),
    )


def go_on_from(checkpoint: Path, network: nn.Module, recipe: Recipe) -> None:
    """Give a network the weights of an earlier training; where that had other labels, each row of the last layer is the
    mean of those that its label stands for, or as it was where there is none.

    Raises UsageError when the file is missing, or holds the weights of another network.
    """
    weights, _, labels = load_weights(checkpoint)
    wanted = LABEL_SETS[utterance_settings(recipe).labels]
    if labels != wanted:
        table = label_map(utterance_settings(recipe).labels)
        own = network.state_dict()
        last = [name for name in own if name.startswith("head.")][-2:]  # weight and bias
        for name in last:
            for row, label in enumerate(wanted):
                stands_for = [i for i, old in enumerate(labels) if table[old] == label]
                if stands_for:
                    own[name][row] = weights[name][stands_for].mean(dim=0)
            weights[name] = own[name]
    fill(network, weights, checkpoint)


def frozen_job(
    recipe: Recipe, data: SpeechData, network: BuiltNetwork, train: Sequence[int], valid: Sequence[int]
) -> Job:
    """Prepare the training of what comes after a network's frozen blocks, on what these make of each clip.

    Raises RecipeError for a network without frozen blocks.
    """
    if not isinstance(network, VoiceNet | WhisperVoice) or not network.frozen_blocks:
        raise RecipeError(f"recipe {recipe.name!r}: data.versions goes with model.frozen_blocks", "set both or neither")
    assert isinstance(recipe.data, VoiceDataSettings)
    activations = data.activations(network, speech_augmentation(recipe.data, network.feature_kind), recipe.seed)
    weights = data.draw_weights(train)
    chosen = data.balanced(train) if weights is None else list(train)
    return Job(
        network=AfterFrozen(network),
        labels=data.labels,
        train=ActivationBatches(activations, chosen, data.targets(chosen), weights),
        valid=data.batches(valid) if valid else None,
        augment_input=lambda activations, generator: activations,
        augment_features=None,
        monitor="val_uar",
        fingerprint=data.fingerprint(train, valid),
        class_weights=loss_weights(recipe.train.class_weights, data.targets(chosen)),
        class_prior=class_prior(data.targets(chosen), weights),
    )


def augmentation(recipe: Recipe, network: BuiltNetwork) -> tuple[Augment, Augment | None]:
    """Choose what is done to a network's inputs, and then to what its front end makes of them."""
    data = recipe.data
    if isinstance(data, VoiceDataSettings):
        return speech_augmentation(data, network.feature_kind)
    if isinstance(data, FeatureDataSettings):
        return lambda features, generator: features, None
    assert isinstance(data, VideoDataSettings)
    if not isinstance(network, AudioVideoNet | FrameLstmMel):
        return lambda frames, generator: augment_frames(frames, data, generator), None
    return clip_augmentation(data, network.sound_kind)


def loss_weights(choice: str, targets: NDArray[np.float32]) -> torch.Tensor | None:
    """Return what TrainSettings.class_weights says each class of (N, C) targets is to count: (C,), None: all alike."""
    if choice == "none":
        return None
    weights = balanced_weights(targets)
    return weights.sqrt() if choice == "root" else weights


def class_prior(targets: NDArray[np.float32], weights: NDArray[np.float64] | None) -> torch.Tensor:
    """Return (C,) the share of each class among (N, C) targets that are drawn by weights (N,); None: all alike."""
    return torch.from_numpy(np.average(targets, axis=0, weights=weights).astype(np.float32))


def balanced_weights(targets: NDArray[np.float32]) -> torch.Tensor:
    """Return (C,) weights that make every class of (N, C) targets count alike in the loss: N / (C n_c), as
    scikit-learn's "balanced"."""
    counts = torch.from_numpy(targets.sum(axis=0))
    return len(targets) / (len(counts) * counts.clamp(min=1))
