"""How far the recordings are: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from emofuse.cli.console import LINE_S
from emofuse.formatting import clock
from emofuse.recordings.progress import Progress, Stage
from emofuse.remote import Place

_LEAST_S: Final = 0.5  # of work, before its speed is told


@dataclass(slots=True)
class _Work:
    """A recording that is being worked on."""

    name: str
    bar: TaskID | None
    stage: Stage | None  # None before it has told any
    began_s: float  # of the stage
    told_s: float


class WorkBars:
    """Shows how far recordings are, each with what is done and how fast. Use it in a `with` block.

    Args:
        console: Where it is shown.
        n_recordings: How many there are; more than one have a bar for all, and a number each.
        is_quiet: Whether nothing is shown.
        clock_s: Seconds that only grow.
    """

    def __init__(
        self, console: Console, n_recordings: int, *, is_quiet: bool, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._n, self._clock_s = console, n_recordings, clock_s
        self._is_quiet, self._has_bars = is_quiet, console.is_terminal and not is_quiet
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("[dim]{task.fields[speed]}[/dim]"),
        )
        self._bars = RichProgress(*columns, console=console, transient=True, disable=not self._has_bars)
        self._all = self._bars.add_task("all recordings", total=n_recordings, speed="") if n_recordings > 1 else None
        self._work: dict[Place, _Work] = {}
        self._n_begun = self._n_done = 0

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, source: Place) -> None:
        """Show a recording before it has told anything."""
        self._n_begun += 1
        name = source.name if self._n == 1 else f"[{self._n_begun}/{self._n}] {source.name}"
        bar = self._bars.add_task(escape(name), total=None, speed="")
        now_s = self._clock_s()
        self._work[source] = _Work(name, bar, None, now_s, now_s)

    def reach(self, source: Place, progress: Progress) -> None:
        """Show how far a recording is."""
        if source not in self._work:
            self.begin(source)
        work = self._work[source]
        now_s = self._clock_s()
        if work.stage not in (None, progress.stage):
            work.began_s = now_s
        work.stage = progress.stage
        share = progress.share
        speed = _speed(progress, now_s - work.began_s)
        what = "" if progress.stage == "analysing" else f" ({progress.stage})"
        if self._has_bars and work.bar is not None:
            total = None if share is None else 1.0
            self._bars.update(
                work.bar, description=escape(work.name + what), completed=share or 0.0, total=total, speed=speed
            )
        elif not self._is_quiet and now_s - work.told_s >= LINE_S:
            work.told_s = now_s
            of = "" if progress.duration_s is None else f" of {clock(progress.duration_s)}"
            told = [f"{progress.stage}, at {clock(progress.time_s)}{of}", *([f"{share:.0%}"] if share else []), speed]
            self._console.print(escape(f"{work.name}: {', '.join(filter(None, told))}"))

    def end(self, source: Place) -> None:
        """Take a recording off that is done."""
        self._n_done += 1
        work = self._work.pop(source, None)
        if work is not None and work.bar is not None:
            self._bars.remove_task(work.bar)
        if self._all is not None:
            self._bars.update(self._all, completed=self._n_done)

    @contextmanager
    def erased(self) -> Iterator[None]:
        """Take the bars off the terminal while results are printed."""
        self._bars.stop()
        try:
            yield
        finally:
            if self._n_done < self._n:
                self._bars.start()


def _speed(progress: Progress, spent_s: float) -> str:
    """Return how fast a stage goes, in times of real time; "" while that is not known."""
    if spent_s < _LEAST_S or progress.time_s <= 0:
        return ""
    return f"{progress.time_s / spent_s:.1f}x real time"
