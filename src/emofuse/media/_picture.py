"""Turns decoded pictures into upright frames, stamped in seconds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emofuse.media._clock import RisingClock, Seams
from emofuse.media._container import LIBRARY_ERRORS, MOST_PIXELS, Damage, frame_rate, seconds
from emofuse.media.yuv import YuvFrame, coding_of
from emofuse.types import Frame

_TURNS: Final = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
_SLIDE_S: Final = 1.0  # pictures further apart than this are slides
_LONGEST_ALONE_S: Final = 60.0  # that one picture is believed to stand without any sound
_DEFAULT_RATE: Final = 25.0  # frames per second, where neither timestamps nor a rate say anything


class Pictures:
    """Iterates over upright RGB frames with square pixels, in the order of time; 0 is start_s of the container.

    With repeat_s a picture that stands for longer, as slides do, comes again every so many seconds until the next one,
    unless damage lies between. The last one is left to the reader, who knows how long the sound goes on. With keeps_yuv
    they are `YuvFrame`s where a picture is upright and of square pixels as it is.
    """

    def __init__(
        self,
        decoded: Iterator[VideoFrame],
        stream: VideoStream,
        start_s: float,
        damage: Damage,
        seams: Seams | None = None,
        repeat_s: float | None = None,
        most_standing_s: float = math.inf,
        max_pixels: int = MOST_PIXELS,
        keeps_yuv: bool = False,
    ) -> None:
        self._decoded, self._damage, self._repeat_s = decoded, damage, repeat_s
        self._keeps_yuv = keeps_yuv
        self._rest_s = most_standing_s  # for so long pictures may still be repeated
        self._convert = FrameConverter(stream, max_pixels)
        self._step_s = 1.0 / (frame_rate(stream) or _DEFAULT_RATE)
        self._clock = RisingClock(start_s, seams)
        self._longest_s: float | None = None  # between two pictures
        self._stated_s = 0.0  # how long the last picture is said to stand
        self.last: Frame | None = None
        self.is_over = False

    def __iter__(self) -> Iterator[Frame]:
        n_lost = 0
        for raw in self._decoded:
            time_s = self._clock.time_s(seconds(raw), self._step_s)
            try:
                frame = self._frame(raw, time_s)
            except LIBRARY_ERRORS:
                self._damage.lose()
                continue
            if self.last is not None:
                if self._damage.n_lost == n_lost and self._repeat_s is not None:
                    yield from self.standing(self.last, time_s)
                self._longest_s = max(self._longest_s or 0.0, time_s - self.last.time_s)
            n_lost = self._damage.n_lost
            self._stated_s = float((raw.duration or 0) * (raw.time_base or 0))
            self.last = frame
            yield frame
        self.is_over = True

    def _frame(self, raw: VideoFrame, time_s: float) -> Frame:
        coding = coding_of(raw) if self._keeps_yuv and self._convert.leaves(raw) else None
        if coding is not None:
            return YuvFrame(raw.to_ndarray().astype(np.uint8, copy=False), coding, time_s)
        return Frame(self._convert(raw), time_s)

    def standing(self, frame: Frame, until_s: float) -> Iterator[Frame]:
        """Yield a picture again, every repeat_s after it, before until_s, for as long as pictures may be repeated."""
        if self._repeat_s is None:
            return
        again_s = frame.time_s + self._repeat_s
        while again_s < until_s - 1e-6 and self._rest_s > 0:
            yield frame.at(again_s)
            again_s += self._repeat_s
            self._rest_s -= self._repeat_s

    @property
    def lasts_s(self) -> float:
        """How long the last picture stands, by itself: what is said of it, unless that is absurd beside the others."""
        if self._longest_s is None:
            return min(self._stated_s or self._step_s, _LONGEST_ALONE_S)
        return min(self._stated_s or self._step_s, max(self._longest_s, 1.0))

    @property
    def are_few(self) -> bool:
        """Whether these are slides, or one picture, the last of which stands for as long as there is sound."""
        return self._longest_s is None or self._longest_s > _SLIDE_S


class FrameConverter:
    """Converts pictures of any pixel format, rotation and pixel shape; the converter keeps its set-up."""

    def __init__(self, stream: VideoStream, max_pixels: int = MOST_PIXELS) -> None:
        self._max_pixels = max_pixels
        ratio = float(stream.sample_aspect_ratio or 1)
        # Beyond this the ratio is a mistake in the file, and would make a picture of a million columns.
        self._pixel_ratio = ratio if math.isfinite(ratio) and 1 / 8 <= ratio <= 8 else 1.0
        self._converter = VideoReformatter()
        self._orientation = (False, 0)
        self._size = (0, 0)

    def __call__(self, raw: VideoFrame) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB. Wider-than-tall pixels widen the picture, others heighten it."""
        width, height = raw.width, raw.height
        if self._pixel_ratio > 1:
            width = round(width * self._pixel_ratio)
        elif self._pixel_ratio < 1:
            height = round(height / self._pixel_ratio)
        if width * height > self._max_pixels:  # wide pixels would make it so
            width, height = raw.width, raw.height
        rgb = self._converter.reformat(raw, width=width, height=height, format="rgb24")
        image = np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)
        is_mirrored, n_quarters = self._orientation_of(raw)
        if is_mirrored:
            image = cv2.flip(image, 0).astype(np.uint8, copy=False)
        turn = _TURNS[n_quarters]
        return image if turn is None else cv2.rotate(image, turn).astype(np.uint8, copy=False)

    def leaves(self, raw: VideoFrame) -> bool:
        """Return whether a picture is upright and of square pixels as it is."""
        return self._pixel_ratio == 1 and self._orientation_of(raw) == (False, 0)

    def _orientation_of(self, raw: VideoFrame) -> tuple[bool, int]:
        if (raw.width, raw.height) != self._size:
            # Not for every picture: a frame whose side data was looked at is in a reference cycle, so that its
            # memory is only freed whenever the garbage collector runs.
            self._size, self._orientation = (raw.width, raw.height), _orientation(raw)
        return self._orientation


def _orientation(raw: VideoFrame) -> tuple[bool, int]:
    """Return whether to flip top to bottom, and then how many quarter turns clockwise to make."""
    matrix = raw.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, 0
    # Rows of (a b u; c d v; x y w): x' = a x + c y, y' = b x + d y, y pointing down (libavutil/display.h).
    a, b, _, c, d = np.frombuffer(bytes(matrix), dtype=np.int32)[:5].tolist()  # type: ignore[call-overload]
    if a * d - b * c == 0:
        return False, 0
    return a * d - b * c < 0, round(math.atan2(b, a) / (math.pi / 2)) % 4
