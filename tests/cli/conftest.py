"""The command, run in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from emofuse.cli.main import run


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
