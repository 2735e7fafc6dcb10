"""A timeline as a Praat TextGrid: an interval tier for the fused answer, each modality and each person."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from emofuse.files import atomic_write
from emofuse.formatting import documentary_line
from emofuse.outputs.tiers import emotion_tiers, length_s, words_tiers
from emofuse.segments import Segment
from emofuse.timeline import Timeline

Interval = tuple[float, float, str]


def write_textgrid(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the long text format as UTF-8 (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html).

    An interval's text is the label, and is empty where nothing was read; the tier `fused confidence` has the
    probability in the same intervals as `fused`; a tier for each speaker has what was said. Comments at the end say how
    it was made. Raises OutputError when `path` cannot be written.
    """
    rows = emotion_tiers(timeline)
    end_s = max(round(length_s(timeline, rows), 3), 0.001)  # Praat has no tier without length
    tiers: list[tuple[str, list[Interval]]] = []
    for row in rows:
        tiers.append((row.name, _intervals(row.segments, [s.label for s in row.segments], end_s)))
        if row.kind == "fused":
            numbers = [f"{s.confidence:.2f}" for s in row.segments]
            tiers.append(("fused confidence", _intervals(row.segments, numbers, end_s)))
    for tier in words_tiers(timeline):
        spoken = [Segment(line.start_s, line.end_s, line.text, 1.0) for line in tier.lines]
        tiers.append((tier.name, _intervals(spoken, [line.text for line in tier.lines], end_s)))
    with atomic_write(path) as name, name.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{line}\n" for line in _lines(tiers, end_s))
        if timeline.provenance is not None:
            # at the end: Praat passes comments over anywhere, programs that read line by line do not
            out.writelines(f"! {name}: {value}\n" for name, value in timeline.provenance.entries())


def _intervals(segments: Sequence[Segment], texts: Sequence[str], end_s: float) -> list[Interval]:
    """Fill [0, end_s] without a hole, as Praat wants it: what lies between segments has no text."""
    filled: list[Interval] = []
    reached_s = 0.0
    for segment, text in zip(segments, texts, strict=True):
        start_s, stop_s = round(segment.start_s, 3), min(round(segment.end_s, 3), end_s)
        if stop_s <= max(start_s, reached_s):
            continue  # shorter than the millisecond that times are written with
        if start_s > reached_s:
            filled.append((reached_s, start_s, ""))
        filled.append((max(start_s, reached_s), stop_s, text))
        reached_s = stop_s
    if reached_s < end_s:
        filled.append((reached_s, end_s, ""))
    return filled


def _lines(tiers: Sequence[tuple[str, Sequence[Interval]]], end_s: float) -> Iterable[str]:
    yield from ('File type = "ooTextFile"', 'Object class = "TextGrid"', "")
    yield from ("xmin = 0", f"xmax = {end_s:.10g}", "tiers? <exists>", f"size = {len(tiers)}", "item []:")
    for number, (name, intervals) in enumerate(tiers, start=1):
        yield from (f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}")
        yield from ("        xmin = 0", f"        xmax = {end_s:.10g}", f"        intervals: size = {len(intervals)}")
        for index, (start_s, stop_s, text) in enumerate(intervals, start=1):
            yield f"        intervals [{index}]:"
            yield f"            xmin = {start_s:.10g}"
            yield f"            xmax = {stop_s:.10g}"
            yield f"            text = {_quoted(text)}"


def _quoted(text: str) -> str:
    return '"' + documentary_line(text).replace('"', '""') + '"'
