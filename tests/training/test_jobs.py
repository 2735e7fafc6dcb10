"""From a recipe and a folder to a job: which clips train, which validate, and under which labels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import torch

from emofuse.config import FaceDataSettings, FaceNetSettings, Recipe, TrainSettings, VoiceDataSettings, VoiceNetSettings
from emofuse.corpora.splits import Fold
from emofuse.emotions import EMODB, FERPLUS, RAVDESS
from emofuse.errors import AssetError, CorpusError, RecipeError
from emofuse.training.dataset import FaceBatches, VoiceBatches
from emofuse.training.jobs import EMODB_TO_RAVDESS, SpeechData, face_job, repeat_rare, voice_job

NETWORK = VoiceNetSettings(pretrained=None, hidden=8)
FOLD = Fold(train=("ravdess-03", "ravdess-04"), valid=("ravdess-02",), test=("ravdess-01",))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four actors with an angry and a calm clip each, whose level says whose it is, and EMO-DB."""
    root = tmp_path_factory.mktemp("data")
    for actor in range(1, 5):
        for emotion in (2, 5):
            path = root / "ravdess" / f"Actor_{actor:02}" / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.full(12_000, (10 * actor + emotion) / 100), 16_000, subtype="PCM_16")
    (root / "emodb" / "wav").mkdir(parents=True)
    for letter in "FL":  # happiness, and boredom, which RAVDESS does not have
        soundfile.write(root / "emodb" / "wav" / f"03a01{letter}a.wav", np.full(12_000, 0.9), 16_000, subtype="PCM_16")
    return root


def recipe(**changes: object) -> Recipe:
    settings = VoiceDataSettings.model_validate({"window_s": 0.6, "eval_windows": 2, **changes})
    return Recipe(name="v", seed=9, data=settings, model=NETWORK)


def who(batches: object) -> list[tuple[int, str]]:
    """Return (ten times the actor plus the emotion, label) of each clip of a set, from the samples themselves."""
    assert isinstance(batches, VoiceBatches)
    levels = [round(float(np.abs(clip).mean()) / 327.68) for clip in batches.clips]
    return list(zip(levels, (RAVDESS[i] for i in batches.targets.argmax(1)), strict=True))


def test_a_fold_trains_and_validates_on_its_own_speakers(data: Path) -> None:
    job = voice_job(recipe(), SpeechData(VoiceDataSettings(window_s=0.6, eval_windows=2), data), FOLD)
    assert job.labels == RAVDESS
    assert job.monitor == "val_uar"
    assert who(job.train) == [(32, "calm"), (35, "angry"), (42, "calm"), (45, "angry")]
    assert who(job.valid) == [(22, "calm"), (25, "angry")]
    assert job.train[0][0].shape == (9_600,)
    assert job.valid[0][0].shape == (2, 9_600)


