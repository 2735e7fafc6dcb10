"""Takes an upload, piece by piece, into a file: whole, or not at all, and in no more time and space than allowed."""

from __future__ import annotations

import asyncio
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from emofuse.media.kinds import HEAD_BYTES, begins_as_recording
from emofuse.service.http_errors import RefusedError
from emofuse.service.private import private_file
from emofuse.service.settings import MEGABYTE, ServiceSettings
from emofuse.transcripts import SUFFIXES

FIELD: Final = "file"  # of a form
TRANSCRIPT_FIELD: Final = "transcript"
MOST_TRANSCRIPT_BYTES: Final = 8_000_000  # weeks of speech
_BATCH: Final = 1 << 20  # bytes that are written at once
_FORM_BYTES: Final = 4096  # that a form may have beside its files
_BESIDE_BYTES: Final = _FORM_BYTES + MOST_TRANSCRIPT_BYTES
_LONGEST_FIELD: Final = 1200  # bytes of a field that is not a file: a name of 300 characters
_LONGEST_NAME: Final = 120
_LONGEST_LENGTH: Final = 19  # digits of a Content-Length


@dataclass(frozen=True, slots=True)
class Received:
    """What came with a recording. name: of the file, where a form gives one; fields: the form's others, by name;
    transcript: the suffix of its file, as ".srt", and its content."""

    name: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    transcript: tuple[str, bytes] | None = None


async def receive(
    chunks: AsyncIterator[bytes], content_type: str, target: Path, settings: ServiceSettings, wanted: Collection[str]
) -> Received:
    """Write the body of a request to `target`: the body itself, or the field "file" of a multipart form.

    Args:
        chunks: The body as it comes.
        content_type: As the request states it.
        target: The file to write, for its owner alone.
        settings: How large and how slow a body may be.
        wanted: The names of a form's other fields that are kept.

    Returns:
        What a form says beside its file.

    Raises:
        RefusedError: The body is too large, too slow, empty, no form although it says so, or no recording by its first
            bytes; `target` is gone then.
    """
    sink = _Sink(settings)
    kind, parameters = parse_options_header(content_type)
    is_form = kind == b"multipart/form-data"
    form = _Form(sink, parameters.get(b"boundary", b""), wanted) if is_form else None
    most = most_bytes(settings) + (_FORM_BYTES if form is not None else 0)
    n_bytes = 0
    try:
        with private_file(target) as file:
            async for chunk in _in_time(chunks, settings):
                n_bytes += len(chunk)
                if form is None:
                    sink.take(chunk)
                else:
                    form.take(chunk)
                if n_bytes > most + (0 if form is None else form.n_words):
                    raise too_large(settings)
                if len(sink.waiting) >= _BATCH:  # not here: a slow disk must not stop the other clients
                    await asyncio.to_thread(file.write, sink.hand_over())
            if form is not None:
                form.end()
            sink.end()
            await asyncio.to_thread(file.write, sink.hand_over())
        return Received() if form is None else Received(form.name, form.fields, form.transcript)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


