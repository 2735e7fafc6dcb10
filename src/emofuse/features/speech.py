"""Sound on its way to the voice network: a buffer of the last seconds, and whether somebody speaks in them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.types import AudioBlock

RATE_HZ: Final = 16_000  # what the voice network hears
FRAME_S: Final = 0.04  # two periods of the lowest voice below fit in one
HOP_S: Final = 0.02
LOWEST_HZ, HIGHEST_HZ = 70.0, 400.0  # of a speaking voice's pitch
PERIODICITY: Final = 0.45  # autocorrelation at the pitch; white noise stays below 0.3
FAINTEST_DB: Final = -60.0  # re full scale; below it a frame is silence


class SoundBuffer:
    """The last `length_s` of a stream of audio blocks, addressed by time. Gaps between blocks are silence."""

    def __init__(self, length_s: float) -> None:
        self.capacity = round(length_s * RATE_HZ)
        self._samples = np.zeros(0, dtype=np.float32)
        self._first = 0  # index on the stream's clock, time * RATE_HZ, of the first sample kept

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


def voiced_s(samples: NDArray[np.float32]) -> float:
    """Measure how many seconds of (T,) samples at 16 kHz hold a voice: loud enough, and periodic at a voice's pitch.

    A frame is voiced when its autocorrelation, normalised by that of the window, peaks over PERIODICITY between
    70 and 400 Hz (Boersma, 1993, https://www.fon.hum.uva.nl/paul/papers/Proceedings_1993.pdf), and it is within
    35 dB of the loudest frame. Music and tones also pass: this gate keeps silence and noise out, no more.
    """
    size, hop = round(FRAME_S * RATE_HZ), round(HOP_S * RATE_HZ)
    if len(samples) < size:
        return 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    frames = (frames - frames.mean(axis=1, keepdims=True)).astype(np.float32)
    power = (frames**2).mean(axis=1)
    level_db = 10 * np.log10(power + 1e-12)
    loud = level_db > max(FAINTEST_DB, float(level_db.max()) - 35.0)
    if not loud.any():
        return 0.0
    return float(np.count_nonzero(_periodicity(frames[loud], size) > PERIODICITY)) * HOP_S


def _periodicity(frames: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    n_fft = 2048  # holds twice a frame, so the autocorrelation does not wrap
    window = np.hanning(size).astype(np.float32)

    def autocorrelation(x: NDArray[np.float32]) -> NDArray[np.float32]:
        spectrum = np.fft.rfft(x, n_fft, axis=-1)
        return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, axis=-1), dtype=np.float32)

    own = autocorrelation(window)
    raw = autocorrelation(frames * window)
    lags = slice(round(RATE_HZ / HIGHEST_HZ), round(RATE_HZ / LOWEST_HZ) + 1)
    normalised = raw[:, lags] / np.maximum(raw[:, :1], 1e-12) / (own[lags] / own[0])
    return np.asarray(normalised.max(axis=1), dtype=np.float32)
