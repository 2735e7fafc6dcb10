"""A stretch of a recording has its own pictures and sound, and the times of the whole."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import MediaError, UsageError
from emofuse.media import Span, open_media, parse_time, within
from emofuse.types import AudioBlock, Frame, Packet
from make_media import Sound, Video, record


@pytest.fixture(scope="module", params=["mp4", "mkv", "avi", "mpegts"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    suffix = {"mpegts": "ts"}.get(request.param, request.param)
    path = tmp_path_factory.mktemp("films") / f"film.{suffix}"
    return record(path, Video(times=seconds(8.0)), Sound(duration_s=8.0, tone_hz=50.0))


def seconds(duration_s: float) -> tuple[float, ...]:
    return tuple(i / 25 for i in range(round(duration_s * 25)))


def frames(packets: list[Packet]) -> list[Frame]:
    return [packet for packet in packets if isinstance(packet, Frame)]


def sound(packets: list[Packet], start_s: float, end_s: float) -> NDArray[np.float32]:
    """Return the samples between two times, silence where there are none."""
    first, n = round(start_s * 16_000), round((end_s - start_s) * 16_000)
    samples = np.zeros(first + n + 100_000, np.float32)
    for block in packets:
        if isinstance(block, AudioBlock) and block.time_s < end_s:
            at = round(block.time_s * 16_000)
            samples[at : at + len(block.samples)] = block.samples
    return samples[first : first + n]


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 2.0), (0.5, 3.0), (4.0, 6.5), (5.25, None)])
def test_it_is_what_the_whole_has_there(film: Path, start_s: float, end_s: float | None) -> None:
    with open_media(film) as media:
        whole, duration_s = list(media), media.source.duration_s
    with open_media(film, span=Span(start_s, end_s)) as media:
        part = list(media)
        assert media.source.duration_s == pytest.approx(duration_s, abs=0.1) and media.warnings == []
    last_s = math.inf if end_s is None else end_s
    wanted = [frame for frame in frames(whole) if start_s - 1e-6 <= frame.time_s < last_s - 1e-6]
    assert wanted and [frame.time_s for frame in frames(part)] == [frame.time_s for frame in wanted]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(frames(part), wanted, strict=True))
    blocks = [packet for packet in part if isinstance(packet, AudioBlock)]
    assert blocks[0].time_s == pytest.approx(start_s, abs=0.03) and blocks[-1].end_s <= min(last_s, 9.0) + 1e-4
    heard, expected = (sound(packets, start_s, min(last_s, 8.0)) for packets in (part, whole))
    quiet = 800  # where a codec runs in, and a resampler begins
    assert np.corrcoef(heard[quiet:-quiet], expected[quiet:-quiet])[0, 1] > 0.97


def test_most_of_what_is_before_it_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "long.mp4", Video(times=seconds(60.0)), Sound(duration_s=60.0))
    n_decoded = 0
    from emofuse.media import _picture

    convert = _picture.FrameConverter.__call__

    def counted(self: _picture.FrameConverter, raw: object) -> NDArray[np.uint8]:
        nonlocal n_decoded
        n_decoded += 1
        return convert(self, raw)  # type: ignore[arg-type]

    monkeypatch.setattr(_picture.FrameConverter, "__call__", counted)
    with open_media(path, span=Span(55.0, 56.0)) as media:
        assert len(frames(list(media))) == 25
    assert n_decoded < 500  # of 1500: from the key picture before it


def test_there_is_nothing_after_the_end(film: Path) -> None:
    with (
        open_media(film, span=Span(20.0, 30.0)) as media,
        pytest.raises(MediaError, match=r"nothing from 20 s to 30 s"),
    ):
        list(media)


def test_sound_is_cut_to_the_sample() -> None:
    blocks = [AudioBlock(np.zeros(1000, np.float32), 1000, float(i)) for i in range(3)]
    kept = list(within(blocks, Span(0.5, 2.25), "sound"))
    assert [(block.time_s, len(block.samples)) for block in kept if isinstance(block, AudioBlock)] == [
        (0.5, 500),
        (1.0, 1000),
        (2.0, 250),
    ]


def test_sound_that_is_cut_does_not_come_before_an_earlier_picture() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    packets: list[Packet] = [
        AudioBlock(np.zeros(1000, np.float32), 1000, 0.0004),
        *(Frame(picture, time_s) for time_s in (0.25, 0.5, 0.75, 1.0)),
        AudioBlock(np.zeros(1000, np.float32), 1000, 1.0004),
    ]
    times = [packet.time_s for packet in within(packets, Span(0.5, 2.0), "film")]
    assert times == sorted(times) == pytest.approx([0.5, 0.5004, 0.75, 1.0, 1.0004])
    assert max(p.end_s for p in within(packets, Span(0.5, 2.0), "film") if isinstance(p, AudioBlock)) <= 2.0
    only = [packet.time_s for packet in within(packets[:3], Span(0.5, 0.6), "film")]
    assert only == pytest.approx([0.5, 0.5004])


@pytest.mark.parametrize(("text", "seconds"), [("0", 0.0), ("83.5", 83.5), ("1:23.5", 83.5), ("01:01:01", 3661.0)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "now", "-1", "1:60", "1:2:3:4", "1:", "nan", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("start_s", "end_s"), [(-1.0, None), (math.nan, None), (0.0, math.inf), (2.0, 2.0), (3.0, 1.0)]
)
def test_a_stretch_ends_after_its_start(start_s: float, end_s: float | None) -> None:
    with pytest.raises(UsageError):
        Span(start_s, end_s)
