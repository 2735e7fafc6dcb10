"""Keeps arrays that were made from files, under a key of the file's content and of the settings."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.assets import cache_folder
from emofuse.errors import CorpusError
from emofuse.files import atomic_write, make_folder
from emofuse.reading import file_hash

FORMAT: Final = 1  # of the key and of the stored file; another one finds nothing that this one stored
_CONTENT: Final = re.compile("[0-9a-f]{64}")
_SEAL_BYTES: Final = hashlib.sha256().digest_size
_MOST_KNOWN: Final = 1 << 16  # files whose hash is kept in memory
_SETTLED_NS: Final = 2_000_000_000  # a file changed later than this ago may change again within one tick of its clock


class FeatureCache:
    """Arrays on disk, one `.npy` for each key. Any number of processes and threads may read and write at once.

    Files are written whole or not at all and end with a SHA-256 of their key and content, so that what was cut
    off, damaged or put there by somebody else is made again. Nothing is ever unpickled. Whatever is deleted, in
    part or as a whole, is made again too.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        """Keep arrays in `folder`; without one, in `features` below EMOFUSE_CACHE or the platform's user cache."""
        self.folder = cache_folder() / "features" if folder is None else Path(folder)

    def get(self, source: Path | str, settings: Mapping[str, Any], make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return what is kept for `source` under these settings, or else what `make` returns, which is then kept.

        source: a file, or what `content_hash` returned for it. settings: all that `make` depends on beside the
        source, as JSON can hold it, the name of the feature and the version of its code included; the order of
        its keys is of no matter. The array is the caller's to change.
        Raises CorpusError when the source cannot be read, and OutputError when the array cannot be kept, as on
        a full disk. What `make` raises passes, and nothing is kept.
        """
        content = content_hash(source) if isinstance(source, Path) else source
        if not _CONTENT.fullmatch(content):
            raise ValueError(f"a source is a Path or a content hash, not {content!r}")
        path = self._path(content, settings)
        kept = _read(path)
        if kept is not None:
            return kept
        array = make()
        if not isinstance(source, Path) or content_hash(source) == content:  # else it changed while `make` read it
            _write(path, array)
        return array

    def _path(self, content: str, settings: Mapping[str, Any]) -> Path:
        canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
        key = hashlib.sha256(f"{FORMAT}\n{content}\n{canonical}".encode()).hexdigest()
        return self.folder / key[:2] / f"{key}.npy"


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal; a file that stayed as it was is read once a process.

    Raises CorpusError when it cannot be read.
    """
    try:
        state = path.stat()
        if time.time_ns() - max(state.st_mtime_ns, state.st_ctime_ns) < _SETTLED_NS:
            return file_hash(path)
        return _known_hash(path.absolute(), state.st_size, state.st_mtime_ns, state.st_ino)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror or error}") from None


@lru_cache(maxsize=_MOST_KNOWN)
def _known_hash(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    return file_hash(path)


def _read(path: Path) -> NDArray[Any] | None:
    """Return the array that is stored there, or None where there is none that this module wrote under this key."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body = data[:-_SEAL_BYTES]
    if data[-_SEAL_BYTES:] != _seal(path, body):
        return None
    array: NDArray[Any] = np.load(io.BytesIO(body), allow_pickle=False)
    return array


def _write(path: Path, array: NDArray[Any]) -> None:
    body = io.BytesIO()  # np.save to a file says nothing of why a disk would not take it
    np.save(body, array, allow_pickle=False)
    data = body.getvalue()
    make_folder(path.parent)
    with atomic_write(path) as name:
        name.write_bytes(data + _seal(path, data))


def _seal(path: Path, body: bytes) -> bytes:
    return hashlib.sha256(path.name.encode() + body).digest()
