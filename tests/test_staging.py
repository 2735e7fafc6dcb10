"""What is being written is hidden and locked; what a process that was killed has left is cleared by the next one."""

import contextlib
import gc
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from emofuse import files, staging
from emofuse.files import atomic_write, write_csv_file
from emofuse.staging import StagedPath, clear_abandoned, clear_once

WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from emofuse.staging import StagedPath
file = StagedPath(Path(sys.argv[1]) / "clip.mp4")
folder = StagedPath(Path(sys.argv[1]) / "bundle", is_folder=True)
file.path.write_bytes(b"half")
(folder.path / "face.onnx").write_bytes(b"half")
print("written", flush=True)
time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_parts_of_a_killed_process_are_cleared_by_the_next_that_writes_there_and_those_of_a_living_one_are_not(
    tmp_path,
):
    process = subprocess.Popen([sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    clear_abandoned(tmp_path)
    assert len(names(tmp_path)) == 2, "they are being written"
    process.send_signal(signal.SIGKILL)
    process.wait()
    clear_once.cache_clear()
    with atomic_write(tmp_path / "other.json") as name:
        name.write_text("whole")
    assert names(tmp_path) == ["other.json"]


def test_only_what_has_our_mark_is_cleared(tmp_path):
    kept = [".clip.1a2b3c4d.mp4", ".notes.emofuse-1a2b3c4d.tar.gz", "clip.emofuse-1a2b3c4d.mp4", ".emofuse", ".x.json"]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / ".link.emofuse-1a2b3c4d.mp4").symlink_to(tmp_path / kept[0])
    (tmp_path / ".clip.emofuse-1a2b3c4d.mp4").touch()
    (tmp_path / ".bundle.emofuse-1a2b3c4d").mkdir()
    clear_abandoned(tmp_path)
    assert names(tmp_path) == sorted([*kept, ".link.emofuse-1a2b3c4d.mp4"])


def test_one_that_was_taken_for_a_left_over_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    touch, made = Path.touch, []

    def touch_and_lose(self, **options):
        touch(self, **options)
        made.append(self)
        if len(made) == 1:
            clear_abandoned(tmp_path)

    monkeypatch.setattr(Path, "touch", touch_and_lose)
    staged = StagedPath(tmp_path / "clip.json")
    assert len(made) == 2 and staged.path == made[1]
    staged.path.write_text("whole")
    staged.publish()
    staged.discard()
    assert names(tmp_path) == ["clip.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_without_locks_only_what_is_a_day_old_is_cleared(tmp_path, monkeypatch):
    import fcntl

    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    for name, age_s in ((".new.emofuse-1a2b3c4d.mp4", 60), (".old.emofuse-1a2b3c4d.mp4", 90_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    clear_abandoned(tmp_path)
    assert names(tmp_path) == [".new.emofuse-1a2b3c4d.mp4"]
    with atomic_write(tmp_path / "clip.json") as written:
        written.write_text("whole")
    assert (tmp_path / "clip.json").read_text() == "whole"


def test_what_a_library_made_private_is_published_as_readable_as_any_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    staged = StagedPath(tmp_path / "model.safetensors")
    other = tmp_path / "other"
    other.touch(mode=0o600)
    other.replace(staged.path)  # as safetensors writes
    staged.publish()
    staged.discard()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_being_stopped_while_it_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(path: Path) -> int | None:
        raise KeyboardInterrupt

    monkeypatch.setattr(staging, "_locked", stopped)
    for is_folder in (False, True):
        with pytest.raises(KeyboardInterrupt):
            StagedPath(tmp_path / "out.csv", is_folder=is_folder)
    assert not list(tmp_path.iterdir())


class StoppedAt:
    """Raises KeyboardInterrupt before the nth instruction of the code that writes files, as Ctrl-C may."""

    def __init__(self, n: int) -> None:
        self._left = n
        self.came = False

    def __enter__(self) -> "StoppedAt":
        sys.settrace(self._step)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _step(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in (files.__file__, staging.__file__, contextlib.__file__):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if self._left < 0:
                self.came = True
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._step


def test_stopped_before_any_instruction_nothing_half_written_is_left(tmp_path: Path) -> None:
    for n in itertools.count():
        folder = tmp_path / str(n)
        folder.mkdir()
        stopped = StoppedAt(n)
        try:
            with stopped:
                write_csv_file(folder / "out.csv", ["time"], [[1]])
        except KeyboardInterrupt:
            pass
        if names(folder) not in ([], ["out.csv"]):
            gc.collect()  # at its exit at the latest, a process lets go of what was interrupted
        assert names(folder) in ([], ["out.csv"]), n
        if not stopped.came:
            break
    assert n > 200 and names(folder) == ["out.csv"]


def test_a_process_removes_at_its_exit_what_it_had_not_put_away(tmp_path: Path) -> None:
    code = WRITE_AND_WAIT.replace("time.sleep(60)", "sys.exit(3)")
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True)
    assert ended.returncode == 3 and names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_leaves_alone_what_its_parent_writes(tmp_path: Path) -> None:
    staged = StagedPath(tmp_path / "out.csv")
    child = os.fork()
    if child == 0:
        staged.discard()
        os._exit(0)
    os.waitpid(child, 0)
    assert names(tmp_path) == [staged.path.name]
    staged.discard()
    assert names(tmp_path) == []
