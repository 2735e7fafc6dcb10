"""Clips of a corpus: what is said, how, by whom, and where; and the CSV that lists them."""

from __future__ import annotations

import math
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from sys import intern
from typing import Any, Final, Literal, get_args

import numpy as np

from emofuse.emotions import LABEL_SETS
from emofuse.errors import CorpusError
from emofuse.files import write_csv_file
from emofuse.reading import is_file
from emofuse.research.corpora.table import check_header, open_table, row_of

Sex = Literal["female", "male", "unknown"]
Field = Literal[
    "emotion", "speaker", "sex", "statement", "language", "intensity", "session", "dialogue", "style", "licence"
]


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance. Texts are empty where the corpus has no such information.

    Attributes:
        path: The recording.
        emotion: The corpus's own label.
        speaker: An id that is unique across corpora, such as "ravdess-05".
        sex: "female", "male" or "unknown".
        statement: Which of a corpus's sentences is spoken.
        language: An ISO 639-1 code.
        intensity: As the corpus has it.
        session: The recording session.
        start_s: Where the utterance starts in the recording, in seconds.
        end_s: Where it ends; None for the end of the recording.
        licence: Of the recording.
        sound_path: The recording with the sound if `path` has none; both start at the same time.
        dialogue: The conversation that it is a turn of; clips are in the order of their turns.
        style: How the emotion came about, such as "acted" or "scripted".
        text: The spoken words.

    Example:
        >>> Clip(Path("anna_1.wav"), emotion="happy", speaker="field-anna").sound_file.name
        'anna_1.wav'
    """

    path: Path
    emotion: str
    speaker: str
    sex: Sex = "unknown"
    statement: str = ""
    language: str = ""
    intensity: str = ""
    session: str = ""
    start_s: float = 0.0
    end_s: float | None = None
    licence: str = ""
    sound_path: Path | None = None
    dialogue: str = ""
    style: str = ""
    text: str = ""

    @property
    def sound_file(self) -> Path:
        """The recording that holds its sound."""
        return self.sound_path or self.path


@dataclass(frozen=True, slots=True)
class Manifest:
    """The clips of a corpus.

    Attributes:
        name: Of the corpus.
        labels: The emotions, in order.
        clips: In the order of their names.
        licence: Of the corpus.
        skipped: The files that were left out, each with the reason.

    Example:
        >>> clips = (Clip(Path("a.wav"), "happy", "field-anna"), Clip(Path("b.wav"), "sad", "field-ben"))
        >>> manifest = Manifest("field", ("happy", "sad"), clips, "ours")
        >>> len(manifest), manifest.speakers, manifest.counts()["sad"]
        (2, ['field-anna', 'field-ben'], 1)
    """

    name: str
    labels: tuple[str, ...]
    clips: tuple[Clip, ...]
    licence: str
    skipped: tuple[tuple[Path, str], ...] = ()

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def speakers(self) -> list[str]:
        """The speakers, sorted."""
        return sorted({clip.speaker for clip in self.clips})

    def counts(self) -> Counter[str]:
        """Count clips by emotion.

        Returns:
            The number of clips of each emotion that occurs.
        """
        return self.counts_by("emotion")

    def counts_by(self, field: Field) -> Counter[str]:
        """Count clips by one of their fields.

        Args:
            field: The name of the field.

        Returns:
            The number of clips of each value that occurs.
        """
        return Counter(getattr(clip, field) for clip in self.clips)


COLUMNS: Final = tuple(field.name for field in fields(Clip))
REQUIRED: Final = ("path", "emotion", "speaker")
PATHS: Final = ("path", "sound_path")
SEXES: Final[tuple[Sex, ...]] = get_args(Sex)


def write_manifest(manifest: Manifest, path: str | Path) -> Path:
    """Write the clips as CSV, with a column for each field of `Clip`.

    Paths below the folder of the CSV are written relative to it, so that both can be moved together; others are
    absolute.

    Args:
        manifest: The clips.
        path: The CSV to write.

    Returns:
        The path.

    Raises:
        OutputError: It cannot be written.
        CorpusError: A file name is not valid text.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sound = Path(folder) / "a.wav"
        ...     sound.touch()
        ...     clips = (Clip(sound, "happy", "field-anna"),)
        ...     table = write_manifest(Manifest("field", ("happy",), clips, "ours"), f"{folder}/field.csv")
        ...     print(read_manifest(table).speakers)
        ['field-anna']
    """
    target = Path(path)
    folder = target.absolute().parent
    write_csv_file(target, COLUMNS, (_row(clip, folder) for clip in manifest))
    return target


def _row(clip: Clip, folder: Path) -> list[Any]:
    """Return a clip's cells. Raises CorpusError for text that UTF-8 does not have."""
    row = {column: getattr(clip, column) for column in COLUMNS}
    for column in PATHS:
        row[column] = _from(folder, row[column]) if row[column] else ""
    try:
        "".join(map(str, row.values())).encode()
    except UnicodeEncodeError:
        files = " or ".join(f"{str(file)!a}" for file in dict.fromkeys((clip.path, clip.sound_file)))
        raise CorpusError(f"{files} is not valid text", "rename the file") from None
    return list(row.values())


