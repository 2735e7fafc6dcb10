"""Commands are imported when they are called, and listed with their own words before that."""

from __future__ import annotations

import json
import subprocess
import sys

import typer
from typer.main import get_command

from emofuse.cli.lazy import _help_of, _load
from emofuse.cli.main import app

COUNT = """
import json, resource, sys
from pathlib import Path
from emofuse.cli.main import run
try:
    run(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status")  # the most memory since it was started, which the parent's is part of elsewhere
lines = status.read_text().splitlines() if status.exists() else []
peak = [line.split()[1] for line in lines if line.startswith("VmHWM")]
heavy = [n for n in ("numpy", "cv2", "av", "onnxruntime", "pydantic", "torch") if n in sys.modules]
print(json.dumps([code, used.ru_utime + used.ru_stime, int(peak[0]) / 1024 if peak else 0, heavy]), file=sys.stderr)
"""


def test_version_and_help_wait_for_nothing() -> None:
    for option in ("--version", "--help"):
        runs = []
        for _ in range(3):  # what else runs on the machine costs a process time, too
            done = subprocess.run([sys.executable, "-c", COUNT, option], capture_output=True, text=True, check=True)
            code, cpu_s, memory_mb, heavy = json.loads(done.stderr.splitlines()[-1])
            assert code == 0 and heavy == [] and memory_mb < 60, option
            runs.append(cpu_s)
        assert min(runs) < 0.8  # 0.13 s and 32 MB on an idle machine, and three times that on a slow and busy one


def test_what_is_listed_is_what_the_commands_say_of_themselves() -> None:
    group = get_command(app)
    context = typer.Context(group)
    assert {"analyze", "demo", "live", "serve", "bundle", "corpus"} <= set(group.list_commands(context))
    for name, place in group.places.items():
        command = _load(name, place)
        assert command.name == name
        assert _help_of(place).split() == command.help.split(), name
        assert group.get_command(context, name).help.split() == command.help.split()


def test_a_group_and_a_command_are_run_and_a_name_that_is_none_is_not(emofuse) -> None:
    assert "audit" in emofuse("corpus", "--help").out
    assert "fit" in emofuse("bundle", "--help").out
    assert "INPUT" in emofuse("analyze", "--help").out
    missing = emofuse("analyse")
    assert missing.code == 2 and "analyze" in missing.err
