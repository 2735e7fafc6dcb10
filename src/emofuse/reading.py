"""Reading small files that anybody may have made: of a size that is bounded, and with errors of one kind."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Final

MEGABYTE: Final = 2**20
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def read_bytes(path: str | os.PathLike[str], most_mb: float) -> bytes:
    """Read a file of at most so many megabytes, device and pipe included.

    Args:
        path: The file.
        most_mb: Megabytes (2**20 bytes) that it may have; no more is ever held.

    Returns:
        What it holds.

    Raises:
        OSError: where it cannot be read.
        ValueError: where it is larger.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"words")
    ...     file.flush()
    ...     read_bytes(file.name, most_mb=1)
    b'words'
    """
    most = int(most_mb * MEGABYTE)
    with Path(path).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it is larger than {most_mb:g} MB")
    return data


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file of that name; a name that no file can have, too long for instance, is none.

    >>> is_file("x" * 10_000)
    False
    """
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises for such names)


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether there is a folder of that name; see `is_file`.

    >>> is_folder("x" * 10_000)
    False
    """
    return os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises for such names)


def parse_json(text: str | bytes) -> Any:
    """Parse JSON; whatever is wrong with it is a ValueError: too deep, numbers of thousands of digits, no UTF-8.

    Args:
        text: The document.

    Returns:
        What it holds.

    Raises:
        ValueError: where it is not JSON, `json.JSONDecodeError` where that has a place.

    >>> parse_json('{"labels": ["happy"]}')
    {'labels': ['happy']}
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def one_line(error: BaseException | str, most: int = 200) -> str:
    """Return what an exception says, as a line of at most `most` characters without control characters.

    >>> one_line(ValueError("no\\nsuch thing"))
    'no such thing'
    """
    text = str(error).strip() or (error if isinstance(error, str) else type(error).__name__)
    line = _UNPRINTABLE.sub(" ", str(text))
    return line if len(line) <= most else f"{line[: most - 3]}..."


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, or its name where it says nothing.

    >>> first_line(ValueError("no such thing\\nlook elsewhere")), first_line(ValueError())
    ('no such thing', 'ValueError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
