"""Sentences with the emotions that people read in them: what the readers of text corpora return."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from emofuse.emotions import BASE
from emofuse.errors import CorpusError
from emofuse.preprocessing.tokens import has_words, split_words
from emofuse.reading import one_line, read_bytes

Part = Literal["train", "dev", "test"]
MOST_MB: Final = 256.0  # of a file of sentences
N_BUCKETS: Final = 10  # a corpus without parts of its own: two tenths test, one dev, the rest train

_SPACE_BEFORE: Final = re.compile(r"(?<!\s)\s+(?=[,.!?;:])")
_DASH: Final = re.compile(r'^[-*"\s]+')


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A sentence or two, the share of votes (C,) that each emotion of `emotions.BASE` has, and the corpus's part.

    votes that are all 0: people saw something in it that is none of these emotions, or nobody labelled it.
    dialogue: the conversation that it is of, where the corpus tells. language: an ISO 639 code. source: the English
    sentence that it translates, where that is known.
    """

    text: str
    votes: tuple[float, ...]
    part: Part
    dialogue: str = ""
    language: str = "en"
    source: str = ""

    @property
    def english(self) -> str:
        """The sentence in English, as far as it is known; else empty."""
        return self.text if self.language == "en" else self.source

    @property
    def is_labelled(self) -> bool:
        """Whether any vote is for an emotion that we know."""
        return any(self.votes)

    @property
    def label(self) -> int | None:
        """The index of the one emotion that has all votes; None where they are divided or there are none."""
        return self.votes.index(1.0) if 1.0 in self.votes else None


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of a corpus, in the order of its files."""

    texts: tuple[LabelledText, ...]

    def of_part(self, part: Part) -> list[LabelledText]:
        """Return the labelled sentences of a part, in order."""
        return [one for one in self.texts if one.part == part and one.is_labelled]


def share_votes(emotions: Iterable[str | None]) -> tuple[float, ...]:
    """Turn the emotions that were named, one by one, into shares of the votes over BASE; None counts for none."""
    counts = [0] * len(BASE)
    for emotion in emotions:
        if emotion is not None:
            counts[BASE.index(emotion)] += 1
    return tuple(count / max(sum(counts), 1) for count in counts)


@lru_cache(maxsize=1 << 19)
def text_key(text: str) -> str:
    """Return what two sentences share that differ in capitals, marks and spaces alone."""
    return " ".join(word for word in split_words(text) if has_words(word))


def hashed_part(name: str) -> Part:
    """Assign a sentence or a dialogue, by its name, to a part: the same one always."""
    bucket = zlib.crc32(name.encode()) % N_BUCKETS
    return "test" if bucket < 2 else "dev" if bucket == 2 else "train"


def tidy_subtitle(text: str) -> str:
    """Write a line of tokenised subtitles as people write it: `- It 's late .` is `It's late.`."""
    text = re.sub(r"n 't\b", "n't", text)
    text = re.sub(r" '(s|m|re|ve|ll|d|t)\b", r"'\1", text)
    return _DASH.sub("", _SPACE_BEFORE.sub("", text)).strip()


def fill_placeholders(text: str, words: Mapping[str, Sequence[str]]) -> str:
    """Put a word where a corpus hides a name, `[NAME]` or `[PERSON]`: which one hangs on the sentence alone."""
    choice = zlib.crc32(text.encode())
    for placeholder, names in words.items():
        text = text.replace(placeholder, names[choice % len(names)])
    return text


def find_file(root: Path, pattern: str, example: str) -> Path:
    """Return the file below `root` whose path matches a regular expression; of several the nearest to the root.

    Raises CorpusError where there is none.
    """
    found = [path for path in root.rglob("*") if path.is_file() and re.search(pattern, path.as_posix())]
    if not found:
        raise CorpusError(f"no {example} under {root}", "lay the corpus out as it is published")
    return min(found, key=lambda path: (len(path.parts), path))


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file in UTF-8 that are not empty. Raises CorpusError where it cannot be read."""
    try:
        text = read_bytes(path, MOST_MB).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise CorpusError(f"cannot read {path}: {one_line(error)}") from None
    return [line for line in text.split("\n") if line.strip()]
