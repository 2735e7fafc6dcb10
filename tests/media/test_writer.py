"""Writing an MP4: the pictures at their times, the sound as it was, and nothing left behind on failure."""

from __future__ import annotations

import itertools
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.cli.demo import CLIP
from emofuse.errors import MediaError, OutputError
from emofuse.media import VideoWriter, open_media, probe
from emofuse.types import AudioBlock, Frame
from make_media import MILLISECOND, Sound, Video, picture, record


def copy(source: Path, path: Path) -> Path:
    """Write a recording's own pictures again."""
    with open_media(source) as reader, VideoWriter(path, source) as writer:
        for packet in reader:
            if isinstance(packet, Frame):
                writer.write(packet.image, packet.time_s)
    return path


def frames_of(path: Path) -> list[Frame]:
    with open_media(path) as reader:
        return [packet for packet in reader if isinstance(packet, Frame)]


def sound_of(path: Path) -> tuple[np.ndarray, float]:
    """Return the mono sound at 16 kHz, and the time in seconds of its first sample."""
    with open_media(path) as reader:
        blocks = [packet for packet in reader if isinstance(packet, AudioBlock)]
    for before, after in itertools.pairwise(blocks):
        assert after.time_s == pytest.approx(before.end_s, abs=1e-6)
    return np.concatenate([block.samples for block in blocks]), blocks[0].time_s


def onset_s(path: Path) -> float:
    samples, start_s = sound_of(path)
    return float(np.flatnonzero(np.abs(samples) > 0.1)[0]) / 16_000 + start_s


def audio_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_pictures_come_back_at_their_times(talk_mp4: Path, tmp_path: Path) -> None:
    times = [0.0, 1 / 30, 0.1, 0.1001, 0.5, 1.234567, 1.9]
    with VideoWriter(tmp_path / "out.mp4", talk_mp4) as writer:
        for i, time_s in enumerate(times):
            writer.write(picture((64, 48), i), time_s)
    frames = frames_of(tmp_path / "out.mp4")
    assert [frame.time_s for frame in frames] == [round(t * 90_000) / 90_000 for t in times]
    for i, frame in enumerate(frames):
        np.testing.assert_allclose(frame.image[::8, ::8].astype(int), picture((64, 48), i)[::8, ::8], atol=40)
        assert int(frame.image[24, 32].mean()) == pytest.approx(i * 8, abs=6)


def test_pictures_look_as_they_were_given(tmp_path: Path) -> None:
    with open_media(CLIP) as reader:
        given = [packet for packet in itertools.islice(reader, 60) if isinstance(packet, Frame)]
    with VideoWriter(tmp_path / "out.mp4", None) as writer:
        for frame in given:
            writer.write(frame.image, frame.time_s)
    written = frames_of(tmp_path / "out.mp4")
    assert len(written) == len(given) > 20
    pairs = zip(written, given, strict=True)
    error = np.mean([np.square(one.image.astype(float) - other.image).mean() for one, other in pairs])
    assert 10 * np.log10(255**2 / error) > 38  # decibels, most of which halved colour costs


def test_a_first_picture_that_comes_late_stays_late(talk_mp4: Path, tmp_path: Path) -> None:
    times = [0.5123, 0.5523, 0.5923]
    with VideoWriter(tmp_path / "out.mp4", talk_mp4) as writer:
        for time_s in times:
            writer.write(picture((64, 48)), time_s)
    read = [frame.time_s for frame in frames_of(tmp_path / "out.mp4")]
    assert read == pytest.approx(times, abs=1.5 / 90_000)


def test_the_result_is_what_browsers_play(talk_mp4: Path, tmp_path: Path) -> None:
    path = copy(talk_mp4, tmp_path / "out.mp4")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt, audio.codec_context.name) == ("h264", "yuv420p", "aac")
        assert video.time_base == Fraction(1, 90_000)
        assert [video.colorspace, video.color_range] == [1, 1]
    assert path.stat().st_mode & 0o777 == (talk_mp4.stat().st_mode & 0o777)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.flv"])
