"""Corpora of utterances under one label set, as trainings and folds see them, whatever a network gets of a clip."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import Dataset

from emofuse.errors import CorpusError, RecipeError
from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.registry import CORPORA, corpus_of, get_corpus, read_corpus
from emofuse.research.corpora.relabel import Relabelled, join, relabel
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.feature_sets.store import FeatureSet, find_feature_set
from emofuse.research.recipes.data import CorpusSettings, DataSettings, FeatureDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.batches import one_hot

N_NAMED: Final = 3  # of the files that are not used; the others are counted
Hook: TypeAlias = Callable[[str, int, int], None]


def find_corpus(name: str, data: str | Path | None) -> Manifest:
    """Read a corpus by its name, from a folder in `data`, or a manifest by its path (.csv).

    The folder is called as the reader, or, as variants of a corpus share one, as it begins: "ravdess-song" is read
    from `data/ravdess`. Where there is neither, `data` itself is taken to hold the corpus. Raises CorpusError where
    there is no data folder, UsageError for a name that no reader has.
    """
    if name.lower().endswith(".csv"):
        return read_corpus("csv", name)
    if name in CORPORA and data is None:
        raise CorpusError(f"no data folder to find {name} in", "give one with --data or EMOFUSE_DATA")
    root = Path(data or ".")
    folders = (root / name, root / name.partition("-")[0], root)
    return read_corpus(name, next((folder for folder in folders if folder.is_dir()), folders[1]))


@dataclass(frozen=True, slots=True, eq=False)
class Corpora:
    """Corpora as one. Folds are made of the clips of `folded`, which come first; the others are only trained on.

    feature_sets: whole, before the relabelling, where what is read of the clips are features. sizes: how many clips
    each corpus has, in their order; empty: they count as one.
    """

    joined: Relabelled
    folded: Manifest
    added_name: str = ""
    feature_sets: tuple[FeatureSet, ...] = ()
    sizes: tuple[int, ...] = ()

    @property
    def source(self) -> Corpus[Manifest]:
        """What the clips of `folded` are of."""
        return corpus_of(self.folded)


def find_corpora(
    settings: CorpusSettings, names: Sequence[str], data: str | Path | None
) -> tuple[list[Manifest], tuple[FeatureSet, ...]]:
    """Read corpora by their names or paths: clips by `find_corpus`, or, where the settings are of them, feature sets
    and their manifests."""
    if not isinstance(settings, FeatureDataSettings):
        return [find_corpus(name, data) for name in names], ()
    sets = tuple(find_feature_set(name, data) for name in names)
    return [one.manifest for one in sets], sets


def utterance_settings(recipe: Recipe) -> CorpusSettings:
    """Return the settings of a recipe's corpora. Raises RecipeError when it is not a recipe of utterances."""
    if not isinstance(recipe.data, CorpusSettings):
        raise RecipeError(f"recipe {recipe.name!r} is not of utterances")
    return recipe.data


def corpora_of(recipe: Recipe) -> tuple[Corpus[Manifest], ...]:
    """Return the corpora of a recipe of utterances: those of a reader, and what manifests' files are of."""
    return tuple(map(_corpus, utterance_settings(recipe).train_on))


def _corpus(name: str) -> Corpus[Manifest]:
    if not name.lower().endswith(".csv"):
        return get_corpus(name)
    try:
        return corpus_of(read_corpus("csv", name))
    except CorpusError:  # it has gone since the training
        return replace(CORPORA["csv"], title=Path(name).stem)


