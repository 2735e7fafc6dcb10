"""Reads a split file: a CSV that says to which fold, or which part of it, each clip of a manifest belongs."""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Final

from emofuse.cells import unescape_cell
from emofuse.errors import CorpusError, UsageError
from emofuse.reading import one_line, read_bytes
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.table import MOST_MB

KEYS: Final = ("path", "speaker", "session")
PARTS: Final = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "development": "valid",
    "test": "test",
    "testing": "test",
}
ONLY_FOLD: Final = "1"  # the name of the fold where the file has no column `fold`
_N_NAMED: Final = 3  # clips that an error names; it counts the others
_HINT: Final = "see docs/splits.md"
_Find = Callable[[str], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Groups:
    """What a file with the column `fold` alone says: fold → indices of its clips. Each clip is in one fold."""

    folds: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a file with the column `part` says: fold → part → indices. Each clip is in one part of each fold."""

    folds: dict[str, dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    key: str
    fold: str
    part: str  # "" where there is no such column


def read_split_file(path: str | Path, manifest: Manifest) -> Groups | Parts:
    """Read where `path` puts every clip of the manifest; folds in the order of their numbers, then names.

    Raises UsageError when there is no such file, and CorpusError where it is no such table, where it names what
    the manifest has not or what may be several of its files, and where a clip is in two places or in none.
    """
    file = Path(path)
    by, rows = _read_rows(file)
    find = _path_finder(manifest, file.parent) if by == "path" else _group_finder(manifest, by)
    placed: dict[str, list[tuple[Sequence[int], str]]] = defaultdict(list)
    for row in rows:
        try:
            clips = find(row.key)
        except CorpusError as error:
            raise CorpusError(f"line {row.line} of {file.name}: {error.message}", error.hint) from None
        placed[row.fold if row.part else ""].append((clips, row.part or row.fold))
    if "" in placed:
        folds = _place(placed[""], manifest, file.name, "folds")
        return Groups({name: folds[name] for name in sorted(folds, key=by_number)})
    names = sorted(placed, key=by_number)
    return Parts({name: _place(placed[name], manifest, f"fold {name} of {file.name}", "parts") for name in names})


def by_number(name: str) -> tuple[int, str]:
    """Sort "2" before "10", and what is not a number after all numbers."""
    return (0, name.zfill(20)) if name.isdecimal() else (1, name)


def _read_rows(file: Path) -> tuple[str, list[_Row]]:
    """Return the key column's name and the rows. Headers in any case; commas, semicolons or tabs."""
    try:
        text = read_bytes(file, MOST_MB).decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"there is no split file {file}") from None
    except (OSError, ValueError) as error:
        raise CorpusError(f"{file} cannot be read as a table: {one_line(error)}", _HINT) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        lines = [(reader.line_num, [unescape_cell(cell.strip()) for cell in line]) for line in reader]
    except csv.Error as error:
        raise CorpusError(f"{file} cannot be read as a table: {error}", _HINT) from None
    header = [name.lower() for name in lines[0][1]] if lines else []
    by = next((key for key in KEYS if key in header), "")
    if not by or not {"fold", "part"} & set(header):
        found = ", ".join(name for name in header if name) or "nothing"
        raise CorpusError(
            f"{file.name} needs one of the columns {', '.join(KEYS)}, and fold, part or both; its header has {found}",
            _HINT,
        )
    rows = [
        _row(dict(zip(header, cells, strict=False)), header, by, number, file)
        for number, cells in lines[1:]
        if any(cells)
    ]
    if not rows:
        raise CorpusError(f"{file.name} has a header and no rows", _HINT)
    return by, rows


def _row(cells: dict[str, str], header: Sequence[str], by: str, line: int, file: Path) -> _Row:
    for column in (by, "fold", "part"):
        if column in header and not cells.get(column):
            raise CorpusError(f"line {line} of {file.name} has no {column}", _HINT)
    part = cells.get("part", "").lower()
    if part and part not in PARTS:
        raise CorpusError(f"line {line} of {file.name}: part {part!r} is not one of {', '.join(PARTS)}")
    return _Row(line, cells[by], cells.get("fold", ONLY_FOLD), PARTS.get(part, ""))


