"""Live analysis: sources are read in threads, packets wait in a backlog, and whoever iterates gets the answers.

The Analyzer runs in the thread that iterates over the session, so nothing is shared but the backlog, and a consumer
that is slow makes pictures drop, not answers pile up. Words are recognised in a thread of `live_words`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from pydantic import Field

from emofuse.errors import LiveError, MediaError
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.live_person import LivePerson
from emofuse.inference.live_stats import LiveStats
from emofuse.inference.live_updates import LiveUpdate, UpdateBuilder
from emofuse.inference.live_words import LiveWords, WordStats
from emofuse.inference.packet_queue import PacketQueue, QueuedPacket
from emofuse.inference.smoothing import Smoother
from emofuse.media.capture import PacketSource
from emofuse.settings import Settings
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Frame, Line, Packet

_WAKE_S: Final = 0.1  # how often who waits looks whether a source has stalled, and Ctrl-C is heard on every platform
_LET_GO_S: Final = 8.0  # for a reader to end: more than any source waits for its next packet
_LAST_WORDS_S: Final = 5.0  # for what was spoken last to be recognised, at the end of a session


class LiveSettings(Settings):
    """How a session keeps up. max_delay_s: a picture that waits for longer is dropped; None: none is, and the source
    waits instead. tick_s: without news for so long, an empty update; None: no such updates. keeps_dropped: whether the
    pictures that are dropped come as updates, too, with what is known by then."""

    max_delay_s: float | None = Field(0.25, gt=0, le=10)
    tick_s: float | None = Field(None, gt=0)
    keeps_dropped: bool = False


class PushSource:
    """A source that is pushed to, from any thread: packets from a socket, or lines of what is being said."""

    def __init__(self, name: str = "pushed", stall_s: float | None = None) -> None:
        self.name, self.stall_s = name, stall_s
        self._session: LiveSession | None = None

    def put(self, packet: Packet | Line) -> bool:
        """Hand a packet to the session; False where the session is over, and nobody needs more.

        Returns at once, unless the session drops nothing: then it waits for room. Raises LiveError for a packet that
        cannot be of this stream.
        """
        if self._session is None:
            raise LiveError("the session has not begun", "enter it first: with LiveSession(...) as session")
        return self._session._put(self, packet)

    def close(self) -> None:
        """End the stream: the session gives its last moments, and ends."""
        if self._session is not None:
            self._session._end(self)

    def fail(self, error: Exception) -> None:
        """End the stream with an error, which the session raises at once."""
        if self._session is not None:
            self._session._fail(error)


@dataclass(slots=True)
class _State:
    """What the threads share, under the session's lock."""

    backlog: PacketQueue
    running: dict[int, PacketSource | PushSource]
    heard_s: dict[int, float]  # when each source last gave something
    error: BaseException | None = None
    is_over: bool = False
    is_paused: bool = False
    first_s: float | None = None
    n_frames: int = 0
    sound_s: float = 0.0
    size: tuple[int, int] | None = None


