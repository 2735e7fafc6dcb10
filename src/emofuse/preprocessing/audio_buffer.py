"""Sound on its way to the voice network: a buffer of the last seconds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.types import AudioBlock

RATE_HZ: Final = 16_000  # what the voice network takes


class SoundBuffer:
    """The last `length_s` of a stream of audio blocks, addressed by time. Gaps between blocks are silence."""

    def __init__(self, length_s: float) -> None:
        self.capacity = round(length_s * RATE_HZ)
        self._samples = np.zeros(0, dtype=np.float32)
        self._first = 0  # index on the stream's clock, time * RATE_HZ, of the first sample kept

    def lengthen(self, length_s: float) -> None:
        """Keep as many seconds from now on, if that is more."""
        self.capacity = max(self.capacity, round(length_s * RATE_HZ))

    @property
    def end_s(self) -> float:
        """Time just after the last sample, in seconds."""
        return (self._first + len(self._samples)) / RATE_HZ

    @property
    def is_empty(self) -> bool:
        """Whether no sound has come yet."""
        return len(self._samples) == 0

    def push(self, block: AudioBlock) -> None:
        """Add a block at its own time; what overlaps the sound already here is skipped."""
        start = round(block.time_s * RATE_HZ)
        samples = block.samples
        if self.is_empty:
            self._first = start
        end = self._first + len(self._samples)
        if start < end:
            samples = samples[end - start :]
        gap = np.zeros(min(max(0, start - end), self.capacity), dtype=np.float32)
        self._samples = np.concatenate([self._samples, gap, samples])
        self._first = max(start, end) + len(samples) - len(self._samples)
        # trimmed in large steps: cutting at every block would copy the buffer each time
        surplus = len(self._samples) - self.capacity
        if surplus > self.capacity:
            self._samples = self._samples[surplus:].copy()
            self._first += surplus

    def window(self, start_s: float, end_s: float) -> NDArray[np.float32]:
        """Return the sound between two times, (T,) float32: less than asked for where the stream does not reach."""
        start = max(round(start_s * RATE_HZ) - self._first, 0)
        end = max(round(end_s * RATE_HZ) - self._first, 0)
        return self._samples[start:end]
