"""The live session: it equals a file, keeps up by dropping pictures, and ends cleanly however it ends."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.errors import LiveError, MediaError
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.live import LiveSession, LiveSettings, LiveUpdate, PushSource
from emofuse.inference.smoothing import Smoother
from emofuse.media import open_media
from emofuse.media.capture import PacedFile
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock, Frame, Moment, Packet, Scores
from made_streams import Given, Loud, SetClock, Told, frames, merged, picture, voice
from make_media import beginning

LOSSLESS = LiveSettings(max_delay_s=None)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def analyzer(bundle: Bundle, **settings: object) -> Analyzer:
    return Analyzer(bundle, Told(), AnalyzerSettings.model_validate(settings), speech=Loud())


def moments(updates: list[LiveUpdate]) -> list[Moment]:
    return [moment for update in updates for moment in update.moments]


def assert_same(ours: list[Moment], theirs: list[Moment]) -> None:
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert a.time_s == b.time_s and a.why == b.why and set(a.by_modality) == set(b.by_modality)
        assert [(f.track_id, *f.box_xyxy.tolist()) for f in a.faces] == [
            (f.track_id, *f.box_xyxy.tolist()) for f in b.faces
        ]
        assert (a.fused is None) == (b.fused is None)
        if a.fused is not None and b.fused is not None:
            np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)


# the first is longer than what a voice network hears at a time
@pytest.mark.parametrize(("mode", "duration_s"), [("queue", 3.5), ("frame", 1.5)])
def test_a_file_through_the_live_path_gives_the_moments_of_analyze(
    mode: str, duration_s: float, bundle: Bundle, tmp_path: Path
) -> None:
    talk = beginning(CLIP, tmp_path / "talk.mp4", duration_s)
    whole = emofuse.analyze(talk, mode=mode)  # type: ignore[arg-type]
    live = Analyzer(bundle, settings=AnalyzerSettings(mode=mode))  # type: ignore[arg-type]
    with LiveSession(live, PacedFile(talk, is_paced=False), settings=LOSSLESS, smoother=Smoother()) as session:
        updates = list(session)
    assert_same(moments(updates), list(whole.moments))
    assert session.stats().n_dropped == 0
    info = session.source_info()
    source = whole.source
    assert (info.width, info.height, info.has_audio, info.has_video) == (source.width, source.height, True, True)
    assert info.duration_s == pytest.approx(source.duration_s, abs=0.1) and info.path == str(talk)
    with open_media(talk) as media:
        times = [p.time_s for p in media if isinstance(p, Frame)]
    assert [u.frame.time_s for u in updates if u.frame] == times  # every picture is there to be shown


def test_two_sources_are_put_in_the_order_of_time(bundle: Bundle) -> None:
    alone = analyzer(bundle, hop_s=0.2)
    whole = [m for p in merged(voice(0.8), frames(20)) for m in alone.push(p)] + alone.flush()
    pictures, sound = PushSource("pictures"), PushSource("sound")
    with LiveSession(analyzer(bundle, hop_s=0.2), pictures, sound, settings=LiveSettings(max_delay_s=10)) as session:
        for packet in frames(20):
            assert pictures.put(packet)
        for packet in voice(0.8):
            assert sound.put(packet)
        pictures.close()
        sound.close()
        assert_same(moments(list(session)), whole)
    assert len(whole) == 4 and set(whole[-1].by_modality) == {"face", "voice"}


def test_when_it_is_too_slow_pictures_are_dropped_and_sound_is_not(bundle: Bundle) -> None:
    clock = SetClock()
    heard: list[AudioBlock] = []

    class Slow(Analyzer):
        def push(self, packet: Packet) -> list[Moment]:  # type: ignore[override]
            if isinstance(packet, AudioBlock):
                heard.append(packet)
            else:
                clock.now_s += 0.15  # a picture takes 0.15 s, and one comes every 0.04 s
            return super().push(packet)

    source = PushSource()
    session = LiveSession(Slow(bundle, Told(), AnalyzerSettings(mode="frame")), source, clock=clock)
    packets = merged(voice(12.0), frames(300))
    delays: list[float] = []
    with session:
        updates = iter(session)
        i = 0
        while i < len(packets):
            while i < len(packets) and packets[i].time_s <= clock.now_s:
                source.put(packets[i])
                i += 1
            waiting = session._state.backlog
            if not (waiting._frames or waiting._sound):
                clock.now_s = packets[i].time_s
                continue
            update = next(updates)
            delays += [update.delay_s] if update.frame and update.delay_s is not None else []
        source.close()
        delays += [u.delay_s for u in updates if u.delay_s is not None]  # of what still waited when it ended
    stats = session.stats()
    assert sum(len(b.samples) for b in heard) == 12 * RATE_HZ
    assert stats.n_frames == 300 and stats.n_moments + stats.n_dropped == 300
    assert 200 < stats.n_dropped < 240  # what it had time for is 1 in 3.75
    assert max(delays) <= 0.25 + 2 * 0.15 + 1e-6 and stats.delay_max_s == pytest.approx(max(delays))
    assert stats.delay_p95_s is not None and stats.delay_p95_s < 0.41


def test_the_delay_is_what_passed_since_the_packet_came(bundle: Bundle) -> None:
    clock, source = SetClock(), PushSource()
    with LiveSession(analyzer(bundle, mode="frame"), source, clock=clock) as session:
        updates = iter(session)
        for i, packet in enumerate(frames(20)):
            source.put(packet)
            clock.now_s += 0.01 if i < 18 else 0.2
            assert next(updates).delay_s == pytest.approx(0.01 if i < 18 else 0.2)
        stats = session.stats()
        source.close()
    assert stats.delay_median_s == pytest.approx(0.01, rel=0.03)
    assert stats.delay_p95_s == pytest.approx(0.2, rel=0.03)
    assert stats.delay_max_s == pytest.approx(0.2)


def test_a_source_that_dies_is_known_at_once_even_while_packets_wait(bundle: Bundle) -> None:
    source = Given(frames(20), MediaError("the camera stopped", "was it unplugged?"))
    other = Given(frames(20), hangs=True)
    with LiveSession(analyzer(bundle), source, other) as session:
        while session._state.error is None:
            time.sleep(0.001)
        with pytest.raises(MediaError, match="the camera stopped"):
            next(iter(session))
    assert other.closed.is_set()


def test_a_mistake_in_a_source_is_not_swallowed(bundle: Bundle) -> None:
    source = Given([], ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError), LiveSession(analyzer(bundle), source) as session:
        list(session)


def test_a_source_that_goes_silent_is_an_error(bundle: Bundle) -> None:
    source, other = Given(frames(2), hangs=True, stall_s=0.1, name="camera 7"), Given([], hangs=True)
    began = time.monotonic()
    with (
        pytest.raises(MediaError, match="nothing has come from camera 7"),
        LiveSession(analyzer(bundle), source, other) as session,
    ):
        list(session)
    assert time.monotonic() - began < 3


def test_a_consumer_that_raises_leaves_no_thread(bundle: Bundle) -> None:
    def endless() -> Iterator[Packet]:
        i = 0
        while True:
            yield Frame(picture(), i / 25)
            i += 1

    sources = Given(endless()), Given([], hangs=True)
    with pytest.raises(KeyError), LiveSession(analyzer(bundle), *sources, settings=LOSSLESS) as session:
        for _ in session:
            raise KeyError("in the consumer")
    assert all(source.closed.is_set() for source in sources)


def test_stop_from_another_thread_gives_the_last_moments_and_ends(bundle: Bundle) -> None:
    source = Given(frames(30), hangs=True)
    with LiveSession(analyzer(bundle, hop_s=10), source) as session:
        got: list[LiveUpdate] = []
        for update in session:
            got.append(update)
            if update.frame is not None and update.frame.time_s == pytest.approx(29 / 25):
                threading.Timer(0.01, session.stop).start()
    assert [m.time_s for m in moments(got)] == pytest.approx([29 / 25])
    session.close()  # may be called again


def test_pushed_packets_are_checked_and_refused_when_it_is_over(bundle: Bundle) -> None:
    source = PushSource()
    with pytest.raises(LiveError, match="not begun"):
        source.put(frames(1)[0])
    with LiveSession(analyzer(bundle), source) as session:
        with pytest.raises(LiveError, match="a packet at"):
            source.put(Frame(picture(), -1.0))
        assert source.put(frames(1)[0])
        source.close()
        assert not source.put(frames(1)[0])
        assert len(moments(list(session))) == 1
    assert not source.put(frames(1)[0])


def test_a_pushed_failure_is_raised(bundle: Bundle) -> None:
    source = PushSource()
    with LiveSession(analyzer(bundle), source) as session:
        source.fail(MediaError("the browser went away"))
        with pytest.raises(MediaError, match="went away"):
            list(session)


def test_pictures_that_go_back_in_time_are_dropped_and_counted(bundle: Bundle) -> None:
    source = PushSource()
    with LiveSession(analyzer(bundle, mode="frame"), source, settings=LiveSettings(max_delay_s=10)) as session:
        updates = iter(session)
        times = []
        for packet in [*frames(3, start_s=1.0), *frames(2, start_s=0.2), *frames(1, start_s=2.0)]:
            source.put(packet)
            if packet.time_s >= 1.0:
                times += [m.time_s for m in next(updates).moments]
        source.close()
        list(updates)
    assert times == pytest.approx([1.0, 1.04, 1.08, 2.0])
    assert session.stats().n_dropped == 2


def test_ticks_come_while_nothing_else_does_and_a_pause_lets_packets_pass(bundle: Bundle) -> None:
    source = PushSource()
    settings = LiveSettings(tick_s=0.01)
    with LiveSession(analyzer(bundle, mode="frame"), source, settings=settings) as session:
        updates = iter(session)
        assert (tick := next(updates)).frame is None and tick.moments == ()
        session.pause()
        assert session.is_paused and source.put(frames(1)[0])
        assert next(updates).frame is None
        session.resume()
        source.put(frames(1, start_s=3.0)[0])
        update = next(u for u in updates if u.frame is not None)
        assert [m.time_s for m in update.moments] == [3.0]
        assert session.stats().n_frames == 1 and session.stats().n_dropped == 0


class Flickering:
    """Stands for an Analyzer: happy by a hair in one picture, sad in the next."""

    settings = AnalyzerSettings(mode="frame")

    def push(self, packet: Packet) -> list[Moment]:
        p = (0.51, 0.49) if round(packet.time_s * 25) % 2 else (0.49, 0.51)
        self.latest = Scores("fused", ("happy", "sad"), np.array(p, np.float32), packet.time_s, packet.time_s)
        return [Moment(packet.time_s, self.latest)]

    def view(self, time_s: float) -> Moment:
        return Moment(time_s, self.latest)

    def flush(self) -> list[Moment]:
        return []


def test_labels_are_steadied_for_what_is_shown_and_changes_counted() -> None:
    live: Any = Flickering()
    with LiveSession(live, Given(frames(151)), settings=LOSSLESS, smoother=Smoother()) as session:
        updates = list(session)
    assert [m.fused.label for m in moments(updates)[:3] if m.fused] == ["sad", "happy", "sad"]  # as they are
    assert {m.fused.label for u in updates for m in u.steady if m.fused} == {"sad"}
    assert {u.view.fused.label for u in updates if u.view and u.view.fused} == {"sad"}
    stats = session.stats()
    assert stats.changes_per_minute == pytest.approx(25 * 60)
    assert stats.steady_changes_per_minute == 0


@pytest.mark.load
def test_memory_is_constant_over_an_hour(bundle: Bundle) -> None:
    clock, source = SetClock(), PushSource()
    live = Analyzer(bundle, Told(), AnalyzerSettings(hop_s=30, face_period_s=20, face_buffer_s=60))
    image, silence = picture(), np.zeros(RATE_HZ, np.float32)
    blocks, waiting = [], 0
    with LiveSession(live, source, smoother=Smoother(), clock=clock) as session:
        updates = iter(session)
        for second in range(3600):
            clock.now_s = float(second)
            source.put(AudioBlock(silence, RATE_HZ, float(second)))
            source.put(Frame(image, second + 0.5))
            while next(updates).frame is None:
                pass
            backlog = session._state.backlog
            waiting = max(waiting, len(backlog._frames) + len(backlog._sound))
            if second % 600 == 599:
                gc.collect()
                blocks.append(sys.getallocatedblocks())
        stats = session.stats()
    assert stats.n_moments == 119 and stats.n_frames == 3600 and stats.n_dropped == 0
    assert waiting == 0
    assert max(blocks[1:]) - blocks[1] < 1000  # an hour of moments would be some 5,000, of packets some 20,000