def is_manifest(file: Path, beginning: str) -> bool:
    """Return whether `write_manifest` wrote a file.

    Args:
        file: Its path, which is not read.
        beginning: The first characters of the file.

    Returns:
        Whether it begins with the header of a manifest.

    Example:
        >>> is_manifest(Path("notes.csv"), "name,age")
        False
    """
    return beginning.startswith(",".join(COLUMNS) + "\n")


def _from(folder: Path, path: Path) -> str:
    text, above = str(path.absolute()), f"{folder}{os.sep}"
    return text.removeprefix(above).replace(os.sep, "/")


def read_manifest(
    path: str | Path, labels: Sequence[str] | None = None, name: str = "", *, leave_out: bool = False
) -> Manifest:
    """Read a CSV with the columns path, emotion and speaker, and any other field of `Clip`.

    Relative paths count from the folder of the CSV. Rows are read one by one, so that only the clips are in memory.
    Unknown columns are listed in `skipped`.

    Args:
        path: The CSV.
        labels: The emotions that are allowed; by default those that occur, in the order of a known label set that has
            them all, or of the alphabet.
        name: Of the manifest; by default that of the file.
        leave_out: Whether invalid rows are left out and listed in `skipped`, rather than an error.

    Returns:
        The clips.

    Raises:
        CorpusError: A row is invalid, such as one with an emotion outside `labels`, or with a missing file; the message
            names the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "a.wav").touch()
        ...     table = Path(folder) / "mine.csv"
        ...     _ = table.write_text("path,emotion,speaker\\na.wav,happy,anna")
        ...     read_manifest(table).counts()["happy"]
        1
    """
    source = Path(path)
    rows = _Rows(source, labels, leave_out)
    with open_table(source, "manifest", "`emofuse corpus prepare` writes one") as (header, lines):
        check_header(source, header, REQUIRED, COLUMNS)
        for line, cells in lines:
            rows.add(line, header, cells)
    clips, skipped = rows.finish()
    unused = [repr(column) for column in header if column not in COLUMNS]
    return Manifest(
        name=name or source.stem,
        labels=tuple(labels) if labels is not None else in_known_order({clip.emotion for clip in clips}),
        clips=clips,
        licence="; ".join(dict.fromkeys(clip.licence for clip in clips if clip.licence)),
        skipped=(*(((source, f"columns that are not used: {', '.join(unused)}"),) if unused else ()), *skipped),
    )


def read_manifest_in_part(path: str | Path) -> Manifest:
    """Read a CSV as `read_manifest` does, leaving out invalid rows.

    Args:
        path: The CSV.

    Returns:
        The clips; `skipped` lists each invalid row with its line.

    Raises:
        CorpusError: It is not such a table, or no row is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "a.wav").touch()
        ...     table = Path(folder) / "mine.csv"
        ...     _ = table.write_text("path,emotion,speaker\\na.wav,happy,anna\\nb.wav,sad,ben")
        ...     len(read_manifest_in_part(table))
        1
    """
    return read_manifest(path, leave_out=True)


