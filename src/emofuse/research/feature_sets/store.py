"""Feature sets: utterances with an array of features for each modality, computed before, and their labels.

A table `dataset.csv` with a row for each utterance, and the arrays in `features.zip` or in a folder `features`:
`features/{visual,acoustic,lexical}_features/SessionN/DIALOGUE/UTTERANCE.npy`, (T, D) or (D,).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError, UsageError
from emofuse.files import atomic_write, make_folder, write_csv_file
from emofuse.reading import is_file, is_folder
from emofuse.research.corpora.manifest import Clip, Manifest, in_known_order
from emofuse.research.feature_sets.archive import FOLDER, FeatureFiles, Unreadable
from emofuse.research.feature_sets.table import (
    CORPUS,
    EMOTIONS,
    FEATURES,
    NAME,
    OF_CLIP,
    SPEAKER,
    TABLE,
    Utterance,
    in_order,
    read_utterances,
)

Array = NDArray[np.float32]
NO_FILE: Final = "no file named"
WRONG_SIZE: Final = "wrong size"
_UNSAFE: Final = re.compile(r"[^\w.+-]|^\.+")  # what a name of a file has not everywhere


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSet:
    """Utterances and their features. The path of a clip is the set's folder and its name: there is no such file.

    features: modality → for each clip an array (T, D) float32, or None where it has none; D is the same within a
    modality. A modality that no utterance has is not a key. absent: every modality of the table → why an utterance has
    none of it → how many have not. columns: those of the table that a Clip has no field for → a text for each clip.
    """

    manifest: Manifest
    features: Mapping[str, tuple[Array | None, ...]]
    absent: Mapping[str, Counter[str]]
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for modality, arrays in self.features.items():
            if len(arrays) != len(self.manifest):
                raise ValueError(f"{modality}: {len(arrays)} arrays of {len(self.manifest)} clips")
            shapes = {array.shape[1:] for array in arrays if array is not None}
            if len(shapes) != 1 or len(next(iter(shapes))) != 1:
                raise ValueError(f"{modality}: not all arrays are (T, D) of one D; beside T they are {sorted(shapes)}")

    @property
    def dims(self) -> dict[str, int]:
        """The number of features D of each modality."""
        return {name: next(a.shape[1] for a in arrays if a is not None) for name, arrays in self.features.items()}


def find_feature_set(name: str, data: str | Path | None) -> FeatureSet:
    """Read the set in the folder of that name in the folder `data`, or else at the path `name`.

    Raises UsageError where there is no such folder, CorpusError where it holds no feature set.
    """
    for path in ([Path(data) / name] if data else []) + [Path(name)]:
        if is_file(path / TABLE) or is_file(path):
            return read_feature_set(path)
    where = f"in {data}, and none at that path" if data else "at that path, and there is no data folder to look in"
    raise UsageError(f"no feature set {name!r} {where}", f"a folder with {TABLE}; give --data or EMOFUSE_DATA")


def read_feature_set(path: str | Path, name: str = "") -> FeatureSet:
    """Read a folder with `dataset.csv` and the features, or that table itself. name: if not the folder's.

    Columns: `file_name_list`, `speakers`, `emotion_labels` or `emotion`, one for each modality (`visual_features`:
    paths of arrays, empty where there is none), and any of session, dialogue, scripted (0 or 1) or style, split (the
    session, where no other is named), corpus, and texts of Clip. What is not told is read from the names of
    IEMOCAP's and MELD's utterances. A speaker is called "CORPUS-SPEAKER", CORPUS being the set's name where there is
    no such column, so that speakers of two sets are not taken for one.

    A file that is missing or damaged, holds numbers that are not finite, or has another D than most, is none: the
    utterance has not that modality, which `absent` counts. An utterance without any modality or emotion, and one that
    is there twice, is left out and listed in the manifest's `skipped`. Clips stand as in the table, but the turns of
    a dialogue in the order that their names tell.
    Raises CorpusError where there is no such table or archive, where an utterance has two emotions, and where none is
    left.
    """
    table = Path(path)
    table = table / TABLE if is_folder(table) else table
    name = name or table.absolute().parent.name.lower()
    utterances, modalities, further, skipped = read_utterances(table, name)
    with FeatureFiles(table.parent) as files:
        found = {m: _of_one_size([_read(files, each.files[m]) for each in utterances]) for m in modalities}
    kept: list[int] = []
    for index, utterance in enumerate(utterances):
        reasons = {m: reason for m in modalities if isinstance(reason := found[m][index], str)}
        if len(reasons) < len(modalities):
            kept.append(index)
        else:
            told = "; ".join(f"{modality}: {reason}" for modality, reason in reasons.items())
            skipped.append((utterance.clip.path, f"no features: {told}"))
    if not kept:
        first = f", the first {skipped[0][0].name}: {skipped[0][1]}" if skipped else ""
        raise CorpusError(f"{table} has no utterance with features", f"left out {len(skipped)}{first}")
    return _feature_set(
        name, [utterances[i] for i in kept], {m: [a[i] for i in kept] for m, a in found.items()}, further, skipped
    )


def _feature_set(
    name: str,
    utterances: Sequence[Utterance],
    found: Mapping[str, Sequence[Array | str]],
    further: Sequence[str],
    skipped: Sequence[tuple[Path, str]],
) -> FeatureSet:
    clips = tuple(utterance.clip for utterance in utterances)
    manifest = Manifest(
        name,
        in_known_order({clip.emotion for clip in clips}),
        clips,
        "; ".join(dict.fromkeys(clip.licence for clip in clips if clip.licence)),
        tuple(skipped),
    )
    features = {m: tuple(None if isinstance(array, str) else array for array in arrays) for m, arrays in found.items()}
    return FeatureSet(
        manifest,
        {m: arrays for m, arrays in features.items() if any(array is not None for array in arrays)},
        {m: Counter(reason for reason in arrays if isinstance(reason, str)) for m, arrays in found.items()},
        {column: tuple(utterance.further[column] for utterance in utterances) for column in further},
    )


def _read(files: FeatureFiles, path: str) -> Array | str:
    """Return the array, or why there is none."""
    if not path:
        return NO_FILE
    try:
        return files.read(path)
    except Unreadable as reason:
        return str(reason)


def _of_one_size(found: Sequence[Array | str]) -> list[Array | str]:
    """Keep the arrays of the D that most have, of two equally frequent the one that comes first."""
    sizes = Counter(array.shape[1] for array in found if not isinstance(array, str))
    most = sizes.most_common(1)[0][0] if sizes else 0
    return [array if isinstance(array, str) or array.shape[1] == most else WRONG_SIZE for array in found]


def write_feature_set(feature_set: FeatureSet, folder: str | Path) -> Path:
    """Write a folder that `read_feature_set` reads: the arrays as .npy below `features`, then `dataset.csv`.

    Every file is written whole or not at all, and the table last: where it is, all files that it names are. Why a
    modality is absent is not written. A speaker's corpus is what stands before the first dash, or else the set's name.
    Returns the path of the table. Raises OutputError where a file cannot be written, CorpusError for a set of none and
    for utterances whose names are one in a file system.
    """
    folder = Path(folder)
    clips = feature_set.manifest.clips
    if not clips:
        raise CorpusError(f"{feature_set.manifest.name} has no utterance to write")
    stems = [place_of(clip) for clip in clips]
    twice = [clip.path.name for clip, n in zip(clips, _counts_so_far([s.casefold() for s in stems]), strict=True) if n]
    if twice:
        raise CorpusError(f"two utterances have the name {twice[0]!r}, as a file system may see it", "rename one")
    rows = [table_row(clip, feature_set.manifest.name) for clip in clips]
    for modality in in_order(list({*feature_set.features, *feature_set.absent})):
        arrays = feature_set.features.get(modality, (None,) * len(clips))
        for row, stem, array in zip(rows, stems, arrays, strict=True):
            row[modality + FEATURES] = "" if array is None else f"/{FOLDER}/{modality}{FEATURES}/{stem}.npy"
            if array is not None:
                write_array(folder / row[modality + FEATURES][1:], array)
    for column, texts in feature_set.columns.items():
        for row, text in zip(rows, texts, strict=True):
            row[column] = text
    return write_table(folder, rows)


def write_table(folder: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    """Write the rows, which have the same columns, as the table of the set in `folder`; return its path."""
    make_folder(folder)
    write_csv_file(folder / TABLE, rows[0], ([row[column] for column in rows[0]] for row in rows))
    return folder / TABLE


def table_row(clip: Clip, name: str) -> dict[str, str]:
    """Return what the table says of a clip, but for its features. name: the set's, for speakers of no corpus."""
    corpus, dash, speaker = clip.speaker.partition("-")
    return {
        NAME: clip.path.name,
        CORPUS: corpus if dash else name,
        SPEAKER: speaker if dash else clip.speaker,
        EMOTIONS[1]: clip.emotion,
        **{column: getattr(clip, column) for column in OF_CLIP},
    }


def place_of(clip: Clip) -> str:
    """Return where a clip's features lie below the folder of a modality, without suffix: SessionN/DIALOGUE/UTTERANCE,
    less what the clip does not tell."""
    session = f"Session{clip.session}" if clip.session.isdecimal() else clip.session
    return "/".join(safe_name(part) for part in (session, clip.dialogue, clip.path.name) if part)


def safe_name(text: str) -> str:
    """Return a text as a file or folder can be called on every system."""
    return _UNSAFE.sub("_", text)


def _counts_so_far(names: Sequence[str]) -> list[int]:
    seen: Counter[str] = Counter()
    counts = []
    for name in names:
        counts.append(seen[name])
        seen[name] += 1
    return counts


def write_array(path: Path, array: NDArray[np.floating[Any]]) -> None:
    """Write an array as .npy, whole or not at all, and the folders above it."""
    make_folder(path.parent)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
