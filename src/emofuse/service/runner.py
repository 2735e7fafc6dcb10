"""Works the queue off: a process for each job, which may take so much time and memory, and dies alone."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emofuse.recordings.progress import Stage
from emofuse.service.messages import AnalysisTask, EditTask, Outcome, ProgressReport
from emofuse.service.options import SubmitOptions
from emofuse.service.private import private_folder
from emofuse.service.process import WorkerProcess
from emofuse.service.schemas import PeopleEdit
from emofuse.service.settings import ServiceSettings
from emofuse.service.store import MOST_ATTEMPTS, Job, JobStore
from emofuse.transcripts import SUFFIXES

JOBS: Final = "jobs"
RESULTS: Final = "results"
RECORDING: Final = "recording"
TRANSCRIPT: Final = "transcript"  # and its suffix
_RETRY_S: Final = 2.0  # until the store is asked again, when its disk is full
_TELLING_S: Final = 1.0  # of work, before the time that is left is told
_SWEEP_S: Final = 60.0  # at most, between two looks for what has expired
_log = logging.getLogger(__name__)

OnEnd = Callable[[str, float], None]  # takes the state that a job ended in, and its seconds


@dataclass(slots=True)
class _Running:
    """A job that has told how far it is. began_s: when it did so first, on a clock that grows; first: its share
    then."""

    began_s: float
    first: float
    latest: ProgressReport

    def remaining_s(self, now_s: float) -> float | None:
        spent_s, done = now_s - self.began_s, self.latest.share - self.first
        if spent_s < _TELLING_S or done <= 0:
            return None
        return spent_s / done * (1.0 - self.latest.share)


class Runner:
    """Runs the jobs of a store, `settings.workers` at once. Of one event loop."""

    def __init__(self, settings: ServiceSettings, store: JobStore, on_end: OnEnd) -> None:
        self._settings = settings
        self._store = store
        self._on_end = on_end
        self._wake = asyncio.Event()
        self._processes: dict[str, WorkerProcess] = {}
        self._reached: dict[str, _Running] = {}
        self._editing = asyncio.Lock()
        self._arriving: set[str] = set()  # jobs whose upload somebody is taking
        self._tasks: list[asyncio.Task[None]] = []
        self._mean_s = 10.0  # of a job, for an estimate of how long others wait

    def folder(self, job_id: str) -> Path:
        """Return where a job's recording and results are."""
        return self._settings.folder / JOBS / job_id

    def start(self) -> None:
        """Put right what an earlier service left, and begin to work."""
        self._store.recover()
        private_folder(self._settings.folder / JOBS)
        self._drop_strays()
        for job_id in self._store.ids("done", "failed"):
            self._drop_recording(job_id)
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._settings.workers)]
        self._tasks.append(asyncio.create_task(self._sweep()))

    async def stop(self) -> None:
        """End the processes; what they were working on waits again, and is run when the service is back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reserve(self, name: str, options: str) -> Job:
        """Make a job, whose recording is to be put into its folder. Raises QueueFullError."""
        job = self._store.reserve(name, options, self._settings.max_queue)
        self._arriving.add(job.id)
        return job

    def make_folders(self, job_id: str) -> Path:
        """Make the folders of a job, for its owner alone; return the one that the recording goes into."""
        folder = private_folder(self.folder(job_id))
        private_folder(folder / RESULTS)
        return folder

    def enqueue(self, job_id: str, name: str, options: str) -> None:
        """Let a job whose recording is whole wait for its turn."""
        self._store.describe(job_id, name, options)
        self._store.enqueue(job_id)
        self._arriving.discard(job_id)
        self._wake.set()

    async def edit_people(self, job: Job, edit: PeopleEdit) -> Outcome:
        """Change who is who in the results of a job that is done, in a process of its own; one edit at a time.

        Returns:
            What came of it; its code is "" where the results are written anew.
        """
        async with self._editing:
            s = self._settings
            task = EditTask(
                folder=self.folder(job.id).absolute(),
                name=job.name,
                memory_mb=s.job_memory_mb,
                file_mb=s.job_file_mb,
                edit=edit,
            )
            process = self._processes[job.id] = await WorkerProcess.begin(task)
            try:
                async with asyncio.timeout(self._settings.job_timeout_s):
                    outcome = await process.follow(lambda _: None)
            except TimeoutError:
                outcome = None
            finally:
                self._processes.pop(job.id, None)
                await process.end()
            if outcome is not None and outcome.trace:
                _log.error("job %s: %s", job.id, outcome.trace)
            return outcome or Outcome(code="internal", message="the results could not be changed")

    def stage(self, job_id: str) -> Stage | None:
        """Return what is being done with a job; None where it does not run, or has told nothing yet."""
        running = self._reached.get(job_id)
        return None if running is None else running.latest.stage

    def remaining_s(self, job_id: str) -> float | None:
        """Estimate how long a running job still takes; None where that cannot be told yet."""
        running = self._reached.get(job_id)
        return None if running is None else running.remaining_s(time.monotonic())

    def wait_s(self) -> float:
        """Estimate how long it takes until another job fits into the queue."""
        return max(1.0, self._mean_s / self._settings.workers)

    async def delete(self, job_id: str) -> None:
        """Forget a job, its recording and its results, and stop it where it runs: nothing of it stays on the disk.

        Raises:
            OSError: Something of it could not be deleted; it is tried again from time to time.
            sqlite3.Error: The queue could not be written; that is, too.
        """
        await self._forget(job_id)
        self._store.purge()

    async def _forget(self, job_id: str) -> None:
        self._arriving.discard(job_id)
        try:
            self._store.delete(job_id)
        finally:  # nothing of a recording stays, also where the store's disk is full
            process = self._processes.get(job_id)
            if process is not None:
                await process.end()
            await asyncio.to_thread(_remove, self.folder(job_id))

    async def _work(self) -> None:
        while True:
            try:
                job = self._store.claim()
                if job is None:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                self._wake.set()  # another worker may find another one
                await self._work_on(job)
            except Exception:  # noqa: BLE001  whatever it was, the next job must be worked on
                _log.exception("the queue cannot be used")
                await asyncio.sleep(_RETRY_S)

    async def _work_on(self, job: Job) -> None:
        """Run a job and note what came of it."""
        began = time.monotonic()
        try:
            note = await self._run(job)
        except asyncio.CancelledError:
            with suppress(sqlite3.Error):  # or it is found running, and waits again, at the next start
                self._store.requeue(job.id, is_counted=False)
            raise
        except Exception:  # noqa: BLE001  a job that cannot even be begun must not end the others
            _log.exception("job %s", job.id)
            note = self._failure(job, "internal", "the service could not work on this")
        await self._retry_until_written(note)
        ended = self._store.get(job.id)
        if ended is None:  # it was deleted meanwhile; the process may have written once more
            await asyncio.to_thread(shutil.rmtree, self.folder(job.id), ignore_errors=True)
        elif ended.state != "queued":
            self._drop_recording(job.id)
            if ended.state == "failed":
                await asyncio.to_thread(shutil.rmtree, self.folder(job.id), ignore_errors=True)
            spent_s = time.monotonic() - began
            self._mean_s += 0.3 * (spent_s - self._mean_s)
            self._on_end(ended.state, spent_s)
            _log.info("job %s: %s %s after %.1f s", job.id, ended.state, ended.code, spent_s)

    async def _run(self, job: Job) -> Callable[[], None]:
        """Run a job's process to its end; return what is to be noted about it."""
        s = self._settings
        results = self.folder(job.id) / RESULTS
        await asyncio.to_thread(shutil.rmtree, results, ignore_errors=True)  # of an attempt that was killed
        self.make_folders(job.id)
        task = _analysis(job, self.folder(job.id), s)
        process = await WorkerProcess.begin(task, may_fetch=task.options.transcribe)
        self._processes[job.id] = process
        try:
            if self._store.get(job.id) is None:  # deleted before there was a process to end
                return _nothing
            async with asyncio.timeout(s.job_timeout_s):
                outcome = await process.follow(lambda reached: self._advance(job.id, reached))
        except TimeoutError:
            return self._failure(job, "timeout", f"it took longer than {s.job_timeout_s:g} s")
        finally:
            del self._processes[job.id]
            self._reached.pop(job.id, None)
            await process.end()
        if outcome is None:
            return self._death(job, process.was_killed)
        if outcome.trace:
            _log.error("job %s: %s", job.id, outcome.trace)
        if outcome.code:
            return self._failure(job, outcome.code, outcome.message)
        return lambda: self._store.finish(job.id, outcome.message)

    def _death(self, job: Job, was_killed: bool) -> Callable[[], None]:
        """Say what is to be noted about a job whose process ended without a word."""
        if not was_killed:
            limit = f"it may take {self._settings.job_memory_mb:g} MB of memory"
            return self._failure(job, "crashed", f"the analysis broke off: {limit}, or the file is damaged")
        if job.attempts < MOST_ATTEMPTS:
            _log.warning("job %s: its process was killed; it is run again", job.id)
            return lambda: self._store.requeue(job.id, is_counted=True)
        return self._failure(job, "interrupted", f"the analysis was killed {MOST_ATTEMPTS} times")

    def _failure(self, job: Job, code: str, message: str) -> Callable[[], None]:
        return lambda: self._store.fail(job.id, code, message)

    def _advance(self, job_id: str, reached: ProgressReport) -> None:
        if job_id in self._reached:
            self._reached[job_id].latest = reached
        else:
            self._reached[job_id] = _Running(time.monotonic(), reached.share, reached)
        with suppress(sqlite3.Error):  # the disk is full: it is no reason to stop
            self._store.advance(job_id, reached.share)

    async def _retry_until_written(self, note: Callable[[], None]) -> None:
        """Change the store, again and again while its disk is full: a job that has ended must not seem to run."""
        while True:
            try:
                note()
                return
            except sqlite3.Error:
                _log.exception("the queue cannot be written")
                await asyncio.sleep(_RETRY_S)

    async def _sweep(self) -> None:
        """Delete what has expired, as soon as it has, and what is left of uploads that nobody takes any more."""
        keep_s = self._settings.keep_s
        while True:
            pause_s = min(_SWEEP_S, keep_s)
            try:
                for job_id in (*self._store.expired(keep_s), *(self._store.ids("receiving") - self._arriving)):
                    await self._forget(job_id)
                self._store.purge()
                self._drop_strays()
                due_s = self._store.next_expiry_in_s(keep_s)
                pause_s = pause_s if due_s is None else min(pause_s, max(due_s, 0.02))
            except (sqlite3.Error, OSError):
                _log.exception("the queue cannot be swept")
                pause_s = _RETRY_S
            await asyncio.sleep(pause_s)

    def _drop_strays(self) -> None:
        """Delete the folders of jobs that are no more."""
        known = self._store.ids()
        for left in (self._settings.folder / JOBS).iterdir():
            if left.name not in known:
                shutil.rmtree(left, ignore_errors=True)

    def _drop_recording(self, job_id: str) -> None:
        for file in (RECORDING, *(f"{TRANSCRIPT}{suffix}" for suffix in SUFFIXES)):
            (self.folder(job_id) / file).unlink(missing_ok=True)


def _analysis(job: Job, folder: Path, settings: ServiceSettings) -> AnalysisTask:
    return AnalysisTask(
        folder=folder.absolute(),
        name=job.name,
        memory_mb=settings.job_memory_mb,
        file_mb=settings.job_file_mb,
        bundle=settings.bundle,
        asr_model=settings.asr_model,
        max_duration_s=settings.max_duration_s,
        max_megapixels=settings.max_megapixels,
        answers=settings.answers,
        options=SubmitOptions.model_validate_json(job.options),
    )


def _remove(folder: Path) -> None:
    """Delete a folder and all in it. Raises OSError where something stays."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # say what it was that could not be deleted
        shutil.rmtree(folder)


def _nothing() -> None:
    """Note nothing."""
