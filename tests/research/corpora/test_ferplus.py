"""FER+: votes into labels by hand, and archives that are not whole."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.ferplus import FerPlus, Part, read_ferplus

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, no face
CLEAR = [8, 2, 0, 0, 0, 0, 0, 0, 0, 0]
OUTLIERS = [1, 4, 1, 1, 1, 1, 1, 0, 0, 0]  # 4 of 10 votes, but all that is left without single ones
HALF = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]  # a tie; half is not more than half
EXACTLY_HALF = [2, 0, 0, 5, 3, 0, 0, 0, 0, 0]
UNKNOWN = [2, 0, 0, 0, 0, 0, 0, 0, 8, 0]
NO_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 0, 10]
UNSURE = [0, 0, 0, 0, 3, 0, 0, 2, 5, 0]  # unknown leads, but emotions have half of the votes
SCATTERED = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
ROWS = [CLEAR, OUTLIERS, HALF, EXACTLY_HALF, UNKNOWN, NO_FACE, UNSURE, SCATTERED]


@pytest.fixture
def faces() -> FerPlus:
    """Return one flat picture for each of ROWS, as bright as its number."""
    images = np.stack([np.full((48, 48), i, np.uint8) for i in range(len(ROWS))])
    return FerPlus(images, np.array(ROWS, dtype=np.float32))


def png(value: int = 0, size: tuple[int, int] = (48, 48)) -> bytes:
    """Return a flat grey picture as PNG."""
    return cv2.imencode(".png", np.full(size, value, np.uint8))[1].tobytes()


def write_zip(path: Path, rows: Sequence[str], pictures: Mapping[str, bytes], part: Part = "Test") -> Path:
    """Write an archive of one part; rows are those of its label.csv."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))
        for name, data in pictures.items():
            archive.writestr(f"FER2013{part}/{name}", data)
    return path


def row(name: str, votes: Sequence[int]) -> str:
    return ",".join([name, '"(0, 0, 48, 48)"', *map(str, votes)])


def test_a_majority_is_more_than_half_of_the_votes_without_single_ones(faces: FerPlus) -> None:
    images, labels = faces.majority()
    assert images[:, 0, 0].tolist() == [0, 1]
    assert labels.tolist() == [FERPLUS.index("neutral"), FERPLUS.index("happiness")]


def test_a_plurality_is_the_most_voted_of_the_raw_ten(faces: FerPlus) -> None:
    images, labels = faces.plurality()
    # of a tie the first; unknown and no face do not count as emotions
    assert images[:, 0, 0].tolist() == [0, 1, 2, 3, 7]
    assert labels.tolist() == [0, 1, 0, 3, 0]


def test_distributions_are_of_the_votes_for_emotions(faces: FerPlus) -> None:
    images, targets = faces.distributions()
    assert images[:, 0, 0].tolist() == [0, 1, 2, 3, 6]
    expected = np.array(
        [
            [0.8, 0.2, 0, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 0, 0, 0, 0],
            [0.5, 0.5, 0, 0, 0, 0, 0, 0],
            [0.2, 0, 0, 0.5, 0.3, 0, 0, 0],
            [0, 0, 0, 0, 0.6, 0, 0, 0.4],
        ],
        dtype=np.float32,
    )
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets, expected, atol=1e-7)


def test_labels_leave_the_votes_alone(faces: FerPlus) -> None:
    faces.majority(), faces.plurality(), faces.distributions()
    assert faces.votes.tolist() == ROWS


def test_a_part_is_read_in_the_order_of_its_table(tmp_path: Path) -> None:
    pictures = {"a.png": png(10), "b.png": png(200)}
    path = write_zip(tmp_path / "f.zip", [row("b.png", CLEAR), "", row("a.png", UNKNOWN)], pictures, "Valid")
    part = read_ferplus(path, "Valid")
    assert part.images.shape == (2, 48, 48)
    assert part.images.dtype == np.uint8
    assert part.images[:, 5, 5].tolist() == [200, 10]
    assert part.votes.tolist() == [CLEAR, UNKNOWN]


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no FER\\+ archive at") as caught:
        read_ferplus(tmp_path / "f.zip", "Train")
    assert "EMOFUSE_DATA" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 and then nothing"])
