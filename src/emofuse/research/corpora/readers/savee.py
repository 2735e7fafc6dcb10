"""SAVEE (Haq and Jackson, 2009, http://kahlan.eps.surrey.ac.uk/savee/): four men, 15 sentences each emotion.

`AudioData/DC/sa01.wav`, or all in one folder as `DC_sa01.wav`: speaker DC, emotion sa (sadness), sentence 01 of
that emotion; neutral has 30. Which code stands for which words is not in the names, so the code is the statement.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.emotions import SAVEE
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "free for research"
SUFFIXES: Final = (".wav", ".flac")
SPEAKERS: Final = ("DC", "JE", "JK", "KL")
LETTERS: Final = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
N_SENTENCES: Final = 15
N_NEUTRAL: Final = 30
_NAME: Final = re.compile(r"(?:([A-Z]{2})_)?(sa|su|[adfhn])([0-9]{2})")


def read_savee(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, in a folder for each speaker or with the speaker in the name.

    Raises CorpusError when no file has a SAVEE name. A file that is left out is in `skipped`.
    """
    return read_files(
        Path(folder),
        name="SAVEE",
        labels=SAVEE,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="AudioData/DC/a01.wav, or DC_a01.wav, and so on",
        identify=lambda clip: f"{clip.speaker} {clip.statement}",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not emotion letter and sentence, with or without a speaker"
    speaker, letter, number = match.groups()
    speaker = speaker or path.parent.name
    if speaker not in SPEAKERS:
        return f"neither its name nor its folder is of a speaker: {', '.join(SPEAKERS)}"
    if not 1 <= int(number) <= (N_NEUTRAL if letter == "n" else N_SENTENCES):
        return f"there is no sentence {number} of {LETTERS[letter]}"
    return Clip(
        path=path,
        emotion=LETTERS[letter],
        speaker=f"savee-{speaker}",
        sex="male",
        statement=f"{letter}{number}",
        language="en",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("savee", "SAVEE", LICENCE, SAVEE, read_savee, language="en", style=ACTED)
