"""Photos: of every kind that is read, turned upright, and refused in one line where they cannot be."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emofuse.errors import MediaError
from emofuse.media.photo import begins_as_photo, is_photo, read_photo

STRIPES = np.zeros((8, 12, 3), np.uint8)
STRIPES[:4] = (200, 40, 90)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_what_loses_nothing_is_read_as_it_is(kind: str) -> None:
    data = saved(Image.fromarray(STRIPES), kind)
    assert begins_as_photo(data)
    np.testing.assert_array_equal(read_photo(data), STRIPES)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_what_loses_a_little_is_read_nearly_so(kind: str) -> None:
    data = saved(Image.fromarray(STRIPES), kind, quality=95)
    assert begins_as_photo(data) and np.abs(read_photo(data).astype(int) - STRIPES).mean() < 8


def test_exif_turns_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    data = saved(Image.fromarray(STRIPES), "PNG", exif=exif)
    np.testing.assert_array_equal(read_photo(data), np.rot90(STRIPES, -1))


def test_grey_alpha_palette_and_sixteen_bits() -> None:
    grey = np.array([[0, 128], [255, 64]], np.uint8)
    np.testing.assert_array_equal(read_photo(saved(Image.fromarray(grey), "PNG"))[..., 1], grey)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_photo(saved(deep, "PNG"))[..., 2], grey)
    clear = np.dstack([STRIPES, np.full(STRIPES.shape[:2], 255, np.uint8)])
    clear[0, 0, 3] = 0
    found = read_photo(saved(Image.fromarray(clear), "PNG"))
    assert list(found[0, 0]) == [255, 255, 255] and list(found[0, 1]) == [200, 40, 90]
    few = Image.fromarray(STRIPES).quantize(4)
    assert np.abs(read_photo(saved(few, "PNG")).astype(int) - STRIPES).max() < 8


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cannot identify image file"),
        (saved(Image.fromarray(STRIPES), "PNG")[:45], "not a photo that can be read"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "a photo in HEIC, which is not read (save it as JPEG)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "cannot identify"),  # for which Pillow would start a program
    ],
)
def test_what_cannot_be_read_is_one_line(data: bytes, says: str) -> None:
    with pytest.raises(MediaError) as caught:
        read_photo(data, "mine")
    assert says in str(caught.value) and "mine" in str(caught.value) and "\n" not in str(caught.value)


def test_a_photo_of_too_many_pixels_is_refused_before_it_takes_memory() -> None:
    with pytest.raises(MediaError, match=r"12 x 8 is larger than 5e-05 megapixels \(scale it down\)"):
        read_photo(saved(Image.fromarray(STRIPES), "PNG"), max_pixels=50)


def test_is_photo_waits_for_no_pipe_and_takes_no_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert not is_photo(tmp_path / "pipe.png") and not is_photo(tmp_path) and not is_photo(tmp_path / "absent")
    (tmp_path / "x.png").write_bytes(saved(Image.fromarray(STRIPES), "PNG"))
    assert is_photo(tmp_path / "x.png")
    with pytest.raises(MediaError, match="no such file"):
        read_photo(tmp_path / "absent.png")
