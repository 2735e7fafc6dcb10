"""The protocol for faces: which of FER+ are tested, under which labels, and what a report says of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.research.evaluation.protocols.pretrained_faces import (
    FOLD,
    PLURALITY,
    PROTOCOL,
    evaluate_faces,
    fit_prior_strength,
)
from emofuse.research.evaluation.scores.metrics import fit_temperature
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, card_scores
from emofuse.research.models.registry import build
from emofuse.research.models.settings import FaceNetSettings
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.export import export

COMMAND = "emofuse evaluate recipes/face.toml --model face.onnx"
Found = tuple[EvaluationReport, Predictions]
VOTES = {
    "Train": [[10, 0, 0, 0, 0, 0, 0, 0, 0, 0]] * 2,
    "Valid": [[10, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 9, 0, 0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 10, 0, 0, 0, 0, 0]],
    "Test": [
        [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 8, 2, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 6, 4, 0, 0, 0, 0, 0],
        [4, 0, 0, 3, 3, 0, 0, 0, 0, 0],  # no majority, but most votes
        [0, 0, 0, 0, 0, 0, 0, 0, 10, 0],  # unknown
    ],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a made FER+ and a face network with random weights, face.onnx."""
    folder = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "ferplus.zip", "w") as archive:
        for part, votes in VOTES.items():
            rows = [",".join([f"{i}.png", "box", *map(str, row)]) for i, row in enumerate(votes)]
            archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))
            for i in range(len(votes)):
                image = random.integers(0, 256, (48, 48), np.uint8)
                archive.writestr(f"FER2013{part}/{i}.png", cv2.imencode(".png", image)[1].tobytes())
    model = FaceNetSettings(widths=(4, 4), blocks=(1,))
    recipe = Recipe(name="tiny", seed=8, data=FaceDataSettings(), model=model)
    torch.manual_seed(0)
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(FERPLUS)}
    save_file(build(model, 8).state_dict(), folder / "model.safetensors", metadata=header)
    export(folder / "model.safetensors", folder / "face.onnx")
    return folder


@pytest.fixture(scope="module")
def majority(root: Path) -> Found:
    return evaluate_faces(root / "face.onnx", root, COMMAND)


@pytest.fixture(scope="module")
def plurality(root: Path) -> Found:
    return evaluate_faces(root / "face.onnx", root, COMMAND, plurality=True)


def logits(root: Path, part: str, n: int) -> NDArray[np.float32]:
    images = []
    with zipfile.ZipFile(root / "ferplus.zip") as archive:
        for i in range(n):
            data = np.frombuffer(archive.read(f"FER2013{part}/{i}.png"), np.uint8)
            images.append(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)[None].astype(np.float32))
    return OnnxNetwork(root / "face.onnx").logits(np.stack(images))


def test_a_network_is_tested_on_the_majorities_of_the_test_part(root: Path, majority: Found) -> None:
    report, predictions = majority
    right = float(np.mean(logits(root, "Test", 3).argmax(axis=1) == [0, 1, 3]))
    assert report.metric("accuracy").value == pytest.approx(right)
    assert report.metric("UAR").value == pytest.approx(right)  # a face of each
    assert np.array(report.confusion).sum(axis=1).tolist() == [1, 1, 0, 1, 0, 0, 0, 0]
    assert predictions.truth.tolist() == [0, 1, 3]
    assert predictions.clips == (f"{FOLD}/0000", f"{FOLD}/0001", f"{FOLD}/0002")


def test_a_face_without_a_majority_counts_where_that_is_asked_for(root: Path, plurality: Found) -> None:
    report, predictions = plurality
    guess = logits(root, "Test", 4).argmax(axis=1)
    assert report.metric("accuracy").value == pytest.approx(np.mean(guess == [0, 1, 3, 0]))
    assert predictions.truth.tolist() == [0, 1, 3, 0]
    assert report.stamp.protocol == PLURALITY


def test_evidence_alone_is_weighed_by_what_is_frequent_as_far_as_that_helps(root: Path) -> None:
    log_prior = np.log([0.9, 0.1])
    doubtful = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 5.0]], np.float32)  # 1 of evidence against 2.2 of prior
    assert fit_prior_strength(doubtful, np.array([0, 0, 1]), log_prior) == 0.5  # the least that turns both
    assert fit_prior_strength(doubtful, np.array([1, 1, 1]), log_prior) == 0.0
    assert fit_prior_strength(np.zeros((2, 2), np.float32), np.array([0, 1]), log_prior) == 0.0
    # one of each of three emotions in the valid part: what is not there is less frequent
    prior = np.log((np.array([1, 1, 0, 0, 1, 0, 0, 0]) + 1) / (3 + 8))
    strength = fit_prior_strength(logits(root, "Valid", 3), np.array([0, 1, 4]), prior)
    weighed, predictions = evaluate_faces(root / "face.onnx", root, COMMAND, weigh=True)
    expected = (logits(root, "Test", 3) + strength * prior).argmax(axis=1)
    assert strength > 0 and predictions.guesses[0].tolist() == expected.tolist()
    assert weighed.stamp.protocol.endswith(f"to the power {strength}")


def test_the_temperature_is_fitted_on_the_valid_part_alone(root: Path, majority: Found, plurality: Found) -> None:
    temperature = fit_temperature(logits(root, "Valid", 3), np.array([0, 1, 4]))
    assert majority[0].temperature == plurality[0].temperature == temperature
    expected = softmax(logits(root, "Test", 3), temperature)
    np.testing.assert_allclose(np.exp(majority[1].log_probabilities[0]), expected, rtol=1e-4)


def test_the_stamp_says_that_nobody_knows_who_is_who(majority: Found) -> None:
    report, stamp = majority[0], majority[0].stamp
    assert (report.title, report.model) == ("tiny on FER+", "tiny")
    assert (stamp.protocol, stamp.labels, stamp.seeds, stamp.command) == (PROTOCOL, FERPLUS, (8,), COMMAND)
    assert stamp.leaky is None
    assert stamp.transductive is False
    assert [(f.n_train, f.n_valid, f.n_test, f.test) for f in stamp.folds] == [(2, 3, 3, ())]
    assert (report.by_sex, report.by_speaker, report.curves) == ((), (), ())
    assert [(a.name, a.metric) for a in report.anchors] == [("chance", "UAR"), ("chance", "accuracy")]


def test_intervals_resample_faces(majority: Found) -> None:
    low, high = majority[0].metric("accuracy").interval_95
    assert 0 <= low <= majority[0].metric("accuracy").value <= high <= 1


def test_the_scores_fit_a_card(majority: Found) -> None:
    scores = card_scores(majority[0], majority[0].model)
    assert {score.metric for score in scores} == {"UAR", "accuracy"}
    assert all(score.command == COMMAND and score.weights == "these" and "n = 3" in score.on for score in scores)


def test_data_that_is_not_there_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no FER\+ archive"):
        evaluate_faces(root / "face.onnx", tmp_path, COMMAND)
