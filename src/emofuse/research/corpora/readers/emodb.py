"""EMO-DB (Burkhardt et al., 2005, https://doi.org/10.21437/Interspeech.2005-446): acted German, ten speakers.

`03a01Fa.wav`: speaker 03, sentence a01, emotion F (the German initial), take a.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.emotions import EMODB
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.manifest import Clip, Manifest, Sex
from emofuse.research.corpora.readers.walk import read_files

LICENCE: Final = "free for research"
SUFFIXES: Final = (".wav", ".flac")
LETTERS: Final = {
    "N": "neutral",
    "F": "happiness",
    "T": "sadness",
    "W": "anger",
    "A": "fear",
    "E": "disgust",
    "L": "boredom",
}
SPEAKERS: Final[dict[str, Sex]] = {
    **dict.fromkeys(("03", "10", "11", "12", "15"), "male"),
    **dict.fromkeys(("08", "09", "13", "14", "16"), "female"),
}
_NAME: Final = re.compile(r"([0-9]{2})([ab][0-9]{2})([NFTWAEL])[a-z]")


def read_emodb(folder: str | Path) -> Manifest:
    """Read what is below `folder` or its `wav` folder, wav or flac.

    Raises CorpusError when no file has an EMO-DB name. A file that is no such recording is in `skipped`.
    """
    root = Path(folder)
    return read_files(
        root / "wav" if (root / "wav").is_dir() else root,
        name="EMO-DB",
        labels=EMODB,
        licence=LICENCE,
        suffixes=SUFFIXES,
        understand=_clip,
        example="wav/03a01Fa.wav and so on",
    )


def _clip(path: Path) -> Clip | str:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        return "the name is not speaker, sentence, emotion letter, take"
    speaker, sentence, letter = match.groups()
    if speaker not in SPEAKERS:
        return f"{speaker} is not one of the ten speakers"
    return Clip(
        path=path,
        emotion=LETTERS[letter],
        speaker=f"emodb-{speaker}",
        sex=SPEAKERS[speaker],
        statement=sentence,
        language="de",
        licence=LICENCE,
    )


CORPUS: Final[Corpus[Manifest]] = Corpus("emodb", "EMO-DB", LICENCE, EMODB, read_emodb, language="de", style=ACTED)
