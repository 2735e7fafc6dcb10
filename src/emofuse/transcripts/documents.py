"""JSON as lines: what Whisper, faster-whisper, WhisperX and OpenAI's API write, and a plain list of lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emofuse.errors import TranscriptError
from emofuse.types import Line, Word

LAYOUT: Final = 'a list of {"text": ..., "start_s": ..., "end_s": ...}, or {"segments": [...]} as Whisper writes it'

_START: Final = AliasChoices("start_s", "start")
_END: Final = AliasChoices("end_s", "end")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


_AnyEntry = TypeVar("_AnyEntry", bound=_Entry)


class _Word(_Entry):
    """A word; WhisperX leaves out the times of one that it could not align, a number for instance."""

    text: str = Field(validation_alias=AliasChoices("word", "text"))
    start_s: float | None = Field(None, ge=0, allow_inf_nan=False, validation_alias=_START)
    end_s: float | None = Field(None, ge=0, allow_inf_nan=False, validation_alias=_END)


class _Segment(_Entry):
    text: str
    start_s: float = Field(ge=0, allow_inf_nan=False, validation_alias=_START)
    end_s: float = Field(ge=0, allow_inf_nan=False, validation_alias=_END)
    words: list[_Word] | None = None
    speaker: str | None = None


def read_document(text: str) -> list[Line]:
    """Read the lines of a JSON document. Raises TranscriptError with the line, or the segment, at fault."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise TranscriptError(f"line {error.lineno}: this is no JSON: {error.msg}") from None
    except RecursionError:
        raise TranscriptError("this JSON is nested too deeply", f"it has to be {LAYOUT}") from None
    if isinstance(document, dict) and str(document.get("schema", "")).startswith("emofuse/"):
        raise TranscriptError("this is a result of emofuse, not a transcript", f"it has to be {LAYOUT}")
    segments, words = _parts(document)
    if not segments and words:
        return _of_words(words)
    return [_line(i, segment, words) for i, segment in enumerate(segments, start=1)]


def _parts(document: Any) -> tuple[list[_Segment], list[_Word]]:
    """Return the segments of a document, and the words that it lists apart, as OpenAI's API does."""
    raw, words = document, None
    if isinstance(document, dict):
        raw, words = document.get("segments"), document.get("words")
        if raw is None and words is None:
            raise TranscriptError("there are no segments in this JSON", f"it has to be {LAYOUT}")
    return _checked(_Segment, raw or [], "segment"), _checked(_Word, words or [], "word")


def _checked(kind: type[_AnyEntry], raw: Any, what: str) -> list[_AnyEntry]:
    try:
        checked: list[_AnyEntry] = TypeAdapter(list[kind]).validate_python(raw)  # type: ignore[valid-type]
        return checked
    except ValidationError as error:
        first = error.errors()[0]
        where = [part + 1 if isinstance(part, int) else part for part in first["loc"]]
        place = " ".join(str(part) for part in (what, *where))
        raise TranscriptError(f"{place}: {first['msg'].lower()}", f"it has to be {LAYOUT}") from None


def _line(number: int, segment: _Segment, words: Sequence[_Word]) -> Line:
    if segment.end_s < segment.start_s:
        raise TranscriptError(
            f"segment {number} ends at {segment.end_s:g} s, before it starts at {segment.start_s:g} s"
        )
    own = segment.words or [word for word in words if _is_within(word, segment)]
    return Line(
        segment.text.strip(),
        segment.start_s,
        segment.end_s,
        tuple(_timed(own, segment.start_s)),
        segment.speaker or "",
    )


def _is_within(word: _Word, segment: _Segment) -> bool:
    return word.start_s is not None and segment.start_s <= word.start_s < segment.end_s


def _of_words(words: Sequence[_Word]) -> list[Line]:
    """Make one line of words alone; it is cut into sentences later."""
    timed = _timed(words, 0.0)
    if not timed:
        return []
    ends = [word.end_s for word in timed]
    return [Line(" ".join(word.text for word in timed), timed[0].start_s, max(ends), tuple(timed))]


def _timed(words: Sequence[_Word], start_s: float) -> list[Word]:
    """Give a word without times the time at which the one before it ended."""
    timed: list[Word] = []
    latest_s = start_s
    for word in words:
        begins_s = latest_s if word.start_s is None else word.start_s
        latest_s = max(begins_s if word.end_s is None else word.end_s, begins_s)
        if word.text.strip():
            timed.append(Word(word.text.strip(), begins_s, latest_s))
    return timed
