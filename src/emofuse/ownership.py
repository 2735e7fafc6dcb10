"""Which files are in the way of a command, and not its own to replace."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from emofuse.errors import UsageError

_HEAD_CHARACTERS: Final = 8000
OVERWRITE_HINT: Final = "give --overwrite to replace it, or choose another place with -o"
ELSEWHERE_HINT: Final = "choose another folder with -o"


def refuse_foreign(files: Iterable[Path], is_ours: Callable[[Path, str], bool], hint: str = OVERWRITE_HINT) -> None:
    """Raise UsageError, in one line that names it, for the first of the files that is there and not ours.

    Args:
        files: What is going to be written.
        is_ours: Is given a file and how it begins, and returns whether emofuse wrote it.
        hint: What the user may do.
    """
    for file in files:
        if os.path.lexists(file) and not is_ours(file, beginning_of(file)):
            raise UsageError(f"{file} would be replaced, and emofuse did not write it, or it was changed since", hint)


def beginning_of(file: Path) -> str:
    """Return how a file begins, as far as it is text; "" where it cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace", newline="") as text:
            return text.read(_HEAD_CHARACTERS)
    except OSError:
        return ""
