"""The queue at work: workers that die, hang or are deleted, services that end, and results that expire."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emofuse.cli.demo import CLIP
from emofuse.service import process, runner
from emofuse.service.messages import AnalysisTask
from emofuse.service.options import SubmitOptions
from emofuse.service.settings import ServiceSettings
from emofuse.service.store import JobStore
from running import is_running
from service_harness import Client, in_process, recording

Serve = Callable[..., None]


def jobs_in(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "service" / "jobs").iterdir())


def files_in(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "service" / "jobs").rglob("*") if path.is_file()}


async def pid_of(client: Client, job_id: str) -> int:
    """Wait for the process of a job."""
    await client.reaches(job_id, "running")
    at_work = client.app.state.service.runner._processes
    while job_id not in at_work:
        await asyncio.sleep(0.01)
    return int(at_work[job_id].pid)


def test_a_worker_that_is_killed_does_its_job_again(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("attempts", 3)))
        done = await client.reaches(job_id, "done")
        assert done["error"] is None
        assert client.app.state.service.store.get(job_id).attempts == 3

    serve(story)


def test_a_job_that_always_kills_its_worker_is_given_up(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("signal", int(signal.SIGKILL))))
        after = await client.submit()
        failed = await client.reaches(job_id, "failed")
        assert failed["error"] == {"code": "interrupted", "message": "the analysis was killed 3 times"}
        await client.reaches(after, "done")
        assert [folder.name for folder in jobs_in(tmp_path)] == [after]

    serve(story)


@pytest.mark.parametrize("step", [("signal", int(signal.SIGSEGV)), ("signal", int(signal.SIGABRT)), ("exit", 3)])
def test_a_worker_that_crashes_fails_its_job_and_no_other(serve: Serve, step: tuple[str, int]) -> None:
    async def story(client: Client) -> None:
        job_id, after = await client.submit(recording(step)), await client.submit()
        failed = await client.reaches(job_id, "failed")
        assert failed["error"]["code"] == "crashed" and "3000 MB" in failed["error"]["message"]
        await client.reaches(after, "done")

    serve(story)


def test_a_worker_that_takes_too_long_is_ended_though_it_will_not(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_GRACE_S", 0.2)

    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("stubborn", None), ("progress", 0.1), ("sleep", 60)))
        pid = await pid_of(client, job_id)
        failed = await client.reaches(job_id, "failed")
        assert failed["error"] == {"code": "timeout", "message": "it took longer than 1.5 s"}
        assert not is_running(pid)

    serve(story, job_timeout_s=1.5)


def test_what_a_worker_prints_beside_does_no_harm(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("print", "a library's note"), ("print", "{"), ("progress", 0.5)))
        await client.reaches(job_id, "done")

    serve(story)


def test_deleting_a_running_job_ends_its_process(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("sleep", 60)))
        pid = await pid_of(client, job_id)
        assert (await client.delete(f"/v1/analyses/{job_id}")).status_code == 204
        assert not is_running(pid)
        await client.reaches(await client.submit(), "done")
        assert job_id not in {folder.name for folder in jobs_in(tmp_path)}

    serve(story)


def test_deleting_a_job_in_the_moment_in_which_it_is_begun(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        for _ in range(5):
            job_id = await client.submit(recording(("sleep", 60)))
            while (await client.state(job_id))["state"] == "queued":
                await asyncio.sleep(0)
            assert (await client.delete(f"/v1/analyses/{job_id}")).status_code == 204
        await client.reaches(await client.submit(), "done")
        assert len(jobs_in(tmp_path)) == 1

    serve(story)


def test_several_workers_work_at_once_and_on_each_job_once(serve: Serve) -> None:
    async def story(client: Client) -> None:
        held = [await client.submit(recording(("sleep", 60))) for _ in range(2)]
        await asyncio.gather(*(client.reaches(job_id, "running") for job_id in held))
        jobs = [await client.submit() for _ in range(6)]
        await asyncio.gather(*(client.reaches(job_id, "done") for job_id in jobs))
        attempts = [client.app.state.service.store.get(job_id).attempts for job_id in jobs]
        assert attempts == [1] * 6

    serve(story, workers=3)


def test_the_recording_goes_as_soon_as_the_job_ends_and_the_results_when_they_expire(
    serve: Serve, tmp_path: Path
) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("sleep", 0.3)))
        await client.reaches(job_id, "running")
        assert "recording" in files_in(tmp_path)
        done = await client.reaches(job_id, "done")
        while "recording" in files_in(tmp_path):
            await asyncio.sleep(0.01)
        assert files_in(tmp_path) == {"recording.json"}
        while (await client.get(f"/v1/analyses/{job_id}")).status_code == 200:
            await asyncio.sleep(0.02)
        assert done["expires_s"] <= time.time() < done["expires_s"] + 5
        assert (await client.get(f"/v1/analyses/{job_id}/results/json")).status_code == 404
        assert (await client.delete(f"/v1/analyses/{job_id}")).status_code == 404
        while jobs_in(tmp_path):
            await asyncio.sleep(0.02)
        assert time.time() < done["expires_s"] + 10
        assert client.app.state.service.store.ids() == set()

    serve(story, keep_s=2.0)


def test_nothing_of_a_failed_job_stays_but_why(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("task", None), ("fail", "why")))
        await client.reaches(job_id, "failed")
        while jobs_in(tmp_path):
            await asyncio.sleep(0.01)

    serve(story)


def run(settings: ServiceSettings, story: Callable[[Client], Any]) -> None:
    """Run one life of a service."""

    async def whole() -> None:
        async with in_process(settings) as client:
            await asyncio.wait_for(story(client), 60)

    asyncio.run(whole())


def test_an_orderly_end_gives_the_running_job_back(
    stand_in: None, settings: Callable[..., ServiceSettings], tmp_path: Path
) -> None:
    ids: list[str] = []
    pids: list[int] = []

    async def first(client: Client) -> None:
        ids.extend([await client.submit(recording(("sleep", 60))), await client.submit()])
        pids.append(await pid_of(client, ids[0]))
        # the next service finds a recording that takes no time
        (tmp_path / "service" / "jobs" / ids[0] / "recording").write_bytes(recording())

    async def second(client: Client) -> None:
        for job_id in ids:
            await client.reaches(job_id, "done")
            assert client.app.state.service.store.get(job_id).attempts == 1

    began = time.monotonic()
    run(settings(), first)
    assert time.monotonic() - began < 10 and not is_running(pids[0])
    run(settings(), second)


def test_what_an_earlier_service_left_behind_is_swept(
    stand_in: None, settings: Callable[..., ServiceSettings], tmp_path: Path
) -> None:
    jobs = tmp_path / "service" / "jobs"
    (jobs / "of nobody").mkdir(parents=True)
    store = JobStore(tmp_path / "service" / "jobs.sqlite", lambda: time.time() - 50)
    kept, old = store.reserve("kept", "{}", 9).id, store.reserve("old", "{}", 9).id
    for job_id in (kept, old):
        (jobs / job_id / "results").mkdir(parents=True)
        (jobs / job_id / "recording").touch()
        store.finish(job_id)
    store._base.execute("UPDATE jobs SET finished_s = 5 WHERE id = ?", (old,))
    store.close()

    async def story(client: Client) -> None:
        while (jobs / old).exists():
            await asyncio.sleep(0.01)
        assert [folder.name for folder in jobs.iterdir()] == [kept]
        assert not (jobs / kept / "recording").exists()
        assert (await client.state(kept))["state"] == "done"

    run(settings(keep_s=100.0), story)


def test_the_remains_of_an_attempt_are_not_the_results_of_the_next(serve: Serve, tmp_path: Path) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("task", None), ("attempts", 2)))
        results = tmp_path / "service" / "jobs" / job_id / "results"
        (results / ".recording.1a2b.mp4").touch()
        await client.reaches(job_id, "done")
        assert [path.name for path in results.iterdir()] == ["recording.json"]

    serve(story)


def test_a_queue_whose_disk_is_full_goes_on_when_it_is_not(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_RETRY_S", 0.05)
    n_full = 0

    def full_at_first(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: JobStore, *arguments: Any) -> Any:
            nonlocal n_full
            if n_full < 6:
                n_full += 1
                raise sqlite3.OperationalError("database or disk is full")
            return method(self, *arguments)

        return call

    async def story(client: Client) -> None:
        running = await client.submit(recording(("sleep", 0.2), ("progress", 0.5)))
        await client.reaches(running, "running")
        with monkeypatch.context() as patch:
            for name in ("claim", "finish", "advance", "expired"):
                patch.setattr(JobStore, name, full_at_first(getattr(JobStore, name)))
            await client.reaches(running, "done")
            await client.reaches(await client.submit(), "done")
        assert n_full == 6

    serve(story, keep_s=30.0)


def test_the_task_is_on_no_command_line(serve: Serve) -> None:
    async def story(client: Client) -> None:
        job_id = await client.submit(recording(("sleep", 60)), name="private.mp4")
        pid = await pid_of(client, job_id)
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert b"private" not in shown and job_id.encode() not in shown
        assert os.getpgid(pid) == pid != os.getpgid(0)  # so that Ctrl-C is for the service alone

    serve(story)


def test_a_worker_ends_with_its_service(tmp_path: Path) -> None:
    async def whole() -> int:
        task = AnalysisTask(
            folder=tmp_path,
            name="a",
            memory_mb=3000,
            file_mb=10,
            bundle="base",
            asr_model="small",
            max_duration_s=9,
            max_megapixels=9,
            answers={},
            options=SubmitOptions(),
        )
        worker = await process.WorkerProcess.begin(task)
        os.kill(worker.pid, signal.SIGSTOP)  # it has not even begun
        stdin = worker._process.stdin
        assert stdin is not None
        await stdin.drain()
        stdin.close()  # as when the service is killed
        os.kill(worker.pid, signal.SIGCONT)
        return await asyncio.wait_for(worker._process.wait(), 60)

    shutil.copyfile(CLIP, tmp_path / "recording")  # which takes it seconds
    assert asyncio.run(whole()) == 1


def test_after_delete_nothing_of_a_recording_is_left_on_the_disk(serve: Serve, tmp_path: Path) -> None:
    """Neither of its content nor of its name, be it done, running or waiting."""

    def left() -> bytes:
        return b"".join(path.read_bytes() for path in (tmp_path / "service").rglob("*") if path.is_file())

    async def story(client: Client) -> None:
        done = await client.submit(recording(("task", None), ("print", "private-words")), name="private-name.mp4")
        await client.reaches(done, "done")
        running = await client.submit(recording(("sleep", 60), ("print", "private-words")), name="private-name.mp4")
        await client.reaches(running, "running")
        waiting = await client.submit(recording(("print", "private-words")), name="private-name.mp4")
        assert b"private-name" in left() and b"private-words" in left()
        for job_id in (waiting, running, done):
            assert (await client.delete(f"/v1/analyses/{job_id}")).status_code == 204
            assert job_id.encode() not in left()
        assert b"private" not in left()
        assert list((tmp_path / "service" / "jobs").iterdir()) == []

    serve(story)


def test_a_folder_that_cannot_be_deleted_is_no_success_and_is_tried_again(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_SWEEP_S", 0.05)

    async def story(client: Client) -> None:
        job_id = await client.submit(recording(), name="a.mp4")
        await client.reaches(job_id, "done")
        with pytest.MonkeyPatch.context() as patch:

            def stuck(folder: Path, ignore_errors: bool = False) -> None:
                if not ignore_errors:
                    raise PermissionError(13, "Permission denied", str(folder))

            patch.setattr(runner.shutil, "rmtree", stuck)
            assert (await client.delete(f"/v1/analyses/{job_id}")).status_code == 500
        while (tmp_path / "service" / "jobs" / job_id).exists():
            await asyncio.sleep(0.01)

    serve(story)
