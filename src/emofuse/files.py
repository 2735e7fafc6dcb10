"""Writing a file whole or not at all, under a temporary name in its folder, then renamed; tables as CSV, too."""

from __future__ import annotations

import csv
import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from emofuse.cells import escape_cell
from emofuse.errors import OutputError
from emofuse.staging import StagedPath

_HINTS: Final = {
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "part of the path is a file; choose another folder",
    errno.EISDIR: "name a file, not a folder",
    errno.ENOSPC: "free some space, or choose another disk",
    errno.EDQUOT: "free some space, or choose another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`, with its suffix, and rename it to `path` on success.

    On any exception, Ctrl-C included, the temporary file is removed and what `path` held before stays.
    The temporary file exists, empty, from the start, so that a folder that cannot be written to shows before the
    work is done. What a process that was killed left in the folder is removed. A device or pipe is yielded itself:
    it cannot be replaced.
    Raises OutputError for an OSError about this file; one about another file (an input) passes unchanged.
    """
    target = Path(path)
    if not target.name:
        raise OutputError(f"cannot write {target}: it is a folder", _HINTS[errno.EISDIR])
    if os.path.exists(target) and not target.is_file() and not target.is_dir():  # noqa: PTH110 (raises nothing)
        with _about(target, target):
            yield target
        return
    try:
        _check_replaceable(target)
        staged = StagedPath(target)
    except OSError as error:
        raise _output_error(target, error) from error
    try:
        with _about(target, staged.path):
            yield staged.path
            staged.publish()
    finally:
        staged.discard()


def write_csv_file(
    path: str | os.PathLike[str], columns: Iterable[str], rows: Iterable[Iterable[Any]], *, errors: str = "strict"
) -> None:
    """Write a table as UTF-8, whole or not at all; cells are escaped as `cells` says.

    Args:
        path: The file.
        columns: The header.
        rows: What comes below it; None is an empty cell.
        errors: What becomes of text that UTF-8 does not have, as `open` takes it.

    Raises:
        OutputError: It cannot be written.
        UnicodeEncodeError: UTF-8 does not have the text, where errors is "strict".
    """
    with atomic_write(path) as name, name.open("w", encoding="utf-8", newline="", errors=errors) as out:
        begin_csv(out, columns)(rows)


def begin_csv(out: TextIO, columns: Iterable[str]) -> Callable[[Iterable[Iterable[Any]]], None]:
    """Write the header of a table to an open file; return what adds rows to it."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(escape_cell, columns))
    return lambda rows: writer.writerows(map(escape_cell, row) for row in rows)


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and those above it, where they are not there yet. Raises OutputError when that cannot be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason, hint = error.strerror or type(error).__name__, _HINTS.get(error.errno or 0, "choose another folder")
        raise OutputError(f"cannot make the folder {folder}: {reason}", hint) from error
    return folder


@contextmanager
def _about(target: Path, written: Path) -> Iterator[None]:
    """Make an OutputError of an OSError that is about the target, or about the name under which it is written."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) not in (written, target):
            raise
        raise _output_error(target, error) from error


def _check_replaceable(target: Path) -> None:
    """Raise OSError for what a rename would refuse at the end of the work, or silently override."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.is_file() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file there is read-only", str(target))


def _output_error(target: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error) or type(error).__name__
    return OutputError(f"cannot write {target}: {reason}", _HINTS.get(error.errno or 0, ""))