class _Rows:
    """The clips of a table, of which each row is checked as it comes."""

    def __init__(self, source: Path, labels: Sequence[str] | None, leave_out: bool) -> None:
        self._source, self._labels, self._leave_out = source, labels, leave_out
        self._clips: list[Clip] = []
        self._skipped: list[tuple[Path, str]] = []
        self._missing: list[str] = []
        self._n_files = 0
        # of path, start and end; 16 bytes for each clip, where a dictionary would take 300
        self._marks, self._lines = array("q"), array("q")
        self._is_file = lru_cache(maxsize=1024)(is_file)  # of recordings that many clips are cut out of

    def add(self, line: int, header: Sequence[str], cells: Sequence[str]) -> None:
        """Take a row. Raises CorpusError where it is amiss and none is to be left out."""
        where = f"{self._source}, line {line}"
        try:
            clip = _clip(row_of(header, cells, where), self._source.parent, where)
            if self._labels is not None and clip.emotion not in self._labels:
                raise CorpusError(f"{where}: the emotion {clip.emotion!r} is not one of {', '.join(self._labels)}")
        except CorpusError as error:
            self._leave(line, error)
            return
        files = (clip.path, clip.sound_path) if clip.sound_path else (clip.path,)
        missing = [file for file in files if not self._is_file(file)]
        self._n_files += len(files)
        if missing and self._leave_out:
            self._leave(line, CorpusError(f"{where}: there is no file {missing[0]}"))
            return
        self._missing += [f"{file} (line {line})" for file in missing]
        self._marks.append(hash(_identity(clip)))
        self._lines.append(line)
        self._clips.append(clip)

    def finish(self) -> tuple[tuple[Clip, ...], list[tuple[Path, str]]]:
        """Return the clips, and what was left out. Raises CorpusError for what is amiss with all of them together."""
        twice = self._twice()
        clips = tuple(clip for i, clip in enumerate(self._clips) if i not in twice) if twice else tuple(self._clips)
        if not clips and self._skipped:
            raise CorpusError(f"{self._source}, {self._skipped[0][1]}")
        if not clips:
            raise CorpusError(f"{self._source} lists no clip")
        if self._missing:
            raise CorpusError(
                f"{self._source}: {len(self._missing)} of {self._n_files} files are missing, "
                f"the first is {self._missing[0]}",
                "relative paths count from the folder of the CSV",
            )
        return clips, self._skipped

    def _leave(self, line: int, error: CorpusError) -> None:
        if not self._leave_out:
            raise error
        self._skipped.append((self._source, error.message.removeprefix(f"{self._source}, ")))

    def _twice(self) -> set[int]:
        """Find clips that came before under another line."""
        marks = np.frombuffer(self._marks, np.int64)
        order = np.argsort(marks, kind="stable")
        same = np.flatnonzero(marks[order][1:] == marks[order][:-1])
        twice: set[int] = set()
        for at in sorted(order[same + 1].tolist()):
            clip = self._clips[at]
            alike = np.flatnonzero(marks[:at] == marks[at]).tolist()  # and a hash may be shared by others
            first = next((i for i in alike if _identity(self._clips[i]) == _identity(clip)), None)
            if first is not None:
                where = f"{self._source}, line {self._lines[at]}"
                path = _from(self._source.absolute().parent, clip.path)
                self._leave(
                    self._lines[at], CorpusError(f"{where}: the same clip as in line {self._lines[first]}, {path}")
                )
                twice.add(at)
        return twice


def _identity(clip: Clip) -> tuple[str, float, float | None]:
    return os.path.normpath(clip.path), clip.start_s, clip.end_s


def _clip(row: dict[str, str], folder: Path, where: str) -> Clip:
    for column in REQUIRED:
        if not row[column].strip():
            raise CorpusError(f"{where}: {column} is empty")
    sex = row.get("sex", "").strip() or "unknown"
    if sex not in SEXES:
        raise CorpusError(f"{where}: sex {sex!r} is not one of {', '.join(SEXES)}")
    start_s = _seconds(row, "start_s", where) or 0.0
    end_s = _seconds(row, "end_s", where)
    if end_s is not None and end_s <= start_s:
        raise CorpusError(f"{where}: end_s {end_s:g} is not after start_s {start_s:g}")
    sound = row.get("sound_path", "")
    # what is the same in many rows is held once
    return Clip(
        path=folder / row["path"],
        emotion=intern(row["emotion"].strip()),
        speaker=intern(row["speaker"].strip()),
        sex=sex,
        statement=intern(row.get("statement", "")),
        language=intern(row.get("language", "")),
        intensity=intern(row.get("intensity", "")),
        session=intern(row.get("session", "")),
        start_s=start_s,
        end_s=end_s,
        licence=intern(row.get("licence", "")),
        sound_path=folder / sound if sound.strip() else None,
        dialogue=intern(row.get("dialogue", "")),
        style=intern(row.get("style", "")),
        text=row.get("text", ""),
    )


def _seconds(row: dict[str, str], column: str, where: str) -> float | None:
    text = row.get(column, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise CorpusError(f"{where}: {column} {text!r} is not a number of seconds")
    return value


def in_known_order(emotions: set[str]) -> tuple[str, ...]:
    """Sort emotions.

    Args:
        emotions: The emotions.

    Returns:
        Them in the order of the smallest label set that has them all, or else of the alphabet.

    Example:
        >>> in_known_order({"sad", "angry", "happy"})
        ('happy', 'sad', 'angry')
    """
    for labels in sorted(LABEL_SETS.values(), key=len):
        if emotions <= set(labels):
            return tuple(label for label in labels if label in emotions)
    return tuple(sorted(emotions))
