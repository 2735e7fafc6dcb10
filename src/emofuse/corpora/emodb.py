"""EMO-DB (Burkhardt et al., 2005, https://doi.org/10.21437/Interspeech.2005-446): acted German, ten speakers.

`03a01Fa.wav`: speaker 03, sentence a01, emotion F (the German initial), take a.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from emofuse.corpora.manifest import Clip, Manifest
from emofuse.emotions import EMODB
from emofuse.errors import CorpusError

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
MALE: Final = {"03", "10", "11", "12", "15"}
_NAME: Final = re.compile(r"(\d\d)([ab]\d\d)([NFTWAEL])[a-z]")


def read_emodb(folder: str | Path) -> Manifest:
    """Read `folder` or its `wav` folder, wav or flac. Raises CorpusError when no file has an EMO-DB name.

    A file that is no such recording is in `skipped`.
    """
    root = Path(folder)
    root = root / "wav" if (root / "wav").is_dir() else root
    clips: list[Clip] = []
    skipped: list[tuple[Path, str]] = []
    for path in sorted(p for p in root.glob("*") if p.is_file()):
        if path.suffix.lower() not in SUFFIXES:
            skipped.append((path, f"not one of {', '.join(SUFFIXES)}"))
            continue
        match = _NAME.fullmatch(path.stem)
        if match is None:
            skipped.append((path, "the name is not speaker, sentence, emotion letter, take"))
            continue
        speaker, sentence, letter = match.groups()
        clips.append(
            Clip(
                path=path,
                emotion=LETTERS[letter],
                speaker=f"emodb-{speaker}",
                sex="male" if speaker in MALE else "female",
                statement=sentence,
                language="de",
            )
        )
    if not clips:
        raise CorpusError(f"no EMO-DB recording under {root}", "expected wav/03a01Fa.wav and so on")
    return Manifest("EMO-DB", EMODB, tuple(clips), LICENCE, tuple(skipped))
