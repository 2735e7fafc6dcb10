"""`emofuse evaluate`, `compare` and `train` as people run them: what is written, and one clear line for bad input."""

from __future__ import annotations

import csv
import json
import shlex
import zipfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile

from emofuse.cli import compare as command
from emofuse.cli.evaluate import Request
from emofuse.inference.bundle import BUNDLES
from emofuse.research.evaluation.scores.predictions import read_predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, read_report
from emofuse.research.training.fit import load_weights
from make_ravdess import write_ravdess

pytestmark = pytest.mark.usefixtures("blank_figures")
Emofuse = Callable[..., Any]
Write = Callable[..., Path]
TINY = """
seed = 3
[data]
corpus = "speech"
window_s = 0.6
eval_windows = 2
[model]
name = "mel-cnn"
widths = [4, 8]
[train]
epochs = 1
batch_size = 6
optimizer = "adamw"
lr = 0.01
warmup_epochs = 0
mixup = 0
ema_decay = "none"
keep = "last"
"""
QUICK = ("--protocol", "actor-2fold", "--jobs", "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a made RAVDESS of 8 actors."""
    return write_ravdess(tmp_path_factory.mktemp("corpora"), range(1, 9))


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, with no corpora but those that are asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EMOFUSE_DATA", raising=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    (tmp_path / "tiny.toml").write_text(f'name = "tiny"\n{TINY}', encoding="utf-8")
    return tmp_path / "tiny.toml"


@pytest.fixture
def mine(tmp_path: Path) -> Write:
    """Return a function that writes a manifest of three speakers who are sad, angry and bored, changed by `change`."""

    def write(change: Callable[[list[str]], None] = lambda rows: None) -> Path:
        random = np.random.default_rng(1)
        rows = []
        for speaker in "abc":
            for emotion in ("happiness", "anger", "boredom"):
                soundfile.write(tmp_path / f"{speaker}-{emotion}.wav", random.normal(0, 0.1, 12_000), 16_000)
                rows.append(f"{speaker}-{emotion}.wav,{emotion},{speaker}")
        change(rows)
        (tmp_path / "mine.csv").write_text("\n".join(["path,emotion,speaker", *rows]), encoding="utf-8")
        return tmp_path / "mine.csv"

    return write


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


@pytest.mark.load
def test_evaluate_writes_a_report_that_its_command_makes_again(
    emofuse: Emofuse, tiny: Path, data: Path, blank_figures: pytest.MonkeyPatch
) -> None:
    blank_figures.undo()
    result = emofuse("evaluate", tiny.name, "train.lr=0.02", *QUICK, "--data", data, "-o", "out")
    assert result.code == 0, result.err
    assert {"report.json", "report.md", "report.html", "predictions.csv"} <= names(Path("out"))
    pictures = list(Path("out").glob("*.png"))
    assert len(pictures) >= 3
    assert all(cv2.imread(str(path)).shape[1] == 1200 for path in pictures)
    report = read_report("out")
    assert isinstance(report, EvaluationReport)
    assert (report.title, report.stamp.seeds, report.stamp.leaky) == ("tiny on RAVDESS speech", (3,), False)
    assert report.stamp.command == "emofuse evaluate tiny.toml train.lr=0.02 --protocol actor-2fold"
    assert load_weights("out/seed3/fold1/model.safetensors")[1].train.lr == 0.02
    with Path("out/predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 24
    value = report.metric("UAR").value
    for text in (result.out, Path("out/report.md").read_text(), Path("out/report.html").read_text()):
        assert f"{100 * value:.1f}" in text
    assert result.out.splitlines()[-1] == "out/report.html"
    again = emofuse(*shlex.split(report.stamp.command)[1:], "--data", data, "-o", "again", "--jobs", "1")
    assert again.code == 0, again.err
    for name in ("report.json", "report.md", "predictions.csv", "confusion.png"):
        assert Path("again", name).read_bytes() == Path("out", name).read_bytes()


def test_a_second_time_nothing_is_trained(
    emofuse: Emofuse, tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert emofuse("evaluate", tiny, *QUICK, "--data", data).code == 0
    before = Path("runs/tiny-actor-2fold/report.json").read_bytes()
    monkeypatch.setattr("emofuse.research.evaluation.protocols.folds.fit", lambda *a, **k: pytest.fail("trained again"))
    assert emofuse("evaluate", tiny, *QUICK, "--data", data).code == 0
    assert Path("runs/tiny-actor-2fold/report.json").read_bytes() == before


def test_ctrl_c_is_one_line_and_what_was_done_is_kept(
    emofuse: Emofuse, tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert emofuse("evaluate", tiny, *QUICK, "--data", data, "-o", "whole").code == 0

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("emofuse.research.tasks.augment.augment_log_mel", stop)
        result = emofuse("evaluate", tiny, *QUICK, "--data", data, "-o", "out")
    assert (result.code, result.out) == (130, "")
    assert result.err == "stopped; nothing was left half-written\n"
    assert not list(Path("out").rglob(".*")) and not names(Path("out"))
    assert emofuse("evaluate", tiny, *QUICK, "--data", data, "-o", "out").code == 0
    assert Path("out/report.json").read_bytes() == Path("whole/report.json").read_bytes()


def test_the_data_folder_may_be_named_in_the_environment(
    emofuse: Emofuse, tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOFUSE_DATA", str(data))
    assert emofuse("train", tiny, "-o", "run").code == 0


def test_train_on_few_clips_lowers_the_batch(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    result = emofuse("train", tiny, "train.batch_size=500", "train.epochs=1", "--data", data, "-o", "few")
    assert result.code == 0, result.err
    assert "train.batch_size is lowered from 500 to" in result.err


def test_a_manifest_that_prepare_wrote_is_trained_on(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    assert emofuse("corpus", "prepare", "ravdess", data / "ravdess", "-o", "my 'own'.csv").code == 0
    result = emofuse("evaluate", tiny, *QUICK, "--train", "my 'own'.csv", "-o", "out")
    assert result.code == 0, result.err
    report = read_report("out")
    assert report.stamp.corpus == "my 'own'"
    assert sum(fold.n_test for fold in report.stamp.folds) == 24
    parts = shlex.split(report.stamp.command)
    assert parts[parts.index("--train") + 1] == "my 'own'.csv"


def test_a_corpus_is_added_to_the_training(emofuse: Emofuse, tiny: Path, data: Path, mine: Write) -> None:
    result = emofuse("evaluate", tiny, *QUICK, "--train", f"ravdess, {mine()}", "--data", data, "-o", "out")
    assert result.code == 0, result.err
    stamp = read_report("out").stamp
    assert stamp.protocol.endswith("; every fold trains on all 6 clips of mine too")
    assert stamp.left_out == 3 and stamp.label_map["boredom"] is None
    assert "boredom → left out, happiness → happy; 3 clips left out" in Path("out/report.md").read_text()


def test_another_corpus_is_tested_on(emofuse: Emofuse, tiny: Path, data: Path, mine: Write) -> None:
    result = emofuse("evaluate", tiny, "--train", "ravdess", "--test", mine().name, "--data", data, "--jobs", "1")
    assert result.code == 0, result.err
    folder = Path("runs/tiny-to-mine")
    report = read_report(folder)
    assert report.stamp.labels == ("happy", "angry")
    assert report.stamp.protocol.startswith("cross-corpus: trained on RAVDESS speech, tested on all of mine")
    assert "--protocol" not in report.stamp.command and "--test mine.csv" in report.stamp.command
    assert set(read_predictions(folder / "predictions.csv").speakers) == {"a", "b", "c"}


def test_the_leak_is_shown_beside_and_never_as_the_result(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    result = emofuse("evaluate", tiny, *QUICK, "--data", data, "--show-leak", "-o", "out")
    assert result.code == 0, result.err
    report = read_report("out")
    assert report.stamp.leaky is False
    assert report.leak is not None and "LEAKY" in report.leak.protocol
    assert report.leak.gap["UAR"] == pytest.approx(
        {m.name: m.value for m in report.leak.metrics}["UAR"] - report.metric("UAR").value
    )
    assert "LEAKY" in result.out and "LEAKY" in Path("out/report.html").read_text()
    assert len(list(Path("out/leaky/seed3").glob("fold*/predictions.npz"))) == 2
    assert report.stamp.command.endswith("--show-leak")


def test_a_random_split_is_leaky_wherever_it_is_shown(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    result = emofuse("evaluate", tiny, "--protocol", "random-2fold", "--jobs", 1, "--data", data, "-o", "out")
    assert result.code == 0, result.err
    assert read_report("out").stamp.leaky is True
    for text in (result.out, Path("out/report.md").read_text(), Path("out/report.html").read_text()):
        assert "LEAKY" in text


def test_seeds_are_trained_one_after_the_other(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    result = emofuse("evaluate", tiny, *QUICK, "--data", data, "--seeds", "2", "-o", "out")
    assert result.code == 0, result.err
    report = read_report("out")
    assert report.stamp.seeds == (3, 4)
    assert len(report.metric("UAR").by_seed) == 2
    assert "--seeds 2" in report.stamp.command


def test_compare_sets_recipes_side_by_side(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    Path("other.toml").write_text(f'name = "other"\n{TINY.replace("[4, 8]", "[4, 4]")}')
    result = emofuse("compare", tiny.name, "other.toml", *QUICK, "--data", data, "-o", "out")
    assert result.code == 0, result.err
    assert {"comparison.json", "comparison.md", "comparison.html", "comparison.png"} <= names(Path("out/comparison"))
    document = json.loads(Path("out/comparison/comparison.json").read_text())
    assert [(pair["a"], pair["b"]) for pair in document["pairs"]] == [("tiny", "other")]
    assert document["command"] == "emofuse compare tiny.toml other.toml --protocol actor-2fold"
    for name in ("tiny", "other"):
        report = read_report(Path("out") / f"{name}-actor-2fold")
        assert report.stamp.command == f"emofuse evaluate {name}.toml --protocol actor-2fold"
        value = report.metric("UAR").value
        assert f"{100 * value:.1f}" in result.out
    assert result.out.splitlines()[-1] == "out/comparison/comparison.html"


def test_what_cannot_be_compared_is_said_before_anything_is_trained(
    emofuse: Emofuse, tiny: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "evaluate_utterances", lambda *arguments: pytest.fail("evaluated"))
    Path("twin.toml").write_text(tiny.read_text())
    Path("few.toml").write_text(f'name = "few"\n{TINY}'.replace('"speech"', '"speech"\nlabels = "basic-7"'))
    Path("face.toml").write_text('name = "face"\n[data]\ncorpus = "ferplus"\n[model]\nname = "face-resnet"\n')
    for others, says in (
        ((), "nothing to compare a single recipe with"),
        (("twin.toml",), "two recipes have the same name"),
        (("few.toml",), "not tested on the same corpus under the same labels"),
        (("face.toml",), "not tested on the same corpus under the same labels"),
    ):
        result = emofuse("compare", tiny, *others, "--data", data, "-o", "out")
        assert (result.code, len(result.err.splitlines())) == (2, 1)
        assert says in result.err
    assert not Path("out").exists()


def test_train_writes_weights_of_all_clips_and_goes_on_from_them(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    result = emofuse("train", tiny, "--data", data)
    assert result.code == 0, result.err
    assert result.out == "runs/tiny/model.safetensors: epoch 1, nothing selected\n"
    weights, recipe, labels = load_weights("runs/tiny/model.safetensors")
    assert (recipe.name, len(labels)) == ("tiny", 8)
    assert emofuse("train", tiny, "--data", data).code == 0
    again = load_weights("runs/tiny/model.safetensors")[0]
    assert all(np.array_equal(weights[name], again[name]) for name in weights)
    result = emofuse("train", tiny, "train.lr=0.5", "--data", data)
    assert result.code == 2 and "another recipe" in result.err


def test_a_face_recipe_is_trained_and_tested_through_its_network(emofuse: Emofuse, tmp_path: Path) -> None:
    votes = {
        "Train": [[10] + [0] * 9, [0, 10] + [0] * 8] * 2,
        "Valid": [[0, 10] + [0] * 8],
        "Test": [[10] + [0] * 9] * 2,
    }
    random = np.random.default_rng(0)
    with zipfile.ZipFile("ferplus.zip", "w") as archive:
        for part, rows in votes.items():
            lines = [",".join([f"{i}.png", "box", *map(str, row)]) for i, row in enumerate(rows)]
            archive.writestr(f"FER2013{part}/label.csv", "\n".join(lines))
            for i in range(len(rows)):
                picture = cv2.imencode(".png", random.integers(0, 256, (48, 48), np.uint8))[1]
                archive.writestr(f"FER2013{part}/{i}.png", picture.tobytes())
    Path("face.toml").write_text(
        'name = "face"\n[data]\ncorpus = "ferplus"\n[model]\nname = "face-resnet"\nwidths = [4, 4]\nblocks = [1]\n'
        "[train]\nepochs = 1\nbatch_size = 2\n"
    )
    result = emofuse("train", "face.toml", "--data", ".")
    assert result.code == 0, result.err
    assert "epoch 1, val_accuracy" in result.out and "on the validation part" in result.out  # be it 0 %
    result = emofuse("evaluate", "face.toml", "--data", ".", "--model", BUNDLES / "base" / "face.onnx", "-o", "out")
    assert result.code == 0, result.err
    assert read_report("out").stamp.leaky is None
    assert {"report.json", "report.md", "report.html", "predictions.csv"} <= names(Path("out"))
    assert "majority or not" in read_report("out/plurality").stamp.protocol
    assert read_report("out/evidence-alone").stamp.protocol.endswith("faces with a majority emotion")
    assert Request(Path("face.toml"), test_on="cfee").command() == "emofuse evaluate face.toml --test cfee"
    by_subject = Request(Path("face.toml"), test_on="cfee", protocol="subject-5fold")
    assert by_subject.command() == "emofuse evaluate face.toml --protocol subject-5fold --test cfee"
    assert by_subject.folder("face") == Path("runs/face-to-cfee-subject-5fold")
    for extra, says in (
        ((), "no corpus that could be tested"),
        (("--protocol", "subject-5fold"), "goes with --test and a set of faces"),
        (("--test", "cfee", "--show-leak"), "go with a speech recipe"),
        (("--model", "x.onnx", "--seeds", "2"), "go with a speech recipe"),
    ):
        result = emofuse("evaluate", "face.toml", "--data", ".", *extra)
        assert result.code == 2 and says in result.err
    result = emofuse(
        "evaluate", "face.toml", "--data", ".", "--model", BUNDLES / "base" / "face.onnx", "--test", "cfee"
    )
    assert result.code == 1 and "no CFEE archive" in result.err
    result = emofuse("evaluate", "face.toml", "--data", ".", "--model", "x.onnx", "-o", "none")
    assert result.code == 1 and "x.onnx" in result.err
    assert not Path("none").exists()


SVM = 'name = "svm"\n[data]\ncorpus = "speech"\n[model]\nname = "svm"\n'
WRONG_USAGE: dict[str, tuple[list[str], str]] = {
    "protocol": (["--protocol", "actor-6folds"], "did you mean 'actor-6fold'?"),
    "split file": (["--protocol", "gone.csv"], "there is no split file gone.csv"),
    "corpus": (["--train", "ravdes"], "did you mean ravdess?"),
    "label set": (["data.labels=ravdess8"], "no label set is called 'ravdess8' (did you mean 'ravdess-8'?"),
    "key": (["train.epoch=3"], "did you mean 'epochs'?"),
    "model": (["--model", "face.onnx"], "--model goes with a face recipe"),
    "no corpus to train on": (["--train", " , "], "data.train_on"),
    "no corpus to test on": (["--test", ","], "--test names no corpus"),
    "both sides": (["--test", "ravdess"], "ravdess is to be trained on and tested on"),
    "leak of a test": (["--test", "tess", "--show-leak"], "do not go together"),
    "adapted": (["--transductive", *QUICK], "--transductive goes with voice-mobilenet and svm, not with mel-cnn"),
    "device": (["--device", "abacus", *QUICK], "'abacus' is not one of cpu, cuda"),
    "batch": (["train.batch_size=500", *QUICK], "train.batch_size: 500 is more than there is to train on"),
}


@pytest.mark.parametrize("name", WRONG_USAGE)
def test_wrong_usage_is_one_line_and_exits_with_2(emofuse: Emofuse, tiny: Path, data: Path, name: str) -> None:
    arguments, says = WRONG_USAGE[name]
    result = emofuse("evaluate", tiny, *arguments, "--data", data, "-o", "out")
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1 and result.err.startswith("error: ")
    assert says in result.err
    assert not Path("out").exists()


def test_a_recipe_that_is_not_there_or_not_to_be_trained(emofuse: Emofuse, data: Path) -> None:
    result = emofuse("evaluate", "gone.toml", "--data", data)
    assert result.code == 2 and "no recipe at gone.toml" in result.err
    Path("svm.toml").write_text(SVM)
    result = emofuse("train", "svm.toml", "--data", data)
    assert result.code == 2 and "`emofuse evaluate` does both" in result.err
    assert names(Path()) == {"svm.toml"} and not Path("runs").exists()


def test_no_seed_at_all_is_refused(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    result = emofuse("evaluate", tiny, "--data", data, "--seeds", "0")
    assert result.code == 2 and "--seeds" in result.err


def emptied(rows: list[str]) -> None:
    Path("a-anger.wav").write_bytes(b"")


def silenced(rows: list[str]) -> None:
    soundfile.write("a-anger.wav", np.zeros(12_000), 16_000)


def removed(rows: list[str]) -> None:
    Path("a-anger.wav").unlink()


def renamed(rows: list[str]) -> None:
    rows[0] = rows[0].replace("happiness,", "cross,")


def alone(rows: list[str]) -> None:
    rows[:] = [row for row in rows if row.endswith(",a")]


BAD_DATA: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "missing": (removed, "a-anger.wav (line 3)"),
    "empty": (emptied, "a-anger.wav"),
    "silent": (silenced, "a-anger.wav is silent"),
    "label": (renamed, "mine: the label 'cross' cannot be mapped to ravdess-8"),
    "one speaker": (alone, "1 speakers cannot make 2 folds"),  # who is enough to train on
}


@pytest.mark.parametrize(("verb", "name"), [*product(["evaluate"], BAD_DATA), *product(["train"], [*BAD_DATA][:-1])])
def test_data_that_cannot_be_used_is_one_line_and_exits_with_1(
    emofuse: Emofuse, tiny: Path, mine: Write, name: str, verb: str
) -> None:
    change, says = BAD_DATA[name]
    corpus = mine(change)
    before = names(Path())
    if verb == "evaluate":
        result = emofuse("evaluate", tiny, *QUICK, "--train", corpus, "-o", "out")
    else:
        result = emofuse("train", tiny, f"data.train_on=['{corpus}']", "-o", "out")
    assert (result.code, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1 and result.err.startswith("error: ")
    assert says in result.err
    assert names(Path()) == before and not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no data folder to find ravdess in (give one with --data or EMOFUSE_DATA)"),
        (["--data", "gone"], "no recording of RAVDESS speech under gone/ravdess"),
        (["--train", "gone.csv"], "no manifest at gone.csv"),
        (["--protocol", "actor-9fold"], "8 speakers cannot make 9 folds"),
        (["--protocol", "session"], "name no session"),
        (["data.valid_speakers=7"], "7 speakers should validate"),
        (["data.labels=tess-7", "--train", "mine.csv"], "mine has no clip with a label of 'tess-7'"),
    ],
)
def test_data_that_does_not_suffice(emofuse: Emofuse, tiny: Path, data: Path, arguments: list[str], says: str) -> None:
    soundfile.write("b.wav", 0.1 * np.sin(np.arange(9_000)), 16_000)
    Path("mine.csv").write_text("path,emotion,speaker\nb.wav,boredom,s\n")
    given = [] if "--data" in arguments or not arguments else ["--data", data]
    result = emofuse("evaluate", tiny, *arguments, *given, "-o", "out")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1 and says in result.err
    assert not Path("out").exists()


def test_a_folder_that_cannot_be_written_to_is_said(emofuse: Emofuse, tiny: Path, data: Path) -> None:
    Path("file").touch()
    for verb in ("evaluate", "train"):
        options = QUICK if verb == "evaluate" else ()
        result = emofuse(verb, tiny, *options, "--data", data, "-o", "file/out")
        assert result.code == 1 and "cannot make the folder" in result.err
