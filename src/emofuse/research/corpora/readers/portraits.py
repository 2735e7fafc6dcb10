"""Posed faces of known people, cut upright: what the laboratory sets of faces have in common."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.reading import one_line
from emofuse.research.corpora.archives import Archive

SIZE: Final = 140  # pixels, both ways
EDGE: Final = 14  # pixels on each side beyond the framing of `features.face`, an eighth of its width
NOT_SCORED: Final = -1
_TABLE_BYTES: Final = 4 * 2**20  # that labels.csv may have
_PICTURE_BYTES: Final = 128 * 2**10  # of a JPEG of that size, whatever is in it
_MOST_FACES: Final = 50_000  # pictures of 60 kB
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
Row = dict[str, str]  # of labels.csv, by column


@dataclass(frozen=True, slots=True, eq=False)
class Portraits:
    """Faces of a laboratory set.

    Attributes:
        images: (N, 140, 140, 3) uint8 RGB: the framing of `features.face` and EDGE pixels more on each side.
        targets: (N, 8) float32 distributions over FERPLUS, to train on.
        truth: (N,) int64, an index into FERPLUS, or NOT_SCORED for a face that has no single emotion.
        subjects: Who it is, (N,).
        files: What the archive calls each picture, (N,).
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.float32]
    truth: NDArray[np.int64]
    subjects: tuple[str, ...]
    files: tuple[str, ...]

    def of(self, chosen: NDArray[np.bool_]) -> Portraits:
        """Return the faces of a mask, (N,) bool."""
        kept = np.flatnonzero(chosen)
        return replace(
            self,
            images=self.images[kept],
            targets=self.targets[kept],
            truth=self.truth[kept],
            subjects=tuple(self.subjects[i] for i in kept),
            files=tuple(self.files[i] for i in kept),
        )

    def scored(self) -> Portraits:
        """Return the faces that have one emotion."""
        return self.of(self.truth != NOT_SCORED)

    def folds(self, n_folds: int, seed: int = 0) -> NDArray[np.int64]:
        """Return the fold of each face, (N,): every person is in one fold, drawn at random."""
        people = sorted(set(self.subjects))
        order = np.random.default_rng(seed).permutation(len(people))
        fold = {people[person]: place % n_folds for place, person in enumerate(order.tolist())}
        return np.array([fold[subject] for subject in self.subjects], dtype=np.int64)

    def grey(self, size_px: int, edge_px: int = 0) -> NDArray[np.uint8]:
        """Return the faces grey and reduced without aliasing: (N, S, S) with S = size_px + 2 edge_px.

        size_px: of the framing. edge_px: what is kept of the edge on each side.

        Example:
            >>> flat = np.full((1, 140, 140, 3), 7, np.uint8)
            >>> one = Portraits(flat, np.eye(8, dtype=np.float32)[:1], np.array([0]), ("a",), ("a.jpg",))
            >>> one.grey(48, edge_px=6).shape
            (1, 60, 60)
        """
        inner = SIZE - 2 * EDGE
        wide, out = inner + 2 * edge_px * inner / size_px, size_px + 2 * edge_px
        low = round((SIZE - wide) / 2)
        cut = self.images[:, low : SIZE - low, low : SIZE - low]
        grey = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in cut)
        return np.stack([cv2.resize(image, (out, out), interpolation=cv2.INTER_AREA) for image in grey]).astype(
            np.uint8, copy=False
        )


def read_archive(path: str | Path, title: str, columns: Sequence[str]) -> tuple[NDArray[np.uint8], list[Row]]:
    """Read every picture that the labels.csv of a zip names, and its rows.

    Args:
        path: The zip.
        title: What people call the set.
        columns: Those that labels.csv must have.

    Returns:
        (N, 140, 140, 3) uint8 RGB, and N rows by column.

    Raises:
        CorpusError: The file is missing or no such archive, or a picture or a row in it does not fit.
    """
    file = Path(path)
    if not file.is_file():
        raise CorpusError(f"no {title} archive at {file}", "give its folder with --data or EMOFUSE_DATA")
    try:
        with Archive(file) as archive:
            table = archive.read_named("labels.csv", _TABLE_BYTES).decode("utf-8")
            rows = list(csv.DictReader(io.StringIO(table)))
            if len(rows) > _MOST_FACES:
                raise CorpusError(f"{file}: labels.csv has more than {_MOST_FACES:,} rows")
            missing = [column for column in columns if not rows or rows[0].get(column) is None]
            if missing:
                raise CorpusError(f"{file}: labels.csv has no {' or '.join(missing)}")
            images = np.stack(
                [_picture(file, row["file"], archive.read_named(row["file"], _PICTURE_BYTES)) for row in rows]
            )
    except (OSError, ValueError, csv.Error) as error:
        raise CorpusError(f"{file} is not the {title} archive: {one_line(error)}") from None
    return images, rows


def label_of(path: str | Path, row: Mapping[str, str], known: Mapping[str, str]) -> int:
    """Return the index in FERPLUS of a row's emotion. Raises CorpusError for one that is not known."""
    emotion = row["emotion"].strip().lower()
    if emotion not in known:
        raise CorpusError(f"{path}: {row['file']} is {row['emotion']!r}, which is not one of {', '.join(known)}")
    return FERPLUS.index(known[emotion])


def _picture(file: Path, name: str, data: bytes) -> NDArray[np.uint8]:
    image = None
    if _jpeg_size(data) == (SIZE, SIZE):  # before a picture of any size is unpacked
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (SIZE, SIZE, 3):
        raise CorpusError(f"{one_line(name)} in {file} is not a {SIZE} x {SIZE} JPEG picture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return height and width of the first frame of a JPEG file (ITU-T T.81, B.2), or None where it is none."""
    place = 2
    while data[:2] == b"\xff\xd8" and place + 9 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker in _FRAME_MARKERS:
            return int.from_bytes(data[place + 5 : place + 7], "big"), int.from_bytes(
                data[place + 7 : place + 9], "big"
            )
        place += 2 + max(length, 2)
    return None
