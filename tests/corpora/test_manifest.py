"""Clips decoded: amplitude, length, rate, channels, and files without sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.corpora.manifest import Clip, Manifest, read_samples
from emofuse.errors import CorpusError

Write = Callable[..., Path]


def clip(path: Path, emotion: str = "sad", speaker: str = "s1") -> Clip:
    return Clip(path, emotion, speaker, "female", "", "en")


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


def test_a_manifest_counts_and_chooses(tmp_path: Path) -> None:
    clips = (clip(tmp_path / "a", "sad", "s2"), clip(tmp_path / "b", "sad", "s1"), clip(tmp_path / "c", "happy", "s2"))
    manifest = Manifest("made", ("happy", "sad"), clips, "none")
    assert len(manifest) == 3
    assert tuple(manifest) == clips
    assert manifest.speakers == ["s1", "s2"]
    assert manifest.counts() == {"sad": 2, "happy": 1}
    assert manifest.of_speakers({"s2"}) == [clips[0], clips[2]]
