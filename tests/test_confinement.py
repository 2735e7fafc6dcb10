"""Nothing leaves the machine: a whole analysis and a running service look up no name, reach no host, and write nothing
outside the folders they were given. Measured from outside, at the calls to the system, libraries included."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from emofuse.outputs.formats import FORMATS
from run_service import until
from trace_calls import files_written, hosts_reached, names_looked_up, needs_strace, traced

EMOFUSE = [sys.executable, "-m", "emofuse.cli.main"]


def quiet(folder: Path) -> dict[str, str]:
    """Return an environment in which the user has switched nothing off, and whose home is empty."""
    (folder / "home").mkdir()
    unset = dict.fromkeys(("EMOFUSE_CACHE", "EMOFUSE_OFFLINE", "EMOFUSE_WEIGHTS"), "")
    return {**unset, "ORT_DISABLE_TELEMETRY": "0", "HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home")}


@needs_strace
def test_an_analysis_reaches_nobody_and_writes_its_results_alone(tmp_path: Path, clip_mp4: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "clip.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nI am so happy\n")
    command = [*EMOFUSE, "analyze", str(clip_mp4), "-o", "out", "--formats"]
    command.append(",".join(name for name, format in FORMATS.items() if not format.is_extra))
    with traced([*command, "--transcript", "clip.srt"], work, **quiet(tmp_path)) as (process, log):
        out, err = process.communicate(timeout=200)
    assert process.returncode == 0, (out, err)
    assert {path.suffix for path in (work / "out").iterdir()} >= {".json", ".mp4", ".html", ".eaf"}
    assert names_looked_up(log) == [] and hosts_reached(log) == set()
    assert files_written(log, work, [work / "out"]) == []
    assert list((tmp_path / "home").rglob("*")) == []


@needs_strace
def test_a_running_service_reaches_nobody_and_writes_in_its_folder_alone(tmp_path: Path, clip_mp4: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    command = [*EMOFUSE, "serve", "--port", "0", "--folder", "service"]
    with traced(command, work, **quiet(tmp_path)) as (process, log):
        assert process.stdout is not None
        found = re.search(r"listens on (http://\S+?);", process.stdout.readline())
        assert found is not None
        url = found[1]
        job = json.loads(urllib.request.urlopen(f"{url}/v1/analyses?name=a.mp4", clip_mp4.read_bytes()).read())

        def state() -> str:
            return str(json.loads(urllib.request.urlopen(f"{url}/v1/analyses/{job['id']}").read())["state"])

        until(lambda: state() in ("done", "failed"), 200, "it is not done")
        assert state() == "done"
        urllib.request.urlopen(urllib.request.Request(f"{url}/v1/analyses/{job['id']}", method="DELETE")).close()
    assert names_looked_up(log) == []
    assert hosts_reached(log) == set()
    assert files_written(log, work, [work / "service"]) == []
    assert list((tmp_path / "home").rglob("*")) == []
    # the folder keeps an empty queue, and nothing of the recording
    assert not any((work / "service" / "jobs").iterdir())


@needs_strace
def test_what_is_looked_for_would_be_found(tmp_path: Path) -> None:
    """The two tests above show something: the same eyes see a name that is looked up, and a file that is written."""
    (tmp_path / "work").mkdir()
    code = (
        "import socket, pathlib\n"
        "pathlib.Path('../beside.txt').write_text('x')\n"
        "try: socket.create_connection(('name.invalid', 80), 2)\nexcept OSError: pass\n"
        "try: socket.create_connection(('127.0.0.9', 9), 2)\nexcept OSError: pass"
    )
    with traced([sys.executable, "-c", code], tmp_path / "work") as (process, log):
        process.communicate(timeout=100)
    assert names_looked_up(log) and "127.0.0.9" in hosts_reached(log)
    assert len(files_written(log, tmp_path / "work", [tmp_path / "work"])) == 1


@pytest.mark.parametrize("command", ["info", "analyze", "serve", pytest.param("figures", marks=pytest.mark.load)])
def test_a_home_that_cannot_be_written_is_no_reason_for_warnings(tmp_path: Path, voice_wav: Path, command: str) -> None:
    """Not of ONNX Runtime, pooch, matplotlib or numba, all of which keep something below the home."""
    if command == "figures":
        pytest.importorskip("matplotlib")
    arguments = {
        "info": [*EMOFUSE, "info"],
        "analyze": [*EMOFUSE, "analyze", str(voice_wav), "-o", str(tmp_path / "out"), "--formats", "json"],
        "serve": [*EMOFUSE, "serve", "--help"],
        "figures": [
            sys.executable,
            "-c",
            "from emofuse.cli.caches import settle_caches; settle_caches(); "
            "import emofuse.research.evaluation.reports.figure_frame, librosa",
        ],
    }[command]
    environment = quiet(tmp_path) | {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "", "MPLCONFIGDIR": ""}
    given = {name: value for name, value in {**os.environ, **environment}.items() if value}
    done = subprocess.run(arguments, env=given, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
