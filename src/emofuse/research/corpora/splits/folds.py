"""A split: folds, each with a part to train on, one to choose by and one to test."""

from __future__ import annotations

from dataclasses import dataclass

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold: indices into a manifest's clips.

    Attributes:
        name: Of the fold.
        train: The clips to train on, at least one.
        valid: The clips to select an epoch with; may be empty.
        test: The clips to test on, at least one.
        labels: The labels that the test part is scored by, if it lacks some of the training labels; empty for all.
        left_out: The names in a recipe's `data.train_on` of the corpora of which it trains on nothing.

    Raises:
        CorpusError: A clip is in two parts, or a part is empty.

    Example:
        >>> Fold("1", train=(0, 1), valid=(), test=(2,)).test
        (2,)
    """

    name: str
    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]
    labels: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({*self.train, *self.valid, *self.test}) != len(self.train) + len(self.valid) + len(self.test):
            raise CorpusError(f"fold {self.name}: a clip is in two parts")
        for part, clips in (("train", self.train), ("test", self.test)):
            if not clips:
                raise CorpusError(f"fold {self.name}: its {part} part holds no clip")


@dataclass(frozen=True, slots=True)
class Split:
    """The folds of a protocol.

    Attributes:
        protocol: Its name, or the split file.
        description: How the folds were made, for reports; it contains LEAKY if test speakers are trained on.
        folds: At least one.
        by_corpus: Whether each fold tests a corpus of its own. The score is then the mean of the folds, and the scores
            of a fold are calibrated on the test parts of the others.

    Raises:
        CorpusError: There is no fold.

    Example:
        >>> len(Split("mine", "by hand", (Fold("1", (0,), (), (1,)),)).folds)
        1
    """

    protocol: str
    description: str
    folds: tuple[Fold, ...]
    by_corpus: bool = False

    def __post_init__(self) -> None:
        if not self.folds:
            raise CorpusError(f"{self.protocol} makes no fold: there are no clips")


def is_leaky(split: Split, manifest: Manifest) -> bool:
    """Return whether a test speaker of a fold is also in its train or valid part.

    Clips whose speaker is "" count as clips of one speaker.

    Args:
        split: The folds.
        manifest: The clips.

    Returns:
        Whether the split leaks.

    Example:
        >>> from pathlib import Path
        >>> from emofuse.research.corpora.manifest import Clip
        >>> clips = tuple(Clip(Path(f"{i}.wav"), "happy", "anna") for i in range(2))
        >>> is_leaky(Split("mine", "", (Fold("1", (0,), (), (1,)),)), Manifest("m", ("happy",), clips, ""))
        True
    """
    clips = manifest.clips
    return any(
        {clips[i].speaker for i in fold.test} & {clips[i].speaker for i in (*fold.train, *fold.valid)}
        for fold in split.folds
    )


def missing_emotions(fold: Fold, manifest: Manifest) -> list[str]:
    """List the emotions that occur in a manifest, but not in the train part of a fold.

    Args:
        fold: The fold.
        manifest: The clips.

    Returns:
        The emotions, in the order of the manifest's labels.

    Example:
        >>> from pathlib import Path
        >>> from emofuse.research.corpora.manifest import Clip
        >>> clips = (Clip(Path("a.wav"), "happy", "anna"), Clip(Path("b.wav"), "sad", "ben"))
        >>> missing_emotions(Fold("1", (0,), (), (1,)), Manifest("m", ("happy", "sad"), clips, ""))
        ['sad']
    """
    known = {clip.emotion for clip in manifest}
    missing = known - {manifest.clips[i].emotion for i in fold.train}
    return [label for label in manifest.labels if label in missing]