def test_aac_is_copied_bit_for_bit(tmp_path: Path, name: str, layout: str) -> None:
    sound = Sound(rate_hz=44_100, layout=layout, start_s=0.3, bit_rate=64_000)
    source = record(tmp_path / name, Video(time_base=MILLISECOND), sound)
    path = copy(source, tmp_path / "out.mp4")
    assert audio_packets(path) == audio_packets(source)
    assert onset_s(path) == pytest.approx(0.3, abs=0.004)
    assert onset_s(path) == pytest.approx(onset_s(source), abs=0.002)


def test_aac_of_a_transport_stream_is_copied(tmp_path: Path) -> None:
    times = tuple(10 + i / 25 for i in range(25))
    source = record(tmp_path / "a.ts", Video(times=times), Sound(start_s=10.2))
    path = copy(source, tmp_path / "out.mp4")
    header = 7  # bytes of ADTS in front of each packet, which an MP4 does not have
    assert audio_packets(path) == [packet[header:] for packet in audio_packets(source)]
    assert onset_s(path) == pytest.approx(0.2, abs=0.004)
    assert [f.time_s for f in frames_of(path)] == pytest.approx([f.time_s for f in frames_of(source)], abs=2e-5)


@pytest.mark.parametrize(
    ("name", "sound", "rate_hz", "n_channels"),
    [
        ("a.mkv", Sound("libopus", 48_000, start_s=0.3), 48_000, 2),
        ("a.mov", Sound("pcm_s16le", 44_100, "mono", start_s=0.3), 44_100, 1),
        ("a.mkv", Sound("pcm_s16le", 8_000, "mono", start_s=0.3, tone_hz=300), 8_000, 1),
        ("a.mkv", Sound("flac", 96_000, start_s=0.3), 48_000, 2),
        ("a.mkv", Sound("flac", 48_000, "5.1", start_s=0.3), 48_000, 6),
        ("a.mkv", Sound("flac", 48_000, "7.1", start_s=0.3), 48_000, 2),
        ("a.mkv", Sound("flac", 48_000, "quad", start_s=0.3), 48_000, 2),
        ("a.mkv", Sound("pcm_f32le", 48_000, "quad", start_s=0.3), 48_000, 4),
        ("a.mkv", Sound("libopus", 48_000, "7.1", start_s=0.3, bit_rate=400_000), 48_000, 2),
        ("a.avi", Sound("libmp3lame", 22_050, start_s=0.3), 22_050, 2),
    ],
)
def test_other_sound_is_encoded_in_its_place(
    tmp_path: Path, name: str, sound: Sound, rate_hz: int, n_channels: int
) -> None:
    time_base = Fraction(1, 25) if name.endswith("avi") else MILLISECOND
    video = Video(codec="mjpeg", pix_fmt="yuvj420p", time_base=time_base)
    source = record(tmp_path / name, video, sound)
    path = copy(source, tmp_path / "out.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("aac", rate_hz, n_channels)
    assert onset_s(path) == pytest.approx(onset_s(source), abs=0.004)
    (was, _), (now, _) = sound_of(source), sound_of(path)
    assert np.sqrt(np.mean(now**2) * len(now)) == pytest.approx(np.sqrt(np.mean(was**2) * len(was)), rel=0.06)


@pytest.mark.parametrize("name", [pytest.param("a.ts", marks=pytest.mark.load), "a.flv"])
def test_damaged_sound_does_not_cost_the_result(tmp_path: Path, name: str) -> None:
    whole = record(tmp_path / name, Video(time_base=MILLISECOND), Sound()).read_bytes()
    rng = np.random.default_rng(4)
    for i in range(15):
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(2000, len(data), 50)] = rng.integers(0, 256, 50)
        source = tmp_path / f"{i}-{name}"
        source.write_bytes(data.tobytes())
        with open_media(source) as reader:
            pictures = [packet for packet in reader if isinstance(packet, Frame)]
        with VideoWriter(tmp_path / "out.mp4", source) as writer:
            for frame in pictures:
                writer.write(frame.image, frame.time_s)
        assert len(frames_of(tmp_path / "out.mp4")) == len(pictures) - writer.n_dropped