def test_without_a_fold_everybody_trains_and_nothing_is_selected(data: Path) -> None:
    settings = VoiceDataSettings(window_s=0.6)
    job = voice_job(recipe(), SpeechData(settings, data), None)
    assert [level // 10 for level, _ in who(job.train)] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert job.valid is None


def test_an_added_corpus_is_trained_on_only_and_under_ravdess_labels(data: Path) -> None:
    settings = VoiceDataSettings(window_s=0.6, train_on=("ravdess", "emodb"), balance=False)
    speech = SpeechData(settings, data)
    job = voice_job(recipe(train_on=("ravdess", "emodb")), speech, FOLD)
    assert who(job.train)[-1] == (90, "happy")
    assert len(job.train) == 5  # boredom is left out
    assert who(job.valid) == [(22, "calm"), (25, "angry")]
    assert (90, "happy") not in who(speech.batches(FOLD.test))


def test_emodb_labels_have_counterparts_but_for_boredom() -> None:
    assert set(EMODB) - set(EMODB_TO_RAVDESS) == {"boredom"}
    assert set(EMODB_TO_RAVDESS.values()) <= set(RAVDESS)


def test_the_augmentation_is_the_recipes(data: Path) -> None:
    still = {"gain_db": 0, "noise": 0, "stretch": 0, "warp": 0, "equalise_db": 0, "time_masks": 0, "mel_masks": 0}
    speech = SpeechData(VoiceDataSettings(window_s=0.6), data)
    x, log_mel = torch.rand(3, 9_600), torch.rand(3, 103, 60)
    random = torch.Generator().manual_seed(0)
    job = voice_job(recipe(**still), speech, FOLD)
    assert torch.equal(job.augment_input(x, random), x)
    assert job.augment_features is not None
    torch.testing.assert_close(job.augment_features(log_mel, random), log_mel, atol=1e-4, rtol=0)
    job = voice_job(recipe(**still | {"gain_db": 9}), speech, FOLD)
    assert not torch.equal(job.augment_input(x, random), x)


def test_pretrained_weights_that_are_unknown_are_named(data: Path) -> None:
    other = recipe().model_copy(update={"model": VoiceNetSettings(pretrained="mn99")})
    with pytest.raises(AssetError, match="mn99"):
        voice_job(other, SpeechData(VoiceDataSettings(window_s=0.6), data), FOLD)


def write_part(archive: zipfile.ZipFile, part: str, votes: list[list[int]]) -> None:
    picture = cv2.imencode(".png", np.full((48, 48), len(votes), np.uint8))[1].tobytes()
    rows = []
    for i, row in enumerate(votes):
        archive.writestr(f"FER2013{part}/{i}.png", picture)
        rows.append(",".join([f"{i}.png", "box", *map(str, row)]))
    archive.writestr(f"FER2013{part}/label.csv", "\n".join(rows))


def test_a_face_job_trains_on_distributions_and_validates_on_majorities(tmp_path: Path) -> None:
    split, clear = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 8, 2, 0, 0, 0, 0, 0]
    with zipfile.ZipFile(tmp_path / "ferplus.zip", "w") as archive:
        write_part(archive, "Train", [split, clear])
        write_part(archive, "Valid", [clear, split, clear])
    job = face_job(Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings()), tmp_path)
    assert (job.labels, job.monitor, job.augment_features) == (FERPLUS, "val_accuracy", None)
    assert isinstance(job.train, FaceBatches) and isinstance(job.valid, FaceBatches)
    np.testing.assert_allclose(job.train.targets[0, :2], [0.5, 0.5])
    np.testing.assert_allclose(job.train.targets[1, 3:5], [0.8, 0.2])
    assert job.valid.targets.argmax(1).tolist() == [3, 3]  # the tie has no majority


@pytest.mark.parametrize("make", [face_job, lambda r, d: voice_job(r, SpeechData(VoiceDataSettings(), d), None)])
def test_data_that_is_not_there_is_a_corpus_error(tmp_path: Path, make: object) -> None:
    face = Recipe(name="f", data=FaceDataSettings(), model=FaceNetSettings())
    with pytest.raises(CorpusError, match=r"no FER\+ archive|no RAVDESS speech"):
        make(face, tmp_path)


def test_a_recipe_that_pairs_faces_with_a_voice_network_is_refused(data: Path) -> None:
    crossed = Recipe(name="x", data=FaceDataSettings(), model=NETWORK, train=TrainSettings())
    with pytest.raises(RecipeError, match="'x' pairs 'ferplus' with 'voice-mobilenet'"):
        face_job(crossed, data)
    crossed = Recipe(name="y", data=VoiceDataSettings(), model=FaceNetSettings())
    with pytest.raises(RecipeError, match="'y' pairs 'speech' with 'face-resnet'"):
        voice_job(crossed, SpeechData(VoiceDataSettings(window_s=0.6), data), FOLD)


def test_rare_emotions_are_repeated_a_whole_number_of_times() -> None:
    labels = np.array([0] * 2 + [1] * 4 + [2] * 3)
    chosen = repeat_rare(labels)
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 3]
    assert set(chosen.tolist()) == set(range(9))
