"""A timeline as files that other tools read: JSON and CSV. docs/json.md describes both."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from emofuse.errors import UsageError
from emofuse.face_measurements import COLUMNS, table_rows
from emofuse.files import atomic_write, write_csv_file
from emofuse.outputs.records import table_of
from emofuse.reading import one_line, parse_json, read_bytes
from emofuse.timeline import Timeline
from emofuse.types import Json

_MOST_MB: Final = 1024.0  # of a document: a day of moments for every frame
_ONE_PER_LINE: Final = ("people", "moments", "segments", "lines")


def write_json(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the `emofuse/2` document as UTF-8, one moment, segment, line and person per line.

    Raises OutputError when `path` cannot be written.
    """
    # A file name that is not Unicode has lone surrogates; backslashreplace makes JSON escapes of them.
    with (
        atomic_write(path) as name,
        name.open("w", encoding="utf-8", newline="\n", errors="backslashreplace") as out,
    ):
        out.writelines(document_pieces(timeline.lazy_json(), _compact))


def read_json(path: str | os.PathLike[str]) -> Timeline:
    """Read what `write_json` wrote.

    Args:
        path: The JSON file, of at most 1 GB.

    Returns:
        The timeline, without what a document does not keep: landmarks and qualities.

    Raises:
        UsageError: where it cannot be read, or is not a document of emofuse.
    """
    try:
        return Timeline.from_json(parse_json(read_bytes(path, _MOST_MB)))
    except FileNotFoundError:
        raise UsageError(f"no timeline at {os.fspath(path)}") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {os.fspath(path)}: {one_line(error)}") from None
    except UsageError as error:
        raise UsageError(f"{os.fspath(path)}: {error.message}", error.hint) from None


def write_csv(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write one row per moment as UTF-8: the table "moments" (`records.table_of`). p_<label> is fused, the rest are
    named by their modality.

    A cell is empty where nothing spoke. Raises OutputError when `path` cannot be written.
    """
    table = table_of(timeline, "moments")
    write_csv_file(path, table.columns, table.rows)


def write_faces_csv(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write one row per face and picture as UTF-8: the angles of head and gaze, and how far each movement is made.

    The columns alone are written where nothing was measured. Raises OutputError when `path` cannot be written.
    """
    write_csv_file(path, COLUMNS, table_rows(timeline.face_measurements))


def document_pieces(document: Json, encode: Callable[[Any], str]) -> Iterator[str]:
    """Yield the text of `Timeline.lazy_json`, one moment, segment, line and person per line, as its moments are made.

    encode: what makes compact JSON of a value.
    """
    yield "{"
    for i, (key, value) in enumerate(document.items()):
        yield f'{"," if i else ""}\n"{key}": '
        if key not in _ONE_PER_LINE:
            yield encode(value)
            continue
        n_written = 0
        for n_written, item in enumerate(value, start=1):
            yield ("[\n" if n_written == 1 else ",\n") + encode(item)
        yield "\n]" if n_written else "[]"
    yield "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
