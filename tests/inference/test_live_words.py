"""Words of a live stream: recognised beside the pictures, late rather than lost, and left out rather than piled up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from emofuse.errors import MediaError
from emofuse.inference import live, vad
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.asr import Recognition
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.live import LiveSession, LiveSettings
from emofuse.inference.live_words import MOST_WAITING_S, LiveWords, place_line
from emofuse.inference.session import Course, provenance_of, run
from emofuse.inference.utterances import Utterance
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.provenance import TranscriptOrigin
from emofuse.transcripts.transcript import Transcript
from emofuse.types import AudioBlock, Line, Packet, Word
from made_streams import Given, LoudNetwork, Told, frames, merged


@pytest.fixture(autouse=True)
def no_thread_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every sound above 0.5 is speech; afterwards no thread is left."""
    monkeypatch.setattr(vad, "silero_network", LoudNetwork)
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


class Parrot:
    """Recognises a line with one word for each stretch of sound; waits for `may_go` before it does."""

    origin = TranscriptOrigin("recognised", "a parrot")

    def __init__(self, p_language: float = 0.9, error: Exception | None = None) -> None:
        self.asked: list[tuple[float, str | None]] = []  # seconds of sound, and the language
        self.may_go, self.is_busy = threading.Event(), threading.Event()
        self.may_go.set()
        self._p_language, self._error = p_language, error

    def recognize(self, samples: np.ndarray, start_s: float = 0.0, language: str | None = None) -> Recognition:
        self.is_busy.set()
        assert self.may_go.wait(20)
        self.asked.append((len(samples) / RATE_HZ, language))
        if self._error is not None:
            raise self._error
        speech = np.flatnonzero(np.diff((samples > 0.5).astype(int), prepend=0, append=0)) / RATE_HZ
        words = tuple(Word("happy", a, b) for a, b in speech.reshape(-1, 2).tolist())
        lines = tuple(Line("I am so happy", w.start_s, w.end_s, (w,)) for w in words)
        return Recognition(lines, "de", self._p_language)


def talk(*spoken: tuple[float, float], end_s: float) -> list[Packet]:
    """Return blocks of sound in which somebody speaks in these stretches of time."""
    samples = np.zeros(round(end_s * RATE_HZ), np.float32)
    for start_s, stop_s in spoken:
        samples[round(start_s * RATE_HZ) : round(stop_s * RATE_HZ)] = 0.9
    return [AudioBlock(samples[i : i + 1600], RATE_HZ, i / RATE_HZ) for i in range(0, len(samples), 1600)]


def recognised(words: LiveWords, stream: list[Packet], meanwhile: Callable[[], object] = lambda: None) -> list[Line]:
    lines: list[Line] = []
    words.begin(lines.append)
    for block in stream:
        assert isinstance(block, AudioBlock)
        words.push(block)
    meanwhile()
    words.finish(20.0)
    words.close(20.0)
    return lines


def test_lines_have_the_times_of_the_stream() -> None:
    words = LiveWords(Parrot(), waits=True)
    lines = recognised(words, talk((1.0, 2.0), (4.0, 5.5), end_s=8.0))
    assert [(round(one.start_s, 1), round(one.end_s, 1)) for one in lines] == [(1.0, 2.0), (4.0, 5.5)]
    assert [w.start_s for one in lines for w in one.words] == [one.start_s for one in lines]
    assert words.stats().n_lines == 2 and words.stats().missed_s == 0


def test_what_waits_is_recognised_together_and_put_in_its_place() -> None:
    parrot = Parrot()
    parrot.may_go.clear()
    words = LiveWords(parrot)
    stream = talk((1.0, 2.0), (4.0, 5.0), (20.0, 21.0), end_s=23.0)
    lines = recognised(words, stream, lambda: (parrot.is_busy.wait(20), parrot.may_go.set()))
    assert len(parrot.asked) == 2  # the first alone, then the two that came meanwhile
    assert [round(one.start_s, 1) for one in lines] == [1.0, 4.0, 20.0]
    assert [round(one.end_s, 1) for one in lines] == [2.0, 5.0, 21.0]
    assert words.stats().n_lines == 3


def test_what_cannot_be_kept_up_with_is_left_out_the_oldest_first() -> None:
    parrot = Parrot()
    parrot.may_go.clear()
    words = LiveWords(parrot)
    stream = talk(*((i * 4.0, i * 4.0 + 3.0) for i in range(20)), end_s=80.0)
    lines = recognised(words, stream, lambda: (parrot.is_busy.wait(20), parrot.may_go.set()))
    stats = words.stats()
    # what the first pass has, which depends on the machine, and the last of what came since
    assert stats.missed_s > 72 - 2 * MOST_WAITING_S and all(length_s <= MOST_WAITING_S for length_s, _ in parrot.asked)
    starts = [round(one.start_s) for one in lines]
    assert starts[0] == 0 and starts[-1] == 76 and sorted(np.diff(starts))[:-1] == [4] * (len(starts) - 2)
    assert 0.9 < (stats.missed_s + 3.6 * len(lines)) / (20 * 3.6) < 1.1


