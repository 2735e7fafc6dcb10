"""Recordings spread over the machines of a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emofuse import __version__
from emofuse.errors import UsageError
from emofuse.reading import one_line
from emofuse.recordings.one import Options, Outcome
from emofuse.recordings.plan import Task
from emofuse.recordings.pool import OnProgress, Work, WorkerProcess
from emofuse.recordings.progress import Progress
from emofuse.recordings.worker import analyze_in_worker
from emofuse.remote import Address
from emofuse.staging import clear_abandoned

if TYPE_CHECKING:
    from ray import ObjectRefGenerator

_ANSWER_S: Final = 5.0  # for a cluster to be reached
_LOOK_S: Final = 1.0  # between two looks at the cluster while nothing comes
_ALONE_S: Final = 60.0  # that a cluster without any core may last: machines are on their way, or none is
_MOST_LOSSES: Final = 3  # of the machines that work on a recording: then it is the recording that ends them
_AHEAD: Final = 2  # recordings that wait for each that is worked on, so that no core waits for the next one


class RayEngine:
    """The engine that spreads recordings over a cluster.

    Each is worked on by a process of its own on one of the machines, as on a single one: what it does to that process
    costs it alone, with the same words. A machine that is lost costs nothing: its recordings are done again elsewhere.

    Args:
        address: Of the cluster, as HOST:PORT or "auto"; None: the one that RAY_ADDRESS names, or a new one that is this
            machine alone.
        jobs: Recordings to work on at once; None: as many as the cluster has cores.
        work: What a process does with a recording.

    Raises:
        UsageError: Ray is not installed, or nothing answers at the address.
    """

    def __init__(self, address: str | None = None, jobs: int | None = None, work: Work = analyze_in_worker) -> None:
        _connect(address)
        self._jobs, self._work = jobs, work

    def analyze(
        self, tasks: Sequence[Task], options: Options, on_progress: OnProgress | None = None
    ) -> Generator[Outcome]:
        """Yield what came of each recording; see `Engine`."""
        import ray

        shared = ray.put(_Shared(options, self._work, Path.cwd()))
        waiting = deque(_Run(task) for task in tasks)
        running: dict[ObjectRefGenerator, _Run] = {}
        alone_since: float | None = None
        try:
            while waiting or running:
                n_cores = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
                alone_since = (alone_since or time.monotonic()) if n_cores == 0 else None
                if alone_since is not None and time.monotonic() - alone_since > _ALONE_S:
                    yield from _unfinished([*running.values(), *waiting], "no machine of the cluster is left")
                    return
                most = self._jobs or max(1, n_cores * _AHEAD)
                while waiting and len(running) < most:
                    run = waiting.popleft()
                    running[_begin(shared, run.task)] = run
                ready, _ = ray.wait([*running], num_returns=1, timeout=_LOOK_S, fetch_local=False)
                for stream in ready:
                    run = running[stream]
                    message = _next(stream, run)
                    if isinstance(message, Progress):
                        if on_progress is not None:
                            on_progress(run.task, message)
                        continue
                    del running[stream]
                    if message is None:
                        waiting.appendleft(run)
                    else:
                        yield message
        finally:
            for stream, run in running.items():
                ray.cancel(stream, force=True)  # the process that works on it ends with the one that began it
                if not isinstance(run.task.batch, Address):
                    clear_abandoned(run.task.stem.parent)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all recordings of a run have in common. folder: the one that the command was given in."""

    options: Options
    work: Work
    folder: Path
    version: str = __version__


@dataclass(slots=True)
class _Run:
    """A recording that is to be done. losses: where machines or processes were lost that worked on it."""

    task: Task
    n_losses: int = 0


