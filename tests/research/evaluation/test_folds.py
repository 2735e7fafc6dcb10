"""Folds: what is stored is read back and belongs to what is asked for, and it does not matter how many run at once."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from emofuse.errors import UsageError
from emofuse.research.corpora.splits.protocols import make_split
from emofuse.research.evaluation.protocols import folds
from emofuse.research.evaluation.protocols.cross_validation import cross_validate
from emofuse.research.evaluation.protocols.folds import STORED, FoldTask, clip_log_probabilities, run_tasks
from emofuse.research.evaluation.protocols.learners import RunContext
from emofuse.research.evaluation.scores.predictions import write_predictions
from emofuse.research.evaluation.scores.report import write_json
from emofuse.research.models.settings import SvmSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.batches import VoiceBatches, one_hot
from emofuse.research.tasks.speech import SpeechData
from make_ravdess import tiny_recipe, with_clips

if TYPE_CHECKING:
    from conftest import CrossValidation

COMMAND = "emofuse evaluate tiny.toml"


def silent(text: str) -> None:
    pass


def no_training(*arguments: object, **options: object) -> None:
    raise AssertionError("trained again")


@pytest.fixture
def stored(cross_validation: CrossValidation, tmp_path: Path) -> Path:
    """Return a copy of the folder of the cross-validation, to be damaged."""
    return Path(shutil.copytree(cross_validation.folder, tmp_path / "copy"))


def tasks_in(folder: Path, cross_validation: CrossValidation, recipe: Recipe) -> list[FoldTask]:
    return [
        FoldTask(recipe, fold, folder / f"seed{recipe.seed}" / f"fold{fold.name}", "cpu")
        for fold in cross_validation.split.folds
    ]


def relabelled(speech: SpeechData, number: int, **changes: str) -> SpeechData:
    """Return the same clips, one of which has another emotion or speaker."""
    clips = list(speech.manifest.clips)
    clips[number] = replace(clips[number], **changes)
    return with_clips(speech, clips)


def test_a_second_call_trains_nothing_and_reports_the_same(
    cross_validation: CrossValidation, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folds, "fit", no_training)
    heard: list[str] = []
    context = RunContext(cross_validation.folder, (recipe.seed,), COMMAND)
    report, predictions = cross_validate(recipe, cross_validation.speech, cross_validation.split, context, heard.append)
    assert report == cross_validation.report
    assert np.array_equal(predictions.log_probabilities, cross_validation.predictions.log_probabilities)
    assert heard == []


def test_a_fold_that_is_missing_is_trained_alone(
    cross_validation: CrossValidation, recipe: Recipe, stored: Path
) -> None:
    kept = {path: path.stat().st_mtime_ns for path in stored.rglob(STORED)}
    shutil.rmtree(stored / "seed3" / "fold2")
    heard: list[str] = []
    context = RunContext(stored, (recipe.seed,), COMMAND)
    report, _ = cross_validate(recipe, cross_validation.speech, cross_validation.split, context, heard.append)
    assert report == cross_validation.report
    assert heard == [f"{stored / 'seed3' / 'fold2'} is done"]
    del kept[stored / "seed3" / "fold2" / STORED]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_what_is_stored_of_another_recipe_is_not_taken(
    cross_validation: CrossValidation, recipe: Recipe, stored: Path
) -> None:
    other = tiny_recipe(lr=0.02)
    with pytest.raises(UsageError, match="holds a run of another recipe or of other data") as caught:
        run_tasks(tasks_in(stored, cross_validation, other), cross_validation.speech, 1, silent)
    assert "-o" in caught.value.hint


@pytest.mark.parametrize("changes", [{"emotion": "happy"}, {"speaker": "ravdess-99"}])
def test_what_is_stored_of_other_test_clips_is_predicted_again_and_not_trained_again(
    cross_validation: CrossValidation, recipe: Recipe, stored: Path, changes: dict[str, str]
) -> None:
    speech = relabelled(cross_validation.speech, 0, **changes)  # which the first fold tests
    before = [(stored / "seed3" / "fold1" / name).stat().st_mtime_ns for name in ("last.ckpt", STORED)]
    heard: list[str] = []
    run_tasks(tasks_in(stored, cross_validation, recipe)[:1], speech, 1, heard.append)
    after = [(stored / "seed3" / "fold1" / name).stat().st_mtime_ns for name in ("last.ckpt", STORED)]
    assert len(heard) == 1
    assert after[0] == before[0]
    assert after[1] > before[1]


@pytest.mark.parametrize("part", ["train", "valid"])
def test_what_is_stored_of_other_training_clips_is_not_taken(
    cross_validation: CrossValidation, recipe: Recipe, stored: Path, part: str
) -> None:
    task = tasks_in(stored, cross_validation, recipe)[0]
    speech = cross_validation.speech
    number = getattr(task.fold, part)[0]
    for other in (
        relabelled(speech, number, emotion="happy"),
        replace(speech, digests=tuple("0" * 64 if i == number else d for i, d in enumerate(speech.digests))),
    ):
        with pytest.raises(UsageError, match="of other data"):
            run_tasks([task], other, 1, silent)


def test_what_is_stored_of_another_split_is_not_taken(
    cross_validation: CrossValidation, recipe: Recipe, stored: Path
) -> None:
    other = make_split("actor-6fold", cross_validation.speech.folded, n_valid=3)
    task = replace(tasks_in(stored, cross_validation, recipe)[0], fold=other.folds[0])
    with pytest.raises(UsageError, match="of other data"):
        run_tasks([task], cross_validation.speech, 1, silent)


def made_features(speech: SpeechData) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 0.3, (len(speech.manifest), 2))
    noise[:, 0] += speech.truth(range(len(speech.manifest)))
    return noise.astype(np.float32)


def test_an_svm_is_trained_again_where_anything_differs(cross_validation: CrossValidation, tmp_path: Path) -> None:
    speech = cross_validation.speech
    task = FoldTask(
        tiny_recipe(SvmSettings()), cross_validation.split.folds[0], tmp_path / "fold1", "cpu", made_features(speech)
    )
    assert task.features is not None

    def runs(task: FoldTask, speech: SpeechData = speech) -> int:
        heard: list[str] = []
        run_tasks([task], speech, 1, heard.append)
        return len(heard)

    assert (runs(task), runs(task)) == (1, 0)
    assert runs(replace(task, recipe=tiny_recipe(SvmSettings(normalise="speaker")))) == 1
    assert runs(task) == 1
    assert runs(replace(task, features=task.features + 1)) == 1
    assert runs(task, relabelled(speech, 20, speaker="ravdess-99")) == 1
    assert runs(task, relabelled(speech, 20, emotion="sad")) == 1


def test_a_result_that_is_stored_has_all_that_a_report_needs(cross_validation: CrossValidation, recipe: Recipe) -> None:
    tasks = tasks_in(cross_validation.folder, cross_validation, recipe)
    for result, task in zip(run_tasks(tasks, cross_validation.speech, 1, silent), tasks, strict=True):
        assert (result.test.shape, result.valid.shape) == ((12, 8), (6, 8))
        assert result.valid_truth.tolist() == cross_validation.speech.truth(task.fold.valid).tolist()
        assert result.n_parameters == cross_validation.report.n_parameters
        assert result.curve in cross_validation.report.curves
    assert not list(cross_validation.folder.rglob(".*"))  # no temporary name is left


def test_threads_are_one_while_folds_run_and_then_what_they_were(
    cross_validation: CrossValidation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def fail(task: FoldTask, speech: SpeechData) -> None:
        seen.append(torch.get_num_threads())
        raise RuntimeError("stopped")

    monkeypatch.setattr(folds, "_run", fail)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="stopped"):
            run_tasks(tasks_in(tmp_path, cross_validation, tiny_recipe())[:1], cross_validation.speech, 1, silent)
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.load
@pytest.mark.usefixtures("warm_processes")
def test_two_at_once_in_another_folder_give_the_same_files_to_the_byte(
    cross_validation: CrossValidation, recipe: Recipe, tmp_path: Path
) -> None:
    heard: list[str] = []
    context = RunContext(tmp_path / "run", (recipe.seed,), COMMAND, jobs=2)
    report, predictions = cross_validate(recipe, cross_validation.speech, cross_validation.split, context, heard.append)
    assert len(heard) == 6
    for name, (r, p) in {
        "alone": (cross_validation.report, cross_validation.predictions),
        "two": (report, predictions),
    }.items():
        write_json(r, tmp_path / name)
        write_predictions(p, tmp_path / name / "predictions.csv")
    for file in ("report.json", "predictions.csv"):
        assert (tmp_path / "alone" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.load
@pytest.mark.usefixtures("warm_processes")
def test_ctrl_c_stops_every_process_and_leaves_nothing_half_written(
    cross_validation: CrossValidation, recipe: Recipe, tmp_path: Path
) -> None:
    def stop(text: str) -> None:
        raise KeyboardInterrupt

    quick, long = tasks_in(tmp_path, cross_validation, recipe)[:2]
    long = replace(long, recipe=tiny_recipe(epochs=100_000))
    with pytest.raises(KeyboardInterrupt):
        run_tasks([quick, long], cross_validation.speech, 2, stop)
    assert not multiprocessing.active_children()
    assert quick.stored.exists() and not long.stored.exists()
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]


def test_what_goes_wrong_in_a_process_comes_back_with_its_hint() -> None:
    error = pickle.loads(pickle.dumps(UsageError("what", "what to do")))
    assert isinstance(error, UsageError)
    assert (error.message, error.hint, error.exit_code) == ("what", "what to do", 2)


def test_seeds_are_averaged_and_one_that_is_stored_is_not_trained_again(
    cross_validation: CrossValidation, recipe: Recipe, stored: Path
) -> None:
    heard: list[str] = []
    context = RunContext(stored, (3, 4), COMMAND)
    report, predictions = cross_validate(recipe, cross_validation.speech, cross_validation.split, context, heard.append)
    assert len(heard) == 6 and all("seed4" in notice for notice in heard)
    assert report.stamp.seeds == predictions.seeds == (3, 4)
    assert predictions.log_probabilities.shape == (2, 72, 8)
    assert np.array_equal(predictions.log_probabilities[0], cross_validation.predictions.log_probabilities[0])
    assert not np.array_equal(predictions.log_probabilities[0], predictions.log_probabilities[1])
    uar = report.metric("UAR")
    assert uar.by_seed[0] == cross_validation.report.metric("UAR").value
    assert uar.value == pytest.approx(sum(uar.by_seed) / 2)
    assert [(curve.fold, curve.seed) for curve in report.curves] == [
        (str(fold), seed) for seed in (3, 4) for fold in range(1, 7)
    ]


class Loudest(torch.nn.Module):
    """Scores two classes by a window's mean, and its opposite."""

    inputs = ("samples",)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        level = samples.mean(dim=1) * 10
        return torch.stack([level, -level], dim=1)


def test_windows_of_a_clip_are_averaged_as_log_probabilities() -> None:
    clip = np.concatenate([np.full(1000, 16_384), np.full(1000, -8_192)]).astype(np.int16)
    batches = VoiceBatches([clip, clip[:1000]], one_hot(np.array([0, 1]), 2), window=1000, n_windows=2)
    found = clip_log_probabilities(Loudest(), batches)
    loud, quiet = (torch.log_softmax(torch.tensor([v, -v]), dim=0) for v in (5.0, -2.5))
    np.testing.assert_allclose(found[0], ((loud + quiet) / 2).numpy(), rtol=1e-6)
    np.testing.assert_allclose(found[1], loud.numpy(), rtol=1e-6)
