"""Which group, or which person, each recording of a batch belongs to, by a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from emofuse.errors import UsageError

Groups = Mapping[str, str]  # the group, by a recording's path, name or stem


def read_groups(path: Path, column: str = "group") -> Groups:
    """Read a CSV with the columns `recording` and `group`, or another in its place; the rest is left alone.

    Args:
        path: The file. A recording is named by its path, its file name, or that without the suffix.
        column: What the groups stand in.

    Returns:
        The group of each name.

    Raises:
        UsageError: It cannot be read, lacks a column, or has a recording in two groups.
    """
    columns = ("recording", column)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"{path} has no column {missing[0]!r}", f"its columns must be {' and '.join(columns)}")
            groups: dict[str, str] = {}
            for row in rows:
                name, group = ((row[each] or "").strip() for each in columns)
                if name and groups.setdefault(name, group) != group:
                    raise UsageError(f"{path}, line {rows.line_num}: {name} is in {groups[name]!r} and {group!r}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    return groups


def group_of(source: str, groups: Groups) -> str:
    """Return a recording's group, "" where it has none.

    Example:
        >>> group_of("talks/anna.mp4", {"anna": "first year"})
        'first year'
    """
    return next((groups[name] for name in _names(source) if name in groups), "")


def names_of_none(sources: Iterable[str], groups: Groups) -> list[str]:
    """Return the names in a table that are those of no recording.

    Example:
        >>> names_of_none(["talks/anna.mp4"], {"anna": "first year", "berta": "second year"})
        ['berta']
    """
    known = {name for source in sources for name in _names(source)}
    return [name for name in groups if name not in known]


def _names(source: str) -> tuple[str, str, str]:
    """Return what a table may call a recording, the plainest last."""
    path = PurePath(source)
    return source, path.name, path.stem
