"""nEMO (Christop, 2024, https://github.com/amu-cai/nEMO): acted Polish, nine speakers, 90 sentences in every emotion.

`SM0_happiness_12.wav`: speaker SM0, happiness, sentence 12.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest, Sex
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "CC BY-NC-SA 4.0"
LABELS: Final = ("neutral", "happy", "sad", "angry", "fearful", "surprised")
SUFFIXES: Final = (".wav", ".flac")
EMOTIONS: Final = {
    "neutral": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "surprised": "surprised",
}
SPEAKERS: Final[dict[str, Sex]] = {
    **dict.fromkeys(("EB0", "IC0", "KD0", "MK0"), "female"),
    **dict.fromkeys(("KS0", "MP0", "SM0", "TP0", "WR0"), "male"),
}
_NAME: Final = re.compile(r"([A-Z]{2}[0-9])_([a-z]+)_([0-9]+)")


def read_nemo(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, whatever its folders are called.

    Raises:
        CorpusError: No file has a name of nEMO's.
    """
    return read_files(
        Path(folder),
        name="nEMO",
        labels=LABELS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="SM0_happiness_12.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not speaker, emotion, sentence"
    speaker, emotion, sentence = match.groups()
    if speaker not in SPEAKERS:
        return f"{speaker} is not one of the nine speakers"
    if emotion not in EMOTIONS:
        return f"{emotion} is not one of {', '.join(EMOTIONS)}"
    return Clip(
        path=path,
        emotion=EMOTIONS[emotion],
        speaker=f"nemo-{speaker}",
        sex=SPEAKERS[speaker],
        statement=sentence,
        language="pl",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("nemo", "nEMO", LICENCE, LABELS, read_nemo, language="pl", style=ACTED)
