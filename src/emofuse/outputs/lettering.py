"""Letters on pictures: the font that ships, a font of the system where a script needs one, and text that fits."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_SHIPPED: Final = "fonts/DejaVuSans.ttf"
_CAP_SHARE: Final = 0.729  # height of a capital of the font that ships, of its size
_DARK: Final = (24, 24, 24)
_LIGHT: Final = (255, 255, 255)
_ELLIPSIS: Final = "\u2026"
_MISSING: Final = "\U0010fffd"  # a private code point, which has the sign for what a font lacks
# Fonts of wide coverage where systems have them, for scripts that the one that ships lacks.
_OF_THE_SYSTEM: Final = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/unifont/unifont.ttf",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "C:/Windows/Fonts/arialuni.ttf",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/Nirmala.ttf",
)


class Lettering:
    """Writes text in capitals of one height. Texts are drawn once and kept, up to a number of them.

    Args:
        cap_px: height of a capital letter, in pixels.

    Example:
        >>> letters = Lettering(12)
        >>> 30 < letters.width("happy") < 80
        True
        >>> letters.fit("surprised", 40)
        'sur…'
    """

    def __init__(self, cap_px: int) -> None:
        self.cap_px = cap_px
        self._size = max(1, round(cap_px / _CAP_SHARE))

    def width(self, text: str) -> int:
        """Return how wide a text is, in pixels."""
        return int(_mask(_printable(text), self._size)[0].shape[1])

    def fit(self, text: str, width: int) -> str:
        """Return the text, cut short with an ellipsis where it is wider than `width` pixels; "" where nothing fits."""
        text = _printable(text)
        if self.width(text) <= width:
            return text
        for n in range(len(text) - 1, 0, -1):
            short = text[:n].rstrip() + _ELLIPSIS
            if self.width(short) <= width:
                return short
        return ""

    def write(self, canvas: Image, text: str, left: int, base: int, colour: Colour) -> None:
        """Draw a text on a picture, in place; what runs out of it is cut off.

        Args:
            canvas: (H, W, 3) uint8.
            text: one line.
            left: where the text begins, in pixels.
            base: the line that the letters stand on, in pixels from the top.
            colour: of the letters.
        """
        mask, ascent = _mask(_printable(text), self._size)
        top = base - ascent
        height, width = mask.shape
        y0, y1 = max(top, 0), min(top + height, canvas.shape[0])
        x0, x1 = max(left, 0), min(left + width, canvas.shape[1])
        if y0 >= y1 or x0 >= x1:
            return
        share = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.uint16)
        part = canvas[y0:y1, x0:x1]
        part[:] = (part * (255 - share) + np.array(colour, np.uint16) * share + 127) // 255


def ink(background: Colour) -> Colour:
    """Return black or white, whichever reads better on a colour (luma of ITU-R BT.601)."""
    red, green, blue = background
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else _LIGHT


@lru_cache(maxsize=2048)
def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


@lru_cache(maxsize=2048)
def _mask(text: str, size: int) -> tuple[NDArray[np.uint8], int]:
    """Return how much of each pixel the letters cover, (H, W) of 255, and how many rows are above their line."""
    font = _font_for(text, size)
    ascent, descent = font.getmetrics()
    width = max(1, round(font.getlength(text)))
    picture = Pictures.new("L", (width, ascent + descent))
    ImageDraw.Draw(picture).text((0, ascent), text, fill=255, font=font, anchor="ls")
    mask = np.asarray(picture)
    mask.setflags(write=False)
    return mask, ascent


def _font_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return the first font that has all letters of a text; the one that ships where none has."""
    shipped = _font(None, size)
    if _lacks(text, None):
        for path in _OF_THE_SYSTEM:
            if Path(path).is_file() and not _lacks(text, path):
                return _font(path, size)
    return shipped


@lru_cache(maxsize=64)
def _font(path: str | None, size: int) -> ImageFont.FreeTypeFont:
    name = os.fspath(path) if path is not None else str(files("emofuse.outputs").joinpath(_SHIPPED))
    return ImageFont.truetype(name, size)


@lru_cache(maxsize=1024)
def _lacks(text: str, path: str | None) -> bool:
    if text.isascii():
        return False
    font = _font(path, 16)
    missing = bytes(font.getmask(_MISSING))
    return any(bytes(font.getmask(c)) == missing for c in set(text) if not c.isspace())
