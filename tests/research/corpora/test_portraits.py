"""Laboratory sets of faces: what their labels become, and archives that are not whole."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.cfee import read_cfee
from emofuse.research.corpora.readers.portraits import EDGE, NOT_SCORED, SIZE, Portraits
from emofuse.research.corpora.readers.taiwan import read_taiwan

CFEE_COLUMNS = ("file", "subject", "emotion_idx", "emotion", "type")
TAIWAN_COLUMNS = (
    "file", "subject", "acted", "emotion", "v_happy", "v_sad", "v_anger", "v_disgust", "v_fear", "v_surprise"
)  # fmt: skip


def jpeg(rgb: tuple[int, int, int] = (0, 0, 0), size_px: int = SIZE) -> bytes:
    flat = np.full((size_px, size_px, 3), rgb[::-1], np.uint8)
    return cv2.imencode(".jpg", flat)[1].tobytes()


def write_archive(
    path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]], picture: bytes = jpeg()
) -> Path:
    table = io.StringIO()
    csv.writer(table).writerows([columns, *rows])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.csv", table.getvalue())
        for row in rows:
            archive.writestr(str(row[0]), picture)
    return path


def mixture(**shares: float) -> list[float]:
    return [shares.get(label, 0.0) for label in FERPLUS]


def test_a_simple_face_of_cfee_is_scored_and_a_compound_one_trains_as_its_halves(tmp_path: Path) -> None:
    rows = [
        ("0001.jpg", 111, 1, "Neutral", "simple"),
        ("0002.jpg", 114, 6, "Disgusted", "simple"),
        ("0003.jpg", 111, 17, "Fearfully surprised", "compound"),
        ("0004.jpg", 111, 13, "Hatred", "compound"),
    ]
    faces = read_cfee(write_archive(tmp_path / "cfee.zip", CFEE_COLUMNS, rows, jpeg((200, 30, 60))))
    assert faces.truth.tolist() == [FERPLUS.index("neutral"), FERPLUS.index("disgust"), NOT_SCORED, NOT_SCORED]
    np.testing.assert_allclose(
        faces.targets,
        [mixture(neutral=1), mixture(disgust=1), mixture(fear=0.5, surprise=0.5), mixture(anger=0.5, disgust=0.5)],
    )
    assert faces.subjects == ("111", "114", "111", "111")
    assert faces.scored().files == ("0001.jpg", "0002.jpg")
    np.testing.assert_allclose(faces.images[0, 70, 70].astype(int), [200, 30, 60], atol=4)  # red, green, blue


def test_raters_have_four_tenths_of_a_taiwanese_face_but_no_say_about_neutral(tmp_path: Path) -> None:
    rows = [
        ("a.jpg", "01", 1, "fear", 0.0, 0.0, 0.0, 0.0, 0.25, 0.75),
        ("b.jpg", "02", 0, "neutral", 0.6, 0.1, 0.1, 0.2, 0.0, 0.0),
        ("c.jpg", "02", 2, "anger", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ]
    faces = read_taiwan(write_archive(tmp_path / "taiwan.zip", TAIWAN_COLUMNS, rows))
    expected = [mixture(fear=0.7, surprise=0.3), mixture(neutral=1), mixture(anger=1)]
    np.testing.assert_allclose(faces.targets, expected, atol=1e-6)
    assert [FERPLUS[i] for i in faces.truth] == ["fear", "neutral", "anger"]


@pytest.mark.parametrize("read", [read_cfee, read_taiwan])
def test_an_archive_that_is_not_one_says_so(tmp_path: Path, read: object) -> None:
    assert callable(read)
    with pytest.raises(CorpusError, match="archive at"):
        read(tmp_path / "absent.zip")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(CorpusError, match="is not the"):
        read(tmp_path / "text.zip")
    with pytest.raises(CorpusError, match=r"labels\.csv has no subject"):
        read(write_archive(tmp_path / "bare.zip", ("file", "emotion"), [("a.jpg", "fear")]))


@pytest.mark.parametrize(
    ("emotion", "kind", "picture", "message"),
    [
        ("Bored", "simple", jpeg(), "'Bored', which is not one of"),
        ("Sadly bored", "compound", jpeg(), "no compound of CFEE"),
        ("Neutral", "simple", jpeg(size_px=48), "not a 140 x 140 JPEG picture"),
        ("Neutral", "simple", b"", "not a 140 x 140 JPEG picture"),
    ],
)
def test_a_row_or_a_picture_that_does_not_fit_is_refused(
    tmp_path: Path, emotion: str, kind: str, picture: bytes, message: str
) -> None:
    archive = write_archive(tmp_path / "cfee.zip", CFEE_COLUMNS, [("1.jpg", 1, 1, emotion, kind)], picture)
    with pytest.raises(CorpusError, match=message):
        read_cfee(archive)


def portraits(n_people: int, n_each: int = 3) -> Portraits:
    n = n_people * n_each
    subjects = tuple(f"{i % n_people:03d}" for i in range(n))
    ramp = np.broadcast_to(np.arange(SIZE, dtype=np.uint8)[None, None, :, None], (n, SIZE, SIZE, 3))
    targets = np.eye(8, dtype=np.float32)[np.zeros(n, int)]
    return Portraits(ramp, targets, np.zeros(n, np.int64), subjects, tuple(map(str, range(n))))


def test_folds_keep_people_apart_and_are_of_a_size() -> None:
    faces = portraits(23)
    folds = faces.folds(5)
    people = [{s for s, fold in zip(faces.subjects, folds, strict=True) if fold == k} for k in range(5)]
    assert sorted(len(some) for some in people) == [4, 4, 5, 5, 5]
    assert sum(len(some) for some in people) == len(set.union(*people)) == 23
    assert folds.tolist() == faces.folds(5).tolist() != faces.folds(5, seed=1).tolist()


def test_a_grey_face_has_the_framing_and_as_much_of_its_edge_as_is_asked_for() -> None:
    faces = portraits(1, 1)
    scale = (SIZE - 2 * EDGE) / 48
    bare, wide = faces.grey(48), faces.grey(48, edge_px=6)
    assert (bare.shape, wide.shape) == ((1, 48, 48), (1, 60, 60))
    # the ramp tells the column that a pixel comes from: the mean of those that it covers
    columns = EDGE + (np.arange(48) + 0.5) * scale - 0.5
    np.testing.assert_allclose(bare[0, 20], columns, atol=1.1)
    np.testing.assert_allclose(wide[0, 30, 6:54], columns, atol=1.1)
