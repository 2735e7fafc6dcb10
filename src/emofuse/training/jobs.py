"""From a recipe to a job: its network, its data, its labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.assets import find
from emofuse.config import FaceDataSettings, FaceNetSettings, Recipe, SvmSettings, VoiceDataSettings, VoiceNetSettings
from emofuse.corpora.cache import FeatureCache
from emofuse.corpora.ferplus import read_ferplus
from emofuse.corpora.manifest import Clip, Manifest, read_manifest
from emofuse.corpora.readers import READERS, read_corpus
from emofuse.corpora.relabel import join, relabel
from emofuse.corpora.samples import read_samples
from emofuse.corpora.splits import Fold
from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError, RecipeError
from emofuse.models.build import build
from emofuse.models.frontends import RATE_HZ
from emofuse.training.augment import augment_faces, speech_augmentation
from emofuse.training.dataset import FaceBatches, VoiceBatches, one_hot, speech_part
from emofuse.training.fit import Job

Hook = Callable[[str, int, int], None]


def face_job(recipe: Recipe, data: str | Path) -> Job:
    """Prepare the FER+ training: label distributions of the train part, majority labels of the valid part."""
    settings = recipe.data
    if not isinstance(settings, FaceDataSettings) or not isinstance(recipe.model, FaceNetSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {settings.corpus!r} with {recipe.model.name!r}")
    archive = Path(data) / "ferplus.zip"
    images, targets = read_ferplus(archive, "Train").distributions()
    valid_images, valid_labels = read_ferplus(archive, "Valid").majority()
    parts = (images, targets, valid_images, valid_labels)
    torch.manual_seed(recipe.seed)
    return Job(
        network=build(recipe.model, len(FERPLUS)),
        labels=FERPLUS,
        train=FaceBatches(images, targets),
        valid=FaceBatches(valid_images, one_hot(valid_labels, len(FERPLUS))),
        augment_input=lambda faces, generator: augment_faces(faces, settings, generator),
        augment_features=None,
        monitor="val_accuracy",
        fingerprint=hashlib.sha256(b"".join(a.tobytes() for a in parts)).hexdigest(),
    )


def find_corpus(name: str, data: str | Path | None) -> Manifest:
    """Read a corpus by its reader's name, from the folder of that name in `data`, or a manifest by its path (.csv).

    Variants of a corpus share its folder: "ravdess-song" is read from `data/ravdess`. Raises CorpusError where
    there is no data folder, UsageError for a name that no reader has.
    """
    if name.lower().endswith(".csv"):
        return read_manifest(Path(name))
    if name in READERS and data is None:
        raise CorpusError(f"no data folder to find {name} in", "give one with --data or EMOFUSE_DATA")
    root = Path(data or ".")
    own = root / name
    return read_corpus(name, own if own.is_dir() else root / name.partition("-")[0])


@dataclass(frozen=True, slots=True, eq=False)
class SpeechData:
    """Utterances under one label set, decoded. samples: (T,) int16 at RATE_HZ for each clip of the manifest.

    n_folded: the first so many clips are those that folds are made of; the others are only ever trained on.
    left_out: clips whose emotion has no counterpart among the labels. digests: a hash of each clip's samples.
    added_name: what the corpora are called that are only trained on, empty where there is none.
    """

    settings: VoiceDataSettings
    manifest: Manifest
    samples: tuple[NDArray[np.int16], ...]
    digests: tuple[str, ...]
    n_folded: int
    label_map: dict[str, str | None]
    left_out: Counter[str]
    added_name: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """The network's classes."""
        return self.manifest.labels

    @property
    def folded(self) -> Manifest:
        """The clips that folds are made of: their indices are those of `manifest` too."""
        name = self.manifest.name.removesuffix(f" + {self.added_name}") if self.added_name else self.manifest.name
        return replace(self.manifest, name=name, clips=self.manifest.clips[: self.n_folded])

    @property
    def added(self) -> tuple[int, ...]:
        """The clips that no fold tests."""
        return tuple(range(self.n_folded, len(self.manifest)))

    def added_to(self, fold: Fold) -> tuple[int, ...]:
        """Return the clips that a fold trains on beside its own: those added, but none whose speaker, or the very
        sound of which, it validates or tests. RAVDESS's actors sing too."""
        held_out = (*fold.valid, *fold.test)
        speakers = {self.manifest.clips[i].speaker for i in held_out}
        sounds = {self.digests[i] for i in held_out}
        return tuple(
            i for i in self.added if self.manifest.clips[i].speaker not in speakers and self.digests[i] not in sounds
        )

    def truth(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return (N,) label indices."""
        return np.array([self.labels.index(self.manifest.clips[i].emotion) for i in indices], dtype=np.int64)

    def batches(self, indices: Sequence[int]) -> VoiceBatches:
        """Make an evaluation set: several windows a clip."""
        targets = one_hot(self.truth(indices), len(self.labels))
        window = round(self.settings.window_s * RATE_HZ)
        return VoiceBatches([self.samples[i] for i in indices], targets, window, self.settings.eval_windows)

    def training(self, indices: Sequence[int]) -> VoiceBatches:
        """Make a training set: one random window a clip, rare emotions repeated where the recipe balances."""
        labels = self.truth(indices)
        chosen = repeat_rare(labels) if self.settings.balance else np.arange(len(labels))
        window = round(self.settings.window_s * RATE_HZ)
        targets = one_hot(labels[chosen], len(self.labels))
        return VoiceBatches([self.samples[indices[i]] for i in chosen], targets, window)

    def fingerprint(self, *parts: Sequence[int]) -> str:
        """Return a hash of the clips of these parts: their sound, labels and order."""
        digest = hashlib.sha256()
        for part in parts:
            for i in part:
                digest.update(f"{self.digests[i]} {self.manifest.clips[i].emotion}\n".encode())
            digest.update(b"--\n")
        return digest.hexdigest()


def load_speech(settings: VoiceDataSettings, data: str | Path | None, hook: Hook | None = None) -> SpeechData:
    """Read, relabel and decode the corpora of a recipe. hook(step, completed, total) hears of the decoding.

    Raises CorpusError for the first clip that cannot be read, and for a corpus with no usable label: a data set
    never becomes smaller silently.
    """
    relabelled = [relabel(find_corpus(name, data), settings.labels) for name in settings.train_on]
    return decode(
        settings,
        join([part.manifest for part in relabelled]),
        n_folded=len(relabelled[0].manifest),
        label_map={old: new for part in relabelled for old, new in part.label_map.items()},
        left_out=sum((part.left_out for part in relabelled), Counter()),
        added_name=" + ".join(part.manifest.name for part in relabelled[1:]),
        hook=hook,
    )


def decode(
    settings: VoiceDataSettings,
    manifest: Manifest,
    n_folded: int,
    label_map: dict[str, str | None],
    left_out: Counter[str],
    added_name: str = "",
    hook: Hook | None = None,
) -> SpeechData:
    """Decode a manifest's clips; decoded once, they come from the cache."""
    cache = FeatureCache()
    samples = []
    for done, clip in enumerate(manifest, start=1):
        samples.append(speech_part(_samples(clip, cache), settings.trim_db))
        if hook is not None:
            hook("reading", done, len(manifest))
    digests = tuple(hashlib.sha256(s.tobytes()).hexdigest() for s in samples)
    return SpeechData(settings, manifest, tuple(samples), digests, n_folded, label_map, left_out, added_name)


def _samples(clip: Clip, cache: FeatureCache) -> NDArray[np.int16]:
    key: dict[str, Any] = {"what": "samples", "rate_hz": RATE_HZ, "start_s": clip.start_s, "end_s": clip.end_s}
    key["decoder"] = av.__version__
    if not clip.path.is_file():
        raise CorpusError(f"{clip.path} is missing", "the manifest names it; prepare it again, or bring the file back")
    return cache.get(clip.path, key, lambda: read_samples(clip, RATE_HZ)).astype(np.int16, copy=False)


def repeat_rare(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return indices into (N,) labels in which each rare class comes a whole number of times, about as often as the
    commonest: RAVDESS has half as many neutral clips as of any other emotion, and UAR counts classes alike."""
    counts = np.bincount(labels)
    times = np.maximum(1, np.round(counts.max() / np.maximum(counts, 1))).astype(np.int64)
    return np.repeat(np.arange(len(labels)), times[labels])


def voice_job(recipe: Recipe, speech: SpeechData, fold: Fold | None) -> Job:
    """Prepare one fold's training, or, without a fold, the training on every clip, with nothing selected."""
    settings = recipe.data
    if not isinstance(settings, VoiceDataSettings) or isinstance(recipe.model, FaceNetSettings | SvmSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {settings.corpus!r} with {recipe.model.name!r}")
    everything = tuple(range(len(speech.manifest)))
    train = fold.train + speech.added_to(fold) if fold is not None else everything
    valid = fold.valid if fold is not None else ()
    name = recipe.model.pretrained if isinstance(recipe.model, VoiceNetSettings) else None
    torch.manual_seed(recipe.seed)
    network = build(recipe.model, len(speech.labels), find(name) if name else None)
    augment_input, augment_features = speech_augmentation(settings, network.feature_kind)
    data = speech.training(train)
    return Job(
        network=network,
        labels=speech.labels,
        train=data,
        valid=speech.batches(valid) if valid else None,
        augment_input=augment_input,
        augment_features=augment_features,
        monitor="val_uar",
        fingerprint=speech.fingerprint(train, valid),
        class_weights=balanced_weights(data) if recipe.train.class_weights == "balanced" else None,
    )


def balanced_weights(data: VoiceBatches) -> torch.Tensor:
    """Return (C,) weights that make every class count alike in the loss: N / (C n_c), as scikit-learn's "balanced"."""
    counts = data.targets.sum(dim=0)
    return len(data) / (len(counts) * counts.clamp(min=1))
