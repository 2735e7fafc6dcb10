"""A made RAVDESS, and its cross-validation, run once."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from emofuse.research.corpora.splits.protocols import Split, make_split
from emofuse.research.evaluation.protocols import folds
from emofuse.research.evaluation.protocols.cross_validation import cross_validate
from emofuse.research.evaluation.protocols.learners import RunContext
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.speech import SpeechData
from emofuse.research.training.fit import FitResult
from emofuse.research.training.jobs import load_utterances
from make_ravdess import tiny_recipe, write_ravdess

COMMAND = "emofuse evaluate tiny.toml"


class CrossValidation(NamedTuple):
    """What went in, what came out, and which clips each fold was trained and validated on."""

    speech: SpeechData
    split: Split
    folder: Path
    report: EvaluationReport
    predictions: Predictions
    notices: list[str]
    fitted_on: list[tuple[set[int], set[int]]]


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Return a recipe that trains in a second."""
    return tiny_recipe()


@pytest.fixture(scope="session")
def ravdess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a corpus of 24 actors with three clips each: noise, a low tone, a high tone. Two sing."""
    root = write_ravdess(tmp_path_factory.mktemp("corpora"))
    random = np.random.default_rng(9)
    for actor, emotion in product((1, 2), (1, 3, 5)):
        name = f"ravdess/Actor_{actor:02}/03-02-{emotion:02}-01-01-01-{actor:02}.wav"
        soundfile.write(root / name, random.normal(0, 0.1, 12_000), 16_000)
    return root


@pytest.fixture(scope="session")
def speech(recipe: Recipe, ravdess: Path) -> SpeechData:
    """Return that corpus, decoded."""
    return load_utterances(recipe, ravdess)


@pytest.fixture(scope="session")
def cross_validation(recipe: Recipe, speech: SpeechData, tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """Run the six folds in this process, and watch what they are trained on."""
    folder = tmp_path_factory.mktemp("runs")
    notices: list[str] = []
    fitted_on: list[tuple[set[int], set[int]]] = []
    number = {id(samples): i for i, samples in enumerate(speech.samples)}
    real = folds.fit

    def watched(recipe: Recipe, job: Job, *args: object, **kwargs: object) -> FitResult:
        fitted_on.append(tuple({number[id(clip)] for clip in part.clips} for part in (job.train, job.valid)))
        return real(recipe, job, *args, **kwargs)

    split = make_split("actor-6fold", speech.folded, recipe.data.valid_speakers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "fit", watched)
        context = RunContext(folder, (recipe.seed,), COMMAND)
        report, predictions = cross_validate(recipe, speech, split, context, notices.append)
    return CrossValidation(speech, split, folder, report, predictions, notices, fitted_on)
