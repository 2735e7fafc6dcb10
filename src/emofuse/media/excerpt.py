"""A stretch of a recording: what is before it and after it is left out, and times stay those of the recording."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from emofuse.errors import MediaError, UsageError
from emofuse.types import AudioBlock, Packet

_CLOCK: Final = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)")  # 83.5, 1:23.5 or 0:01:23.5
_ROOM_S: Final = 1e-6  # by which times that are written in decimals may be off


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a recording is looked at, in seconds of its own clock.

    Attributes:
        start_s: Where it begins, 0 or later.
        end_s: Where it ends, after start_s; None for the end of the recording.

    Raises:
        UsageError: These are no times, or the end is not after the start.

    Example:
        >>> Span(30.0, 45.5).words
        '30 s to 45.5 s'
    """

    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("start_s", self.start_s), ("end_s", self.end_s)):
            if value is not None and (not _is_number(value) or not 0 <= value < math.inf):
                raise UsageError(f"{name}: {value!r} is not a time of a recording", "give seconds, from 0")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise UsageError(
                f"the end, {self.end_s:g} s, is not after the start, {self.start_s:g} s", "give a later end"
            )

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.start_s == 0 and self.end_s is None

    @property
    def words(self) -> str:
        """From when to when, for people."""
        return f"{self.start_s:g} s to {'its end' if self.end_s is None else f'{self.end_s:g} s'}"


def parse_time(text: str) -> float:
    """Return the seconds that a text means.

    Args:
        text: Seconds, or hours, minutes and seconds: "83.5", "1:23.5", "0:01:23.5".

    Returns:
        The seconds.

    Raises:
        UsageError: It is nothing of these.

    Example:
        >>> parse_time("1:02:03.5"), parse_time("2:03"), parse_time("83.5")
        (3723.5, 123.0, 83.5)
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None or (found[2] is not None and float(found[3]) >= 60):
        raise UsageError(f"{text!r} is not a time", "give seconds, or h:mm:ss, such as 83.5 or 0:01:23.5")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def within(packets: Iterable[Packet], span: Span, name: str) -> Iterator[Packet]:
    """Yield the packets of a stretch; sound is cut to the sample.

    Args:
        packets: Of the recording, in the order of time.
        span: The stretch.
        name: What to call the recording.

    Yields:
        Those in it, with the times that they have and in their order.

    Raises:
        MediaError: There is nothing in it.
    """
    end_s = math.inf if span.end_s is None else span.end_s
    is_empty, reached_s = True, 0.0
    cut: AudioBlock | None = None  # its first sample in the stretch may be after a picture at the very start
    for packet in packets:
        if packet.time_s >= end_s - _ROOM_S:
            break
        reached_s = max(reached_s, packet.end_s if isinstance(packet, AudioBlock) else packet.time_s)
        kept = _cut(packet, span.start_s, end_s) if isinstance(packet, AudioBlock) else packet
        if kept is None or kept.time_s < span.start_s - _ROOM_S:
            continue
        is_empty = False
        if cut is not None and cut.time_s <= kept.time_s:
            yield cut
            cut = None
        if cut is None and kept is not packet and isinstance(kept, AudioBlock):
            cut = kept
        else:
            yield kept
    if cut is not None:
        yield cut
    if is_empty:
        raise MediaError(
            f"{name} has nothing from {span.words}: it ends at {reached_s:.1f} s", "choose another stretch"
        )


def _cut(block: AudioBlock, start_s: float, end_s: float) -> AudioBlock | None:
    """Return what of a block is between two times; None where that is nothing."""
    first = max(0, math.ceil((start_s - block.time_s - _ROOM_S) * block.rate_hz))
    last = len(block.samples)
    if block.end_s > end_s:
        last = math.floor((end_s - block.time_s + _ROOM_S) * block.rate_hz)
    if first == 0 and last == len(block.samples):
        return block
    samples = block.samples[first:last]
    return AudioBlock(samples, block.rate_hz, block.time_s + first / block.rate_hz) if len(samples) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
