"""Clips of a corpus: what is said, how, by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError, MediaError
from emofuse.media import open_media
from emofuse.types import AudioBlock


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance. emotion is the corpus's own label; speaker is unique across corpora ("ravdess-05")."""

    path: Path
    emotion: str
    speaker: str
    sex: Literal["female", "male"]
    statement: str
    language: str
    intensity: Literal["normal", "strong"] = "normal"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The clips of a corpus in the order of their names, its licence, and the files nobody understood, with why."""

    name: str
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    licence: str
    skipped: tuple[tuple[Path, str], ...] = ()

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def speakers(self) -> list[str]:
        """The speakers, sorted."""
        return sorted({clip.speaker for clip in self.clips})

    def of_speakers(self, speakers: set[str]) -> list[Clip]:
        """Return the clips of these speakers, in order."""
        return [clip for clip in self.clips if clip.speaker in speakers]

    def counts(self) -> Counter[str]:
        """Count clips by emotion."""
        return Counter(clip.emotion for clip in self.clips)


def read_samples(clip: Clip, rate_hz: int) -> NDArray[np.int16]:
    """Decode a clip's sound: (T,) int16 mono at `rate_hz`. Raises CorpusError when there is none."""
    try:
        with open_media(clip.path, audio_rate_hz=rate_hz) as media:
            blocks = [packet.samples for packet in media if isinstance(packet, AudioBlock)]
    except MediaError as error:
        raise CorpusError(f"{clip.path}: {error.message}") from None
    if not blocks:
        raise CorpusError(f"{clip.path} has no sound")
    samples = np.concatenate(blocks)
    return np.round(np.clip(samples, -1.0, 32767 / 32768) * 32768).astype(np.int16)
