"""Hidden files and folders that work is written to before it gets its name, and what is left of those of the dead.

Each is locked by the process that writes it. A lock ends with its process, however that ends, so the next process that
writes into the same folder knows which of them are nobody's any more, and removes those. A process that is stopped
(Ctrl-C may come between any two instructions, also while one is put away) removes its own before it ends.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import time
import uuid
import weakref
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"\..*\.emofuse-[0-9a-f]{8}(?:\.[^.]*)?", re.DOTALL)
_LOCKLESS_AGE_S: Final = 86_400.0  # where there are no locks (Windows, some network disks), one this old is nobody's


class StagedPath:
    """A hidden file, or folder, beside `target` that takes its name when it is whole.

    path: where to write meanwhile; it has the suffix of the target, by which encoders choose their container.
    Raises OSError where it cannot be made.
    """

    path: Path

    def __init__(self, target: Path, *, is_folder: bool = False) -> None:
        folder = target.absolute().parent
        clear_once(folder)
        self._target = target
        while True:
            # a stem cut to 100 keeps the name under any limit
            name = f".{target.stem[:100]}.emofuse-{uuid.uuid4().hex[:8]}{target.suffix}"
            self.path = target.with_name(name)
            locks: list[int] = []
            self._end = partial(_end, self.path, locks, os.getpid())
            # before it is there: whenever this is interrupted, it goes when nobody holds this object, or at the exit
            self._ending = weakref.finalize(self, self._end)
            try:
                if is_folder:
                    self.path.mkdir()
                else:
                    self.path.touch(exist_ok=False)
                lock = _locked(self.path)
                if lock is not None:
                    locks += [lock] if lock else []
                    self._mode = stat.S_IMODE(self.path.stat().st_mode)
                    return
            except FileExistsError:
                pass
            except BaseException:  # Ctrl-C, too
                self.discard()
                raise
            # it is another one's, or another process took it for left over in the moment before it was locked
            self._ending.detach()

    def publish(self) -> None:
        """Give it the name of the target, in place of a file that has it. Raises OSError.

        Others may read it as they may any new file: libraries that write a file of their own (safetensors) and move it
        here make it the user's alone.
        """
        if stat.S_IMODE(self.path.stat().st_mode) != self._mode:
            self.path.chmod(self._mode)
        self.path.replace(self._target)

    def discard(self) -> None:
        """Remove it, if it is still there, and let go of the lock."""
        self._end()
        self._ending.detach()  # after that: interrupted before, it ends a second time


def clear_abandoned(folder: Path) -> None:
    """Remove what is staged in a folder and whose process is gone; touch nothing else, and raise nothing."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and not entry.is_symlink():
                _clear(Path(entry.path))


@lru_cache(maxsize=1024)
def clear_once(folder: Path) -> None:
    """Do `clear_abandoned` at the first call for a folder in this process."""
    clear_abandoned(folder)


def _end(path: Path, locks: list[int], owner: int) -> None:
    """Remove what is staged and close its lock, in the process that owns it; what is done of that already stays so."""
    if os.getpid() == owner:  # not in one that was forked meanwhile
        with suppress(OSError):  # it has its name now; or what is wrong with the folder is already known
            _remove(path)
        while locks:
            os.close(locks.pop())


def _clear(path: Path) -> None:
    with suppress(OSError):
        lock = _locked(path)
        if lock is None:
            return
        try:
            if lock or time.time() - path.stat().st_mtime > _LOCKLESS_AGE_S:
                _remove(path)
        finally:
            if lock:
                os.close(lock)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _locked(path: Path) -> int | None:
    """Lock a file or folder; return its descriptor, None where another process has it, 0 where there are no locks."""
    if sys.platform == "win32":
        return 0
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # whoever had the lock until now may have removed what it was on
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        return 0
    os.close(descriptor)
    return None
