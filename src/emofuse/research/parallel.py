"""Work spread over processes that end at once, with their files put away, when anything goes wrong."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import active_children, get_context
from types import FrameType
from typing import Any, TypeVar

from emofuse.errors import EmofuseError
from emofuse.processes import end_with_parent

T = TypeVar("T")
R = TypeVar("R")


def run_at_once(
    work: Callable[[T], R], items: Sequence[T], jobs: int, start: Callable[..., None], arguments: tuple[Any, ...] = ()
) -> Generator[R]:
    """Yield work(item) of every item, in order, from `jobs` processes with one thread each.

    start(*arguments) is called once in each process. When one fails, when the generator is closed and at Ctrl-C, the
    others are stopped: what they are writing is removed. Close it (`contextlib.closing`) where its consumer may raise.
    Raises EmofuseError where a process dies, as for want of memory.
    """
    others = set(active_children())
    context = get_context("spawn")  # torch's threads do not survive a fork
    pool = ProcessPoolExecutor(min(jobs, len(items)), context, initializer=_start, initargs=(start, arguments))
    try:
        yield from pool.map(partial(_guarded, work), items)
    except BaseException as error:
        for worker in set(active_children()) - others:
            worker.terminate()
        if isinstance(error, BrokenProcessPool):
            raise EmofuseError("a worker process died (too little memory?)", "lower --jobs") from None
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_is_stopped = False  # of a worker process: it takes SystemExit for a result, and would go on with what waits
_is_working = False


def _start(start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    if torch := sys.modules.get("torch"):  # else it will heed the variable when it is imported
        torch.set_num_threads(1)
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    signal.signal(signal.SIGTERM, _stop)
    start(*arguments)


def _stop(number: int, frame: FrameType | None) -> None:
    """End what is being done with its files put away, and begin nothing else that waits.

    What hands a result over is not interrupted: it holds a lock that all processes need, and would keep it for good.
    """
    global _is_stopped
    was_stopped, _is_stopped = _is_stopped, True
    if _is_working and not was_stopped:
        raise SystemExit


def _guarded(work: Callable[[T], R], item: T) -> R:
    global _is_working
    _is_working = True
    try:
        if _is_stopped:
            raise SystemExit
        return work(item)
    finally:
        _is_working = False