async def _in_time(chunks: AsyncIterator[bytes], settings: ServiceSettings) -> AsyncIterator[bytes]:
    """Pass on what comes. Raises RefusedError where nothing does for stall_s, or less than least_bytes_s in all."""
    began, n_bytes = time.monotonic(), 0
    waiting = aiter(chunks)
    while True:
        try:
            async with asyncio.timeout(settings.stall_s):
                chunk = await anext(waiting)
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
    """Gathers a recording to be written. Looks at its first bytes, and counts them all."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.waiting = bytearray()
        self._settings = settings
        self._n_bytes = 0
        self._head = bytearray()
        self._is_known = False

    def take(self, data: bytes) -> None:
        self._n_bytes += len(data)
        if self._n_bytes > most_bytes(self._settings):
            raise too_large(self._settings)
        if not self._is_known:
            self._head += data[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._look()
        self.waiting += data

    def hand_over(self) -> bytearray:
        batch, self.waiting = self.waiting, bytearray()
        return batch

    def end(self) -> None:
        if self._n_bytes == 0:
            raise RefusedError(400, "empty", "the upload is empty")
        if not self._is_known:
            self._look()

    def _look(self) -> None:
        if not begins_as_recording(bytes(self._head)):
            raise RefusedError(415, "not_a_recording", "this is neither video nor sound in a known format")
        self._is_known = True


class _Form:
    """Finds the recording of a multipart form (RFC 7578), its transcript, and those of its other fields that are
    wanted."""

    def __init__(self, sink: _Sink, boundary: bytes, wanted: Collection[str]) -> None:
        if not boundary:
            raise RefusedError(400, "bad_form", "the form's content type names no boundary")
        self.name: str | None = None
        self.fields: dict[str, str] = {}
        self.transcript: tuple[str, bytes] | None = None
        self._sink = sink
        self._wanted = wanted
        self._kept: tuple[str, bytes] | None = None  # the field that is being read
        self._field, self._value, self._disposition = b"", b"", b""
        self._is_file = self._was_file = self._is_whole = False
        self._words: tuple[str, bytearray] | None = None  # the suffix and the text of the transcript that is being read
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise RefusedError(400, "bad_form", str(error)) from None

    @property
    def n_words(self) -> int:
        """Bytes of a transcript, so far."""
        reading = 0 if self._words is None else len(self._words[1])
        return reading if self.transcript is None else len(self.transcript[1])

    def take(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise RefusedError(400, "bad_form", "the body is not the form that its content type announces") from None

    def end(self) -> None:
        if not self._was_file:
            raise RefusedError(400, "no_file", f"the form has no file in a field called {FIELD!r}")
        if not self._is_whole:
            raise RefusedError(400, "cut_off", "the form was cut off: its last boundary is missing")

    def _begin(self) -> None:
        self._disposition, self._is_file, self._kept, self._words = b"", False, None, None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]
        self._check_header()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._field) + len(self._value) > _FORM_BYTES:
            raise RefusedError(400, "bad_form", "a header in the form is too long")

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        # as latin-1, which parse_options_header makes bytes of again
        _, parameters = parse_options_header(self._disposition.decode("latin-1"))
        if parameters.get(b"name") != FIELD.encode() or b"filename" not in parameters:
            name = parameters.get(b"name", b"").decode("utf-8", "replace")
            if name == TRANSCRIPT_FIELD and parameters.get(b"filename"):  # a field that was left empty has no name
                self._words = self._begun_transcript(parameters[b"filename"].decode("utf-8", "replace"))
                return
            self._kept = (name, b"") if name in self._wanted else None
            return
        if self._was_file:
            raise RefusedError(400, "bad_form", "the form has more than one file; send one recording at a time")
        self._is_file = self._was_file = True
        self.name = parameters[b"filename"].decode("utf-8", "replace")

    def _begun_transcript(self, name: str) -> tuple[str, bytearray]:
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise RefusedError(415, "not_a_transcript", f"a transcript is one of {', '.join(SUFFIXES)}")
        if self.transcript is not None:
            raise RefusedError(400, "bad_form", "the form has more than one transcript")
        return suffix, bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._words is not None:
            self._words[1].extend(data[start:end])
            if len(self._words[1]) > MOST_TRANSCRIPT_BYTES:
                most_mb = MOST_TRANSCRIPT_BYTES / MEGABYTE
                raise RefusedError(413, "too_large", f"the transcript is larger than {most_mb:g} MB")
        elif self._is_file:
            self._sink.take(data[start:end])
        elif self._kept is not None:
            name, value = self._kept
            self._kept = name, value + data[start:end]
            if len(self._kept[1]) > _LONGEST_FIELD:
                raise RefusedError(422, "not_allowed", f"{name}: a field has at most {_LONGEST_FIELD} bytes")

    def _part_end(self) -> None:
        if self._words is not None:
            self.transcript = self._words[0], bytes(self._words[1])
        if self._kept is None:
            return
        name, value = self._kept
        if name in self.fields:
            raise RefusedError(422, "not_allowed", f"{name}: it is in the form more than once")
        self.fields[name] = value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._is_whole = True


def most_bytes(settings: ServiceSettings) -> int:
    """Return how large a recording may be."""
    return int(settings.max_upload_mb * MEGABYTE)


def check_stated(stated: str | None, settings: ServiceSettings) -> None:
    """Look at a Content-Length before anything is read. Raises RefusedError where it is more than may come."""
    if stated is None or not stated.isdecimal():
        return
    # Python refuses to read a number of thousands of digits
    if len(stated) > _LONGEST_LENGTH or int(stated) > most_bytes(settings) + _BESIDE_BYTES:
        raise too_large(settings)


def too_large(settings: ServiceSettings) -> RefusedError:
    """Return the refusal of an upload of more than is allowed."""
    return RefusedError(413, "too_large", f"the upload is larger than {settings.max_upload_mb:g} MB")


def shown_name(name: str | None) -> str:
    """Return what to call an upload: the last part of the name given, without what cannot be shown."""
    last = re.split(r"[/\\]", name or "")[-1]
    kept = "".join(c for c in unicodedata.normalize("NFC", last) if unicodedata.category(c)[0] != "C")
    named = kept.strip()[:_LONGEST_NAME]
    return named if named.strip(".") else "recording"  # "..", too, would be a folder
