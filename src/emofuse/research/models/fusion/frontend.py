"""The front end of networks over features: it standardises each modality and blanks what is absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

MEAN, DEVIATION = "mean_", "deviation_"  # before a modality's name, as buffers are called
PRESENT: Final = 0.5  # a mask above this says that a step is there


class FeatureFrontend(nn.Module):
    """Standardises features by the mean and the deviation of the training part, which are saved with the weights.

    dims: the number of features of each modality, in the order in which they are given.
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        self.modalities = tuple(dims)
        for name, n_features in dims.items():
            self.register_buffer(MEAN + name, torch.zeros(n_features))
            self.register_buffer(DEVIATION + name, torch.ones(n_features))

    @property
    def dims(self) -> dict[str, int]:
        """The number of features of each modality."""
        return {name: len(self.get_buffer(MEAN + name)) for name in self.modalities}

    def fit(self, modality: str, mean: Tensor, deviation: Tensor) -> None:
        """Take the mean and the deviation (D,) of a modality; a feature that never changes is only centred."""
        self.get_buffer(MEAN + modality).copy_(mean)
        self.get_buffer(DEVIATION + modality).copy_(torch.where(deviation > 0, deviation, 1.0))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Standardise x (N, T, D) and pass its mask (N, T) through, for each modality in turn. What the mask takes
        away becomes 0, which is the mean, whatever it was."""
        out: list[Tensor] = []
        for name, x, mask in zip(self.modalities, inputs[::2], inputs[1::2], strict=True):
            standardised = (x - self.get_buffer(MEAN + name)) / self.get_buffer(DEVIATION + name)
            out += [torch.where(mask.unsqueeze(2) > PRESENT, standardised, 0.0), mask]
        return tuple(out)