def _place(
    rows: Iterable[tuple[Sequence[int], str]], manifest: Manifest, where: str, places: str
) -> dict[str, list[int]]:
    """Return place → indices of its clips. Raises CorpusError unless each clip of the manifest is in one place."""
    at: dict[int, set[str]] = defaultdict(set)
    for clips, place in rows:
        for index in clips:
            at[index].add(place)
    torn = [f"{manifest.clips[i].path} ({', '.join(sorted(at[i]))})" for i in sorted(at) if len(at[i]) > 1]
    if torn:
        raise CorpusError(f"{where} puts {_n_clips(torn)} into two {places}: {_first(torn)}")
    missing = [str(clip.path) for i, clip in enumerate(manifest.clips) if i not in at]
    if missing:
        raise CorpusError(
            f"{where} leaves out {len(missing)} of {len(manifest)} clips of {manifest.name}: {_first(missing)}",
            "name every clip, or make a manifest without these",
        )
    gathered: dict[str, list[int]] = defaultdict(list)
    for index in sorted(at):
        gathered[next(iter(at[index]))].append(index)
    return dict(gathered)


def _n_clips(names: Sequence[str]) -> str:
    return f"{len(names)} clip{'s' if len(names) > 1 else ''}"


def _first(names: Sequence[str]) -> str:
    more = len(names) - _N_NAMED
    return ", ".join(names[:_N_NAMED]) + (f" and {more} more" if more > 0 else "")


def _group_finder(manifest: Manifest, by: str) -> _Find:
    """Return a function from a speaker or session to the indices of its clips."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(manifest.clips):
        groups[clip.speaker if by == "speaker" else clip.session].append(index)

    def find(key: str) -> Sequence[int]:
        if key not in groups:
            near = get_close_matches(key, groups, n=1, cutoff=0.0)
            raise CorpusError(
                f"{manifest.name} has no {by} {key!r}", f"did you mean {near[0]!r}?" if near and near[0] else ""
            )
        return groups[key]

    return find


def _path_finder(manifest: Manifest, folder: Path) -> _Find:
    """Return a function from a path, or the end of one, with or without its suffix, to the indices of its clips.

    A path is tried as it stands, then from `folder`, then as the last parts of a clip's path. Where no clip has
    that name, one of that stem is taken: a split of .wav files serves for the same clips as .flac.
    """
    clips: dict[str, list[int]] = defaultdict(list)
    names: dict[str, set[str]] = defaultdict(set)
    stems: dict[str, set[str]] = defaultdict(set)
    for index, clip in enumerate(manifest.clips):
        clips[_whole(clip.path)].append(index)
    for path in clips:
        parts = PurePosixPath(Path(path).as_posix()).parts
        for n in range(1, len(parts) + 1):
            end = PurePosixPath(*parts[-n:])
            names[str(end)].add(path)
            stems[_stem(end)].add(path)

    def find(key: str) -> Sequence[int]:
        for whole in (_whole(Path(key)), _whole(folder / key)):
            if whole in clips:
                return clips[whole]
        end = PurePosixPath(key.replace("\\", "/"))
        found = names.get(str(end)) or stems.get(str(end)) or stems.get(_stem(end)) or set()
        if len(found) > 1:
            raise CorpusError(f"{key!r} may be {len(found)} files: {_first(sorted(found))}", "give more of the path")
        if not found:
            raise CorpusError(f"{manifest.name} has no clip {key!r}")
        return clips[next(iter(found))]

    return find


def _whole(path: Path) -> str:
    return os.path.normpath(path.absolute())


def _stem(path: PurePosixPath) -> str:
    return str(path.with_suffix("") if path.name else path)