class LiveSession:
    """Runs an Analyzer over sources. Enter it, and iterate over its updates; leaving it ends every thread.

    A source that fails or stalls raises its error out of the iteration at once. smoother: steadies what is shown; None
    leaves it as it is. clock: seconds that only grow. words: recognise what is spoken, whose lines then come as if they
    were pushed; None recognises nothing. person: to whom the answers are adapted; None to nobody.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        *sources: PacketSource | PushSource,
        settings: LiveSettings | None = None,
        smoother: Smoother | None = None,
        clock: Callable[[], float] = time.monotonic,
        words: LiveWords | None = None,
        person: LivePerson | None = None,
    ) -> None:
        self.analyzer = analyzer
        self._words = words
        self.settings = settings or LiveSettings()
        self._sources = sources
        self._clock = clock
        self._changed = threading.Condition()
        backlog = PacketQueue(self.settings.max_delay_s, keeps_dropped=self.settings.keeps_dropped)
        self._state = _State(backlog, {id(s): s for s in sources}, {})
        self._updates = UpdateBuilder(analyzer, smoother, clock, person)
        self._threads: list[threading.Thread] = []
        self._is_entered = False

    def __enter__(self) -> Self:
        assert not self._is_entered, "a session is for one stream"
        self._is_entered = True
        now_s = self._clock()
        for source in self._sources:
            self._state.heard_s[id(source)] = now_s
            if isinstance(source, PushSource):
                source._session = self
                continue
            thread = threading.Thread(target=self._read, args=(source,), name=f"emofuse {source.name}", daemon=True)
            self._threads.append(thread)
        if self._words is not None:
            self._words.begin(self._put_line)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[LiveUpdate]:
        """Yield an update for every packet that is analysed; after the last one, the last words and moments."""
        assert self._is_entered, "enter the session first"
        while (taken := self._take()) is not None:
            update = taken if isinstance(taken, LiveUpdate) else self._analysed(taken)
            if update is not None:
                yield update
        yield from self._last_words()
        last = self._updates.flush()
        if last is not None:
            yield last

    def stop(self) -> None:
        """End the stream from any thread: what waits is left, and the iteration gives the last moments and ends."""
        with self._changed:
            self._state.is_over = True
            self._changed.notify_all()

    def close(self) -> None:
        """End every thread and let go of the sources; called on leaving the session, and may be called again."""
        self.stop()
        for source in self._sources:
            source.close()
        if self._words is not None:
            self._words.close(_LET_GO_S)
        for thread in self._threads:
            thread.join(_LET_GO_S)

    def pause(self) -> None:
        """Let what comes pass by, uncounted, until `resume`."""
        self._state.is_paused = True

    def resume(self) -> None:
        """Go on after `pause`."""
        self._state.is_paused = False

    @property
    def is_paused(self) -> bool:
        """Whether what comes passes by."""
        return self._state.is_paused

    def stats(self) -> LiveStats:
        """Return how the session is doing; from any thread, at any time."""
        state, answers, words = self._state, self._updates, self.word_stats()
        elapsed_s = 0.0 if state.first_s is None else self._clock() - state.first_s
        return LiveStats(
            n_moments=answers.n_moments,
            n_frames=state.n_frames,
            n_dropped=state.backlog.n_dropped + answers.n_late,
            sound_s=state.sound_s,
            elapsed_s=elapsed_s,
            moments_per_s=answers.n_moments / elapsed_s if elapsed_s > 0 else 0.0,
            delay_median_s=answers.delays.quantile(0.5),
            delay_p95_s=answers.delays.quantile(0.95),
            delay_max_s=answers.delays.largest_s,
            delay_recent_s=answers.delays.recent_s,
            changes_per_minute=answers.changes.per_minute,
            steady_changes_per_minute=answers.steady_changes.per_minute,
            n_lines=words.n_lines,
            words_delay_s=answers.word_delays.quantile(0.5),
            missed_s=words.missed_s,
        )

    def word_stats(self) -> WordStats:
        """Return how the recognition of words is doing; from any thread, at any time."""
        return WordStats() if self._words is None else self._words.stats()

    def source_info(self) -> SourceInfo:
        """Return what the stream was so far; its path is the names of the sources."""
        state, length_s = self._state, self._updates.end_s
        duration_s = length_s if math.isfinite(length_s) and length_s > 0 else None
        width, height = state.size or (None, None)
        fps = state.n_frames / duration_s if state.n_frames and duration_s else None
        name = " + ".join(source.name for source in self._sources)
        return SourceInfo(name, duration_s, width, height, fps, state.sound_s > 0, state.n_frames > 0)

    # Below: the readers' side.

    def _read(self, source: PacketSource) -> None:
        try:
            for packet in source.packets():
                if not self._put(source, packet):
                    break
            source.close()
        except BaseException as error:  # noqa: BLE001 (it is raised to the consumer, whatever it is)
            self._fail(error)
        finally:
            self._end(source)

    def _put(self, source: PacketSource | PushSource, packet: Packet | Line) -> bool:
        with self._changed:
            state = self._state
            while state.backlog.is_full and not state.is_over:
                self._changed.wait(_WAKE_S)
            if state.is_over or state.error is not None or id(source) not in state.running:
                return False
            now_s = self._clock()
            state.heard_s[id(source)] = now_s
            if state.is_paused:
                return True
            self._count(packet, now_s)
            state.backlog.put(packet, now_s)
            self._changed.notify_all()
        return True

    def _count(self, packet: Packet | Line, now_s: float) -> None:
        """Count a packet. Raises LiveError for one that cannot be of this stream."""
        state = self._state
        if isinstance(packet, Line):
            return
        if not math.isfinite(packet.time_s) or packet.time_s < 0:
            raise LiveError(f"a packet at {packet.time_s} s", "times are seconds from 0 on")
        if isinstance(packet, AudioBlock):
            state.sound_s += packet.end_s - packet.time_s
        else:
            state.n_frames += 1
            if state.size is None:
                state.size = (packet.image.shape[1], packet.image.shape[0])
        if state.first_s is None:
            state.first_s = now_s

    def _put_line(self, line: Line) -> None:
        with self._changed:
            self._state.backlog.put(line, self._clock())
            self._changed.notify_all()

    def _end(self, source: PacketSource | PushSource) -> None:
        with self._changed:
            self._state.running.pop(id(source), None)
            self._changed.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            if self._state.error is None and not self._state.is_over:
                self._state.error = error
            self._changed.notify_all()

    # Below: the consumer's side.

    def _take(self) -> QueuedPacket | LiveUpdate | None:
        """Return the next packet, an empty update, or None where the stream is over. Raises what a source raised."""
        tick_s = self.settings.tick_s
        with self._changed:
            state = self._state
            until_s = self._clock() + tick_s if tick_s is not None else math.inf
            while True:
                if state.error is not None:
                    raise state.error
                if state.is_over:
                    return None
                now_s = self._clock()
                arrived = state.backlog.take(now_s)
                if arrived is not None:
                    self._changed.notify_all()
                    return arrived
                if not state.running:
                    return None
                self._check_stalled(now_s)
                if now_s >= until_s:
                    return LiveUpdate()
                self._changed.wait(min(_WAKE_S, tick_s or _WAKE_S))

    def _check_stalled(self, now_s: float) -> None:
        for key, source in self._state.running.items():
            if source.stall_s is not None and now_s - self._state.heard_s[key] > source.stall_s:
                raise MediaError(f"nothing has come from {source.name} for {source.stall_s:.0f} s", "was it unplugged?")

    def _analysed(self, arrived: QueuedPacket) -> LiveUpdate | None:
        # a source that waits for room has no delay
        is_live = self.settings.max_delay_s is not None
        if arrived.is_dropped and isinstance(arrived.packet, Frame):
            return self._updates.passed(arrived.packet)
        update = self._updates.analyse(arrived.packet, arrived.arrived_s if is_live else None)
        if self._words is not None and isinstance(arrived.packet, AudioBlock):
            self._words.push(arrived.packet)
        return update

    def _last_words(self) -> Iterator[LiveUpdate]:
        """Recognise what was spoken last, and yield the lines that have not been analysed."""
        if self._words is None:
            return
        self._words.finish(_LAST_WORDS_S)
        while (line := self._state.backlog.take_line()) is not None:
            update = self._analysed(line)
            assert update is not None
            yield update
