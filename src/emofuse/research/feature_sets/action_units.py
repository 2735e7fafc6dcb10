"""Facial action units of a corpus's films, as OpenFace measured them: one row of means for each clip.

The table is a CSV with semicolons: intensities `AU01_r` (0 to 5) and so on, presences `AU01_c` (share of the frames),
and `name`, a clip's name. OpenFace 2.0: https://doi.org/10.1109/FG.2018.00019.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Clip, Manifest

TABLE: Final = "action_units.csv"
_COLUMN: Final = re.compile(r"AU\d\d_[rc]")
_NAME: Final = "name"
_RAVDESS: Final = re.compile(r"[0-9]{2}((?:-[0-9]{2}){6})(?:_.*)?")  # which may end in what was done to the film


def read_action_units(manifest: Manifest) -> NDArray[np.float32]:
    """Return (N, D): the action units of every clip, from the `action_units.csv` in a folder above it.

    A recording's sound and its film are one utterance: RAVDESS's names agree in all but their first part, which says
    which of the two it is. Raises CorpusError where there is no table, or a clip is not in it.
    """
    tables: dict[Path, dict[str, NDArray[np.float32]]] = {}
    rows = []
    for clip in manifest:
        table = _table_above(clip)
        if table not in tables:
            tables[table] = _read(table)
        utterance = _utterance(clip.path.stem)
        if utterance not in tables[table]:
            raise CorpusError(f"{table} has no row of {clip.path.name}")
        rows.append(tables[table][utterance])
    if len({len(row) for row in rows}) > 1:
        raise CorpusError(f"the tables {', '.join(map(str, sorted(tables)))} have different columns")
    return np.stack(rows)


def _table_above(clip: Clip) -> Path:
    for folder in clip.path.absolute().parents:
        if (folder / TABLE).is_file():
            return folder / TABLE
    raise CorpusError(f"no {TABLE} in the folders above {clip.path}", "OpenFace's means of every clip, a row each")


def _read(table: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=";", strict=True)
            columns = [column for column in reader.fieldnames or () if _COLUMN.fullmatch(column)]
            if not columns or _NAME not in (reader.fieldnames or ()):
                raise CorpusError(f"{table} has no column {_NAME!r} or none such as 'AU01_r'", "it needs semicolons")
            found: dict[str, NDArray[np.float32]] = {}
            for row in reader:
                utterance = _utterance(Path(row[_NAME] or "").stem)
                if utterance in found:
                    raise CorpusError(f"{table}, line {reader.line_num}: {row[_NAME]!r} is there twice")
                found[utterance] = _values(row, columns, f"{table}, line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"cannot read {table}: {error}") from None
    return found


def _values(row: dict[str, str], columns: list[str], where: str) -> NDArray[np.float32]:
    try:
        values = np.array([float(row[column]) for column in columns], dtype=np.float32)
    except (TypeError, ValueError):
        values = np.full(len(columns), np.nan, dtype=np.float32)
    if not np.isfinite(values).all():
        raise CorpusError(f"{where}: an action unit is not a number")
    return values


def _utterance(stem: str) -> str:
    """Return what the names of one utterance's recordings share: RAVDESS's without the part that says sound or film."""
    found = _RAVDESS.fullmatch(stem)
    return found[1] if found else stem