@pytest.mark.parametrize("waits", [True, False])
def test_the_last_words_of_a_recording_are_waited_for_and_those_of_a_stream_for_a_while(waits: bool) -> None:
    parrot = Parrot()
    lines: list[Line] = []
    words = LiveWords(parrot, waits=waits)
    words.begin(lines.append)
    for block in talk((1.0, 2.0), end_s=2.1):
        assert isinstance(block, AudioBlock)
        words.push(block)
    parrot.may_go.clear()
    timer = threading.Timer(0.5, parrot.may_go.set)
    timer.start()
    words.finish(0.05)
    assert (len(lines), words.stats().missed_s > 1.0) == ((1, False) if waits else (0, True))
    timer.join()
    words.close(20.0)


@pytest.mark.parametrize("error", [MediaError("the recogniser is gone"), ZeroDivisionError("a fault")])
def test_a_recogniser_that_fails_costs_the_words(error: Exception) -> None:
    words = LiveWords(Parrot(error=error), waits=True)
    assert recognised(words, talk((1.0, 2.0), (4.0, 5.0), end_s=7.0)) == []
    assert str(error) in words.stats().failure


@pytest.mark.parametrize(("p_language", "later"), [(0.9, "de"), (0.5, None)])
def test_a_language_is_kept_once_it_is_sure(p_language: float, later: str | None) -> None:
    parrot = Parrot(p_language)
    recognised(LiveWords(parrot, waits=True), talk((1.0, 2.0), (4.0, 5.0), end_s=7.0))
    assert [language for _, language in parrot.asked] == [None, later]


def test_a_line_over_two_utterances_keeps_its_times() -> None:
    utterances = [Utterance(10.0, np.zeros(RATE_HZ, np.float32)), Utterance(30.0, np.zeros(RATE_HZ, np.float32))]
    line = Line("one two", 0.2, 1.5 + 0.4, (Word("one", 0.2, 1.0), Word("two", 1.5, 1.9)))
    placed = place_line(line, utterances)
    assert (placed.start_s, placed.end_s) == (10.2, pytest.approx(30.4))
    assert [(w.start_s, w.end_s) for w in placed.words] == [(10.2, 11.0), (30.0, pytest.approx(30.4))]


# In a session.


def test_words_enter_the_answer_once_they_are_recognised_and_the_record_when_they_are_spoken(bundle: Bundle) -> None:
    stream = talk((1.0, 2.0), end_s=6.0)
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings(hop_s=0.5))
    words, course, lines = LiveWords(Parrot(), waits=True), Course(analyzer), []
    settings = LiveSettings(max_delay_s=None)
    with LiveSession(analyzer, Given(stream), settings=settings, words=words) as session:
        updates = list(session)
    for update in updates:
        course.add(update.moments)
        lines += update.lines
    shown = {m.time_s: m.by_modality["text"].label for u in updates for m in u.moments if "text" in m.by_modality}
    assert min(shown) == 3.0 and set(shown.values()) == {"happy"}  # from its end and a pause on
    assert session.stats().n_lines == 1 and session.stats().words_delay_s == pytest.approx(0.6, abs=0.15)

    timeline = course.timeline(session.source_info(), provenance_of(analyzer, "", words=words.origin), lines)
    known = Transcript(tuple(lines))
    whole = run(stream, session.source_info(), bundle, AnalyzerSettings(hop_s=0.5), transcript=known)
    assert [m.time_s for m in timeline.moments if "text" in m.by_modality] == [1.5, 2.0]
    for ours, theirs in zip(timeline.moments, whole.moments, strict=True):
        assert set(ours.by_modality) == set(theirs.by_modality) and ours.why == theirs.why
        if ours.fused is not None and theirs.fused is not None:
            np.testing.assert_array_equal(ours.fused.probabilities, theirs.fused.probabilities)
    assert timeline.lines[0].emotion is not None and timeline.lines[0].emotion.label == "happy"
    assert timeline.summary.used == whole.summary.used and "text" in timeline.summary.used
    assert timeline.provenance is not None and timeline.provenance.transcript == Parrot.origin


def test_pictures_do_not_wait_for_a_recogniser_that_hangs(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LAST_WORDS_S", 0.05)
    parrot = Parrot()
    parrot.may_go.clear()
    stream = merged(talk((0.2, 1.0), end_s=4.0), frames(100))
    analyzer = Analyzer(bundle, Told(), AnalyzerSettings(mode="frame"))
    words = LiveWords(parrot)
    with LiveSession(analyzer, Given(stream), settings=LiveSettings(max_delay_s=10), words=words) as session:
        updates = list(session)
        assert sum(update.frame is not None for update in updates) == 100 - session.stats().n_dropped > 0
        assert parrot.is_busy.is_set() and not any(update.lines for update in updates)
        parrot.may_go.set()
