"""Faces and words are cross-validated, compared and left out by corpus as speech is, corpora of one's own too."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from emofuse.emotions import FERPLUS
from emofuse.research.evaluation.scores.report import EvaluationReport, read_report

Emofuse = Any
WORDS = {"happiness": ("lovely", "great"), "anger": ("hate", "furious"), "sadness": ("cry", "lost")}
SHAPE = """
[model]
name = "text-cnn"
width = {width}
channels = 8
n_parts = 64
[train]
epochs = 3
batch_size = 16
optimizer = "adamw"
lr = 0.02
mixup = 0
warmup_epochs = 0
keep = "last"
ema_decay = "none"
"""
SETS = """
import numpy as np
from emofuse.emotions import FERPLUS
from emofuse.research.corpora.readers.portraits import Portraits

def made(folder, seed):
    random = np.random.default_rng(seed)
    truth = np.array([FERPLUS.index(name) for name in ("happiness", "anger")] * 24)
    images = random.integers(0, 60, (48, 140, 140, 3)).astype(np.uint8)
    images[truth == FERPLUS.index("happiness"), :70] += 150
    people = tuple(f"{n // 4:02}" for n in range(48))
    return Portraits(images, np.eye(8, dtype=np.float32)[truth], truth, people, people)

def ours(folder):
    return made(folder, 1)

def theirs(folder):
    return made(folder, 2)
"""
FACES = """
name = "posed"
[data]
corpus = "ferplus"
train_on = ["sets:ours", "sets:theirs"]
n_drawn = 96
blur = 0
erase = 0
[model]
name = "face-resnet"
widths = [4, 8]
blocks = [1]
[train]
epochs = 2
batch_size = 16
mixup = 0
optimizer = "adamw"
lr = 0.02
warmup_epochs = 0
keep = "last"
ema_decay = "none"
"""


@pytest.fixture(autouse=True)
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with three tables of sentences, two of which share some, and recipes of them and of faces."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(0)
    for name in ("one", "two", "three"):
        rows = ["text,emotion"]
        for number in range(60):
            emotion = draw.choice(list(WORDS))
            rows.append(f"{name} number {number} is {draw.choice(WORDS[emotion])},{emotion}")
        rows += ["Everybody says so!,joy", "I am not so sure,anger"] if name != "three" else []
        Path(f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")
    for name, width in (("words", 8), ("wider", 12)):
        data = 'seed = 1\n[data]\ncorpus = "text"\ntrain_on = ["one.csv", "two.csv", "three.csv"]\n'
        Path(f"{name}.toml").write_text(f'name = "{name}"\n{data}{SHAPE.format(width=width)}')
    Path("sets.py").write_text(SETS)
    Path("faces.toml").write_text(FACES)


@pytest.mark.load
def test_a_text_corpus_is_left_out_with_the_sentences_that_it_shares(emofuse: Emofuse) -> None:
    options = ("--protocol", "leave-one-corpus-out", "--jobs", "1", "--data", ".")
    result = emofuse("evaluate", "words.toml", *options)
    assert result.code == 0, result.err
    report = read_report("runs/words-leave-one-corpus-out")
    assert isinstance(report, EvaluationReport)
    assert [fold.name for fold in report.stamp.folds] == ["one", "two", "three"]
    trained = {fold.name: fold.n_train + fold.n_valid for fold in report.stamp.folds}
    assert trained == {"one": 122 - 2, "two": 122 - 2, "three": 124}  # what "one" and "two" share is in neither
    assert report.headline == ("UAR, mean of corpora",) and report.metric("accuracy").value > 0.6
    assert report.stamp.leaky is None and report.by_speaker == () and report.stamp.unit == "sentence groups"
    assert report.stamp.command == "emofuse evaluate words.toml --protocol leave-one-corpus-out"
    again = emofuse("evaluate", "words.toml", *options)
    assert again.code == 0 and " is done" not in again.err


@pytest.mark.load
def test_text_recipes_are_compared_on_the_same_folds(emofuse: Emofuse) -> None:
    result = emofuse("compare", "words.toml", "wider.toml", "--jobs", "1", "--data", ".", "-o", "out")
    assert result.code == 0, result.err
    assert "--protocol all-corpora" in result.out
    both = [read_report(f"out/{name}-all-corpora") for name in ("words", "wider")]
    assert [fold.n_test for fold in both[0].stamp.folds] == [fold.n_test for fold in both[1].stamp.folds]
    assert sum(fold.n_test for fold in both[0].stamp.folds) == 60 * 3 + 4


@pytest.mark.parametrize("recipe", ["words.toml", "faces.toml"])
def test_a_teacher_is_refused_who_may_have_seen_what_is_tested(emofuse: Emofuse, recipe: str) -> None:
    result = emofuse("evaluate", recipe, "--protocol", "all-corpora", 'data.teachers=["x.onnx"]', "--data", ".")
    assert result.code == 2 and "teachers may have seen what is tested" in result.err


@pytest.mark.parametrize("protocol", [pytest.param("all-corpora", marks=pytest.mark.load), "leave-one-corpus-out"])
def test_faces_of_ones_own_are_cross_validated_with_their_people_apart(emofuse: Emofuse, protocol: str) -> None:
    result = emofuse("evaluate", "faces.toml", "--protocol", protocol, "--jobs", "1", "--data", ".", "-o", "out")
    assert result.code == 0, result.err
    report = read_report("out")
    assert isinstance(report, EvaluationReport)
    assert report.stamp.labels == FERPLUS and report.stamp.leaky is False
    assert sum(fold.n_test for fold in report.stamp.folds) == 96
    for fold in report.stamp.folds:
        assert fold.test and not set(fold.test) & {*fold.train, *fold.valid}
    assert report.metric("accuracy").value > 0.6
    result = emofuse("train", "faces.toml", 'data.train_on=["sets:ours"]', "--data", ".")
    assert "no FER+ archive" in result.err or "ferplus.zip" in result.err  # whose valid part validates


def test_a_name_that_nobody_has_is_one_line(emofuse: Emofuse) -> None:
    for recipe, change, says in (
        ("words.toml", 'data.train_on=["meldd"]', "no text corpus is called 'meldd'"),
        ("faces.toml", 'data.train_on=["cfe"]', "no set of faces is called 'cfe'"),
        ("words.toml", 'data.train_on=["missing.csv"]', "no table of sentences at missing.csv"),
        ("faces.toml", 'data.train_on=["sets:nothing"]', "nothing"),
    ):
        result = emofuse("evaluate", recipe, change, "--data", ".")
        assert result.code in (1, 2) and says in " ".join(result.err.split())
        assert len([line for line in result.err.splitlines() if line.startswith("error: ")]) == 1


def test_a_table_with_an_unknown_emotion_names_the_line(emofuse: Emofuse) -> None:
    Path("odd.csv").write_text("text,emotion\nHm.,puzzled\n", encoding="utf-8")
    result = emofuse("evaluate", "words.toml", 'data.train_on=["odd.csv"]', "--data", ".")
    assert result.code != 0 and "odd.csv, line 2" in result.err and "puzzled" in result.err
