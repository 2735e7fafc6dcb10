"""How long the steps of the work on a recording take."""

from __future__ import annotations

import time
from collections.abc import Callable


class Stopwatch:
    """Times steps that come one after another, from the moment it is made.

    Args:
        clock_s: Seconds that only grow.

    Example:
        >>> ticks = iter([0.0, 1.0, 3.0, 6.0])
        >>> watch = Stopwatch(lambda: next(ticks))
        >>> for step in ("read", "write", "read"):
        ...     watch.lap(step)
        >>> watch.spent
        (('read', 4.0), ('write', 2.0))
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._since_s = clock_s()
        self._spent_s: dict[str, float] = {}

    def lap(self, step: str) -> None:
        """Say that the time since the last lap went into a step; its laps are added up."""
        now_s = self._clock_s()
        self._spent_s[step] = self._spent_s.get(step, 0.0) + now_s - self._since_s
        self._since_s = now_s

    @property
    def spent(self) -> tuple[tuple[str, float], ...]:
        """The steps in their order, each with its seconds."""
        return tuple(self._spent_s.items())
