"""From the times that streams state to seconds of the recording: joined parts go on, and streams stay in step."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import Final

SLIP_S: Final = 0.5  # by which one timestamp may be before the last
_LONGEST_PAUSE_S: Final = 3600.0  # between two timestamps; an MP4 cannot hold one of 6.6 hours
_SAME_SEAM_S: Final = 5.0  # streams of one part begin, and end, that close to one another at most
_N_NEAR: Final = 32  # seams before and after a time that are looked at
_N_EARLIER: Final = 4  # shifts of a stream that are tried again


@dataclass(slots=True)
class Seams:
    """Where the stated times of a recording leap, for the clocks of all its streams.

    Parts that were joined begin anew in every stream, but no two streams of a part are of the same length. Were each
    to go on where it ended, sound and picture would be seconds apart after many parts. So the stream that first comes
    to a seam decides for all when the next part begins.
    """

    _found: list[tuple[float, float, float]] = field(default_factory=list)  # goes on at; stated before, and after

    @property
    def is_empty(self) -> bool:
        """Whether the stated times leap nowhere."""
        return not self._found

    def goes_on_s(self, before_s: float, after_s: float, follows_s: float, passed: set[float]) -> float:
        """Return when a stream goes on after a leap from before_s to after_s.

        follows_s: when it would go on by itself. Where another stream leaps alike near that time, it is then. passed:
        the seams that the stream has passed, by their time; this one is added.
        """
        at = bisect_left(self._found, (follows_s,))
        near = self._found[max(at - _N_NEAR, 0) : at + _N_NEAR]
        for goes_on_s, before, after in sorted(near, key=lambda seam: abs(seam[0] + after_s - seam[2] - follows_s)):
            time_s = goes_on_s + after_s - after
            if goes_on_s in passed:
                continue
            if max(abs(before - before_s), abs(after - after_s), abs(time_s - follows_s)) <= _SAME_SEAM_S:
                passed.add(goes_on_s)
                return time_s
        passed.add(follows_s)
        insort(self._found, (follows_s, before_s, after_s))
        return follows_s


def is_leap(step_s: float, slip_s: float = SLIP_S) -> bool:
    """Whether a stated time that is so much later than the latest one is of another part, or damaged."""
    return not -slip_s <= step_s <= _LONGEST_PAUSE_S


class Clock:
    """Turns the times that one stream states into seconds from start_s of the container.

    Where they leap, back over more than a slip (clips glued together start again at 0) or on over more than any pause
    (a damaged timestamp), the stream goes on where it was, and all later times are moved with it, until they leap back.
    seams: shared with the other streams; slip_s: how far back a time may be.
    """

    def __init__(self, start_s: float, seams: Seams | None = None, slip_s: float = SLIP_S) -> None:
        self._shift_s = -start_s
        self._earlier: list[float] = []  # shifts before that
        self._seams = seams or Seams()
        self._slip_s = slip_s
        self._passed: set[float] = set()
        self._stated_s = 0.0
        self._latest_s: float | None = None

    def time_s(self, stated_s: float | None, step_s: float) -> float:
        """Return the time of what is stated to be at stated_s; it may be a slip before the last one.

        step_s: how long what came before it lasts; stated_s: None where nothing is stated, and it follows.
        """
        latest_s = self._latest_s
        follows_s = 0.0 if latest_s is None else latest_s + step_s
        time_s = follows_s if stated_s is None else stated_s + self._shift_s
        if stated_s is not None:
            if latest_s is not None and is_leap(time_s - latest_s, self._slip_s):
                time_s = self._leap(stated_s, follows_s)
                latest_s = None
            self._stated_s = stated_s
        if -1e-6 < time_s < 0:  # the container's start is rounded to the microsecond
            time_s = 0.0
        self._latest_s = time_s if latest_s is None else max(latest_s, time_s)
        return time_s

    def pass_over(self, stated_s: float) -> float:
        """Go on to stated_s, up to which nothing leaps; return the time."""
        self._stated_s = stated_s
        self._latest_s = stated_s + self._shift_s
        return self._latest_s

    def _leap(self, stated_s: float, follows_s: float) -> float:
        shift_s = next((s for s in self._earlier if abs(stated_s + s - follows_s) <= SLIP_S), None)
        if shift_s is None:
            shift_s = self._seams.goes_on_s(self._stated_s, stated_s, follows_s, self._passed) - stated_s
        self._earlier = [self._shift_s, *self._earlier][:_N_EARLIER]
        self._shift_s = shift_s
        return stated_s + shift_s


class RisingClock(Clock):
    """A clock that never goes back: no picture is shown before the last one."""

    _shown_s = 0.0  # and none before the recording begins

    def time_s(self, stated_s: float | None, step_s: float) -> float:
        """See Clock."""
        self._shown_s = max(self._shown_s, super().time_s(stated_s, step_s))
        return self._shown_s
