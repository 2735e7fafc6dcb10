import numpy as np
import pytest

from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.types import AudioBlock


def ramp(start: int, n: int) -> np.ndarray:
    return (np.arange(start, start + n) / 1e6).astype(np.float32)


def test_the_buffer_keeps_the_last_seconds_by_time() -> None:
    buffer = SoundBuffer(1.0)
    for start in range(0, 5 * RATE_HZ, 1000):
        buffer.push(AudioBlock(ramp(start, 1000), RATE_HZ, start / RATE_HZ))
    assert buffer.end_s == pytest.approx(5.0)
    window = buffer.window(4.25, 4.75)
    np.testing.assert_allclose(window, ramp(round(4.25 * RATE_HZ), RATE_HZ // 2))
    assert len(buffer.window(0.0, 5.0)) <= 2 * RATE_HZ + 1000  # the rest was forgotten
    assert len(buffer.window(4.5, 6.0)) == RATE_HZ // 2  # not more than there is


def test_a_gap_is_silence_and_an_overlap_is_skipped() -> None:
    buffer = SoundBuffer(2.0)
    buffer.push(AudioBlock(np.ones(1600, np.float32), RATE_HZ, 0.5))
    buffer.push(AudioBlock(np.full(1600, 2.0, np.float32), RATE_HZ, 0.8))
    window = buffer.window(0.5, 0.9)
    assert len(window) == 6400
    assert (window[:1600] == 1).all() and (window[1600:4800] == 0).all() and (window[4800:] == 2).all()
    buffer.push(AudioBlock(np.full(3200, 3.0, np.float32), RATE_HZ, 0.85))
    window = buffer.window(0.8, 1.05)
    assert (window[:1600] == 2).all() and (window[1600:] == 3).all()
    assert buffer.end_s == pytest.approx(1.05)


def test_a_jump_of_hours_does_not_fill_memory() -> None:
    buffer = SoundBuffer(3.0)
    buffer.push(AudioBlock(np.ones(1600, np.float32), RATE_HZ, 0.0))
    buffer.push(AudioBlock(np.ones(1600, np.float32), RATE_HZ, 36_000.0))
    assert buffer.end_s == pytest.approx(36_000.1)
    assert len(buffer.window(0.0, 40_000.0)) < 7 * RATE_HZ
    assert buffer.window(36_000.0, 36_000.1).sum() == 1600


def test_before_any_sound_the_buffer_is_empty() -> None:
    buffer = SoundBuffer(1.0)
    assert buffer.is_empty
    assert len(buffer.window(0.0, 1.0)) == 0
