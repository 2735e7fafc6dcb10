"""What a recording may take, whatever it says: pictures, rates, gaps, times before 0, streams that begin late."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.errors import MediaError
from emofuse.inference.asr import read_sound
from emofuse.media import MonoSound, VideoWriter, _container, open_media, picture_size
from emofuse.media._clock import RisingClock
from emofuse.media._container import most_filling_s
from emofuse.types import AudioBlock, Frame
from make_media import Sound, Video, record


@pytest.fixture(scope="module")
def large_mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of two pictures of 3 megapixels."""
    video = Video((2048, 1536), (0.0, 0.04), codec="mpeg4", time_base=Fraction(1, 25))
    return record(tmp_path_factory.mktemp("large") / "large.mp4", video)


def test_larger_pictures_than_allowed_are_refused_before_they_are_decoded(large_mp4: Path) -> None:
    with pytest.raises(MediaError, match="2048 x 1536, are larger than 3 megapixels") as raised:
        open_media(large_mp4, max_pixels=3_000_000)
    assert "--max-pixels" in raised.value.hint
    with open_media(large_mp4, max_pixels=3_200_000) as media:
        assert [packet.image.shape for packet in media if isinstance(packet, Frame)] == [(1536, 2048, 3)] * 2


def test_the_size_is_read_from_the_header(large_mp4: Path) -> None:
    assert picture_size(large_mp4) == (2048, 1536)


def test_wide_pixels_make_no_picture_beyond_the_limit(tmp_path: Path) -> None:
    path = record(tmp_path / "wide.mp4", Video(pixel_ratio=Fraction(4)))
    for most, width in ((64 * 48 * 5, 256), (64 * 48 * 2, 64)):
        with open_media(path, max_pixels=most) as media:
            assert media.source.width == width


@pytest.mark.parametrize("rate_hz", [0, 1, 500, 1_728_069_248])
def test_a_rate_that_no_sound_has_is_damage(tmp_path: Path, voice_wav: Path, rate_hz: int) -> None:
    data = bytearray(voice_wav.read_bytes())
    at = data.index(b"fmt ") + 12
    data[at : at + 4] = struct.pack("<I", rate_hz)
    (tmp_path / "odd.wav").write_bytes(data)
    with pytest.raises(MediaError, match=r"odd\.wav"):
        open_media(tmp_path / "odd.wav")


def _stamped(path: Path, times_s: list[float]) -> Path:
    """Write 0.1 s of a tone at each time, as a Matroska file of PCM."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=16_000)
        stream.layout = "mono"
        for time_s in times_s:
            samples = (np.sin(np.arange(1600) / 5) * 9000).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, round(time_s * 16_000), Fraction(1, 16_000)
            for packet in stream.encode(frame):
                output.mux_one(packet)
    return path


def test_gaps_take_no_memory_before_speech_is_recognised(tmp_path: Path) -> None:
    path = _stamped(tmp_path / "gaps.mkv", [3000.0 * i for i in range(8)])
    assert path.stat().st_size < 50_000
    with pytest.raises(MediaError, match=r"gaps\.mkv has over \d+ s of gaps"):
        list(read_sound(path))
    ((start_s, samples),) = read_sound(_stamped(tmp_path / "gap.mkv", [0.0, 100.0]))
    assert start_s == 0 and len(samples) == pytest.approx(100.1 * 16_000, abs=20)


def test_silence_is_made_up_for_no_longer_than_a_file_of_that_size_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_container, "_FREE_FILLING_S", 1.0)
    monkeypatch.setattr(_container, "_BYTES_PER_FILLED_S", 1e9)
    path = _stamped(tmp_path / "gaps.mkv", [0.0, 0.1, 3000.0, 3000.1])
    assert most_filling_s(path) == pytest.approx(1.0, abs=0.01)
    with open_media(path) as media, VideoWriter(tmp_path / "out.mp4", media) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.0)
    with av.open(str(tmp_path / "out.mp4")) as made:
        assert float(made.streams.audio[0].duration * made.streams.audio[0].time_base) < 2.0


def test_a_picture_is_repeated_for_no_longer_than_a_file_of_that_size_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(
        tmp_path / "slides.mkv",
        Video(times=(0.0, 3000.0), codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 1000)),
    )
    monkeypatch.setattr(_container, "_FREE_FILLING_S", 10.0)
    with open_media(path, repeat_s=0.5) as media:
        n_frames = sum(isinstance(packet, Frame) for packet in media)
    assert 20 < n_frames < 200


def test_nothing_is_before_the_recording_begins() -> None:
    sound = MonoSound(16_000)
    samples = np.arange(1600, dtype=np.float32) / 1600
    blocks = [block for i in range(4) for block in sound.push(samples, 16_000, i / 10 - 0.25)]
    assert blocks[0].time_s == pytest.approx(0.0) and len(np.concatenate([block.samples for block in blocks])) == 2400
    clock = RisingClock(1.0)
    assert [clock.time_s(stated_s, 0.04) for stated_s in (0.6, 0.8, 1.1)] == [0.0, 0.0, pytest.approx(0.1)]


def test_sound_that_begins_late_in_an_flv_is_heard(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    pictures = (noise.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(8))
    video = Video((640, 480), tuple(15.0 * i for i in range(8)), "flashsv", "bgr24", Fraction(1, 1000))
    sound = Sound("libmp3lame", start_s=104.0, layout="mono")
    path = record(tmp_path / "late.flv", video, sound, pictures=pictures)
    assert path.stat().st_size > 5_000_000
    with open_media(path) as media:
        assert media.source.has_audio and media.source.has_video
        blocks = [packet for packet in media if isinstance(packet, AudioBlock)]
    assert blocks[0].time_s == pytest.approx(104.0, abs=0.1)


def test_whatever_a_library_raises_is_one_line(talk_mp4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a\nb")

    with open_media(talk_mp4) as media:
        monkeypatch.setattr("emofuse.media._sound.to_mono", fail)
        monkeypatch.setattr("emofuse.media._container.seconds", fail)
        monkeypatch.setattr("emofuse.media._picture.seconds", fail)
        with pytest.raises(MediaError, match=r"talk\.mp4 cannot be read on: KeyError") as raised:
            list(media)
    assert "\n" not in str(raised.value)
