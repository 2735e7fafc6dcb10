"""What the packets of a recording say before any is decoded: its length, its joints, what can be copied."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any, Final

import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from numpy.typing import NDArray

from emofuse.media import _container
from emofuse.media._clock import SLIP_S, Clock, Seams, is_leap
from emofuse.media._levels import LARGEST
from emofuse.media._placing import NEAR_S

_REORDERED_S: Final = 10.0  # by which pictures may go back, where only the times of showing them are stated
_LONGEST_LAST_S: Final = 1.0  # of a last packet, unless others were longer
_LONGEST_ALONE_S: Final = 60.0  # of the only one
_N_PEAKS: Final = 64  # the loudest, that are kept
_CLICK: Final = 4.0  # times as loud as any other packet
_FLOATS: Final = {
    f"pcm_f{bits}{order}": np.dtype(f"{sign}f{bits // 8}")
    for bits in (32, 64)
    for order, sign in (("le", "<"), ("be", ">"))
}
_AAC_FRAMES: Final = (1024, 2048, 960, 1920, 512, 480)  # samples that a packet may hold


@dataclass(frozen=True, slots=True)
class Scan:
    """end_s: when the last packet ends, sound_end_s: of those of sound; seams: between joined parts; even: the indices
    of AAC streams whose packets follow one another without hole, overlap or change of form, so that they can be copied
    as they are; gains: what streams of float samples that go beyond 1 are to be multiplied by; last_byte: where in the
    file the packet nearest to its end begins, None where the demuxer does not tell."""

    end_s: float
    sound_end_s: float
    seams: Seams
    even: frozenset[int]
    gains: Mapping[int, float]
    last_byte: int | None


@dataclass(slots=True)
class _Part:
    """A stretch of a stream in which no stated time leaps, in the container's seconds."""

    first_s: float
    latest_s: float
    end_s: float


@dataclass(slots=True)
class _Course:
    """The parts of a stream. step_s: how long its latest packet lasts; longest_s: between two packets."""

    slip_s: float
    frames: tuple[float, ...]  # seconds that a packet may hold, where it is to be copied
    parts: list[_Part] = field(default_factory=list)
    step_s: float = 0.0
    longest_s: float = 0.0
    n_packets: int = 0
    last_byte: int | None = None
    is_whole: bool = True  # nothing is damaged, and nothing cut out by an edit list
    forms: set[bytes] = field(default_factory=set)
    peaks: list[float] = field(default_factory=list)  # the loudest, one a packet, of float samples
    drift_s: list[tuple[float, float]] = field(default_factory=list)  # least and most, by length of a packet

    def push(self, packet: Packet[Any], stated_s: float) -> None:
        time_base = packet.time_base or Fraction(1)
        part = self.parts[-1] if self.parts else None
        if part is None or is_leap(stated_s - part.latest_s, self.slip_s):
            part = _Part(stated_s, stated_s, stated_s)
            self.parts.append(part)
        self.longest_s = max(self.longest_s, stated_s - part.latest_s)
        self.step_s = _container.in_seconds(packet.duration or 0, time_base) or min(self.longest_s, _LONGEST_LAST_S)
        part.latest_s = max(part.latest_s, stated_s)
        shown_later_s = _container.in_seconds(max((packet.pts or 0) - (packet.dts or packet.pts or 0), 0), time_base)
        most_s = _LONGEST_ALONE_S if self.n_packets == 0 else max(self.longest_s, _LONGEST_LAST_S)
        part.end_s = max(part.end_s, stated_s + shown_later_s + min(self.step_s, most_s))
        self.is_whole &= not packet.is_corrupt
        if packet.pos is not None:
            self.last_byte = max(self.last_byte or 0, packet.pos)
        self._compare(stated_s)
        self.n_packets += 1

    def _compare(self, stated_s: float) -> None:
        drifts = [stated_s - self.n_packets * frame_s for frame_s in self.frames]
        before = self.drift_s or [(math.inf, -math.inf)] * len(drifts)
        self.drift_s = [(min(low, d), max(high, d)) for (low, high), d in zip(before, drifts, strict=True)]

    @property
    def is_even(self) -> bool:
        is_steady = any(high - low <= 2 * NEAR_S for low, high in self.drift_s)
        return is_steady and self.is_whole and len(self.parts) == 1 and len(self.forms) < 2

    def note_peak(self, samples: NDArray[Any]) -> None:
        """Note the peak of a packet of float samples, unless it is damaged."""
        peak = float(np.abs(samples).max(initial=0.0))
        if peak <= LARGEST:  # which no NaN is
            heappush(self.peaks, peak)
            if len(self.peaks) > _N_PEAKS:
                heappop(self.peaks)

    @property
    def gain(self) -> float:
        """What brings the samples within 1: a peak far above all others is a click, and does not count."""
        peaks = sorted(self.peaks, reverse=True)
        peak = next((high for high, low in pairwise(peaks) if high <= _CLICK * low), max(peaks, default=0.0))
        return 1.0 / peak if peak > 1.0 else 1.0

    def replay(self, start_s: float, seams: Seams) -> float:
        """Return when the last part ends, in seconds from start_s, and note the seams."""
        clock, end_s = Clock(start_s, seams, self.slip_s), 0.0
        for part in self.parts:
            first_s = clock.time_s(part.first_s, self.step_s)
            end_s = max(end_s, first_s + part.end_s - part.first_s)
            clock.pass_over(part.latest_s)
        return end_s


