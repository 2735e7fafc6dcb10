"""Runs what a page tells its reader to run, block by block, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def run_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that runs a page of docs/, and returns the folder that it ran in.

    Blocks of `sh` and of `python` are run in their order, those of Python in one namespace; a block with a title is the
    file of that name; what stands in a block of `text` is what the block before it prints.
    """
    folder, tools = tmp_path / "work", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    command = tools / "emofuse"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m emofuse "$@"\n')
    command.chmod(0o755)
    (tools / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("EMOFUSE_OFFLINE", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(page: str) -> Path:
        session = _Python(folder)
        printed, n_run = "", 0
        for kind, title, text in _BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
            if title:
                (folder / title).write_text(text, encoding="utf-8")
            elif kind == "sh":
                printed, n_run = _shell(text, folder), n_run + 1
            elif kind == "python":
                printed, n_run = session.run(text), n_run + 1
            elif kind == "text":
                assert printed.strip() == text.strip()
        session.close()
        assert n_run > 0, f"{page} has nothing to run"
        return folder

    return run


def _shell(text: str, folder: Path) -> str:
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class _Python:
    """An interpreter that runs one block after the other, as a reader's does."""

    _END = "\x00end"
    _LOOP = (
        "import sys, traceback\nscope = {'__name__': '__main__'}\n"
        "while text := sys.stdin.readline():\n"
        "    try:\n        exec(compile(eval(text), 'tutorial', 'exec'), scope); state = 'done'\n"
        "    except BaseException:\n        state = traceback.format_exc()\n"
        "    print('\\0end' + repr(state), flush=True)\n"
    )

    def __init__(self, folder: Path) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._folder = folder

    def run(self, text: str) -> str:
        """Run a block, and return what it printed."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", self._LOOP],
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{text!r}\n")
        self._process.stdin.flush()
        printed = ""
        for line in self._process.stdout:
            before, end, state = line.partition(self._END)
            printed += before
            if end:
                assert state.strip() == "'done'", f"{text}\n{printed}\n{eval(state)}"
                return printed
        raise AssertionError(f"Python ended in\n{text}\n{printed}")

    def close(self) -> None:
        """End the interpreter."""
        if self._process is not None:
            self._process.communicate()
