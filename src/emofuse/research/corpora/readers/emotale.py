"""EmoTale (https://github.com/snehadas/EmoTale): amateurs, Danish and English, five sentences in each emotion.

`EN_013_S_5.wav`: English, speaker 013, sadness, sentence 5.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "no licence, citation asked for"
LABELS: Final = ("neutral", "happiness", "sadness", "anger", "boredom")
SUFFIXES: Final = (".wav", ".flac")
EMOTIONS: Final = {"N": "neutral", "H": "happiness", "S": "sadness", "A": "anger", "B": "boredom"}
LANGUAGES: Final = {"DK": "da", "EN": "en"}
_NAME: Final = re.compile(r"(DK|EN)_([0-9]{3})_([NHSAB])_([0-9]+)")


def read_emotale(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, whatever its folders are called. The names do not tell the sexes.

    Raises:
        CorpusError: No file has a name of EmoTale's.
    """
    return read_files(
        Path(folder),
        name="EmoTale",
        labels=LABELS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="EN_001_A_1.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not language, speaker, emotion letter, sentence"
    language, speaker, letter, sentence = match.groups()
    return Clip(
        path=path,
        emotion=EMOTIONS[letter],
        speaker=f"emotale-{speaker}",
        statement=f"{language}{sentence}",
        language=LANGUAGES[language],
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("emotale", "EmoTale", LICENCE, LABELS, read_emotale, style=ACTED)
