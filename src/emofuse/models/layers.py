"""Parts that several networks are made of, over one dimension (time) or two (a picture, or frequency and time)."""

from __future__ import annotations

from typing import Final, Literal, cast

import torch
from torch import Tensor, nn

Dimensions = Literal[1, 2]
CONVOLUTIONS: Final = {1: nn.Conv1d, 2: nn.Conv2d}
NORMS: Final = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
POOLS: Final = {1: nn.AvgPool1d, 2: nn.AvgPool2d}


def conv_norm(n_in: int, n_out: int, stride: int = 1, kernel: int = 3, dimensions: Dimensions = 2) -> nn.Sequential:
    """Make a convolution, padded by half its kernel, and its norm."""
    convolution = CONVOLUTIONS[dimensions](n_in, n_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, NORMS[dimensions](n_out))


class ResidualBlock(nn.Module):
    """Two convolutions of 3 beside a shortcut that pools before it projects (ResNet-D, arXiv:1812.01187)."""

    def __init__(self, n_in: int, n_out: int, stride: int, dimensions: Dimensions = 2) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            conv_norm(n_in, n_out, stride, dimensions=dimensions),
            nn.ReLU(inplace=True),
            conv_norm(n_out, n_out, dimensions=dimensions),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            # ceil: as the convolution rounds
            pool = POOLS[dimensions](stride, ceil_mode=True)
            self.shortcut = nn.Sequential(pool, conv_norm(n_in, n_out, kernel=1, dimensions=dimensions))
        nn.init.zeros_(cast(Tensor, cast(nn.Sequential, self.branch[2])[1].weight))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n_in, ...) to (N, n_out, ...), each dimension divided by the stride and rounded up."""
        return torch.relu(self.branch(x) + self.shortcut(x))


class Standardise(nn.Module):
    """Centres and scales each row of a batch by its own mean and deviation, so that exposure or loudness do not matter.

    quiet: a deviation so small that it means nothing, in the units of the input.
    """

    def __init__(self, quiet: float) -> None:
        super().__init__()
        self.quiet = quiet

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, ...) to the same form with mean 0 and a deviation of nearly 1 (0 where the input is constant)."""
        rest = tuple(range(1, x.ndim))
        mean = x.mean(dim=rest, keepdim=True)
        deviation = ((x - mean) ** 2).mean(dim=rest, keepdim=True).sqrt()
        return (x - mean) / (deviation + self.quiet)


def mean_and_deviation(x: Tensor, weights: Tensor) -> Tensor:
    """Pool (N, ..., T) over time by (N, ..., T) weights, which broadcast. Returns (N, 2 D): all means, all deviations."""
    share = weights / weights.sum(dim=-1, keepdim=True)
    mean = (x * share).sum(dim=-1)
    square = ((x - mean.unsqueeze(-1)) ** 2 * share).sum(dim=-1)
    return torch.cat([mean.flatten(1), torch.sqrt(square + 1e-5).flatten(1)], dim=1)
