"""Nothing that is printed ends the work or steers the terminal, whatever it is and wherever it goes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.panel import Panel
from rich.progress import Progress

from emofuse.cli import console
from emofuse.cli.console import ERR, OUT, line_hook, note, printable, progress_hook

PRINT = """
import sys
from rich.panel import Panel
from emofuse.cli.console import ERR, OUT, note
for number in range(int(sys.argv[1])):
    OUT.print(f"line {number}: 日本 é")
OUT.print(Panel("in a box"))
note("the end of it")
"""


def run(n_lines: int, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PRINT, str(n_lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUTF8": "0", **environment},
    )


def test_control_characters_are_written_out():
    assert printable("a\x1b]0;title\x07b\r\x9b2J\x7f") == r"a\x1b]0;title\x07b\r\x9b2J\x7f"
    assert printable("gpj.\u202egnp\udcff\u2028") == r"gpj.\u202egnp\udcff\u2028"
    assert printable("café\t日本\n🙂") == "café\t日本\n🙂"


@pytest.mark.parametrize("is_boxed", [False, True])
def test_a_name_does_not_steer_the_terminal(capsys, is_boxed):
    name = "evil\x1b[2J\x1b]0;owned\x07.mp4"
    OUT.print(Panel(name, title=name) if is_boxed else name)
    note(name)
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err and "\x07" not in printed.out + printed.err
    assert r"evil\x1b[2J\x1b" in printed.out and r"evil\x1b[2J\x1b" in printed.err


def test_a_progress_bar_does_not_either(capsys):
    with Progress(console=ERR) as bars:
        bars.add_task("evil\x1b[2J and a long name", total=None)
        OUT.print("beside it")
    printed = capsys.readouterr()
    assert "\x1b[2J" not in printed.err and r"evil\x1b[2J" in printed.err
    assert printed.out == "beside it\n"


def test_without_a_terminal_a_long_step_prints_a_line_now_and_then(capsys):
    times = iter([0.0, 1.0, 10.0, 12.0, 19.0, 20.5, 99.0])
    hook = line_hook(lambda: next(times))
    for n_done in range(1, 7):
        hook("teaching [the] encoder", n_done * 1_000, 8_000)
    hook("another", 1, 2)
    assert capsys.readouterr().err.splitlines() == [
        "teaching [the] encoder: 3,000 of 8,000 (38%)",
        "teaching [the] encoder: 6,000 of 8,000 (75%)",
    ]


def test_the_hook_of_a_command_prints_lines_where_there_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr(console, "LINE_S", 0.0)
    with progress_hook() as hook:
        hook("decoding", 1, 4)
    assert capsys.readouterr().err == "decoding: 1 of 4 (25%)\n"


def test_an_ascii_terminal_gets_escapes():
    process = run(1, PYTHONIOENCODING="ascii")
    out, err = process.communicate()
    assert process.returncode == 0, err.decode()
    lines = out.decode("ascii").splitlines()
    assert lines[0] == r"line 0: \u65e5\u672c \xe9"
    assert lines[1].startswith("+--") and "in a box" in lines[2]


def test_a_reader_that_goes_ends_nothing():
    process = run(20_000)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().decode() == "line 0: 日本 é\n"
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait() == 0
    assert err == "note: the end of it\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_beneath_the_output_ends_nothing():
    with Path("/dev/full").open("w") as full:
        process = subprocess.run([sys.executable, "-c", PRINT, "3"], stdout=full, stderr=subprocess.PIPE)
    assert process.returncode == 0
    assert process.stderr.decode() == "note: the end of it\n"


def test_without_any_output_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    OUT.print("nobody reads this")
