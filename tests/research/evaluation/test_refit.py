"""Trained anew on the validation speakers too: who chooses, who is trained on, and what is tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from emofuse.research.corpora.splits.protocols import Fold, make_split
from emofuse.research.evaluation.protocols import folds
from emofuse.research.evaluation.protocols.folds import FoldResult, FoldTask, clip_log_probabilities, run_tasks
from emofuse.research.evaluation.protocols.learners import selection
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.speech import SpeechData
from emofuse.research.training.fit import FitResult, load_weights
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import cut_at, tiny_recipe, trained_on

EPOCHS = 3


class Fitted(NamedTuple):
    """One call of `fit`: by which recipe, into which folder, on which clips, and with what result."""

    recipe: Recipe
    folder: Path
    train: set[int]
    valid: set[int] | None
    result: FitResult


def silent(text: str) -> None:
    pass


def refitted(**train: object) -> Recipe:
    return tiny_recipe(epochs=EPOCHS, refit=True, **train)


@pytest.fixture(scope="module")
def fold(speech: SpeechData) -> Fold:
    return make_split("actor-6fold", speech.folded, 2).folds[0]


@pytest.fixture
def watched(speech: SpeechData, monkeypatch: pytest.MonkeyPatch) -> list[Fitted]:
    """Return what `fit` is given from now on."""
    number = {id(samples): i for i, samples in enumerate(speech.samples)}
    calls: list[Fitted] = []
    real = folds.fit

    def fit(recipe: Recipe, job: Job, folder: Path, **options: object) -> FitResult:
        parts = [None if part is None else {number[id(clip)] for clip in part.clips} for part in (job.train, job.valid)]
        result = real(recipe, job, folder, **options)
        calls.append(Fitted(recipe, Path(folder), *parts, result))
        return result

    monkeypatch.setattr(folds, "fit", fit)
    return calls


def run(recipe: Recipe, speech: SpeechData, fold: Fold, folder: Path) -> FoldResult:
    return run_tasks([FoldTask(recipe, fold, folder, "cpu")], speech, 1, silent)[0]


def predicted(recipe: Recipe, speech: SpeechData, fold: Fold, weights: Path, part: tuple[int, ...]) -> np.ndarray:
    network = utterance_job(recipe, speech, fold).network
    network.load_state_dict(load_weights(weights)[0])
    return clip_log_probabilities(network.eval(), speech.batches(part))


@pytest.mark.parametrize("keep", ["best", "last"])
def test_the_tested_network_is_trained_on_the_validation_speakers_too_for_the_epochs_that_they_chose(
    speech: SpeechData, fold: Fold, watched: list[Fitted], tmp_path: Path, keep: str
) -> None:
    recipe = refitted(keep=keep, lr=0.05)
    result = run(recipe, speech, fold, tmp_path)
    first, second = watched
    assert (first.recipe, first.folder, second.folder) == (recipe, tmp_path, tmp_path / "refit")
    assert first.train == set(fold.train) and first.valid == set(fold.valid)
    assert second.train == set(fold.train) | set(fold.valid) and second.valid is None
    assert not second.train & set(fold.test)
    n_epochs = first.result.epoch + 1
    assert (second.recipe.train.epochs, second.recipe.train.keep, second.result.epoch) == (
        n_epochs,
        "last",
        n_epochs - 1,
    )
    if keep == "last":
        assert n_epochs == EPOCHS
    unchanged = {"epochs": EPOCHS, "keep": keep}
    assert second.recipe.model_copy(update={"train": second.recipe.train.model_copy(update=unchanged)}) == recipe
    by_first, by_second = (
        [predicted(recipe, speech, fold, call.result.weights, part) for part in (fold.valid, fold.test)]
        for call in watched
    )
    np.testing.assert_allclose(result.valid, by_first[0], atol=1e-5)
    np.testing.assert_allclose(result.test, by_second[1], atol=1e-5)
    assert np.abs(by_first[1] - by_second[1]).max() > 0.01


def test_an_epoch_before_the_last_may_be_chosen(
    speech: SpeechData, fold: Fold, watched: list[Fitted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = folds.fit

    def chose_the_second(recipe: Recipe, job: Job, folder: Path, **options: object) -> FitResult:
        result = real(recipe, job, folder, **options)
        return result if job.valid is None else replace(result, epoch=1)

    monkeypatch.setattr(folds, "fit", chose_the_second)
    run(refitted(keep="best", patience=2), speech, fold, tmp_path)
    again = watched[1].recipe.train
    assert (again.epochs, again.patience, again.keep) == (2, 0, "last")
    assert torch.load(tmp_path / "refit" / "last.ckpt", weights_only=True)["epoch"] == 1


def test_without_it_one_network_is_trained(
    speech: SpeechData, fold: Fold, watched: list[Fitted], tmp_path: Path
) -> None:
    result = run(tiny_recipe(), speech, fold, tmp_path)
    (only,) = watched
    by_hand = predicted(only.recipe, speech, fold, only.result.weights, fold.test)
    np.testing.assert_allclose(result.test, by_hand, atol=1e-5)
    assert not (tmp_path / "refit").exists()


def test_songs_of_validation_speakers_are_trained_on_then_and_those_of_test_speakers_never(
    ravdess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = trained_on(tiny_recipe(refit=True), "ravdess", "ravdess-song")
    speech = load_utterances(recipe, ravdess)
    assert isinstance(speech, SpeechData)
    parts: list[set[str]] = []
    real = folds.utterance_job

    def job(recipe: Recipe, data: SpeechData, fold: Fold) -> Job:
        parts.append({data.manifest.clips[i].path.stem for i in (*fold.train, *data.added_to(fold))})
        return real(recipe, data, fold)

    monkeypatch.setattr(folds, "utterance_job", job)
    singers_validate, singers_test = (
        next(f for f in make_split("actor-6fold", speech.folded, 2).folds if {0, 1, 2} <= set(getattr(f, part)))
        for part in ("valid", "test")
    )
    run(recipe, speech, singers_validate, tmp_path / "validate")
    assert [sum(name.startswith("03-02") for name in part) for part in parts] == [0, 6]
    parts.clear()
    run(recipe, speech, singers_test, tmp_path / "test")
    assert [sum(name.startswith("03-02") for name in part) for part in parts] == [0, 0]


def test_it_goes_on_where_it_was_cut_off(
    speech: SpeechData, fold: Fold, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = refitted(keep="last")
    whole = run(recipe, speech, fold, tmp_path / "whole")
    real = folds.utterance_job
    n_batches: list[int] = []

    def in_the_second_epoch(recipe: Recipe, data: SpeechData, fold: Fold) -> Job:
        job = real(recipe, data, fold)
        if job.valid is not None:
            return job
        per_epoch = len(job.train) // recipe.train.batch_size
        return replace(job, augment_input=cut_at(per_epoch + 1, job.augment_input))

    def counted(recipe: Recipe, data: SpeechData, fold: Fold) -> Job:
        job = real(recipe, data, fold)

        def augment(samples: Tensor, generator: Generator) -> Tensor:
            n_batches.append(len(fold.valid))
            return job.augment_input(samples, generator)

        return replace(job, augment_input=augment)

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(folds, "utterance_job", in_the_second_epoch)
        run(recipe, speech, fold, tmp_path / "cut")
    monkeypatch.setattr(folds, "utterance_job", counted)
    resumed = run(recipe, speech, fold, tmp_path / "cut")
    assert np.array_equal(resumed.test, whole.test) and np.array_equal(resumed.valid, whole.valid)
    assert n_batches == [0] * (2 * (60 // 18))  # of the second training alone, two epochs
    n_batches.clear()
    assert np.array_equal(run(recipe, speech, fold, tmp_path / "cut").test, whole.test)
    assert n_batches == []


def test_it_is_said_in_the_stamp() -> None:
    chosen_by = selection(refitted(keep="best"))
    assert chosen_by == (
        "the best of at most 3 epochs by the validation speakers' UAR; the temperature is fitted on them too; the "
        "network that is tested was trained anew, for as many epochs, on the validation speakers too"
    )
    assert "anew" in selection(refitted(keep="last"))
    assert "anew" not in selection(tiny_recipe())
