"""The protocols: who is tested when, what is stored, and what a report says and keeps."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from emofuse.card import Score
from emofuse.config import FaceDataSettings, FaceNetSettings, Recipe
from emofuse.emotions import FERPLUS, RAVDESS
from emofuse.errors import UsageError
from emofuse.evaluation import protocol
from emofuse.evaluation.metrics import bootstrap_interval, score, unweighted_average_recall
from emofuse.evaluation.protocol import Report, cross_validate_voice, evaluate_faces, read_scores, write_report
from emofuse.inference.network import OnnxNetwork
from emofuse.training.export import build, export
from emofuse.training.jobs import SpeechData

if TYPE_CHECKING:
    from conftest import CrossValidation

COMMAND = "emofuse evaluate tiny.toml"


def stored(cross_validation: CrossValidation, fold: int) -> dict[str, np.ndarray]:
    with np.load(cross_validation.folder / f"fold{fold}" / "predictions.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def actors_of(speech: SpeechData, clips: set[int]) -> list[int]:
    return sorted({int(speech.manifest.clips[i].speaker[-2:]) for i in clips})


def test_test_speakers_are_neither_trained_nor_selected_on(cross_validation: CrossValidation) -> None:
    assert len(cross_validation.trained_on) == 6
    for fold, (train, valid) in enumerate(cross_validation.trained_on):
        test = list(range(4 * fold + 1, 4 * fold + 5))
        trained, validated = (actors_of(cross_validation.speech, part) for part in (train, valid))
        assert len(validated) == 2
        assert sorted([*trained, *validated, *test]) == list(range(1, 25))  # so the three share nobody
        assert len(train) == 18 * 3


def test_every_clip_is_predicted_once_out_of_fold(cross_validation: CrossValidation) -> None:
    speech, report = cross_validation.speech, cross_validation.report
    expected = [RAVDESS.index(clip.emotion) for clip in speech.manifest]
    truth = np.concatenate([stored(cross_validation, fold)["truth"] for fold in range(1, 7)])
    assert truth.tolist() == expected  # sorted by actor, as the folds are
    assert report.scored.n == len(speech.manifest) == 72
    assert report.scored.confusion.sum(axis=1).tolist() == [24, 0, 24, 0, 24, 0, 0, 0]


def test_stored_predictions_are_log_probabilities_of_clips(cross_validation: CrossValidation) -> None:
    parts = stored(cross_validation, 1)
    assert parts["logits"].shape == (12, 8)
    assert parts["valid_logits"].shape == (6, 8)
    # the mean of log-probabilities over windows: at most that of one
    assert (np.exp(parts["logits"]).sum(axis=1) <= 1 + 1e-5).all()
    assert not list(cross_validation.folder.glob("fold*/.*partial*"))


def test_the_report_says_what_the_predictions_say(cross_validation: CrossValidation) -> None:
    report = cross_validation.report
    parts = [stored(cross_validation, fold) for fold in range(1, 7)]
    truth = np.concatenate([part["truth"] for part in parts])
    guess = np.concatenate([part["logits"] for part in parts]).argmax(axis=1)
    uar, accuracy = report.headline
    assert (uar.metric, accuracy.metric) == ("UAR", "accuracy")
    assert uar.value == pytest.approx(score(truth, guess, 8).uar)
    assert accuracy.value == pytest.approx(np.mean(truth == guess))
    speakers = [clip.speaker for clip in cross_validation.speech.manifest]
    assert uar.interval_95 == bootstrap_interval(unweighted_average_recall, truth, guess, speakers)
    assert report.folds == pytest.approx(
        [unweighted_average_recall(part["truth"], part["logits"].argmax(axis=1)) for part in parts]
    )


def test_every_number_comes_with_how_it_was_made(cross_validation: CrossValidation) -> None:
    report = cross_validation.report
    assert report.title == "tiny-voice on RAVDESS speech"
    assert report.labels == RAVDESS
    for number in report.headline:
        assert number.command == COMMAND
        assert "6 folds over actors" in number.protocol
        assert number.protocol.endswith("calibrate; the epochs are fixed")  # for the recipe keeps the last
        assert number.weights == "same recipe"  # the bundle's own saw everybody
        assert number.on.endswith("n = 72")
    assert {"seed": "3", "command": COMMAND, "transductive": "no"}.items() <= report.stamp.items()
    assert "torch" in report.stamp["versions"]
    assert len(cross_validation.notices) == 6
    assert cross_validation.notices[0].startswith("fold 1/6: UAR ")
    assert cross_validation.notices[5].endswith("on ravdess-21, ravdess-22, ravdess-23, ravdess-24")


def test_a_second_call_trains_nothing_and_reports_the_same(
    cross_validation: CrossValidation, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_training(*args: object, **kwargs: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(protocol, "fit", no_training)
    again = cross_validate_voice(
        recipe, cross_validation.speech, cross_validation.folder, COMMAND, "cpu", lambda text: None
    )
    assert again.to_json() == cross_validation.report.to_json()


def test_folds_of_another_recipe_are_refused(cross_validation: CrossValidation, recipe: Recipe) -> None:
    other = recipe.model_copy(update={"seed": 4})
    with pytest.raises(UsageError, match="holds a run of another recipe"):
        cross_validate_voice(other, cross_validation.speech, cross_validation.folder, COMMAND, "cpu", lambda text: None)


def test_a_report_is_written_whole_and_its_scores_are_read_back(
    cross_validation: CrossValidation, tmp_path: Path
) -> None:
    report, path = cross_validation.report, tmp_path / "new" / "report.json"
    write_report(report, path)
    assert [file.name for file in path.parent.iterdir()] == ["report.json"]
    assert read_scores(path) == report.headline
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["n"] == 72
    assert document["recalls"] == dict(zip(RAVDESS, report.scored.recalls, strict=True))
    assert np.array(document["confusion"]).trace() == round(report.headline[1].value * 72)
    assert document["uar_by_fold"] == list(report.folds)
    assert document["stamp"] == report.stamp
    assert document["calibration_error"] == dict(zip(("before", "after"), report.calibration_error, strict=True))


@pytest.mark.parametrize("content", ["", "[]", "{}", "3", '{"scores": 3}', '{"scores": [{"metric": "UAR"}]}', "\x00"])
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match="is not a report of `emofuse evaluate`"):
        read_scores(path)


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.json"):
        read_scores(tmp_path / "gone.json")


VOTES = {
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
def face_report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """Test a face network with random weights on a made FER+; return the report and the folder of both."""
    root = tmp_path_factory.mktemp("faces")
    random = np.random.default_rng(0)
    with zipfile.ZipFile(root / "ferplus.zip", "w") as archive:
        for part, votes in VOTES.items():
            rows = [",".join([f"{i}.png", "box", *map(str, row)]) for i, row in enumerate(votes)]
            archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))
            for i in range(len(votes)):
                image = random.integers(0, 256, (48, 48), np.uint8)
                archive.writestr(f"FER2013{part}/{i}.png", cv2.imencode(".png", image)[1].tobytes())
    recipe = Recipe(name="tiny", seed=8, data=FaceDataSettings(), model=FaceNetSettings(widths=(4, 4), blocks=(1,)))
    torch.manual_seed(0)
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(FERPLUS)}
    save_file(build(recipe, 8).state_dict(), root / "model.safetensors", metadata=header)
    export(root / "model.safetensors", root / "face.onnx")
    return evaluate_faces(root / "face.onnx", root, COMMAND), root


def test_a_face_network_is_tested_on_the_majorities_of_the_test_part(face_report: tuple[Report, Path]) -> None:
    report, root = face_report
    images = []
    with zipfile.ZipFile(root / "ferplus.zip") as archive:
        for i in range(4):
            data = np.frombuffer(archive.read(f"FER2013Test/{i}.png"), np.uint8)
            images.append(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)[None].astype(np.float32))
    guess = OnnxNetwork(root / "face.onnx").logits(np.stack(images)).argmax(axis=1)
    truth = np.array([0, 1, 3, 0])
    accuracy, uar, plurality = report.headline
    assert (accuracy.metric, uar.metric, plurality.metric) == ("accuracy", "UAR", "accuracy (plurality)")
    assert accuracy.value == pytest.approx(np.mean((guess == truth)[:3]))
    assert uar.value == pytest.approx(np.mean((guess == truth)[:3]))  # a face of each
    assert plurality.value == pytest.approx(np.mean(guess == truth))
    assert (accuracy.on, plurality.on) == ("FER+ test, n = 3", "FER+ test, n = 4")
    assert all(number.weights == "these" for number in report.headline)
    assert report.scored.confusion.sum(axis=1).tolist() == [1, 1, 0, 1, 0, 0, 0, 0]
    assert report.labels == FERPLUS
    assert report.stamp["seed"] == "8"
    assert report.folds == ()


def test_a_score_of_a_face_report_fits_a_card(face_report: tuple[Report, Path], tmp_path: Path) -> None:
    write_report(face_report[0], tmp_path / "report.json")
    scores = read_scores(tmp_path / "report.json")
    assert scores == face_report[0].headline
    assert all(isinstance(number, Score) and number.command == COMMAND for number in scores)
