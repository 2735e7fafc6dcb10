"""One table over many timelines, in long form: a row for each moment, person, segment or word of each recording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, get_args

from emofuse.errors import UsageError
from emofuse.files import atomic_write, begin_csv
from emofuse.outputs.records import Cell, TableName, table_of
from emofuse.timeline import Timeline

LongFormat = Literal["csv", "parquet"]
LONG_FORMATS: Final[tuple[LongFormat, ...]] = get_args(LongFormat)
_NAMES: Final = ("recording", "group")  # the columns before those of the table

AddRows = Callable[[list[tuple[Cell, ...]]], None]


def write_long_table(
    timelines: Iterable[tuple[str, str, Timeline]], name: TableName, path: Path, format: LongFormat = "csv"
) -> int:
    """Write one table over many timelines; one of them is held in memory at a time.

    Args:
        timelines: The name of each recording, its group ("" for none), and its timeline.
        name: Which table.
        path: The file.
        format: Of the file; Parquet needs pyarrow.

    Returns:
        The number of rows.

    Raises:
        UsageError: Timelines have other columns, as those of another bundle do, or pyarrow is not installed.
        OutputError: The file cannot be written.
    """
    n_rows = 0
    columns: Mapping[str, type] | None = None
    with atomic_write(path) as staged, _WRITERS[format](staged) as writer:
        add: AddRows | None = None
        for recording, group, timeline in timelines:
            table = table_of(timeline, name)
            if columns is None or add is None:
                columns, add = table.columns, writer(table.columns)
            if list(table.columns) != list(columns):
                raise UsageError(
                    f"{recording} has other columns than the recordings before it",
                    "collect results of one bundle at a time",
                )
            rows = [(recording, group, *row) for row in table.rows]
            add(rows)
            n_rows += len(rows)
        if columns is None:
            raise UsageError("there is no timeline to make a table of", "give a folder of results, with their JSON")
    return n_rows


@contextmanager
def _csv_writer(path: Path) -> Iterator[Callable[[Mapping[str, type]], AddRows]]:
    with path.open("w", encoding="utf-8", newline="", errors="replace") as out:
        yield lambda columns: begin_csv(out, (*_NAMES, *columns))


@contextmanager
def _parquet_writer(path: Path) -> Iterator[Callable[[Mapping[str, type]], AddRows]]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise UsageError("Parquet needs pyarrow, which is not installed", "pip install pyarrow") from None
    opened: list[Any] = []

    def begin(columns: Mapping[str, type]) -> AddRows:
        kinds = {str: arrow.string(), float: arrow.float64(), int: arrow.int64()}
        schema = arrow.schema(
            [(name, kinds[kind]) for name, kind in (dict.fromkeys(_NAMES, str) | dict(columns)).items()]
        )
        opened.append(parquet.ParquetWriter(str(path), schema))

        def add(rows: list[tuple[Cell, ...]]) -> None:
            cells = [[row[i] for row in rows] for i in range(len(schema))]
            opened[0].write_table(
                arrow.Table.from_arrays(
                    [arrow.array(c, f.type) for c, f in zip(cells, schema, strict=True)], schema=schema
                )
            )

        return add

    try:
        yield begin
    finally:
        for writer in opened:
            writer.close()


_WRITERS: Final = {"csv": _csv_writer, "parquet": _parquet_writer}
