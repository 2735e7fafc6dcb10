"""RAVDESS (Livingstone and Russo, 2018, https://doi.org/10.1371/journal.pone.0196391).

A file's name says all of it: modality-channel-emotion-intensity-statement-repetition-actor, as
`03-01-05-02-01-01-12.wav`; odd actors are male, even ones female.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emofuse.corpora.manifest import Clip, Manifest
from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError

LICENCE: Final = "CC BY-NC-SA 4.0"
SUFFIXES: Final = (".wav", ".flac")
STATEMENTS: Final = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}


def read_ravdess_speech(folder: str | Path) -> Manifest:
    """Read the speech audio below `folder` (`Actor_01/*.wav` or `*.flac`, or an `audios` folder that holds them).

    Raises CorpusError when there is none. A file whose name does not fit is in `skipped`.
    """
    root = Path(folder)
    root = root / "audios" if (root / "audios").is_dir() else root
    clips: list[Clip] = []
    skipped: list[tuple[Path, str]] = []
    for path in sorted(root.glob("Actor_*/*")):
        if path.suffix.lower() not in SUFFIXES:
            skipped.append((path, f"not one of {', '.join(SUFFIXES)}"))
            continue
        clip = _clip(path)
        if isinstance(clip, Clip):
            clips.append(clip)
        else:
            skipped.append((path, clip))
    if not clips:
        raise CorpusError(f"no RAVDESS speech under {root}", "expected Actor_01/03-01-01-01-01-01-01.wav and so on")
    return Manifest("RAVDESS speech", RAVDESS, tuple(clips), LICENCE, tuple(skipped))


def _clip(path: Path) -> Clip | str:
    parts = path.stem.split("-")
    if len(parts) != 7 or not all(part.isdigit() and len(part) == 2 for part in parts):
        return "the name is not seven two-digit numbers"
    _, channel, emotion, intensity, statement, _, actor = parts
    if channel != "01":
        return "not speech"
    if not 1 <= int(emotion) <= len(RAVDESS) or statement not in STATEMENTS or intensity not in ("01", "02"):
        return "a part of the name is out of range"
    return Clip(
        path=path,
        emotion=RAVDESS[int(emotion) - 1],
        speaker=f"ravdess-{actor}",
        sex="male" if int(actor) % 2 else "female",
        statement=STATEMENTS[statement],
        language="en",
        intensity="normal" if intensity == "01" else "strong",
    )
