"""Clips decoded: amplitude, length, rate, channels, cuts, and files without sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.research.corpora.decode import check_clip, read_samples
from emofuse.research.corpora.manifest import Clip
from make_media import Sound, Video, cut, record, spoil

Write = Callable[..., Path]


def clip(path: Path, start_s: float = 0.0, end_s: float | None = None, sound: Path | None = None) -> Clip:
    return Clip(path, "sad", "s1", start_s=start_s, end_s=end_s, sound_path=sound)


def sine(rate_hz: int, duration_s: float, amplitude: float = 0.5, tone_hz: float = 440.0) -> NDArray[np.float64]:
    return amplitude * np.sin(2 * np.pi * tone_hz * np.arange(round(rate_hz * duration_s)) / rate_hz)


def loudest_hz(samples: NDArray[np.int16], rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax()) * rate_hz / len(samples)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_samples_at_the_files_own_rate_are_exactly_what_was_written(write_sound: Write, suffix: str) -> None:
    wave = sine(16_000, 1.0)
    samples = read_samples(clip(write_sound(f"a.{suffix}", wave)), 16_000)
    assert samples.dtype == np.int16
    assert samples.shape == (16_000,)
    np.testing.assert_allclose(samples, wave * 32768, atol=1)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_another_rate_is_resampled(write_sound: Write, rate_hz: int) -> None:
    samples = read_samples(clip(write_sound("a.wav", sine(rate_hz, 1.5), rate_hz)), 16_000)
    assert abs(len(samples) - 24_000) <= 16  # a millisecond
    middle = samples[4_000:20_000]
    assert abs(loudest_hz(middle, 16_000) - 440) <= 1
    assert np.abs(middle).max() == pytest.approx(0.5 * 32768, rel=0.01)


def test_stereo_is_the_mean_of_both(write_sound: Write) -> None:
    wave = sine(16_000, 0.5)
    one_sided = np.stack([wave, np.zeros_like(wave)], axis=1)
    samples = read_samples(clip(write_sound("a.wav", one_sided)), 16_000)
    np.testing.assert_allclose(samples, wave * 16384, atol=2)


def test_full_scale_does_not_wrap_round(write_sound: Write) -> None:
    samples = read_samples(clip(write_sound("a.wav", np.array([1.0, -1.0] * 800))), 16_000)
    assert (samples.max(), samples.min()) == (32767, -32768)
    assert (samples[::2] > 0).all()


@pytest.mark.parametrize("content", [b"", b"RIFF but not really"])
def test_a_file_that_is_no_sound_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read_samples(clip(path), 16_000)
    assert str(path) in caught.value.message


def test_a_file_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="gone"):
        read_samples(clip(tmp_path / "gone.wav"), 16_000)


def test_a_sound_without_samples_is_named(write_sound: Write) -> None:
    path = write_sound("empty.wav", np.zeros(0))
    with pytest.raises(CorpusError, match="empty"):
        read_samples(clip(path), 16_000)


def test_a_film_without_sound_is_named(silent_film_mp4: Path) -> None:
    with pytest.raises(CorpusError, match=silent_film_mp4.name):
        read_samples(clip(silent_film_mp4), 16_000)


@pytest.mark.parametrize("level", [0.0, 0.25])
def test_digital_silence_is_refused(write_sound: Write, level: float) -> None:
    path = write_sound("a.wav", np.full(16_000, level))
    with pytest.raises(CorpusError, match=r"a\.wav is silent$"):
        read_samples(clip(path), 16_000)
    with pytest.raises(CorpusError, match=r"a\.wav is silent$"):
        check_clip(clip(path))


def steps(write_sound: Write) -> Path:
    """Return 3 s of square wave, whose amplitude tells the tenth of a second that it is in: 0, 0.01, 0.02, ..."""
    tenth = np.arange(48_000) // 1_600 / 100
    return write_sound("steps.wav", tenth * np.where(np.arange(48_000) % 2, -1, 1))


@pytest.mark.parametrize(
    ("start_s", "end_s", "first", "last"),
    [(1.0, 2.0, 10, 19), (0.0, 0.5, 0, 4), (2.5, None, 25, 29), (1.1, 1.3, 11, 12)],
)
def test_a_clip_is_cut_out_to_the_sample(
    write_sound: Write, start_s: float, end_s: float | None, first: int, last: int
) -> None:
    samples = read_samples(clip(steps(write_sound), start_s, end_s), 16_000)
    levels = np.round(np.abs(samples) / 327.68).astype(int)
    assert len(samples) == (last - first + 1) * 1_600
    assert (levels == np.repeat(np.arange(first, last + 1), 1_600)).all()


def test_a_cut_counts_time_over_a_gap_in_the_sound(tmp_path: Path) -> None:
    path = record(tmp_path / "gap.mkv", sound=Sound("pcm_s16le", 16_000, "mono", duration_s=3.0, gap_s=(1.0, 2.0)))
    assert len(read_samples(clip(path, 0.5, 2.5), 16_000)) == pytest.approx(16_000, abs=800)
    assert len(read_samples(clip(path), 16_000)) == pytest.approx(32_000, abs=800)


def test_a_silent_stretch_of_a_loud_recording_is_said(write_sound: Write) -> None:
    path = write_sound("a.wav", np.concatenate([sine(16_000, 1.0), np.zeros(16_000)]))
    with pytest.raises(CorpusError, match=r"a\.wav is silent from 1\.2 s on"):
        read_samples(clip(path, 1.2, 1.8), 16_000)


@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.5), (2.0, 3.0), (2.0, None)])
def test_a_clip_that_goes_on_after_its_recording_is_refused(
    write_sound: Write, start_s: float, end_s: float | None
) -> None:
    path = write_sound("a.wav", sine(16_000, 1.0))
    with pytest.raises(CorpusError, match=r"its sound ends at 1\.00 s, but the clip at 1\.5 s|no sound from 2 s on"):
        read_samples(clip(path, start_s, end_s), 16_000)


def test_an_end_may_be_rounded_up(write_sound: Write) -> None:
    path = write_sound("a.wav", sine(16_000, 0.96))
    assert len(read_samples(clip(path, 0.0, 1.0), 16_000)) == round(0.96 * 16_000)


def test_a_check_returns_the_duration(write_sound: Write, talk_mp4: Path, silent_film_mp4: Path) -> None:
    path = write_sound("a.wav", sine(16_000, 1.5))
    assert check_clip(clip(path)) == 1.5
    assert check_clip(clip(path, 0.25, 1.0)) == 0.75
    assert check_clip(clip(talk_mp4)) == pytest.approx(2.0, abs=0.05)
    assert check_clip(clip(silent_film_mp4)) == pytest.approx(0.96)  # from the first of 25 pictures to the last


def test_the_sound_of_a_paired_film_is_the_recordings(
    write_sound: Write, talk_mp4: Path, silent_film_mp4: Path
) -> None:
    path = steps(write_sound)
    for film in (talk_mp4, silent_film_mp4):
        levels = np.abs(read_samples(clip(film, 0.2, 0.9, path), 16_000)) / 327.68
        assert np.round(levels).astype(int).tolist() == np.repeat(np.arange(2, 9), 1_600).tolist()
        assert check_clip(clip(film, sound=path)) == 3.0


def test_a_check_of_a_pair_looks_at_both_files(
    tmp_path: Path, write_sound: Write, talk_mp4: Path, silent_film_mp4: Path
) -> None:
    good, silent = write_sound("a.wav", sine(16_000, 1.0)), write_sound("silent.wav", np.zeros(16_000))
    spoiled = spoil(talk_mp4, tmp_path / "spoiled.mp4", 0.2, 0.4)
    with pytest.raises(CorpusError, match=r"spoiled\.mp4: "):
        check_clip(clip(spoiled, sound=good))
    with pytest.raises(CorpusError, match=r"silent\.wav is silent$"):
        check_clip(clip(talk_mp4, sound=silent))
    with pytest.raises(CorpusError, match=r"film\.mp4 has no sound"):
        check_clip(clip(talk_mp4, sound=silent_film_mp4))
    with pytest.raises(CorpusError, match=r"a\.wav has no picture") as caught:
        check_clip(clip(good, sound=good))
    assert caught.value.hint == f"its sound is in {good}"


def test_a_check_finds_what_is_cut_off(tmp_path: Path) -> None:
    whole = record(tmp_path / "whole.mkv", Video(times=tuple(i / 25 for i in range(75))), Sound(duration_s=3.0))
    half = cut(whole, tmp_path / "half.mkv", 0.6)
    check_clip(clip(whole))
    with pytest.raises(CorpusError, match=r"half\.mkv: .*missing"):
        check_clip(clip(half))
