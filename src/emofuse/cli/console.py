"""Where the commands print, and how an error looks."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.markup import escape

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
