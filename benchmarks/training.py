"""How fast trainings go: samples a second of the data path alone, and with the network's steps.

    python benchmarks/training.py [--data FOLDER] [--device cpu] [RECIPE[:KEY=VALUE,...] ...]

For each recipe its own data are read and prepared, as `emofuse train` does; then batches are taken for some seconds
without a network, and with forward, backward and optimiser. Where the first rate is a few times the second, the data
path starves nobody; "share" is how much of a step goes into it. The first batches, which warm caches, do not count.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

import torch
from lightning.fabric.utilities import move_data_to_device
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from emofuse.cli.train import data_folder
from emofuse.research.recipes.data import FaceDataSettings, TextDataSettings
from emofuse.research.recipes.recipe import Recipe, load_recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.batches import train_loader
from emofuse.research.tasks.faces import face_job
from emofuse.research.tasks.text import text_job
from emofuse.research.training.fit import classifier
from emofuse.research.training.jobs import load_utterances, utterance_job

ROOT: Final = Path(__file__).parent.parent
RECIPES: Final = ('voice:train_on=["emodb"]', "face-ferplus", "meld-words", "cnn3d", "iemocap-attention")
WARM: Final = 2  # batches
SECONDS: Final = 8.0  # of each measurement
LEAST: Final = 4  # batches, however long they take


def make_job(recipe: Recipe, data: Path | None) -> Job:
    """Prepare what `emofuse train` would, on all data but those that validate."""
    if isinstance(recipe.data, FaceDataSettings):
        return face_job(recipe, data_folder(data))
    if isinstance(recipe.data, TextDataSettings):
        return text_job(recipe, data_folder(data))
    return utterance_job(recipe, load_utterances(recipe, data), None)


def rate(batches: Iterator[Any], step: Any) -> float:
    """Return the samples a second of steps over batches."""
    n, began = 0, 0.0
    for n_batches, batch in enumerate(batches, 1):
        step(batch)
        if n_batches == WARM:
            began = time.perf_counter()
        elif n_batches > WARM:
            n += len(batch[-1])
            if time.perf_counter() - began > SECONDS and n_batches >= WARM + LEAST:
                break
    return n / (time.perf_counter() - began)


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield the batches of epoch after epoch."""
    return chain.from_iterable(repeat(loader))


def measure(recipe: Recipe, data: Path | None, device: str) -> tuple[float, float]:
    """Return the samples a second of the data path alone, and of whole steps."""
    job = make_job(recipe, data)
    loader = train_loader(job.train, min(recipe.train.batch_size, len(job.train)), recipe.seed)  # type: ignore[arg-type]
    module = classifier(recipe, job).to(device)
    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-5)

    def step(batch: Any) -> None:
        loss = module.training_step(move_data_to_device(batch, device), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # so that a GPU has done it

    module.log = lambda *_, **__: None  # type: ignore[method-assign,assignment]  # there is no trainer
    alone = rate(endless(loader), lambda batch: None)
    return alone, rate(endless(loader), step)


def main() -> None:
    """Print a row for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=list(RECIPES), help="names in recipes/, with changes of data")
    parser.add_argument("--data", type=Path, default=os.environ.get("EMOFUSE_DATA"))
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    table = Table("recipe", "data path, samples/s", "training, samples/s", "share of the data path")
    for asked in arguments.recipes:
        name, _, changes = asked.partition(":")
        overrides = tuple(f"data.{change}" for change in changes.split(",") if change)
        recipe = load_recipe(ROOT / "recipes" / f"{name}.toml", overrides)
        alone, whole = measure(recipe, arguments.data, arguments.device)
        table.add_row(asked, f"{alone:.0f}", f"{whole:.1f}", f"{whole / alone:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
