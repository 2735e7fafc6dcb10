"""Writing a file whole or not at all: under a temporary name in its folder, then renamed."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from emofuse.errors import OutputError

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
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`, with its suffix, and rename it to `path` on success.

    On any exception, Ctrl-C included, the temporary file is removed and what `path` held before stays.
    The temporary file exists, empty, from the start, so that a folder that cannot be written to shows before
    the work is done. A device or pipe is yielded itself: it cannot be replaced.
    Raises OutputError for an OSError about this file; one about another file (an input) passes unchanged.
    """
    target = Path(path)
    if not target.name:
        raise OutputError(f"cannot write {target}: it is a folder", _HINTS[errno.EISDIR])
    # Encoders choose their container by the suffix; a stem cut to 100 keeps the name under any limit.
    temporary = target.with_name(f".{target.stem[:100]}.{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            yield target
            return
        _check_replaceable(target)
        temporary.touch(exist_ok=False)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) not in (temporary, target):
            raise
        raise _output_error(target, error) from error
    finally:
        with suppress(OSError):  # gone after the rename; and what went wrong with the folder is already said
            temporary.unlink()


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and those above it, where they are not there yet. Raises OutputError when that cannot be."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason, hint = error.strerror or type(error).__name__, _HINTS.get(error.errno or 0, "choose another folder")
        raise OutputError(f"cannot make the folder {folder}: {reason}", hint) from error
    return folder


def _check_replaceable(target: Path) -> None:
    """Raise OSError for what a rename would refuse at the end of the work, or silently override."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.is_file() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file there is read-only", str(target))


def _output_error(target: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error) or type(error).__name__
    return OutputError(f"cannot write {target}: {reason}", _HINTS.get(error.errno or 0, ""))
