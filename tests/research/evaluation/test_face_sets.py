"""Laboratory sets of faces: who is scored, people left out of training, and crops that are off."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emofuse.emotions import FERPLUS
from emofuse.errors import BundleError, UsageError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork
from emofuse.research.corpora.readers.cfee import read_cfee
from emofuse.research.evaluation.protocols import face_sets as module
from emofuse.research.evaluation.protocols.face_sets import (
    cross_validate_subjects,
    evaluate_left_out,
    evaluate_portraits,
    framing_scores,
)
from emofuse.research.models.registry import build
from emofuse.research.models.settings import FaceNetSettings
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe, TrainSettings
from emofuse.research.training.cards import model_card
from emofuse.research.training.export import write_network

MODEL = FaceNetSettings(widths=(4, 4), blocks=(1,))
SETS = FaceDataSettings(train_on=("ferplus", "cfee"))
RECIPE = Recipe(
    name="tiny", seed=8, data=SETS, model=MODEL, train=TrainSettings(epochs=1, batch_size=4, keep="last", mixup=0)
)
SIMPLE = ("Neutral", "Happy", "Surprised", "Sad", "Angry", "Disgusted", "Fearful")  # in FERPLUS's order


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a made FER+ and a made CFEE: seven people, each with every simple emotion and a compound."""
    folder = tmp_path_factory.mktemp("faces")
    (folder / "faces").mkdir()
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "ferplus.zip", "w") as archive:
        for part in ("Train", "Valid", "Test"):
            rows = [f"{i}.png,box," + ",".join("10" if i == k else "0" for k in range(10)) for i in range(7)]
            archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))
            for i in range(7):
                picture = cv2.imencode(".png", random.integers(0, 256, (48, 48), np.uint8))[1]
                archive.writestr(f"FER2013{part}/{i}.png", picture.tobytes())
    with zipfile.ZipFile(folder / "faces" / "cfee.zip", "w") as archive:
        rows = ["file,subject,emotion_idx,emotion,type"]
        for person in range(7):
            for emotion in (*SIMPLE, "Awed"):
                name = f"{person}-{emotion}.jpg"
                rows.append(f"{name},p{person},0,{emotion},{'compound' if emotion == 'Awed' else 'simple'}")
                coarse = random.integers(0, 256, (7, 7, 3), np.uint8)
                archive.writestr(name, cv2.imencode(".jpg", cv2.resize(coarse, (140, 140)))[1].tobytes())
        archive.writestr("labels.csv", "\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def model(root: Path) -> Path:
    torch.manual_seed(0)
    network = build(MODEL, len(FERPLUS))
    write_network(network, model_card(network, RECIPE, FERPLUS), root / "face.onnx")
    return root / "face.onnx"


def logits_of(model: Path, root: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    faces = read_cfee(root / "faces" / "cfee.zip").scored()
    return OnnxNetwork(model).logits(faces.grey(48)[:, None].astype(np.float32)), faces.truth


def test_a_network_is_scored_on_simple_faces_by_the_emotions_that_they_have(root: Path, model: Path) -> None:
    report, predictions = evaluate_portraits(model, "cfee", root, "emofuse evaluate face.toml --model face.onnx")
    logits, truth = logits_of(model, root)
    guess = logits[:, :7].argmax(axis=1)  # contempt is not an answer
    assert len(predictions.truth) == 49
    assert report.stamp.labels == FERPLUS[:7]
    assert report.metric("UAR").value == pytest.approx(float(np.mean(guess == truth)))  # seven of each
    assert predictions.speakers[:7] == ("p0",) * 7
    low, high = report.metric("UAR").interval_95
    assert low <= report.metric("UAR").value <= high
    assert report.stamp.leaky is None  # its card says that it was trained on CFEE


def test_a_network_of_another_kind_is_refused(root: Path) -> None:
    with pytest.raises(BundleError, match="not a network of faces"):
        evaluate_portraits(BUNDLES / "base" / "text.onnx", "cfee", root, "emofuse evaluate")


@pytest.mark.load
def test_a_set_that_is_left_out_is_not_trained_on(root: Path, tmp_path: Path) -> None:
    report, _ = evaluate_left_out(RECIPE, "cfee", root, tmp_path / "cfee", "emofuse evaluate")
    assert "trained on FER+" in report.stamp.protocol and report.stamp.leaky is False
    card = OnnxNetwork(tmp_path / "cfee" / "face.onnx").card
    assert [source.name for source in card.data] == ["FER+"]
    report, _ = evaluate_left_out(RECIPE, "ferplus", root, tmp_path / "ferplus", "emofuse evaluate")
    assert report.stamp.folds[0].n_test == 7 + 1 - 1  # the seven of the test part that have an emotion
    card = OnnxNetwork(tmp_path / "ferplus" / "face.onnx").card
    assert [source.name for source in card.data] == ["CFEE"]
    alone = RECIPE.model_copy(update={"data": FaceDataSettings(train_on=("cfee",))})
    with pytest.raises(UsageError, match="cfee is all that tiny is trained on"):
        evaluate_left_out(alone, "cfee", root, tmp_path / "none", "emofuse evaluate")


def test_a_set_that_the_start_of_the_training_knows_cannot_be_left_out(root: Path, model: Path, tmp_path: Path) -> None:
    started = RECIPE.model_copy(update={"model": MODEL.model_copy(update={"start": str(model)})})
    for name, title in (("cfee", "CFEE"), ("ferplus", r"FER\+")):
        with pytest.raises(UsageError, match=f"where the training starts, knows {title}"):
            evaluate_left_out(started, name, root, tmp_path / name, "emofuse evaluate")
    with pytest.raises(UsageError, match="knows CFEE"):
        cross_validate_subjects(started, "cfee", root, tmp_path / "folds", "emofuse evaluate")


def test_a_set_that_a_teacher_knows_cannot_be_left_out(root: Path, model: Path, tmp_path: Path) -> None:
    taught = RECIPE.model_copy(update={"data": SETS.model_copy(update={"teachers": (str(model),)})})
    for name, title in (("cfee", "CFEE"), ("ferplus", r"FER\+")):
        with pytest.raises(UsageError, match=f"who teaches, knows {title}"):
            evaluate_left_out(taught, name, root, tmp_path / name, "emofuse evaluate")
    with pytest.raises(UsageError, match="who teaches, knows CFEE"):
        cross_validate_subjects(taught, "cfee", root, tmp_path / "folds", "emofuse evaluate")


@pytest.mark.load
def test_nobody_is_tested_by_a_network_that_knows_them(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out: list[frozenset[str]] = []
    original = module.face_job

    def job(recipe: Recipe, data: Path, without: dict[str, frozenset[str]]) -> object:
        left_out.append(without["cfee"])
        return original(recipe, data, without)

    monkeypatch.setattr(module, "face_job", job)
    report, predictions = cross_validate_subjects(RECIPE, "cfee", root, tmp_path, "emofuse evaluate")
    assert sorted(len(people) for people in left_out) == [1, 1, 1, 2, 2]
    assert frozenset.union(*left_out) == {f"p{i}" for i in range(7)}
    for fold, people in enumerate(left_out):
        faces = read_cfee(root / "faces" / "cfee.zip").scored()
        here = np.array([subject in people for subject in faces.subjects])
        network = OnnxNetwork(tmp_path / f"fold-{fold + 1}" / "face.onnx")
        expected = network.logits(faces.of(here).grey(48)[:, None].astype(np.float32))[:, :7]
        np.testing.assert_array_equal(predictions.guesses[0][here], expected.argmax(axis=1))
    assert report.stamp.leaky is False


def test_a_crop_that_is_not_off_is_what_the_network_is_tested_on(root: Path, model: Path) -> None:
    faces = read_cfee(root / "faces" / "cfee.zip").scored()
    scores = framing_scores(OnnxNetwork(model), faces)
    assert list(scores) == list(module.FRAMINGS)
    for name, (wider, shift, degrees) in module.FRAMINGS.items():
        cut = module._cut(faces.images[0], 48, wider, shift, degrees)
        is_same = np.abs(cut.astype(int) - faces.grey(48)[0].astype(int)).max() <= 4
        assert is_same == (name == "as the product frames")
    marked = np.zeros((140, 140, 3), np.uint8)
    marked[66:74, 66:74] = 255  # a spot in the middle
    centre = np.argwhere(module._cut(marked, 48, 1.0, 0.08, 0.0) > 100).mean(axis=0)
    np.testing.assert_allclose(centre, [23.5, 23.5 + 0.08 * 48], atol=0.3)
