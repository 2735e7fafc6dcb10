"""Channels and levels: opposite phase, an offset, and samples beyond 1 change nothing of what is said."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.media import MonoSound, VideoWriter, open_media
from emofuse.media._levels import Limiter, Mixer, OffsetRemover
from emofuse.timeline import Timeline
from emofuse.types import AudioBlock, Frame
from make_media import Sound, Video, picture, record
from make_tracks import Track, write_tracks

RATE_HZ = 48_000


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """Return (T,) at 48 kHz: the voice of the clip that ships."""
    with open_media(CLIP, audio_rate_hz=RATE_HZ) as reader:
        return np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])


def write_sound(path: Path, samples: NDArray[np.float32], codec: str = "pcm_f32le") -> Path:
    """Write (channels, T) samples at RATE_HZ as they are."""
    layout = "stereo" if len(samples) == 2 else "mono"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=RATE_HZ)
        stream.layout = layout
        for start in range(0, samples.shape[1], 1024):
            block = np.ascontiguousarray(samples[:, start : start + 1024].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block.astype(np.float32), format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def read_sound(path: Path, rate_hz: int = RATE_HZ) -> NDArray[np.float32]:
    with open_media(path, audio_rate_hz=rate_hz) as reader:
        return np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])


@pytest.fixture(scope="module")
def answer(speech: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    """Return what the voice says, of stereo sound as it should be."""
    path = write_sound(tmp_path_factory.mktemp("speech") / "plain.wav", np.stack([speech, speech]))
    return emofuse.analyze(path)


ODD = {
    "opposite phase": (lambda s: np.stack([s, -s]), "pcm_s16le"),
    "opposite phase, one louder": (lambda s: np.stack([s, -0.6 * s]), "pcm_s16le"),
    "twice full scale": (lambda s: np.stack([s, s]) * 2 / np.abs(s).max(), "pcm_f32le"),
    "whole numbers in float": (lambda s: np.stack([s, s]) * 32_768, "pcm_f32le"),
    "whole numbers in double": (lambda s: np.stack([s, s]) * 32_768, "pcm_f64le"),
    "a little offset": (lambda s: np.stack([s, s]) + 0.02, "pcm_s16le"),
    "a large offset": (lambda s: np.stack([s, s]) * 0.6 + 0.3, "pcm_s16le"),
    "an offset to one side": (lambda s: np.stack([s * 0.6 + 0.3, s * 0.6 - 0.1]), "pcm_s16le"),
    "an offset and opposite phase": (lambda s: np.stack([s * 0.6 + 0.2, -s * 0.6 + 0.2]), "pcm_s16le"),
}


@pytest.mark.parametrize("kind", ODD)
def test_the_answer_for_real_speech_does_not_change(
    speech: NDArray[np.float32], answer: Timeline, tmp_path: Path, kind: str
) -> None:
    change, codec = ODD[kind]
    found = emofuse.analyze(write_sound(tmp_path / "odd.wav", change(speech), codec))
    expected, voice = answer.summary.by_modality["voice"], found.summary.by_modality["voice"]
    assert expected is not None and voice is not None
    np.testing.assert_allclose(voice.probabilities, expected.probabilities, atol=0.05)
    assert voice.label == expected.label
    assert [sorted(m.by_modality) for m in found.moments] == [sorted(m.by_modality) for m in answer.moments]


def test_opposite_phase_in_aac_is_heard(speech: NDArray[np.float32], tmp_path: Path) -> None:
    path = write_sound(tmp_path / "phase.m4a", np.stack([speech, -speech]), "aac")
    heard = read_sound(path)
    n = min(len(heard), len(speech))
    assert np.std(heard[:n]) == pytest.approx(np.std(speech[:n]), rel=0.05)


def test_microphones_in_opposite_phase_are_heard(tmp_path: Path, speech: NDArray[np.float32]) -> None:
    samples = speech[: 3 * RATE_HZ : 3]
    path = write_tracks(tmp_path / "a.mov", [Track(samples[None]), Track(-samples[None])])
    assert np.std(read_sound(path, 16_000)) == pytest.approx(np.std(samples), rel=0.02)


def test_ordinary_sound_passes_bit_for_bit(speech: NDArray[np.float32]) -> None:
    other = np.roll(speech, 300) * 0.5
    mixer, offset, limiter = Mixer(), OffsetRemover(), Limiter()
    for start in range(0, len(speech), 1024):
        pair = np.stack([speech[start : start + 1024], other[start : start + 1024]])
        mono = mixer.mix(pair, RATE_HZ)
        np.testing.assert_array_equal(mono, np.float32([0.5, 0.5]) @ pair)
        np.testing.assert_array_equal(limiter.push(offset.push(mono, RATE_HZ), RATE_HZ), mono)


def test_a_wide_stereo_picture_is_not_turned_over() -> None:
    """Two people, each on a side, and a room that is a little out of phase: nothing is clear, so nothing changes."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(0, 0.1, (2, RATE_HZ)).astype(np.float32)
    pair = np.stack([left - 0.5 * right, right - 0.5 * left])
    mixer = Mixer()
    for start in range(0, RATE_HZ, 1024):
        block = pair[:, start : start + 1024]
        np.testing.assert_array_equal(mixer.mix(block, RATE_HZ), np.float32([0.5, 0.5]) @ block)


