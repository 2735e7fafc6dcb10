"""Finds what two parts of a fold share: a speaker, a session, a sound under two names, a sentence."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.media import AUDIO_RATE_HZ
from emofuse.research.corpora.cache import content_hash
from emofuse.research.corpora.decode import read_samples
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.splits.protocols import Fold, Split

Kind = Literal["speaker", "session", "audio", "sentence"]
KINDS: Final[tuple[Kind, ...]] = ("speaker", "session", "audio", "sentence")
NOT_NAMED: Final = "(not named)"
Hook = Callable[[str, int, int], None]  # what is done, how much of it, out of how much
_Indices = tuple[int, ...]
_PARTS: Final = ("train", "valid", "test")
_HASH: Final = np.dtype("V16")


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
    sentences = _groups(_words(clip.statement) for clip in clips).values()
    groups: dict[Kind, list[tuple[str, NDArray[np.int64]]]] = {
        "speaker": [*_groups(clip.speaker or NOT_NAMED for clip in clips).items()],
        "session": [*_groups(clip.session for clip in clips).items()],
        "audio": [(clips[group[0]].path.name, np.asarray(group, np.int64)) for group in found.groups],
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
    undecoded: list[tuple[Path, str]] = []
    stored = np.empty(len(manifest), _HASH)  # 16 bytes for each clip; texts in lists and dictionaries would be 500
    for i, clip in enumerate(manifest):
        stored[i] = _hash(f"{content_hash(clip.sound_file)} {clip.start_s} {clip.end_s}".encode())
    _, first, which = np.unique(stored, return_index=True, return_inverse=True)
    decoded = np.empty(len(first), _HASH)  # clips of the same bytes are decoded once
    for number, i in enumerate(sorted(first.tolist()), start=1):
        decoded[which[i]] = _sound_hash(manifest.clips[i], bytes(stored[i]), undecoded)
        if hook is not None:
            hook("compare sounds", number, len(first))
    return SameSounds(_same(decoded[which]), tuple(undecoded))


def _same(hashes: NDArray[np.void]) -> tuple[_Indices, ...]:
    """Return the groups of indices with the same hash, where there are two or more, by their first index."""
    order = np.argsort(hashes, kind="stable")
    ends = np.flatnonzero(hashes[order][1:] != hashes[order][:-1]) + 1
    groups = (tuple(group.tolist()) for group in np.split(order, ends) if len(group) > 1)
    return tuple(sorted(groups))


def contradictions(manifest: Manifest, sounds: SameSounds) -> tuple[_Indices, ...]:
    """Return the groups of the same sound under two speakers or two emotions: one of them is wrong."""
    clips = manifest.clips
    return tuple(group for group in sounds.groups if len({(clips[i].speaker, clips[i].emotion) for i in group}) > 1)


def _shared(
    kind: Kind, fold: Fold, groups: Sequence[tuple[str, NDArray[np.int64]]], manifest: Manifest
) -> Iterator[Overlap]:
    part_of = np.zeros(len(manifest), np.uint8)  # 0: in none
    for number, indices in enumerate((fold.train, fold.valid, fold.test), start=1):
        part_of[np.asarray(indices, np.intp)] = number
    for value, group in groups:
        parts = part_of[group]
        held = {number: np.flatnonzero(parts == number) for number in (1, 2, 3)}
        for a, b in combinations(held, 2):
            if len(held[a]) and len(held[b]):
                of_a, of_b = (tuple(manifest.clips[group[i]].path for i in held[part].tolist()) for part in (a, b))
                yield Overlap(kind, fold.name, (_PARTS[a - 1], _PARTS[b - 1]), value, of_a, of_b)


def _groups(values: Iterable[str]) -> dict[str, NDArray[np.int64]]:
    """Return value → where it stands, in the order of the values; "" is left out."""
    groups: dict[str, array[int]] = {}
    for index, value in enumerate(values):
        if value:
            groups.setdefault(value, array("q")).append(index)
    return {value: np.frombuffer(groups[value], np.int64) for value in sorted(groups)}


def _words(sentence: str) -> str:
    return " ".join(re.findall(r"\w+", sentence.casefold()))


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HASH.itemsize).digest()


def _sound_hash(clip: Clip, stored: bytes, undecoded: list[tuple[Path, str]]) -> bytes:
    try:
        return _hash(read_samples(clip, AUDIO_RATE_HZ).tobytes())
    except CorpusError as error:
        undecoded.append((clip.path, error.message))
        return stored
