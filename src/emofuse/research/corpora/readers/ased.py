"""ASED (Retta et al., 2022, https://github.com/Ethio2021/ASED_V1): acted Amharic, 65 speakers.

`n1-01-02-02-65.wav`: neutral, sentence 01, take 02, a man (02; a woman is 01), speaker 65. Sentences 01 and 02 are said
in every emotion; 03 to 07 are other texts in each.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "free for research (no licence file)"
LABELS: Final = ("neutral", "happy", "sad", "angry", "fearful")
SUFFIXES: Final = (".wav", ".flac")
EMOTIONS: Final = {"n": "neutral", "h": "happy", "s": "sad", "a": "angry", "f": "fearful"}
NEUTRAL_TEXTS: Final = ("01", "02")
_NAME: Final = re.compile(r"([nhsaf])[0-9]-([0-9]{2})-([0-9]{2})-(0[12])-([0-9]{2})", re.IGNORECASE)


def read_ased(folder: str | Path) -> Manifest:
    """Read what is below `folder`, wav or flac, whatever its folders are called.

    A clip's style is "acted, neutral text" for the sentences that are said in every emotion, and "acted, emotional
    text" for the others, whose words alone tell the emotion.

    Raises:
        CorpusError: No file has an ASED name.
    """
    return read_files(
        Path(folder),
        name="ASED",
        labels=LABELS,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="n1-01-01-01-01.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not emotion and group, sentence, take, sex, speaker"
    letter, sentence, _, sex, speaker = match.groups()
    emotion = EMOTIONS[letter.lower()]
    is_neutral = sentence in NEUTRAL_TEXTS
    return Clip(
        path=path,
        emotion=emotion,
        speaker=f"ased-{speaker}",
        sex="female" if sex == "01" else "male",
        statement=sentence if is_neutral else f"{emotion} {sentence}",
        language="am",
        style=f"{ACTED}, neutral text" if is_neutral else f"{ACTED}, emotional text",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("ased", "ASED", LICENCE, LABELS, read_ased, language="am", style=ACTED)
