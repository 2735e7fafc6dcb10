"""The recordings among files and folders, and what is none of them, with the reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emofuse.errors import EmofuseError
from emofuse.media.kinds import may_be_recording, media_suffixes
from emofuse.media.photo import may_be_photo, photo_suffixes
from emofuse.outputs.marks import origin, video_origin
from emofuse.remote import Address, Place, is_remote_folder, remote_files

_MOST_KINDS: Final = 6  # of files that are no recordings, named one by one


@dataclass(slots=True)
class Found:
    """What was found.

    Attributes:
        recordings: Each with its place: its path below the folder that was searched, or its name alone.
        failures: Inputs, files and folders that cannot be read, each with the reason.
        notes: What was passed over in folders, in words for people.
    """

    recordings: list[tuple[Place, Path]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_recordings(inputs: Iterable[Place]) -> Found:
    """Find the recordings and photos in files and folders, each once, those of a folder in the order of their names.

    A folder is searched with all below it; one that is linked to is searched once, whatever leads to it. Hidden files,
    files that are no recordings, and what emofuse has annotated itself are passed over; so are the photos beside
    recordings, which are their covers more often than not, unless there are photos alone. Raises nothing: what cannot
    be read is among the failures. At an address, files are known by their names alone.
    """
    found = Found()
    for item in inputs:
        if isinstance(item, Address):
            _find_remote(item, found)
        elif os.path.isdir(item):  # noqa: PTH112 (raises nothing, for a name that is too long)
            _search(item, found)
        elif not os.path.lexists(item):
            found.failures.append((str(item), "no such file or folder"))
        else:
            found.recordings.append((item, Path(item.name)))
            if _is_own(item):
                found.notes.append(f"{item} is what emofuse has annotated: its boxes are analysed too")
    once: dict[str, tuple[Place, Path]] = {}
    for source, place in found.recordings:
        once.setdefault(source.url if isinstance(source, Address) else os.path.realpath(source), (source, place))
    found.recordings = list(once.values())
    return found


def _search(root: Path, found: Found) -> None:
    n_failures = len(found.failures)
    below: list[tuple[Path, Path]] = []
    photos: list[tuple[Path, Path]] = []
    others: Counter[str] = Counter()
    n_own = 0
    for entry in _files(root, found.failures):
        path = Path(entry.path)
        try:
            if not entry.is_file():
                if path.suffix.lower() in media_suffixes():
                    found.failures.append((str(path), _no_file(path)))
            elif _is_own(path):
                n_own += 1
            elif may_be_photo(path):
                photos.append((path, path.relative_to(root)))
            elif not may_be_recording(path):
                others[path.suffix.lower() or path.name] += 1
            else:
                below.append((path, path.relative_to(root)))
        except OSError as error:
            found.failures.append((str(path), f"it cannot be read: {error.strerror or error}"))
    if below:
        others.update(path.suffix.lower() for path, _ in photos)
    else:
        below = photos
    _note_passed_over(root, n_own, others, found)
    found.recordings += sorted(below, key=lambda recording: recording[1])
    if not below and len(found.failures) == n_failures:
        found.failures.append((str(root), "no recording in this folder"))


def _find_remote(item: Address, found: Found) -> None:
    """Find the recordings at an address: the file itself, or those below the folder."""
    try:
        if not is_remote_folder(item):
            found.recordings.append((item, Path(item.name)))
            return
        files = remote_files(item)
    except EmofuseError as error:
        found.failures.append((str(item), str(error)))
        return
    others: Counter[str] = Counter()
    below: list[tuple[Place, Path]] = []
    photos: list[tuple[Place, Path]] = []
    n_own = 0
    for address, name in files:
        if address.suffix.lower() in photo_suffixes():
            photos.append((address, Path(name)))
        elif address.suffix.lower() not in media_suffixes():
            others[address.suffix.lower() or address.name] += 1
        elif _is_own(address):
            n_own += 1
        else:
            below.append((address, Path(name)))
    if below:
        others.update(place.suffix.lower() for _, place in photos)
    found.recordings += below or photos
    _note_passed_over(item, n_own, others, found)
    if not (below or photos):
        found.failures.append((str(item), "no recording in this folder"))


def _note_passed_over(root: Place, n_own: int, others: Counter[str], found: Found) -> None:
    if n_own:
        results = "1 file" if n_own == 1 else f"{n_own} files"
        found.notes.append(f"passed over in {root}: {results} that emofuse has annotated")
    if others:
        kinds = [f"{n} {kind}" for kind, n in others.most_common(_MOST_KINDS)]
        if len(others) > _MOST_KINDS:
            kinds.append(f"{sum(others.values()) - sum(n for _, n in others.most_common(_MOST_KINDS))} others")
        found.notes.append(f"passed over in {root}, as they are no recordings: {', '.join(kinds)}")


def _files(root: Path, failures: list[tuple[str, str]]) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder and not hidden, folder by folder, linked ones too; each folder once."""
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(root)]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                listed = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            failures.append((folder, f"this folder cannot be read: {error.strerror or error}"))
            continue
        folders = []
        for entry in listed:
            if os.path.isdir(entry.path):  # noqa: PTH112 (raises nothing, for a link that leads to itself)
                folders.append(entry.path)
            else:
                yield entry
        waiting += reversed(folders)


def _no_file(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "not a file"


def _is_own(path: Place) -> bool:
    try:
        if isinstance(path, Path) and not path.is_file():
            return False
        if path.suffix.lower() == ".png" and isinstance(path, Path):
            return origin("png", path) is not None
        return path.suffix.lower() == ".mp4" and video_origin(path) is not None
    except (OSError, EmofuseError):
        return False  # which is known when it is read
