"""Reads members of zip files that anybody may have made: no more is unpacked than a limit allows."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO, Final

from emofuse.reading import one_line

_PIECE_BYTES: Final = 1 << 16
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack a kilobyte to a gigabyte at once
_MOST_RATIO: Final = 100  # of what all members unpack to, to the size of the file
_FREE_BYTES: Final = 256 * 2**20  # that a file of any size may unpack to


class Archive:
    """A zip file, as a context. All that is read of it comes to 256 MB or 100 times its size at most.

    Raises ValueError with a reason of one line where the file is not a zip; OSError where it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        size = path.stat().st_size
        try:
            self._zip = zipfile.ZipFile(path)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 (a damaged index raises whatever comes of it)
            raise ValueError(f"it is not a whole zip file: {one_line(error)}") from None
        self.members = {info.filename: info for info in self._zip.infolist() if not info.filename.endswith("/")}
        self._rest_bytes = max(_FREE_BYTES, _MOST_RATIO * size)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def read_named(self, name: str, most_bytes: int) -> bytes:
        """Return what the member of this name holds, as `read` does; raise ValueError where there is none."""
        if name not in self.members:
            raise ValueError(f"there is no {name} in it")
        return self.read(self.members[name], most_bytes)

    def read(self, member: zipfile.ZipInfo, most_bytes: int) -> bytes:
        """Return what a member holds.

        Args:
            member: One of `members`.
            most_bytes: That it may unpack to.

        Returns:
            Its bytes, whose checksum has been compared.

        Raises:
            ValueError: where it is damaged, encrypted or larger.
            MethodError: where it is compressed with bzip2 or LZMA.
            ExhaustedError: where the members read so far unpack to more than the file can hold.
        """
        if member.compress_type not in _METHODS:
            raise MethodError("it is compressed with bzip2 or LZMA; zip it anew in the usual way (deflate)")
        most_bytes = min(most_bytes, self._rest_bytes + 1)
        try:
            with self._zip.open(member) as file:
                data = _read(file, most_bytes)
        except Exception as error:  # noqa: BLE001 (of zipfile, zlib, lzma and bz2, without a common base)
            raise ValueError(f"it cannot be unpacked: {one_line(error)}") from None
        self._rest_bytes -= len(data)
        if self._rest_bytes < 0:
            raise ExhaustedError(f"it unpacks to more than {_MOST_RATIO} times its size")
        if len(data) > most_bytes:
            raise ValueError(f"it is larger than {most_bytes / 2**20:g} MB")
        return data


class MethodError(ValueError):
    """A member that is compressed in a way of which no piece can be unpacked alone."""


class ExhaustedError(ValueError):
    """A zip file that is made to fill the memory."""


def _read(file: IO[bytes], most_bytes: int) -> bytes:
    """Read to the end, where a zip's checksum is compared, or one byte more than may be."""
    pieces: list[bytes] = []
    n_bytes = 0
    while n_bytes <= most_bytes:
        piece = file.read(min(_PIECE_BYTES, most_bytes + 1 - n_bytes))
        if not piece:
            break
        pieces.append(piece)
        n_bytes += len(piece)
    return b"".join(pieces)
