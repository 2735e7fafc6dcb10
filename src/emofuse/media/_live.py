"""What live sources have in common: a clock, waiting until a packet is due by it, and letting the device go once."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Final

from emofuse.types import Packet

Now = Callable[[], float]  # seconds since the stream began


def stream_clock() -> Now:
    """Return a clock that begins now: sources that are read together share one."""
    began_s = time.monotonic()
    return lambda: time.monotonic() - began_s


class RealtimePacer:
    """Waits until packets are due: the first one at once, the others as much later as their times say."""

    _NAP_S: Final = 0.05  # so that a closed source is noticed

    def __init__(self, now: Now, sleep: Callable[[float], None]) -> None:
        self._now, self._sleep = now, sleep
        self._start_s: float | None = None

    def wait(self, time_s: float, is_over: Callable[[], bool]) -> None:
        """Return when a packet of `time_s` is due, or soon after `is_over`."""
        if self._start_s is None:
            self._start_s = self._now() - time_s
        while not is_over() and (rest_s := self._start_s + time_s - self._now()) > 0:
            self._sleep(min(rest_s, self._NAP_S))


class LiveSource(ABC):
    """A PacketSource whose device is let go by its reader, when that ends, or by `close` where nobody reads it: a
    device that is let go while it is read crashes."""

    def __init__(self) -> None:
        self._is_closed = self._is_read = False

    def packets(self) -> Iterator[Packet]:
        """See PacketSource. After `close` there are none."""
        if self._is_closed:
            return
        self._is_read = True
        try:
            yield from self._read()
        finally:
            self._release()

    def close(self) -> None:
        """See PacketSource."""
        self._is_closed = True
        if not self._is_read:
            self._release()

    @abstractmethod
    def _read(self) -> Iterator[Packet]:
        """Yield packets until `_is_closed`."""

    @abstractmethod
    def _release(self) -> None:
        """Let the device go; it may be asked for twice."""
