"""Which recordings to analyse, and what to call what comes of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emofuse.errors import UsageError
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.index import INDEX_FILES, refuse_foreign_index

VIDEO_SUFFIXES: Final = {
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".flv",
    ".wmv",
    ".mpg",
    ".mpeg",
    ".ts",
    ".3gp",
}
SOUND_SUFFIXES: Final = {".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus"}
SUFFIXES: Final = frozenset(VIDEO_SUFFIXES | SOUND_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Task:
    """One recording, and the path of its outputs without their suffix. shown_as: what outputs call it, where that is
    not the name of its file; a page that plays it looks for it under that name, and beside itself for its MP4."""

    source: Path
    stem: Path
    shown_as: str | None = None

    def target(self, kind: str) -> Path:
        """Return where the output of this kind goes."""
        return self.stem.with_name(f"{self.stem.name}.{FORMATS[kind].suffix}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and the inputs that come to nothing, with the reason."""

    tasks: tuple[Task, ...]
    failures: tuple[tuple[str, str], ...]

    @property
    def is_batch(self) -> bool:
        """Whether there is more than one input, and so a page and a table over all of them."""
        return len(self.tasks) + len(self.failures) > 1


def parse_formats(text: str) -> tuple[str, ...]:
    """Split `json,csv,mp4`. Raises UsageError for a format we do not write."""
    formats = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    unknown = [f for f in formats if f not in FORMATS]
    if unknown or not formats:
        raise UsageError(f"unknown format {', '.join(unknown) or repr(text)}", f"choose from {','.join(FORMATS)}")
    return formats


def make_plan(inputs: Sequence[Path], out: Path, formats: Sequence[str]) -> Plan:
    """Find the recordings in files and folders, and name their outputs.

    A file `clip.mp4` becomes `OUT/clip.*`; one found in a folder keeps its place below it. Where two would
    share a name, the suffix joins it (`clip_wav.json`), then a number; in a batch, the names of the index are
    taken. Raises UsageError where an output would replace a recording, or the index a page that is not ours.
    """
    found: list[tuple[Path, Path]] = []
    failures: list[tuple[str, str]] = []
    for item in inputs:
        if item.is_dir():
            below = sorted(p for p in item.rglob("*") if _is_recording(p, item))
            if not below:
                failures.append((str(item), "no recording in this folder"))
            found += [(p, p.relative_to(item)) for p in below]
        elif not item.exists():
            failures.append((str(item), "no such file or folder"))
        else:
            found.append((item, Path(item.name)))
    found = list({source.resolve(): (source, place) for source, place in found}.values())
    is_batch = len(found) + len(failures) > 1
    taken = {os.path.normcase(Path(name).stem) for name in INDEX_FILES} if is_batch else set()
    tasks = tuple(Task(source, out / stem) for (source, _), stem in zip(found, _stems(found, taken), strict=True))
    _refuse_overwriting(tasks, formats)
    if is_batch:
        refuse_foreign_index(out)
    return Plan(tasks, tuple(failures))


def _is_recording(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _stems(found: Sequence[tuple[Path, Path]], taken: set[str]) -> list[Path]:
    plain = [_without_suffix(place) for _, place in found]
    shared = Counter(os.path.normcase(stem) for stem in plain)
    taken = set(taken)
    stems = []
    for (_, place), stem in zip(found, plain, strict=True):
        if shared[os.path.normcase(stem)] > 1:
            stem = stem.with_name(f"{stem.name}_{place.suffix[1:].lower()}")
        candidate, number = stem, 2
        while os.path.normcase(candidate) in taken:
            candidate, number = stem.with_name(f"{stem.name}-{number}"), number + 1
        taken.add(os.path.normcase(candidate))
        stems.append(candidate)
    return stems


def _without_suffix(place: Path) -> Path:
    """Return a place without its suffix, but for names such as "..mp4", of which a folder would be left."""
    return place.with_suffix("") if place.stem.strip(".") else place


def _refuse_overwriting(tasks: Sequence[Task], formats: Sequence[str]) -> None:
    sources = {task.source.resolve() for task in tasks}
    for task in tasks:
        for kind in formats:
            if task.target(kind).resolve() in sources:
                raise UsageError(f"{task.target(kind)} would replace a recording", "choose another folder with -o")
