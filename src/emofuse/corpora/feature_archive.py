"""Reads single arrays of features, as NumPy wrote them, from a folder or from a zip, and trusts neither."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from emofuse.errors import CorpusError

ARCHIVE: Final = "features.zip"
FOLDER: Final = "features"
MAX_BYTES: Final = 256 * 2**20  # of one array: an hour of 2048 values at 8 a second
_NUMBERS: Final = "fiub"  # kinds of dtype: real numbers, and truth values
_HEADERS: Final = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
"""Version of the format → the bytes that tell the header's length, and what reads both."""
_NO_ARRAY: Final = "not an array of NumPy's"
_MAX_HEADER_BYTES: Final = 10_000  # NumPy's own limit, which it looks at only when it has read that much


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
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        if self._folder.is_dir():
            return
        archive = folder / ARCHIVE
        try:
            self._zip = zipfile.ZipFile(archive)
        except FileNotFoundError:
            raise CorpusError(f"no features in {folder}", f"expected {ARCHIVE} or a folder {FOLDER}") from None
        except (OSError, zipfile.BadZipFile) as error:
            raise CorpusError(f"cannot read {archive}: {error}", "download it again") from None
        self._members = {"/".join(_below(info.filename)): info for info in self._zip.infolist() if not info.is_dir()}

    def __enter__(self) -> FeatureFiles:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the zip."""
        if self._zip is not None:
            self._zip.close()

    def read(self, path: str) -> NDArray[np.float32]:
        """Read the array of a path: (T, D) float32, finite, T and D at least 1; T is 1 where the file has (D,).

        Raises Unreadable with the reason where there is no such array.
        """
        parts = _below(path)
        if ".." in parts or not parts:
            raise Unreadable("path leads out of the folder")
        with self._open(parts) as file:
            try:
                array = _read_array(file)
            except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError):  # RuntimeError: encrypted
                raise Unreadable("file cannot be read") from None
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or not array.size:
            raise Unreadable("shape is not (T, D) or (D,)")
        if not np.isfinite(array).all():
            raise Unreadable("not finite")
        return array

    @contextmanager
    def _open(self, parts: tuple[str, ...]) -> Iterator[IO[bytes]]:
        try:
            if self._zip is None:
                file: IO[bytes] = self._folder.joinpath(*parts).open("rb")
            else:
                file = self._zip.open(self._members["/".join(parts)])
        except (FileNotFoundError, KeyError, NotADirectoryError):
            raise Unreadable("file is missing") from None
        except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
            raise Unreadable("file cannot be read") from None
        with file:
            yield file


def _below(path: str) -> tuple[str, ...]:
    """Return the parts of a path after its folder `features`, or all where it has none."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return tuple(parts[parts.index(FOLDER) + 1 :] if FOLDER in parts else parts)


def _read_array(file: IO[bytes]) -> NDArray[np.float32]:
    """Read an array of numbers, of the size that its header says and no larger: no more is ever unpacked."""
    try:
        version = npy.read_magic(file)
        length = file.read(_HEADERS[version][0])
        n_header = int.from_bytes(length, "little")
        if n_header > _MAX_HEADER_BYTES:
            raise Unreadable(_NO_ARRAY)
        shape, by_column, dtype = _read_header(version, length + file.read(n_header))
    except (ValueError, KeyError):
        raise Unreadable(_NO_ARRAY) from None
    if dtype.hasobject:
        raise Unreadable("pickled objects, which are never opened")
    if dtype.kind not in _NUMBERS:
        raise Unreadable("not numbers")
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES // 2**20} MB")
    data = file.read(n_bytes + 1)  # one more: the end of a zip's member is where its checksum is compared
    if len(data) != n_bytes:
        raise Unreadable("not as long as its header says")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if by_column else "C")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is then refused
        return np.ascontiguousarray(array, dtype=np.float32)


@lru_cache(maxsize=1024)  # most files of a modality have the same one, and to understand it takes longest
def _read_header(version: tuple[int, int], header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come first, and dtype. Raises ValueError where it is no header."""
    parsed: tuple[tuple[int, ...], bool, np.dtype[Any]] = _HEADERS[version][1](io.BytesIO(header))
    return parsed
