"""Works the queue off: a process for each job, which may take so much time and memory, and dies alone."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from emofuse.service.settings import ServiceSettings
from emofuse.service.store import Job, JobStore

RESULTS: Final = "results"
RECORDING: Final = "recording"
_GRACE_S: Final = 5.0  # between asking a process to end and ending it
_LONGEST_LINE: Final = 1 << 16
_log = logging.getLogger(__name__)

OnEnd = Callable[[str, float], None]  # takes the state that a job ended in, and its seconds


class Runner:
    """Runs the jobs of a store, `settings.workers` at once. Of one event loop."""

    def __init__(self, settings: ServiceSettings, store: JobStore, on_end: OnEnd) -> None:
        self._settings = settings
        self._store = store
        self._on_end = on_end
        self._wake = asyncio.Event()
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._mean_s = 10.0  # of a job, for an estimate of how long others wait

    def folder(self, job_id: str) -> Path:
        """Return where a job's recording and results are."""
        return self._settings.folder / "jobs" / job_id

    def start(self) -> None:
        """Put right what an earlier service left, and begin to work."""
        self._store.recover()
        known = self._store.ids()
        (self._settings.folder / "jobs").mkdir(parents=True, exist_ok=True)
        for left in (self._settings.folder / "jobs").iterdir():
            if left.name not in known:
                shutil.rmtree(left, ignore_errors=True)
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._settings.workers)]
        self._tasks.append(asyncio.create_task(self._expire()))

    async def stop(self) -> None:
        """End the processes; what they were working on waits again, and is run when the service is back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def enqueue(self, job_id: str) -> None:
        """Let a job whose recording is whole wait for its turn."""
        self._store.enqueue(job_id)
        self._wake.set()

    def wait_s(self) -> float:
        """Estimate how long it takes until another job fits into the queue."""
        return max(1.0, self._mean_s / self._settings.workers)

    async def delete(self, job_id: str) -> bool:
        """Forget a job, its recording and its results, and stop it where it runs. Returns whether there was one."""
        there = self._store.delete(job_id)
        process = self._processes.get(job_id)
        if process is not None:
            await _end(process)
        shutil.rmtree(self.folder(job_id), ignore_errors=True)
        return there

    async def _work(self) -> None:
        while True:
            job = self._store.claim()
            if job is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._wake.set()  # another worker may find another one
            began = time.monotonic()
            try:
                await self._run(job)
            except asyncio.CancelledError:
                if self._store.get(job.id) is not None:
                    self._store.enqueue(job.id)
                raise
            except Exception:  # noqa: BLE001  a job that cannot even be begun must not end the others
                _log.exception("job %s", job.id)
                self._store.fail(job.id, "internal", "the service could not work on this")
            ended = self._store.get(job.id)
            (self.folder(job.id) / RECORDING).unlink(missing_ok=True)
            if ended is not None:
                spent_s = time.monotonic() - began
                self._mean_s += 0.3 * (spent_s - self._mean_s)
                self._on_end(ended.state, spent_s)
                _log.info("job %s: %s %s after %.1f s", job.id, ended.state, ended.code, spent_s)

    async def _run(self, job: Job) -> None:
        s = self._settings
        task = {
            "folder": str(self.folder(job.id)),
            "name": job.name,
            "bundle": s.bundle,
            "memory_mb": s.job_memory_mb,
            "max_duration_s": s.max_duration_s,
            "options": json.loads(job.options),
        }
        command = (sys.executable, "-m", "emofuse.service.worker", json.dumps(task))
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_LONGEST_LINE,
        )
        self._processes[job.id] = process
        try:
            async with asyncio.timeout(s.job_timeout_s):
                outcome = await self._follow(job.id, process)
                await process.wait()
        except TimeoutError:
            self._store.fail(job.id, "timeout", f"it took longer than {s.job_timeout_s:g} s")
            return
        finally:
            del self._processes[job.id]
            await _end(process)
        if outcome is None:
            self._store.fail(job.id, *_death(process.returncode, s.job_memory_mb))
        elif "code" in outcome:
            self._store.fail(job.id, outcome["code"], outcome["message"])
        else:
            self._store.finish(job.id, outcome["message"])

    async def _follow(self, job_id: str, process: asyncio.subprocess.Process) -> dict[str, str] | None:
        """Note the progress that a process tells; return what it says at its end, None where it says nothing."""
        assert process.stdout is not None
        outcome = None
        async for line in process.stdout:
            with suppress(ValueError, AttributeError):
                told: dict[str, Any] = json.loads(line)
                if "progress" in told:
                    self._store.advance(job_id, float(told["progress"]))
                elif "message" in told:
                    outcome = {key: str(value) for key, value in told.items()}
        return outcome

    async def _expire(self) -> None:
        while True:
            for job_id in self._store.expired(self._settings.keep_s):
                await self.delete(job_id)
            await asyncio.sleep(min(60.0, self._settings.keep_s / 4))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _death(returncode: int | None, memory_mb: float) -> tuple[str, str]:
    """Say of a process that ended without a word what that means."""
    if returncode is not None and returncode < 0:
        return "crashed", f"the analysis was stopped: it may take {memory_mb:g} MB of memory, or the file is damaged"
    return "crashed", "the analysis ended without a result; the file may be damaged"
