"""Folders and files that nobody but their owner can look into, whatever the folder is that they are in."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final, cast

from emofuse.errors import UsageError
from emofuse.files import make_folder

_OTHERS: Final = 0o077  # what the group and everybody may do
_HAS_OWNERS: Final = os.name == "posix"  # elsewhere a user's folders are private by where they are


def private_folder(path: Path) -> Path:
    """Make a folder for its owner alone, where it is not there yet, and return it."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def private_file(path: Path) -> BinaryIO:
    """Open a file to be written, for its owner's eyes alone."""
    return cast(BinaryIO, open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)))


def claim_folder(folder: Path, own: Collection[str]) -> None:
    """Make the folder of a service, or take one that is there, so that others can neither read nor exchange it.

    Args:
        folder: Where it is to be. One that others may look into is closed to them, unless something else is in it.
        own: The names of what a service keeps in its folder.

    Raises:
        UsageError: It belongs to somebody else, others may exchange it, it holds what is not a service's, or it cannot
            be made.
    """
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if _HAS_OWNERS:
            _close_to_others(folder, own)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot make the folder {folder}: {reason}", "choose another --folder") from error


def _close_to_others(folder: Path, own: Collection[str]) -> None:
    hint = f"name a folder that the service has to itself: --folder {folder / 'service'}"
    parent = folder.resolve().parent.stat().st_mode
    if parent & stat.S_IWOTH and not parent & stat.S_ISVTX:
        raise UsageError(f"everybody may exchange the folder {folder}: anybody can write to the one it is in", hint)
    is_open = bool(_owned(folder, folder.stat(), hint).st_mode & _OTHERS)
    for entry in folder.iterdir():
        if entry.name in own:
            _owned(entry, entry.lstat(), hint)  # of a link itself, which may lead anywhere
        elif is_open:
            raise UsageError(f"others may look into the folder {folder}, which holds more: {entry.name!r}", hint)
    if is_open:
        folder.chmod(0o700)


def _owned(path: Path, found: os.stat_result, hint: str) -> os.stat_result:
    """Return what the system says of a file or folder. Raises UsageError where it is somebody else's."""
    if found.st_uid != os.geteuid():
        raise UsageError(f"{path} belongs to another user", hint)
    return found
