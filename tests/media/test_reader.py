"""Reading recordings: the right pictures and sounds, at the right times, from every container."""

from __future__ import annotations

import gc
import itertools
import os
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.errors import MediaError
from emofuse.media import open_media, probe
from emofuse.types import AudioBlock, Frame
from make_media import (
    BLUE,
    GREEN,
    MILLISECOND,
    RED,
    WHITE,
    Sound,
    Video,
    add_cover,
    cut,
    glue_sizes,
    picture,
    record,
    spoil,
    tone,
    turn,
)

VP9 = {"cpu-used": "8", "deadline": "realtime"}
CONTAINERS = {
    "a.mp4": (Video(), Sound()),
    "a.mov": (Video(), Sound("pcm_s16le")),
    "a.mkv": (Video(time_base=MILLISECOND), Sound("libopus", 48_000)),
    "vp9.webm": (Video(codec="libvpx-vp9", time_base=MILLISECOND, options=VP9), Sound("libopus", 48_000)),
    "vp8.webm": (Video(codec="libvpx", time_base=MILLISECOND), Sound("libopus", 48_000)),
    "a.avi": (Video(codec="mjpeg", pix_fmt="yuvj420p", time_base=Fraction(1, 25)), Sound("pcm_s16le")),
    "a.flv": (Video(time_base=MILLISECOND), Sound()),
    "a.ts": (Video(), Sound()),
    "a.wav": (None, Sound("pcm_s16le")),
    "float.wav": (None, Sound("pcm_f32le")),
    "24bit.wav": (None, Sound("pcm_s24le", 96_000)),
    "8bit.wav": (None, Sound("pcm_u8", 8_000, "mono")),
    "5.1.wav": (None, Sound("pcm_s16le", 48_000, "5.1")),
    "a.flac": (None, Sound("flac")),
    "a.mp3": (None, Sound("libmp3lame")),
    "a.m4a": (None, Sound()),
    "a.ogg": (None, Sound("libopus", 48_000)),
}


def read(path: Path, **options: int) -> tuple[list[Frame], list[AudioBlock], list[str]]:
    with open_media(path, **options) as reader:
        packets = list(reader)
        warnings = reader.warnings
    times = [packet.time_s for packet in packets]
    assert times == sorted(times)
    frames = [packet for packet in packets if isinstance(packet, Frame)]
    return frames, [packet for packet in packets if isinstance(packet, AudioBlock)], warnings


def joined(blocks: list[AudioBlock]) -> np.ndarray:
    return np.concatenate([block.samples for block in blocks])


def tone_of(samples: np.ndarray, rate_hz: int = 16_000) -> tuple[float, float]:
    """Return the frequency in Hz and the amplitude of the strongest tone, away from both ends."""
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return spectrum.argmax() * rate_hz / len(middle), float(np.sqrt(2 * np.mean(middle.astype(float) ** 2)))


