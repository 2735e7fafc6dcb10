"""Where the commands print, and how an error looks.

What cannot be printed never ends the work: characters that the terminal has not are escaped, control characters of
names never reach it, and what is printed after its reader has gone (`emofuse ... | head`) is dropped.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.segment import Segment

from emofuse.errors import EmofuseError

LINE_S: Final = 10.0  # between two lines on what takes long, where there is no terminal

# Control characters other than a new line and a tab, halves of surrogate pairs (a name that is not UTF-8), and what
# turns the direction of the text after it
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Return a text with what would steer a terminal written as Python writes it: `\x1b` for an escape."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class TolerantStream:
    """Standard output or standard error, whatever those are at the moment; writing to it raises nothing."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._gone: object = None  # the stream that nobody reads any more

    @property
    def stream(self) -> Any:
        """The stream beneath: not the one that a progress bar of rich puts in its place."""
        stream = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    @property
    def encoding(self) -> str:
        """How its characters are encoded."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written of a text."""
        stream = self.stream
        if stream is not None and stream is not self._gone:
            shown = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            self._try(stream, lambda: stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Pass on what waits."""
        stream = self.stream
        if stream is not None and stream is not self._gone:
            self._try(stream, stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _try(self, stream: Any, do: Callable[[], object]) -> None:
        try:
            do()
        except (OSError, ValueError):  # its reader has gone, its disk is full, or it is closed
            self._gone = stream
            # what waits in it would be written, and fail, when Python shuts down
            with suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


class SafeConsole(Console):
    """A console that prints no control character but its own."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, with the text of every segment made printable."""
        for segment in super().render(renderable, options):
            if segment.control or not _UNPRINTABLE.search(segment.text):
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


OUT: Final = SafeConsole(file=cast(IO[str], TolerantStream("stdout")), highlight=False, soft_wrap=True)
ERR: Final = SafeConsole(file=cast(IO[str], TolerantStream("stderr")), highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print one line that is not a result, beside the results."""
    ERR.print(f"[dim]note:[/dim] {escape(text)}")


def print_error(error: EmofuseError) -> None:
    """Print one line: what is wrong and what to do."""
    hint = f" [dim]({escape(error.hint)})[/dim]" if error.hint else ""
    ERR.print(f"[bold red]error:[/bold red] {escape(error.message)}{hint}")


def line_hook(clock_s: Callable[[], float] = time.monotonic) -> Callable[[str, int, int], None]:
    """Return hook(step, completed, total), which prints how far a step is every LINE_S, but nothing of a shorter one.

    clock_s: seconds that only grow.
    """
    told_s: dict[str, float] = {}

    def hook(step: str, completed: int, total: int) -> None:
        now_s = clock_s()
        if now_s - told_s.setdefault(step, now_s) >= LINE_S:
            told_s[step] = now_s
            ERR.print(escape(f"{step}: {completed:,} of {total:,} ({completed / max(total, 1):.0%})"))

    return hook


@contextmanager
def progress_hook() -> Iterator[Callable[[str, int, int], None]]:
    """Yield hook(step, completed, total), which draws a bar for each step; without a terminal it is `line_hook`."""
    if not ERR.is_terminal:
        yield line_hook()
        return
    with Progress(console=ERR, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def hook(step: str, completed: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=completed)

        yield hook
