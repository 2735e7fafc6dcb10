"""Reads a CSV with a header, row by row, and says which line is amiss."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from emofuse.cells import unescape_cell
from emofuse.errors import CorpusError
from emofuse.reading import MEGABYTE, one_line, read_bytes

MOST_MB: Final = 256.0  # of a table
MOST_STREAMED_MB: Final = 8192.0  # of a table that is read row by row
_LONGEST_LINE: Final = 2**20  # characters
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
    rows = []
    with _table_errors(source, reader):
        header = [cell.strip() for cell in next(reader, [])]
        for cells in reader:
            if not any(cells):
                continue
            rows.append((reader.line_num, row_of(header, cells, f"{source}, line {reader.line_num}")))
            if len(rows) * len(header) > MOST_CELLS:
                raise CorpusError(f"{source} has more than {MOST_CELLS:,} cells", "read it in parts")
    return header, rows


def row_of(header: Sequence[str], cells: Sequence[str], where: str) -> dict[str, str]:
    """Return the cells of a row by column. Raises CorpusError where there is not one for each; where: the line."""
    if len(cells) != len(header):
        raise CorpusError(
            f"{where}: {len(cells)} cells under {len(header)} columns", "text with a comma in it needs quotes around it"
        )
    return dict(zip(header, map(unescape_cell, cells), strict=True))


@contextmanager
def open_table(source: Path, what: str, hint: str = "") -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
    """Yield the header of a CSV in UTF-8, and its rows one by one, so that a table of any length can be read.

    Rows without any text are passed over. A row is the line that it ends on and its cells, for `row_of`.
    Raises CorpusError as `read_table` does.
    """
    with _reading(source, what, hint), source.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(file, source), strict=True)
        with _table_errors(source, reader):
            header = [cell.strip() for cell in next(reader, [])]
            yield header, ((reader.line_num, cells) for cells in reader if any(cells))


def _lines(file: TextIO, source: Path) -> Iterator[str]:
    n_characters = 0
    while line := file.readline(_LONGEST_LINE + 1):
        n_characters += len(line)
        if len(line) > _LONGEST_LINE:
            raise CorpusError(f"{source} has a line of more than {_LONGEST_LINE:,} characters", "is it a CSV?")
        if n_characters > MOST_STREAMED_MB * MEGABYTE:
            raise CorpusError(f"{source} is larger than {MOST_STREAMED_MB:g} MB", "read it in parts")
        yield line


@contextmanager
def _table_errors(source: Path, reader: Any) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise CorpusError(f"{source}, line {reader.line_num}: {error}") from None


def _read_text(source: Path, what: str, hint: str, fallback: str) -> str:
    with _reading(source, what, hint):
        data = read_bytes(source, MOST_MB)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            if not fallback:
                raise
            return data.decode(fallback, "replace")


@contextmanager
def _reading(source: Path, what: str, hint: str) -> Iterator[None]:
    """Say in a line what hinders the reading of a file."""
    try:
        yield
    except FileNotFoundError:
        raise CorpusError(f"no {what} at {source}", hint) from None
    except IsADirectoryError:
        raise CorpusError(f"{source} is a folder", "name the CSV file itself") from None
    except OSError as error:
        raise CorpusError(f"cannot read {source}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CorpusError(f"{source} is not UTF-8", "save it as CSV UTF-8") from None
    except ValueError as error:  # too large, or a name that no file has
        raise CorpusError(f"cannot read {one_line(str(source))}: {one_line(error)}") from None


def check_header(source: Path, header: Sequence[str], required: Sequence[str], known: Sequence[str]) -> None:
    """Raise CorpusError where a required column is not in the header, or a known one is there twice."""
    for column in required:
        if column not in header:
            has = ", ".join(repr(cell) for cell in header) or "none"
            raise CorpusError(f"{source}, line 1: no column {column!r}; the columns are {has}")
    for column in known:
        if list(header).count(column) > 1:
            raise CorpusError(f"{source}, line 1: two columns are called {column!r}")
