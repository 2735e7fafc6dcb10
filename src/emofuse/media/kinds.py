"""Which files may be recordings, by their names and by how they begin."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import av

from emofuse.media._container import FORMATS

# Names under which libav writes what the reader's demuxers read: only a muxer knows the suffixes of some.
_MUXERS: Final = "mp4,ipod,3gp,3g2,psp,f4v,mp2,oga,ogv,opus,spx,vob,dvd,svcd,mpeg1video,mpeg2video,adts,asf_stream"
_PICTURES: Final = {"avif", "heic", "heif", "gif"}  # a GIF may be a film, and is read where it is named
_SUBTITLES: Final = {"mks"}
_ALSO_TEXT: Final = {".ts", ".dif", ".mac", ".ism"}  # TypeScript, and others
HEAD_BYTES: Final = 1024  # of a file, by which it is known
_HEADS: Final = (
    # MP4, MOV, 3GP, M4A; not the pictures that come in the same boxes
    re.compile(
        rb"....ftyp(?!avif|avis|heic|heix|hevc|heim|heis|mif1|msf1)|....(?:moov|mdat|free|skip|wide|pnot)", re.S
    ),
    re.compile(rb"\x1aE\xdf\xa3"),  # Matroska, WebM
    re.compile(rb"(?:RIFF|RF64)....(?:AVI |WAVE)|riff\x2e\x91\xcf\x11", re.S),  # the last: Wave64
    re.compile(rb"FLV\x01|OggS|fLaC|ID3[\x02-\x04]|#!AMR|FORM....AIF[FC]|\.snd\x00|caff\x00", re.S),
    re.compile(rb"\.RMF|wvpk|TTA1|MAC |DKIF|nut/multimedia|YUV4MPEG2 "),
    re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMV, WMA
    re.compile(rb"\x06\x0e\x2b\x34\x02\x05\x01\x01"),  # MXF
    re.compile(rb"\x00\x00\x01[\xb3\xba]"),  # MPEG program stream, MPEG video
    re.compile(rb"\xff[\xe2-\xe5\xf0-\xf5\xf8-\xfd]"),  # MP3, AAC in ADTS; not \xfe, which begins UTF-16
    re.compile(rb"G.{187}G|.{4}G.{191}G", re.S),  # MPEG transport stream, and with time codes
)


@cache
def media_suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case and with their dot, of the formats that the reader knows.

    >>> {".mp4", ".mts", ".wma", ".opus"} <= media_suffixes()
    True
    """
    found: set[str] = set()
    for name in (*FORMATS.split(","), *_MUXERS.split(",")):
        for mode in ("r", "w"):
            with suppress(ValueError):  # libav has not both of each
                found |= av.ContainerFormat(name, mode).extensions
    return frozenset(f".{suffix.lower()}" for suffix in found - _PICTURES - _SUBTITLES)


def may_be_recording(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is called as recordings are, or begins as they do. False for what is not a file.

    Raises OSError where that cannot be known.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix in media_suffixes() and suffix not in _ALSO_TEXT:
        return True
    with file.open("rb") as opened:
        return begins_as_recording(opened.read(HEAD_BYTES))


def begins_as_recording(head: bytes) -> bool:
    """Return whether the first HEAD_BYTES of a file, or all of it, are those of a container of pictures or sound."""
    return any(pattern.match(head) for pattern in _HEADS)
