"""Fifty uploads at once: none is lost, and the service's memory does not grow with them."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from make_media import Sound, record
from run_service import service

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from service_load import measure, padded

pytestmark = pytest.mark.load


def test_fifty_uploads_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    sound = record(tmp_path / "short.mp4", sound=Sound(duration_s=0.3))  # most of a worker's time is its start
    data = padded(sound.read_bytes(), 8_000_000)
    with service(tmp_path / "service", "--workers", "2") as (url, process):
        found = asyncio.run(measure(url, process.pid, data, 50, annotate=False))
    assert found["done"] == found["different_ids"] == 50
    assert found["left"] == {"receiving": 0, "queued": 0, "running": 0, "done": 50, "failed": 0}
    assert found["memory_peak_mb"] - found["memory_before_mb"] < 150  # of 400 that came
    assert found["health_longest_s"] < 5
