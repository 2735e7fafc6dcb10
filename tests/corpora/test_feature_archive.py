"""Files of features: which of them are read, and why the others are not."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emofuse.corpora import feature_archive
from emofuse.corpora.feature_set import read_feature_set
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
    assert absent["acoustic"] == {"not as long as its header says": 1}
    assert absent["visual"] == {"larger than 0 MB": 1}
    assert all(0 <= n <= 2**10 for n in read)


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
