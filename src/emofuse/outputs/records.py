"""A timeline as tables: columns of one kind each, for CSV, pandas, Polars and Arrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Final, Literal, get_args

from emofuse.errors import UsageError
from emofuse.face_measurements import COLUMNS, table_rows
from emofuse.formatting import documentary_line
from emofuse.people import Person, people_between, person_json, speakers_between
from emofuse.segments import Segment
from emofuse.settings import shown
from emofuse.timeline import Timeline
from emofuse.timeline_json import moment_json
from emofuse.types import Json, Line, VoiceMeasurement

TableName = Literal["moments", "faces", "people", "segments", "words", "affect", "voice", "measurements"]
Library = Literal["pandas", "polars", "pyarrow"]
Cell = str | float | int | None

TABLE_NAMES: Final[tuple[TableName, ...]] = get_args(TableName)
_INSTALL: Final[Mapping[str, str]] = {
    "pandas": "pip install 'emofuse[tables]'",
    "polars": "pip install polars",
    "pyarrow": "pip install pyarrow",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one table.

    Attributes:
        columns: The type of each column's cells, by its name; a cell that is not known is None.
        rows: A row has a cell for each column.
    """

    columns: Mapping[str, type]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> list[dict[str, Cell]]:
        """Return each row by the names of the columns."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def to_frame(self, library: Library) -> Any:
        """Return the table as a library has it.

        Raises UsageError for a library that is not one of these, or not installed.
        """
        if library not in _INSTALL:
            raise UsageError(f"no tables of {shown(library)}", f"choose from {', '.join(_INSTALL)}")
        try:
            module = import_module(library)
        except ImportError:
            raise UsageError(f"{library} is not installed", _INSTALL[library]) from None
        cells = {name: [row[i] for row in self.rows] for i, name in enumerate(self.columns)}
        return _MAKERS[library](module, cells, self.columns)


def table_of(timeline: Timeline, name: TableName) -> Table:
    """Return one of the tables of a timeline.

    Args:
        timeline: Any.
        name: "moments", "faces" (a row for each face of each moment), "people", "segments", "words" or "measurements"
            (of faces, where they were asked for).

    Returns:
        The table; without rows it has its columns all the same.

    Raises:
        UsageError: There is no such table.
    """
    if name not in TABLE_NAMES:
        raise UsageError(f"no table {shown(name)}", f"choose from {', '.join(TABLE_NAMES)}")
    return _TABLES[name](timeline)


def table_of_many(timelines: Iterable[Timeline], name: TableName) -> Table:
    """Return one table of several timelines, with the recording before each row.

    Raises UsageError where there is no such table.
    """
    of_each = [(one.source.path, table_of(one, name)) for one in timelines]
    columns: dict[str, type] = {"recording": str}
    for _, table in of_each:  # a modality, or a label, may be in some of them alone
        columns |= table.columns
    rows = ({"recording": path, **row} for path, table in of_each for row in table.records())
    return Table(columns, tuple(tuple(row.get(column) for column in columns) for row in rows))


def moments_table(timeline: Timeline) -> Table:
    """Return one row per moment: its time, label, confidence, and the probabilities by modality."""
    labels, listed = timeline.labels, timeline.summary.listed
    columns: dict[str, type] = {"time_s": float, "label": str, "confidence": float}
    columns |= {name: float for modality in ("p", *listed) for name in probability_names(labels, modality)}
    columns |= {"n_faces": int, "used": str}

    def row(moment: Json) -> tuple[Cell, ...]:
        by_modality = [moment["by_modality"][m] for m in listed]
        used = "+".join(m for m, scores in zip(listed, by_modality, strict=True) if scores is not None)
        probabilities = (p for scores in (moment["probabilities"], *by_modality) for p in _cells(scores, labels))
        answer = _answer(moment["label"], moment["probabilities"])
        return (moment["time_s"], *answer, *probabilities, len(moment["faces"]), used)

    return Table(columns, tuple(row(moment_json(m, listed)) for m in timeline.moments))


def _faces_table(timeline: Timeline) -> Table:
    columns: dict[str, type] = {"time_s": float, "track_id": int, "person_id": int}
    columns |= dict.fromkeys(("left", "top", "right", "bottom", "score"), float)
    columns |= {"label": str, "confidence": float} | dict.fromkeys(probability_names(timeline.labels), float)

    def rows() -> Iterator[tuple[Cell, ...]]:
        for moment in timeline.moments:
            found = moment_json(moment, ())
            for face in found["faces"]:
                emotion = _answer(face["label"], face["probabilities"])
                probabilities = _cells(face["probabilities"], timeline.labels)
                yield (
                    found["time_s"],
                    face["track_id"],
                    face["person_id"],
                    *face["box_xyxy"],
                    face["score"],
                    *emotion,
                    *probabilities,
                )

    return Table(columns, tuple(rows()))


def _people_table(timeline: Timeline) -> Table:
    labels = timeline.labels
    columns: dict[str, type] = {"person_id": int, "name": str, "first_s": float, "last_s": float}
    columns |= {"seen_s": float, "spoke_s": float, "label": str, "confidence": float}
    columns |= dict.fromkeys((*probability_names(labels), *probability_names(labels, "share_s")), float)

    def row(person: Person) -> tuple[Cell, ...]:
        stretches = sorted((*person.seen, *(person.spoke or ())))
        spoke_s = None if person.spoke is None else round(sum(end - start for start, end in person.spoke), 3)
        found = person_json(person)
        summary, shares = found["summary"], found["share_of_time"]
        return (
            person.id,
            documentary_line(person.name) or None,
            round(stretches[0][0], 3) if stretches else None,
            round(max(end for _, end in stretches), 3) if stretches else None,
            round(person.seen_s, 3),
            spoke_s,
            *_answer(summary["label"], summary["probabilities"]),
            *_cells(summary["probabilities"], labels),
            *(shares.get(label, 0.0) for label in labels),
        )

    return Table(columns, tuple(map(row, timeline.people)))


def _segments_table(timeline: Timeline) -> Table:
    columns: dict[str, type] = {"start_s": float, "end_s": float, "label": str, "confidence": float}
    columns |= {"people": str, "speakers": str}

    def row(segment: Segment) -> tuple[Cell, ...]:
        start_s, end_s = segment.start_s, segment.end_s
        seen = people_between(timeline.people, start_s, end_s)
        spoke = speakers_between(timeline.people, start_s, end_s)
        answer = documentary_line(segment.label), round(segment.confidence, 4)
        return round(start_s, 3), round(end_s, 3), *answer, "+".join(map(str, seen)), "+".join(map(str, spoke))

    return Table(columns, tuple(map(row, timeline.segments())))


def _words_table(timeline: Timeline) -> Table:
    columns: dict[str, type] = {"start_s": float, "end_s": float, "text": str, "speaker": str, "person_id": int}

    def rows(line: Line) -> Iterator[tuple[Cell, ...]]:
        who = documentary_line(line.speaker) or None, line.person_id
        for word in line.words or (line,):
            yield round(word.start_s, 3), round(word.end_s, 3), documentary_line(word.text), *who

    return Table(columns, tuple(row for line in timeline.lines for row in rows(line)))


def _affect_table(timeline: Timeline) -> Table:
    columns: dict[str, type] = {"time_s": float, "valence_derived": float, "arousal_derived": float}
    return Table(columns, tuple((round(a.time_s, 4), a.valence, a.arousal) for a in timeline.affect))


def _voice_table(timeline: Timeline) -> Table:
    columns: dict[str, type] = {"start_s": float, "end_s": float, "person_id": int}
    columns |= dict.fromkeys((field.name for field in fields(VoiceMeasurement)[3:]), float)

    def row(one: VoiceMeasurement) -> tuple[Cell, ...]:
        values = (getattr(one, name) for name in columns)
        return tuple(round(value, 4) if isinstance(value, float) else value for value in values)

    return Table(columns, tuple(map(row, timeline.voice_measurements)))


def _measurements_table(timeline: Timeline) -> Table:
    columns: dict[str, type] = dict.fromkeys(COLUMNS, float) | {"track_id": int}
    return Table(columns, tuple(tuple(row) for row in table_rows(timeline.face_measurements)))


def probability_names(labels: Sequence[str], prefix: str = "p") -> list[str]:
    """Name a column for each label; labels that differ by what no document can hold get a line after their name."""
    names: list[str] = []
    for label in labels:
        name = f"{prefix}_{documentary_line(label)}"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _cells(probabilities: Mapping[str, float] | None, labels: Iterable[str]) -> Iterator[float | None]:
    return (None if probabilities is None else probabilities[label] for label in labels)


def _answer(label: str | None, probabilities: Mapping[str, float] | None) -> tuple[str | None, float | None]:
    """Return the label and its probability."""
    if label is None or probabilities is None:
        return None, None
    return documentary_line(label), probabilities[label]


def _pandas(pandas: Any, cells: Mapping[str, Any], columns: Mapping[str, type]) -> Any:
    kinds = {float: "float64", int: "Int64", str: "string"}  # of which each has a place for what is not known
    return pandas.DataFrame({name: pandas.Series(values, dtype=kinds[columns[name]]) for name, values in cells.items()})


def _polars(polars: Any, cells: Mapping[str, Any], columns: Mapping[str, type]) -> Any:
    kinds = {float: polars.Float64, int: polars.Int64, str: polars.String}
    return polars.DataFrame(
        dict(cells),
        schema={name: kinds[kind] for name, kind in columns.items()},
    )


def _pyarrow(pyarrow: Any, cells: Mapping[str, Any], columns: Mapping[str, type]) -> Any:
    kinds = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
    return pyarrow.table({name: pyarrow.array(values, kinds[columns[name]]) for name, values in cells.items()})


_MAKERS: Final = {"pandas": _pandas, "polars": _polars, "pyarrow": _pyarrow}
_TABLES: Final = {
    "moments": moments_table,
    "faces": _faces_table,
    "people": _people_table,
    "segments": _segments_table,
    "words": _words_table,
    "affect": _affect_table,
    "voice": _voice_table,
    "measurements": _measurements_table,
}
