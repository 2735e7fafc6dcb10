"""Turns decoded sound into mono blocks at one rate, stamped in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from emofuse.media._clock import Clock, Seams
from emofuse.media._container import LIBRARY_ERRORS, Damage, seconds
from emofuse.media._levels import LARGEST, Limiter, Mixer, OffsetRemover
from emofuse.media._placing import Placer
from emofuse.types import AudioBlock

FILLED_S: Final = 0.2  # a shorter hole is filled with silence; a longer one is a gap between blocks
_MOST_DAMAGED: Final = 0.01  # of the samples of a frame; of more, all are damage
_TOGETHER: Final = 1024  # samples of several tracks that are mixed at a time
_GATHERED_S: Final = 0.1  # of frames that follow one another are worked on at once: each call costs more than its work
_EXACT_S: Final = 0.0011  # by which their times may be off: containers round both ends to the millisecond
# A frame has this many pointers to planes. Where all are taken PyAV (18.1) reads on past the last of them, and
# the process dies: such sound is packed into one plane before it is looked at.
_PLANES: Final = 8


def blocks(
    decoded: Iterator[AudioFrame],
    start_s: float,
    rate_hz: int,
    damage: Damage,
    seams: Seams | None = None,
    gain: float = 1.0,
) -> Iterator[AudioBlock]:
    """Yield mono blocks at rate_hz, in the order of time, 0 being at start_s of the container; gain: of all samples."""
    sound, mixer = MonoSound(rate_hz), Mixer()
    clock, step_s = Clock(start_s, seams), 0.0
    gathered = _Gathered()
    for frame in decoded:
        time_s = clock.time_s(seconds(frame), step_s)
        step_s = frame.samples / frame.sample_rate
        try:
            samples, names = as_float(frame, gain), _speakers(frame)
        except LIBRARY_ERRORS:
            damage.lose()
            continue
        if not gathered.is_empty and not gathered.takes(time_s, frame.sample_rate, names):
            yield from gathered.given_to(sound, mixer, damage)
        gathered.add(samples, time_s, frame.sample_rate, names)
        if gathered.is_long:
            yield from gathered.given_to(sound, mixer, damage)
    yield from gathered.given_to(sound, mixer, damage)
    yield from sound.flush()


def _speakers(frame: AudioFrame) -> tuple[str, ...]:
    return tuple(channel.name for channel in frame.layout.channels)


class _Gathered:
    """Frames of decoded sound that follow one another without a gap."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float32]] = []
        self._starts_s, self._rate_hz, self._n = 0.0, 0, 0
        self._names: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self._parts

    @property
    def is_long(self) -> bool:
        return self._n >= _GATHERED_S * self._rate_hz

    def takes(self, time_s: float, rate_hz: int, names: tuple[str, ...]) -> bool:
        """Whether a frame of this time, rate and speakers goes on where the last one ended."""
        if (rate_hz, names) != (self._rate_hz, self._names):
            return False
        return abs(self._starts_s + self._n / rate_hz - time_s) <= _EXACT_S

    def add(self, samples: NDArray[np.float32], time_s: float, rate_hz: int, names: tuple[str, ...]) -> None:
        if not self._parts:
            self._starts_s, self._rate_hz, self._names = time_s, rate_hz, names
        self._parts.append(samples)
        self._n += samples.shape[1]

    def given_to(self, sound: MonoSound, mixer: Mixer, damage: Damage) -> Iterator[AudioBlock]:
        """Mix what there is, hand it on, and yield what is complete; nothing is left here."""
        parts, self._parts, self._n = self._parts, [], 0
        if not parts:
            return
        try:
            samples = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
            yield from sound.push(mixer.mix(samples, self._rate_hz, self._names), self._rate_hz, self._starts_s)
        except LIBRARY_ERRORS:
            for _ in parts:
                damage.lose()


def mixed(tracks: Sequence[Iterator[AudioBlock]], rate_hz: int) -> Iterator[AudioBlock]:
    """Yield the mean of several tracks of one recording, each of blocks at rate_hz in the order of time."""
    queues = [_Queue(track, rate_hz) for track in tracks]
    mixer = Mixer()
    while True:
        starts = [start for queue in queues if (start := queue.start()) is not None]
        if not starts:
            return
        start = min(starts)
        together = np.stack([queue.take(start, start + _TOGETHER) for queue in queues])
        ends = [queue.taken - start for queue in queues]
        yield AudioBlock(mixer.mix(together, rate_hz)[: max(ends)], rate_hz, start / rate_hz)