def test_clips_glued_together_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    clip = record(tmp_path / "a.ts", Video(), Sound()).read_bytes()
    source = tmp_path / "glued.ts"
    source.write_bytes(clip + clip)
    path = copy(source, tmp_path / "out.mp4")
    for glued in (source, path):
        steps = np.diff([frame.time_s for frame in frames_of(glued)])
        np.testing.assert_allclose(steps, np.full(49, 0.04), atol=1e-4)
        assert len(sound_of(glued)[0]) == pytest.approx(32_000, abs=1600)


def test_a_gap_in_encoded_sound_becomes_silence(tmp_path: Path) -> None:
    sound = Sound("pcm_s16le", 48_000, duration_s=2.0, gap_s=(0.6, 1.2))
    source = record(tmp_path / "gap.mkv", Video(time_base=MILLISECOND), sound)
    samples, start_s = sound_of(copy(source, tmp_path / "out.mp4"))
    loud = np.array([np.abs(part).max() > 0.1 for part in np.array_split(samples, len(samples) // 160)])
    quiet_s = np.flatnonzero(~loud) / 100 + start_s
    assert (quiet_s.min(), quiet_s[quiet_s < 1.9].max()) == (pytest.approx(0.6, abs=0.05), pytest.approx(1.2, abs=0.05))


def test_without_sound_there_is_a_picture_alone(silent_film_mp4: Path, tmp_path: Path) -> None:
    source = probe(copy(silent_film_mp4, tmp_path / "out.mp4"))
    assert (source.has_video, source.has_audio) == (True, False)
    assert source.duration_s == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize(
    ("size", "written"), [((1, 1), (2, 2)), ((63, 47), (64, 48)), ((64, 48), (64, 48)), ((4001, 100), (3840, 96))]
)
def test_sizes_are_made_fit_for_h264(
    silent_film_mp4: Path, tmp_path: Path, size: tuple[int, int], written: tuple[int, int]
) -> None:
    with VideoWriter(tmp_path / "out.mp4", silent_film_mp4) as writer:
        writer.write(picture(size), 0.0)
    frame = frames_of(tmp_path / "out.mp4")[0]
    assert frame.image.shape == (written[1], written[0], 3)
    if size == (63, 47):
        np.testing.assert_allclose(frame.image[4, 4].astype(int), picture(size)[4, 4], atol=30)
        np.testing.assert_allclose(frame.image[47, 63].astype(int), frame.image[45, 61].astype(int), atol=10)


def test_a_picture_of_another_size_is_fitted_in(silent_film_mp4: Path, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", silent_film_mp4) as writer:
        writer.write(picture((64, 48)), 0.0)
        writer.write(np.full((96, 64, 3), 200, np.uint8), 0.04)
    image = frames_of(tmp_path / "out.mp4")[1].image
    assert image.shape == (48, 64, 3)
    assert image[24, 32].mean() > 180 and image[24, 4].mean() < 40


def test_pictures_that_are_not_later_are_dropped(silent_film_mp4: Path, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", silent_film_mp4) as writer:
        for time_s in (0.0, 0.04, 0.04, 0.02, 0.08):
            writer.write(picture((64, 48)), time_s)
    assert writer.n_dropped == 2
    assert [frame.time_s for frame in frames_of(tmp_path / "out.mp4")] == pytest.approx([0.0, 0.04, 0.08], abs=1e-9)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_keeps_what_was(
    talk_mp4: Path, tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the result of yesterday")
    n_threads = threading.active_count()
    with pytest.raises(error), VideoWriter(path, talk_mp4) as writer:
        for i in range(20):
            writer.write(picture((64, 48), i), i / 25)
        assert len(left_over(tmp_path)) == 1
        raise error
    assert path.read_bytes() == b"the result of yesterday"
    assert left_over(tmp_path) == []
    assert threading.active_count() == n_threads


def test_writing_nothing_is_an_error(talk_mp4: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no picture was given"), VideoWriter(tmp_path / "out.mp4", talk_mp4):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no/such/folder/out.mp4", "no such folder"), ("out.mkv", "is an MP4"), ("dir.mp4", "a folder")],
)
def test_what_cannot_be_written_is_known_at_once(talk_mp4: Path, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "dir.mp4").mkdir()
    with pytest.raises(OutputError, match=reason) as caught, VideoWriter(tmp_path / name, talk_mp4):
        pytest.fail("the block was entered")
    assert caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write in")
def test_an_unwritable_folder_is_known_at_once(talk_mp4: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write /proc/self/out\.mp4") as caught:
        VideoWriter("/proc/self/out.mp4", talk_mp4).__enter__()
    assert "\n" not in str(caught.value)


def test_the_recording_itself_is_never_overwritten(talk_mp4: Path) -> None:
    before = talk_mp4.read_bytes()
    with pytest.raises(OutputError, match="the recording itself"), VideoWriter(talk_mp4, talk_mp4):
        pytest.fail("the block was entered")
    assert talk_mp4.read_bytes() == before


def test_a_missing_source_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError), VideoWriter(tmp_path / "out.mp4", tmp_path / "none.mp4"):
        pytest.fail("the block was entered")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_no_larger_than(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_output_error(talk_mp4: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 240, 320, 3), np.uint8)
    with (
        files_no_larger_than(100_000),
        pytest.raises(OutputError, match="cannot write") as caught,
        VideoWriter(tmp_path / "out.mp4", talk_mp4) as writer,
    ):
        for i, image in enumerate(noise):
            writer.write(image, i / 25)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_a_wrong_image_is_a_value_error(talk_mp4: Path, tmp_path: Path, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be"), VideoWriter(tmp_path / "out.mp4", talk_mp4) as writer:
        writer.write(bad, 0.0)
    assert list(tmp_path.iterdir()) == []


def test_sound_is_written_along_with_the_pictures(tmp_path: Path) -> None:
    times = tuple(i / 10 for i in range(200))
    video = Video(times=times, time_base=MILLISECOND, options={"preset": "ultrafast"})
    source = record(tmp_path / "long.mkv", video, Sound("pcm_s16le", duration_s=20.0))
    path = copy(source, tmp_path / "out.mp4")
    with av.open(str(path)) as container:
        at = {"video": [], "audio": []}
        for packet in container.demux():
            if packet.size:
                at[packet.stream.type].append((packet.pos, float(packet.pts * packet.time_base)))
    audio_at = np.array(sorted(at["audio"]))
    for position, time_s in at["video"]:
        before = audio_at[audio_at[:, 0] < position]
        assert not len(before) or abs(before[-1, 1] - time_s) < 3.0
    assert probe(path).duration_s == pytest.approx(20.0, abs=0.2)


def test_the_sound_of_a_live_stream_is_written_as_it_is_given_and_a_gap_is_silence(tmp_path: Path) -> None:
    t = np.arange(16_000) / 16_000
    tone = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, None, sound_rate_hz=16_000) as writer:
        writer.write(picture((64, 48), 0), 0.0)
        for start_s in (0.0, 2.0, 2.5):  # a second without sound, and half a second that was heard already
            writer.write_sound(AudioBlock(tone, 16_000, start_s))
        writer.write(picture((64, 48), 1), 3.0)
    samples, first_s = sound_of(path)
    assert first_s == pytest.approx(0.0, abs=0.07)
    assert len(samples) / 16_000 == pytest.approx(3.5, abs=0.1)
    loud = [
        float(np.abs(samples[round(a * 16_000) : round(b * 16_000)]).mean())
        for a, b in ((0.2, 0.8), (1.2, 1.8), (2.2, 3.3))
    ]
    assert loud[0] == pytest.approx(loud[2], rel=0.05) and loud[0] > 0.25 and loud[1] < 0.01
    assert [frame.time_s for frame in frames_of(path)] == pytest.approx([0.0, 3.0])


def test_a_live_stream_without_sound_has_pictures_alone(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", None) as writer:
        writer.write(picture((64, 48)), 0.0)
    assert not probe(tmp_path / "out.mp4").has_audio
