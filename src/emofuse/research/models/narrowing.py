"""An encoder with fewer weights: what its large matrices give is kept in the directions in which speech varies most."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from emofuse.research.models.voice_whisper import WhisperEncoder, WhisperVoice, load_whisper


class Moments:
    """Sum and products of frames. values: (D + 1, D + 1) float64, the last row and column of a one beside them."""

    def __init__(self) -> None:
        self.values = torch.zeros(1, 1, dtype=torch.float64)

    def add(self, frames: Tensor) -> None:
        """Add frames (..., D)."""
        flat = frames.flatten(0, -2)
        extended = torch.cat([flat, torch.ones(len(flat), 1)], dim=1)
        self.values = self.values + (extended.T @ extended).double()

    def mean_and_root(self) -> tuple[Tensor, Tensor]:
        """Return the mean of the frames, (D,), and a square root of their covariance, (D, D)."""
        mean = self.values[-1, :-1] / self.values[-1, -1]
        covariance = self.values[:-1, :-1] / self.values[-1, -1] - torch.outer(mean, mean)
        variances, directions = torch.linalg.eigh(covariance)
        return mean, directions * variances.clamp(min=0).sqrt()


def narrow_whisper(network: WhisperVoice, path: Path, log_mels: Iterable[Tensor]) -> None:
    """Give a network's encoder, which has a rank, weights by those of a whole one. path: those, as `load_whisper` reads
    them. log_mels: see `narrow`."""
    settings = network.settings
    whole = WhisperEncoder(settings.width, settings.heads, network.frozen_blocks, pool=settings.pool)
    load_whisper(whole, path)
    narrow(whole, network.backbone, log_mels)


def narrow(whole: WhisperEncoder, encoder: WhisperEncoder, log_mels: Iterable[Tensor]) -> None:
    """Give `encoder`, whose matrices are products of narrow ones, the weights that come nearest to those of `whole`.

    What each large matrix of `whole` gives for the frames of `log_mels` is projected onto the directions in which it
    varies most about its mean: of all matrices of that rank, none has a smaller squared error on these frames.

    Args:
        whole: The encoder as it was pretrained.
        encoder: Of the same width, heads, pool and number of layers, with a rank.
        log_mels: Batches (N, 80, T) of speech.
    """
    pairs = {
        name: (layer, encoder.get_submodule(name))
        for name, layer in whole.named_modules()
        if isinstance(encoder.get_submodule(name), nn.Sequential)
    }
    moments = {name: Moments() for name in pairs}
    hooks = [layer.register_forward_hook(partial(_measure, moments[name])) for name, (layer, _) in pairs.items()]
    with torch.no_grad():
        for log_mel in log_mels:
            whole(log_mel)
        for hook in hooks:
            hook.remove()
        for name, (layer, product) in pairs.items():
            _project(layer, product, moments[name])
    kept = {key: value for key, value in whole.state_dict().items() if key.rpartition(".")[0] not in pairs}
    encoder.load_state_dict(kept, strict=False)


def _measure(moments: Moments, layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
    if _is_widening(layer):
        moments.add(inputs[0])
    else:
        moments.add(output.transpose(1, 2) if isinstance(layer, nn.Conv1d) else output)


def _is_widening(layer: nn.Module) -> bool:
    """Say whether what a layer takes is measured, as that has fewer dimensions than what it gives."""
    return isinstance(layer, nn.Linear) and layer.in_features < layer.out_features


def _project(layer: nn.Module, product: nn.Module, moments: Moments) -> None:
    first, second = product.children()
    assert isinstance(layer.weight, Tensor) and isinstance(first.weight, Tensor) and isinstance(second.weight, Tensor)
    assert isinstance(layer.bias, Tensor) and isinstance(second.bias, Tensor)
    mean, root = moments.mean_and_root()
    if _is_widening(layer):
        mean, root = layer.weight.double() @ mean + layer.bias, layer.weight.double() @ root
    directions = torch.linalg.svd(root, full_matrices=False).U[:, : len(first.weight)].float()
    mean = mean.float()
    first.weight.copy_(torch.einsum("or,o...->r...", directions, layer.weight))
    second.weight.copy_(directions.reshape(second.weight.shape))
    second.bias.copy_(mean + directions @ (directions.T @ (layer.bias - mean)))
