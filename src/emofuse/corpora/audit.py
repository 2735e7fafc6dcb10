"""Finds what two parts of a fold share: a speaker, a session, a sound under two names, a sentence."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Literal

from emofuse.corpora.cache import content_hash
from emofuse.corpora.manifest import Clip, Manifest
from emofuse.corpora.samples import read_samples
from emofuse.corpora.splits import Fold, Split
from emofuse.errors import CorpusError
from emofuse.media import AUDIO_RATE_HZ

Kind = Literal["speaker", "session", "audio", "sentence"]
KINDS: Final[tuple[Kind, ...]] = ("speaker", "session", "audio", "sentence")
NOT_NAMED: Final = "(not named)"
Hook = Callable[[str, int, int], None]  # what is done, how much of it, out of how much
_Indices = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """What both parts of a fold hold. value: the speaker, session or sentence, or the name of a file."""

    kind: Kind
    fold: str
    parts: tuple[str, str]
    value: str
    clips_a: tuple[Path, ...]
    clips_b: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class SameSounds:
    """Clips that hold the same samples: groups of two or more indices into the manifest's clips.

    undecoded: clips without a sound to decode, and why; these were compared by the bytes of their files.
    """

    groups: tuple[_Indices, ...]
    undecoded: tuple[tuple[Path, str], ...] = ()


def audit(
    manifest: Manifest, split: Split, sounds: SameSounds | None = None, hook: Hook | None = None
) -> tuple[Overlap, ...]:
    """List what any two parts of any fold share, by kind, then fold.

    Sentences are compared without regard to case, spaces and punctuation. What the manifest leaves empty is not
    compared, but for the speaker: clips of nobody named may be one speaker's. `sounds` may be given where they are
    known; else all clips are decoded. Raises CorpusError for a file that cannot be read.
    """
    clips = manifest.clips
    found = same_sounds(manifest, hook) if sounds is None else sounds
    sentences = _groups([_words(clip.statement) for clip in clips]).values()
    groups: dict[Kind, list[tuple[str, Sequence[int]]]] = {
        "speaker": [*_groups([clip.speaker or NOT_NAMED for clip in clips]).items()],
        "session": [*_groups([clip.session for clip in clips]).items()],
        "audio": [(clips[group[0]].path.name, group) for group in found.groups],
        "sentence": [(clips[group[0]].statement, group) for group in sentences],
    }
    return tuple(
        overlap for kind in KINDS for fold in split.folds for overlap in _shared(kind, fold, groups[kind], manifest)
    )


def same_sounds(manifest: Manifest, hook: Hook | None = None) -> SameSounds:
    """Find clips of the same samples, in whatever files: 16 bits, mono, 16 kHz.

    A sound and its lossless copy are the same; a lossy copy is not. Raises CorpusError for a file that cannot be
    read at all.
    """
    keys: list[str] = []
    undecoded: list[tuple[Path, str]] = []
    by_bytes: dict[str, str] = {}  # files of the same bytes are decoded once
    for number, clip in enumerate(manifest, start=1):
        stored = f"{content_hash(clip.sound_file)} {clip.start_s} {clip.end_s}"
        if stored not in by_bytes:
            by_bytes[stored] = _sound_hash(clip, stored, undecoded)
        keys.append(by_bytes[stored])
        if hook is not None:
            hook("compare sounds", number, len(manifest))
    return SameSounds(tuple(tuple(group) for group in _groups(keys).values() if len(group) > 1), tuple(undecoded))


def contradictions(manifest: Manifest, sounds: SameSounds) -> tuple[_Indices, ...]:
    """Return the groups of the same sound under two speakers or two emotions: one of them is wrong."""
    clips = manifest.clips
    return tuple(group for group in sounds.groups if len({(clips[i].speaker, clips[i].emotion) for i in group}) > 1)


def _shared(
    kind: Kind, fold: Fold, groups: Sequence[tuple[str, Sequence[int]]], manifest: Manifest
) -> Iterator[Overlap]:
    parts = {"train": fold.train, "valid": fold.valid, "test": fold.test}
    part_of = {index: part for part, clips in parts.items() for index in clips}
    for value, group in groups:
        held: dict[str, list[Path]] = {part: [] for part in parts}
        for index in group:
            if index in part_of:
                held[part_of[index]].append(manifest.clips[index].path)
        for a, b in combinations(parts, 2):
            if held[a] and held[b]:
                yield Overlap(kind, fold.name, (a, b), value, tuple(held[a]), tuple(held[b]))


def _groups(values: Sequence[str]) -> dict[str, list[int]]:
    """Return value → where it stands, in the order of the values; "" is left out."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, value in enumerate(values):
        if value:
            groups[value].append(index)
    return dict(sorted(groups.items()))


def _words(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.casefold()))


def _sound_hash(clip: Clip, stored: str, undecoded: list[tuple[Path, str]]) -> str:
    try:
        return hashlib.sha256(read_samples(clip, AUDIO_RATE_HZ).tobytes()).hexdigest()
    except CorpusError as error:
        undecoded.append((clip.path, error.message))
        return stored
