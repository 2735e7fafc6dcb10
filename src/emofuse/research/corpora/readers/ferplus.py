"""FER+ (Barsoum et al., 2016, https://arxiv.org/abs/1608.01041): web faces, each with ten crowd votes."""

from __future__ import annotations

import csv
import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.reading import one_line
from emofuse.research.corpora.archives import Archive
from emofuse.research.corpora.corpus import Corpus

Part = Literal["Train", "Valid", "Test"]
N_CLASSES: Final = len(FERPLUS)
SIZE: Final = 48  # pixels, both ways
_TABLE_BYTES: Final = 4 * 2**20  # that a label.csv may have; the largest that there is has 1.4 MB
_PICTURE_BYTES: Final = 64 * 2**10  # of a PNG of that size, whatever is in it
_MOST_FACES: Final = 100_000  # of a part; the largest has 28,000
_PNG_HEAD: Final = struct.Struct(">8s4x4sII")  # signature, length of the first chunk, its name, width and height
UNLABELLED: Final = -1
_FER2013: Final = {
    "neutral": "neutral",
    "happy": "happiness",
    "surprise": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
}


@dataclass(frozen=True, slots=True, eq=False)
class FerPlus:
    """One part of FER+. images: (N, 48, 48) uint8 grey; votes: (N, 10), the eight emotions, unknown, no face."""

    images: NDArray[np.uint8]
    votes: NDArray[np.float32]

    def majority(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the images with a majority emotion and its index in FERPLUS: the published test protocol.

        Single votes are outliers and dropped; a face counts when one emotion then holds more than half of the
        votes (`majority` mode of https://github.com/microsoft/FERPlus). Unknown and no-face faces are left out.
        """
        votes = _without_outliers(self.votes)
        winner = votes.argmax(axis=1)
        keep = (votes.max(axis=1) > 0.5 * votes.sum(axis=1)) & (winner < N_CLASSES)
        return self.images[keep], winner[keep].astype(np.int64)

    def plurality(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return the images whose most-voted label of the raw ten is an emotion, and that emotion (ties: first)."""
        winner = self.votes.argmax(axis=1)
        keep = winner < N_CLASSES
        return self.images[keep], winner[keep].astype(np.int64)

    def distributions(
        self, original: NDArray[np.int64] | None = None, share: float = 0.0
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the images that most voters gave an emotion to, and the distribution of those votes.

        Args:
            original: (N,) FER2013's own label of each picture, of `read_original_labels`.
            share: What it counts for in the distribution, in [0, 1]; the votes count for the rest, and for all where
                the picture has no such label.

        Returns:
            (K, 48, 48) uint8 and (K, 8) float32, rows that add up to 1.
        """
        votes = _without_outliers(self.votes)
        emotion = votes[:, :N_CLASSES].sum(axis=1)
        keep = (emotion > 0) & (emotion >= 0.5 * votes.sum(axis=1))
        target = votes[keep, :N_CLASSES] / emotion[keep, None]
        if original is not None:
            label = original[keep, None]
            mixed = (1 - share) * target + share * np.eye(N_CLASSES)[label[:, 0]]
            target = np.where(label == UNLABELLED, target, mixed)
        return self.images[keep], target.astype(np.float32)


def _without_outliers(votes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(votes <= 1.0, 0.0, votes).astype(np.float32)


def read_ferplus(path: str | Path, part: Part) -> FerPlus:
    """Read one part of the zip that holds FER2013Train, FER2013Valid and FER2013Test with their label.csv.

    Raises CorpusError when the file is missing, is not a zip, or holds a picture or a row that does not fit.
    """
    file = Path(path)
    if not file.is_file():
        raise CorpusError(f"no FER+ archive at {file}", "give its folder with --data or EMOFUSE_DATA")
    try:
        with Archive(file) as archive:
            text = archive.read_named(f"FER2013{part}/label.csv", _TABLE_BYTES).decode("utf-8")
            rows = [row for row in csv.reader(io.StringIO(text)) if row]
            if not rows or any(len(row) != 2 + 10 for row in rows):
                raise CorpusError(f"{file}: FER2013{part}/label.csv must have 12 columns: name, box and ten votes")
            if len(rows) > _MOST_FACES:
                raise CorpusError(f"{file}: FER2013{part}/label.csv has more than {_MOST_FACES:,} rows")
            votes = np.array([row[2:] for row in rows], dtype=np.float32)
            images = np.stack([_picture(archive, f"FER2013{part}/{row[0]}") for row in rows])
    except (OSError, ValueError, csv.Error) as error:
        raise CorpusError(f"{file} is not the FER+ archive: {one_line(error)}") from None
    return FerPlus(images, votes)


def read_original_labels(table: str | Path, archive: str | Path, part: Part) -> NDArray[np.int64]:
    """Read FER2013's own label of every picture of a part of FER+, in the archive's order.

    Args:
        table: A CSV with the columns part, image and fer2013.
        archive: The zip of `read_ferplus`.
        part: Which part.

    Returns:
        (N,) indices into FERPLUS; UNLABELLED for a picture that the table has not.

    Raises:
        CorpusError: The table is missing, or is no such table.
    """
    file = Path(table)
    if not file.is_file():
        raise CorpusError(f"no labels of FER2013 at {file}", "leave them out with data.original_share=0")
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            named = {
                row["image"]: FERPLUS.index(_FER2013[row["fer2013"]])
                for row in csv.DictReader(stream)
                if row["part"] == part
            }
        with Archive(Path(archive)) as zipped:
            rows = csv.reader(io.StringIO(zipped.read_named(f"FER2013{part}/label.csv", _TABLE_BYTES).decode("utf-8")))
            return np.array([named.get(row[0], UNLABELLED) for row in rows if row], dtype=np.int64)
    except (KeyError, ValueError, OSError, csv.Error) as error:
        raise CorpusError(f"{file} does not hold the labels of FER2013: {one_line(error)}") from None


def count_ferplus(path: str | Path, part: Part) -> int:
    """Count the pictures of one part without reading them."""
    with Archive(Path(path)) as archive:
        return sum(name.startswith(f"FER2013{part}/") and name.endswith(".png") for name in archive.members)


def _picture(archive: Archive, name: str) -> NDArray[np.uint8]:
    data = archive.read_named(name, _PICTURE_BYTES)
    head = _PNG_HEAD.unpack(data[: _PNG_HEAD.size].ljust(_PNG_HEAD.size, b"\0"))
    image = None
    if head == (b"\x89PNG\r\n\x1a\n", b"IHDR", SIZE, SIZE):  # before a picture of any size is unpacked
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    if image is None or image.shape != (SIZE, SIZE):
        raise CorpusError(f"{one_line(name)} in the FER+ archive is not a {SIZE} x {SIZE} picture")
    return image.astype(np.uint8, copy=False)


CORPUS: Final[Corpus[FerPlus]] = Corpus(
    "ferplus",
    "FER+",
    "MIT (labels), over web images",
    FERPLUS,
    read_ferplus,
    cautions=("The faces are web photos; FER+ names no subjects, so a person may be in two of its parts.",),
)
