"""From a recipe to a job: its network, its data, its labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emofuse.assets import find
from emofuse.config import FaceDataSettings, FaceNetSettings, Recipe, VoiceDataSettings, VoiceNetSettings
from emofuse.corpora.emodb import read_emodb
from emofuse.corpora.ferplus import read_ferplus
from emofuse.corpora.manifest import Clip, Manifest, read_samples
from emofuse.corpora.ravdess import read_ravdess_speech
from emofuse.corpora.splits import Fold
from emofuse.emotions import FERPLUS, RAVDESS
from emofuse.errors import RecipeError
from emofuse.models.face import FaceNet
from emofuse.models.frontends import RATE_HZ
from emofuse.models.voice import VoiceNet
from emofuse.training.augment import augment_faces, augment_log_mel, augment_speech
from emofuse.training.dataset import FaceBatches, VoiceBatches, one_hot
from emofuse.training.fit import Job

EMODB_TO_RAVDESS = {
    "neutral": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgust": "disgust",
}
"""EMO-DB's labels among RAVDESS's; boredom has no counterpart and is left out."""


def face_job(recipe: Recipe, data: str | Path) -> Job:
    """Prepare the FER+ training: label distributions of the train part, majority labels of the valid part."""
    settings = recipe.data
    if not isinstance(settings, FaceDataSettings) or not isinstance(recipe.model, FaceNetSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {settings.corpus!r} with {recipe.model.name!r}")
    archive = Path(data) / "ferplus.zip"
    images, targets = read_ferplus(archive, "Train").distributions()
    valid_images, valid_labels = read_ferplus(archive, "Valid").majority()
    return Job(
        network=FaceNet(recipe.model, len(FERPLUS)),
        labels=FERPLUS,
        train=FaceBatches(images, targets),
        valid=FaceBatches(valid_images, one_hot(valid_labels, len(FERPLUS))),
        augment_input=lambda faces, generator: augment_faces(faces, settings, generator),
        augment_features=None,
        monitor="val_accuracy",
    )


class SpeechData:
    """The corpora of a voice recipe, decoded once: RAVDESS, whose labels are the network's, and others to add."""

    def __init__(self, settings: VoiceDataSettings, data: str | Path) -> None:
        root = Path(data)
        self.settings = settings
        self.ravdess = read_ravdess_speech(root / "ravdess")
        self.labels = RAVDESS
        self.samples = _decode(self.ravdess.clips)
        self.extra: list[tuple[NDArray[np.int16], str]] = []
        if "emodb" in settings.train_on:
            kept = [clip for clip in read_emodb(root / "emodb") if clip.emotion in EMODB_TO_RAVDESS]
            self.extra = [
                (samples, EMODB_TO_RAVDESS[clip.emotion]) for clip, samples in zip(kept, _decode(kept), strict=True)
            ]

    @property
    def manifest(self) -> Manifest:
        """The clips that folds are made of."""
        return self.ravdess

    def of_speakers(self, speakers: Sequence[str]) -> tuple[list[NDArray[np.int16]], NDArray[np.int64]]:
        """Return the decoded clips of these speakers and their (N,) label indices."""
        chosen = [i for i, clip in enumerate(self.ravdess) if clip.speaker in set(speakers)]
        labels = [self.labels.index(self.ravdess.clips[i].emotion) for i in chosen]
        return [self.samples[i] for i in chosen], np.array(labels, dtype=np.int64)

    def batches(self, speakers: Sequence[str]) -> VoiceBatches:
        """Make the evaluation set of these speakers: several windows a clip."""
        clips, labels = self.of_speakers(speakers)
        window = round(self.settings.window_s * RATE_HZ)
        return VoiceBatches(clips, one_hot(labels, len(self.labels)), window, self.settings.eval_windows)

    def training(self, speakers: Sequence[str], seed: int) -> VoiceBatches:
        """Make the training set of these speakers and of the added corpora: one random window a clip."""
        clips, labels = self.of_speakers(speakers)
        added = np.array([self.labels.index(label) for _, label in self.extra], dtype=np.int64)
        clips = clips + [samples for samples, _ in self.extra]
        labels = np.concatenate([labels, added])
        chosen = repeat_rare(labels) if self.settings.balance else np.arange(len(labels))
        targets = one_hot(labels[chosen], len(self.labels))
        window = round(self.settings.window_s * RATE_HZ)
        return VoiceBatches([clips[i] for i in chosen], targets, window, seed=seed)


def repeat_rare(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return indices into (N,) labels in which each rare class comes a whole number of times, about as often as the
    commonest: RAVDESS has half as many neutral clips as of any other emotion, and UAR counts classes alike."""
    counts = np.bincount(labels)
    times = np.maximum(1, np.round(counts.max() / np.maximum(counts, 1))).astype(np.int64)
    return np.repeat(np.arange(len(labels)), times[labels])


def voice_job(recipe: Recipe, speech: SpeechData, fold: Fold | None) -> Job:
    """Prepare one fold's training, or, without a fold, the training on every speaker, with nothing selected."""
    settings = recipe.data
    if not isinstance(settings, VoiceDataSettings) or not isinstance(recipe.model, VoiceNetSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {settings.corpus!r} with {recipe.model.name!r}")
    train = fold.train if fold is not None else tuple(speech.manifest.speakers)
    weights = find(recipe.model.pretrained) if recipe.model.pretrained else None
    return Job(
        network=VoiceNet(recipe.model, len(speech.labels), weights),
        labels=speech.labels,
        train=speech.training(train, recipe.seed),
        valid=speech.batches(fold.valid) if fold is not None and fold.valid else None,
        augment_input=lambda samples, generator: augment_speech(samples, settings, generator),
        augment_features=lambda log_mel, generator: augment_log_mel(log_mel, settings, generator),
        monitor="val_uar",
    )


def _decode(clips: Sequence[Clip]) -> list[NDArray[np.int16]]:
    return [read_samples(clip, RATE_HZ) for clip in clips]
