"""Pictures as films are encoded: a plane of luma, and two of colour at half its size (I420)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from emofuse.types import Frame

_FORMAT: Final = "yuv420p"
_BT709: Final = 1  # the number of BT.709 among AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic
_SMPTE170M: Final = 6  # of BT.601, likewise
_UNSPECIFIED: Final = 2
# Weights of red and blue in luma, by AVColorSpace. What states none is BT.601, as FFmpeg has it.
_LUMA: Final = {_BT709: (0.2126, 0.0722), 5: (0.299, 0.114), _SMPTE170M: (0.299, 0.114)}
_TRANSFERS: Final = {_BT709, _UNSPECIFIED, 4, 5, _SMPTE170M, 13}  # of the usual range of light: not PQ, not HLG


@dataclass(frozen=True, slots=True)
class ColourCoding:
    """What the numbers of a picture of limited range mean: its AVColorSpace, AVColorPrimaries and
    AVColorTransferCharacteristic."""

    space: int
    primaries: int
    transfer: int

    @property
    def from_rgb(self) -> NDArray[np.float32]:
        """(3, 4) that makes (Y, U, V) of (R, G, B, 1), all of 0 to 255."""
        return _matrices(self.space)[0]

    @property
    def to_rgb(self) -> NDArray[np.float32]:
        """(3, 4) that makes (R, G, B) of (Y, U, V, 1)."""
        return _matrices(self.space)[1]


@lru_cache
def _matrices(space: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what makes YUV of RGB, and RGB of YUV, as ITU-R BT.601 and BT.709 have it for 8 bits."""
    red, blue = _LUMA[space]
    luma = np.array([red, 1 - red - blue, blue])
    u = (np.array([0, 0, 1]) - luma) / (2 * (1 - blue))
    v = (np.array([1, 0, 0]) - luma) / (2 * (1 - red))
    rows = np.array([219 / 255 * luma, 224 / 255 * u, 224 / 255 * v])
    back = np.linalg.inv(rows)
    offsets = np.array([[16.0], [128.0], [128.0]])
    return np.hstack([rows, offsets]).astype(np.float32), np.hstack([back, -back @ offsets]).astype(np.float32)


BT709: Final = ColourCoding(_BT709, _BT709, _BT709)


def coding_of(raw: VideoFrame) -> ColourCoding | None:
    """Return how the colours of a picture are encoded; None where it is not I420 of limited range and even sides."""
    is_limited = raw.color_range in (ColorRange.UNSPECIFIED, ColorRange.MPEG)
    if raw.format.name != _FORMAT or not is_limited or raw.width % 2 or raw.height % 2:
        return None
    space = _SMPTE170M if raw.colorspace == _UNSPECIFIED else int(raw.colorspace)
    if space not in _LUMA or raw.color_trc not in _TRANSFERS:
        return None
    return ColourCoding(space, int(raw.color_primaries), int(raw.color_trc))


