"""`emofuse tables`: the results of many recordings, as one table of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from emofuse.cli.console import OUT, note
from emofuse.errors import EmofuseError, UsageError
from emofuse.outputs.long_tables import LONG_FORMATS, LongFormat, write_long_table
from emofuse.outputs.records import TABLE_NAMES, TableName
from emofuse.outputs.tables import read_json
from emofuse.recordings.groups import Groups, group_of, read_groups
from emofuse.timeline import Timeline

_BY_DEFAULT = "moments,people,segments,words"


def tables(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder with the JSON files that analyze wrote.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the tables.  [default: FOLDER]")] = None,
    table: Annotated[str, typer.Option(help=f"The tables to write, of {', '.join(TABLE_NAMES)}.")] = _BY_DEFAULT,
    format: Annotated[LongFormat, typer.Option(help="parquet needs pyarrow.")] = LONG_FORMATS[0],
    groups: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A CSV with the columns recording and group.")
    ] = None,
) -> None:
    """Combine the results of many recordings in long tables: all_moments.csv, all_people.csv and so on.

    A row begins with the recording and its group. Exit code: 0 made, 1 some results could not be read, 2 wrong usage.
    """
    names = [_table_name(name.strip()) for name in table.split(",") if name.strip()]
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "give one with the results of analyze")
    named = {} if groups is None else read_groups(groups)
    documents = sorted(file for file in folder.rglob("*.json") if not file.name.startswith("."))
    failed: set[Path] = set()
    for name in names:
        path = (out or folder) / f"all_{name}.{format}"
        path.parent.mkdir(parents=True, exist_ok=True)
        n_rows = write_long_table(_timelines(documents, named, failed), name, path, format)
        OUT.print(f"  {escape(str(path))}  {n_rows:,} rows")
    if failed:
        raise typer.Exit(1)


def _table_name(name: str) -> TableName:
    for known in TABLE_NAMES:
        if name == known:
            return known
    raise UsageError(f"no table {name!r}", f"choose from {', '.join(TABLE_NAMES)}")


def _timelines(documents: list[Path], groups: Groups, failed: set[Path]) -> Iterator[tuple[str, str, Timeline]]:
    """Read one timeline at a time; what is none is told once, and left out."""
    for document in documents:
        if document in failed:
            continue
        try:
            timeline = read_json(document)
        except EmofuseError as error:
            failed.add(document)
            note(f"left out: {error}")
            continue
        yield timeline.source.path, group_of(timeline.source.path, groups), timeline
