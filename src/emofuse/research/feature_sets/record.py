"""Where the features of each clip lie in a feature set, and the record of what was made of what: `extract.json`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emofuse.errors import CorpusError, UsageError
from emofuse.files import atomic_write
from emofuse.reading import parse_json, read_bytes
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.feature_sets.archive import FOLDER
from emofuse.research.feature_sets.encoders import Features
from emofuse.research.feature_sets.store import safe_name, table_row, write_array, write_table
from emofuse.research.feature_sets.table import FEATURES, FIRST, TABLE
from emofuse.types import Json

RECORD: Final = "extract.json"
FORMAT: Final = 1  # of the record
_MOST_MB: Final = 512.0  # of it
_LONGEST: Final = 100  # characters of a name, which leaves room under any limit
_WAYS: Final[tuple[Callable[[Clip], str], ...]] = (  # of calling clips whose files have the same name
    lambda clip: f"{clip.path.stem}_{round(clip.start_s * 1000):07}",
    lambda clip: f"{clip.path.parent.name}_{clip.path.stem}",
    lambda clip: f"{clip.path.parent.name}_{clip.path.stem}_{round(clip.start_s * 1000):07}",
)


def utterance_names(clips: Sequence[Clip]) -> list[str]:
    """Return a name for each clip: its file's, made unique also for those to whom capitals are alike.

    Clips of one name are told apart by where they start (in milliseconds), by the folder, by both, or by a number.
    """
    names = [_safe(clip.path.stem) for clip in clips]
    alike: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(names):
        alike[name.casefold()].append(i)
    for group in alike.values():
        for way in _WAYS if len(group) > 1 else ():
            for i in group:
                names[i] = _safe(way(clips[i]))
            if len({names[i].casefold() for i in group}) == len(group):
                break
    taken: set[str] = set()
    for i, name in enumerate(names):
        number = 1
        while names[i].casefold() in taken:
            number += 1
            names[i] = f"{name}-{number}"
        taken.add(names[i].casefold())
    return names


def _safe(name: str) -> str:
    return safe_name(name)[:_LONGEST] or "_"


@dataclass(slots=True)
class Record:
    """What a folder holds: for each modality, its encoder and, by place, what came of which source.

    entries: modality → place → {"source": hash, "shape": [T, D]}, or {"source": hash, "absent": reason}.
    """

    folder: Path
    encoders: dict[str, Json] = field(default_factory=dict)
    entries: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))

    def made(self, modality: str, place: str, source: str) -> Json | None:
        """Return what was made of this very source, if it was, and is still there."""
        entry = self.entries[modality].get(place)
        if entry is None or entry["source"] != source:
            return None
        return entry if "absent" in entry or self.file(modality, place).is_file() else None

    def file(self, modality: str, place: str) -> Path:
        """Return the file of an array."""
        return self.folder / FOLDER / f"{modality}{FEATURES}" / f"{place}.npy"

    def keep(self, modality: str, place: str, source: str, made: Features | str) -> None:
        """Store an array (T, D), or the reason why there is none."""
        if isinstance(made, str):
            self.entries[modality][place] = {"source": source, "absent": made}
            return
        write_array(self.file(modality, place), made)
        self.entries[modality][place] = {"source": source, "shape": list(made.shape)}

    def save(self) -> None:
        """Write the record. What it does not name is not trusted, whatever lies there."""
        text = json.dumps({"format": FORMAT, "encoders": self.encoders, "made": self.entries}, indent=1)
        with atomic_write(self.folder / RECORD) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def open_record(folder: Path, encoders: Mapping[str, Json], overwrite: bool) -> Record:
    """Read what an earlier run left in `folder`, to go on with these encoders.

    Raises UsageError where a modality there is of another encoder, unless `overwrite`: then it is made again; and
    where a feature set lies there that this did not make. CorpusError for a record that cannot be read.
    """
    path = folder / RECORD
    if not path.exists():
        if (folder / TABLE).exists() or (folder / FOLDER).exists():
            raise UsageError(f"{folder} holds a feature set that was not made here", "choose another folder with -o")
        return Record(folder, dict(encoders))
    try:
        text = parse_json(read_bytes(path, _MOST_MB))
        if text["format"] != FORMAT:
            raise ValueError(f"it is of format {text['format']}, not {FORMAT}")
        record = Record(folder, text["encoders"], defaultdict(dict, text["made"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"cannot read {path}: {error}", "choose another folder with -o, or remove this one") from None
    for modality, identity in encoders.items():
        earlier = record.encoders.get(modality, identity)
        if overwrite:
            record.entries.pop(modality, None)
        elif earlier != identity:
            raise UsageError(
                f"{folder} holds {modality} features of another encoder: {_difference(earlier, identity)}",
                "choose another folder with -o, or make them again with --overwrite",
            )
        record.encoders[modality] = identity
    return record


def _difference(earlier: Json, now: Json) -> str:
    """Say what is another: the name alone where it is, for then all the rest is too."""
    differ = [key for key in (*earlier, *(set(now) - set(earlier))) if earlier.get(key) != now.get(key)]
    keys = ["encoder"] if "encoder" in differ else differ
    return "; ".join(f"{key} was {_short(earlier.get(key))}, now {_short(now.get(key))}" for key in keys)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def finish(record: Record, manifest: Manifest, where: Sequence[str], modalities: Sequence[str]) -> Path:
    """Write `dataset.csv`, by which the set is there: a row for each clip, with what it has of these modalities.

    The clips of the manifest are called as utterances are.
    """
    rows = []
    for clip, place in zip(manifest, where, strict=True):
        row = table_row(clip, manifest.name)
        for modality in FIRST:
            has = modality in modalities and "shape" in record.entries[modality][place]
            row[modality + FEATURES] = f"/{FOLDER}/{modality}{FEATURES}/{place}.npy" if has else ""
        rows.append(row)
    return write_table(record.folder, rows)
