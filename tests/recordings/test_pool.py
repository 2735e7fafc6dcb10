"""Every recording has a process of its own fate: what one does to its process ends no other, and nothing stays."""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from emofuse.files import atomic_write
from emofuse.inference.analyzer import AnalyzerSettings
from emofuse.recordings.one import Options, Outcome
from emofuse.recordings.plan import Task
from emofuse.recordings.pool import Work, WorkerProcess, analyze_each
from emofuse.recordings.progress import OnProgress, Progress

OPTIONS = Options(("json",), AnalyzerSettings())


def pretend(task: Task, options: Options, on_progress: OnProgress) -> Outcome:
    """Do with its process what the name of the recording says, after half of its result is written."""
    name = task.source.stem
    on_progress(Progress(1.0, 2.0))
    with atomic_write(task.target("json")) as result:
        result.write_text(str(os.getpid()))
        if name.startswith("crash"):
            ctypes.string_at(0)  # a wild pointer, as in a decoder
        if name.startswith("starve"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("leave"):
            os._exit(7)
        if name.startswith("hang"):
            time.sleep(60)
    return Outcome(task.source, files=(task.target("json"),))


def tasks(folder: Path, *names: str) -> list[Task]:
    return [Task(Path(f"{name}.mp4"), folder / name) for name in names]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_process_that_dies_costs_its_own_recording_alone(tmp_path: Path, jobs: int) -> None:
    work = tasks(tmp_path, "a", "crash", "b", "starve", "leave", "c")
    outcomes = {o.source.stem: o for o in analyze_each(work, OPTIONS, jobs, work=pretend)}
    assert {name: o.failure for name, o in outcomes.items()} == {
        "a": "",
        "b": "",
        "c": "",
        "crash": "the process that analysed it crashed (SIGSEGV): the file may be damaged",
        "starve": "the process that analysed it was killed (too little memory?)",
        "leave": "the process that analysed it ended with 7",
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json", "c.json"]
    assert not multiprocessing.active_children()


def test_one_process_does_many_recordings_and_its_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, Progress]] = []
    work = tasks(tmp_path, "a", "b", "c")
    list(analyze_each(work, OPTIONS, 1, lambda task, reached: told.append((task.source.stem, reached)), pretend))
    assert told == [(name, Progress(1.0, 2.0)) for name in ("a", "b", "c")]
    assert len({(tmp_path / f"{name}.json").read_text() for name in "abc"}) == 1
    assert str(os.getpid()) != (tmp_path / "a.json").read_text()


def test_whoever_stops_it_stops_the_processes_and_clears_their_parts(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        closing(analyze_each(tasks(tmp_path, "a", "hang", "hang-too", "b"), OPTIONS, 2, work=pretend)) as outcomes,
    ):
        assert next(outcomes).source.stem == "a"
        while len([p for p in tmp_path.iterdir() if p.name.startswith(".hang")]) < 1:
            time.sleep(0.01)
        began = time.monotonic()
        raise KeyboardInterrupt
    assert time.monotonic() - began < 2
    assert not multiprocessing.active_children()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_process_that_dies_without_work_costs_no_recording(tmp_path: Path) -> None:
    work = tasks(tmp_path, "a", "hang", "b")
    with closing(analyze_each(work[:1] + work[2:], OPTIONS, 1, work=pretend)) as outcomes:
        assert not next(outcomes).failure  # and its process waits, as nothing is asked for
        (waiting,) = multiprocessing.active_children()
        waiting.kill()
        waiting.join()
        assert [(o.source.stem, o.failure) for o in outcomes] == [("b", "")]


def test_where_no_process_can_be_begun_the_others_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, n_begun = WorkerProcess.begin, 0

    def limited(options: Options, work: Work) -> WorkerProcess:
        nonlocal n_begun
        n_begun += 1
        if n_begun != 1:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return begin(options, work)

    monkeypatch.setattr(WorkerProcess, "begin", limited)
    outcomes = {
        o.source.stem: o for o in analyze_each(tasks(tmp_path, "a", "b", "crash", "c"), OPTIONS, 3, work=pretend)
    }
    assert {name for name, o in outcomes.items() if not o.failure} == {"a", "b"}
    assert outcomes["c"].failure.startswith("no process can be begun: Resource temporarily")
