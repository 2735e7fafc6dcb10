"""How emofuse knows its own files again, so that it replaces those alone, and takes none of them for a recording.

A file holds a mark where its format has a place for one: of which recording it is, and a hash of the rest. What an
annotator has changed since is theirs. SubRip and CSV have no such place; they are known by their form, in every line,
and so are the files of versions before there were marks.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from emofuse.face_measurements import COLUMNS
from emofuse.files import atomic_write
from emofuse.outputs.embeddings import is_npz
from emofuse.pages import GENERATOR
from emofuse.remote import open_input

UNKNOWN: Final = ""  # in place of a recording's id, in a file that is ours and does not tell
_SAMPLE_BYTES: Final = 1 << 16
_HEAD_BYTES: Final = 4096
_MARK: Final = re.compile(rb"emofuse-mark recording=([0-9a-f]{16}) content=([0-9a-f]{64})")
_BLANK: Final = b"0" * 64
_VIDEO_MARK: Final = re.compile(rb"emofuse-mark recording=([0-9a-f]{16}) at=([0-9a-f]{16})\Z")
_PNG_END: Final = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
_PNG_KEY: Final = b"tEXtComment\0"
_MOVIE_TIMESCALE: Final = 90_000  # of the videos that emofuse writes; others have 600 or 1,000
_Pieces = tuple[bytes | memoryview, ...]  # of a file, one after the other

_NUMBER: Final = re.compile(rb"(?:-?\d+(?:\.\d+)?)?")
_ANSWER: Final = rb"(?:[^\n]+ \d{1,3} %|\[[^\]\n]+\]\xc2\xa0[^\n]*)"  # alone, or before what is said
_CLOCK: Final = rb"\d\d+:\d\d:\d\d"
_SRT: Final = re.compile(
    rb"(?:\d+\n" + _CLOCK + rb",\d{3} --> " + _CLOCK + rb",\d{3}\n" + _ANSWER + rb"\n\n)*", re.DOTALL
)
_VTT: Final = re.compile(
    rb"WEBVTT\n\n(?:\d+\n"
    + _CLOCK
    + rb"\.\d{3} --> "
    + _CLOCK
    + rb"\.\d{3}\n"
    + _ANSWER
    + rb"\n\n)*(?:NOTE\n(?:[^\n]+\n)+\n)?",
    re.DOTALL,
)


def recording_id(path: str | os.PathLike[str]) -> str:
    """Return what tells a recording from others of its name: 16 hexadecimal digits of its size, beginning and end.

    Raises OSError where it cannot be read.
    """
    with open_input(path) as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for position in (0, max(0, size - _SAMPLE_BYTES)):
            file.seek(position)
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def mark_file(name: str, path: Path, recording: str) -> None:
    """Put a mark into a file that was just written, where its format has a place for one.

    Args:
        name: The format, as `--formats` calls it.
        path: The file.
        recording: The id of the recording that it is of (`recording_id`).

    Raises OutputError where it cannot be written.
    """
    embed = _EMBED.get(name)
    if embed is None:
        return
    data = path.read_bytes()
    with atomic_write(path) as written, written.open("wb") as file:
        file.writelines(embed(data, recording))


def origin(name: str, path: Path) -> str | None:
    """Return the id of the recording that a file of this format belongs to.

    It is UNKNOWN if the format does not store it, and None if emofuse did not write the file or it was changed since.

    Raises OSError where it cannot be read.
    """
    if name == "mp4":
        return video_origin(path)
    with path.open("rb") as file:
        if _HEADS[name].match(file.read(_HEAD_BYTES)) is None:
            return None
        file.seek(0)
        data = file.read()
    if name == "png":
        return _png_origin(data)
    marks = list(_MARK.finditer(data)) if name in _EMBED else []
    for mark in {marks[0], marks[-1]} if marks else ():  # a file's name may look like one, in between
        blank = data[: mark.start(2)] + _BLANK + data[mark.end(2) :]
        if hashlib.sha256(blank).hexdigest().encode() == mark[2]:
            return mark[1].decode()
    if marks:
        return None
    return UNKNOWN if _FORMS[name](data) else None


def video_trailer(recording: str, size: int) -> bytes:
    """Return what is put at the end of an annotated video of `size` bytes: a box that players pass over."""
    text = f"emofuse-mark recording={recording} at={size:016x}".encode()
    return struct.pack(">I", 8 + len(text)) + b"free" + text


def video_origin(path: str | os.PathLike[str]) -> str | None:
    """Return of which recording a video was annotated by emofuse, as `origin` does; None for any other video."""
    with open_input(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 256))
        mark = _VIDEO_MARK.search(file.read())
        if mark is not None:
            return mark[1].decode() if int(mark[2], 16) + 8 + len(mark[0]) == size else None
        file.seek(0)
        head = file.read(_HEAD_BYTES)
    return UNKNOWN if _is_unmarked_video(head, path) else None


def _is_unmarked_video(head: bytes, path: str | os.PathLike[str]) -> bool:
    """Return whether a video is one that emofuse wrote before there were marks: its clock and its JSON tell."""
    movie = head.find(b"mvhd")
    if movie < 0 or head[movie + 16 : movie + 20] != struct.pack(">I", _MOVIE_TIMESCALE):
        return False
    document = Path(path).with_suffix(".json")
    return document.is_file() and origin("json", document) is not None


def _marked(before: _Pieces, recording: str, after: _Pieces) -> _Pieces:
    """Return a file with a mark between two parts of it; its hash is of all the rest, with noughts in its own place."""
    mark = f"emofuse-mark recording={recording} content=".encode()
    digest = hashlib.sha256()
    for piece in (*before, mark, _BLANK, *after):  # not joined: a document of hours has many megabytes
        digest.update(piece)
    return (*before, mark, digest.hexdigest().encode(), *after)


def _before(end: bytes, beginning: bytes, closing: bytes) -> Callable[[bytes, str], _Pieces]:
    """Return a function that puts a mark between two texts before the first `end` of a file."""

    def embed(data: bytes, recording: str) -> _Pieces:
        place = data.find(end)
        assert place >= 0, f"there is no {end!r} in this file"
        return _marked((memoryview(data)[:place], beginning), recording, (closing, memoryview(data)[place:]))

    return embed


def _at_end(beginning: bytes, closing: bytes, cut: int = 0) -> Callable[[bytes, str], _Pieces]:
    """Return a function that puts a mark between two texts in place of the last `cut` bytes of a file."""
    return lambda data, recording: _marked((memoryview(data)[: len(data) - cut], beginning), recording, (closing,))


def _embed_in_png(data: bytes, recording: str) -> _Pieces:
    digest = hashlib.sha256(data).hexdigest()
    body = _PNG_KEY + f"emofuse-mark recording={recording} content={digest}".encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    assert data.endswith(_PNG_END), "a PNG ends with IEND"
    return (data[: -len(_PNG_END)], chunk, _PNG_END)


def _png_origin(data: bytes) -> str | None:
    begins = data.rfind(_PNG_KEY) - 4
    mark = _MARK.match(data, begins + 4 + len(_PNG_KEY)) if begins >= 0 else None
    if mark is None:
        return None
    picture = data[:begins] + data[mark.end() + 4 :]
    return mark[1].decode() if hashlib.sha256(picture).hexdigest().encode() == mark[2] else None


def _is_csv(data: bytes) -> bool:
    """Return whether every row is as emofuse writes it: the confidence is the probability of the label."""
    try:
        rows = csv.reader(io.StringIO(data.decode("utf-8"), newline=""))
        header = next(row for row in rows if not row[0].startswith("#"))
        is_ours = header[-2:] == ["n_faces", "used"] and b"\r" not in data
        places = {name.removeprefix("p_"): i for i, name in enumerate(header) if name.startswith("p_")}
        return is_ours and all(
            len(row) == len(header) and (row[places[row[1]]] == row[2] if row[1] else row[2] == "") for row in rows
        )
    except (UnicodeDecodeError, csv.Error, StopIteration, LookupError):
        return False


def _is_faces_csv(data: bytes) -> bool:
    """Return whether every cell below the names is a number or empty, and every row whole."""
    rows = [row.split(b",") for row in data.splitlines()[1:]]
    return b"\r" not in data and all(len(row) == len(COLUMNS) and all(map(_NUMBER.fullmatch, row)) for row in rows)


def _is_textgrid(data: bytes) -> bool:
    """Return whether a TextGrid is ours; Praat ends its lines with a space when it saves one."""
    lines = data.splitlines()
    return b'        name = "fused confidence"' in lines and not any(line.endswith(b" ") for line in lines)


_EMBED: Final[Mapping[str, Callable[[bytes, str], _Pieces]]] = {
    "json": _at_end(b',\n"mark": "', b'"\n}\n', cut=len(b"\n}\n")),
    "html": _before(b"\n<title>", b'\n<meta name="emofuse-mark" content="', b'">'),
    "eaf": _before(b"</HEADER>", b'    <PROPERTY NAME="emofuse-mark">', b"</PROPERTY>\n    "),
    "vtt": _at_end(b"NOTE ", b"\n"),
    "textgrid": _at_end(b"! ", b"\n"),
    "png": _embed_in_png,
    "svg": _before(b"</desc>", b"\n", b""),
}
_HEADS: Final = {
    "json": re.compile(rb'\s*\{\s*"schema":\s*"emofuse/'),
    "html": re.compile(b".*" + re.escape(GENERATOR.encode()), re.DOTALL),
    "eaf": re.compile(rb"<\?xml version='1.0' encoding='UTF-8'\?>\n<ANNOTATION_DOCUMENT [^>]*AUTHOR=\"emofuse\""),
    "png": re.compile(rb"\x89PNG"),
    "svg": re.compile(rb"<\?xml [^>]*>\n<!-- emofuse timeline -->\n<svg "),
    "srt": re.compile(rb"1\n|\Z"),
    "vtt": re.compile(rb"WEBVTT\n"),
    "embeddings": re.compile(rb"PK"),
    "faces": re.compile(re.escape(",".join(COLUMNS).encode()) + rb"\n"),
    "csv": re.compile(rb"(?:#[^\n]*\n)*time_s,label,confidence,p_"),
    "textgrid": re.compile(rb'File type = "ooTextFile"\nObject class = "TextGrid"\n'),
}


def _always(data: bytes) -> bool:
    return True  # what the head says is enough


_FORMS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "json": lambda data: b'\n"mark": "' not in data,
    "html": _always,
    "eaf": _always,
    "svg": _always,
    "srt": lambda data: _SRT.fullmatch(data) is not None,
    "vtt": lambda data: _VTT.fullmatch(data) is not None,
    "csv": _is_csv,
    "embeddings": is_npz,
    "faces": _is_faces_csv,
    "textgrid": _is_textgrid,
}
