"""What `fit` promises: the same weights every time, to the last bit, also where a training was cut off in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from emofuse.research.corpora.splits.protocols import make_split
from emofuse.research.models.settings import WaveCnnSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.speech import SpeechData
from emofuse.research.training.fit import FitResult, fit, load_weights
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import cut_at, tiny_recipe, write_ravdess

EPOCHS = 3
EVERYTHING: dict[str, Any] = {"epochs": EPOCHS, "mixup": 0.3, "ema_decay": 0.9, "label_smoothing": 0.1}
RECIPES = {
    "mixup, dropout, averaged weights, the best": tiny_recipe(**EVERYTHING, keep="best"),
    "plateau": tiny_recipe(epochs=EPOCHS, schedule="plateau", plateau_patience=0, lr=0.5, class_weights="balanced"),
    "vocoded samples, momentum": tiny_recipe(
        WaveCnnSettings(widths=(8, 8)), {"stretch": 0.1, "pitch_semitones": 1}, epochs=EPOCHS, optimizer="sgd"
    ),
}
"""Between them these draw from every generator that there is, and keep state in every place."""


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> SpeechData:
    return load_utterances(tiny_recipe(), write_ravdess(tmp_path_factory.mktemp("data"), range(1, 13)))


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return RECIPES[request.param]


def job_of(recipe: Recipe, speech: SpeechData) -> Job:
    own = replace(speech, settings=recipe.data)
    return utterance_job(recipe, own, make_split("actor-6fold", own.folded, 2).folds[0])


def trained(recipe: Recipe, job: Job, folder: Path) -> FitResult:
    return fit(recipe, job, folder, progress=False)


def is_same(one: FitResult, other: FitResult) -> bool:
    a, b = load_weights(one.weights)[0], load_weights(other.weights)[0]
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_twice_and_when_it_was_cut_off(recipe: Recipe, speech: SpeechData, tmp_path: Path) -> None:
    whole = trained(recipe, job_of(recipe, speech), tmp_path / "whole")
    torch.rand(3)  # what a program drew before does not matter
    assert is_same(trained(recipe, job_of(recipe, speech), tmp_path / "again"), whole)
    per_epoch = len(job_of(recipe, speech).train) // recipe.train.batch_size
    for _ in range(2):  # once after the first epoch, and what is left once more after the second
        job = job_of(recipe, speech)
        with pytest.raises(InterruptedError):
            trained(recipe, replace(job, augment_input=cut_at(per_epoch, job.augment_input)), tmp_path / "cut")
        assert not (tmp_path / "cut" / "model.safetensors").exists()
    resumed = trained(recipe, job_of(recipe, speech), tmp_path / "cut")
    assert is_same(resumed, whole)
    assert (resumed.epoch, resumed.score) == (whole.epoch, whole.score)
    written = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("whole", "cut", "again")]
    assert written[0] == written[1] == written[2]
    if recipe.train.schedule == "plateau":  # else it was of no matter here whether its last step was kept
        checkpoint = torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)
        assert checkpoint["optimizer_states"][0]["param_groups"][0]["lr"] < recipe.train.lr


def test_every_epoch_has_an_order_and_windows_of_its_own(speech: SpeechData, tmp_path: Path) -> None:
    recipe = tiny_recipe(epochs=EPOCHS, batch_size=9)
    heard: list[Tensor] = []
    job = job_of(recipe, speech)
    trained(recipe, replace(job, augment_input=lambda x, generator: heard.append(x) or x), tmp_path)
    per_epoch = len(job.train) // 9
    assert per_epoch > 1 and len(heard) == EPOCHS * per_epoch
    assert len({x.numpy().tobytes() for x in heard}) == len(heard)
    places = [torch.cat(heard[i : i + per_epoch]).sum(dim=1).sort().values for i in range(0, len(heard), per_epoch)]
    assert not torch.equal(places[0], places[1]) and not torch.equal(places[1], places[2])


def test_another_seed_gives_other_weights(speech: SpeechData, tmp_path: Path) -> None:
    one, other = tiny_recipe(), tiny_recipe().model_copy(update={"seed": 4})
    results = [trained(r, job_of(r, speech), tmp_path / str(r.seed)) for r in (one, other)]
    assert not is_same(*results)
