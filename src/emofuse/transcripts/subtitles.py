"""Subtitles as lines: SubRip (.srt) and WebVTT (.vtt, https://www.w3.org/TR/webvtt1/).

Libraries for this pass over a cue that they cannot read without a word, and none says in which line a fault is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from emofuse.errors import TranscriptError
from emofuse.transcripts.speakers import CAPITALS, can_be_name
from emofuse.types import Line, Word

_TIME: Final = r"(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMING: Final = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_STAMP: Final = re.compile(rf"<{_TIME}>")
_VOICE: Final = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]([^<>]*)>")
# `JOHN: Hi!`, as subtitles for the deaf name who speaks; what is in lower case may be part of what is said
_NAMED: Final = re.compile(
    rf"^(?P<before>(?:[^\S\n]|-|>>|</?[a-z][^<>\n]*>|\{{\\[^{{}}\n]*\}})*){CAPITALS}", re.MULTILINE
)
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}")  # WebVTT's and SubRip's, and those of SubStation in SubRip
_UNSAID: Final = re.compile(r"\[[^\[\]]*\]|[♪♫]|^[^\S\n]*(?:-|>>)", re.MULTILINE)  # [door slams], music, a new speaker
_ENDLESS: Final = re.compile(r"&#[xX]?[0-9a-fA-F]{9,};?")  # the number of no character: Python gives up at 4,300 digits


@dataclass(frozen=True, slots=True)
class _Cue:
    """A cue: its times, its text, and in which line of the file its times are."""

    start_s: float
    end_s: float
    rows: tuple[str, ...]
    number: int


def read_subtitles(text: str) -> list[Line]:
    """Read SubRip or WebVTT, whichever it is. Raises TranscriptError with the number of the line at fault."""
    rows = re.split(r"\r\n|\r|\n", text)
    cues = list(_vtt_cues(rows) if rows[0].startswith("WEBVTT") else _srt_cues(rows))
    if any(_STAMP.search(row) for cue in cues for row in cue.rows):
        cues = _without_repeats(cues)
    return [line for cue in cues for line in _lines(cue)]


def _vtt_cues(rows: Sequence[str]) -> Iterator[_Cue]:
    """Cues end at an empty line; a block without times is a comment, a style or a region."""
    for i, row in enumerate(rows):
        if "-->" in row:
            start_s, end_s = _times(row, i + 1)
            end = next((j for j in range(i + 1, len(rows)) if not rows[j].strip() or "-->" in rows[j]), len(rows))
            yield _Cue(start_s, end_s, tuple(rows[i + 1 : end]), i + 1)


def _srt_cues(rows: Sequence[str]) -> Iterator[_Cue]:
    """Cues end where the next one begins: some files have empty lines in the text."""
    timings = [i for i, row in enumerate(rows) if "-->" in row]
    starts = [i - 1 if i and rows[i - 1].strip().isdigit() else i for i in timings]
    for i, row in enumerate(rows[: starts[0] if starts else len(rows)]):
        if row.strip():
            raise TranscriptError(f"line {i + 1}: a cue has to come here, not {row.strip()[:40]!r}")
    for i, end in zip(timings, [*starts, len(rows)][1:], strict=True):
        start_s, end_s = _times(rows[i], i + 1)
        for j in range(i + 2, end):
            if rows[j].strip().isdigit() and not rows[j - 1].strip():
                raise TranscriptError(f"line {j + 1}: there are no times after the cue number {rows[j].strip()}")
        yield _Cue(start_s, end_s, tuple(rows[i + 1 : end]), i + 1)


def _times(row: str, number: int) -> tuple[float, float]:
    found = _TIMING.match(row)
    if found is None:
        raise TranscriptError(f"line {number}: {row.strip()[:60]!r} are no times", "like 00:01:02,500 --> 00:01:04,000")
    start_s, end_s = _seconds(*found.groups()[:4]), _seconds(*found.groups()[4:])
    if end_s < start_s:
        raise TranscriptError(f"line {number}: the cue ends at {end_s:g} s, before it starts at {start_s:g} s")
    return start_s, end_s


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    milliseconds = int((fraction or "0").ljust(3, "0"))
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + milliseconds / 1000


def _without_repeats(cues: Sequence[_Cue]) -> list[_Cue]:
    """Drop what rolls up: captions made by a machine, which have times in their text, show every row twice."""
    kept: list[_Cue] = []
    before: tuple[str, ...] = ()
    for cue in cues:
        rows = tuple(row for row in cue.rows if row.strip())
        shown = {_plain(row) for row in before}
        said = tuple(row for row in rows if _plain(row) not in shown or _STAMP.search(row))
        before = rows
        if said:
            kept.append(_Cue(cue.start_s, cue.end_s, said, cue.number))
    return kept


def _lines(cue: _Cue) -> Iterator[Line]:
    """Yield a line for each voice of a cue, which a tag of WebVTT names, or capitals before a colon."""
    text = _NAMED.sub(_voice, "\n".join(cue.rows))
    voices = list(_VOICE.finditer(text))
    begins = [0, *(voice.end() for voice in voices)]
    ends = [*(voice.start() for voice in voices), len(text)]
    speakers = ["", *(_unescaped(voice.group(1)).strip() for voice in voices)]
    for speaker, begin, end in zip(speakers, begins, ends, strict=True):
        words = tuple(_words(text[begin:end], cue)) if _STAMP.search(text[begin:end]) else ()
        said = _plain(text[begin:end])
        if said:
            yield Line(said, cue.start_s, cue.end_s, words, speaker)


def _voice(named: re.Match[str]) -> str:
    return f"{named['before']}<v {named['name']}>" if can_be_name(named["name"]) else named[0]


def _words(text: str, cue: _Cue) -> Iterator[Word]:
    """Yield what is between the times in a cue's text, each from its time to the next."""
    stamps = list(_STAMP.finditer(text))
    begins = [0, *(stamp.end() for stamp in stamps)]
    ends = [*(stamp.start() for stamp in stamps), len(text)]
    times = [cue.start_s, *(_seconds(*stamp.groups()) for stamp in stamps), cue.end_s]
    latest_s = cue.start_s
    for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        start_s = min(max(times[i], latest_s), cue.end_s)
        latest_s = min(max(times[i + 1], start_s), cue.end_s)
        said = _plain(text[begin:end])
        if said:
            yield Word(said, start_s, latest_s)


def _plain(text: str) -> str:
    """Return the words alone: no tags, no sounds in brackets, one space between them."""
    bare = _unescaped(_TAG.sub("", _STAMP.sub("", _VOICE.sub("", text))))
    return " ".join(_UNSAID.sub(" ", bare).replace("\u200b", "").split())


def _unescaped(text: str) -> str:
    """Replace character references."""
    return html.unescape(_ENDLESS.sub("\ufffd", text))
