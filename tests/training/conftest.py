"""Recipes and jobs of a problem that a small network learns in a moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_problem import LABELS, MODEL, Identity, textures

from emofuse.config import FaceDataSettings, Recipe, TrainSettings
from emofuse.models.face import FaceNet
from emofuse.training.fit import Job

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
