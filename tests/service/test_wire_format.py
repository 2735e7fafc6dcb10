"""A live client's binary messages: pictures and sound that are as they should be, and all that are not."""

from __future__ import annotations

import itertools
import math
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.service.http_errors import RefusedError
from emofuse.service.wire_format import AHEAD_S, MOST_PIXELS, PICTURE, SOUND, PacketReader, decode_picture, picture_size
from emofuse.types import AudioBlock, Frame


def encoded(kind: str, width: int, height: int, *options: int, alpha: bool = False) -> bytes:
    """Return a picture of noise-free stripes, red at the top, in a format of OpenCV's."""
    image = np.zeros((height, width, 4 if alpha else 3), np.uint8)
    image[: max(height // 2, 1), :, 2] = 255
    if alpha:
        image[..., 3] = np.arange(width) % 255
    done, data = cv2.imencode(kind, image, list(options))
    assert done
    return bytes(data)


def message(kind: int, time_s: float, body: bytes) -> bytes:
    return struct.pack("<Bd", kind, time_s) + body


def sound(n: int, value: int = 16384) -> bytes:
    return np.full(n, value, "<i2").tobytes()


def with_exif(jpeg: bytes, length: int = 65533) -> bytes:
    """Return a JPEG with a long segment before its size, and fill bytes as the standard allows."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", length) + bytes(length - 2) + b"\xff\xff\xff" + jpeg[3:]


PICTURES = {
    "jpeg": encoded(".jpg", 63, 47),
    "jpeg, progressive": encoded(".jpg", 63, 47, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "jpeg, with restarts": encoded(".jpg", 63, 47, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    "jpeg, after a long segment": with_exif(encoded(".jpg", 63, 47)),
    "webp, lossy": encoded(".webp", 63, 47, cv2.IMWRITE_WEBP_QUALITY, 70),
    "webp, lossless": encoded(".webp", 63, 47, cv2.IMWRITE_WEBP_QUALITY, 101),
    "webp, with alpha": encoded(".webp", 63, 47, cv2.IMWRITE_WEBP_QUALITY, 70, alpha=True),
    "webp, lossless with alpha": encoded(".webp", 63, 47, cv2.IMWRITE_WEBP_QUALITY, 101, alpha=True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_size_of_a_picture_is_read_from_its_head(name: str) -> None:
    data = PICTURES[name]
    assert picture_size(data) == (63, 47)
    frame = decode_picture(data, 1.5)
    assert frame.image.shape == (47, 63, 3) and frame.time_s == 1.5
    assert frame.image[5, 5, 0] > 200 > 60 > frame.image[5, 5, 2]  # red, in RGB


def test_there_are_pictures_of_every_kind() -> None:
    assert {data[12:16] for name, data in PICTURES.items() if "webp" in name} == {b"VP8 ", b"VP8L", b"VP8X"}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_that_is_cut_off_anywhere_is_refused_or_damaged_but_no_fault(name: str) -> None:
    data = PICTURES[name]
    for end in {*range(0, min(len(data), 700), 7), len(data) // 2, len(data) - 30}:
        try:
            frame = decode_picture(data[:end], 0.0)
        except RefusedError as error:
            assert (error.status, error.code) == (400, "malformed")
        else:
            assert frame.image.shape == (47, 63, 3)  # libjpeg fills up what is missing


def claiming(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose head says another size than it has."""
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def test_a_small_file_that_claims_to_be_a_huge_picture_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*arguments: Any) -> None:
        raise AssertionError("it is decoded")

    monkeypatch.setattr(cv2, "imdecode", decode)
    jpeg = encoded(".jpg", 16, 16)
    webp = bytearray(encoded(".webp", 16, 16, cv2.IMWRITE_WEBP_QUALITY, 70, alpha=True))
    webp[24:30] = b"\xff" * 6
    refused = {"30000 x 30000": claiming(jpeg, 30_000, 30_000), "16777216 x 16777216": bytes(webp)}
    refused |= {"0 x 16": claiming(jpeg, 0, 16), "16 x 0": claiming(jpeg, 16, 0)}
    refused["2050 x 2049"] = claiming(jpeg, 2050, 2049)
    assert MOST_PIXELS < 2050 * 2049
    for size, data in refused.items():
        with pytest.raises(RefusedError, match=f"a picture of {size} is"):
            decode_picture(data, 0.0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\xff\xd8\xff\xe0\x00\x00" + bytes(40),
        b"\xff\xd8" + b"\xff" * 100,
        b"\xff\xd8\xff\xd9" + bytes(20),
        b"RIFF\x00\x00\x00\x00WEBP",
        b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(30),
        b"RIFF\x00\x00\x00\x00WEBPVP9 " + bytes(30),
        encoded(".png", 8, 8),
        b"GIF89a" + bytes(40),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedError, match="a picture"):
        decode_picture(data, 0.0)


def read(reader: PacketReader, kind: int, time_s: float, body: bytes) -> list[Frame | AudioBlock]:
    return list(reader.read(message(kind, time_s, body)))


def test_a_picture_is_a_frame() -> None:
    [frame] = read(PacketReader(16_000), PICTURE, 2.5, PICTURES["jpeg"])
    assert isinstance(frame, Frame) and (frame.time_s, frame.image.dtype) == (2.5, np.uint8)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 192_000])
