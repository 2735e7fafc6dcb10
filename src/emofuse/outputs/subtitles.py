"""A timeline as subtitles, which any player shows: SubRip (`.srt`) and WebVTT (`.vtt`)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from emofuse.atomic import atomic
from emofuse.timeline import Timeline
from emofuse.wording import documentary_line


def write_srt(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write a SubRip cue per segment, "happy 66 %", as UTF-8 without a byte order mark; no cue is an empty file.

    Raises OutputError when `path` cannot be written.
    """
    cues = (
        f"{number}\n{_clock(start_ms, ',')} --> {_clock(end_ms, ',')}\n{text}\n\n"
        for number, (start_ms, end_ms, text) in enumerate(_cues(timeline), start=1)
    )
    _write("".join(cues), path)


def write_vtt(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write a WebVTT cue per segment (https://www.w3.org/TR/webvtt1/), and at the end a note of how it was made.

    Raises OutputError when `path` cannot be written.
    """
    cues = (
        f"{number}\n{_clock(start_ms, '.')} --> {_clock(end_ms, '.')}\n{_escape(text)}\n\n"
        for number, (start_ms, end_ms, text) in enumerate(_cues(timeline), start=1)
    )
    _write("WEBVTT\n\n" + "".join(cues) + _note(timeline), path)


def _note(timeline: Timeline) -> str:
    """Return how the timeline was made as a comment, in which no line is empty and none has the arrow of a cue."""
    if timeline.provenance is None:
        return ""
    lines = (f"{name}: {value}".replace("-->", "-- >") for name, value in timeline.provenance.entries())
    return "\n".join(["NOTE", *lines]) + "\n\n"


def _cues(timeline: Timeline) -> Iterator[tuple[int, int, str]]:
    """Yield start and end in milliseconds and the text; rounded bounds still touch, and no cue is without length."""
    for segment in timeline.segments():
        start_ms, end_ms = round(segment.start_s * 1000), round(segment.end_s * 1000)
        label = documentary_line(segment.label).replace(
            "-->", "->"
        )  # a line break would end the cue, an arrow begin one
        yield start_ms, max(end_ms, start_ms + 1), f"{label} {100 * segment.confidence:.0f} %"


def _clock(time_ms: int, point: str) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{milliseconds:03d}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write(text: str, path: str | os.PathLike[str]) -> None:
    with atomic(path) as name, name.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
