"""Brings sound of any rate and number of channels to what the networks take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.media import Mixer, MonoSound
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock

PIECE_S: Final = 0.5


class SoundInput:
    """Turns the blocks of one stream into mono blocks at `RATE_HZ`, each at the time of its first sample.

    Mono at that rate passes as it is. Channels are mixed (`Mixer`); what is no
    number is silence. What is longer than PIECE_S is cut, so that no moment
    has to wait for what comes long after it. A resampler holds the last millisecond back until more comes, or `flush`.
    """

    def __init__(self) -> None:
        self._mixer = Mixer()
        self._resampled: MonoSound | None = None

    def push(self, block: AudioBlock) -> Iterator[AudioBlock]:
        """Take the next block, and yield what is complete of it."""
        size = round(PIECE_S * block.rate_hz)
        for first in range(0, max(len(block.samples), 1), size):
            yield from self._push(
                block.samples[first : first + size], block.rate_hz, block.time_s + first / block.rate_hz
            )

    def _push(self, samples: NDArray[np.float32], rate_hz: int, time_s: float) -> Iterator[AudioBlock]:
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        if samples.ndim == 2:
            samples = self._mixer.mix(np.ascontiguousarray(samples.T), rate_hz)
        if rate_hz == RATE_HZ and self._resampled is None:
            yield AudioBlock(samples, RATE_HZ, time_s)
            return
        if self._resampled is None:
            self._resampled = MonoSound(RATE_HZ)
        yield from self._resampled.push(samples, int(rate_hz), time_s)

    def flush(self) -> Iterator[AudioBlock]:
        """Yield what is held back, at the end of the stream."""
        if self._resampled is not None:
            yield from self._resampled.flush()
