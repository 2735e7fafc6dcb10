"""`emofuse features extract` as people run it: what it prints, what it writes, its exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.research.feature_sets import extract as module
from emofuse.research.feature_sets.store import read_feature_set
from emofuse.research.training import svm as classical
from make_films import GONE, RedSquares, write_film
from make_ravdess import write_ravdess


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find red squares for faces, and take an AudioSet network of random weights."""
    monkeypatch.setattr(module, "YuNetDetector", RedSquares)
    monkeypatch.setattr(classical, "find", lambda name: None)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Return a manifest of two films, one without a face."""
    write_film(tmp_path / "seen.mp4", [20] * 6)
    write_film(tmp_path / "unseen [b].mp4", [GONE] * 6)
    (tmp_path / "m.csv").write_text("path,emotion,speaker,text\nseen.mp4,happy,me,hi\nunseen [b].mp4,sad,you,\n")
    return tmp_path / "m.csv"


def test_a_set_is_made_and_counted(emofuse, films: Path, tmp_path: Path) -> None:
    result = emofuse("features", "extract", films, "-o", tmp_path / "set", "--frames", 3)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "visual    face: 3 x 160, 1 of 2 clips"
    assert lines[1] == "          absent, no face was found: 1 (unseen__b_)"
    assert lines[2] == "acoustic  audioset: 1 x 2496, 2 of 2 clips"
    assert (
        lines[3]
        == f"{tmp_path / 'set/dataset.csv'}: 2 clips, 2 speakers, 4 arrays or reasons made now, licence: unknown"
    )
    read = read_feature_set(tmp_path / "set")
    assert (read.dims, read.manifest.speakers) == ({"visual": 160, "acoustic": 2496}, ["m-me", "m-you"])
    assert [clip.text for clip in read.manifest] == ["hi", ""]
    again = emofuse("features", "extract", films, "-o", tmp_path / "set", "--frames", 3)
    assert ", 0 arrays or reasons made now" in again.out
    other = emofuse("features", "extract", films, "-o", tmp_path / "set", "--frames", 4)
    assert other.code == 2
    assert "visual features of another encoder: n_frames was 3, now 4" in other.err
    assert len(other.err.splitlines()) == 1
    assert emofuse("features", "extract", films, "-o", tmp_path / "set", "--frames", 4, "--overwrite").code == 0


def test_a_corpus_by_its_name(emofuse, tmp_path: Path) -> None:
    write_ravdess(tmp_path, actors=[1, 2])
    result = emofuse("features", "extract", "ravdess", "--data", tmp_path, "-o", tmp_path / "set", "--visual", "none")
    assert result.code == 0, result.err
    read = read_feature_set(tmp_path / "set")
    assert read.manifest.speakers == ["ravdess-01", "ravdess-02"]
    assert len(read.features["acoustic"]) == 6
    assert all(array is not None and array.shape == (1, 2496) for array in read.features["acoustic"])
    assert "licence: CC BY-NC-SA 4.0" in result.out


def test_words_of_a_table_are_used_and_those_of_nobody_are_said(
    emofuse, films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emofuse.research.feature_sets.text_encoder import SentenceEncoder

    class Letters(torch.nn.Sequential):
        max_seq_length = 8

        def encode(self, texts: list[str], **how: object) -> np.ndarray:
            return np.array([[len(text)] for text in texts], np.float32)

    monkeypatch.setattr("emofuse.research.feature_sets.text_encoder._sentence_network", lambda name, device: Letters())
    assert SentenceEncoder("x", torch.device("cpu")).name == "x"
    (tmp_path / "words.csv").write_text(
        "path,text\nunseen [b].mp4,good bye\n" + "".join(f"n{i},no\n" for i in range(7))
    )
    only = ("--visual", "none", "--acoustic", "none", "--lexical", "x")
    result = emofuse(
        "features", "extract", films, "-o", tmp_path / "set", *only, "--transcripts", tmp_path / "words.csv"
    )
    assert result.code == 0, result.err
    assert "note: 7 texts for no clip here: n0, n1, n2, n3, n4 and 2 more" in result.err
    assert result.out.splitlines()[0] == "lexical   x: 1 x 1, 2 of 2 clips"
    assert [float(a[0, 0]) for a in read_feature_set(tmp_path / "set").features["lexical"] if a is not None] == [2, 8]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--visual", "none", "--acoustic", "none"), 2, "every modality is none"),
        (("--lexical", ""), 2, "one of the arguments is empty"),
        (("--transcripts", "nowhere.csv"), 1, "no table of words at nowhere.csv"),
        (("--visual", "vggface"), 2, "vggface"),
    ],
)
def test_wrong_use_is_said_and_nothing_is_written(
    emofuse, films: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = emofuse("features", "extract", films, "-o", tmp_path / "set", *arguments)
    assert result.code == code
    assert says in result.err
    assert not (tmp_path / "set").exists()


def test_an_unknown_corpus_and_a_missing_manifest_are_said(emofuse, tmp_path: Path) -> None:
    assert "no corpus is called 'ravdes'" in emofuse("features", "extract", "ravdes", "-o", tmp_path / "set").err
    missing = emofuse("features", "extract", tmp_path / "no.csv", "-o", tmp_path / "set")
    assert (missing.code, "no manifest at" in missing.err) == (1, True)
