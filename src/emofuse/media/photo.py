"""Reads photos: files of one picture."""

from __future__ import annotations

import io
import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import MediaError
from emofuse.media._container import MOST_PIXELS
from emofuse.media.arrays import Pixels
from emofuse.media.kinds import HEAD_BYTES
from emofuse.reading import is_file, one_line
from emofuse.remote import input_size, is_url, open_input, without_secrets

if TYPE_CHECKING:
    from PIL import Image

PHOTOS: Final = "JPEG, PNG, WebP, TIFF, BMP, AVIF and PPM"
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "PPM")
_HEAD: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|II\*\x00|MM\x00\*|BM.{4}\x00{4}|....ftyp(?:avif|avis)|P[2356]\s",
    re.S,
)
_HEIC: Final = re.compile(rb"....ftyp(?:heic|heix|hevc|heim|heis|mif1|msf1)", re.S)
_MOST_BYTES: Final = 2**29  # of a file


def begins_as_photo(head: bytes) -> bool:
    r"""Return whether the first bytes of a file are those of a photo, also of one (HEIC) that is known and not read.

    >>> begins_as_photo(b"\x89PNG\r\n\x1a\n"), begins_as_photo(b"ID3")
    (True, False)
    """
    return bool(_HEAD.match(head) or _HEIC.match(head))


def is_photo(path: str | os.PathLike[str]) -> bool:
    """Return whether a file, here or at an address, begins as photos do; False for one that cannot be read.

    Raises MediaError where an address does not answer.
    """
    if not is_url(path) and not is_file(path):
        return False  # a pipe, which would be waited for, is none
    try:
        with open_input(path) as file:
            return begins_as_photo(file.read(HEAD_BYTES))
    except (OSError, ValueError):
        return False


def read_photo(
    photo: str | os.PathLike[str] | bytes, name: str = "", max_pixels: int = MOST_PIXELS
) -> NDArray[np.uint8]:
    r"""Read a photo, turned as its Exif says.

    Args:
        photo: A path, an address, or what its file holds.
        name: What errors call it; by default the path.
        max_pixels: A larger one is refused before it takes memory.

    Returns:
        (H, W, 3) uint8 RGB. What is transparent is white.

    Raises:
        MediaError: It cannot be read, or is too large.

    Example:
        >>> read_photo(b"P6 1 1 255 abc").tolist()
        [[[97, 98, 99]]]
    """
    from PIL import Image, ImageOps  # here, as most of what is analysed is no photo

    shown = name or (without_secrets(os.fspath(photo)) if not isinstance(photo, bytes) else "the photo")
    data = photo if isinstance(photo, bytes) else _bytes_of(photo, shown)
    if _HEIC.match(data):
        raise MediaError(f"{shown} is a photo in HEIC, which is not read", "save it as JPEG")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, on its own limit of pixels, and on damaged Exif
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    most = f"{max_pixels / 1e6:g} megapixels"
                    raise MediaError(f"{shown}: a photo of {width} x {height} is larger than {most}", "scale it down")
                return _rgb(ImageOps.exif_transpose(image))
    except (MediaError, MemoryError):
        raise
    except Exception as error:  # (Pillow's readers raise what they like on a damaged file)
        reason = one_line(error).split(" <_io")[0]
        raise MediaError(f"{shown} is not a photo that can be read: {reason}", f"emofuse reads {PHOTOS}") from error


def _rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return 8 bits of each colour. Pillow cuts what has more of them off at 255, where it should be scaled."""
    if image.mode.startswith("I") or image.mode == "F":
        return Pixels(np.asarray(image).astype(np.float32) / _full_scale(image), "the photo").rgb()
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return Pixels(np.asarray(image.convert("RGBA")), "the photo").rgb()
    return np.asarray(image.convert("RGB"))


def _full_scale(image: Image.Image) -> float:
    """Return what is white: of whole numbers the largest of 16 bits, of floats the next of 1, 255 and that."""
    largest = float(image.getextrema()[1])  # type: ignore[arg-type]
    scales = (1.0, 255.0, 65_535.0) if image.mode == "F" else (65_535.0,)
    return next((scale for scale in scales if largest <= scale), largest)


def _bytes_of(path: str | os.PathLike[str], shown: str) -> bytes:
    try:
        if input_size(path) > _MOST_BYTES:
            raise MediaError(f"{shown} is larger than {_MOST_BYTES >> 20} MB", "scale it down")
        with open_input(path) as file:
            return file.read()
    except FileNotFoundError:
        raise MediaError(f"no such file: {shown}", "check the path") from None
    except (OSError, ValueError) as error:
        raise MediaError(f"cannot read {shown}: {one_line(error)}", "check its permissions") from error


@cache
def photo_suffixes() -> frozenset[str]:
    """Return the suffixes of photos, in lower case and with their dot.

    >>> {".jpg", ".png"} <= photo_suffixes()
    True
    """
    from PIL import Image

    known = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in known.items() if kind in _FORMATS) | {".heic", ".heif"}


def may_be_photo(path: Path) -> bool:
    """Return whether a file is called as photos are, and begins as they do. Raises OSError where it cannot be read."""
    return path.suffix.lower() in photo_suffixes() and is_photo(path)
