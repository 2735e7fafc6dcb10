"""What the bytes of a file say that its demuxer does not: that it is cut off, damaged inside, or encrypted."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from emofuse.remote import input_size, open_input

_ENCRYPTED: Final = {b"encv", b"enca", b"drmi", b"drms", b"aavd"}  # of samples: MPEG-CENC, FairPlay, Audible
_MOST_INDEX_BYTES: Final = 1 << 26  # of a `moov` that is looked through
_MOST_PARTS: Final = 100_000  # of a file, at its top level
_BOXES: Final = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"styp", b"sidx", b"uuid", b"pnot"}
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_BLOCKS: Final = (b"\xa3", b"\xa1")
# What may stand after a block of a Matroska file: more of its cluster, other clusters, and parts of the segment.
_MATROSKA: Final = {
    *(_SEGMENT, _CLUSTER, b"\xa3", b"\xa0", b"\xa1", b"\xe7", b"\xa7", b"\xab", b"\xec", b"\xbf"),
    *(b"\x9b", b"\xfb", b"\xfa", b"\xa4", b"\x75\xa1", b"\x75\xa2", b"\x58\x54"),  # of a block group
    *(b"\x1c\x53\xbb\x6b", b"\x12\x54\xc3\x67", b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66"),  # cues, tags, seek, info
    *(b"\x16\x54\xae\x6b", b"\x19\x41\xa4\x69", b"\x10\x43\xa7\x70", _EBML),  # tracks, attachments, chapters
}
_TS_PACKET: Final = 188


def is_cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether a file ends before the part of it that it was in has ended: MP4, Matroska, AVI, WAV or FLV.

    False for other formats, and where a part says that it goes on to the end, whatever that is.
    """
    size = input_size(path)
    with open_input(path) as file:
        head = file.read(12)
        if head[:4] in (b"RIFF", b"RF64"):
            return _riff_ends(file, size) > size
        if head[4:8] in _BOXES:
            return any(end > size for _, _, end in _boxes(file, size))
        if head[:4] == _EBML:
            end = _segment_end(file, size)
            return end is not None and end > size
        return head[:3] == b"FLV" and not _ends_with_tag(file, size)


def is_broken_after(path: str | os.PathLike[str], at: int) -> bool:
    """Whether a Matroska file holds something else than its elements after the block whose content is at byte `at`.

    Its demuxer takes such bytes for the end of the file, and says nothing.
    """
    size = input_size(path)
    with open_input(path) as file:
        if file.read(4) != _EBML:
            return False
        block = _block_of(file, at)
        if block is None:
            return False
        at += block
        while at < size:
            element = _element(file, at)
            if element is None or element[0] not in _MATROSKA:
                return True
            kind, start, length = element
            at = start if length is None or kind in (_CLUSTER, _SEGMENT) else start + length
    return False


def is_encrypted(path: str | os.PathLike[str]) -> bool:
    """Whether a track of an MP4, or most of a transport stream, can only be read with a key."""
    size = input_size(path)
    with open_input(path) as file:
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
        kind, start, length = _element(file, at) or (b"", 0, None)
        if length is None:  # not known: a recording of something live
            return None
        at = start + length
        if kind == _SEGMENT:
            return at
    return None


def _block_of(file: BinaryIO, at: int) -> int | None:
    """Return how many bytes the block of a Matroska file has whose content is at byte `at`; None where none is."""
    for n in range(2, 10):  # bytes of its kind and length
        element = _element(file, at - n) if at >= n else None
        if element is not None and element[0] in _BLOCKS and element[1] == at:
            return element[2]
    return None


def _element(file: BinaryIO, at: int) -> tuple[bytes, int, int | None] | None:
    """Return what element of a Matroska file is at byte `at`, where its content starts, and how many bytes it says
    that this has; None for the length where it does not say, and altogether where it is not an element."""
    file.seek(at)
    head = file.read(12)
    n_kind = 9 - head[0].bit_length() if head else 0
    if not 1 <= n_kind <= 4 or len(head) <= n_kind:
        return None
    n = 9 - head[n_kind].bit_length()
    if not 1 <= n <= 8 or len(head) < n_kind + n:
        return None
    most = (1 << 7 * n) - 1
    length = int.from_bytes(head[n_kind : n_kind + n], "big") & most
    return head[:n_kind], at + n_kind + n, None if length == most else length


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
