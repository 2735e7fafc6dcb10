"""What a batch keeps of each recording that is done, so that a batch that was cut off can go on.

A record lies below `.emofuse` in the folder of the results. It holds the hash of the recording's content, all that the
results depend on, and what the index shows. Results are kept only where both are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel

from emofuse import __version__
from emofuse.errors import EmofuseError
from emofuse.files import atomic_write, make_folder
from emofuse.inference.adaptation import PersonBaseline
from emofuse.inference.analyzer import Analyzer
from emofuse.inference.bundle import Bundle
from emofuse.outputs.index import Digest
from emofuse.reading import file_hash, parse_json, read_bytes
from emofuse.recordings.one import Options
from emofuse.recordings.plan import RECORDS, Task
from emofuse.remote import Address, Place, download, input_size, remote_files, version_of

_SCHEMA: Final = "emofuse-batch/1"
_MOST_MB: Final = 64
# Of `Options`: what no result depends on, and what is told by other entries of a record
_NOT_COMPARED: Final = {"call", "formats", "bundle", "words", "resume", "people"}
_NOT_COMPARED_WORDS: Final = {"found", "searched"}


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a recording that is done.

    Attributes:
        source: The recording, as it was named.
        content: SHA-256 of it; at an address, of what its store tells of the version that is there.
        transcript: SHA-256 of the transcript; None where there was none.
        settings: All that results depend on beside these (`settings_of`).
        formats: What was asked for.
        sizes: The files that were written, as paths below the folder of the results, and their bytes.
        digest: What the index shows.
    """

    source: str
    content: str
    transcript: str | None
    settings: Mapping[str, Any]
    formats: tuple[str, ...]
    sizes: Mapping[str, int]
    digest: Digest

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "schema": _SCHEMA,
            **{f.name: getattr(self, f.name) for f in fields(self)},
            "digest": self.digest.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild it from `to_json`. Raises KeyError, TypeError or ValueError where it is another."""
        if document["schema"] != _SCHEMA:
            raise ValueError(f"schema is {document['schema']!r}")
        return cls(
            source=str(document["source"]),
            content=str(document["content"]),
            transcript=None if document["transcript"] is None else str(document["transcript"]),
            settings=dict(document["settings"]),
            formats=tuple(map(str, document["formats"])),
            sizes={str(name): int(size) for name, size in document["sizes"].items()},
            digest=Digest.from_json(document["digest"]),
        )

    def files(self, out: Place) -> tuple[Place, ...] | None:
        """Return the results; None where one of them is gone or has another size."""
        found = {out / name: size for name, size in self.sizes.items()}
        try:
            is_whole = all(input_size(file) == size for file, size in found.items())
        except (OSError, EmofuseError):
            return None
        return tuple(found) if is_whole else None

    def why_not(self, content: str, transcript: str | None, settings: Mapping[str, Any], wanted: Sequence[str]) -> str:
        """Return why these results are not what is asked for now; "" where they are."""
        if self.content != content:
            return "the recording has changed"
        if self.transcript != transcript:
            return "its transcript is another"
        changed = _differences(self.settings, settings)
        if changed:
            return f"they were made with another {', '.join(changed)}"
        missing = [name for name in wanted if name not in self.formats]
        return f"{', '.join(missing)} was not written" if missing else ""


def settings_of(options: Options, bundle: Bundle) -> dict[str, Any]:
    """Return all that results depend on beside the recording and its transcript, as JSON can hold it.

    Every option counts, also one that a later release adds, unless it is listed here as one that nothing depends on.
    """
    words = {f.name: _plain(getattr(options.words, f.name)) for f in fields(options.words)}
    return {
        "version": __version__,
        **{f.name: _plain(getattr(options, f.name)) for f in fields(options) if f.name not in _NOT_COMPARED},
        "words": {name: value for name, value in words.items() if name not in _NOT_COMPARED_WORDS},
        "models": [asdict(model) for model in Analyzer(bundle, settings=options.settings).models()],
    }


def content_of(source: Place) -> str:
    """Return what changes when a recording does. Raises OSError or MediaError where it cannot be read."""
    return version_of(source) if isinstance(source, Address) else file_hash(source)


def write_record(path: Path, record: Record) -> None:
    """Keep a record. Raises OutputError where that cannot be."""
    make_folder(path.parent)
    with atomic_write(path) as name:
        name.write_text(json.dumps(record.to_json()), encoding="utf-8")


def read_record(place: Place) -> Record | None:
    """Return what is recorded there; None where there is nothing, or nothing whole."""
    try:
        data = download(place, _MOST_MB) if isinstance(place, Address) else read_bytes(place, _MOST_MB)
        return Record.from_json(parse_json(data))
    except (OSError, LookupError, TypeError, ValueError, AttributeError, EmofuseError):
        return None


def other_records(out: Place, tasks: Sequence[Task]) -> Iterator[Record]:
    """Yield what is recorded of recordings that are not among these, in the order of their names."""
    own = {task.record for task in tasks}
    if isinstance(out, Address):
        places: list[Place] = [address for address, _ in remote_files(out / RECORDS)]
    else:
        places = [*sorted((out / RECORDS).rglob("*.json"))]
    for place in places:
        record = None if place in own else read_record(place)
        if record is not None:
            yield record


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, PersonBaseline):
        return value.to_json()
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    raise TypeError(f"a setting of type {type(value).__name__} cannot be compared")


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name the settings that differ; those of a group by their own names."""
    names: list[str] = []
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name), now.get(name)
        if old != new and isinstance(old, Mapping) and isinstance(new, Mapping):
            names += _differences(old, new)
        elif old != new:
            names.append(name)
    return names
