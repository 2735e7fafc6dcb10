"""A live stream on a terminal: the label, a bar for each, the last seconds, and how the session is doing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.text import Text

from emofuse.formatting import pluralise
from emofuse.inference.live_stats import LiveStats
from emofuse.outputs.terminal import Look, bars, label_style, look_of, marks
from emofuse.types import Line, Moment, in_order

_MARK_S: Final = 0.5  # of the stream, for each mark of the course
_MOST_MARKS: Final = 120
_NOTHING: Final = "."
SHOWN_LINES: Final = 2  # of what is spoken, the latest


class LivePanel:
    """What `rich` prints for a stream as it goes: push moments to it, and print it anew."""

    def __init__(self, name: str, labels: Sequence[str], hint: str = "") -> None:
        self._name, self._hint = name, hint
        self._letters = marks(labels)
        self._latest: Moment | None = None
        self._course: deque[str | None] = deque(maxlen=_MOST_MARKS)
        self._lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self._next_s: float | None = None
        self._stats: LiveStats | None = None
        self._is_paused = False

    def push(self, moment: Moment) -> None:
        """Take the next moment, steadied."""
        self._latest = moment
        if self._next_s is None or moment.time_s >= self._next_s:
            self._course.append(None if moment.fused is None else moment.fused.label)
            self._next_s = moment.time_s + _MARK_S

    def push_line(self, line: Line) -> None:
        """Take the next line of what is spoken."""
        self._lines.append(line.text)

    def update(self, stats: LiveStats, is_paused: bool) -> None:
        """Take how the session is doing."""
        self._stats, self._is_paused = stats, is_paused

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        look = look_of(console, options)
        parts: list[RenderableType] = [self._headline(look)]
        if self._latest is not None and self._latest.fused is not None:
            parts += [Text(), bars(self._latest.fused, look)]
        parts += [Text(), self._marked(look)]
        parts += [Text(look.printable(f'"{line}"'), no_wrap=True, overflow="ellipsis") for line in self._lines]
        if self._stats is not None:
            parts.append(Text(status_line(self._stats), style="dim", no_wrap=True))
        if self._hint:
            parts.append(Text(self._hint, style="dim", no_wrap=True))
        yield Panel(Group(*parts), title=Text(look.printable(self._name)), width=look.width + 4)

    def _headline(self, look: Look) -> Text:
        latest = self._latest
        if self._is_paused:
            return Text("paused", style="bold")
        if latest is None:
            return Text("waiting for the first moment", style="dim")
        if latest.fused is None:
            why = "; ".join(f"{modality}: {reason}" for modality, reason in latest.why.items())
            return Text.assemble(("no answer", "bold"), (f"   {look.printable(why)}", "dim"))
        used = " + ".join(in_order(latest.by_modality))
        return Text.assemble(
            (look.printable(latest.fused.label), f"bold {label_style(latest.fused.label)}"),
            (f"  {latest.fused.confidence:.0%}{latest.fused.caution}", "bold"),
            (f"   from {used}", ""),
            (f"   {_faces(len(latest.faces))}", "dim"),
        )

    def _marked(self, look: Look) -> Text:
        row = Text(no_wrap=True)
        for label in list(self._course)[-look.width :]:
            if label is None:
                row.append(_NOTHING)
            else:
                row.append(look.block if look.has_colour else self._letters[label], style=label_style(label))
        return row


def status_line(stats: LiveStats) -> str:
    """Return how a session is doing, in a line for a view."""
    recent = "-" if stats.delay_recent_s is None else f"{1000 * stats.delay_recent_s:.0f} ms"
    missed = f"   speech left out {stats.missed_s:.0f} s" if stats.missed_s else ""
    return f"{stats.moments_per_s:.0f} moments/s   delay {recent}   dropped {stats.n_dropped}{missed}"


def summary_line(stats: LiveStats) -> str:
    """Return what a session did, in a line for its end."""
    delay = "no delay measured"
    if stats.delay_median_s is not None and stats.delay_p95_s is not None:
        delay = f"delay {1000 * stats.delay_median_s:.0f} ms (95 %: {1000 * stats.delay_p95_s:.0f} ms)"
    return (
        f"{stats.n_moments} moments in {stats.elapsed_s:.1f} s ({stats.moments_per_s:.1f} a second), {delay}, "
        f"{stats.n_dropped} of {stats.n_frames} pictures dropped, label changes a minute: "
        f"{stats.changes_per_minute:.0f}, steadied {stats.steady_changes_per_minute:.0f}"
    )


def words_line(stats: LiveStats) -> str:
    """Return what was recognised in a session, in a line for its end."""
    delay = "" if stats.words_delay_s is None else f", {stats.words_delay_s:.1f} s after their end"
    missed = f"; {stats.missed_s:.1f} s of speech left out to keep up" if stats.missed_s else ""
    return f"{pluralise(stats.n_lines, 'line')} of words{delay}{missed}"


def _faces(n: int) -> str:
    return "1 face" if n == 1 else f"{n} faces"
