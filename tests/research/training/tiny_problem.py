"""A problem that a small network learns in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Generator, Tensor

from emofuse.research.models.settings import FaceNetSettings
from emofuse.research.tasks.batches import FaceBatches, one_hot

LABELS = ("rows", "columns", "checks")
MODEL = FaceNetSettings(widths=(4, 8), blocks=(1,), dropout=0.0)


def textures(n: int, seed: int) -> FaceBatches:
    """Make pictures of stripes of 2 pixels, across, down or both: (n, 48, 48), each in one of three classes."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    y, x = np.indices((48, 48)) // 2
    patterns = np.stack([y % 2, x % 2, (x + y) % 2])[labels] * 120 + 60
    noisy = patterns + random.normal(0, 15, patterns.shape)
    return FaceBatches(np.clip(noisy, 0, 255).astype(np.uint8), one_hot(labels, 3))


@dataclass
class Identity:
    """Augments nothing, counts the batches, and from batch `cut_at` on raises what a lost machine would not."""

    cut_at: int | None = None
    n_batches: int = 0

    def __call__(self, faces: Tensor, generator: Generator) -> Tensor:
        if self.n_batches == self.cut_at:
            raise InterruptedError("cut off")
        self.n_batches += 1
        return faces
