"""Which recordings to analyse, and what to call what comes of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emofuse.errors import MediaError, UsageError
from emofuse.media.photo import is_photo, photo_suffixes
from emofuse.outputs.formats import FORMATS, get_format
from emofuse.outputs.index import INDEX_FILES, refuse_foreign_index
from emofuse.outputs.marks import recording_id
from emofuse.ownership import OVERWRITE_HINT
from emofuse.recordings.finding import find_recordings
from emofuse.remote import Address, Place, remote_files

RECORDS: Final = ".emofuse"  # below the folder of the results of a batch: what is done (`record`)


@dataclass(frozen=True, slots=True)
class Task:
    """One recording, and what to call what comes of it.

    Attributes:
        source: The recording.
        stem: The path of its outputs without their suffix; below `batch` where that is an address.
        shown_as: What outputs call it, where that is not the name of its file; a page that plays it looks for it under
            that name, and beside itself for its MP4.
        batch: The folder of the results of the batch that it is of; None where it is alone.
        is_photo: Whether it is a photo.
    """

    source: Place
    stem: Path
    shown_as: str | None = None
    batch: Place | None = None
    is_photo: bool = False

    def kinds(self, formats: Sequence[str]) -> tuple[str, ...]:
        """Return those of the formats that are written of it: of a photo the picture with its boxes for the video, and
        nothing that is about time."""
        if not self.is_photo:
            return tuple(formats)
        asked = ("png" if kind == "mp4" else kind for kind in formats)
        return tuple(dict.fromkeys(kind for kind in asked if get_format(kind).for_photos))

    def target(self, kind: str) -> Path:
        """Return where the output of this kind goes."""
        return self.stem.with_name(f"{self.stem.name}.{get_format(kind).suffix}")

    @property
    def record(self) -> Place | None:
        """Where it is noted that this is done; None outside of a batch."""
        if self.batch is None:
            return None
        stem = self.stem if isinstance(self.batch, Address) else self.stem.relative_to(self.batch)
        return self.batch / f"{RECORDS}/{stem.as_posix()}.json"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and the inputs that come to nothing, with the reason. notes: what people should know beforehand."""

    tasks: tuple[Task, ...]
    failures: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def is_batch(self) -> bool:
        """Whether there is more than one input, and so a page and a table over all of them."""
        return len(self.tasks) + len(self.failures) > 1


