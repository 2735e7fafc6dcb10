"""A transcript from a file, by what the file is."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path
from typing import Final

from emofuse.errors import TranscriptError, UsageError
from emofuse.provenance import TranscriptOrigin
from emofuse.reading import one_line, read_bytes
from emofuse.transcripts.transcript import Transcript, in_order, spread

SUFFIXES: Final = (".srt", ".vtt", ".json", ".txt")  # in the order in which one is looked for
MOST_MB: Final = 32.0  # of a file: a thousand hours of speech
_BOMS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def read_transcript(path: str | Path, duration_s: float | None = None) -> Transcript:
    """Read SubRip, WebVTT, JSON (`documents.LAYOUT`) or plain text, and fit it to a recording of this length.

    duration_s: in seconds; plain text has no times and needs it. Raises TranscriptError, naming the file and the
    line at fault, and UsageError for a file that is not there or of another kind.
    """
    file = Path(path)
    if file.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{file} is not a transcript that can be read", f"one of {', '.join(SUFFIXES)}")
    try:
        data = read_bytes(file, MOST_MB)
        text, notes = _decoded(data)
        found = _read(text, file.suffix.lower(), duration_s)
        if not found.lines:
            raise TranscriptError("no words are in it")
        origin = TranscriptOrigin("given", file.name, hashlib.sha256(data).hexdigest())
        return Transcript(found.lines, (*notes, *found.notes), origin).within(duration_s)
    except FileNotFoundError:
        raise UsageError(f"no transcript {file}") from None
    except OSError as error:
        raise TranscriptError(f"{file} cannot be read: {error.strerror or error}") from None
    except TranscriptError as error:
        raise TranscriptError(f"{file}: {error.message}", error.hint) from None
    except ValueError as error:
        raise TranscriptError(f"{file}: {one_line(error)}") from None


def subtitle_transcript(text: str) -> Transcript:
    """Read the SubRip text of the subtitles that were inside a recording. Raises TranscriptError as a file does."""
    lines = _of_subtitles(text)
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return Transcript(lines.lines, lines.notes, TranscriptOrigin("found", "subtitles of the recording", digest))


def _read(text: str, suffix: str, duration_s: float | None) -> Transcript:
    if suffix == ".json":
        from emofuse.transcripts.documents import read_document  # here, as few recordings come with words

        return in_order([line for line in read_document(text) if line.text])
    if suffix == ".txt" and "-->" not in text:
        if duration_s is None:
            raise TranscriptError("a text without times needs a recording whose length is known", "give .srt or .vtt")
        return spread(text, duration_s)
    return _of_subtitles(text)


def _of_subtitles(text: str) -> Transcript:
    from emofuse.transcripts.subtitles import read_subtitles  # as above

    return in_order([line for line in read_subtitles(text) if line.text])


def _decoded(data: bytes) -> tuple[str, list[str]]:
    """Decode a file's bytes; the notes say it where they had to be taken for Windows-1252."""
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), "utf-8")
    notes = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            raise TranscriptError(f"line {row}: this is not text in UTF-8", "save it as UTF-8") from None
        notes.append(f"the transcript is not in UTF-8 (line {row}), and was read as Windows-1252")
    if "\0" in text:
        row = text[: text.index("\0")].count("\n") + 1
        raise TranscriptError(f"line {row}: this is not text", "save it as UTF-8")
    return text, notes