def read_corpora(manifests: Sequence[Manifest], sets: tuple[FeatureSet, ...], label_set: str) -> Corpora:
    """Bring corpora under one set of labels. Folds are made of the first; the others are only trained on.

    Raises CorpusError for a corpus with no usable label.
    """
    parts = [relabel(manifest, label_set) for manifest in manifests]
    added_name = " + ".join(part.manifest.name for part in parts[1:])
    return Corpora(join(parts), parts[0].manifest, added_name, sets, tuple(len(part.manifest) for part in parts))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Utterances(ABC):
    """Decoded clips with their labels. digests: a hash of what was decoded of each clip of the joined manifest."""

    settings: DataSettings
    corpora: Corpora
    digests: tuple[str, ...]

    @property
    def manifest(self) -> Manifest:
        """All clips."""
        return self.corpora.joined.manifest

    @property
    def folded(self) -> Manifest:
        """The clips that folds are made of: their indices are those of `manifest` too."""
        return self.corpora.folded

    @property
    def labels(self) -> tuple[str, ...]:
        """The network's classes."""
        return self.manifest.labels

    @property
    def added(self) -> tuple[int, ...]:
        """The clips that no fold tests."""
        return tuple(range(len(self.folded), len(self.manifest)))

    def added_to(self, fold: Fold) -> tuple[int, ...]:
        """Return the clips that a fold trains on beside its own: those added, but none whose speaker, or the very
        content of which, it validates or tests. RAVDESS's actors sing too."""
        held_out = (*fold.valid, *fold.test)
        speakers = {self.manifest.clips[i].speaker for i in held_out}
        contents = {self.digests[i] for i in held_out}
        return tuple(
            i for i in self.added if self.manifest.clips[i].speaker not in speakers and self.digests[i] not in contents
        )

    def trained_in(self, fold: Fold) -> tuple[int, ...]:
        """Return the clips that a fold trains on: its own, and those added."""
        return fold.train + self.added_to(fold)

    @property
    def n_labelled(self) -> int:
        """How many clips have a label that is learnt: the first ones."""
        return len(self.manifest)

    def of_last_speakers(self, n: int) -> tuple[int, ...]:
        """Return the clips of the last n speakers who have labels; none where two others would not be left."""
        unlabelled = {clip.speaker for clip in self.manifest.clips[self.n_labelled :]}
        speakers = [speaker for speaker in self.folded.speakers if speaker not in unlabelled]
        last = set(speakers[-n:]) if len(speakers) >= n + 2 else set()
        return tuple(i for i, clip in enumerate(self.manifest) if clip.speaker in last)

    def truth(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return (N,) label indices."""
        return np.array([self.labels.index(self.manifest.clips[i].emotion) for i in indices], dtype=np.int64)

    def targets(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Return (N, C) label distributions."""
        return one_hot(self.truth(indices), len(self.labels))

    def balanced(self, indices: Sequence[int]) -> list[int]:
        """Return the clips of a training part, rare emotions repeated where the recipe balances."""
        if not getattr(self.settings, "balance", False):
            return list(indices)
        return [indices[i] for i in oversample(self.truth(indices))]

    def draw_weights(self, indices: Sequence[int]) -> NDArray[np.float64] | None:
        """Return (N,) how often each clip of a training part is to be drawn; None where the recipe does not balance
        corpora."""
        if not getattr(self.settings, "balance_corpora", False):
            return None
        bounds = np.cumsum(self.corpora.sizes or (len(self.manifest),))
        corpus = np.searchsorted(bounds, np.asarray(indices), side="right").tolist()
        return balanced_draws(corpus, self.truth(indices).tolist(), [self.manifest.clips[i].speaker for i in indices])

    def fingerprint(self, *parts: Sequence[int]) -> str:
        """Return a hash of the clips of these parts: their content, labels and order."""
        digest = hashlib.sha256()
        for part in parts:
            for i in part:
                digest.update(f"{self.digests[i]} {self.manifest.clips[i].emotion}\n".encode())
            digest.update(b"--\n")
        return digest.hexdigest()

    def note(self) -> str:
        """Say what of the corpora is not used, if anything, and what of the clips was not as it should be."""
        skipped = [f"{path.name}: {why}" for path, why in self.manifest.skipped]
        more = f"; and {len(skipped) - N_NAMED} more" if len(skipped) > N_NAMED else ""
        return f"not used: {'; '.join(skipped[:N_NAMED])}{more}" if skipped else ""

    @abstractmethod
    def batches(self, indices: Sequence[int]) -> Dataset[Any]:
        """Make an evaluation set: nothing is drawn."""

    def batches_for(self, network: nn.Module, indices: Sequence[int]) -> Dataset[Any]:
        """Make an evaluation set for a network that was trained on these data."""
        return self.batches(indices)

    @abstractmethod
    def training(self, indices: Sequence[int]) -> Dataset[Any]:
        """Make a training set of `balanced` clips: where a window begins is drawn."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FusedUtterances(Utterances):
    """The same clips as each member of a late fusion wants them. They are trained on there, never here."""

    members: tuple[Utterances, ...]

    def note(self) -> str:
        """Say what the members have to say, each thing once."""
        return "; ".join(dict.fromkeys(filter(None, (member.note() for member in self.members))))

    def batches(self, indices: Sequence[int]) -> Dataset[Any]:
        """Refuse: members have their own."""
        raise TypeError("a late fusion is evaluated through its members")

    def training(self, indices: Sequence[int]) -> Dataset[Any]:
        """Refuse: members have their own."""
        raise TypeError("a late fusion is trained through its members")


def balanced_draws(corpora: Sequence[int], emotions: Sequence[int], speakers: Sequence[str]) -> NDArray[np.float64]:
    """Return (N,) probabilities by which clips are drawn so that a corpus counts by the root of its size, in a corpus
    its emotions count alike, and in an emotion the speakers."""
    keys = list(zip(corpora, emotions, speakers, strict=True))
    n_of_corpus, n_alike = Counter(corpora), Counter(keys)
    n_emotions = Counter(corpus for corpus, _ in {key[:2] for key in keys})
    n_speakers = Counter(key[:2] for key in set(keys))
    weights = [math.sqrt(n_of_corpus[key[0]]) / n_emotions[key[0]] / n_speakers[key[:2]] / n_alike[key] for key in keys]
    return np.array(weights) / sum(weights)


def oversample(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return indices into (N,) labels in which each rare class comes a whole number of times, about as often as the
    commonest: RAVDESS has half as many neutral clips as of any other emotion, and UAR counts classes alike."""
    counts = np.bincount(labels)
    times = np.maximum(1, np.round(counts.max() / np.maximum(counts, 1))).astype(np.int64)
    return np.repeat(np.arange(len(labels)), times[labels])
