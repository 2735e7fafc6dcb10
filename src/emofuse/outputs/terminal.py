"""A timeline on a terminal: the answer, its course over time, and from what it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from emofuse.emotions import COLOURS, rgb
from emofuse.formatting import clock
from emofuse.headline import MEAN
from emofuse.timeline import Timeline
from emofuse.types import Scores

_MAX_WIDTH: Final = 110  # wider than this, bars no longer read faster
_NOTHING: Final = "."  # in the course over time, where nothing spoke


def summary_panel(timeline: Timeline) -> RenderableType:
    """Return what `rich` prints for a timeline: emotion, course over time, a bar per label, who spoke.

    Without colour (a file, a pipe, NO_COLOR) the course is written in letters, with bars in ASCII where the
    output's encoding has no blocks.
    """
    return _Summary(timeline)


@dataclass(frozen=True, slots=True)
class Look:
    """What the output can show. width: columns inside the panel."""

    width: int
    has_colour: bool
    block: str
    encoding: str

    def printable(self, text: str) -> str:
        """Replace what the output's encoding lacks, and control characters, which a terminal would obey."""
        known = text.encode(self.encoding, "replace").decode(self.encoding)
        return "".join(c if c.isprintable() else "?" for c in known)


def look_of(console: Console, options: ConsoleOptions) -> Look:
    """Return what fits into a panel on this console."""
    return Look(
        width=max(min(options.max_width, _MAX_WIDTH) - 4, 20),
        has_colour=console.color_system is not None and not console.no_color,
        block="#" if options.ascii_only else "█",
        encoding=options.encoding,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Summary:
    timeline: Timeline

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, _MAX_WIDTH)
        look = look_of(console, options)
        fused = self.timeline.summary.fused
        parts: list[RenderableType] = [_headline(self.timeline, look)]
        if self.timeline.moments:
            parts += [Text(), *_course(self.timeline, look)]
        if fused is not None:
            parts += [Text(), Text(f"{MEAN}:", style="dim"), bars(fused, look)]
        parts += [Text(), _voices(self.timeline, look)]
        name = self.timeline.source.path.replace("\\", "/").rsplit("/", 1)[-1]
        yield Panel(Group(*parts), title=Text(look.printable(name)), width=width)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(min(options.max_width, 40), min(options.max_width, _MAX_WIDTH))


def marks(labels: Sequence[str]) -> dict[str, str]:
    """Return a letter for each label, all different: the first of its own letters that is still free.

    >>> marks(["sad", "surprised"])
    {'sad': 'S', 'surprised': 'U'}
    """
    found: dict[str, str] = {}
    spare = [*"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
    for label in labels:
        free = [c for c in spare if c not in found.values()]
        found[label] = next((c for c in label.upper() if c in free), free[0] if free else "?")
    return found


def label_style(label: str) -> str:
    """Return the label's colour as rich takes it."""
    return "#{:02x}{:02x}{:02x}".format(*rgb(label))


def _headline(timeline: Timeline, look: Look) -> Text:
    headline, duration_s = timeline.headline(), timeline.source.duration_s
    length = f"   {clock(duration_s)}" if duration_s is not None else ""
    if headline is None:
        return Text.assemble(("no emotion could be read", "bold"), (length, "dim"))
    return Text.assemble(
        (look.printable(headline.title), f"bold {label_style(headline.label)}"),
        (f": {headline.number}", "bold"),
        (length, "dim"),
        f"\n{look.printable(headline.agreement)}" if headline.agreement else "",
    )


def _course(timeline: Timeline, look: Look) -> list[RenderableType]:
    """One cell per stretch of time, its scale, and the legend of the labels that occur."""
    bins = _binned(timeline, look.width)
    letters = marks(timeline.labels)

    def mark(label: str | None) -> str:
        if label is None:
            return _NOTHING
        # Labels that have no colour of their own are all grey: only letters tell them apart.
        return look.block if look.has_colour and label in COLOURS else letters[label]

    row = Text(no_wrap=True)
    for label, cells in groupby(bins):
        row.append(mark(label) * len(list(cells)), style=label_style(label) if label is not None else "")
    first, last = clock(0), clock(_length(timeline))
    scale = Text(first + " " * max(1, len(bins) - len(first) - len(last)) + last, style="dim")
    entries = [
        Text.assemble((mark(label), label_style(label)), f" {look.printable(label)}")
        for label in timeline.labels
        if label in bins
    ]
    if None in bins:
        entries.append(Text(f"{_NOTHING} nothing read"))
    return [row, scale, *_lines(entries, look.width)]


def _lines(entries: Sequence[Text], width: int) -> list[Text]:
    """Set entries side by side, two spaces apart, in lines of at most `width` columns."""
    lines: list[Text] = []
    for entry in entries:
        if lines and lines[-1].cell_len + 2 + entry.cell_len <= width:
            lines[-1].append("  ").append_text(entry)
        else:
            lines.append(entry)
    return lines


def _length(timeline: Timeline) -> float:
    last_s = timeline.moments[-1].time_s
    return max(timeline.source.duration_s or 0.0, last_s, 1e-3)


def _binned(timeline: Timeline, width: int) -> list[str | None]:
    """The label of the segment in the middle of each of `width` equal stretches of time; None in a gap."""
    segments = timeline.segments()
    length_s = _length(timeline)
    starts = np.array([s.start_s for s in segments])
    bins: list[str | None] = []
    for i in range(width):
        time_s = (i + 0.5) * length_s / width
        at = int(np.searchsorted(starts, time_s, side="right")) - 1
        bins.append(segments[at].label if at >= 0 and time_s < segments[at].end_s else None)
    return bins


def bars(scores: Scores, look: Look) -> Table:
    """Return a bar for each label, with its probability."""
    longest = min(max(map(cell_len, scores.labels)), look.width // 3)
    room = max(min(48, look.width - longest - 8), 4)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(max_width=longest, no_wrap=True, overflow="crop")
    grid.add_column(width=room, no_wrap=True)
    grid.add_column(justify="right")
    for label, p in zip(scores.labels, scores.probabilities.tolist(), strict=True):
        grid.add_row(
            Text(look.printable(label), style="bold" if label == scores.label else ""),
            Text(look.block * round(p * room), style=label_style(label)),
            f"{p:.0%}",
        )
    return grid


def _voices(timeline: Timeline, look: Look) -> Table:
    """What each modality said alone, or why it said nothing."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for modality in timeline.summary.listed:
        scores = timeline.summary.by_modality.get(modality)
        if scores is not None:
            said = f"{scores.label} {scores.confidence:.0%}{scores.caution}"
        else:
            said = f"not used: {timeline.summary.why.get(modality, 'it gave no answer')}"
        style = "" if scores is not None else "dim"
        grid.add_row(Text(modality, style=style), Text(look.printable(said), style=style))
    return grid