def _connect(address: str | None) -> None:
    """Connect this process to a cluster, or begin one. Raises UsageError where none can be had."""
    try:
        import ray
    except ImportError:
        raise UsageError("--engine ray needs Ray, which is not installed", "pip install 'emofuse[scale]'") from None
    if address is not None and "://" in address:
        raise UsageError(
            f"{address} is the address of a Ray client, through which progress and losses are not seen",
            "run the command on a machine of the cluster with --address auto, or by `ray job submit`",
        )
    if address not in (None, "auto", "local"):
        _check_answers(str(address))
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that is begun here: nothing is sent anywhere
    try:
        ray.init(
            address, log_to_driver=False, include_dashboard=None if address else False, logging_level=logging.ERROR
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"at {address}" if address and address != "auto" else "here"
        raise UsageError(
            f"no Ray cluster can be used {where}: {one_line(error)}", "`ray status` shows its state"
        ) from error


def _check_answers(address: str) -> None:
    """Raise UsageError where nothing listens at HOST:PORT: Ray itself would wait for it for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{address!r} is not an address of a cluster", "HOST:PORT, as 10.0.0.5:6379, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except OSError as error:
        reason = error.strerror or "it does not answer"
        raise UsageError(
            f"no Ray cluster at {address}: {reason}", "begin one with `ray start --head`, or check the address"
        ) from None


def _begin(shared: Any, task: Task) -> ObjectRefGenerator:
    """Have a recording worked on, on whichever machine has a core; lost work is counted and begun again here."""
    import ray

    remote = ray.remote(num_cpus=1, max_retries=0, num_returns="streaming")(_messages)
    stream: ObjectRefGenerator = remote.remote(shared, task)
    return stream


def _next(stream: ObjectRefGenerator, run: _Run) -> Progress | Outcome | None:
    """Return what a recording's process tells next; None where its machine was lost and it is to be done again."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        message: Progress | Outcome = ray.get(next(stream))
        return message
    except RayTaskError as error:
        return Outcome(
            run.task.source, failure=f"a machine of the cluster cannot do it: {one_line(error.cause or error)}"
        )
    except (RayError, StopIteration) as error:
        run.n_losses += 1
        if run.n_losses < _MOST_LOSSES:
            return None
        reason = one_line(error).partition(". ")[0] if isinstance(error, RayError) else "it ended without a result"
        return Outcome(
            run.task.source,
            failure=f"{_MOST_LOSSES} machines that worked on it were lost (too little memory?): {reason}",
        )


def _unfinished(runs: Sequence[_Run], reason: str) -> Iterator[Outcome]:
    for run in runs:
        yield Outcome(run.task.source, failure=reason)


# What follows is run on the machines of the cluster.

_kept: list[tuple[_Shared, WorkerProcess]] = []  # at most one: the process that worked on the recording before


def _messages(shared: _Shared, task: Task) -> Iterator[Progress | Outcome]:
    """Yield what a process of this machine tells of a recording, the outcome last. It is kept for the next one."""
    try:
        worker = _process(shared, task)
    except UsageError as error:
        yield Outcome(task.source, failure=f"{socket.gethostname()}: {error}")
        return
    worker.give(task)
    while True:
        message = worker.receive()
        if isinstance(message, Outcome):
            break
        yield message
    worker.task = None
    if worker.process.is_alive():
        _kept.append((shared, worker))
    yield message


def _process(shared: _Shared, task: Task) -> WorkerProcess:
    """Return a process for a recording. Raises UsageError where this machine cannot have one."""
    if shared.version != __version__:
        raise UsageError(f"emofuse {__version__} is here, and {shared.version} where the command was given")
    try:
        os.chdir(shared.folder)
    except OSError:
        if isinstance(task.source, Path) and not task.source.is_absolute():
            raise UsageError(f"there is no folder {shared.folder} here", "name recordings on a shared disk") from None
    while _kept:
        known, worker = _kept.pop()
        if known == shared and worker.process.is_alive():
            return worker
        worker.stop()
    try:
        return WorkerProcess.begin(shared.options, shared.work)
    except OSError as error:
        raise UsageError(f"no process can be begun: {error.strerror or error}") from None
