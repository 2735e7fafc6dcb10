"""RAVDESS (Livingstone and Russo, 2018, https://doi.org/10.1371/journal.pone.0196391).

A file's name says all of it: modality-channel-emotion-intensity-statement-repetition-actor, as
`03-01-05-02-01-01-12.wav`; odd actors are male, even ones female. Nobody sings disgust or surprise.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from emofuse.corpora.files import read_files
from emofuse.corpora.manifest import Clip, Manifest
from emofuse.emotions import RAVDESS

Kind = Literal["speech", "song", "speech+song"]
Media = Literal["audio", "video"]

LICENCE: Final = "CC BY-NC-SA 4.0"
SUFFIXES: Final = {"audio": (".wav", ".flac"), "video": (".mp4",)}
MODALITIES: Final = {"01": "picture and sound", "02": "picture alone", "03": "sound alone"}
WANTED: Final = {"audio": "03", "video": "01"}
CHANNELS: Final = {"01": "speech", "02": "song"}
INTENSITIES: Final = {"01": "normal", "02": "strong"}
STATEMENTS: Final = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
N_ACTORS: Final = 24
N_SUNG: Final = 6  # the first labels of RAVDESS
_FOLDER: Final = re.compile(r"Actor_(\d\d)", re.IGNORECASE)


def read_ravdess(folder: str | Path, kind: Kind = "speech", media: Media = "audio", neutral: bool = True) -> Manifest:
    """Read what is spoken or sung below `folder`, or in its `audios` or `videos` folder where it has one.

    The folders below may be `Actor_01` and so on, or those of the download (`Audio_Speech_Actors_01-24/Actor_01`).
    Of the films, those with sound are read, not their silent doubles. neutral False: without the neutral clips.
    Raises CorpusError when there is nothing to read; a file that is left out is in `skipped`.
    """
    root = Path(folder)
    root = root / f"{media}s" if (root / f"{media}s").is_dir() else root
    labels = RAVDESS[:N_SUNG] if kind == "song" else RAVDESS

    def understand(path: Path) -> Clip | str:
        clip = _clip(path, media)
        if isinstance(clip, str):
            return clip
        if CHANNELS[path.stem[3:5]] not in kind.split("+"):
            return f"not {kind}"
        return clip if neutral or clip.emotion != "neutral" else "neutral, which was to be left out"

    film, without = " film" if media == "video" else "", "" if neutral else " without neutral"
    example = f"{WANTED[media]}-{'02' if kind == 'song' else '01'}-03-01-01-01-01{SUFFIXES[media][0]}"
    return read_files(
        root,
        name=f"RAVDESS {kind}{film}{without}",
        labels=labels if neutral else labels[1:],
        licence=LICENCE,
        suffixes=SUFFIXES[media],
        understand=understand,
        example=f"Actor_01/{example} and so on",
    )


def read_ravdess_speech(folder: str | Path) -> Manifest:
    """Read the speech audio of `read_ravdess`, all eight emotions."""
    return read_ravdess(folder)


def _clip(path: Path, media: Media) -> Clip | str:
    parts = path.stem.split("-")
    if len(parts) != 7 or not all(part.isdecimal() and part.isascii() and len(part) == 2 for part in parts):
        return "the name is not seven two-digit numbers"
    modality, channel, emotion, intensity, statement, repetition, actor = parts
    in_range = {
        f"modality {modality}": modality in MODALITIES,
        f"channel {channel}": channel in CHANNELS,
        f"emotion {emotion}": 1 <= int(emotion) <= (N_SUNG if channel == "02" else len(RAVDESS)),
        f"intensity {intensity}": intensity in INTENSITIES,
        f"statement {statement}": statement in STATEMENTS,
        f"repetition {repetition}": repetition in ("01", "02"),
        f"actor {actor}": 1 <= int(actor) <= N_ACTORS,
    }
    if not all(in_range.values()):
        return f"out of range: {', '.join(part for part, fits in in_range.items() if not fits)}"
    if modality != WANTED[media]:
        return f"{MODALITIES[modality]}, not {MODALITIES[WANTED[media]]}"
    within = _FOLDER.fullmatch(path.parent.name)
    if within and within[1] != actor:
        return f"the name says actor {actor}, its folder {path.parent.name}"
    return Clip(
        path=path,
        emotion=RAVDESS[int(emotion) - 1],
        speaker=f"ravdess-{actor}",
        sex="male" if int(actor) % 2 else "female",
        statement=STATEMENTS[statement],
        language="en",
        intensity=INTENSITIES[intensity],
        licence=LICENCE,
    )
