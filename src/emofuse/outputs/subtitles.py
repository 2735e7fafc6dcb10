"""A timeline as subtitles, which any player shows: SubRip (`.srt`) and WebVTT (`.vtt`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from emofuse.files import atomic_write
from emofuse.formatting import cue_time, documentary_line
from emofuse.outputs.tiers import speaker_of
from emofuse.segments import Segment, label_between
from emofuse.timeline import Timeline
from emofuse.types import Line

TIE: Final = "\u00a0"  # between an answer and what is said
_READABLE_S: Final = 1.0  # between two lines: a shorter pause has no cue of its own


def write_srt(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write what was said as SubRip, "[happy] I am so glad", and where nothing was a cue per segment, "happy 66 %".

    It is UTF-8 without a byte order mark; no cue is an empty file. Raises OutputError when `path` cannot be written.
    """
    cues = (
        f"{number}\n{cue_time(start_ms, ',')} --> {cue_time(end_ms, ',')}\n{text}\n\n"
        for number, (start_ms, end_ms, text) in enumerate(_cues(timeline), start=1)
    )
    _write("".join(cues), path)


def write_vtt(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the same cues as WebVTT (https://www.w3.org/TR/webvtt1/), and at the end a note of how it was made.

    Raises OutputError when `path` cannot be written.
    """
    cues = (
        f"{number}\n{cue_time(start_ms, '.')} --> {cue_time(end_ms, '.')}\n{_escape(text)}\n\n"
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
    """Yield start and end in milliseconds and the text; rounded bounds still touch, and no cue is without length.

    What is said has the answer before it, which a no-break space ties to the first word: by that, these files are known
    to be ours. Where nothing is said, the answer stands alone, as it does throughout without a transcript.
    """
    segments, lines = timeline.segments(), sorted(timeline.lines, key=lambda line: (line.start_s, line.end_s))
    cues = [(s.start_s, s.end_s, f"{_one_line(s.label)} {100 * s.confidence:.0f} %") for s in _between(segments, lines)]
    for line in lines:
        text = _one_line(f"{who}: {line.text}" if (who := speaker_of(timeline, line)) else line.text)
        label = label_between(segments, line.start_s, line.end_s) or "?"
        cues.append((line.start_s, line.end_s, f"[{_one_line(label)}]{TIE}{text}"))
    for start_s, end_s, text in sorted(cues, key=lambda cue: cue[:2]):
        start_ms = round(start_s * 1000)
        yield start_ms, max(round(end_s * 1000), start_ms + 1), text


def _between(segments: Sequence[Segment], lines: Sequence[Line]) -> Iterator[Segment]:
    """Yield the segments, or of each what no line covers, where that is long enough to be read."""
    for segment in segments:
        reached_s = segment.start_s
        for line in lines:
            if line.end_s <= reached_s or line.start_s >= segment.end_s:
                continue
            if line.start_s - reached_s >= _READABLE_S:
                yield replace(segment, start_s=reached_s, end_s=line.start_s)
            reached_s = line.end_s
        if reached_s == segment.start_s or segment.end_s - reached_s >= _READABLE_S:
            yield replace(segment, start_s=reached_s)


def _one_line(text: str) -> str:
    """Return a text in which nothing ends a cue or begins another: a line break would, and an arrow."""
    return documentary_line(text).replace("-->", "->")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write(text: str, path: str | os.PathLike[str]) -> None:
    with atomic_write(path) as name, name.open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
