"""RAVDESS (Livingstone and Russo, 2018, https://doi.org/10.1371/journal.pone.0196391).

A file's name says all of it: modality-channel-emotion-intensity-statement-repetition-actor, as
`03-01-05-02-01-01-12.wav`; odd actors are male, even ones female. Nobody sings disgust or surprise. What people
make of a file often adds a word: `01-01-05-02-01-01-12_facecroppad.avi`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError, MediaError
from emofuse.media import probe
from emofuse.research.corpora.corpus import ACTED, Corpus, PublishedScore
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.walk import Skipped, read_files

Kind = Literal["speech", "song", "speech+song"]
Media = Literal["audio", "video"]

LICENCE: Final = "CC BY-NC-SA 4.0"
SUFFIXES: Final = {"audio": (".wav", ".flac"), "video": (".mp4", ".avi")}
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
    root = _inside(Path(folder), media)
    labels = RAVDESS[:N_SUNG] if kind == "song" else RAVDESS

    def understand(path: Path) -> Clip | str:
        clip = _clip(path, (WANTED[media],))
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
        identify=_id,
    )


def read_ravdess_av(folder: str | Path, sound: str | Path | None = None) -> Manifest:
    """Read what is spoken in films, each with its sound: the recording of the same utterance, or else its own.

    The films are below `folder` or its `videos`, the recordings below `sound`, or else `folder`, or its `audios`.
    They belong together where the last six parts of their names agree. A film without a sound and a recording
    without a film are in `skipped`, as unpaired; of an actor in no film, the recordings are counted.
    Raises CorpusError when nothing is paired, and says which side is missing.
    """
    films, sounds, skipped = _films_and_sounds(Path(folder), Path(sound) if sound is not None else None)
    heard = {_utterance(clip): clip.path for clip in sounds}
    clips: list[Clip] = []
    silent: list[Skipped] = []
    for film in films:
        recording = heard.pop(_utterance(film), None)
        reason = "" if recording is not None else _why_silent(film.path)
        if reason:
            silent.append((film.path, f"unpaired: {reason}, and there is no recording of it"))
        else:
            clips.append(replace(film, sound_path=recording))
    if not clips:
        raise CorpusError(
            f"{folder} has films of RAVDESS speech and the sound of none: {silent[0][0].name}: {silent[0][1]}",
            "recordings, 03-01-01-01-01-01-01.wav and so on, belong in its folder audios, or name theirs with --sound",
        )
    skipped += silent
    skipped += _unseen([clip for clip in sounds if _utterance(clip) in heard], {film.speaker for film in films})
    return Manifest("RAVDESS speech film with sound", RAVDESS, tuple(clips), LICENCE, tuple(sorted(skipped)))


def _films_and_sounds(folder: Path, sound: Path | None) -> tuple[list[Clip], list[Clip], list[Skipped]]:
    """Return the films, the recordings, and what is neither or was not understood."""
    videos, audios = _inside(folder, "video"), _inside(sound or folder, "audio")
    if sound is None and folder in (videos, audios):  # side by side, or there is one kind alone
        found = _spoken(folder, ("video", "audio"))
        films = [clip for clip in found if clip.path.suffix.lower() in SUFFIXES["video"]]
        sounds = [clip for clip in found if clip.path.suffix.lower() in SUFFIXES["audio"]]
        if not films:
            raise CorpusError(
                f"{folder} has the sound of RAVDESS speech and no film",
                "films, 01-01-01-01-01-01-01.mp4 and so on, belong in its folder videos; `ravdess` reads sound alone",
            )
        return films, sounds, list(found.skipped)
    seen, heard = _spoken(videos, ("video",)), _spoken(audios, ("audio",))
    return list(seen), list(heard), [*seen.skipped, *heard.skipped]


def _spoken(root: Path, media: tuple[Media, ...]) -> Manifest:
    def understand(path: Path) -> Clip | str:
        is_film = path.suffix.lower() in SUFFIXES["video"]
        clip = _clip(path, ("01", "02") if is_film else ("03",))
        return clip if isinstance(clip, str) or CHANNELS[path.stem[3:5]] == "speech" else "not speech"

    return read_files(
        root,
        name=f"RAVDESS speech {' or '.join('film' if each == 'video' else 'sound' for each in media)}",
        labels=RAVDESS,
        licence=LICENCE,
        suffixes=tuple(suffix for each in media for suffix in SUFFIXES[each]),
        understand=understand,
        example=" and ".join(f"{each}s/Actor_01/{WANTED[each]}-01-03-01-01-01-01{SUFFIXES[each][0]}" for each in media),
        identify=lambda clip: f"{clip.path.suffix.lower() in SUFFIXES['video']} {_utterance(clip)}",
    )


def _why_silent(film: Path) -> str:
    """Say why a film has no sound of its own, or nothing where it has. RAVDESS's own files are believed by their
    names; what others made of them, which says 01 where the sound is gone, is looked into."""
    if film.name.startswith("02"):
        return MODALITIES["02"]
    if film.name == f"{film.stem[:20]}.mp4":
        return ""
    try:
        return "" if probe(film).has_audio else "no sound"
    except MediaError as error:
        return error.message


def _unseen(sounds: list[Clip], filmed: set[str]) -> list[Skipped]:
    alone = [(clip.path, "unpaired: there is no film of it") for clip in sounds if clip.speaker in filmed]
    others = Counter((clip.path.parent, clip.speaker) for clip in sounds if clip.speaker not in filmed)
    return alone + [
        (place, f"unpaired: {n} recordings of {speaker}, of whom there is no film")
        for (place, speaker), n in others.items()
    ]


def _inside(folder: Path, media: Media) -> Path:
    own = folder / f"{media}s"
    return own if own.is_dir() else folder


def _id(clip: Clip) -> str:
    return clip.path.stem.partition("_")[0]


def _utterance(clip: Clip) -> str:
    return _id(clip)[3:]


def _clip(path: Path, modalities: tuple[str, ...]) -> Clip | str:
    parts = path.stem.partition("_")[0].split("-")
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
    if modality not in modalities:
        return f"{MODALITIES[modality]}, not {' or '.join(MODALITIES[each] for each in modalities)}"
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


_HERE: Final = "measured by the project on these files"
_EMOBOX: Final = "Ma et al., EmoBox, Interspeech 2024, https://arxiv.org/abs/2406.07162"
_PAPER: Final = "Livingstone and Russo, 2018, https://doi.org/10.1371/journal.pone.0196391"
_LOOKS: Final = "transductive: features z-scored over each actor's own clips, test clips too"
_FOLDS: Final = "actor-6fold"
_PUBLISHED: Final = (
    PublishedScore(
        "people, voice only",
        None,
        0.60,
        _PAPER,
        note="untrained listeners, speech and song; as usually quoted",
    ),
    PublishedScore("eGeMAPS + SVM", 0.473, 0.486, _HERE, _FOLDS),
    PublishedScore("ComParE-2016 + SVM", 0.556, 0.563, _HERE, _FOLDS),
    PublishedScore("frozen mn04 (AudioSet) + SVM", 0.607, 0.618, _HERE, _FOLDS),
    PublishedScore("frozen Whisper-large-v3", 0.753, None, _EMOBOX, _FOLDS, note="an encoder of over 600 M parameters"),
    PublishedScore("eGeMAPS + SVM, by actor", 0.603, 0.614, _HERE, _FOLDS, note=_LOOKS, transductive=True),
    PublishedScore("ComParE-2016 + SVM, by actor", 0.642, 0.649, _HERE, _FOLDS, note=_LOOKS, transductive=True),
    PublishedScore("frozen mn04 + SVM, by actor", 0.699, 0.706, _HERE, _FOLDS, note=_LOOKS, transductive=True),
)
_SPEECH: Final[Corpus[Manifest]] = Corpus(
    "ravdess", "RAVDESS", LICENCE, RAVDESS, read_ravdess, language="en", style=ACTED, published=_PUBLISHED
)
CORPORA: Final = (
    _SPEECH,
    replace(
        _SPEECH,
        name="ravdess-song",
        labels=RAVDESS[:N_SUNG],
        read=partial(read_ravdess, kind="song"),
        part="song",
        published=(),
    ),
    replace(_SPEECH, name="ravdess-video", read=partial(read_ravdess, media="video"), part="video"),
    replace(_SPEECH, name="ravdess-av", read=read_ravdess_av, read_paired=read_ravdess_av, part="av"),
    replace(_SPEECH, name="ravdess-7", labels=RAVDESS[1:], read=partial(read_ravdess, neutral=False), part="7"),
)