class YuvFrame(Frame):
    """A picture as it was encoded; it is made RGB where it is asked for as such.

    Args:
        planes: (H * 3 / 2, W) uint8, I420: the rows of luma, then those of the two planes of colour.
        coding: what the numbers mean.
        time_s: as a `Frame` has it.

    Example:
        >>> YuvFrame(np.full((72, 64), 128, np.uint8), BT709, time_s=0.0).image[0, 0].tolist()
        [130, 130, 130]
    """

    __slots__ = ("coding", "planes")

    planes: NDArray[np.uint8]
    coding: ColourCoding

    def __init__(self, planes: NDArray[np.uint8], coding: ColourCoding, time_s: float) -> None:
        for name, value in (("planes", planes), ("coding", coding), ("time_s", time_s)):
            object.__setattr__(self, name, value)

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, made anew."""
        frame = self.encoded().reformat(format="rgb24")
        return np.ascontiguousarray(frame.to_ndarray(), dtype=np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return self.planes.shape[1], self.planes.shape[0] * 2 // 3

    @property
    def n_bytes(self) -> int:
        """How much memory the picture takes."""
        return self.planes.nbytes

    def at(self, time_s: float) -> YuvFrame:
        """Return the same picture at another time, in seconds."""
        return YuvFrame(self.planes, self.coding, time_s)

    def encoded(self) -> VideoFrame:
        """Return it as an encoder takes it, over the same memory."""
        frame = VideoFrame.from_numpy_buffer(self.planes, format=_FORMAT)
        frame.colorspace, frame.color_range = self.coding.space, ColorRange.MPEG
        frame.color_primaries, frame.color_trc = self.coding.primaries, self.coding.transfer
        return frame


class YuvCanvas:
    """Takes drawings in RGB on a picture that stays as it was encoded, but for the parts that are drawn on.

    Args:
        frame: the picture, which is left as it is.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, to be drawn on; only what was `touched` holds the picture.

    Example:
        >>> canvas = YuvCanvas(YuvFrame(np.full((72, 64), 128, np.uint8), BT709, time_s=0.0))
        >>> canvas.touch((8, 8, 16, 16))
        >>> canvas.pixels[8:16, 8:16] = 255
        >>> drawn = canvas.frame()
        >>> int(drawn.planes[8, 8]), int(drawn.planes[0, 0])
        (235, 128)
    """

    def __init__(self, frame: YuvFrame) -> None:
        self._frame, self._planes = frame, frame.planes.copy()
        height, width = self._planes.shape[0] * 2 // 3, self._planes.shape[1]
        self.pixels: NDArray[np.uint8] = np.empty((height, width, 3), np.uint8)
        self._luma = self._planes[:height]
        self._colours = self._planes[height:].reshape(2, height // 2, width // 2)
        self._touched: list[tuple[int, int, int, int]] = []

    def touch(self, rect: tuple[int, int, int, int]) -> None:
        """Make a part of the picture RGB, to be drawn on.

        Args:
            rect: left, top, right, bottom, in pixels; what is beyond the picture is left out.
        """
        height, width = self._luma.shape
        left, top = max(rect[0] // 2 * 2, 0), max(rect[1] // 2 * 2, 0)
        right, bottom = min(-(-rect[2] // 2) * 2, width), min(-(-rect[3] // 2) * 2, height)
        if left >= right or top >= bottom:
            return
        here = (left, top, right, bottom)
        before = [shared for other in self._touched if (shared := _overlap(here, other)) is not None]
        kept = [self.pixels[y0:y1, x0:x1].copy() for x0, y0, x1, y1 in before]  # which may be drawn on already
        colours = self._colours[:, top // 2 : bottom // 2, left // 2 : right // 2]
        full = colours.repeat(2, axis=1).repeat(2, axis=2)
        yuv = cv2.merge([self._luma[top:bottom, left:right], full[0], full[1]])
        self.pixels[top:bottom, left:right] = cv2.transform(yuv, self._frame.coding.to_rgb)
        for (x0, y0, x1, y1), pixels in zip(before, kept, strict=True):
            self.pixels[y0:y1, x0:x1] = pixels
        self._touched.append(here)

    def frame(self) -> YuvFrame:
        """Return the picture with what was drawn."""
        for left, top, right, bottom in self._touched:
            yuv = cv2.transform(self.pixels[top:bottom, left:right], self._frame.coding.from_rgb)
            self._luma[top:bottom, left:right] = yuv[..., 0]
            half = cv2.resize(yuv[..., 1:], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            self._colours[:, top // 2 : bottom // 2, left // 2 : right // 2] = half.transpose(2, 0, 1)
        return YuvFrame(self._planes, self._frame.coding, self._frame.time_s)


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int] | None:
    """Return the part that two rectangles share."""
    left, top, right, bottom = (
        max(one[0], other[0]),
        max(one[1], other[1]),
        min(one[2], other[2]),
        min(one[3], other[3]),
    )
    return (left, top, right, bottom) if left < right and top < bottom else None