def assert_quarters(image: np.ndarray, corners: list[tuple[int, int, int]], tolerance: int = 25) -> None:
    """corners: the colours at top left, top right, bottom left, bottom right."""
    height, width = image.shape[:2]
    at = [image[y, x] for y in (height // 8, -height // 8) for x in (width // 8, -width // 8)]
    np.testing.assert_allclose(np.array(at, int), corners, atol=tolerance)


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_gives_its_pictures_and_its_tone(tmp_path: Path, name: str) -> None:
    video, sound = CONTAINERS[name]
    frames, blocks, warnings = read(record(tmp_path / name, video, sound))
    source = probe(tmp_path / name)
    assert warnings == []
    assert source.has_audio and source.has_video == (video is not None)
    assert source.duration_s == pytest.approx(1.0, abs=0.1)
    hz, amplitude = tone_of(joined(blocks))
    assert hz == pytest.approx(440, abs=3)
    assert amplitude == pytest.approx(0.5, rel=0.06)
    assert len(joined(blocks)) == pytest.approx(16_000, abs=800)
    if video is None:
        assert (frames, source.width, source.fps) == ([], None, None)
        return
    assert (source.width, source.height, source.fps) == (64, 48, pytest.approx(25))
    assert len(frames) == 25
    steps = np.diff([frame.time_s for frame in frames])
    np.testing.assert_allclose(steps, 0.04, atol=1e-3)
    for i, frame in enumerate(frames):
        assert_quarters(frame.image, [RED, GREEN, BLUE, WHITE])
        assert int(frame.image[24, 32].mean()) == pytest.approx(i * 8 % 256, abs=8)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_variable_rate_times_are_the_containers(tmp_path: Path, name: str) -> None:
    times = (0.0, 0.033, 0.05, 0.3, 0.301, 1.25, 1.5, 4.0)
    frames, _, _ = read(record(tmp_path / name, Video(times=times, time_base=MILLISECOND)))
    assert [frame.time_s for frame in frames] == pytest.approx(times, abs=1e-6)


@pytest.mark.parametrize(
    ("degrees", "is_mirrored", "corners"),
    [
        (0, False, [RED, GREEN, BLUE, WHITE]),
        (90, False, [BLUE, RED, WHITE, GREEN]),
        (180, False, [WHITE, BLUE, GREEN, RED]),
        (270, False, [GREEN, WHITE, RED, BLUE]),
        (0, True, [GREEN, RED, WHITE, BLUE]),
        (90, True, [WHITE, GREEN, BLUE, RED]),
    ],
)
def test_pictures_come_upright(
    silent_film_mp4: Path, tmp_path: Path, degrees: int, is_mirrored: bool, corners: list[tuple[int, int, int]]
) -> None:
    path = turn(silent_film_mp4, tmp_path / "turned.mp4", degrees, is_mirrored=is_mirrored)
    frames, _, _ = read(path)
    assert_quarters(frames[0].image, corners)
    source = probe(path)
    assert (source.width, source.height) == ((48, 64) if degrees % 180 else (64, 48))
    assert frames[0].image.shape == (source.height, source.width, 3)
    assert frames[0].image.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("ratio", "size"), [(Fraction(2), (128, 48)), (Fraction(1, 2), (64, 96))])
def test_pixels_come_square(tmp_path: Path, ratio: Fraction, size: tuple[int, int]) -> None:
    path = record(tmp_path / "anamorphic.mp4", Video(pixel_ratio=ratio))
    source = probe(path)
    assert (source.width, source.height) == size
    assert_quarters(read(path)[0][0].image, [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name"),
    [
        ("libx264", "yuv444p", "a.mp4"),
        ("libx264", "yuv422p10le", "a.mp4"),
        ("libx265", "yuv420p10le", "a.mp4"),
        ("ffv1", "rgb48le", "a.mkv"),
        ("ffv1", "bgra", "a.mkv"),
        ("png", "rgba", "a.mov"),
        ("libx264rgb", "rgb24", "a.mkv"),
    ],
)
def test_every_pixel_format_comes_as_rgb(tmp_path: Path, codec: str, pix_fmt: str, name: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    video = Video(codec=codec, pix_fmt=pix_fmt, time_base=MILLISECOND, times=(0.0, 0.04, 0.08), options=options)
    frames, _, warnings = read(record(tmp_path / name, video))
    assert (len(frames), warnings) == (3, [])
    assert_quarters(frames[2].image, [RED, GREEN, BLUE, WHITE])


def test_grey_and_palette_pictures_come_as_rgb(tmp_path: Path) -> None:
    grey, _, _ = read(record(tmp_path / "grey.mkv", Video(codec="ffv1", pix_fmt="gray", time_base=MILLISECOND)))
    assert np.ptp(grey[0].image[6, 8].astype(int)) == 0
    gif = Video(codec="gif", pix_fmt="rgb8", time_base=Fraction(1, 100))
    palette, _, _ = read(record(tmp_path / "palette.gif", gif))
    assert_quarters(palette[0].image, [RED, GREEN, BLUE, WHITE], tolerance=80)  # dithered


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (63, 47)])
def test_odd_sizes_are_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    video = Video(size, codec="ffv1", pix_fmt="bgr0", time_base=MILLISECOND)
    frames, _, _ = read(record(tmp_path / "odd.mkv", video))
    np.testing.assert_array_equal(frames[3].image, picture(size, 3))


def test_8k_pictures_decode(tmp_path: Path) -> None:
    video = Video((7680, 4320), times=(0.0,), options={"preset": "ultrafast"})
    frames, _, _ = read(record(tmp_path / "8k.mp4", video))
    assert frames[0].image.shape == (4320, 7680, 3)
    assert_quarters(frames[0].image, [RED, GREEN, BLUE, WHITE])


def test_a_size_that_changes_on_the_way_is_followed(tmp_path: Path) -> None:
    frames, _, _ = read(glue_sizes(tmp_path / "call.ts", [(64, 48), (128, 96)]))
    assert {frame.image.shape for frame in frames} == {(48, 64, 3), (96, 128, 3)}
    assert_quarters(frames[-1].image, [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "flac"])
def test_stereo_is_the_mean_whatever_the_sample_format(tmp_path: Path, codec: str) -> None:
    sound = Sound(codec, 48_000, "stereo", amplitude=0.8, channels=(0,))
    suffix = ".flac" if codec == "flac" else ".wav"
    _, blocks, _ = read(record(tmp_path / f"left{suffix}", sound=sound))
    assert tone_of(joined(blocks)) == (pytest.approx(440, abs=2), pytest.approx(0.4, rel=0.01))


@pytest.mark.parametrize(("channel", "amplitude"), [(0, 0.7071 / 3.4142), (2, 1 / 3.4142), (3, 0.0), (4, 0.5 / 3.4142)])
def test_surround_sound_is_mixed_by_speaker(tmp_path: Path, channel: int, amplitude: float) -> None:
    sound = Sound("pcm_s16le", 48_000, "5.1", amplitude=0.8, channels=(channel,))
    _, blocks, _ = read(record(tmp_path / "surround.wav", sound=sound))
    assert tone_of(joined(blocks))[1] == pytest.approx(0.8 * amplitude, abs=0.003)


@pytest.mark.parametrize(
    ("rate_hz", "asked_hz"), [(44_100, 16_000), (8_000, 16_000), (16_000, 16_000), (48_000, 22_050)]
)
def test_sound_keeps_its_place_when_resampled(tmp_path: Path, rate_hz: int, asked_hz: int) -> None:
    sound = Sound("pcm_s16le", rate_hz, "mono", tone_hz=300)
    _, blocks, _ = read(record(tmp_path / "a.wav", sound=sound), audio_rate_hz=asked_hz)
    samples = joined(blocks)
    assert len(samples) == pytest.approx(asked_hz, abs=2)
    t = np.arange(len(samples)) / asked_hz
    inner = slice(200, -200)
    np.testing.assert_allclose(samples[inner], 0.5 * np.sin(2 * np.pi * 300 * t)[inner], atol=5e-3)
    ends = [block.end_s for block in blocks]
    np.testing.assert_allclose([block.time_s for block in blocks[1:]], ends[:-1], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [("a.ogg", "libopus", "7.1"), ("a.m4a", "aac", "7.1(wide)"), ("a.m4a", "aac", "hexadecagonal")],
)
def test_sound_of_eight_planes_and_more_is_mixed(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    sound = Sound(codec, 48_000, layout, bit_rate=500_000)
    _, blocks, warnings = read(record(tmp_path / name, sound=sound))
    assert tone_of(joined(blocks)) == (pytest.approx(440, abs=3), pytest.approx(0.5, rel=0.1))
    assert warnings == []


def test_loud_float_sound_stays_within_one(tmp_path: Path) -> None:
    _, blocks, _ = read(record(tmp_path / "loud.wav", sound=Sound("pcm_f32le", amplitude=1.7)))
    assert np.abs(joined(blocks)).max() == 1.0


def test_a_gap_in_the_sound_is_a_gap_in_time(tmp_path: Path) -> None:
    sound = Sound("libopus", 48_000, duration_s=2.0, gap_s=(0.6, 1.2))
    _, blocks, _ = read(record(tmp_path / "gap.mkv", Video(time_base=MILLISECOND), sound))
    gaps = [(a.end_s, b.time_s) for a, b in itertools.pairwise(blocks) if b.time_s - a.end_s > 1e-6]
    assert len(gaps) == 1
    assert gaps[0] == (pytest.approx(0.6, abs=0.03), pytest.approx(1.2, abs=0.03))


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.flv", "late.ts"])
def test_sound_that_starts_late_keeps_its_offset(tmp_path: Path, name: str) -> None:
    path = record(tmp_path / name, Video(time_base=MILLISECOND), Sound(start_s=0.5))
    frames, blocks, _ = read(path)
    assert frames[0].time_s == pytest.approx(0.0, abs=0.001)
    onset = np.flatnonzero(np.abs(joined(blocks)) > 0.1)[0] / 16_000 + blocks[0].time_s
    assert onset == pytest.approx(0.5, abs=0.004)


def test_times_count_from_the_containers_start(tmp_path: Path) -> None:
    video = Video(times=tuple(10 + i / 25 for i in range(25)))
    frames, blocks, _ = read(record(tmp_path / "started.ts", video, Sound(start_s=10.2)))
    assert frames[0].time_s == pytest.approx(0.0, abs=1e-4)
    onset = np.flatnonzero(np.abs(joined(blocks)) > 0.1)[0] / 16_000 + blocks[0].time_s
    assert onset == pytest.approx(0.2, abs=0.004)


@pytest.mark.parametrize("sound_s", [9.8, 10.0, 10.2])
def test_pictures_are_the_same_where_the_sound_is_not_decoded(tmp_path: Path, sound_s: float) -> None:
    video = Video(times=tuple(10 + i / 25 for i in range(25)))
    path = record(tmp_path / "started.ts", video, Sound(start_s=sound_s))
    frames, blocks, _ = read(path)
    with open_media(path, hears=False) as media:
        alone = list(media)
    assert blocks and media.source.has_audio and not media.are_slides
    assert [one.time_s for one in alone] == [one.time_s for one in frames]
    assert all((a.image == b.image).all() for a, b in zip(alone, frames, strict=True) if isinstance(a, Frame))


def test_a_badly_interleaved_file_comes_in_order(tmp_path: Path) -> None:
    path = record(tmp_path / "bad.mkv", Video(time_base=MILLISECOND), Sound(), is_interleaved=False)
    with av.open(str(path)) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    assert kinds.index("audio") > 20, "the test file has its pictures first"
    frames, blocks, _ = read(path)
    assert len(frames) == 25
    assert len(joined(blocks)) == pytest.approx(16_000, abs=800)


def test_a_cover_picture_is_no_film(tmp_path: Path) -> None:
    path = add_cover(record(tmp_path / "a.mp3", sound=Sound("libmp3lame")), tmp_path / "cover.mp3")
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1, "the test file has a cover"
    frames, blocks, _ = read(path)
    assert not frames and blocks
    assert probe(path).has_video is False


def test_pictures_alone(silent_film_mp4: Path) -> None:
    frames, blocks, warnings = read(silent_film_mp4)
    assert (len(frames), blocks, warnings) == (25, [], [])
    assert probe(silent_film_mp4).has_audio is False


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_file_that_is_cut_off_gives_what_it_has_and_a_warning(tmp_path: Path, name: str) -> None:
    video = Video(times=tuple(i / 25 for i in range(150)), options={"g": "10"})
    whole = tmp_path / f"whole-{name}"
    with av.open(str(whole), "w", options={"movflags": "faststart"} if name.endswith("mp4") else {}) as output:
        stream = output.add_stream("libx264", rate=25, options=video.options)
        stream.width, stream.height = video.size
        for i in range(len(video.times)):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture(video.size, i), format="rgb24")))
        output.mux(stream.encode(None))
    frames, _, warnings = read(cut(whole, tmp_path / name, 0.6))
    assert 40 < len(frames) < 120
    assert_quarters(frames[0].image, [RED, GREEN, BLUE, WHITE])
    stopped = f"{frames[-1].time_s:.1f} s of 6.0 s"
    assert any(stopped in warning for warning in warnings), warnings


