"""Reads single arrays of features, as NumPy wrote them, from a folder or from a zip, and trusts neither."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.reading import one_line
from emofuse.research.corpora.archives import Archive, ExhaustedError, MethodError

ARCHIVE: Final = "features.zip"
FOLDER: Final = "features"
MAX_BYTES: Final = 256 * 2**20  # of one array: an hour of 2048 values at 8 a second
_NUMBERS: Final = "fiub"  # kinds of dtype: real numbers, and truth values
_NO_ARRAY: Final = "not an array of NumPy's"
_MAX_HEADER_BYTES: Final = 10_000  # NumPy's own limit, which it looks at only when it has read that much
_HEADERS: Final = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
"""Version of the format → the bytes that tell the header's length, and what reads both."""


class Unreadable(Exception):  # noqa: N818 - it is an answer that the caller counts, no error that a user meets
    """Says in a few words, the same for all such files, why a file gives no features."""


class FeatureFiles:
    """The files of a feature set, by the paths that its table names: of a folder `features` or else `features.zip`.

    A path may begin with a slash and may have any folders before `features`, as from the machine that it was written
    on; what counts is what follows. Use it as a context.
    """

    def __init__(self, folder: Path) -> None:
        """Open what is in `folder`. Raises CorpusError where there is neither, and where the zip cannot be read."""
        self._folder = folder / FOLDER
        self._zip: Archive | None = None
        if self._folder.is_dir():
            return
        archive = folder / ARCHIVE
        try:
            self._zip = Archive(archive)
        except FileNotFoundError:
            raise CorpusError(f"no features in {folder}", f"expected {ARCHIVE} or a folder {FOLDER}") from None
        except (OSError, ValueError) as error:
            raise CorpusError(f"cannot read {archive}: {one_line(error)}", "download it again") from None
        self._members = {"/".join(_below(name)): info for name, info in self._zip.members.items()}

    def __enter__(self) -> FeatureFiles:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the zip."""
        if self._zip is not None:
            self._zip.close()

    def read(self, path: str) -> NDArray[np.float32]:
        """Read the array of a path: (T, D) float32, finite, T and D at least 1; T is 1 where the file has (D,).

        Raises Unreadable with the reason where there is no such array, and CorpusError where the zip is made to fill
        the memory.
        """
        parts = _below(path)
        if ".." in parts or not parts:
            raise Unreadable("path leads out of the folder")
        array = _read_array(self._bytes(parts))
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or not array.size:
            raise Unreadable("shape is not (T, D) or (D,)")
        if not np.isfinite(array).all():
            raise Unreadable("not finite")
        return array

    def _bytes(self, parts: tuple[str, ...]) -> bytes:
        """Return what a file holds, a byte more than may be at most."""
        most = MAX_BYTES + _MAX_HEADER_BYTES
        try:
            if self._zip is not None:
                return self._zip.read(self._members["/".join(parts)], most)
            with self._folder.joinpath(*parts).open("rb") as file:
                return file.read(most + 1)
        except (FileNotFoundError, KeyError, NotADirectoryError):
            raise Unreadable("file is missing") from None
        except ExhaustedError as error:
            raise CorpusError(
                f"{self._folder.parent / ARCHIVE} was not read: {error}",
                "the file may be damaged, or in another format",
            ) from None
        except MethodError:
            raise Unreadable("compressed with bzip2 or LZMA, not with deflate") from None
        except (OSError, ValueError):
            raise Unreadable("file cannot be read") from None


def _below(path: str) -> tuple[str, ...]:
    """Return the parts of a path after its folder `features`, or all where it has none."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return tuple(parts[parts.index(FOLDER) + 1 :] if FOLDER in parts else parts)


def _read_array(data: bytes) -> NDArray[np.float32]:
    """Read an array of numbers, with NumPy's own reader, once what its header says is known to be what there is."""
    file = io.BytesIO(data)
    try:
        version = npy.read_magic(file)
        n_length, _ = _HEADERS[version]
        length = file.read(n_length)
        shape, dtype = _read_header(version, length + file.read(int.from_bytes(length, "little")))
    except Exception:  # noqa: BLE001 (NumPy parses the header as Python, which raises whatever comes of it)
        raise Unreadable(_NO_ARRAY) from None
    if dtype.hasobject:
        raise Unreadable("pickled objects, which are never opened")
    if dtype.kind not in _NUMBERS:
        raise Unreadable("not numbers")
    n_values = math.prod(shape)
    if max(n_values * dtype.itemsize, n_values * np.float32().itemsize) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 2**20} MB")
    if min(shape, default=0) < 0 or n_values * dtype.itemsize != len(data) - file.tell():
        raise Unreadable("not as long as its header says")
    file.seek(0)
    array = npy.read_array(file, allow_pickle=False)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is then refused
        return np.ascontiguousarray(array, dtype=np.float32)


@lru_cache(maxsize=1024)  # most files of a modality have the same one, and to understand it takes longest
def _read_header(version: tuple[int, int], header: bytes) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype. Raises whatever a damaged header makes NumPy raise."""
    shape, _, dtype = _HEADERS[version][1](io.BytesIO(header))
    return shape, dtype
