"""Cutting a stream of sound into utterances, each as soon as it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.inference.sound_input import PIECE_S, SoundInput
from emofuse.inference.vad import CHUNK, SileroDetector
from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.types import AudioBlock

PAUSE_S: Final = 0.6  # without speech: the utterance is over
LONGEST_S: Final = 8.0  # of an utterance: a longer one is cut where it is quietest
LEAST_SPEECH_S: Final = 0.2  # in an utterance; less is a noise
_ROOM_S: Final = 0.3  # of the sound before and after the speech, which begins and ends softly
_CUT_S: Final = 0.3  # over which it is told where it is quietest


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """What somebody spoke without a pause.

    Attributes:
        start_s: When the sound begins, in seconds of the stream.
        samples: (T,) float32 at 16 kHz.
    """

    start_s: float
    samples: NDArray[np.float32]

    @property
    def end_s(self) -> float:
        """When the sound ends, in seconds of the stream."""
        return self.start_s + self.length_s

    @property
    def length_s(self) -> float:
        """How long the sound is, in seconds."""
        return len(self.samples) / RATE_HZ


class UtteranceCutter:
    """Takes the sound of one stream and hands out its utterances, the pauses between them left out.

    It keeps the last seconds alone, however long the stream is. Times are those of the stream.
    """

    def __init__(self, detector: SileroDetector | None = None) -> None:
        """Start a stream. detector: of speech, for this stream only; by default a new one."""
        self._detector = detector or SileroDetector()
        self._input = SoundInput()
        self._sound = SoundBuffer(LONGEST_S + PAUSE_S + 2 * _ROOM_S + PIECE_S)
        # in samples of the stream's clock:
        self._scored = self._cut_at = -1  # the end of what was scored, and of the latest utterance
        self._begin: int | None = None  # of the speech, while somebody speaks
        self._end = 0  # of the latest speech
        self._n_speech = 0  # chunks

    def push(self, block: AudioBlock) -> Iterator[Utterance]:
        """Take a block of any rate; yield the utterances that are over."""
        for piece in self._input.push(block):
            yield from self._push(piece)

    def flush(self) -> Iterator[Utterance]:
        """End the stream; yield the utterance that it ends in."""
        for piece in self._input.flush():
            yield from self._push(piece)
        if self._begin is not None:
            yield from self._cut(round(self._sound.end_s * RATE_HZ))

    def _push(self, block: AudioBlock) -> Iterator[Utterance]:
        if self._begin is not None and block.time_s - self._sound.end_s >= PAUSE_S:  # the stream has a gap
            yield from self._cut(self._end + round(_ROOM_S * RATE_HZ))
        self._sound.push(block)
        self._detector.push(block)
        for end, is_speech in self._detector.chunks_after(self._scored):
            self._scored = end
            if is_speech:
                self._begin = end - CHUNK if self._begin is None else self._begin
                self._end = end
                self._n_speech += 1
            if self._begin is None:
                continue
            if end - self._end >= PAUSE_S * RATE_HZ:
                yield from self._cut(self._end + round(_ROOM_S * RATE_HZ))
            elif end - self._begin >= LONGEST_S * RATE_HZ:
                cut = self._quietest(end)
                yield from self._cut(cut)
                self._begin, self._end, self._n_speech = cut, end, (end - cut) // CHUNK

    def _cut(self, end: int) -> Iterator[Utterance]:
        """Hand out the speech so far with the sound up to `end`, and wait for the next."""
        assert self._begin is not None
        begin = max(self._begin - round(_ROOM_S * RATE_HZ), self._cut_at, 0)
        is_speech = self._n_speech * CHUNK >= LEAST_SPEECH_S * RATE_HZ
        samples = self._sound.window(begin / RATE_HZ, end / RATE_HZ)
        self._begin, self._cut_at, self._n_speech = None, end, 0
        if is_speech and len(samples):
            yield Utterance(begin / RATE_HZ, samples.copy())

    def _quietest(self, end: int) -> int:
        """Return the quietest place of the second half of the longest utterance, which ends at `end`."""
        samples = self._sound.window(end / RATE_HZ - LONGEST_S / 2, end / RATE_HZ)
        return end - len(samples) + quietest(samples, _CUT_S)


def quietest(samples: NDArray[np.float32], length_s: float) -> int:
    """Return the middle of the quietest stretch of a length in samples, (T,) at 16 kHz."""
    n = max(1, min(len(samples), round(length_s * RATE_HZ)))
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    return int(np.argmin(power[n:] - power[:-n])) + n // 2
