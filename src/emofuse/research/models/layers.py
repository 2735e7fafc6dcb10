"""Parts that several networks are made of. All is two-dimensional: samples are a picture of height 1, which convolves
half as fast again as one dimension does on a CPU."""

from __future__ import annotations

from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

Size: TypeAlias = int | tuple[int, int]  # of both dimensions, or of height and width


def conv_norm(n_in: int, n_out: int, stride: Size = 1, kernel: Size = 3) -> nn.Sequential:
    """Make a convolution, padded by half its kernel, and its norm."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, (height // 2, width // 2), bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out))


class CoarseLinear(nn.Linear):
    """A linear layer whose weights ship in 8 bits, with a step size for each output."""


class CoarseConv2d(nn.Conv2d):
    """A convolution whose weights ship in 8 bits, with a step size for each output."""


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut that pools before it projects (ResNet-D, arXiv:1812.01187)."""

    def __init__(self, n_in: int, n_out: int, stride: int, kernel: Size = 3) -> None:
        super().__init__()
        first, second = conv_norm(n_in, n_out, stride, kernel), conv_norm(n_out, n_out, kernel=kernel)
        self.branch = nn.Sequential(first, nn.ReLU(inplace=True), second)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            # ceil: as the convolution rounds
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride != 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, conv_norm(n_in, n_out, kernel=1))
        nn.init.zeros_(cast(Tensor, second[1].weight))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, n_in, H, W) to (N, n_out, H / stride, W / stride), rounded up."""
        return torch.relu(self.branch(x) + self.shortcut(x))


class Standardise(nn.Module):
    """Centres and scales each row of a batch by its own mean and deviation: exposure and loudness do not matter then.

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
    """Pool (N, ..., T) over time by weights (N, ..., T), which broadcast. Returns (N, 2 D): means, then deviations."""
    share = weights / weights.sum(dim=-1, keepdim=True)
    mean = (x * share).sum(dim=-1)
    square = ((x - mean.unsqueeze(-1)) ** 2 * share).sum(dim=-1)
    return torch.cat([mean.flatten(1), torch.sqrt(square + 1e-5).flatten(1)], dim=1)


def transformer(width: int, heads: int, layers: int, dropout: float, inner: int) -> nn.TransformerEncoder:
    """Make a transformer encoder over (N, T, width), norms first and one at the end. inner: width between the two
    dense layers of each block."""
    layer = nn.TransformerEncoderLayer(width, heads, inner, dropout, "gelu", batch_first=True, norm_first=True)
    return nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