class _Queue:
    """A track's samples by their number, time * rate_hz. taken: up to where there was sound in what was taken last."""

    def __init__(self, blocks: Iterator[AudioBlock], rate_hz: int) -> None:
        self._blocks, self._rate_hz = blocks, rate_hz
        self._waiting: tuple[int, NDArray[np.float32]] | None = None
        self.taken = 0

    def start(self) -> int | None:
        """Return the number of the next sample, None where there is none."""
        if self._waiting is None:
            block = next(self._blocks, None)
            if block is None:
                return None
            start = max(round(block.time_s * self._rate_hz), self.taken)
            self._waiting = start, block.samples
        return self._waiting[0]

    def take(self, first: int, last: int) -> NDArray[np.float32]:
        """Return the samples from number first up to last, silence where there are none."""
        samples = np.zeros(last - first, np.float32)
        while (start := self.start()) is not None and start < last:
            assert self._waiting is not None
            part = self._waiting[1][: last - start]
            samples[start - first : start - first + len(part)] = part
            self.taken = start + len(part)
            rest = self._waiting[1][len(part) :]
            self._waiting = (self.taken, rest) if len(rest) else None
        return samples


class MonoSound:
    """Turns stretches of mono sound of any rate, as they come, into blocks at rate_hz.

    Samples are placed by the times that are stated of them: what overlaps is dropped, a hole is filled or left, so
    that sound stays with the picture over any number of seams. Between those, times are counted in samples, so they
    are exact. An offset is taken off (`OffsetRemover`), and what goes beyond 1 is scaled (`Limiter`).
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._run: _Run | None = None
        self._placer = Placer()
        self._offset, self._limiter = OffsetRemover(), Limiter()

    def push(self, mono: NDArray[np.float32], from_hz: int, time_s: float) -> Iterator[AudioBlock]:
        """Take (T,) float32 samples at from_hz of which the first is heard at time_s, and yield what is complete."""
        n_early = min(len(mono), math.ceil(-time_s * from_hz)) if time_s < 0 else 0  # before the recording begins
        if n_early:
            mono, time_s = mono[n_early:], time_s + n_early / from_hz
            if not len(mono):
                return
        end_s = self._placer.end_s
        n_off = self._placer.place(time_s, len(mono), from_hz)
        mono = self._limiter.push(self._offset.push(mono, from_hz), from_hz)[max(-n_off, 0) :]
        run = self._run
        if run is None or n_off > FILLED_S * from_hz or from_hz != run.from_hz:
            yield from self.flush()
            starts_s = time_s if end_s is None else end_s + max(n_off, 0) / from_hz
            run = self._run = _Run(starts_s, from_hz, self._rate_hz)
        elif n_off > 0:
            yield from run.push(np.zeros(n_off, np.float32))
        yield from run.push(mono)

    def flush(self) -> Iterator[AudioBlock]:
        """Yield what the resampler still holds."""
        if self._run is not None:
            yield from self._run.flush()


def as_float(frame: AudioFrame, gain: float = 1.0) -> NDArray[np.float32]:
    """Return (channels, T) float32 of a decoded frame of any sample format: in [-1, 1], beyond it only from float.

    gain: of float samples. Those that are no number, or larger than any sample can be, are damage, and are silence; so
    is all of a frame with many of them.
    """
    if frame.format.is_planar and frame.layout.nb_channels >= _PLANES:
        frame = _packed(frame)
    samples: NDArray[Any] = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):
            loud = samples.astype(np.float32)
        is_sound = np.abs(loud) <= LARGEST  # which no NaN is
        if not is_sound.all():
            loud = np.where(is_sound & (is_sound.mean() > 1 - _MOST_DAMAGED), loud, np.float32(0.0))
        return loud if gain == 1.0 else loud * np.float32(gain)
    if samples.dtype.kind == "u":
        return (samples.astype(np.float32) - 128.0) / 128.0
    full_scale = float(2 ** (8 * samples.dtype.itemsize - 1))
    return (samples / full_scale).astype(np.float32)


def _packed(frame: AudioFrame) -> AudioFrame:
    to_packed = AudioResampler(format=frame.format.packed, layout=frame.layout, rate=frame.sample_rate)
    return to_packed.resample(frame)[0]


def to_mono(frame: AudioFrame, mixer: Mixer, gain: float = 1.0) -> NDArray[np.float32]:
    """Return the (T,) float32 mix of all speakers (`Mixer`).

    libswresample's own mix is 3 dB louder for float than for integer sound, and can go beyond 1.
    """
    return mixer.mix(as_float(frame, gain), frame.sample_rate, [channel.name for channel in frame.layout.channels])


def resample(samples: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Return (T,) samples at another rate, as they are otherwise."""
    if from_hz == to_hz or not len(samples):
        return samples
    run = _Run(0.0, from_hz, to_hz)
    return np.concatenate([block.samples for block in (*run.push(samples), *run.flush())])


class _Run:
    """Sound without a gap, resampled; start_s: the time of its first sample."""

    def __init__(self, start_s: float, from_hz: int, rate_hz: int) -> None:
        self.start_s, self.from_hz, self._rate_hz = start_s, from_hz, rate_hz
        self._time_base = Fraction(1, from_hz)
        self._resampler = AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        self._n_in = self._n_out = 0

    def push(self, mono: NDArray[np.float32]) -> Iterator[AudioBlock]:
        if not len(mono):
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self.from_hz, self._n_in, self._time_base
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