def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "f.zip"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="is not the FER\\+ archive"):
        read_ferplus(path, "Test")


def test_an_archive_that_is_cut_off_or_damaged_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    pictures = {"a.png": cv2.imencode(".png", noise)[1].tobytes()}
    path = write_zip(tmp_path / "f.zip", [row("a.png", CLEAR)], pictures)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="is not the FER\\+ archive"):
        read_ferplus(path, "Test")
    at = whole.index(pictures["a.png"]) + 500
    path.write_bytes(whole[:at] + b"\0" * 20 + whole[at + 20 :])
    with pytest.raises(CorpusError, match="is not the FER\\+ archive"):
        read_ferplus(path, "Test")


def test_a_part_or_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "f.zip", [row("a.png", CLEAR)], {})
    with pytest.raises(CorpusError, match=r"FER2013Test/a\.png"):
        read_ferplus(path, "Test")
    with pytest.raises(CorpusError, match=r"FER2013Train/label\.csv"):
        read_ferplus(path, "Train")


@pytest.mark.parametrize("picture", [png(size=(64, 64)), png(size=(48, 47)), b"no picture", b""])
def test_a_picture_that_does_not_fit_is_named(tmp_path: Path, picture: bytes) -> None:
    path = write_zip(tmp_path / "f.zip", [row("a.png", CLEAR)], {"a.png": picture})
    with pytest.raises(CorpusError, match=r"FER2013Test/a\.png in the FER\+ archive is not a 48 x 48 picture"):
        read_ferplus(path, "Test")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
@pytest.mark.parametrize("name", ["FER2013Test/label.csv", "FER2013Test/a.png"])
def test_what_unpacks_to_more_than_it_can_be_is_refused(
    tmp_path: Path, name: str, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.zip"
    files = {"FER2013Test/label.csv": row("a.png", CLEAR).encode(), "FER2013Test/a.png": png()}
    files[name] += bytes(8 * 2**20)
    with zipfile.ZipFile(path, "w", method) as archive:
        for each, data in files.items():
            archive.writestr(each, data)
    unpacked: list[int] = []
    original = zipfile.ZipExtFile.read

    def read(file: zipfile.ZipExtFile, n: int) -> bytes:
        data = original(file, n)
        unpacked.append(len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", read)
    with pytest.raises(CorpusError, match=r"larger than|LZMA"):
        read_ferplus(path, "Test")
    assert sum(unpacked) < 5 * 2**20


def test_a_picture_that_says_to_be_huge_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = bytearray(png())
    huge[16:24] = struct.pack(">II", 30_000, 30_000)
    path = write_zip(tmp_path / "f.zip", [row("a.png", CLEAR)], {"a.png": bytes(huge)})
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was unpacked"))
    with pytest.raises(CorpusError, match="not a 48 x 48 picture"):
        read_ferplus(path, "Test")


@pytest.mark.parametrize(
    "rows", [[], [row("a.png", CLEAR[:9])], [row("a.png", [*CLEAR, 0])], ["a.png,box," + ",".join("abcdefghij")]]
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, rows: list[str]) -> None:
    path = write_zip(tmp_path / "f.zip", rows, {"a.png": png()})
    with pytest.raises(CorpusError, match=r"12 columns|not the FER\+ archive"):
        read_ferplus(path, "Test")


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("part", "n_faces", "n_majority"), [("Train", 28_558, 25_045), ("Valid", 3_579, 3_191), ("Test", 3_573, 3_137)]
)
def test_the_real_corpus_is_whole(corpora: Path, part: Part, n_faces: int, n_majority: int) -> None:
    faces = read_ferplus(corpora / "ferplus.zip", part)
    assert faces.images.shape == (n_faces, 48, 48)
    assert set(faces.votes.sum(axis=1).tolist()) <= {9.0, 10.0}  # a few faces lack a vote
    assert len(faces.majority()[1]) == n_majority
