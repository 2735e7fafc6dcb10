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

from emofuse.media._container import LIBRARY_ERRORS, Damage, frame_rate, seconds
from emofuse.types import Frame

_JUMP_BACK_S: Final = 1.0  # clips glued together start again at 0; less than that is a slip of one timestamp
_TURNS: Final = (None, cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE)
_DEFAULT_RATE: Final = 25.0  # frames per second, where neither timestamps nor a rate say anything


def frames(decoded: Iterator[VideoFrame], stream: VideoStream, start_s: float, damage: Damage) -> Iterator[Frame]:
    """Yield upright RGB frames with square pixels, in the order of time; 0 is start_s of the container."""
    upright = Upright(stream)
    step_s = 1.0 / (frame_rate(stream) or _DEFAULT_RATE)
    last_s, shift_s = -math.inf, 0.0
    for raw in decoded:
        stated_s = seconds(raw)
        if stated_s is None:
            time_s = last_s + step_s if math.isfinite(last_s) else 0.0
        else:
            time_s = stated_s - start_s + shift_s
            if last_s - time_s > _JUMP_BACK_S:
                shift_s += last_s + step_s - time_s
                time_s = last_s + step_s
        try:
            image = upright(raw)
        except LIBRARY_ERRORS:
            damage.lose()
            continue
        last_s = max(time_s, last_s)
        yield Frame(image, 0.0 if -1e-6 < last_s < 0 else last_s)


class Upright:
    """Converts pictures of any pixel format, rotation and pixel shape; the converter keeps its set-up."""

    def __init__(self, stream: VideoStream) -> None:
        ratio = float(stream.sample_aspect_ratio or 1)
        # Beyond this the ratio is a mistake in the file, and would make a picture of a million columns.
        self._pixel_ratio = ratio if math.isfinite(ratio) and 1 / 8 <= ratio <= 8 else 1.0
        self._converter = VideoReformatter()

    def __call__(self, raw: VideoFrame) -> NDArray[np.uint8]:
        """Return (H, W, 3) uint8 RGB. Wider-than-tall pixels widen the picture, others heighten it."""
        width, height = raw.width, raw.height
        if self._pixel_ratio > 1:
            width = round(width * self._pixel_ratio)
        elif self._pixel_ratio < 1:
            height = round(height / self._pixel_ratio)
        rgb = self._converter.reformat(raw, width=width, height=height, format="rgb24")
        image = np.ascontiguousarray(rgb.to_ndarray(), dtype=np.uint8)
        is_mirrored, n_quarters = _orientation(raw)
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
