"""The consumer's side of a live session: what comes is analysed, steadied and counted. No threads here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from emofuse.inference.analyzer import Analyzer
from emofuse.inference.live_person import LivePerson
from emofuse.inference.live_stats import Delays
from emofuse.inference.smoothing import LabelChanges, Smoother
from emofuse.types import AudioBlock, Frame, Line, Moment, Packet

_UNBROKEN_S: Final = 1.0  # a moment in a longer pause of the stream was not due, so it is not late


@dataclass(frozen=True, slots=True, eq=False)
class LiveUpdate:
    """What one packet brought. frame: the picture that was analysed, and view: what to draw over it, steadied; sound:
    the block, where it was sound. moments: what it completed, as the Analyzer gave them, or adapted to a person;
    steady: the same, steadied. delay_s: of the newest of them, where there is one. is_dropped: whether the picture was
    not analysed. lines: that were pushed or recognised."""

    frame: Frame | None = None
    view: Moment | None = None
    sound: AudioBlock | None = None
    moments: tuple[Moment, ...] = ()
    steady: tuple[Moment, ...] = ()
    delay_s: float | None = None
    is_dropped: bool = False
    lines: tuple[Line, ...] = ()


class UpdateBuilder:
    """Runs the Analyzer over packets as they are taken, and keeps what a session's stats are made of."""

    def __init__(
        self,
        analyzer: Analyzer,
        smoother: Smoother | None,
        clock: Callable[[], float],
        person: LivePerson | None = None,
    ) -> None:
        self._analyzer, self._smoother, self._clock, self._person = analyzer, smoother, clock, person
        self.delays = Delays()
        self.word_delays = Delays()  # from the end of a line to when it is there
        self.changes, self.steady_changes = LabelChanges(), LabelChanges()
        self.n_moments = 0
        self.n_late = 0  # pictures that came after what they would have been part of
        self.end_s = math.nan  # of the stream so far
        self._moment_s = self._frame_s = -math.inf  # times of the latest moment and picture

    def analyse(self, packet: Packet | Line, arrived_s: float | None) -> LiveUpdate | None:
        """Push a packet that came at `arrived_s` of the clock, None where nothing is live; returns None for a picture
        that came too late."""
        if isinstance(packet, Line):
            self._analyzer.push(packet)
            self.word_delays.add(0.0 if math.isnan(self.end_s) else max(self.end_s - packet.end_s, 0.0))
            return LiveUpdate(lines=(packet,))
        if isinstance(packet, Frame) and packet.time_s < self._earliest_s():
            self.n_late += 1
            return None
        moments = self._adapted(self._analyzer.push(packet))
        came_s = packet.time_s if isinstance(packet, Frame) else packet.end_s  # a block is there when it has ended
        delay_s = None
        if arrived_s is not None and moments and not packet.time_s - self.end_s > _UNBROKEN_S:
            delay_s = self._clock() - arrived_s + max(came_s - moments[-1].time_s, 0.0)
            self.delays.add(delay_s)
        self.end_s = came_s if math.isnan(self.end_s) else max(self.end_s, came_s)
        if isinstance(packet, Frame):
            self._frame_s = packet.time_s
        return self._update(packet, moments, delay_s)

    def passed(self, frame: Frame) -> LiveUpdate | None:
        """Return a picture that is not analysed, with what is known by then; None for one that came too late."""
        if frame.time_s < self._frame_s:
            return None
        return LiveUpdate(frame, self._view(frame.time_s), is_dropped=True)

    def flush(self) -> LiveUpdate | None:
        """End the stream: its last moments, None where there are none."""
        moments = self._adapted(self._analyzer.flush())
        return self._update(None, moments, None) if moments else None

    def _adapted(self, moments: list[Moment]) -> tuple[Moment, ...]:
        if self._person is None:
            return tuple(moments)
        return tuple(self._person.push(moment, self._analyzer.answers) for moment in moments)

    def _earliest_s(self) -> float:
        """Return the time before which a picture is of no use: neither pictures nor moments go back."""
        return max(self._frame_s, self._moment_s) if self._analyzer.settings.mode == "frame" else self._frame_s

    def _update(self, packet: Packet | None, moments: tuple[Moment, ...], delay_s: float | None) -> LiveUpdate:
        steady = moments if self._smoother is None else tuple(self._smoother.push(moment) for moment in moments)
        for moment, shown in zip(moments, steady, strict=True):
            self.changes.push(moment)
            self.steady_changes.push(shown)
            self._moment_s = moment.time_s
        self.n_moments += len(moments)
        if not isinstance(packet, Frame):
            return LiveUpdate(sound=packet, moments=moments, steady=steady, delay_s=delay_s)
        return LiveUpdate(packet, self._view(packet.time_s), None, moments, steady, delay_s)

    def _view(self, time_s: float) -> Moment:
        view = self._analyzer.view(time_s)
        if self._person is not None:
            view = self._person.view(view, self._analyzer.answers)
        return view if self._smoother is None else self._smoother.apply_to_view(view)
