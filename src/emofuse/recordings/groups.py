"""Which group each recording of a batch belongs to, by a table: groups are compared on the page over all."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path, PurePath

from emofuse.errors import UsageError

Groups = Mapping[str, str]  # the group, by a recording's path, name or stem
COLUMNS = ("recording", "group")


def read_groups(path: Path) -> Groups:
    """Read a CSV with the columns `recording` and `group`; others are left alone.

    Args:
        path: The file. A recording is named by its path, its file name, or that without the suffix.

    Returns:
        The group of each name.

    Raises:
        UsageError: It cannot be read, lacks a column, or has a recording in two groups.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"{path} has no column {missing[0]!r}", f"its columns must be {' and '.join(COLUMNS)}")
            groups: dict[str, str] = {}
            for row in rows:
                name, group = ((row[column] or "").strip() for column in COLUMNS)
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
    path = PurePath(source)
    return next((groups[name] for name in (source, path.name, path.stem) if name in groups), "")
