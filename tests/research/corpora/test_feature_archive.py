"""Files of features: which of them are read, and why the others are not."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import CorpusError
from emofuse.research.corpora import archives
from emofuse.research.feature_sets import archive as feature_archive
from emofuse.research.feature_sets.store import read_feature_set
from make_features import HEADER, packed, row, vectors

Make = Callable[..., Path]

BROKEN = [
    (None, "file is missing"),
    (packed(np.array([1.0, np.nan, 2.0])), "not finite"),
    (packed(np.ones(2)), "wrong size"),
    (packed(np.ones((1, 1, 3))), "shape is not (T, D) or (D,)"),
    (b"RIFF....", "not an array of NumPy's"),
    (b"\x93NUMPY\x03\x00" + packed(np.ones(3))[8:], "not an array of NumPy's"),
    (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100), "not an array of NumPy's"),  # a header of 4 GB
    (packed(np.array(["a", "b", "c"])), "not numbers"),
    (packed(np.array([{}, {}, {}], dtype=object), allow_pickle=True), "pickled objects, which are never opened"),
    (packed(np.ones(3))[:-1], "not as long as its header says"),
    (packed(np.ones(3)).replace(b"(3,), ", b"(-1,),"), "not as long as its header says"),
    (packed(np.ones(3)).replace(b"(3,), ", b"(-3,),"), "not as long as its header says"),
    (packed(np.ones(3)).replace(b"<f8", b"<q9"), "not an array of NumPy's"),
    (packed(np.ones(3)).replace(b"'<f8'", b"((((("), "not an array of NumPy's"),
    (packed(np.ones(3)).replace(b"<f8", b"|V0"), "not numbers"),
    (packed(np.ones(3)).replace(b"(3,)", b"9**9"), "not an array of NumPy's"),
]


@pytest.mark.parametrize(("content", "reason"), BROKEN)
def test_a_file_that_gives_nothing_is_counted_and_the_utterance_stays(
    make: Make, content: bytes | None, reason: str
) -> None:
    files = vectors("a", "b", "c")
    if content is None:
        del files["features/acoustic_features/b.npy"]
    else:
        files["features/acoustic_features/b.npy"] = content
    feature_set = read_feature_set(make([row("a"), row("b"), row("c")], files))
    assert [clip.path.name for clip in feature_set.manifest] == ["a", "b", "c"]
    assert feature_set.features["acoustic"][1] is None
    assert feature_set.features["visual"][1] is not None
    assert feature_set.absent == {"visual": {}, "acoustic": {reason: 1}, "lexical": {}}
    assert feature_set.dims["acoustic"] == 3


def test_what_float32_cannot_hold_and_what_is_empty_is_absent(make: Make) -> None:
    files = vectors("a", "b")
    files["features/acoustic_features/a.npy"] = packed(np.array([1e300, 0, 0]))
    files["features/visual_features/a.npy"] = packed(np.ones((0, 5)))
    absent = read_feature_set(make([row("a"), row("b")], files)).absent
    assert absent == {"visual": {"shape is not (T, D) or (D,)": 1}, "acoustic": {"not finite": 1}, "lexical": {}}


def _counted(counts: list[int], data: bytes) -> bytes:
    counts.append(len(data))
    return data


def zipped(folder: Path, files: dict[str, bytes], method: int) -> None:
    """Write the feature set of the utterances a and b, with its files in a zip."""
    (folder / "dataset.csv").write_text("\n".join([HEADER, row("a"), row("b")]), encoding="utf-8")
    with zipfile.ZipFile(folder / "features.zip", "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_a_damaged_member_of_a_zip_is_absent(tmp_path: Path) -> None:
    (tmp_path / "dataset.csv").write_text("\n".join([HEADER, row("a"), row("b")]), encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "features.zip", "w") as archive:
        for name, content in vectors("a", "b").items():
            archive.writestr(name, content)
    data = bytearray((tmp_path / "features.zip").read_bytes())
    at = data.find(packed(np.full((1, 3), 2.0, np.float32)))
    data[at + 130] ^= 0xFF  # a number changes, and the checksum no longer fits
    (tmp_path / "features.zip").write_bytes(data)
    feature_set = read_feature_set(tmp_path)
    assert feature_set.absent["acoustic"] == {"file cannot be read": 1}
    assert feature_set.features["acoustic"][0] is None


def test_no_more_is_unpacked_than_a_header_says_and_a_limit_allows(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    files = vectors("a", "b")
    files["features/acoustic_features/a.npy"] = packed(np.zeros(3)) + bytes(10_000_000)
    files["features/visual_features/a.npy"] = packed(np.zeros((100, 5)))
    monkeypatch.setattr(feature_archive, "MAX_BYTES", 2**10)
    read: list[int] = []
    original = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: (read.append(n), original(self, n))[1])
    absent = read_feature_set(make([row("a"), row("b")], files)).absent
    assert set(absent["acoustic"]) <= {"not as long as its header says", "file cannot be read"}
    assert absent["visual"] == {"larger than 0 MB": 1}
    assert all(0 <= n <= 65536 for n in read)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_member_that_unpacks_to_more_than_may_be_costs_itself_alone(
    tmp_path: Path, method: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_archive, "MAX_BYTES", 2**20)
    bomb = packed(np.zeros((1, 3), np.float32)) + bytes(8 * 2**20)
    zipped(tmp_path, vectors("a", "b"), zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "features.zip", "a", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is there twice: the later one counts
        archive.writestr("features/acoustic_features/a.npy", bomb)
    unpacked: list[int] = []
    original = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n: _counted(unpacked, original(self, n)))
    feature_set = read_feature_set(tmp_path)
    is_deflated = method == zipfile.ZIP_DEFLATED
    reason = "file cannot be read" if is_deflated else "compressed with bzip2 or LZMA, not with deflate"
    assert feature_set.absent["acoustic"] == {reason: 1}
    assert feature_set.features["acoustic"][1] is not None
    assert sum(unpacked) < 2 * 2**20


def test_an_archive_that_is_made_to_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_FREE_BYTES", 2**20)
    big = {f"features/acoustic_features/{name}.npy": packed(np.zeros((100_000, 3), np.float32)) for name in "ab"}
    zipped(tmp_path, vectors("a", "b") | big, zipfile.ZIP_DEFLATED)
    with pytest.raises(CorpusError, match="unpacks to more than 100 times its size"):
        read_feature_set(tmp_path)


@pytest.mark.parametrize("at", [4, 10, 20, 30, 40, 46])
def test_a_damaged_index_is_our_error_or_costs_members(tmp_path: Path, at: int) -> None:
    zipped(tmp_path, vectors("a", "b"), zipfile.ZIP_DEFLATED)
    file = tmp_path / "features.zip"
    data = bytearray(file.read_bytes())
    data[data.index(b"PK\x01\x02") + at] ^= 0xFF
    file.write_bytes(data)
    try:
        assert len(read_feature_set(tmp_path).manifest) == 2
    except CorpusError as error:
        assert "features.zip" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    "path",
    ["/features/acoustic_features/../../secret.npy", "../secret.npy", "/features", "..\\secret.npy", "features/.."],
)
def test_no_path_leads_out_of_the_folder(make: Make, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret.npy").write_bytes(packed(np.ones(3)))
    feature_set = read_feature_set(make([row("a", acoustic=path), row("b")], vectors("a", "b")))
    assert feature_set.features["acoustic"][0] is None
    assert feature_set.absent["acoustic"] == {"path leads out of the folder": 1}


@pytest.mark.parametrize(
    "path",
    [
        "features/acoustic_features/a.npy",
        "acoustic_features/a.npy",
        "./features/acoustic_features/a.npy",
        "/content/drive/Mine/features/acoustic_features/a.npy",
        "C:\\Users\\me\\features\\acoustic_features\\a.npy",
    ],
)
def test_a_path_may_be_that_of_another_machine(make: Make, path: str) -> None:
    assert read_feature_set(make([row("a", acoustic=path)], vectors("a"))).absent["acoustic"] == {}
