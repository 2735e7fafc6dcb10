"""A stream is cut into utterances where somebody pauses, whatever the size of its blocks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from emofuse.inference.utterances import LONGEST_S, PAUSE_S, Utterance, UtteranceCutter, quietest
from emofuse.inference.vad import SileroDetector
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock
from made_streams import LoudNetwork

ROOM_S = 0.3


def sound(*parts: tuple[float, float]) -> np.ndarray:
    """Return stretches of a level and a length in seconds; from 0.5 on it is speech."""
    return np.concatenate([np.full(round(length_s * RATE_HZ), level, np.float32) for level, length_s in parts])


def blocks(samples: np.ndarray, size: int, start_s: float = 0.0) -> list[AudioBlock]:
    return [AudioBlock(samples[i : i + size], RATE_HZ, start_s + i / RATE_HZ) for i in range(0, len(samples), size)]


def cut(stream: list[AudioBlock]) -> list[Utterance]:
    cutter = UtteranceCutter(SileroDetector(LoudNetwork()))
    return [one for block in stream for one in cutter.push(block)] + list(cutter.flush())


TALK = sound((0.0, 1.0), (0.9, 1.5), (0.0, 1.0), (0.9, 0.5), (0.0, 0.3), (0.9, 0.7))


@pytest.mark.parametrize("size", [160, 512, 1600, 30_000, len(TALK)])
@pytest.mark.parametrize("start_s", [0.0, 100.0])
def test_an_utterance_lasts_until_a_pause_and_has_the_times_of_the_stream(size: int, start_s: float) -> None:
    first, second = cut(blocks(TALK, size, start_s))
    assert first.start_s == pytest.approx(start_s + 1.0 - ROOM_S, abs=0.04)
    assert first.end_s == pytest.approx(start_s + 2.5 + ROOM_S, abs=0.04)
    # a pause of 0.3 s ends nothing, and the end of the stream does
    assert second.start_s == pytest.approx(start_s + 3.5 - ROOM_S, abs=0.04)
    assert second.end_s == pytest.approx(start_s + 5.0, abs=0.04)
    for one in (first, second):
        begin = round((one.start_s - start_s) * RATE_HZ)
        np.testing.assert_array_equal(one.samples, TALK[begin : begin + len(one.samples)])


def test_it_is_handed_out_as_soon_as_the_pause_is_long_enough() -> None:
    cutter = UtteranceCutter(SileroDetector(LoudNetwork()))
    came_s = [b.end_s for b in blocks(TALK, 1600) for _ in cutter.push(b)]
    assert came_s == [pytest.approx(2.5 + PAUSE_S, abs=0.15)]


def test_who_does_not_pause_is_cut_where_it_is_quietest_and_nothing_is_lost() -> None:
    talk = sound((0.9, 6.0), (0.6, 0.4), (0.9, 10.0), (0.0, 1.0))
    found = cut(blocks(talk, 1600))
    assert len(found) >= 2 and max(one.length_s for one in found) <= LONGEST_S + ROOM_S
    assert found[0].end_s == pytest.approx(6.2, abs=0.1)
    for before, after in itertools.pairwise(found):
        assert before.end_s == pytest.approx(after.start_s, abs=1e-4)
    assert found[-1].end_s == pytest.approx(16.4 + ROOM_S, abs=0.04)


def test_a_click_is_none_and_silence_is_none() -> None:
    assert cut(blocks(sound((0.0, 1.0), (0.9, 0.1), (0.0, 2.0)), 1600)) == []
    assert cut(blocks(sound((0.0, 5.0)), 1600)) == []


def test_a_gap_in_the_stream_ends_an_utterance() -> None:
    first, second = cut([*blocks(sound((0.9, 1.0)), 1600), *blocks(sound((0.9, 1.0), (0.0, 1.0)), 1600, 50.0)])
    assert first.start_s == 0.0 and first.end_s == pytest.approx(1.0, abs=0.04)
    assert second.start_s == pytest.approx(50.0 - ROOM_S, abs=0.04)


def test_sound_of_another_rate_and_several_channels_is_heard_at_its_own_time() -> None:
    talk = np.repeat(TALK, 3)  # at 48 kHz
    stream = [AudioBlock(np.stack([part] * 2, axis=1), 48_000, i * 0.1) for i, part in enumerate(np.split(talk, 50))]
    first, second = cut(stream)
    assert (first.start_s, second.start_s) == (pytest.approx(0.7, abs=0.1), pytest.approx(3.2, abs=0.1))


def test_a_long_stream_takes_no_more_memory_than_a_short_one() -> None:
    cutter = UtteranceCutter(SileroDetector(LoudNetwork()))
    for i in range(200):
        list(cutter.push(AudioBlock(sound((0.9, 1.0)), RATE_HZ, float(i))))
    assert len(cutter._sound._samples) < 30 * RATE_HZ


def test_the_quietest_stretch_is_found() -> None:
    assert quietest(sound((0.9, 1.0), (0.1, 0.3), (0.9, 1.0)), 0.3) == pytest.approx(1.15 * RATE_HZ, abs=10)
