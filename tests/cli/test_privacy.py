"""`emofuse privacy`: what is kept, and that what is deleted is what emofuse wrote and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emofuse.research.corpora.cache import FeatureCache
from emofuse.service.app import open_store


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOFUSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_every_place_is_named_with_its_size_and_end(emofuse, cache: Path, tmp_path: Path) -> None:
    (cache / "features").mkdir(parents=True)
    (cache / "features" / "x.npy").write_bytes(bytes(2_000_000))
    (tmp_path / "results").mkdir()
    found = emofuse("privacy", tmp_path / "results")
    assert found.code == 0
    printed = " ".join(found.out.split())
    assert "2.0 MB" in printed and "--keep-s" in printed and "DELETE /v1/analyses/ID" in printed
    assert printed.count("holds") == 5
    assert emofuse("privacy", tmp_path / "nowhere").code == 2
    assert emofuse("privacy", "--delete", "results").code == 2


def test_results_go_and_what_others_wrote_stays(emofuse, cache: Path, tmp_path: Path, clip_mp4: Path) -> None:
    out = tmp_path / "out"
    assert emofuse("analyze", clip_mp4, "-o", out, "--formats", "json,csv,html").code == 0
    (out / "notes.txt").write_text("mine", "utf-8")
    (out / "mine.json").write_text("{}", "utf-8")
    (out / "clip.html").write_text("<p>changed</p>", "utf-8")  # an annotator's, now
    found = emofuse("privacy", out, "--delete", "results")
    assert found.code == 0 and "deleted 2 files" in found.out
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == ["clip.html", "mine.json", "notes.txt"]
    assert clip_mp4.exists()


def test_decoded_corpora_go(emofuse, cache: Path, tmp_path: Path) -> None:
    FeatureCache().get("0" * 64, {"what": "samples"}, lambda: np.zeros(1000, np.int16))
    (cache / "weights.pt").write_bytes(b"x")
    (stored,) = (cache / "features").rglob("*.npy")
    assert emofuse("privacy", "--delete", "features").code == 0
    assert not stored.exists() and (cache / "weights.pt").exists()


def test_a_service_that_is_not_running_forgets_all(emofuse, cache: Path, tmp_path: Path) -> None:
    folder = cache / "service"
    store = open_store(folder)
    job = store.reserve("my secret film.mp4", "{}", most=4)
    (folder / "jobs" / job.id).mkdir(parents=True)
    (folder / "jobs" / job.id / "recording").write_bytes(b"secret pictures")
    running = emofuse("privacy", "--delete", "service")
    assert running.code == 2 and "another service may be using its folder" in running.err
    assert (folder / "jobs" / job.id / "recording").exists()
    store.close()
    found = emofuse("privacy", "--delete", "service")
    assert found.code == 0 and "deleted 1 job" in found.out
    assert not [file for file in folder.rglob("*") if file.is_file()]
    assert emofuse("privacy", "--delete", "service", "--service", tmp_path / "none").code == 0