def scan(path: str | os.PathLike[str], film_index: int | None, sound_indices: Sequence[int], start_s: float) -> Scan:
    """Read all packets of these streams once, as fast as the file can be read; times count from start_s.

    The film decides when a joined part begins. Raises MediaError where the file cannot be opened.
    """
    indices = [*([] if film_index is None else [film_index]), *sound_indices]
    courses = _courses(path, indices)
    seams = Seams()
    ends_s = {index: courses[index].replay(start_s, seams) for index in indices if index in courses}
    sound_end_s = max((ends_s.get(index, 0.0) for index in sound_indices), default=0.0)
    even = frozenset(index for index, course in courses.items() if course.is_even)
    gains = {index: course.gain for index, course in courses.items()}
    last_byte = max((course.last_byte for course in courses.values() if course.last_byte is not None), default=None)
    return Scan(max(ends_s.values(), default=0.0), sound_end_s, seams, even, gains, last_byte)


def _courses(path: str | os.PathLike[str], indices: Sequence[int]) -> dict[int, _Course]:
    courses: dict[int, _Course] = {}
    with _container.open_container(path) as container:
        streams = [container.streams[index] for index in indices]
        has_adts = {stream.index for stream in streams if _is_adts(stream)}
        floats = {stream.index: kind for stream in streams if (kind := _float_kind(stream)) is not None}
        _container.discard_other_streams(container, *streams)
        for packet in _container.demux(container, *streams):
            stated, index = packet.dts if packet.dts is not None else packet.pts, packet.stream_index
            if not packet.size or stated is None:
                continue
            course = courses.get(index)
            if packet.is_discard:  # the run-in of a codec, or cut out by an edit list: a copy would play it
                if course is not None:
                    course.is_whole = False
                continue
            if course is None:
                slip_s = SLIP_S if packet.dts is not None else _REORDERED_S
                course = courses[index] = _Course(slip_s, _packet_lengths(container.streams[index]))
            course.push(packet, _container.in_seconds(stated, packet.time_base))
            if index in has_adts:
                course.forms.add(_adts_form(bytes(packet)))
            if index in floats:
                data, size = bytes(packet), floats[index].itemsize
                course.note_peak(np.frombuffer(data[: len(data) // size * size], floats[index]))
    return courses


def _packet_lengths(stream: Stream) -> tuple[float, ...]:
    if not isinstance(stream, AudioStream) or stream.codec_context.name != "aac":
        return ()
    return tuple(n / max(stream.codec_context.sample_rate, 1) for n in _AAC_FRAMES)


def _float_kind(stream: Stream) -> np.dtype[Any] | None:
    """Return the type of the samples of a stream that is uncompressed float, whose level may be any."""
    return _FLOATS.get(stream.codec_context.name) if isinstance(stream, AudioStream) else None


def _is_adts(stream: Stream) -> bool:
    if not isinstance(stream, AudioStream):
        return False
    return stream.codec_context.name == "aac" and not stream.codec_context.extradata


def _adts_form(data: bytes) -> bytes:
    """Return profile, rate and channels of an AAC packet with a header of its own, and how many frames it holds."""
    if len(data) < 7 or data[0] != 0xFF or data[1] & 0xF0 != 0xF0:
        return b""
    return bytes((data[2] & 0xFD, data[3] & 0xC0, data[6] & 3))
