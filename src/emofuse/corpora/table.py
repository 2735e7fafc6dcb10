"""Reads a CSV with a header, row by row, and says which line is amiss."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emofuse.cells import unescape_cell
from emofuse.errors import CorpusError
from emofuse.reading import one_line, read_bytes

MOST_MB: Final = 256.0  # of a table
MOST_CELLS: Final = 10_000_000  # about a gigabyte as Python's texts

Row = tuple[int, dict[str, str]]  # the line that it ends on, and its cells by column


def read_table(source: Path, what: str, hint: str = "", fallback: str = "") -> tuple[list[str], list[Row]]:
    """Return the header and the rows of a CSV in UTF-8; rows without any text are passed over.

    what, hint: what the error calls a file that is not there, and the next step. fallback: the encoding of a file that
    is not UTF-8, where one is known.
    Raises CorpusError where the file cannot be read or is too large, and where a row has not a cell for each column.
    """
    text = _read_text(source, what, hint, fallback)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        rows = []
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(header):
                raise CorpusError(
                    f"{source}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns",
                    "text with a comma in it needs quotes around it",
                )
            rows.append((reader.line_num, dict(zip(header, map(unescape_cell, cells), strict=True))))
            if len(rows) * len(header) > MOST_CELLS:
                raise CorpusError(f"{source} has more than {MOST_CELLS:,} cells", "read it in parts")
    except csv.Error as error:
        raise CorpusError(f"{source}, line {reader.line_num}: {error}") from None
    return header, rows


def _read_text(source: Path, what: str, hint: str, fallback: str) -> str:
    try:
        data = read_bytes(source, MOST_MB)
    except FileNotFoundError:
        raise CorpusError(f"no {what} at {source}", hint) from None
    except IsADirectoryError:
        raise CorpusError(f"{source} is a folder", "name the CSV file itself") from None
    except OSError as error:
        raise CorpusError(f"cannot read {source}: {error.strerror or error}") from None
    except ValueError as error:  # too large, or a name that no file has
        raise CorpusError(f"cannot read {one_line(str(source))}: {one_line(error)}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if not fallback:
            raise CorpusError(f"{source} is not UTF-8", "save it as CSV UTF-8") from None
        return data.decode(fallback, "replace")


def check_header(source: Path, header: Sequence[str], required: Sequence[str], known: Sequence[str]) -> None:
    """Raise CorpusError where a required column is not in the header, or a known one is there twice."""
    for column in required:
        if column not in header:
            has = ", ".join(repr(cell) for cell in header) or "none"
            raise CorpusError(f"{source}, line 1: no column {column!r}; the columns are {has}")
    for column in known:
        if list(header).count(column) > 1:
            raise CorpusError(f"{source}, line 1: two columns are called {column!r}")
