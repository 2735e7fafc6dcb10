"""EmoGator (Buhl, 2023, https://github.com/fredbuhl/EmoGator): vocal bursts, without words, of people at home.

`000012-03-1.mp3`: person 12, emotion 3 of the 30 that there are, take 1. Those read here stand for a basic emotion.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.research.corpora.corpus import Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "Apache-2.0"
LABELS: Final = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SUFFIXES: Final = (".mp3", ".wav", ".flac")
BURST: Final = "burst"
EMOTIONS: Final = {
    "02": "happy",
    "03": "angry",
    "10": "disgust",
    "13": "happy",
    "15": "fearful",
    "18": "neutral",
    "24": "sad",
    "27": "surprised",
    "28": "surprised",
}
_NAME: Final = re.compile(r"([0-9]{6})-([0-9]{2})-([0-9])")


def read_emogator(folder: str | Path) -> Manifest:
    """Read what is below `folder`, mp3, wav or flac, whatever its folders are called.

    Raises:
        CorpusError: No file has a name of EmoGator's.
    """
    return read_files(
        Path(folder),
        name="EmoGator",
        labels=LABELS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="000001-02-1.mp3 and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not person, emotion, take"
    person, emotion, _ = match.groups()
    if emotion not in EMOTIONS:
        return f"emotion {emotion} is none of the basic ones"
    return Clip(
        path=path,
        emotion=EMOTIONS[emotion],
        speaker=f"emogator-{person}",
        statement=emotion,
        style=BURST,
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus(
    "emogator",
    "EmoGator",
    LICENCE,
    LABELS,
    read_emogator,
    part="bursts of basic emotions",
    style=BURST,
    cautions=("Part of what it learnt from are bursts without words, such as laughter and sighs.",),
)