@pytest.mark.parametrize("name", ["noisy.mkv", "noisy.mp4"])
def test_noise_in_the_middle_does_not_end_the_recording(tmp_path: Path, name: str) -> None:
    video = Video(times=tuple(i / 25 for i in range(100)), time_base=MILLISECOND, options={"g": "5"})
    path = record(tmp_path / f"whole-{name}", video, Sound(duration_s=4.0))
    frames, blocks, warnings = read(spoil(path, tmp_path / name, 0.4, 0.5))
    assert 50 < len(frames) <= 100
    assert frames[-1].time_s == pytest.approx(3.96, abs=0.2)
    assert blocks[-1].end_s == pytest.approx(4.0, abs=0.1)
    # Matroska's demuxer steps over the noise without a word; an MP4's index leads to packets full of it.
    if name.endswith("mp4"):
        assert any("damaged" in warning for warning in warnings), warnings


def test_bytes_that_end_the_reading_of_a_matroska_file_are_told(tmp_path: Path) -> None:
    """Its demuxer takes what is not an element for the end of the file: all that follows would be lost silently."""
    whole = record(tmp_path / "whole.mkv", Video(times=tuple(i / 25 for i in range(100)), time_base=MILLISECOND))
    with av.open(str(whole)) as container:
        at = sorted(packet.pos for packet in container.demux(video=0) if packet.pos is not None)[40]
    data = whole.read_bytes()
    spoilt = tmp_path / "spoilt.mkv"
    spoilt.write_bytes(data[: at - 3] + b"\x0e" * (len(data) - at - 194) + data[-197:])
    frames, _, warnings = read(spoilt)
    assert 30 < len(frames) <= 42
    assert (
        f"stopped at {frames[-1].time_s:.1f} s of 4.0 s: the rest of the file is damaged, and was not read" in warnings
    )
    assert read(whole)[2] == []


