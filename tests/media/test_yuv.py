"""Pictures that stay as they were encoded: drawn on in parts, and written without being converted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from emofuse.media import VideoWriter, open_media
from emofuse.media.yuv import BT709, ColourCoding, YuvCanvas, YuvFrame
from emofuse.outputs.overlay import Overlay, OverlaySettings
from emofuse.types import Frame
from make_media import MILLISECOND, Video, picture, record
from make_timelines import face, moment

BT601 = ColourCoding(6, 6, 6)


def frames_of(path: Path, *, keeps_yuv: bool = True) -> list[Frame]:
    with open_media(path, keeps_yuv=keeps_yuv) as reader:
        return [packet for packet in reader if isinstance(packet, Frame)]


def encoded(image: np.ndarray, coding: ColourCoding) -> YuvFrame:
    """Return a picture, (H, W, 3) uint8 RGB, with the numbers that FFmpeg has for it."""
    raw = av.VideoFrame.from_ndarray(image, format="rgb24")
    made = raw.reformat(format="yuv420p", dst_colorspace=coding.space, dst_color_range=1)
    return YuvFrame(made.to_ndarray(), coding, 0.0)


@pytest.mark.parametrize("coding", [BT709, BT601])
def test_colours_are_those_that_ffmpeg_has(coding: ColourCoding) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    image = colours.repeat(8, axis=0).repeat(8, axis=1)
    canvas = YuvCanvas(encoded(image, coding))
    canvas.touch((0, 0, 64, 48))
    np.testing.assert_allclose(canvas.pixels[4::8, 4::8].astype(int), colours, atol=4)
    np.testing.assert_allclose(canvas.frame().image[4::8, 4::8].astype(int), colours, atol=6)


def test_what_is_not_touched_stays_to_the_bit() -> None:
    frame = encoded(picture((64, 48)), BT709)
    before = frame.planes.copy()
    canvas = YuvCanvas(frame)
    canvas.touch((9, 9, 17, 15))  # even sides: 8 to 18, 8 to 16
    canvas.pixels[9:15, 9:17] = (255, 0, 0)
    canvas.touch((13, 11, 30, 20))  # over a part that is drawn on already
    drawn = canvas.frame()
    np.testing.assert_array_equal(frame.planes, before)
    changed = drawn.planes[:48] != before[:48]
    assert changed[10:14, 10:16].all() and not changed[:8].any() and not changed[:, :8].any()
    assert not changed[20:].any() and not changed[:, 30:].any()
    np.testing.assert_allclose(drawn.image[11:13, 12:16].astype(int), [[[255, 0, 0]] * 4] * 2, atol=12)
    canvas.touch((100, 100, 120, 120))  # beyond the picture: nothing


@pytest.mark.parametrize("detail", ["full", "simple", "boxes", "none"])
def test_an_overlay_is_as_on_rgb(detail: str) -> None:
    image = np.asarray(np.random.default_rng(1).integers(60, 200, (40, 60, 3)), np.uint8).repeat(12, 0).repeat(12, 1)
    frame = encoded(image, BT709)
    shown = replace(
        moment(1.0, "happy"), faces=(face((200, 100, 380, 330), "sad", 1), face((-20, 380, 90, 560), None, 2))
    )
    settings = OverlaySettings(detail=detail, blur_faces=detail == "boxes")  # type: ignore[arg-type]
    expected = Overlay(settings, duration_s=2.0).draw(frame.image, shown)
    canvas = YuvCanvas(frame)
    Overlay(settings, duration_s=2.0).draw_on(canvas, shown)
    drawn = canvas.frame()
    # of letters and thin lines the colour has half the size
    luma = [each.astype(float) @ [0.2126, 0.7152, 0.0722] for each in (expected, drawn.image)]
    difference = np.abs(luma[0] - luma[1])
    assert difference.mean() < 1.0 and np.percentile(difference, 99) < 12
    is_same = (drawn.planes[:480] == frame.planes[:480]).mean()
    assert is_same == 1.0 if detail == "none" else 0.4 < is_same < 0.99


def tagged(path: Path, space: int) -> Path:
    """Write three pictures in colours of this AVColorSpace."""
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = space
        context.color_range = 1
        for i in range(3):
            frame = av.VideoFrame.from_ndarray(picture((64, 48), i), format="rgb24")
            output.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=1)))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("space", [1, 6])
def test_a_film_keeps_its_coding(tmp_path: Path, space: int) -> None:
    source = tagged(tmp_path / "a.mp4", space)
    frames = frames_of(source)
    assert all(isinstance(frame, YuvFrame) and frame.coding == ColourCoding(space, space, space) for frame in frames)
    with VideoWriter(tmp_path / "out.mp4", source, crf=1) as writer:
        for frame in frames:
            writer.write_frame(frame)
        writer.write(np.full((48, 64, 3), (200, 40, 40), np.uint8), 1.0)  # which is RGB, and gets the film's coding
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (space, space, space)
    written = frames_of(tmp_path / "out.mp4", keeps_yuv=False)
    assert [frame.time_s for frame in written] == pytest.approx([0, 0.04, 0.08, 1.0])
    for new, old in zip(written, frames_of(source, keeps_yuv=False), strict=False):
        assert np.abs(new.image.astype(int) - old.image).mean() < 2
    np.testing.assert_allclose(written[3].image[20, 30].astype(int), (200, 40, 40), atol=6)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name", "size"),
    [
        ("libx264", "yuv444p", "a.mp4", (64, 48)),
        ("libx264", "yuv422p10le", "a.mp4", (64, 48)),
        ("mjpeg", "yuvj420p", "a.mov", (64, 48)),  # of full range
        ("ffv1", "yuv420p", "a.mkv", (63, 47)),
    ],
)
def test_other_pictures_come_as_rgb(tmp_path: Path, codec: str, pix_fmt: str, name: str, size: tuple[int, int]) -> None:
    path = record(tmp_path / name, Video(codec=codec, pix_fmt=pix_fmt, size=size, time_base=MILLISECOND))
    kept, plain = frames_of(path), frames_of(path, keeps_yuv=False)
    assert kept and not any(isinstance(frame, YuvFrame) for frame in kept)
    np.testing.assert_array_equal(kept[0].image, plain[0].image)


def test_a_picture_is_made_rgb_where_it_is_asked_for(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", Video(time_base=MILLISECOND))
    kept, plain = frames_of(path), frames_of(path, keeps_yuv=False)
    assert isinstance(kept[1], YuvFrame) and kept[1].size == plain[1].size and kept[1].n_bytes * 2 == plain[1].n_bytes
    np.testing.assert_array_equal(kept[1].image, plain[1].image)
    assert kept[1].at(5.0).time_s == 5.0 and plain[1].at(5.0).time_s == 5.0
