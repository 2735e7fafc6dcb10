"""The clock that live sources share, and waiting until a packet is due by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

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
