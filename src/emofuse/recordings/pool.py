"""Analyse recordings in processes of their own, so that what one of them does to its process ends no other."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Self

from emofuse.processes import end_with_parent
from emofuse.recordings.one import Options, Outcome
from emofuse.recordings.plan import Task
from emofuse.recordings.progress import OnProgress as OnOwnProgress
from emofuse.recordings.progress import Progress
from emofuse.recordings.worker import analyze_in_worker
from emofuse.remote import Address
from emofuse.staging import clear_abandoned
from emofuse.threads import free_opencv

OnProgress = Callable[[Task, Progress], None]
Work = Callable[[Task, Options, OnOwnProgress], Outcome]

_PROGRESS_S: Final = 0.2  # at least, between two messages of one worker
_GRACE_S: Final = 5.0  # for a worker without work to end
# Above any process that has not asked for it (0), so that where memory is short the system ends one recording's process
# and not the one that would tell of it
_OOM_SCORE: Final = "500"


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """The engine of this machine. jobs: recordings to work on at once."""

    jobs: int = 1

    def analyze(
        self, tasks: Sequence[Task], options: Options, on_progress: OnProgress | None = None
    ) -> Generator[Outcome]:
        """Yield what came of each recording; see `analyze_each`."""
        return analyze_each(tasks, options, self.jobs, on_progress)


def analyze_each(
    tasks: Sequence[Task],
    options: Options,
    jobs: int,
    on_progress: OnProgress | None = None,
    work: Work = analyze_in_worker,
) -> Generator[Outcome]:
    """Yield what came of each recording, in the order in which they end, from `jobs` processes.

    A process that dies, in a decoder or for want of memory, costs the recording that it was working on, and another one
    takes its place. When the generator is closed, and at Ctrl-C or SIGTERM, the processes are killed at once and what
    they had not finished is removed.

    Args:
        tasks: The recordings, and where their results go.
        options: How to analyse them.
        jobs: How many to work on at once.
        on_progress: Is told how far each of them is, some times in a second.
        work: What a process does with a recording; it has to be importable by that process.
    """
    waiting = deque(tasks)
    workers: list[WorkerProcess] = []
    busy: dict[Connection, WorkerProcess] = {}
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                try:
                    worker = _free(workers) or _added(WorkerProcess.begin(options, work), workers)
                except OSError as error:  # no memory, or no process more is allowed
                    if busy:
                        break  # one of those that there are takes it
                    yield Outcome(waiting.popleft().source, failure=f"no process can be begun: {error.strerror}")
                    continue
                worker.give(waiting.popleft())
                busy[worker.connection] = worker
            for ready in wait(list(busy)) if busy else ():
                worker = busy[ready]  # type: ignore[index]
                message = worker.receive()
                if isinstance(message, Progress):
                    if on_progress is not None and worker.task is not None:
                        on_progress(worker.task, message)
                    continue
                del busy[worker.connection]
                worker.task = None
                if not worker.process.is_alive():
                    workers.remove(worker)
                yield message
    except BaseException:
        for worker in workers:
            worker.process.kill()
        raise
    finally:
        _end(workers)


def _free(workers: list[WorkerProcess]) -> WorkerProcess | None:
    """Return one without work; those that died while they had none are let go: they cost no recording."""
    workers[:] = [worker for worker in workers if worker.task is not None or worker.process.is_alive()]
    return next((worker for worker in workers if worker.task is None), None)


def _added(worker: WorkerProcess, workers: list[WorkerProcess]) -> WorkerProcess:
    workers.append(worker)
    return worker


@dataclass(slots=True)
class WorkerProcess:
    """A process, the pipe to it, and what it is working on."""

    process: BaseProcess
    connection: Connection
    task: Task | None = None

    @classmethod
    def begin(cls, options: Options, work: Work) -> Self:
        """Begin a process that waits for work. Raises OSError where the system has none to give."""
        context = multiprocessing.get_context("spawn")  # OpenCV's and PyAV's threads do not survive a fork
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, options, work), daemon=True)
        try:
            process.start()
        except OSError:
            here.close()
            raise
        finally:
            there.close()  # so that the end of the process is the end of what comes from it
        return cls(process, here)

    def give(self, task: Task) -> None:
        """Let it begin with a recording."""
        self.task = task
        with suppress(OSError):  # it is dead, which shows when it is listened to
            self.connection.send(task)

    def receive(self) -> Progress | Outcome:
        """Wait for what it tells; where it died, return what that means for its recording."""
        assert self.task is not None
        try:
            message: Progress | Outcome = self.connection.recv()
            return message
        except (EOFError, OSError, pickle.UnpicklingError):
            self.process.join(_GRACE_S)
            self.process.kill()
            self.process.join()
            self._clear()
            return Outcome(self.task.source, failure=_death(self.process.exitcode))

    def stop(self) -> None:
        """End it at once, and remove what it had not finished."""
        self.process.kill()
        _end([self])

    def _clear(self) -> None:
        if self.task is not None and not isinstance(self.task.batch, Address):
            clear_abandoned(self.task.stem.parent)


def _end(workers: Sequence[WorkerProcess]) -> None:
    """Wait until all have ended, and remove what those that were killed had not finished."""
    for worker in workers:
        worker.connection.close()
    limit = time.monotonic() + _GRACE_S
    for worker in workers:
        worker.process.join(max(0.0, limit - time.monotonic()))
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
    for worker in workers:
        worker._clear()


def _death(exit_code: int | None) -> str:
    try:
        number = signal.Signals(-(exit_code or 0))
    except ValueError:
        return f"the process that analysed it ended with {exit_code}"
    if number.name in ("SIGKILL", "SIGTERM"):
        return "the process that analysed it was killed (too little memory?)"
    return f"the process that analysed it crashed ({number.name}): the file may be damaged"


def _serve(connection: Connection, options: Options, work: Work) -> None:
    """Work on what comes through the pipe, until it is closed."""
    end_with_parent()
    free_opencv()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        connection.send(work(task, options, _teller(connection)))


def _teller(connection: Connection) -> OnOwnProgress:
    told = 0.0

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _PROGRESS_S:
            told = now
            connection.send(progress)

    return tell
