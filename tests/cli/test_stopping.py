"""Stopped in whatever way: what was done is listed, nothing runs on, and a second run gives all the results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emofuse.recordings.plan import RECORDS
from make_media import Sound, record
from running import children, is_running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc for the processes")

_LIMIT_S = 4.0  # for Ctrl-C and SIGTERM to be obeyed: two seconds where no other test wants the cores
_LONG = "c-long"  # the recording that is being analysed when the batch is stopped
_LONG_S = 1500.0  # of sound: a core that analyses 600 times as fast as it plays is busy with it for 2.5 s


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    for name, length_s in (("a", 0.5), ("b", 0.5), (_LONG, _LONG_S), ("d", 0.5)):
        record(folder / f"{name}.wav", sound=Sound("pcm_s16le", 16_000, "mono", duration_s=length_s))
    return folder


def begin(recordings: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emofuse.cli.main", "analyze", str(recordings), "-o", str(out), *options]
    # not a group of its own: Ctrl-C goes to the one process that is to see to the others
    return subprocess.Popen(
        [*command, "--formats", "json,csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def results(folder: Path) -> dict[str, object]:
    """What is in a folder of results, but for what differs from run to run: when it was made."""
    found: dict[str, object] = {}
    for file in sorted(file for file in folder.rglob("*") if RECORDS not in file.parts):
        if file.suffix == ".json":
            document = json.loads(file.read_text())
            document.pop("provenance", None)
            document.pop("mark", None)
            found[file.name] = document
        else:
            found[file.name] = file.read_bytes() if file.suffix == ".csv" else file.name
    return found


def hidden(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.name.startswith(".") and p.name != RECORDS]


@pytest.fixture(scope="module")
def undisturbed(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    out = tmp_path_factory.mktemp("undisturbed")
    process = begin(recordings, out)
    assert process.communicate()[0] and process.returncode == 0
    return results(out)


@pytest.mark.load
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_stopped_and_run_again(recordings: Path, undisturbed: dict[str, object], tmp_path: Path, number: int) -> None:
    process = begin(recordings, tmp_path)
    while not (tmp_path / "b.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(0.3)  # so that it is within the long one
    workers = children(process.pid)
    assert workers
    began = time.monotonic()
    process.send_signal(number)
    printed, said = process.communicate()
    assert time.monotonic() - began < _LIMIT_S
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() - began < _LIMIT_S, "a worker runs on"
        time.sleep(0.02)
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert f"{_LONG}.wav: it was stopped before this was done" in said
        assert "skipped 2 of 4" in said and "nothing was left half-written" in said
        assert (tmp_path / "index.html").exists() and "summary.csv" in printed
        table = (tmp_path / "summary.csv").read_text().splitlines()
        stopped = "it was stopped before this was done; --resume goes on"
        assert [row.endswith(stopped) for row in table[1:]] == [False, False, True, True]
        assert hidden(tmp_path) == []
    first = (tmp_path / "a.json").stat().st_mtime_ns
    again = begin(recordings, tmp_path, "--resume")
    printed, said = again.communicate()
    assert again.returncode == 0
    assert "2 of 4 kept" in said and printed.count(", kept)") == 2
    assert (tmp_path / "a.json").stat().st_mtime_ns == first
    assert results(tmp_path) == undisturbed


def test_a_killed_worker_costs_its_recording_alone(recordings: Path, tmp_path: Path) -> None:
    process = begin(recordings, tmp_path)
    while not (tmp_path / "b.json").exists():
        time.sleep(0.01)
    time.sleep(0.3)
    for pid in children(process.pid):
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 1
    assert f"{_LONG}.wav: the process that analysed it was killed (too little memory?)" in said
    assert sorted(p.name for p in tmp_path.glob("*.json")) == ["a.json", "b.json", "d.json"]
    assert hidden(tmp_path) == []
