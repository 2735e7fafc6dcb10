"""The description of a corpus: how it is read, and the cautions for networks that were trained on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from emofuse.emotions import Labels

ACTED: Final = "acted"
SENTENCE_CAUTION: Final = "It reads English alone, a sentence or two by themselves, and takes irony at its word."
LANGUAGES_CAUTION: Final = (
    "It reads the languages that its card names, some much worse than English, a sentence or two by themselves, and "
    "takes irony at its word."
)
ACTED_CAUTION: Final = "The emotions are acted; spontaneous ones are subtler and scores on them will be lower."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PublishedScore:
    """A system's scores on a corpus, to read others against.

    Attributes:
        name: The system.
        uar: Unweighted average recall as a fraction of 1, or None where it is not known.
        accuracy: The same of accuracy.
        source: Where it was published.
        protocol: The name of the splits; empty for people, who are in no fold.
        note: What else a reader must know.
        transductive: Whether it used the test clips, without their labels.

    Example:
        >>> PublishedScore("people", uar=None, accuracy=0.6, source="Livingstone and Russo 2018").protocol
        ''
    """

    name: str
    uar: float | None
    accuracy: float | None
    source: str
    protocol: str = ""
    note: str = ""
    transductive: bool = False


@dataclass(frozen=True, slots=True)
class Corpus(Generic[T]):
    """A corpus, in one object: a new one is a file that makes it, and a line in `registry.py`.

    Attributes:
        name: The name in commands and recipes.
        title: The name in reports.
        licence: What it may be used for.
        labels: Its emotions, in order; empty where each copy has its own.
        read: Reads it, usually from a folder. Raises CorpusError if it is not there.
        read_paired: Reads it if the sound of its films is in a second folder; None if that is not possible.
        part: The part of the corpus that is read, if not all of it.
        further: What else a teacher labels of it, where that is there; empty where there is nothing more.
        further_files: The names of the files of that.
        home: The address of these files.
        language: An ISO 639-1 code, or empty.
        style: How the emotions came about: "acted", or empty if each clip has its own style.
        cautions: What the card of a network that was trained on it must mention, beside acted emotions.
        published: Scores of others on it.
        read_language: Reads the sentences of another language than `language` from the folder, or of all others, where
            the code is empty; None where there are no others.
        languages: The codes of those.

    Example:
        >>> labels = ("happy", "sad")
        >>> corpus = Corpus("field", "Field recordings", "ours", labels, read=lambda folder: ..., style="acted")
        >>> corpus.all_cautions == (ACTED_CAUTION,)
        True
    """

    name: str
    title: str
    licence: str
    labels: Labels
    read: Callable[..., T]
    read_paired: Callable[..., T] | None = None
    part: str = ""
    further: str = ""
    further_files: tuple[str, ...] = ()
    home: str = ""
    language: str = ""
    style: str = ""
    cautions: tuple[str, ...] = ()
    published: tuple[PublishedScore, ...] = ()
    read_language: Callable[[Path, str], T] | None = None
    languages: tuple[str, ...] = ()

    @property
    def all_cautions(self) -> tuple[str, ...]:
        """What the card of a network that was trained on it must mention."""
        return (*((ACTED_CAUTION,) if self.style == ACTED else ()), *self.cautions)
