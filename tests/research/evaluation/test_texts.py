"""The protocol for words: which part is tested, what its intervals resample, and what the report says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from emofuse.emotions import BASE, TO_BASE
from emofuse.errors import BundleError, UsageError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork
from emofuse.preprocessing.tokens import encode
from emofuse.research.evaluation.protocols.pretrained_texts import HEADLINE, evaluate_texts, fit_shift
from emofuse.research.evaluation.reports.terminal import print_report
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, card_scores
from emofuse.research.models.settings import TextNetSettings
from emofuse.research.recipes.data import TextDataSettings
from emofuse.research.recipes.recipe import Recipe, TrainSettings
from emofuse.research.tasks.text import text_job
from emofuse.research.training.export import export
from make_meld import N_DIALOGUES, SAID, turn_text, write_meld
from make_text_corpora import write_brighter
from quick_export import quick_exporter

COMMAND = "emofuse evaluate recipes/text.toml --model text.onnx"
Found = tuple[EvaluationReport, Predictions]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with a small MELD and a text network with random weights, text.onnx."""
    folder = write_meld(tmp_path_factory.mktemp("texts"))
    model = TextNetSettings(n_words=40, n_parts=30, width=8, channels=8)
    recipe = Recipe(name="tiny", seed=8, data=TextDataSettings(), model=model, train=TrainSettings(mixup=0))
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(BASE)}
    torch.manual_seed(0)
    save_file(text_job(recipe, folder).network.state_dict(), folder / "model.safetensors", metadata=header)
    with quick_exporter():
        export(folder / "model.safetensors", folder / "text.onnx")
    return folder


@pytest.fixture(scope="module")
def found(root: Path) -> Found:
    return evaluate_texts(root / "text.onnx", root, COMMAND, "meld")


def test_every_turn_of_the_test_part_is_scored_by_itself(root: Path, found: Found) -> None:
    report, predictions = found
    network = OnnxNetwork(root / "text.onnx")
    turns = [turn_text(text, "test", dialogue) for dialogue in range(N_DIALOGUES["test"]) for text in SAID.values()]
    predicted = [network.logits(encode(turn)[None])[0].argmax() for turn in turns]
    assert predictions.guesses[0].tolist() == predicted
    labels = [BASE.index(TO_BASE[emotion] or "") for emotion in SAID]
    assert predictions.truth.tolist() == labels * N_DIALOGUES["test"]
    assert sum(report.confusion[0]) == N_DIALOGUES["test"]


def test_intervals_resample_dialogues(found: Found) -> None:
    report, predictions = found
    assert len(set(predictions.speakers)) == N_DIALOGUES["test"]
    low, high = report.metric("accuracy").interval_95
    assert low <= report.metric("accuracy").value <= high
    console = Console(record=True, width=200)
    print_report(report, console)
    assert "bootstrap over dialogues" in console.export_text()


def test_the_report_says_how_it_was_made(found: Found) -> None:
    stamp = found[0].stamp
    (fold,) = stamp.folds
    assert (fold.n_train, fold.n_valid, fold.n_test) == (42, 14, 21)
    assert (stamp.licence, stamp.command, stamp.seeds, stamp.labels) == ("GPL-3.0", COMMAND, (8,), BASE)


def test_a_card_states_what_the_field_compares(found: Found) -> None:
    scores = card_scores(found[0], "tiny")
    assert [score.metric for score in scores] == sorted(HEADLINE, key=[m.name for m in found[0].metrics].index)
    assert {score.weights for score in scores} == {"these"}


def test_a_network_of_something_else_is_refused(root: Path) -> None:
    with pytest.raises(BundleError, match="not a text network"):
        evaluate_texts(BUNDLES / "base" / "face.onnx", root, COMMAND, "meld")


def test_a_corpus_without_a_test_part_is_refused(root: Path) -> None:
    write_brighter(root / "brighter")
    with pytest.raises(UsageError, match="BRIGHTER has no test part"):
        evaluate_texts(root / "text.onnx", root, COMMAND, "brighter")


def test_a_shift_expects_each_class_as_often_as_there_is() -> None:
    random = np.random.default_rng(0)
    truth = random.choice(3, size=6000, p=[0.7, 0.2, 0.1])
    evidence = 2.0 * np.eye(3)[truth] + random.normal(size=(6000, 3))  # whose answer is right where all are alike
    shift = fit_shift(evidence.astype(np.float32), truth)
    assert shift.sum() == pytest.approx(0, abs=1e-5)
    expected = np.log([0.7, 0.2, 0.1]) / 2  # the evidence is worth twice its number
    assert shift == pytest.approx(expected - expected.mean(), abs=0.06)


def test_priors_of_another_corpus_are_told(root: Path, found: Found) -> None:
    shifted, _ = evaluate_texts(root / "text.onnx", root, COMMAND, "meld", prior="meld")
    assert "as often as in MELD's dev part" in shifted.stamp.protocol
    assert "as often" not in found[0].stamp.protocol
