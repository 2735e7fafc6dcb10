"""The feature cache: what makes another key, and what happens to it under other processes, cuts and full disks."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import CorpusError, OutputError
from emofuse.research.corpora import cache
from emofuse.research.corpora.cache import FeatureCache, content_hash

SETTINGS = {"feature": "mean", "rate_hz": 16_000, "bands": [1, 2]}


class Maker:
    """Makes an array and counts how often."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.calls = array, 0

    def __call__(self) -> NDArray[Any]:
        self.calls += 1
        return self.array


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"sound" * 100)
    return path


@pytest.fixture
def kept(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(20, dtype=np.int16)[::2],
        np.zeros((0, 5)),
        np.array(3.5),
        np.array(["neutral", "sad"]),
    ],
)
def test_an_array_is_made_once_and_comes_back_the_same(source: Path, kept: FeatureCache, array: NDArray[Any]) -> None:
    make = Maker(array)
    for _ in range(3):
        got = kept.get(source, SETTINGS, make)
        np.testing.assert_array_equal(got, array)
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
    assert make.calls == 1
    assert FeatureCache(kept.folder).get(source, SETTINGS, make).flags.writeable


def test_what_a_caller_changes_is_not_changed_for_the_next(source: Path, kept: FeatureCache) -> None:
    make = Maker(np.ones(3))
    kept.get(source, SETTINGS, make)
    kept.get(source, SETTINGS, make)[:] = 7
    assert kept.get(source, SETTINGS, make).tolist() == [1, 1, 1]


def test_other_settings_are_another_key_and_their_order_is_none(source: Path, kept: FeatureCache) -> None:
    make = Maker(np.ones(3))
    kept.get(source, SETTINGS, make)
    kept.get(source, dict(reversed(SETTINGS.items())), make)
    assert make.calls == 1
    for other in ({**SETTINGS, "rate_hz": 8_000}, {**SETTINGS, "bands": [2, 1]}, {**SETTINGS, "more": None}, {}):
        kept.get(source, other, make)
    assert make.calls == 5


def test_changed_content_is_another_key_even_at_the_same_size_and_moment(source: Path, kept: FeatureCache) -> None:
    make = Maker(np.ones(3))
    before = source.stat()
    kept.get(source, SETTINGS, make)
    source.write_bytes(b"Sound" * 100)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    kept.get(source, SETTINGS, make)
    assert make.calls == 2


def test_the_same_content_under_another_name_is_the_same_key(source: Path, kept: FeatureCache) -> None:
    make = Maker(np.ones(3))
    kept.get(source, SETTINGS, make)
    kept.get(source.rename(source.with_name("moved.wav")), SETTINGS, make)
    kept.get(content_hash(source.with_name("moved.wav")), SETTINGS, make)
    assert make.calls == 1
    with pytest.raises(ValueError, match=r"not 'clip\.wav'"):
        kept.get("clip.wav", SETTINGS, make)


def test_another_format_finds_nothing(source: Path, kept: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Maker(np.ones(3))
    kept.get(source, SETTINGS, make)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    kept.get(source, SETTINGS, make)
    assert make.calls == 2


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _empty(data: bytes) -> bytes:
    return b""


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _more(data: bytes) -> bytes:
    return data + b"\0"


def _pickle(data: bytes) -> bytes:
    return pickle.dumps(["foreign"])


@pytest.mark.parametrize("spoil", [_cut, _empty, _flip, _more, _pickle])
def test_a_spoilt_file_is_made_again_and_replaced(
    source: Path, kept: FeatureCache, spoil: Callable[[bytes], bytes]
) -> None:
    make = Maker(np.arange(1_000.0))
    kept.get(source, SETTINGS, make)
    (stored,) = files(kept.folder)
    whole = stored.read_bytes()
    stored.write_bytes(spoil(whole))
    np.testing.assert_array_equal(kept.get(source, SETTINGS, make), make.array)
    assert make.calls == 2
    assert stored.read_bytes() == whole


def test_a_whole_file_of_another_key_is_foreign(source: Path, kept: FeatureCache) -> None:
    kept.get(source, {"a": 1}, Maker(np.zeros(3)))
    (zeros,) = files(kept.folder)
    kept.get(source, {"a": 2}, Maker(np.ones(3)))
    (ones,) = (path for path in files(kept.folder) if path != zeros)
    ones.write_bytes(zeros.read_bytes())
    make = Maker(np.ones(3))
    assert kept.get(source, {"a": 2}, make).tolist() == [1, 1, 1]
    assert make.calls == 1


def test_what_fails_or_is_stopped_leaves_nothing(source: Path, kept: FeatureCache) -> None:
    def stop() -> NDArray[Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.get(source, SETTINGS, stop)
    with pytest.raises(ValueError, match="allow_pickle"):
        kept.get(source, SETTINGS, Maker(np.array([object()])))
    assert files(kept.folder) == []


def test_a_source_that_changes_while_it_is_read_is_not_kept(source: Path, kept: FeatureCache) -> None:
    def make() -> NDArray[Any]:
        source.write_bytes(b"changed")
        return np.ones(3)

    assert kept.get(source, SETTINGS, make).tolist() == [1, 1, 1]
    assert files(kept.folder) == []


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    source: Path, kept: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match=r"cannot write .*: No space left on device") as caught:
            kept.get(source, SETTINGS, Maker(np.ones(3)))
    assert "space" in caught.value.hint
    assert files(kept.folder) == []
    assert kept.get(source, SETTINGS, Maker(np.ones(3))).tolist() == [1, 1, 1]


def test_a_folder_that_cannot_be_made_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="file"):
        FeatureCache(tmp_path / "file" / "cache").get(source, SETTINGS, Maker(np.ones(3)))


def test_a_source_that_is_nowhere_is_named(tmp_path: Path, kept: FeatureCache) -> None:
    with pytest.raises(CorpusError, match=r"cannot read .*gone\.wav"):
        kept.get(tmp_path / "gone.wav", SETTINGS, Maker(np.ones(3)))


def test_a_file_that_stays_is_hashed_once(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    plain = cache.file_hash
    monkeypatch.setattr(cache, "file_hash", lambda path: hashed.append(path) or plain(path))
    content_hash(source), content_hash(source)
    assert len(hashed) == 2  # just written: it may change again without its time showing it
    monkeypatch.setattr(cache, "_SETTLED_NS", 0)
    assert content_hash(source) == content_hash(source) == plain(source)
    assert len(hashed) == 3


def test_the_default_folder_is_below_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "mine"))
    assert FeatureCache().folder == tmp_path / "mine" / "features"
    assert not (tmp_path / "mine").exists()


N_KEYS = 20


def _use(folder: Path, source: Path, start: Any) -> None:
    """Read and write the same keys as every other process, some of which it spoils; raise where one is wrong."""
    kept = FeatureCache(folder)
    start.wait()
    for round_ in range(3):
        for i in range(N_KEYS):
            expected = np.full((200, 50), i, dtype=np.float32)
            got = kept.get(source, {"i": i}, expected.copy)
            np.testing.assert_array_equal(got, expected)
            if round_ == 1 and i % 5 == 0:
                kept._path(content_hash(source), {"i": i}).write_bytes(b"cut off")


def test_processes_may_read_and_write_at_once(source: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    workers = [context.Process(target=_use, args=(tmp_path / "cache", source, start)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(files(tmp_path / "cache")) == N_KEYS
    assert not [path for path in files(tmp_path / "cache") if path.name.startswith(".")]