def parse_formats(text: str) -> tuple[str, ...]:
    """Split `json,csv,mp4`; `package.module:NAME` is a format from outside the package.

    Raises UsageError for an unknown format, and for two whose files would have the same name.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    formats = tuple(dict.fromkeys(part if ":" in part else part.lower() for part in parts))
    unknown = [name for name in formats if ":" not in name and name not in FORMATS]
    if unknown or not formats:
        hint = f"choose from {','.join(FORMATS)}, or give package.module:NAME"
        raise UsageError(f"unknown format {', '.join(unknown) or repr(text)}", hint)
    suffixes = Counter(get_format(name).suffix.lower() for name in formats)
    if shared := [suffix for suffix, count in suffixes.items() if count > 1]:
        raise UsageError(f"two formats would write files ending in .{shared[0]}", "ask for one of them")
    return formats


def make_plan(inputs: Sequence[Place], out: Place, formats: Sequence[str], overwrite: bool = False) -> Plan:
    """Find the recordings in files and folders, and name their outputs.

    A file `clip.mp4` becomes `OUT/clip.*`; one found in a folder keeps its place below it. Where two would
    share a name, the suffix joins it (`clip_wav.json`), then a number; in a batch, the names of the index are
    taken.

    Args:
        inputs: Recordings, and folders of them.
        out: Where the outputs go.
        formats: Names of formats.
        overwrite: Whether an index that emofuse did not write may be replaced.

    Raises:
        UsageError: where an output would replace a recording, or, without `overwrite`, such an index.
    """
    found = find_recordings(inputs)
    is_batch = len(found.recordings) + len(found.failures) > 1
    taken = {os.path.normcase(Path(name).stem) for name in INDEX_FILES} if is_batch else set()
    stems = _stems(found.recordings, taken)
    batch = out if is_batch or isinstance(out, Address) else None
    tasks = tuple(
        Task(source, stem if isinstance(out, Address) else out / stem, batch=batch, is_photo=_is_photo(source))
        for (source, _), stem in zip(found.recordings, stems, strict=True)
    )
    if not isinstance(out, Address):
        _refuse_overwriting(tasks, formats)
        if is_batch and not overwrite:
            refuse_foreign_index(out)
    return Plan(tasks, tuple(found.failures), tuple(found.notes))


def _is_photo(source: Place) -> bool:
    """Return whether an input is a photo; at an address, by its name alone."""
    return source.suffix.lower() in photo_suffixes() if isinstance(source, Address) else is_photo(source)


def _stems(found: Sequence[tuple[Place, Path]], taken: set[str]) -> list[Path]:
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
    sources = {task.source.resolve() for task in tasks if isinstance(task.source, Path)}
    for task in tasks:
        for kind in task.kinds(formats):
            if task.target(kind).resolve() in sources:
                raise UsageError(f"{task.target(kind)} would replace a recording", "choose another folder with -o")


def refuse_foreign_results(tasks: Sequence[Task], formats: Sequence[str]) -> tuple[str, ...]:
    """Raise UsageError where a file that would be replaced is not emofuse's own result of the same recording.

    Returns what people should know: how many recordings have results already.
    """
    in_the_way: list[str] = []
    n_again = 0
    if tasks and isinstance(tasks[0].batch, Address):
        in_the_way, n_again = _in_the_way_at(tasks[0].batch, tasks, formats)
        tasks_here: Sequence[Task] = ()
    else:
        tasks_here = tasks
    for task in tasks_here:
        there = [kind for kind in task.kinds(formats) if os.path.lexists(task.target(kind))]
        reasons = _reasons_to_keep(task, there) if there else []
        in_the_way += reasons
        n_again += bool(there) and not reasons
    if in_the_way:
        others = f" (and {len(in_the_way) - 1} more)" if len(in_the_way) > 1 else ""
        raise UsageError(f"{in_the_way[0]}{others}", OVERWRITE_HINT)
    if not n_again:
        return ()
    have = "the recording has" if len(tasks) == 1 else f"{n_again} of {len(tasks)} recordings have"
    return (f"{have} results there already; they are made again and replaced",)


def _in_the_way_at(folder: Address, tasks: Sequence[Task], formats: Sequence[str]) -> tuple[list[str], int]:
    """Name what is at an address and no record tells of, and count the recordings that have results there."""
    there = {name for _, name in remote_files(folder)}
    noted = {name for _, name in remote_files(folder / RECORDS)}
    found = [folder / name for name in INDEX_FILES if name in there and not noted]
    n_again = 0
    for task in tasks:
        targets = [name for name in (task.target(kind).as_posix() for kind in formats) if name in there]
        if targets and f"{task.stem.as_posix()}.json" not in noted:
            found += [folder / name for name in targets]
        n_again += bool(targets)
    return [f"{place} would be replaced, and no batch of emofuse has noted it" for place in found], n_again


def _reasons_to_keep(task: Task, kinds: Sequence[str]) -> list[str]:
    """Name those of the outputs that are there already and must not be replaced, with the reason."""
    try:
        own = recording_id(task.source)
    except (OSError, MediaError):
        return []  # nothing comes of this recording, so nothing is replaced
    origins = {kind: get_format(kind).origin(task.target(kind)) for kind in kinds}
    beside = (f for f in FORMATS.values() if f.name not in kinds and task.target(f.name).is_file())
    foreign = {o for o in (*origins.values(), *(f.origin(task.target(f.name)) for f in beside)) if o} - {own}
    reasons = []
    for kind, origin in origins.items():
        if origin is None:
            reasons.append(
                f"{task.target(kind)} would be replaced, and emofuse did not write it, or it was changed since"
            )
        elif foreign and origin != own:  # one that does not tell is of the recording that those beside it are of
            reasons.append(f"{task.target(kind)} would be replaced, and it is of another recording of this name")
    return reasons
