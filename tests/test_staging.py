"""What is being written is hidden and locked; what a process that was killed has left is cleared by the next one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emofuse import staging
from emofuse.files import atomic_write
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
