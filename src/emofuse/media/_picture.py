"""Turns decoded pictures into upright RGB frames, stamped in seconds."""

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

from emofuse.media._container import LIBRARY_ERRORS, Clock, Damage, frame_rate, seconds
from emofuse.types import Frame

_TURNS: Final = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
_DEFAULT_RATE: Final = 25.0  # frames per second, where neither timestamps nor a rate say anything


def frames(decoded: Iterator[VideoFrame], stream: VideoStream, start_s: float, damage: Damage) -> Iterator[Frame]:
    """Yield upright RGB frames with square pixels, in the order of time; 0 is start_s of the container."""
    upright = Upright(stream)
    step_s = 1.0 / (frame_rate(stream) or _DEFAULT_RATE)
    clock = Clock(start_s)
    for raw in decoded:
        time_s = clock.time_s(seconds(raw), step_s)
        try:
            image = upright(raw)
        except LIBRARY_ERRORS:
            damage.lose()
            continue
        yield Frame(image, time_s)


class Upright:
    """Converts pictures of any pixel format, rotation and pixel shape; the converter keeps its set-up."""

    def __init__(self, stream: VideoStream) -> None:
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
        rgb = self._converter.reformat(raw, width=width, height=height, format="rgb24")
        image = np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)
        if (raw.width, raw.height) != self._size:
            # Not for every picture: a frame whose side data was looked at is in a reference cycle, so that its
            # memory is only freed whenever the garbage collector runs.
            self._size, self._orientation = (raw.width, raw.height), _orientation(raw)
        is_mirrored, n_quarters = self._orientation
        if is_mirrored:
            image = cv2.flip(image, 0).astype(np.uint8, copy=False)
        turn = _TURNS[n_quarters]
        return image if turn is None else cv2.rotate(image, turn).astype(np.uint8, copy=False)


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
