"""A made RAVDESS, and its cross-validation, run once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from emofuse.config import Recipe, TrainSettings, VoiceDataSettings, VoiceNetSettings
from emofuse.evaluation import protocol
from emofuse.evaluation.protocol import Report, cross_validate_voice
from emofuse.training.fit import Job
from emofuse.training.jobs import SpeechData

EMOTIONS = (1, 3, 5)  # neutral, happy, angry
RECIPE = Recipe(
    name="tiny-voice",
    seed=3,
    data=VoiceDataSettings(window_s=0.6, eval_windows=2),
    model=VoiceNetSettings(pretrained=None, hidden=8, taps=(1, 2)),
    train=TrainSettings(
        epochs=1, batch_size=18, optimizer="adamw", lr=0.01, warmup_epochs=0, ema_decay=None, mixup=0, keep="last"
    ),
)


class CrossValidation(NamedTuple):
    """What went in, what came out, and which clips each fold was trained and validated on."""

    speech: SpeechData
    folder: Path
    report: Report
    notices: list[str]
    trained_on: list[tuple[set[int], set[int]]]  # by the number of the clip


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """Return a recipe that trains in a second."""
    return RECIPE


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> SpeechData:
    """Return 24 actors with three clips of 0.6 to 1 s each: noise, a low tone, a high tone."""
    root = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(0)
    for actor in range(1, 25):
        folder = root / "ravdess" / f"Actor_{actor:02}"
        folder.mkdir(parents=True)
        for emotion in EMOTIONS:
            t = np.arange(random.integers(9_600, 16_000)) / 16_000
            tone = {1: 0.0, 3: np.sin(2 * np.pi * 300 * t), 5: np.sin(2 * np.pi * 3000 * t)}[emotion]
            wave = 0.2 * tone + 0.02 * random.normal(size=len(t))
            soundfile.write(folder / f"03-01-{emotion:02}-01-01-01-{actor:02}.flac", wave, 16_000)
    return SpeechData(RECIPE.data, root)


@pytest.fixture(scope="session")
def cross_validation(speech: SpeechData, tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """Run the six folds, and watch what they are trained on."""
    folder = tmp_path_factory.mktemp("runs")
    notices: list[str] = []
    trained_on: list[tuple[set[int], set[int]]] = []
    number = {id(samples): i for i, samples in enumerate(speech.samples)}
    real_fit = protocol.fit

    def watched(recipe: Recipe, job: Job, *args: object, **kwargs: object) -> object:
        trained_on.append(({number[id(c)] for c in job.train.clips}, {number[id(c)] for c in job.valid.clips}))
        return real_fit(recipe, job, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "fit", watched)
        report = cross_validate_voice(RECIPE, speech, folder, "emofuse evaluate tiny.toml", "cpu", notices.append)
    return CrossValidation(speech, folder, report, notices, trained_on)