def test_sound_of_any_rate_is_carried_to_ours_without_a_seam(rate_hz: int) -> None:
    reader = PacketReader(rate_hz)
    t = np.arange(rate_hz) / rate_hz
    samples = np.round(10_000 * np.sin(2 * np.pi * 440 * t)).astype("<i2")
    blocks: list[AudioBlock] = []
    for i, piece in enumerate(np.array_split(samples, 50)):
        jitter_s = 0.004 * (i % 5)  # when a browser hands sound over says little of when it was heard
        blocks += read(reader, SOUND, 3.0 + i * 0.02 + jitter_s, piece.tobytes())  # type: ignore[arg-type]
    assert blocks[0].time_s == 3.0 and {block.rate_hz for block in blocks} == {RATE_HZ}
    for before, after in itertools.pairwise(blocks):
        assert after.time_s == pytest.approx(before.end_s, abs=1e-9)
    heard: NDArray[np.float32] = np.concatenate([block.samples for block in blocks])
    assert len(heard) == pytest.approx(RATE_HZ, rel=0.01)
    t = np.arange(len(heard)) / RATE_HZ
    middle = slice(2000, -2000)
    wanted = 10_000 / 32_768 * np.exp(-2j * np.pi * 440 * t)
    assert 2 * abs(np.mean((heard * np.exp(-2j * np.pi * 440 * t))[middle])) == pytest.approx(abs(wanted[0]), rel=0.03)


def test_after_a_gap_sound_is_where_it_was_heard() -> None:
    reader = PacketReader(16_000)
    tone = np.tile(np.array([16384, -16384], "<i2"), 800).tobytes()  # a constant level would be taken off
    [first] = read(reader, SOUND, 1.0, tone)
    [second] = read(reader, SOUND, 4.0, tone)
    assert isinstance(first, AudioBlock) and isinstance(second, AudioBlock)
    assert (first.time_s, second.time_s) == (1.0, 4.0)
    assert first.samples[0] == 0.5


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "of 0 bytes"),
        (b"\x01", "of 1 bytes"),
        (struct.pack("<Bd", PICTURE, 0.0), "of 9 bytes"),
        (message(0, 0.0, b"x"), "not 0"),
        (message(3, 0.0, b"x"), "not 3"),
        (message(255, 0.0, b"x"), "not 255"),
        (message(PICTURE, math.nan, b"x"), "nan"),
        (message(PICTURE, math.inf, b"x"), "inf"),
        (message(SOUND, -1.0, sound(4)), "-1"),
        (message(SOUND, 1e300, sound(4)), "still to come"),
        (message(SOUND, 0.0, b"abc"), "of 3 bytes"),
        (message(SOUND, 0.0, sound(2 * 16_000 + 1)), "at most 2 s"),
    ],
)
def test_messages_that_are_none_are_refused_and_what_is_wrong_is_said(data: bytes, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem) as caught:
        list(PacketReader(16_000).read(data))
    assert (caught.value.status, caught.value.code) == (400, "malformed")


def test_time_may_go_back_a_little_and_not_far() -> None:
    reader = PacketReader(16_000)
    read(reader, SOUND, 5.0, sound(160))
    read(reader, SOUND, 4.5, sound(160))  # a hiccup of the client's clock
    read(reader, PICTURE, 2.0, PICTURES["jpeg"])  # pictures have a clock of their own
    with pytest.raises(RefusedError, match="goes back"):
        read(reader, SOUND, 3.9, sound(160))


def test_time_runs_as_ours_does() -> None:
    now_s = 100.0
    reader = PacketReader(16_000, clock=lambda: now_s)
    read(reader, SOUND, 7.0, sound(160))
    read(reader, SOUND, 7.0 + AHEAD_S, sound(160))
    with pytest.raises(RefusedError, match="still to come"):
        read(reader, SOUND, 7.5 + AHEAD_S, sound(160))
    with pytest.raises(RefusedError, match="still to come"):
        reader.check_time(8.0 + AHEAD_S)
    now_s += 1.0
    read(reader, SOUND, 7.5 + AHEAD_S, sound(160))


def test_sound_that_was_not_announced_is_refused() -> None:
    with pytest.raises(RefusedError, match="there is none"):
        read(PacketReader(16_000, has_sound=False), SOUND, 0.0, sound(160))
