"""Sound stays with the picture, and lengths follow what is read: over seams, gaps, and clocks that begin anywhere."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.media import VideoWriter, open_media, probe
from emofuse.media._clock import Clock, RisingClock, Seams
from emofuse.media._placing import Placer
from emofuse.types import AudioBlock, Frame
from make_joins import FLASH_S, flash_and_click, flashes_and_clicks, join
from make_lengths import loud_then_quiet_mp3, quiet_then_loud_aac, with_long_header
from make_media import MILLISECOND, Sound, Video, cut, picture, record

IN_STEP_S = 0.04  # a voice that is further off its picture is seen to be


def ends_s(path: Path) -> tuple[float, float]:
    """Return the duration that is known on opening, and that after all was read."""
    with open_media(path) as reader:
        first_s = reader.source.duration_s
        for packet in reader:
            del packet
        return first_s, reader.source.duration_s


def annotate(source: Path, path: Path) -> Path:
    with open_media(source) as reader, VideoWriter(path, reader) as writer:
        for packet in reader:
            if isinstance(packet, Frame):
                writer.write(packet.image, packet.time_s)
    return path


@pytest.mark.parametrize("name", ["join.mp4", "join.mkv", "glued.ts"])
def test_sound_and_picture_are_in_step_after_many_seams(tmp_path: Path, name: str) -> None:
    n_parts = 15
    video = Video((64, 48), time_base=MILLISECOND if name.endswith("mkv") else Video.time_base, options={"bf": "0"})
    part = flash_and_click(tmp_path / f"part{Path(name).suffix}", video)
    source = tmp_path / name
    if name.endswith("ts"):
        source.write_bytes(part.read_bytes() * n_parts)
    else:
        join([part] * n_parts, source)
    annotated = annotate(source, tmp_path / "annotated.mp4")
    for path in (source, annotated):
        flashes, clicks = flashes_and_clicks(path)
        assert len(flashes) == len(clicks) == n_parts
        assert np.abs(flashes - clicks).max() < IN_STEP_S
        assert flashes[-1] > n_parts - 1
        opened_s, read_s = ends_s(path)
        assert read_s == pytest.approx(opened_s, abs=0.05)
        assert read_s < flashes[-1] + 1


def test_packets_that_overlap_do_not_push_the_voice_back(tmp_path: Path) -> None:
    """Each part of PCM goes on for 0.1 s after the next one has begun, as the stamps say: the surplus is dropped."""
    source = tmp_path / "overlap.mkv"
    rate_hz, length_s, n_parts = 16_000, 0.6, 30
    with av.open(str(source), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=rate_hz)
        stream.layout = "mono"
        for i in range(n_parts):
            samples = np.zeros(round(length_s * rate_hz), np.int16)
            samples[1600:2240] = 20_000  # at 0.1 s of every part
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate_hz, round(i * 0.5 * rate_hz), MILLISECOND / 16
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with open_media(source) as reader:
        blocks = [packet for packet in reader if isinstance(packet, AudioBlock)]
        assert reader.source.duration_s == pytest.approx(n_parts * 0.5 + 0.1, abs=0.01)
    samples = np.concatenate([block.samples for block in blocks])
    rises = np.flatnonzero(np.diff((samples > 0.3).astype(int)) == 1) / rate_hz
    np.testing.assert_allclose(rises, np.arange(n_parts) * 0.5 + 0.1, atol=0.03)


@pytest.mark.parametrize("name", ["gap.mp4", "gap.mkv", "gap.ts"])
def test_a_gap_in_aac_is_silence_in_the_annotated_video(tmp_path: Path, name: str) -> None:
    times = tuple(i / 25 for i in range(75))
    sound = Sound(duration_s=3.0, gap_s=(1.0, 2.0))
    source = record(tmp_path / name, Video(times=times, time_base=MILLISECOND), sound)
    annotated = annotate(source, tmp_path / "annotated.mp4")
    with open_media(annotated) as reader:
        assert len(reader.scan.even) == 1  # one run of packets, which every player plays alike
        blocks = [packet for packet in reader if isinstance(packet, AudioBlock)]
    samples = np.concatenate([block.samples for block in blocks])
    is_loud = [bool(np.abs(part).max() > 0.2) for part in np.array_split(samples, 30)]
    assert is_loud[:9] == [True] * 9 and not any(is_loud[11:19]) and is_loud[21:29] == [True] * 8


@pytest.mark.parametrize("n_holes", [1, 12])
def test_a_small_hole_is_filled(tmp_path: Path, n_holes: int) -> None:
    """Packets of 23 ms are lost here and there: what comes after stays where it belongs, and the sound goes on."""
    whole = flash_and_click(
        tmp_path / "whole.mkv",
        Video((64, 48), tuple(i / 25 for i in range(100)), time_base=MILLISECOND),
        Sound(rate_hz=44_100, layout="mono", duration_s=4.0),
    )
    source = tmp_path / "holes.mkv"
    with av.open(str(whole)) as reader, av.open(str(source), "w") as output:
        streams = [output.add_stream_from_template(stream) for stream in reader.streams]
        n_left_out = 0
        for packet in reader.demux():
            if not packet.size:
                continue
            time_s = float(packet.pts * packet.time_base)
            if (
                packet.stream.type == "audio"
                and time_s % 1 > 0.6
                and n_left_out < n_holes
                and round(time_s / 0.0232) % 3 == 0
            ):
                n_left_out += 1
                continue
            packet.stream = streams[packet.stream_index]
            output.mux(packet)
    assert n_left_out == n_holes
    for path in (source, annotate(source, tmp_path / "annotated.mp4")):
        flashes, clicks = flashes_and_clicks(path)
        np.testing.assert_allclose(clicks, flashes, atol=IN_STEP_S)


def test_a_raw_aac_is_as_long_as_its_packets(tmp_path: Path) -> None:
    source = quiet_then_loud_aac(tmp_path / "a.aac")
    with av.open(str(source)) as container:
        assert container.duration / 1e6 > 20, "the test file's guess is far off"
    assert ends_s(source) == (pytest.approx(9.0, abs=0.1), pytest.approx(9.0, abs=0.1))
    assert probe(source).duration_s == pytest.approx(9.0, abs=0.1)


def test_a_variable_mp3_without_its_header_is_as_long_as_its_packets(tmp_path: Path) -> None:
    source = loud_then_quiet_mp3(tmp_path / "a.mp3")
    with av.open(str(source)) as container:
        assert container.duration / 1e6 < 60, "the test file's guess is far off"
    assert ends_s(source) == (pytest.approx(80.0, abs=0.2), pytest.approx(80.0, abs=0.2))


@pytest.mark.parametrize("start_s", [3600.0, 7.3])
def test_a_clock_that_starts_late_makes_nothing_longer(tmp_path: Path, start_s: float) -> None:
    video = Video(times=tuple(start_s + i / 25 for i in range(25)), time_base=MILLISECOND)
    source = record(tmp_path / "late.mkv", video, Sound(start_s=start_s))
    with open_media(source) as reader:
        packets = list(reader)
        assert reader.source.duration_s == pytest.approx(1.0, abs=0.05)
        assert reader.warnings == []
    assert packets[0].time_s == pytest.approx(0.0, abs=0.01)
    assert probe(source).duration_s == pytest.approx(1.0, abs=0.05)


def test_an_absurd_header_makes_nothing_longer(tmp_path: Path) -> None:
    whole = record(tmp_path / "a.mkv", Video(time_base=MILLISECOND), Sound())
    source = with_long_header(whole, tmp_path / "hours.mkv", 5 * 3600.0)
    with av.open(str(source)) as container:
        assert container.duration / 1e6 == 5 * 3600, "the test file claims to be hours long"
    with open_media(source) as reader:
        assert reader.source.duration_s == pytest.approx(1.0, abs=0.05)
        packets = list(reader)
        assert reader.source.duration_s == pytest.approx(1.0, abs=0.05)
        assert reader.warnings == []  # nothing is missing: the file is whole
    assert sum(isinstance(packet, Frame) for packet in packets) == 25
    heard_s = sum(packet.end_s - packet.time_s for packet in packets if isinstance(packet, AudioBlock))
    assert heard_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.flv", "a.avi", "a.wav"])
def test_what_is_cut_off_says_so_and_what_is_whole_does_not(tmp_path: Path, name: str) -> None:
    times = tuple(i / 25 for i in range(100))
    if name == "a.wav":
        whole = record(tmp_path / name, sound=Sound("pcm_s16le", duration_s=4.0))
    elif name == "a.avi":
        video = Video(times=times, codec="mjpeg", pix_fmt="yuvj420p", time_base=MILLISECOND * 40)
        whole = record(tmp_path / name, video, Sound("pcm_s16le", duration_s=4.0))
    else:
        whole = tmp_path / name
        with av.open(str(whole), "w", options={"movflags": "faststart"} if name == "a.mp4" else {}) as output:
            stream = output.add_stream("libx264", rate=25, options={"g": "10"})
            stream.width, stream.height = 64, 48
            for i in range(len(times)):
                output.mux(stream.encode(av.VideoFrame.from_ndarray(picture((64, 48), i), format="rgb24")))
            output.mux(stream.encode(None))
    with open_media(whole) as reader:
        list(reader)
        assert reader.warnings == []
    with open_media(cut(whole, tmp_path / f"cut-{name}", 0.6)) as reader:
        list(reader)
        assert any("the rest of the file is missing" in line for line in reader.warnings), reader.warnings
        assert reader.source.duration_s < 3.6


def test_a_clip_cut_without_encoding_keeps_its_edit_list(tmp_path: Path) -> None:
    """The pictures before the cut are in the file, as others need them, and its edit list hides them."""
    times = tuple(i / 25 for i in range(75))
    whole = flash_and_click(
        tmp_path / "whole.mp4",
        Video((64, 48), times, options={"g": "75", "bf": "2"}),
        Sound(rate_hz=44_100, layout="mono", duration_s=3.0),
    )
    source = tmp_path / "cut.mp4"
    with av.open(str(whole)) as reader, av.open(str(source), "w", options={"avoid_negative_ts": "disabled"}) as output:
        streams = [output.add_stream_from_template(stream) for stream in reader.streams]
        for packet in reader.demux():
            if not packet.size:
                continue
            shift = round(0.8 / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = streams[packet.stream_index]
            output.mux(packet)
    for path in (source, annotate(source, tmp_path / "annotated.mp4")):
        flashes, clicks = flashes_and_clicks(path)
        assert len(flashes) == len(clicks) == 2
        np.testing.assert_allclose(flashes, clicks, atol=IN_STEP_S)
        np.testing.assert_allclose(flashes, np.array([1, 2]) + FLASH_S - 0.8, atol=IN_STEP_S)


def test_a_rate_that_changes_on_the_way_keeps_the_voice_in_place(tmp_path: Path) -> None:
    """Raw AAC of 44.1 kHz and then of 32 kHz, as broadcasts change it: it cannot be copied, and is encoded anew."""
    parts = []
    for i, rate_hz in enumerate((44_100, 32_000, 44_100)):
        video = Video((64, 48), tuple(i + k / 25 for k in range(25)), options={"bf": "0"})
        sound = Sound(rate_hz=rate_hz, layout="mono", start_s=float(i))
        parts.append(flash_and_click(tmp_path / f"{i}.ts", video, sound).read_bytes())
    source = tmp_path / "rates.ts"
    source.write_bytes(b"".join(parts))
    with open_media(source) as reader:
        assert reader.scan.even == frozenset()
    for path in (source, annotate(source, tmp_path / "annotated.mp4")):
        flashes, clicks = flashes_and_clicks(path)
        assert len(flashes) == len(clicks) == 3
        np.testing.assert_allclose(flashes, clicks, atol=IN_STEP_S)


def test_aac_in_another_wrapping_is_encoded(tmp_path: Path) -> None:
    """LATM, the AAC of European broadcasts, is nothing that an MP4 can hold as it is."""
    whole = flash_and_click(tmp_path / "a.mp4", Video((64, 48), options={"bf": "0"}))
    source = tmp_path / "latm.ts"
    with av.open(str(whole)) as reader, av.open(str(source), "w", options={"mpegts_flags": "latm"}) as output:
        streams = [output.add_stream_from_template(stream) for stream in reader.streams]
        for packet in reader.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                output.mux(packet)
    with av.open(str(source)) as container:
        assert container.streams.audio[0].codec_context.name == "aac_latm", "the test file has LATM"
    annotated = annotate(source, tmp_path / "annotated.mp4")
    with av.open(str(annotated)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    flashes, clicks = flashes_and_clicks(annotated)
    np.testing.assert_allclose(clicks, flashes, atol=IN_STEP_S)


def test_one_damaged_time_moves_nothing_after_it() -> None:
    clock = Clock(0.0)
    stated = [0.0, 0.02, 0.04, 90_000.0, 0.08, 0.1]
    assert [clock.time_s(s, 0.02) for s in stated] == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08, 0.1])


def test_streams_of_joined_parts_stay_in_step_though_one_is_longer() -> None:
    seams = Seams()
    shown, heard = RisingClock(1.4, seams), Clock(1.4, seams)
    for part in range(50):
        for i in range(25):
            assert shown.time_s(1.4 + i / 25, 0.04) == pytest.approx(part + i / 25)
        for i in range(11):  # 10 ms longer than the pictures
            assert heard.time_s(1.4 + i * 0.1, 0.1) == pytest.approx(part + i * 0.1)


@pytest.mark.parametrize(
    ("stamps_s", "expected"),
    [
        ([0.0, 0.1, 0.2], [0, 0, 0]),
        ([0.0, 0.11, 0.19], [0, 0, 0]),  # jitter
        ([0.0, 0.1, 0.5], [0, 0, 300]),  # a hole
        ([0.0, 0.05, 0.15], [0, -50, 0]),  # an overlap
        ([0.0, 0.1, 0.05], [0, 0, -100]),  # all of it was heard before
    ],
)
def test_stretches_are_placed_by_their_stamps(stamps_s: list[float], expected: list[int]) -> None:
    placer = Placer()
    assert [placer.place(time_s, 100, 1000) for time_s in stamps_s] == expected


def test_a_small_shift_that_stays_is_put_right() -> None:
    placer = Placer()
    found = [placer.place(i * 0.1 + 0.025 * (i > 0), 100, 1000) for i in range(20)]
    assert sum(found) == pytest.approx(25, abs=1)
    assert placer.end_s == pytest.approx(2.025, abs=0.001)
