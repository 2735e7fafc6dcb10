"""Recipes and jobs of a problem that a small network learns in a moment, and films."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_problem import LABELS, MODEL, Identity, textures

from emofuse.research.models.face import FaceNet
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe, TrainSettings
from emofuse.research.tasks import clips as video
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.clips import VideoData
from emofuse.research.training.jobs import load_utterances
from make_films import STILL, RedSquares, film_recipe, write_films

MakeRecipe = Callable[..., Recipe]
MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def make_recipe() -> MakeRecipe:
    """Return a function that makes a recipe of 2 epochs; its keywords are settings of the training."""

    def make(**train: object) -> Recipe:
        plain = {"epochs": 2, "batch_size": 12, "optimizer": "adam", "lr": 0.02, "schedule": "constant"}
        plain |= {"warmup_epochs": 0, "mixup": 0, "ema_decay": None, "weight_decay": 0}
        settings = TrainSettings.model_validate(plain | train)
        return Recipe(name="tiny", seed=2, data=FaceDataSettings(), model=MODEL, train=settings)

    return make


@pytest.fixture(scope="session")
def make_job() -> MakeJob:
    """Return a function that makes a job of 10 batches of 12 an epoch, of a network with random weights; its
    keywords are fields of the job."""

    def make(augment_input: object = None, has_valid: bool = True, n_train: int = 120, **changes: Any) -> Job:
        torch.manual_seed(1)
        job = Job(
            network=FaceNet(MODEL, 3),
            labels=LABELS,
            train=textures(n_train, 0),
            valid=textures(30, 1) if has_valid else None,
            augment_input=augment_input or Identity(),
            augment_features=None,
            monitor="val_accuracy",
            fingerprint=f"{n_train} textures",
        )
        return replace(job, **changes)

    return make


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a made RAVDESS of three actors with two films each."""
    return write_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def seen(films: Path) -> VideoData:
    """Return these as a network that sees gets them."""
    return _decoded("cnn3d", films)


@pytest.fixture(scope="session")
def both(films: Path) -> VideoData:
    """Return these as a network that sees and hears gets them."""
    return _decoded("audio-video", films)


def _decoded(model: str, films: Path) -> VideoData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video, "YuNetDetector", RedSquares)
        data = load_utterances(film_recipe(model, **STILL), films)
    assert isinstance(data, VideoData)
    return data