def test_phase_that_comes_right_again_is_followed() -> None:
    times = np.arange(2 * RATE_HZ) / RATE_HZ
    wave = (0.5 * np.sin(2 * np.pi * 300 * times)).astype(np.float32)
    right = np.where(times < 1, -wave, wave)
    mixer = Mixer()
    mono = np.concatenate(
        [mixer.mix(np.stack([wave, right])[:, i : i + 960], RATE_HZ) for i in range(0, 2 * RATE_HZ, 960)]
    )
    np.testing.assert_allclose(mono[:RATE_HZ], wave[:RATE_HZ], atol=1e-6)
    np.testing.assert_allclose(mono[-RATE_HZ // 4 :], wave[-RATE_HZ // 4 :], atol=1e-6)


@pytest.mark.parametrize("n_samples", [160, 1024, 48_000])
def test_an_offset_is_gone_whatever_the_size_of_the_blocks(speech: NDArray[np.float32], n_samples: int) -> None:
    remover = OffsetRemover()
    blocks = [
        remover.push(speech[i : i + n_samples] + np.float32(0.25), RATE_HZ) for i in range(0, len(speech), n_samples)
    ]
    cleaned = np.concatenate(blocks)
    assert abs(cleaned[: RATE_HZ // 2].mean()) < 0.02
    for second in np.array_split(cleaned, 6):
        assert abs(second.mean()) < 0.005
    assert np.corrcoef(cleaned, speech)[0, 1] > 0.99


def test_a_stream_beyond_one_is_scaled_from_what_came_before() -> None:
    limiter = Limiter()
    times = np.arange(RATE_HZ // 10) / RATE_HZ
    wave = np.sin(2 * np.pi * 100 * times).astype(np.float32)
    np.testing.assert_array_equal(limiter.push(wave * 0.9, RATE_HZ), wave * np.float32(0.9))
    np.testing.assert_allclose(limiter.push(wave * 3, RATE_HZ), wave, atol=1e-6)  # the shape is kept
    np.testing.assert_allclose(limiter.push(wave, RATE_HZ), wave / 3, atol=1e-6)
    for _ in range(101):
        last = limiter.push(wave, RATE_HZ)
    np.testing.assert_array_equal(last, wave)  # ten seconds later it is forgotten


def test_a_click_does_not_make_the_rest_inaudible(speech: NDArray[np.float32], tmp_path: Path) -> None:
    loud = speech.copy()
    loud[1000] = 5_000.0
    heard = read_sound(write_sound(tmp_path / "click.wav", np.concatenate([loud, *[speech] * 2])[None]))
    end = heard[-len(speech) // 2 :]
    np.testing.assert_allclose(end, speech[-len(speech) // 2 :], atol=1e-5)


def test_what_is_no_number_is_silence(speech: NDArray[np.float32], tmp_path: Path) -> None:
    broken = speech.copy()
    broken[5000:5010] = np.nan
    broken[30_000:31_000] = np.inf
    broken[40_000:40_500] = 1e30
    heard = read_sound(write_sound(tmp_path / "nan.wav", broken[None]))
    assert np.isfinite(heard).all() and np.abs(heard).max() <= 1.0
    np.testing.assert_allclose(heard[60_000:], speech[60_000:], atol=1e-6)


def test_loud_sound_is_not_clipped_in_the_annotated_video(tmp_path: Path) -> None:
    source = record(tmp_path / "loud.mov", Video(), Sound("pcm_f32le", 48_000, "mono", amplitude=4.0))
    path = tmp_path / "annotated.mp4"
    with open_media(source) as reader, VideoWriter(path, reader) as writer:
        for packet in reader:
            if isinstance(packet, Frame):
                writer.write(picture((64, 48)), packet.time_s)
    heard = read_sound(path)[4000:-4000]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    third = spectrum[int(1320 * len(heard) / RATE_HZ) - 5 : int(1320 * len(heard) / RATE_HZ) + 6].max()
    assert third < 0.01 * spectrum.max()  # a clipped sine has a third of its third harmonic


def test_a_microphone_is_treated_as_a_file_is(speech: NDArray[np.float32], tmp_path: Path) -> None:
    """Blocks as they come give what the file of them gives."""
    path = write_sound(tmp_path / "offset.wav", (speech * 0.5 + 0.2)[None], "pcm_s16le")
    heard = read_sound(path, 16_000)
    sound, blocks = MonoSound(16_000), []
    samples = np.round((speech * 0.5 + 0.2) * 32_768) / 32_768
    for start in range(0, len(samples), 1536):
        blocks += sound.push(samples[start : start + 1536].astype(np.float32), RATE_HZ, start / RATE_HZ)
    live = np.concatenate([block.samples for block in [*blocks, *sound.flush()]])
    n = min(len(live), len(heard))
    assert np.abs(live[:n] - heard[:n]).max() < 0.02
