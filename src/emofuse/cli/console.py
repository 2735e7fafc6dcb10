"""Where the commands print, and how an error looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from emofuse.errors import EmofuseError

OUT: Final = Console(highlight=False, soft_wrap=True)
ERR: Final = Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print one line that is no result, beside the results."""
    ERR.print(f"[dim]note:[/dim] {escape(text)}")


def complain(error: EmofuseError) -> None:
    """Print one line: what is wrong and what to do."""
    hint = f" [dim]({escape(error.hint)})[/dim]" if error.hint else ""
    ERR.print(f"[bold red]error:[/bold red] {escape(error.message)}{hint}")


@contextmanager
def progress_hook() -> Iterator[Callable[[str, int, int], None]]:
    """Yield hook(step, completed, total), which draws a bar for each step while a terminal is there to show it."""
    with Progress(console=ERR, transient=True, disable=not ERR.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def hook(step: str, completed: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=completed)

        yield hook
