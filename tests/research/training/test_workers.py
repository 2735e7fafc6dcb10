"""Work in several processes: in order, with its errors, and stopped at once with nothing half-written."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from emofuse.errors import EmofuseError, UsageError
from emofuse.files import atomic_write
from emofuse.research import parallel
from emofuse.research.parallel import run_at_once
from running import is_running

_offset = 0


def start(offset: int) -> None:
    global _offset
    _offset = offset


def work(item: int) -> int:
    if item < 0:
        raise UsageError(f"{item} is negative", "choose another")
    return item + _offset


def write_slowly(path: Path) -> str:
    if path.name == "quick":
        return path.name
    with atomic_write(path):
        time.sleep(60)
    return path.name


def n_threads(item: int) -> int:
    import torch

    return torch.get_num_threads()


def die(item: int) -> None:
    os._exit(1)


def test_results_come_in_order_and_errors_as_they_are() -> None:
    with closing(run_at_once(work, [3, 1, 2, -1, 5], 2, start, (10,))) as results:
        assert [next(results) for _ in range(3)] == [13, 11, 12]
        with pytest.raises(UsageError, match="-1 is negative"):
            next(results)
    assert not multiprocessing.active_children()


def test_a_result_that_is_handed_over_is_not_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_is_stopped", False)
    parallel._stop(signal.SIGTERM, None)  # as nothing is being done: a worker waits, or holds the queue's lock
    with pytest.raises(SystemExit):
        parallel._guarded(work, 1)
    monkeypatch.setattr(parallel, "_is_stopped", False)
    with pytest.raises(SystemExit):
        parallel._guarded(lambda item: parallel._stop(signal.SIGTERM, None), 1)
    assert not parallel._is_working


@pytest.mark.parametrize("is_there", [False, pytest.param(True, marks=pytest.mark.load)])
def test_a_process_has_one_thread_be_torch_there_or_not(is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from emofuse.research.training.fit import silence_lightning  # brings torch to the process that is given it

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with closing(run_at_once(n_threads, [1], 1, *((silence_lightning, ()) if is_there else (start, (0,))))) as results:
        assert list(results) == [1]


@pytest.mark.load
def test_a_consumer_that_stops_stops_every_process(tmp_path: Path) -> None:
    paths = [tmp_path / "quick", tmp_path / "slow", tmp_path / "waiting"]
    with pytest.raises(KeyboardInterrupt), closing(run_at_once(write_slowly, paths, 2, start, (0,))) as results:
        assert next(results) == "quick"
        while not list(tmp_path.iterdir()):  # until it is being written
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert not multiprocessing.active_children()
    assert list(tmp_path.iterdir()) == []


WORK_AND_WAIT = """
import multiprocessing, time
from emofuse.research import parallel
from emofuse.research.parallel import run_at_once
if __name__ == "__main__":
    results = run_at_once(time.sleep, [0.0, 60.0, 60.0], 2, int)
    next(results)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    next(results)
"""


@pytest.mark.load
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
@pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM"])
def test_workers_end_with_their_parent(number: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", WORK_AND_WAIT], stdout=subprocess.PIPE)
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    process.send_signal(getattr(signal, number))
    process.wait()
    limit = time.monotonic() + 10
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() < limit, "they are still there"
        time.sleep(0.05)


def test_a_process_that_dies_is_one_line() -> None:
    with pytest.raises(EmofuseError, match="a worker process died"):
        list(run_at_once(die, [1, 2], 2, start, (0,)))
