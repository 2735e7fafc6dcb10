"""JSON as lines: what Whisper, faster-whisper, WhisperX and OpenAI's API write, and a plain list of lines."""

from __future__ import annotations

from collections.abc import Sequence
from json import JSONDecodeError
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from emofuse.errors import TranscriptError
from emofuse.reading import one_line, parse_json
from emofuse.transcripts.speakers import split_name
from emofuse.types import Line, Word

LAYOUT: Final = 'a list of {"text": ..., "start_s": ..., "end_s": ...}, or {"segments": [...]} as Whisper writes it'

_START: Final = AliasChoices("start_s", "start")
_END: Final = AliasChoices("end_s", "end")

# JSON can name one half of a character that is written as two, which no encoding has
_Text = Annotated[str, AfterValidator(lambda text: text.encode("utf-8", "replace").decode("utf-8"))]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


_AnyEntry = TypeVar("_AnyEntry", bound=_Entry)


class _Word(_Entry):
    """A word; WhisperX leaves out the times of one that it could not align, a number for instance."""

    text: _Text = Field(validation_alias=AliasChoices("word", "text"))
    start_s: float | None = Field(None, ge=0, allow_inf_nan=False, validation_alias=_START)
    end_s: float | None = Field(None, ge=0, allow_inf_nan=False, validation_alias=_END)


class _Segment(_Entry):
    text: _Text
    start_s: float = Field(ge=0, allow_inf_nan=False, validation_alias=_START)
    end_s: float = Field(ge=0, allow_inf_nan=False, validation_alias=_END)
    words: list[_Word] | None = None
    speaker: _Text | None = None


def read_document(text: str) -> list[Line]:
    """Read the lines of a JSON document. Raises TranscriptError with the line, or the segment, at fault."""
    try:
        document = parse_json(text)
    except JSONDecodeError as error:
        raise TranscriptError(f"line {error.lineno}: this is not JSON: {error.msg}") from None
    except ValueError as error:
        raise TranscriptError(f"this is not JSON: {one_line(error)}", f"it has to be {LAYOUT}") from None
    if isinstance(document, dict) and str(document.get("schema", "")).startswith("emofuse/"):
        raise TranscriptError("this is a result of emofuse, not a transcript", f"it has to be {LAYOUT}")
    segments, words = _parts(document)
    if not segments and words:
        return _of_words(words)
    shared = zip(segments, _shared_out(words, segments), strict=True)
    return [_line(i, segment, apart) for i, (segment, apart) in enumerate(shared, start=1)]


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


def _shared_out(words: Sequence[_Word], segments: Sequence[_Segment]) -> list[list[_Word]]:
    """Give each word that a document lists apart to the segment that it begins in: of several, the last that began."""
    own: list[list[_Word]] = [[] for _ in segments]
    coming = sorted(range(len(segments)), key=lambda i: segments[i].start_s, reverse=True)
    begun: list[int] = []
    for word in sorted((w for w in words if w.start_s is not None), key=_start_s):
        while coming and segments[coming[-1]].start_s <= _start_s(word):
            begun.append(coming.pop())
        while begun and segments[begun[-1]].end_s <= _start_s(word):
            begun.pop()
        if begun:
            own[begun[-1]].append(word)
    return own


def _start_s(word: _Word) -> float:
    return word.start_s or 0.0


def _line(number: int, segment: _Segment, apart: Sequence[_Word]) -> Line:
    if segment.end_s < segment.start_s:
        raise TranscriptError(
            f"segment {number} ends at {segment.end_s:g} s, before it starts at {segment.start_s:g} s"
        )
    words = _timed(segment.words or apart, segment.start_s)
    text, speaker = segment.text.strip(), segment.speaker or ""
    if not speaker:
        whole = text
        speaker, text = split_name(whole)
        words = _without(whole[: len(whole) - len(text)].split(), words)
    return Line(text, segment.start_s, segment.end_s, tuple(words), speaker)


def _without(name: Sequence[str], words: list[Word]) -> list[Word]:
    """Leave out the words of a name, if they begin with it; some recognisers give words without their marks."""
    begin = [word.text.rstrip(":") for word in words[: len(name)]]
    return words[len(name) :] if begin == [part.rstrip(":") for part in name] else words


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
