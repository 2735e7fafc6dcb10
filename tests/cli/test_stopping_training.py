"""A training or an evaluation that is stopped in whatever way: no process runs on, nothing half-written is left behind,
and the same command gives afterwards what it gives undisturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from make_ravdess import write_ravdess
from running import is_running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it asks /proc for the processes")

RECIPE = """
name = "tiny"
seed = 3
[data]
corpus = "speech"
window_s = 0.6
eval_windows = 2
[model]
name = "mel-cnn"
widths = [4, 8]
[train]
epochs = 6
batch_size = 6
optimizer = "adamw"
lr = 0.01
warmup_epochs = 0
mixup = 0
ema_decay = "none"
keep = "last"
"""
COMMANDS = {
    "train": ("train", "tiny.toml"),
    "evaluate": ("evaluate", "tiny.toml", "--protocol", "actor-2fold", "--jobs", "2"),
}
RESULTS = {"train": ("model.safetensors", "metrics.csv"), "evaluate": ("report.json", "predictions.csv")}
_LIMIT_S = 60.0  # for a process to end that is told to: one that imports torch first notices afterwards


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a recipe and a made RAVDESS of 8 actors."""
    folder = tmp_path_factory.mktemp("stopped")
    write_ravdess(folder / "data", range(1, 9))
    (folder / "tiny.toml").write_text(RECIPE, encoding="utf-8")
    return folder


def begin(place: Path, what: str, out: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "emofuse.cli.main", *COMMANDS[what], "--data", "data", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "-o", out], cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def results(place: Path, what: str, out: str) -> dict[str, object]:
    found: dict[str, object] = {name: (place / out / name).read_bytes() for name in RESULTS[what]}
    if what == "train":  # in its header, safetensors has what goes with the weights in any order
        data = (place / out / "model.safetensors").read_bytes()
        end = 8 + int.from_bytes(data[:8], "little")
        found["model.safetensors"] = json.loads(data[8:end]), data[end:]
    return found


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(deeper for child in children for deeper in descendants(child))]


KILL, TERMINATE, INTERRUPT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


@pytest.mark.load
@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("train", KILL),
        ("evaluate", KILL),
        ("train", TERMINATE),
        ("train", INTERRUPT),
        ("evaluate", TERMINATE),
        ("evaluate", INTERRUPT),
    ],
)
def test_stopped_and_run_again(place: Path, what: str, number: signal.Signals) -> None:
    undisturbed, out = f"{what}-whole", f"{what}-{number.name}"
    if not (place / undisturbed).exists():
        process = begin(place, what, undisturbed)
        assert process.communicate() and process.returncode == 0
    process = begin(place, what, out)
    while not any((place / out).rglob("last.ckpt")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    workers = descendants(process.pid)
    process.send_signal(number)
    began = time.monotonic()
    said = process.communicate()[1]
    while any(is_running(pid) for pid in workers):
        assert time.monotonic() - began < _LIMIT_S, "a process runs on"
        time.sleep(0.02)
    assert process.returncode == (-number if number == KILL else 128 + number), said
    if number != KILL:
        assert not [p for p in (place / out).rglob(".*") if ".emofuse-" in p.name]
    again = begin(place, what, out)
    said = again.communicate()[1]
    assert again.returncode == 0, said
    assert results(place, what, out) == results(place, what, undisturbed)
    assert not [p for p in (place / out).rglob(".*") if ".emofuse-" in p.name]
