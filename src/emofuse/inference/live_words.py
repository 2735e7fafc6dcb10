"""Words of a live stream: its utterances are recognised in a thread of their own, so that pictures never wait."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np

from emofuse.errors import EmofuseError
from emofuse.inference.asr import Recognition
from emofuse.inference.utterances import Utterance, UtteranceCutter
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.provenance import TranscriptOrigin
from emofuse.types import AudioBlock, Line, Word

TOGETHER_S: Final = 28.0  # of sound that is recognised at once: Whisper takes 30 s, and as long for less
MOST_WAITING_S: Final = TOGETHER_S  # of utterances; of more, the oldest are left out
SURE: Final = 0.8  # of a language: from then on it is not guessed anew
_BETWEEN_S: Final = 0.5  # of silence, between utterances that are recognised at once
_WAKE_S: Final = 0.1  # how often who waits looks up


class Recognizer(Protocol):
    """Recognises speech, as `SpeechRecognizer` does.

    Attributes:
        origin: What it is, for the provenance of words.
    """

    origin: TranscriptOrigin

    def recognize(
        self, samples: np.ndarray[tuple[int], np.dtype[np.float32]], start_s: float = 0.0, language: str | None = None
    ) -> Recognition:
        """Recognise what is spoken in (T,) samples at 16 kHz. Raises EmofuseError."""
        ...


@dataclass(frozen=True, slots=True)
class WordStats:
    """How the recognition of a stream is doing.

    Attributes:
        n_lines: That were recognised.
        missed_s: Seconds of speech that were left out, because recognition did not keep up.
        failure: Why there are no words any more; "" while there may be some.
    """

    n_lines: int = 0
    missed_s: float = 0.0
    failure: str = ""


class LiveWords:
    """Recognises the utterances of one stream, one after the other, in its thread.

    What waits is recognised together as soon as the recogniser is free, so that a slow one is late rather than lost;
    what would wait for longer than that is left out, the oldest first, and counted.

    recognizer: may be shared by streams. waits: whether `push` returns only once what it completed is recognised, as
    for a recording that is not played at its pace: then nothing is left out.
    """

    def __init__(self, recognizer: Recognizer, *, waits: bool = False, language: str | None = None) -> None:
        self.origin = recognizer.origin
        self._recognizer, self._waits, self._language = recognizer, waits, language
        self._cutter = UtteranceCutter()
        self._waiting: deque[Utterance] = deque()
        self._changed = threading.Condition()
        self._at_work: list[Utterance] = []
        self._is_busy = self._is_over = False
        self._stats = WordStats()
        self._on_line: Callable[[Line], object] = lambda line: None
        self._thread: threading.Thread | None = threading.Thread(target=self._work, name="emofuse words")

    def begin(self, on_line: Callable[[Line], object]) -> None:
        """Start the thread, which calls `on_line` with every line, in the order of time."""
        assert self._thread is not None, "it is over"
        self._on_line = on_line
        self._thread.start()

    def push(self, block: AudioBlock) -> None:
        """Take the next block of sound; called by one thread."""
        for utterance in self._cutter.push(block):
            self._put(utterance)
            if self._waits:
                self._wait(None)

    def finish(self, within_s: float) -> None:
        """Recognise what is left, for so many seconds at most if it does not wait for words; the rest is left out."""
        for utterance in self._cutter.flush():
            self._put(utterance)
        self._wait(None if self._waits else within_s)
        with self._changed:
            late_s = sum(one.length_s for one in self._at_work) if self._is_busy else 0.0
            self._stats = replace(self._stats, missed_s=self._stats.missed_s + late_s)
        self._drop(0.0)

    def close(self, within_s: float) -> None:
        """End the thread, which may take as long as what it is at; called again, it waits no more.

        A process does not end before that: a library that computes then would crash.
        """
        with self._changed:
            self._is_over = True
            self._waiting.clear()
            self._changed.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None and thread.ident is not None:
            thread.join(within_s)

    def stats(self) -> WordStats:
        """Return how it is doing; from any thread."""
        return self._stats

    def _put(self, utterance: Utterance) -> None:
        with self._changed:
            if self._stats.failure or self._is_over:
                return
            self._waiting.append(utterance)
            self._changed.notify_all()
        if not self._waits:
            self._drop(MOST_WAITING_S)

    def _drop(self, most_s: float) -> None:
        """Leave out the oldest utterances, until no more wait than so many seconds."""
        with self._changed:
            while self._waiting and sum(one.length_s for one in self._waiting) > most_s:
                dropped = self._waiting.popleft()
                self._stats = replace(self._stats, missed_s=self._stats.missed_s + dropped.length_s)

    def _wait(self, within_s: float | None) -> None:
        """Wait until nothing waits or is worked at, or so long."""
        with self._changed:
            while not self._changed.wait_for(self._is_idle, within_s or _WAKE_S) and within_s is None:
                pass

    def _is_idle(self) -> bool:
        return self._is_over or not (self._waiting or self._is_busy)

    # Below: the thread.

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            try:
                lines = self._recognized(taken)
            except EmofuseError as error:
                self._give_up(str(error))
                return
            except Exception as error:  # noqa: BLE001  a fault of a recogniser costs the words, not the session
                self._give_up(f"{type(error).__name__}: {error}")
                return
            for line in lines:
                self._on_line(line)
            with self._changed:
                self._is_busy = False
                self._stats = replace(self._stats, n_lines=self._stats.n_lines + len(lines))
                self._changed.notify_all()

    def _take(self) -> list[Utterance] | None:
        """Wait for utterances, and return those that are recognised at once; None at the end."""
        with self._changed:
            while not self._waiting and not self._is_over:
                self._changed.wait(_WAKE_S)
            if self._is_over:
                return None
            taken = [self._waiting.popleft()]
            length_s = taken[0].length_s
            while self._waiting and (length_s := length_s + _BETWEEN_S + self._waiting[0].length_s) <= TOGETHER_S:
                taken.append(self._waiting.popleft())
            self._at_work, self._is_busy = taken, True
        return taken

    def _recognized(self, utterances: Sequence[Utterance]) -> tuple[Line, ...]:
        silence = np.zeros(round(_BETWEEN_S * RATE_HZ), np.float32)
        samples = np.concatenate([part for one in utterances for part in (one.samples, silence)][:-1])
        found = self._recognizer.recognize(samples, 0.0, self._language)
        if found.lines and found.p_language >= SURE:
            self._language = found.language
        return tuple(place_line(line, utterances) for line in found.lines)

    def _give_up(self, why: str) -> None:
        with self._changed:
            self._stats = replace(self._stats, failure=why)
            self._is_busy = False
            self._waiting.clear()
            self._changed.notify_all()


def place_line(line: Line, utterances: Sequence[Utterance]) -> Line:
    """Return a line of utterances that were recognised together, with the times of the stream.

    Args:
        line: Whose times count from the beginning of the first utterance, silence of _BETWEEN_S between two.
        utterances: Those that were recognised together.
    """
    begins_s, begin_s = [], 0.0
    for one in utterances:
        begins_s.append(begin_s)
        begin_s += one.length_s + _BETWEEN_S

    def later_s(at: int) -> float:
        at = max(at - 1, 0)
        return utterances[at].start_s - begins_s[at]

    def placed(one: Line | Word) -> tuple[float, float]:
        """Return the times of the stream: what ends where an utterance begins is of the one before."""
        start_s = one.start_s + later_s(bisect_right(begins_s, one.start_s))
        return start_s, max(start_s, one.end_s + later_s(bisect_left(begins_s, one.end_s)))

    start_s, end_s = placed(line)
    return replace(line, start_s=start_s, end_s=end_s, words=tuple(Word(w.text, *placed(w)) for w in line.words))
