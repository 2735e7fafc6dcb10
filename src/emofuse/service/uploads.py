"""Takes an upload, piece by piece, into a file: whole, or not at all, and in no more time and space than allowed."""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from emofuse.service.errors import RefusedError
from emofuse.service.settings import MEGABYTE, ServiceSettings

FIELD: Final = "file"  # of a form
_HEAD: Final = 64  # bytes that a container is known by
_LONGEST_NAME: Final = 120


async def receive(
    chunks: AsyncIterator[bytes], content_type: str, target: Path, settings: ServiceSettings
) -> str | None:
    """Write the body of a request to `target`: the body itself, or the field "file" of a multipart form.

    Returns the name that a form gives the file. Raises RefusedError for a body that is too large, too slow, empty, no
    form although it says so, or no recording by its first bytes; `target` is gone then.
    """
    try:
        with target.open("wb") as file:
            sink = _Sink(file.write, settings)
            kind, parameters = parse_options_header(content_type)
            form = _Form(sink, parameters.get(b"boundary", b"")) if kind == b"multipart/form-data" else None
            async for chunk in _in_time(chunks, settings):
                if form is None:
                    sink.take(chunk)
                else:
                    form.take(chunk)
            if form is not None:
                form.end()
            sink.end()
        return None if form is None else form.name
    except BaseException:
        target.unlink(missing_ok=True)
        raise


async def _in_time(chunks: AsyncIterator[bytes], settings: ServiceSettings) -> AsyncIterator[bytes]:
    began, n_bytes = time.monotonic(), 0
    waiting = aiter(chunks)
    while True:
        try:
            chunk = await asyncio.wait_for(anext(waiting), settings.stall_s)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RefusedError(408, "too_slow", f"nothing came for {settings.stall_s:g} s") from None
        n_bytes += len(chunk)
        spent_s = time.monotonic() - began
        if spent_s > settings.stall_s and n_bytes < settings.least_bytes_s * spent_s:
            raise RefusedError(
                408,
                "too_slow",
                f"{n_bytes} bytes came in {spent_s:.0f} s; it takes {settings.least_bytes_s:g} a second",
            )
        yield chunk


class _Sink:
    """Counts the bytes of a recording, looks at its first ones, and passes them on."""

    def __init__(self, write: Callable[[bytes], object], settings: ServiceSettings) -> None:
        self._write = write
        self._most = settings.max_upload_mb * MEGABYTE
        self._n_bytes = 0
        self._head: bytes | None = b""  # None once it has been looked at

    def take(self, data: bytes) -> None:
        self._n_bytes += len(data)
        if self._n_bytes > self._most:
            raise too_large(self._most)
        if self._head is not None:
            self._head += data[:_HEAD]
            if len(self._head) >= _HEAD:
                self._look()
        self._write(data)

    def end(self) -> None:
        if self._n_bytes == 0:
            raise RefusedError(400, "empty", "the upload is empty")
        if self._head is not None:
            self._look()

    def _look(self) -> None:
        assert self._head is not None
        if not is_recording(self._head):
            raise RefusedError(415, "not_a_recording", "this is no video and no sound of a format that is known here")
        self._head = None


class _Form:
    """Finds the one file of a multipart form."""

    def __init__(self, sink: _Sink, boundary: bytes) -> None:
        if not boundary:
            raise RefusedError(400, "bad_form", "the form's content type names no boundary")
        self.name: str | None = None
        self._sink = sink
        self._field, self._value, self._disposition = b"", b"", b""
        self._is_file = self._was_file = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
            },
        )

    def take(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except MultipartParseError:
            raise RefusedError(400, "bad_form", "the body is no form as its content type says") from None

    def end(self) -> None:
        if not self._was_file:
            raise RefusedError(400, "no_file", f"the form has no file in a field called {FIELD!r}")

    def _begin(self) -> None:
        self._disposition, self._is_file = b"", False

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        if parameters.get(b"name") != FIELD.encode() or b"filename" not in parameters:
            return
        if self._was_file:
            raise RefusedError(400, "bad_form", "the form has more than one file; send one recording at a time")
        self._is_file = self._was_file = True
        self.name = parameters[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._sink.take(data[start:end])


def too_large(most_bytes: float) -> RefusedError:
    """Return the refusal of an upload of more than so many bytes."""
    return RefusedError(413, "too_large", f"the upload is larger than {most_bytes / MEGABYTE:g} MB")


_SIGNATURES: Final = (
    re.compile(rb"....(ftyp|moov|mdat|free|skip|wide|pnot)", re.DOTALL),  # MP4, MOV, 3GP, M4A
    re.compile(rb"\x1aE\xdf\xa3"),  # Matroska, WebM
    re.compile(rb"(RIFF|RF64)....(AVI |WAVE)", re.DOTALL),
    re.compile(rb"FLV\x01|OggS|fLaC|ID3|#!AMR|FORM....AIF", re.DOTALL),
    re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMV, WMA
    re.compile(rb"\x00\x00\x01[\xb3\xba]"),  # MPEG program stream, MPEG video
    re.compile(rb"\xff[\xe2-\xff]"),  # MP3, AAC in ADTS
    re.compile(rb"G.{187}G|(?=.{4}G).{4}G|G[\x00-\x5f].[\x10-\x3f]", re.DOTALL),  # MPEG transport stream
)


def is_recording(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a container of pictures or sound."""
    return any(pattern.match(head) for pattern in _SIGNATURES)


def shown_name(name: str | None) -> str:
    """Return what to call an upload: the last part of the name given, without what cannot be shown."""
    last = re.split(r"[/\\]", name or "")[-1]
    kept = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C")
    return kept.strip()[:_LONGEST_NAME] or "recording"
