"""A split: folds, each with a part to train on, one to choose by and one to test."""

from __future__ import annotations

from dataclasses import dataclass

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Fold:
    """Indices into a manifest's clips, in order; no clip is in two parts (checked), train and test hold some.

    labels: those that the test part is scored by, where it does not have all that are trained on; empty: all.
    """

    name: str
    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({*self.train, *self.valid, *self.test}) != len(self.train) + len(self.valid) + len(self.test):
            raise CorpusError(f"fold {self.name}: a clip is in two parts")
        for part, clips in (("train", self.train), ("test", self.test)):
            if not clips:
                raise CorpusError(f"fold {self.name}: its {part} part holds no clip")


@dataclass(frozen=True, slots=True)
class Split:
    """The folds of a protocol. description says, for a stamp, how they were made, and LEAKY where they leak.

    by_corpus: each fold tests a corpus of its own, so that the mean of the folds is what counts, and what calibrates a
    fold's scores are the test parts of the others.
    """

    protocol: str
    description: str
    folds: tuple[Fold, ...]
    by_corpus: bool = False

    def __post_init__(self) -> None:
        if not self.folds:
            raise CorpusError(f"{self.protocol} makes no fold: there are no clips")


def is_leaky(split: Split, manifest: Manifest) -> bool:
    """Say whether a speaker of some fold's test part is also in its train or valid part.

    Clips whose speaker is "" count as one speaker's: nobody can tell that they are not.
    """
    clips = manifest.clips
    return any(
        {clips[i].speaker for i in fold.test} & {clips[i].speaker for i in (*fold.train, *fold.valid)}
        for fold in split.folds
    )


def missing_emotions(fold: Fold, manifest: Manifest) -> list[str]:
    """List the emotions of the manifest's clips of which the fold's train part has none, in the labels' order."""
    known = {clip.emotion for clip in manifest}
    missing = known - {manifest.clips[i].emotion for i in fold.train}
    return [label for label in manifest.labels if label in missing]
