"""EMOVO (Costantini et al., 2014, https://aclanthology.org/L14-1478): acted Italian, six speakers, 14 sentences.

`dis-f1-b1.wav`: disgust, first woman, sentence b1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "free for research (no licence stated)"
LABELS: Final = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SUFFIXES: Final = (".wav", ".flac")
EMOTIONS: Final = {
    "neu": "neutral",
    "gio": "happy",
    "tri": "sad",
    "rab": "angry",
    "pau": "fearful",
    "dis": "disgust",
    "sor": "surprised",
}
_NAME: Final = re.compile(r"([a-z]{3})-([fm])([0-9])-([a-z]+[0-9]?)")


def read_emovo(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, whatever its folders are called.

    Raises:
        CorpusError: No file has a name of EMOVO's.
    """
    return read_files(
        Path(folder),
        name="EMOVO",
        labels=LABELS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="dis-f1-b1.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not emotion, speaker, sentence"
    emotion, sex, number, sentence = match.groups()
    if emotion not in EMOTIONS:
        return f"{emotion} is not one of {', '.join(EMOTIONS)}"
    return Clip(
        path=path,
        emotion=EMOTIONS[emotion],
        speaker=f"emovo-{sex}{number}",
        sex="female" if sex == "f" else "male",
        statement=sentence,
        language="it",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("emovo", "EMOVO", LICENCE, LABELS, read_emovo, language="it", style=ACTED)
