"""What the bytes of a file say that its demuxer does not: that it was cut off, and that it is encrypted."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_ENCRYPTED: Final = {b"encv", b"enca", b"drmi", b"drms", b"aavd"}  # of samples: MPEG-CENC, FairPlay, Audible
_MOST_INDEX_BYTES: Final = 1 << 26  # of a `moov` that is looked through
_MOST_PARTS: Final = 100_000  # of a file, at its top level
_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"uuid", b"pnot"}
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_TS_PACKET: Final = 188


def is_cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether a file ends before the part of it that it was in has ended: MP4, Matroska, AVI, WAV or FLV.

    False for other formats, and where a part says that it goes on to the end, whatever that is.
    """
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64"):
            return _riff_ends(file, size) > size
        if head[4:8] in _BOXES:
            return any(end > size for _, _, end in _boxes(file, size))
        if head[:4] == _EBML:
            end = _segment_end(file, size)
            return end is not None and end > size
        return head[:3] == b"FLV" and not _ends_with_tag(file, size)


def is_encrypted(path: str | os.PathLike[str]) -> bool:
    """Whether a track of an MP4, or most of a transport stream, can only be read with a key."""
    size = Path(path).stat().st_size
    with Path(path).open("rb") as file:
        head = file.read(12)
        if head[4:8] in _BOXES:
            return any(entry in _ENCRYPTED for entry in _sample_entries(file, size))
        return head[:1] == b"G" and _is_scrambled(file)


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each box at the top level of an MP4, and where its content starts and ends."""
    at = 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or at >= size:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        start = at + 8
        if length == 1 and len(head) == 16:
            length, start = struct.unpack(">Q", head[8:])[0], at + 16
        if length == 0:  # to the end of the file
            length = size - at
        if length < start - at:
            return
        yield kind, start, at + length
        at += length


def _sample_entries(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield what the tracks of an MP4 are made of: the first entry of each `stsd`."""
    for kind, start, end in _boxes(file, size):
        if kind != b"moov":
            continue
        file.seek(start)
        index = file.read(min(end - start, _MOST_INDEX_BYTES))
        at = index.find(b"stsd")
        while at >= 0:
            yield index[at + 16 : at + 20]  # after version and flags, the number of entries and the size of the first
            at = index.find(b"stsd", at + 4)


def _riff_ends(file: BinaryIO, size: int) -> int:
    """Return where the chunks of a WAV or AVI, which may be many of 1 GB, say that they end."""
    at = 0
    for _ in range(_MOST_PARTS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8 or head[:4] not in (b"RIFF", b"RF64"):
            break
        length = struct.unpack("<I", head[4:])[0]
        if head[:4] == b"RF64" or length in (0, 0xFFFFFFFF):  # written without knowing, or stated elsewhere
            return size
        at += 8 + length + length % 2
    return at if at - size != 1 else size  # many leave the padding of the last chunk out


def _segment_end(file: BinaryIO, size: int) -> int | None:
    """Return where the segment of a Matroska file says that it ends; None where it does not say."""
    at = 0
    for _ in range(2):
        file.seek(at)
        head = file.read(12)
        if len(head) < 5:
            return None
        n = 8 - head[4].bit_length() + 1
        if not 1 <= n <= 8:
            return None
        length = int.from_bytes(head[4 : 4 + n], "big") & ((1 << 7 * n) - 1)
        if length == (1 << 7 * n) - 1:  # not known: a recording of something live
            return None
        at += 4 + n + length
        if head[:4] == _SEGMENT:
            return at
    return None


def _ends_with_tag(file: BinaryIO, size: int) -> bool:
    """Whether an FLV ends as each of its tags does: with the size of that tag."""
    if size < 24:
        return False
    file.seek(size - 4)
    length = int.from_bytes(file.read(4), "big")
    if not 11 <= length <= size - 13:
        return False
    file.seek(size - 4 - length)
    return file.read(1)[0] & 0x1F in (8, 9, 18)


def _is_scrambled(file: BinaryIO) -> bool:
    """Whether most packets with content at the beginning of a transport stream are scrambled."""
    file.seek(0)
    data = file.read(_TS_PACKET * 5000)
    heads = [data[at : at + 4] for at in range(0, len(data) - 3, _TS_PACKET)]
    heads = [head for head in heads if head[0] == 0x47 and head[3] & 0x10]
    return sum(head[3] >= 0x80 for head in heads) > len(heads) / 2 > 0
