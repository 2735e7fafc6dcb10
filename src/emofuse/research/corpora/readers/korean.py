"""The emotional voices of EmotionTTS Open DB (https://github.com/emotiontts/emotiontts_open_db): acted Korean.

`nea00101.wav`: speaker nea, line 101. Each has 100 lines an emotion: neutral, happy, angry, sad. Speakers whose names
begin with "em" say the same lines in all of them; those of the others suit the emotion.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "CC BY-NC-SA 4.0, research only"
LABELS: Final = ("neutral", "happy", "sad", "angry")
SUFFIXES: Final = (".wav", ".flac")
IN_ORDER: Final = ("neutral", "happy", "angry", "sad")  # a hundred lines each
_NAME: Final = re.compile(r"(em|ne)([a-z])([0-9]{5})")


def read_korean(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, whatever its folders are called. The names do not tell the sexes.

    Raises:
        CorpusError: No file has such a name.
    """
    return read_files(
        Path(folder),
        name="EmotionTTS Korean",
        labels=LABELS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="nea00001.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not speaker and line"
    group, letter, digits = match.groups()
    emotion, line = divmod(int(digits) - 1, 100)
    if not 0 <= emotion < len(IN_ORDER):
        return f"{int(digits)} is not one of the lines 1 to {100 * len(IN_ORDER)}"
    return Clip(
        path=path,
        emotion=IN_ORDER[emotion],
        speaker=f"korean-{group}{letter}",
        statement=f"line {line + 1}" if group == "em" else f"line {int(digits)}",
        language="ko",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus(
    "korean", "EmotionTTS Korean", LICENCE, LABELS, read_korean, language="ko", style=ACTED
)