def test_sound_is_read_where_the_picture_is_nothing_but_damage(tmp_path: Path) -> None:
    path = write_undecodable(tmp_path / "half.mkv", Sound("pcm_s16le"))
    frames, blocks, warnings = read(path)
    assert (frames, probe(path).has_video) == ([], False)
    assert tone_of(joined(blocks))[0] == pytest.approx(440, abs=3)
    assert "the picture cannot be decoded and was left out" in warnings


def write_undecodable(path: Path, sound: Sound | None = None) -> Path:
    """Write a picture track whose packets are zeros, and a sound track that is whole."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        audio = None
        if sound is not None:
            audio = output.add_stream(sound.codec, rate=sound.rate_hz)
            audio.layout = sound.layout
        output.start_encoding()
        for i in range(10):
            packet = av.Packet(bytes(100))
            packet.stream, packet.time_base = stream, MILLISECOND
            packet.pts = packet.dts = i * 40
            output.mux(packet)
        if audio is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(tone(sound), format="fltp", layout=sound.layout)
            frame.sample_rate, frame.pts = sound.rate_hz, 0
            output.mux(audio.encode(frame))
            output.mux(audio.encode(None))
    return path


def make_bad(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("Dear diary, today I recorded nothing.\n" * 100)
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(20_000))
    elif kind == "playlist":
        path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://localhost:9/secret.ts\n")
    elif kind == "headless":
        cut(record(folder / "whole.mp4", Video()), path, 0.5)
    elif kind == "undecodable":
        write_undecodable(folder / "a.mkv").rename(path)
    elif kind == "frameless":
        record(path, Video(times=()))
    elif kind == "subtitles":
        path.write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such file"),
        ("folder", "a folder"),
        ("empty", "is empty"),
        ("text", "not a recording that emofuse knows"),
        ("noise", "cannot"),
        ("playlist", "not a recording that emofuse knows"),
        ("subtitles", "not a recording that emofuse knows"),
        ("headless", "cut off or damaged"),
        ("frameless", "neither a picture nor a sound"),
        ("undecodable", "nothing in"),
    ],
)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, kind: str, reason: str) -> None:
    path = make_bad(kind, tmp_path)
    with pytest.raises(MediaError, match=reason) as caught:
        open_media(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_clear_line(voice_wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "locked.wav"
    path.write_bytes(voice_wav.read_bytes())
    path.chmod(0)
    with pytest.raises(MediaError, match="Permission denied"):
        open_media(path)


def test_no_damage_makes_the_reader_raise_anything_else(talk_mp4: Path, tmp_path: Path) -> None:
    whole = talk_mp4.read_bytes()
    rng = np.random.default_rng(2)
    for i in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 20):
            data[at] = rng.integers(0, 256)
        path = tmp_path / f"{i}.mp4"
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            read(path)
        except MediaError as error:
            assert "\n" not in str(error)


def test_closing_early_ends_the_iteration(talk_mp4: Path) -> None:
    with open_media(talk_mp4) as reader:
        packets = iter(reader)
        first = next(packets)
    assert first.time_s == 0.0
    assert list(reader) == []


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    peaks = []
    for seconds in (4, 16):
        times = tuple(i / 25 for i in range(25 * seconds))
        video = Video((160, 120), times, time_base=MILLISECOND, options={"preset": "ultrafast"})
        path = record(tmp_path / f"{seconds}.mkv", video, Sound(duration_s=seconds), is_interleaved=False)
        gc.collect()
        tracemalloc.start()
        with open_media(path) as reader:
            for packet in reader:
                del packet
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000  # the 300 pictures more are 17 MB


def test_pictures_are_freed_without_the_garbage_collector(talk_mp4: Path) -> None:
    def n_alive() -> int:
        return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        n_before = n_alive()  # other tests may keep some
        with open_media(talk_mp4) as reader:
            for packet in reader:
                del packet
            n_after = n_alive()
    finally:
        gc.enable()
    assert n_after < n_before + 5
