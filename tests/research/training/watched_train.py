"""`emofuse` with its arguments, in each process that Lightning starts of it; writes down who was given which clips."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from emofuse.cli.main import run
from emofuse.research.tasks.batches import VoiceBatches
from emofuse.research.training.module import Classifier

RANK = os.environ.get("LOCAL_RANK", "0")  # the first process starts the others, which have a number


class Watched(VoiceBatches):
    """Appends the epoch and the clips of each training batch to seen-RANK.txt."""

    def reseed(self, seed: int, epoch: int) -> None:
        self.epoch = epoch
        super().reseed(seed, epoch)

    def __getitems__(self, indices: Sequence[int]) -> Any:
        with Path(f"seen-{RANK}.txt").open("a") as file:
            print(self.epoch, *indices, file=file)
        return super().__getitems__(indices)


def keep(module: Classifier) -> None:
    """Write what this process has in the end."""
    mine = {"loss": module.trainer.callback_metrics["train_loss"], "weights": dict(module.network.named_parameters())}
    torch.save(mine, f"end-{RANK}.pt")


if __name__ == "__main__":
    import emofuse.research.tasks.speech

    emofuse.research.tasks.speech.VoiceBatches = Watched  # type: ignore[misc]
    Classifier.on_train_end = keep  # type: ignore[method-assign]
    run()
