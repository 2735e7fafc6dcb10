"""A text recipe as people run it: trained, made a bundle of, and tested through its network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emofuse.inference.bundle import BUNDLES, load_bundle
from emofuse.inference.network import read_card
from emofuse.research.evaluation.scores.report import read_report
from make_meld import write_meld
from quick_export import quick_exporter

pytestmark = pytest.mark.usefixtures("blank_figures")
Emofuse = Callable[..., Any]
RECIPE = """
name = "text"
seed = 1
[data]
corpus = "text"
[model]
name = "text-cnn"
n_words = 40
width = 8
channels = 8
dropout = 0.0
[train]
epochs = 12
batch_size = 7
optimizer = "adam"
lr = 0.02
mixup = 0
warmup_epochs = 0
ema_decay = 0.5
keep = "last"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with a small MELD and a recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOFUSE_DATA", raising=False)
    write_meld(tmp_path)
    Path("text.toml").write_text(RECIPE)


@pytest.mark.load
def test_it_is_trained_made_a_bundle_and_tested(emofuse: Emofuse) -> None:
    with quick_exporter():
        result = emofuse("train", "text.toml", "--data", ".", "--bundle", "--device", "cpu")
    assert result.code == 0, result.err
    assert load_bundle("runs/text/bundle").networks["text"].card.data[0].name == "MELD"
    result = emofuse("bundle", "check", "runs/text/bundle")
    assert result.code == 0 and "English words" in result.out and "GPL-3.0" in result.out
    result = emofuse("evaluate", "text.toml", "--data", ".", "--model", "runs/text/bundle/text.onnx", "-o", "out")
    assert result.code == 0, result.err
    report = read_report("out")
    options = ("--model", "runs/text/bundle/text.onnx", "--test", "meld", "--prior", "meld", "-o", "shifted")
    assert emofuse("evaluate", "text.toml", "--data", ".", *options).code == 0
    assert read_report("shifted").stamp.command.endswith("text.onnx --test meld --prior meld")
    assert report.metric("weighted F1").value > 0.9
    assert report.stamp.command == "emofuse evaluate text.toml --model runs/text/bundle/text.onnx"
    assert "over dialogues" in Path("out/report.md").read_text(encoding="utf-8").replace("\n", " ")
    with quick_exporter():
        both = ("--report", "out/report.json", "--report", "shifted/report.json")
        result = emofuse("export", "runs/text/model.safetensors", "-o", "text.onnx", *both)
    assert result.code == 0, result.err
    commands = [score.command for score in read_card("text.onnx").scores]
    assert set(commands) == {report.stamp.command, read_report("shifted").stamp.command}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--protocol", "leave-one-corpus-out"), "alone cannot be left out"),
        (("--model", "x.onnx", "--seeds", "2"), "go with a speech recipe"),
        (("--model", "x.onnx", "--test", "ravdess"), "no text corpus is called 'ravdess'"),
        (("--model", "x.onnx"), "no model at x.onnx"),
        (("--model", BUNDLES / "base" / "face.onnx"), "is not a text network"),
    ],
)
def test_what_is_wrong_is_one_line(emofuse: Emofuse, options: tuple[object, ...], message: str) -> None:
    result = emofuse("evaluate", "text.toml", "--data", ".", *options)
    assert result.code != 0
    assert message in " ".join(result.err.split())
