"""Binary messages of a live client as packets: pictures (JPEG or WebP) and 16-bit sound, each with its time.

A message is a byte that says what it holds (1 a picture, 2 sound), its time in seconds as a little-endian float64,
and the picture, or samples of one channel as little-endian int16.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

import cv2
import numpy as np

from emofuse.media import MonoSound
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.service.http_errors import RefusedError
from emofuse.types import AudioBlock, Frame, Packet

PICTURE: Final = 1
SOUND: Final = 2
HEAD: Final = struct.Struct("<Bd")
MOST_PIXELS: Final = 4_200_000  # of a picture
LONGEST_S: Final = 2.0  # of a piece of sound
EARLIEST_S: Final = 1.0  # by which a packet may go back behind the newest of its kind
LATEST_S: Final = 1e8  # of a client's clock, which may begin anywhere
AHEAD_S: Final = 60.0  # by which a client's time may run ahead of ours
MOST_BYTES: Final = 4_000_000  # of a message
_FRAME_HEADS: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # JPEG's markers that say the size
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # JPEG's markers that nothing belongs to


class PacketReader:
    """Reads the messages of one client. rate_hz: of its sound, carried to RATE_HZ. clock: seconds that grow."""

    def __init__(self, rate_hz: int, *, has_sound: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_hz = rate_hz
        self._has_sound = has_sound
        self._clock = clock
        self._sound = MonoSound(RATE_HZ)
        self._newest_s = {PICTURE: -math.inf, SOUND: -math.inf}
        self._began: tuple[float, float] | None = None  # our time, and the client's

    def read(self, message: bytes) -> Iterator[Packet]:
        """Yield what a message holds. Raises RefusedError where it is not as it should be."""
        if len(message) <= HEAD.size:
            raise malformed(f"a message of {len(message)} bytes has nothing in it")
        if len(message) > MOST_BYTES:
            raise RefusedError(413, "too_large", f"a message of {len(message)} bytes is larger than {MOST_BYTES}")
        kind, time_s = HEAD.unpack_from(message)
        if kind not in self._newest_s:
            raise malformed(f"a message begins with 1 (a picture) or 2 (sound), not {kind}")
        if not math.isfinite(time_s) or time_s < 0 or time_s < self._newest_s[kind] - EARLIEST_S:
            raise malformed(f"a time of {time_s:g} s is not valid, or goes back")
        self.check_time(time_s)
        self._newest_s[kind] = max(self._newest_s[kind], time_s)
        body = message[HEAD.size :]
        if kind == PICTURE:
            yield decode_picture(body, time_s)
        else:
            yield from self._heard(body, time_s)

    def check_time(self, time_s: float) -> None:
        """Raise RefusedError for a time that is much later than it can be: the client's clock runs like ours."""
        if self._began is None:
            self._began = (self._clock(), time_s)
        ours_s, theirs_s = self._began
        if time_s > LATEST_S or time_s - theirs_s > self._clock() - ours_s + AHEAD_S:
            raise malformed(f"a time of {time_s:g} s is still to come")

    def _heard(self, body: bytes, time_s: float) -> Iterator[AudioBlock]:
        if not self._has_sound:
            raise malformed("sound came, and the first message says that there is none")
        if len(body) % 2 or len(body) // 2 > LONGEST_S * self._rate_hz:
            raise malformed(f"sound of {len(body)} bytes is not 16-bit samples of at most {LONGEST_S:g} s")
        samples = np.frombuffer(body, "<i2").astype(np.float32) / np.float32(32768.0)
        yield from self._sound.push(samples, self._rate_hz, time_s)


def decode_picture(data: bytes, time_s: float) -> Frame:
    """Decode a JPEG or WebP. Raises RefusedError where it is none, is damaged, or has more than MOST_PIXELS."""
    size = picture_size(data)
    if size is None:
        raise malformed("a picture is neither JPEG nor WebP")
    width, height = size
    if not 0 < width * height <= MOST_PIXELS:
        raise malformed(f"a picture of {width} x {height} is larger than {MOST_PIXELS / 1e6:.1f} megapixels")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        picture = None
    if picture is None:
        raise malformed("a picture is damaged")
    return Frame(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8), time_s)


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Read the width and height of a JPEG or WebP from its head, without decoding it; None where it is neither.

    JPEG: ITU-T T.81, annex B; WebP: https://developers.google.com/speed/webp/docs/riff_container.
    """
    if data[:2] == b"\xff\xd8":
        return _jpeg_size(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
        elif marker in _FRAME_HEADS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def malformed(message: str) -> RefusedError:
    """Return the refusal of a message that is not as it should be."""
    return RefusedError(400, "malformed", message)
