"""The protocol for words: which part is tested, what its intervals resample, and what the report says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

from emofuse.config import Recipe, TextDataSettings, TextNetSettings, TrainSettings
from emofuse.emotions import MELD
from emofuse.errors import BundleError
from emofuse.evaluation.predictions import Predictions
from emofuse.evaluation.result import EvaluationReport, card_scores
from emofuse.evaluation.terminal import print_report
from emofuse.evaluation.texts import HEADLINE, evaluate_texts
from emofuse.features.text import encode
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork
from emofuse.training.export import export
from emofuse.training.text import text_job
from make_meld import N_DIALOGUES, SAID, write_meld
from quick_export import quick_exporter

COMMAND = "emofuse evaluate recipes/text.toml --model text.onnx"
Found = tuple[EvaluationReport, Predictions]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with a small MELD and a text network with random weights, text.onnx."""
    folder = write_meld(tmp_path_factory.mktemp("texts"))
    model = TextNetSettings(n_words=40, readers=2, width=8, channels=8)
    recipe = Recipe(name="tiny", seed=8, data=TextDataSettings(), model=model, train=TrainSettings(mixup=0))
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(MELD)}
    torch.manual_seed(0)
    save_file(text_job(recipe, folder).network.state_dict(), folder / "model.safetensors", metadata=header)
    with quick_exporter():
        export(folder / "model.safetensors", folder / "text.onnx")
    return folder


@pytest.fixture(scope="module")
def found(root: Path) -> Found:
    return evaluate_texts(root / "text.onnx", root, COMMAND)


def test_every_turn_of_the_test_part_is_scored_by_itself(root: Path, found: Found) -> None:
    report, predictions = found
    network = OnnxNetwork(root / "text.onnx")
    said = [network.logits(encode(text)[None])[0].argmax() for text in SAID.values()]
    assert predictions.guesses[0].tolist() == said * N_DIALOGUES["test"]
    assert predictions.truth.tolist() == [*range(7)] * N_DIALOGUES["test"]
    assert sum(report.confusion[0]) == N_DIALOGUES["test"]


def test_intervals_resample_dialogues(found: Found) -> None:
    report, predictions = found
    assert len(set(predictions.speakers)) == N_DIALOGUES["test"]
    assert all(m.interval_95 == pytest.approx((m.value, m.value)) for m in report.metrics)  # all say the same
    console = Console(record=True, width=200)
    print_report(report, console)
    assert "bootstrap over dialogues" in console.export_text()


def test_the_report_says_how_it_was_made(found: Found) -> None:
    stamp = found[0].stamp
    (fold,) = stamp.folds
    assert (fold.n_train, fold.n_valid, fold.n_test) == (42, 14, 21)
    assert (stamp.licence, stamp.command, stamp.seeds, stamp.labels) == ("GPL-3.0", COMMAND, (8,), MELD)


def test_a_card_states_what_the_field_compares(found: Found) -> None:
    scores = card_scores(found[0], "tiny")
    assert [score.metric for score in scores] == sorted(HEADLINE, key=[m.name for m in found[0].metrics].index)
    assert {score.weights for score in scores} == {"these"}


def test_a_network_of_something_else_is_refused(root: Path) -> None:
    with pytest.raises(BundleError, match="no text network"):
        evaluate_texts(BUNDLES / "base" / "face.onnx", root, COMMAND)
