"""Two processes that train together on one machine (Lightning's DDP): they share the clips and have one result."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from emofuse.research.training.fit import load_weights
from make_ravdess import write_ravdess

SCRIPT = Path(__file__).with_name("watched_train.py")
RECIPE = """
name = "tiny"
seed = 3
[data]
corpus = "speech"
window_s = 0.6
eval_windows = 2
[model]
name = "voice-mobilenet"
pretrained = "none"
hidden = 8
taps = [1]
[train]
epochs = 2
batch_size = 4
optimizer = "adamw"
lr = 0.01
schedule = "plateau"
plateau_patience = 0
warmup_epochs = 0
frozen_epochs = 1
mixup = 0
ema_decay = "none"
keep = "last"
"""
N_CLIPS, N_EPOCHS = 24, 2


@pytest.mark.load
def test_two_processes_share_every_epoch_and_write_one_result(tmp_path: Path) -> None:
    data = write_ravdess(tmp_path / "data", range(1, N_CLIPS // 3 + 1))
    (tmp_path / "tiny.toml").write_text(RECIPE)
    arguments = ["train", "tiny.toml", "--devices", "2", "--data", str(data), "-o", "run"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "run/model.safetensors: epoch 2, nothing selected\n"
    assert "error" not in done.stderr.lower()
    assert [path.name for path in tmp_path.rglob("*.safetensors")] == ["model.safetensors"]

    seen: Counter[tuple[int, int]] = Counter()  # epoch, clip
    for rank in (0, 1):
        rows = [list(map(int, line.split())) for line in (tmp_path / f"seen-{rank}.txt").read_text().splitlines()]
        assert [(row[0], len(row) - 1) for row in rows] == [(0, 4)] * 3 + [(1, 4)] * 3
        seen.update((epoch, clip) for epoch, *clips in rows for clip in clips)
    assert seen == {(epoch, clip): 1 for epoch in range(N_EPOCHS) for clip in range(N_CLIPS)}

    first, second = (torch.load(tmp_path / f"end-{rank}.pt") for rank in (0, 1))
    assert first["loss"] == second["loss"]  # of all clips, so that a schedule does the same in both
    assert all(torch.equal(value, second["weights"][name]) for name, value in first["weights"].items())
    weights, recipe, _ = load_weights(tmp_path / "run" / "model.safetensors")
    assert recipe.name == "tiny"
    assert all(torch.equal(value, weights[name]) for name, value in first["weights"].items())
    with (tmp_path / "run" / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["train_loss"]]
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[-1]["train_loss"]) == first["loss"].item()


# Without batch norm, which sees what one process has of a batch, and without anything random but the order
PLAIN_NETWORK = """
from torch import nn

class Band(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 16, 400, 160), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(16, n_classes)
        )

    def forward(self, samples):
        return self.layers(samples[:, None])
"""
PLAIN = """
name = "tiny"
seed = 3
[data]
corpus = "speech"
window_s = 6.0
eval_windows = 1
gain_db = 0
noise = 0
stretch = 0
equalise_db = 0
time_masks = 0
[model]
name = "nets:Band"
[train]
epochs = 5
batch_size = 8
lr = 0.01
warmup_epochs = 0
mixup = 0
ema_decay = "none"
keep = "last"
"""


def train(folder: Path, name: str, *options: str, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "emofuse", "train", "tiny.toml", "-o", name, "--data", "data", "--validate", *options],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(run: Path, column: str = "train_loss") -> list[float]:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return [float(row[column]) for row in csv.DictReader(file) if row[column]]


def scores(run: Path) -> list[float]:
    return losses(run, "val_uar")


@pytest.mark.load
def test_processes_of_one_and_of_two_machines_give_the_scores_of_one_process(tmp_path: Path) -> None:
    write_ravdess(tmp_path / "data", range(1, 11))
    (tmp_path / "nets.py").write_text(PLAIN_NETWORK)
    (tmp_path / "tiny.toml").write_text(PLAIN)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    half = "train.batch_size=4"  # of each of two, so that both together have the same batches
    begun = {
        "one": [train(tmp_path, "one")],
        "two processes": [train(tmp_path, "two processes", half, "--devices", "2", "--strategy", "ddp")],
        "two machines": [
            train(tmp_path, "two machines", half, "--nodes", "2", **shared, NODE_RANK=str(rank)) for rank in (0, 1)
        ],
    }
    for processes in begun.values():
        for process in processes:
            _, output = process.communicate(timeout=240)
            assert process.returncode == 0, output
    alone = losses(tmp_path / "one")
    for name in ("two processes", "two machines"):
        together = losses(tmp_path / name)
        assert len(together) == len(alone) == 5 and alone[-1] < alone[0]
        assert together == pytest.approx(alone, rel=0.01), name
        assert scores(tmp_path / name) == pytest.approx(scores(tmp_path / "one"), abs=0.02), name
        assert (tmp_path / name / "model.safetensors").exists()
