"""The command, run in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import pytest

from emofuse.cli import batch
from emofuse.cli.main import run
from emofuse.recordings.one import Options, Outcome
from emofuse.recordings.plan import Task
from emofuse.recordings.worker import analyze_in_worker


class Result(NamedTuple):
    """The exit code, and what was printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def emofuse(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Return a function that runs `emofuse` with these arguments, and checks that nobody sees a traceback."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        try:
            run([str(a) for a in arguments])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err + printed.out
        return Result(code, printed.out, printed.err)

    return call


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyse the recordings of a batch here, where a test has put something in the place of a model."""

    class Here:
        def analyze(self, tasks: Sequence[Task], options: Options, on_progress: object) -> Generator[Outcome]:
            for task in tasks:
                yield analyze_in_worker(task, options)

    monkeypatch.setattr(batch, "ENGINES", {"local": lambda settings: Here()})
