"""TESS (Pichora-Fuller and Dupuis, 2020, https://doi.org/10.5683/SP2/E8H2MF): two actresses, 200 words each emotion.

`OAF_back_angry.wav`: the older actress says "Say the word back", angry. `ps` is pleasant surprise.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.emotions import TESS
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "CC BY-NC-ND 4.0"
SUFFIXES: Final = (".wav", ".flac")
SPEAKERS: Final = {"OAF": "OAF", "YAF": "YAF", "OA": "OAF"}  # OA_bite_neutral.wav was published so
EMOTIONS: Final = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "pleasant surprise",
    "sad": "sad",
}
_NAME: Final = re.compile(r"([A-Z]+)_([A-Za-z]+)_([a-z]+)")


def read_tess(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, whatever its folders are called.

    Raises CorpusError when no file has a TESS name. A file that is left out is in `skipped`.
    """
    return read_files(
        Path(folder),
        name="TESS",
        labels=TESS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="OAF_back_angry.wav and so on",
        identify=lambda clip: f"{clip.speaker} {clip.statement} {clip.emotion}",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not actress, word, emotion"
    actress, word, emotion = match.groups()
    if actress not in SPEAKERS:
        return f"{actress} is not OAF or YAF"
    if emotion not in EMOTIONS:
        return f"{emotion} is not one of {', '.join(EMOTIONS)}"
    return Clip(
        path=path,
        emotion=EMOTIONS[emotion],
        speaker=f"tess-{SPEAKERS[actress]}",
        sex="female",
        statement=f"Say the word {word}",
        language="en",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("tess", "TESS", LICENCE, TESS, read_tess, language="en", style=ACTED)
