"""A made RAVDESS that a tiny network learns in a moment: 24 actors, an emotion for every tone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from torch import Generator, Tensor

from emofuse.research.corpora.manifest import Clip
from emofuse.research.models.settings import MelCnnSettings, SpeechNetSettings, SvmSettings
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.utterances import Utterances

TONES_HZ: Final = {1: 0.0, 3: 300.0, 5: 3000.0}  # by the number of the emotion in a file's name: neutral, happy, angry


def write_ravdess(root: Path, actors: Sequence[int] = range(1, 25), tones: Mapping[int, float] = TONES_HZ) -> Path:
    """Write a clip of 0.6 to 1 s of each actor and emotion into `root`/ravdess, a tone in noise; return `root`.

    Who and what decides the sound, so that a clip is the same in every corpus that has it.
    """
    for actor in actors:
        folder = root / "ravdess" / f"Actor_{actor:02}"
        folder.mkdir(parents=True)
        for emotion, hertz in tones.items():
            random = np.random.default_rng((actor, emotion))
            t = np.arange(random.integers(9_600, 16_000)) / 16_000
            wave = 0.2 * np.sin(2 * np.pi * hertz * t) + 0.02 * random.normal(size=len(t))
            soundfile.write(folder / f"03-01-{emotion:02}-01-01-01-{actor:02}.flac", wave, 16_000)
    return root


def tiny_recipe(
    model: SpeechNetSettings | SvmSettings | None = None,
    data: Mapping[str, Any] | None = None,
    **train: Any,
) -> Recipe:
    """Return a recipe of one epoch of a network that trains in a second; changes of its data and its training."""
    plain = {"epochs": 1, "batch_size": 18, "optimizer": "adamw", "lr": 0.01, "warmup_epochs": 0, "ema_decay": None}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "seed": 3,
            "data": VoiceDataSettings.model_validate({"window_s": 0.6, "eval_windows": 2, **(data or {})}),
            "model": model or MelCnnSettings(widths=(4, 8)),
            "train": {**plain, "mixup": 0, "keep": "last", **train},
        }
    )


def trained_on(recipe: Recipe, *train_on: str, **changes: Any) -> Recipe:
    """Return a recipe of other corpora, with other changes of its data."""
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"train_on": train_on, **changes})})


def with_clips(utterances: Utterances, clips: Sequence[Clip]) -> Utterances:
    """Return the same content under other clips: of other people, or with other emotions."""
    joined = utterances.corpora.joined
    manifest = replace(joined.manifest, clips=tuple(clips))
    folded = replace(utterances.folded, clips=tuple(clips[: len(utterances.folded)]))
    corpora = replace(utterances.corpora, joined=replace(joined, manifest=manifest), folded=folded)
    return replace(utterances, corpora=corpora)


def cut_at(n_batches: int, augment: Callable[[Tensor, Generator], Tensor]) -> Callable[[Tensor, Generator], Tensor]:
    """Return what augments so many batches, and at the next raises what a lost machine would not."""
    left = [n_batches]

    def augment_or_stop(samples: Tensor, generator: Generator) -> Tensor:
        if left[0] == 0:
            raise InterruptedError("cut off")
        left[0] -= 1
        return augment(samples, generator)

    return augment_or_stop
