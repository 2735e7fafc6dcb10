"""Makes one voice of the channels of sound, and puts its level right, only from what came before."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

# How much of each speaker goes into the mono mix (ITU-R BS.775), before the sum is normalised; any other 0.5.
_WEIGHTS: Final = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}

_PHASE_S: Final = 0.5  # over which channels are compared, less and less
_OPPOSED, _ALIKE = -0.9, -0.3  # correlations at which a channel is turned over, and back
_FAINT: Final = 1e-14  # mean square; below it is the noise of the numbers themselves

_OFFSET_S: Final = 1.0  # over which the offset is averaged
_LEAST_OFFSET: Final = 0.005  # a smaller one is not heard, and is left
_LOWEST_HZ: Final = 70.0  # of a voice; over less than its periods its mean is not 0

_LOUD_S: Final = 10.0  # for how long the loudest sample counts
LARGEST: Final = 2.0**32  # float samples may be whole numbers of 16 or 32 bits; what is larger is damage


class Mixer:
    """Mixes channels to mono: the mean for stereo, the rules of ITU-R BS.775 for more, the sum of the weights being 1.

    A channel in opposite phase to the first one that is not faint is turned over first, or they would cancel out: a
    balanced microphone on a stereo socket does that. Whether it is opposite is told from the last half second, and
    changes only where it is clear. What is constant in a channel is taken off before.
    """

    def __init__(self) -> None:
        self._products = np.zeros((0, 0))
        self._turned = np.zeros(0, bool)
        self._offsets = OffsetRemover()

    def mix(self, samples: NDArray[np.float32], rate_hz: int, names: Sequence[str] = ()) -> NDArray[np.float32]:
        """Return (T,) float32 of (channels, T) float32 samples. names: of the speakers, where they are known."""
        samples = self._offsets.push(samples, rate_hz)
        weights = np.array([_WEIGHTS.get(name, 0.5) for name in names], dtype=np.float32)
        if len(weights) != len(samples) or weights.sum() == 0:
            weights = np.ones(len(samples), dtype=np.float32)
        if len(samples) > 1 and samples.shape[1]:
            signs = self._signs(samples, rate_hz, weights > 0)
            mono: NDArray[np.float32] = (signs * weights / weights.sum()) @ samples
            return mono
        alone: NDArray[np.float32] = weights / weights.sum() @ samples
        return alone

    def _signs(self, samples: NDArray[np.float32], rate_hz: int, counts: NDArray[np.bool_]) -> NDArray[np.float32]:
        n_channels, n_samples = samples.shape
        if len(self._turned) != n_channels:
            self._products, self._turned = np.zeros((n_channels, n_channels)), np.zeros(n_channels, bool)
        keep = np.exp(-n_samples / (_PHASE_S * rate_hz))
        centred = samples.astype(np.float64) - samples.mean(axis=1, keepdims=True)
        self._products = keep * self._products + (1 - keep) * (centred @ centred.T) / n_samples
        power = np.where(counts, np.diag(self._products), 0.0)
        if power.max() > _FAINT:
            first = int(np.argmax(power > power.max() / 10))
            alike = self._products[first] / np.sqrt(np.maximum(power * power[first], _FAINT**2))
            is_heard = power > power.max() / 1000
            self._turned = np.where(is_heard & counts, alike < np.where(self._turned, _ALIKE, _OPPOSED), self._turned)
            self._turned[first] = False
        return np.where(self._turned, -1.0, 1.0).astype(np.float32)


class OffsetRemover:
    """Takes a constant offset off each channel: the mean of the last second, the stretch itself included.

    What may be the mean of a voice over less than its periods, or is too small to matter, is left alone, so that
    ordinary sound passes bit for bit.
    """

    def __init__(self) -> None:
        self._time_s = 0.0
        self._mean = self._peak = self._offset = np.zeros(())

    def push(self, samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
        """Return the next (T,) or (channels, T) float32 samples without it."""
        if not samples.size:
            return samples
        if self._mean.shape != samples.shape[:-1]:
            self._time_s = 0.0
            self._mean = self._peak = self._offset = np.zeros(samples.shape[:-1])
        length_s = samples.shape[-1] / rate_hz
        is_first = self._time_s == 0
        self._time_s += length_s
        memory_s = min(self._time_s, _OFFSET_S)
        gain = min(1.0, length_s / memory_s)
        self._mean = self._mean + gain * (samples.mean(axis=-1, dtype=np.float64) - self._mean)
        loudest = np.maximum(samples.max(axis=-1) - self._mean, self._mean - samples.min(axis=-1))
        self._peak = self._peak + gain * (loudest - self._peak)
        of_voice = self._peak / (np.pi * _LOWEST_HZ * memory_s)
        before = self._offset
        self._offset = np.where(np.abs(self._mean) > np.maximum(_LEAST_OFFSET, of_voice), self._mean, 0.0)
        if is_first:
            before = self._offset
        if not before.any() and not self._offset.any():
            return samples
        course: NDArray[np.float32] = np.linspace(before, self._offset, samples.shape[-1], axis=-1, dtype=np.float32)
        return samples - course


class Limiter:
    """Scales sound that goes beyond 1, by its loudest sample of the last ten seconds, instead of clipping it.

    Sound within 1 passes bit for bit. It is for what cannot be known beforehand: decoders of lossy codecs go a little
    beyond 1, and so may a stream.
    """

    def __init__(self) -> None:
        self._time_s = 0.0
        self._loud: deque[tuple[float, float]] = deque()  # times and peaks, each less loud than the one before

    def push(self, samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
        """Return the next (..., T) float32 samples, in [-1, 1]."""
        if not samples.size:
            return samples
        self._time_s += samples.shape[-1] / rate_hz
        peak = float(np.abs(samples).max())
        while self._loud and self._loud[-1][1] <= peak:
            self._loud.pop()
        if peak > 1.0:
            self._loud.append((self._time_s, peak))
        while self._loud and self._loud[0][0] < self._time_s - _LOUD_S:
            self._loud.popleft()
        if not self._loud:
            return samples
        scaled: NDArray[np.float32] = np.clip(samples / np.float32(self._loud[0][1]), -1.0, 1.0)
        return scaled
