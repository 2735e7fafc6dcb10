"""Slides, and one picture over a speech: faces and moments for as long as they stand, in both modes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import load_bundle
from emofuse.inference.live import LiveSession, LiveSettings
from emofuse.media import STANDING_S, VideoWriter, open_media
from emofuse.media.capture import PacedFile
from emofuse.types import AudioBlock, Frame
from make_media import MILLISECOND, Sound, Video, picture, record


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    """Return two pictures of the face of the clip that ships."""
    with open_media(CLIP) as reader:
        frames = (packet.image for packet in reader if isinstance(packet, Frame))
        return [cv2.resize(image, None, fx=0.5, fy=0.5) for image in itertools.islice(frames, 0, 41, 40)]


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    with open_media(CLIP) as reader:
        return np.concatenate([packet.samples for packet in reader if isinstance(packet, AudioBlock)])


def write_slides(path: Path, slides: Sequence[np.ndarray], times: Sequence[float], speech: np.ndarray | None) -> Path:
    """Write a picture at each time, and a speech, over and over until length_s."""
    height, width = slides[0].shape[:2]
    with av.open(str(path), "w") as output:
        shown = output.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        shown.width, shown.height, shown.pix_fmt = width, height, "yuv420p"
        shown.codec_context.time_base = shown.time_base = MILLISECOND
        heard = None
        if speech is not None:
            heard = output.add_stream("aac", rate=16_000)
            heard.layout = "mono"
        output.start_encoding()
        packets = []
        for slide, time_s in zip(slides, times, strict=True):
            frame = av.VideoFrame.from_ndarray(slide, format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), MILLISECOND
            packets += shown.encode(frame)
        packets += shown.encode(None)
        for start in range(0, 0 if speech is None else len(speech), 1024):
            frame = av.AudioFrame.from_ndarray(speech[None, start : start + 1024], format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, start, Fraction(1, 16_000)
            packets += heard.encode(frame)
        if heard is not None:
            packets += heard.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux_one(packet)
    return path


@pytest.mark.parametrize("mode", ["queue", "frame"])
@pytest.mark.parametrize("name", ["slides.mp4", "slides.mkv"])
def test_slides_have_faces_for_as_long_as_they_stand(
    faces: list[np.ndarray], speech: np.ndarray, tmp_path: Path, name: str, mode: str
) -> None:
    long = np.tile(speech, 2)[: 10 * 16_000]
    path = write_slides(tmp_path / name, [faces[0], faces[1]], [0.0, 5.0], long)
    timeline = emofuse.analyze(path, mode=mode)
    assert timeline.source.duration_s == pytest.approx(10.0, abs=0.2)
    times = [moment.time_s for moment in timeline.moments]
    assert max(np.diff([0.0, *times])) <= STANDING_S + 1e-6 and times[-1] > 9
    assert all(moment.faces and "face" in moment.by_modality for moment in timeline.moments)
    assert any("voice" in moment.by_modality for moment in timeline.moments)
    first, second = ([m for m in timeline.moments if a < m.time_s < b] for a, b in ((1, 5), (7, 10)))
    labels = [{m.by_modality["face"].label for m in part} for part in (first, second)]
    assert all(len(found) == 1 for found in labels)  # a picture that stands does not flicker
    assert timeline.segments()[-1].end_s == pytest.approx(10.0, abs=0.6)


@pytest.mark.parametrize("mode", ["queue", "frame"])
@pytest.mark.parametrize("name", ["still.mp4", "still.mkv"])
def test_one_picture_stands_over_a_whole_speech(
    faces: list[np.ndarray], speech: np.ndarray, tmp_path: Path, name: str, mode: str
) -> None:
    path = write_slides(tmp_path / name, faces[:1], [0.0], speech)
    timeline = emofuse.analyze(path, mode=mode)
    length_s = len(speech) / 16_000
    assert timeline.source.duration_s == pytest.approx(length_s, abs=0.1)
    assert timeline.moments[-1].time_s > length_s - STANDING_S - 0.1
    assert timeline.moments[-1].time_s <= timeline.source.duration_s
    assert all("face" in moment.by_modality for moment in timeline.moments)


@pytest.mark.parametrize("mode", ["queue", "frame"])
def test_slides_without_sound(faces: list[np.ndarray], tmp_path: Path, mode: str) -> None:
    path = write_slides(tmp_path / "silent.mp4", [*faces, faces[0]], [0.0, 10.0, 13.0], None)
    timeline = emofuse.analyze(path, mode=mode)
    assert timeline.moments[-1].time_s >= 13.0
    assert all("face" in moment.by_modality for moment in timeline.moments)
    assert max(np.diff([moment.time_s for moment in timeline.moments])) <= STANDING_S + 1e-6


def test_a_file_that_is_played_live_gives_the_same(faces: list[np.ndarray], speech: np.ndarray, tmp_path: Path) -> None:
    path = write_slides(tmp_path / "slides.mp4", faces, [0.0, 3.0], speech)
    expected = emofuse.analyze(path)
    source = PacedFile(path, is_paced=False)
    found = []
    with LiveSession(Analyzer(load_bundle("base")), source, settings=LiveSettings(max_delay_s=None)) as session:
        for update in session:
            found += update.moments
    assert [m.time_s for m in found] == [m.time_s for m in expected.moments]
    for mine, theirs in zip(found, expected.moments, strict=True):
        np.testing.assert_array_equal(mine.fused.probabilities, theirs.fused.probabilities)


def standing_times(path: Path) -> list[float]:
    with open_media(path, repeat_s=STANDING_S) as reader:
        return [packet.time_s for packet in reader if isinstance(packet, Frame)]


def test_a_picture_comes_again_only_while_it_stands(tmp_path: Path) -> None:
    slides = record(tmp_path / "slides.mkv", Video(times=(0.0, 1.2, 1.3), time_base=MILLISECOND), Sound(duration_s=2.0))
    assert standing_times(slides) == pytest.approx([0.0, 0.5, 1.0, 1.2, 1.3, 1.8])
    film = record(tmp_path / "film.mkv", Video(time_base=MILLISECOND), Sound(duration_s=3.0))
    assert standing_times(film) == pytest.approx([i / 25 for i in range(25)])  # a film that ended does not stand


def test_the_annotated_video_shows_the_picture_while_it_stands(tmp_path: Path) -> None:
    source = record(tmp_path / "still.mp4", Video(times=(0.0,)), Sound(duration_s=3.0))
    annotated = tmp_path / "annotated.mp4"
    with open_media(source, repeat_s=STANDING_S) as reader, VideoWriter(annotated, reader) as writer:
        for packet in reader:
            if isinstance(packet, Frame):
                writer.write(picture((64, 48)), packet.time_s)
    with open_media(annotated) as reader:
        times = [packet.time_s for packet in reader if isinstance(packet, Frame)]
        assert reader.source.duration_s == pytest.approx(3.0, abs=0.1)
    assert times == pytest.approx([i / 2 for i in range(6)])
