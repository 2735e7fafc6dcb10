"""What has come and is not analysed yet: when the machine is too slow, the oldest pictures go, never sound."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from emofuse.errors import LiveError
from emofuse.types import AudioBlock, Frame, Line, Packet

MOST_FRAMES: Final = 32  # that wait, however young: what bounds memory when they come too fast
MOST_SOUND_S: Final = 30.0  # that waits: real sound never comes to this, as it takes a fiftieth of its time


@dataclass(frozen=True, slots=True, eq=False)
class QueuedPacket:
    """A packet, and when it came, in seconds of the session's clock."""

    packet: Packet | Line
    arrived_s: float
    is_dropped: bool = False


class PacketQueue:
    """Packets in waiting, handed out in the order of their times. Knows nothing of threads: its owner locks.

    max_delay_s: a picture that has waited for longer is dropped, unless it is the newest; None: nothing is dropped,
    and whoever puts waits while `is_full`. keeps_dropped: whether dropped pictures are handed out in their order, too,
    marked as such, as long as others do not wait for that.
    """

    def __init__(self, max_delay_s: float | None, *, keeps_dropped: bool = False) -> None:
        self._keeps_dropped = keeps_dropped
        self._dropped: deque[QueuedPacket] = deque(maxlen=MOST_FRAMES)
        self._max_delay_s = max_delay_s
        self._lines: deque[QueuedPacket] = deque()
        self._sound: deque[QueuedPacket] = deque()
        self._frames: deque[QueuedPacket] = deque()
        self._sound_s = 0.0
        self._handed_out_s = 0.0  # when a picture that was not dropped was taken last
        self.n_dropped = 0  # pictures

    @property
    def is_full(self) -> bool:
        """Whether more is waiting than is good where nothing may be dropped."""
        return self._max_delay_s is None and (len(self._frames) >= MOST_FRAMES or self._sound_s >= MOST_SOUND_S / 2)

    def put(self, packet: Packet | Line, now_s: float) -> None:
        """Add a packet that comes now. Raises LiveError where more sound waits than can be a live stream's."""
        arrived = QueuedPacket(packet, now_s)
        if isinstance(packet, Frame):
            self._frames.append(arrived)
            self._drop(now_s)
        elif isinstance(packet, AudioBlock):
            self._sound.append(arrived)
            self._sound_s += packet.end_s - packet.time_s
            if self._sound_s > MOST_SOUND_S and self._max_delay_s is not None:
                raise LiveError(
                    f"more than {MOST_SOUND_S:.0f} s of sound are waiting",
                    "it comes faster than in real time, or what takes the answers has stalled",
                )
        else:
            self._lines.append(arrived)

    def take(self, now_s: float) -> QueuedPacket | None:
        """Return the next packet, None where none is waiting. Sound comes before a picture of the same time."""
        self._drop(now_s)
        if (line := self.take_line()) is not None:
            return line
        if self._max_delay_s is not None and self._frames and now_s - self._handed_out_s > self._max_delay_s:
            self._dropped.clear()  # those that are analysed do not wait for them
        first = self._dropped or self._frames
        if self._sound and (not first or _time_s(self._sound[0]) <= _time_s(first[0])):
            arrived = self._sound.popleft()
            assert isinstance(arrived.packet, AudioBlock)
            self._sound_s = self._sound_s - (arrived.packet.end_s - arrived.packet.time_s) if self._sound else 0.0
            return arrived
        if first is self._frames:
            self._handed_out_s = now_s
        return first.popleft() if first else None

    def take_line(self) -> QueuedPacket | None:
        """Return the next line, None where none is waiting."""
        return self._lines.popleft() if self._lines else None

    def _drop(self, now_s: float) -> None:
        if self._max_delay_s is None:
            return
        frames = self._frames
        while len(frames) > MOST_FRAMES or (len(frames) > 1 and now_s - frames[0].arrived_s > self._max_delay_s):
            dropped = frames.popleft()
            self.n_dropped += 1
            if self._keeps_dropped:
                self._dropped.append(replace(dropped, is_dropped=True))


def _time_s(arrived: QueuedPacket) -> float:
    assert isinstance(arrived.packet, Frame | AudioBlock)
    return arrived.packet.time_s
