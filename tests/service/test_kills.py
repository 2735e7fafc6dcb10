"""Whoever is killed, the service or a worker of its, and however: the results are those of an undisturbed run."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import av
import httpx
import pytest

from emofuse.cli.demo import CLIP
from make_media import beginning
from run_service import service, until
from running import children, is_running


def submit(url: str, film: Path) -> str:
    answer = httpx.post(f"{url}v1/analyses?name=film.mp4&mode=frame", content=film.read_bytes())
    return str(answer.json()["id"])


def state(url: str, job_id: str) -> dict[str, Any]:
    return dict(httpx.get(f"{url}v1/analyses/{job_id}").json())


def results(url: str, job_id: str, folder: Path) -> dict[str, bytes]:
    """Wait for the results of a job; return what is in each, of the film its pictures."""
    until(lambda: state(url, job_id)["state"] in ("done", "failed"), 120, "it is not done")
    found = {}
    for kind, path in state(url, job_id)["results"].items():
        content = httpx.get(url.rstrip("/") + path).content
        if kind == "mp4":
            (folder / "annotated.mp4").write_bytes(content)
            with av.open(str(folder / "annotated.mp4")) as opened:
                content = b"".join(frame.to_ndarray().tobytes()[::97] for frame in opened.decode(video=0))
        found[kind] = content
    return found


def worker_of(process: Any, url: str, job_id: str) -> int:
    """Wait until a job is being analysed; return the number of its process."""
    until(lambda: state(url, job_id)["progress"] > 0 and children(process.pid), 120, "it does not begin")
    return children(process.pid)[0]


@pytest.mark.load
def test_results_are_the_same_whoever_is_killed_and_however(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")  # when they were made may differ
    film, folder = beginning(CLIP, tmp_path / "film.mp4", 3.0), tmp_path / "service"
    job = ""
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with service(folder) as (url, process):
            if not job:
                undisturbed = results(url, submit(url, film), tmp_path)
                job = submit(url, film)
            worker = worker_of(process, url, job)
            process.send_signal(number)
            process.wait(30)
            until(lambda pid=worker: not is_running(pid), 10, "its worker goes on")  # type: ignore[misc]
    assert set(undisturbed) >= {"json", "csv", "html", "mp4"} and all(undisturbed[kind] for kind in ("json", "mp4"))
    with service(folder) as (url, process):
        assert results(url, job, tmp_path) == undisturbed
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            job = submit(url, film)
            os.kill(worker_of(process, url, job), number)
            assert results(url, job, tmp_path) == undisturbed
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]  # nothing half-written
