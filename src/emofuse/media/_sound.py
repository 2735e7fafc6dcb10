"""Turns decoded sound into mono blocks at one rate, stamped in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from emofuse.media._container import LIBRARY_ERRORS, Clock, Damage, seconds
from emofuse.types import AudioBlock

GAP_S: Final = 0.05  # containers round times to the millisecond and jitter; what is longer is a real gap
# A frame has this many pointers to planes. Where all are taken PyAV (18.1) reads on past the last of them, and
# the process dies: such sound is packed into one plane before it is looked at.
_PLANES: Final = 8
# How much of each speaker goes into the mono mix (ITU-R BS.775), before the sum is normalised; any other 0.5.
_WEIGHTS: Final = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0, "LFE2": 0.0}


def blocks(decoded: Iterator[AudioFrame], start_s: float, rate_hz: int, damage: Damage) -> Iterator[AudioBlock]:
    """Yield mono blocks at rate_hz, in the order of time, 0 being at start_s of the container."""
    sound = MonoSound(rate_hz)
    clock, step_s = Clock(start_s), 0.0
    for frame in decoded:
        time_s = clock.time_s(seconds(frame), step_s)
        step_s = frame.samples / frame.sample_rate
        try:
            yield from sound.push(to_mono(frame), frame.sample_rate, time_s)
        except LIBRARY_ERRORS:
            damage.lose()
    yield from sound.flush()


class MonoSound:
    """Turns stretches of mono sound of any rate, as they come, into blocks at rate_hz.

    Times are counted in samples, so they are exact, and are taken anew after a gap.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._run: _Run | None = None

    def push(self, mono: NDArray[np.float32], from_hz: int, time_s: float) -> Iterator[AudioBlock]:
        """Take (T,) float32 samples at from_hz of which the first is heard at time_s, and yield what is complete."""
        run = self._run
        is_gap = run is not None and time_s - run.end_s > GAP_S
        if run is None or is_gap or from_hz != run.from_hz:
            follows_s = time_s if run is None or is_gap else run.end_s
            yield from self.flush()
            run = self._run = _Run(follows_s, from_hz, self._rate_hz)
        yield from run.push(mono)

    def flush(self) -> Iterator[AudioBlock]:
        """Yield what the resampler still holds."""
        if self._run is not None:
            yield from self._run.flush()


def as_float(frame: AudioFrame) -> NDArray[np.float32]:
    """Return (channels, T) float32 in [-1, 1] of a decoded frame of any sample format."""
    if frame.format.is_planar and frame.layout.nb_channels >= _PLANES:
        frame = _packed(frame)
    samples: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        loud = np.nan_to_num(samples.astype(np.float32), nan=0.0)
        return np.clip(loud, -1.0, 1.0)
    if samples.dtype.kind == "u":
        return (samples.astype(np.float32) - 128.0) / 128.0
    full_scale = float(2 ** (8 * samples.dtype.itemsize - 1))
    return (samples / full_scale).astype(np.float32)


def _packed(frame: AudioFrame) -> AudioFrame:
    to_packed = AudioResampler(format=frame.format.packed, layout=frame.layout, rate=frame.sample_rate)
    return to_packed.resample(frame)[0]


def to_mono(frame: AudioFrame) -> NDArray[np.float32]:
    """Return the (T,) float32 mix of all speakers, in [-1, 1]; for stereo it is the mean.

    libswresample's own mix is 3 dB louder for float than for integer sound, and can go beyond 1.
    """
    samples = as_float(frame)
    names = [channel.name for channel in frame.layout.channels]
    weights = np.array([_WEIGHTS.get(name, 0.5) for name in names], dtype=np.float32)
    if len(weights) != len(samples) or weights.sum() == 0:
        weights = np.ones(len(samples), dtype=np.float32)
    mono: NDArray[np.float32] = weights / weights.sum() @ samples
    return mono


class _Run:
    """Sound without a gap, resampled; start_s, end_s: times of its first sample, and after its last."""

    def __init__(self, start_s: float, from_hz: int, rate_hz: int) -> None:
        self.start_s, self.from_hz, self._rate_hz = start_s, from_hz, rate_hz
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        self._n_in = self._n_out = 0

    @property
    def end_s(self) -> float:
        return self.start_s + self._n_in / self.from_hz

    def push(self, mono: NDArray[np.float32]) -> Iterator[AudioBlock]:
        if not len(mono):
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.from_hz, self._n_in, Fraction(1, self.from_hz)
        self._n_in += len(mono)
        yield from self._blocks(frame)

    def flush(self) -> Iterator[AudioBlock]:
        # At equal rates nothing is held back, and PyAV's resampler would hand None back.
        if self.from_hz != self._rate_hz:
            yield from self._blocks(None)

    def _blocks(self, frame: AudioFrame | None) -> Iterator[AudioBlock]:
        for out in self._resampler.resample(frame):
            samples = np.clip(out.to_ndarray()[0], -1.0, 1.0).astype(np.float32, copy=False)
            if len(samples):
                yield AudioBlock(samples, self._rate_hz, self.start_s + self._n_out / self._rate_hz)
                self._n_out += len(samples)
