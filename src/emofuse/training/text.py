"""From MELD's words to a job: its train part trains, its dev part shows how it goes and fits the temperature."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from emofuse.config import Recipe, TextDataSettings, TextNetSettings
from emofuse.corpora.manifest import Manifest
from emofuse.corpora.meld import read_meld_text
from emofuse.emotions import MELD
from emofuse.errors import RecipeError
from emofuse.features.text import encode, stack
from emofuse.models.text import TextNet, drop_words
from emofuse.training.dataset import Batch, one_hot
from emofuse.training.fit import Job
from emofuse.training.jobs import loss_weights
from emofuse.training.networks import make_network

FOLDER: Final = "meld"  # in the data folder


class TextBatches(Dataset[Batch]):
    """Encoded texts and their targets. texts: (T,) int64 each; targets: (N, C) float32."""

    def __init__(self, texts: Sequence[NDArray[np.int64]], targets: NDArray[np.float32]) -> None:
        self.texts = list(texts)
        self.targets = torch.from_numpy(targets)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Batch:
        """Return one text (T,) and its target (C,)."""
        texts, targets = self.__getitems__([index])
        return texts[0], targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return (B, T) int64, padded to the longest of them, and (B, C)."""
        return torch.from_numpy(stack([self.texts[i] for i in indices])), self.targets[list(indices)]


def read_part(data: str | Path, part: str) -> tuple[Manifest, list[NDArray[np.int64]], NDArray[np.int64]]:
    """Read a part of MELD, train, dev or test: its clips, their words, encoded, and the (N,) indices in MELD of their
    emotions. Raises CorpusError where its table is not there."""
    manifest = read_meld_text(Path(data) / FOLDER, part)
    truth = np.array([MELD.index(clip.emotion) for clip in manifest], dtype=np.int64)
    return manifest, [encode(clip.text) for clip in manifest], truth


def text_job(recipe: Recipe, data: str | Path) -> Job:
    """Prepare the training on MELD's train part. The network learns its vocabulary there before anything else.

    Raises RecipeError for a recipe of something else, CorpusError where MELD's tables are not in `data`.
    """
    settings, model = recipe.data, recipe.model
    if not isinstance(settings, TextDataSettings) or not isinstance(model, TextNetSettings):
        raise RecipeError(f"recipe {recipe.name!r} pairs {recipe.data.corpus!r} with {recipe.model.name!r}")
    torch.manual_seed(recipe.seed)
    network = make_network(recipe, len(MELD))
    assert isinstance(network, TextNet)
    _, texts, truth = read_part(data, "train")
    _, valid_texts, valid_truth = read_part(data, "dev")
    network.frontend.learn((text.tolist() for text in texts), model.least)
    targets = one_hot(truth, len(MELD))
    digest = hashlib.sha256()
    for part in (*texts, truth, *valid_texts, valid_truth):
        digest.update(part.tobytes())
    return Job(
        network=network,
        labels=MELD,
        train=TextBatches(texts, targets),
        valid=TextBatches(valid_texts, one_hot(valid_truth, len(MELD))),
        augment_input=lambda tokens, generator: drop_words(tokens, settings.forget, generator),
        augment_features=None,
        monitor="val_accuracy",
        fingerprint=digest.hexdigest(),
        class_weights=loss_weights(recipe.train.class_weights, targets),
    )
