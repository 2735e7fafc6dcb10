"""Folding of norms into the layers before them, and rounding to half precision: the form in which weights ship."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from emofuse.research.models.layers import CoarseConv2d, CoarseLinear

SMALL: Final = 256  # tensors with fewer values keep full precision: they cost nothing
_CONVOLUTIONS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fold_and_round(network: nn.Module) -> None:
    """Fold norms into the layers before them, then round large weights to half precision, tables to 8 bits; in place.

    The exporter folds them too. Were they not folded first, it would round products of rounded weights.
    """
    fold_norms(network)
    with torch.no_grad():
        for value in filter(is_large, network.parameters()):
            value.copy_(value.half())
        for module in network.modules():
            if is_table(module):
                steps, sizes = quantise_rows(module.weight)
                module.weight.copy_(steps.float() * sizes.float())


def fold_norms(network: nn.Module) -> None:
    """Fold norms into the layers before them, in place; the network is in evaluation then."""
    network.eval()
    for module in list(network.modules()):
        for (name, layer), (norm_name, norm) in pairwise(list(module.named_children())):
            if not isinstance(norm, _NORMS) or not _follows(module, name, norm_name):
                continue
            if isinstance(layer, _CONVOLUTIONS):
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
            elif isinstance(layer, nn.Linear):
                setattr(module, name, fuse_linear_bn_eval(layer, norm))
            else:
                continue
            setattr(module, norm_name, nn.Identity())


def is_large(value: Tensor) -> bool:
    """Say whether a weight is one that is rounded."""
    return value.is_floating_point() and value.ndim > 1 and value.numel() >= SMALL


def is_table(module: nn.Module) -> TypeGuard[nn.Embedding | CoarseLinear | CoarseConv2d]:
    """Say whether a module's rows are rounded to 8 bits: a table of vectors, most of a text network's weights, or a
    layer of a large network."""
    return isinstance(module, nn.Embedding | CoarseLinear | CoarseConv2d) and is_large(module.weight)


def quantise_rows(table: Tensor) -> tuple[Tensor, Tensor]:
    """Write each row of a table (R, D), or each kernel of (R, D, H, W), as whole steps.

    Returns:
        The steps, int8 and of the same form, and the size of a row's steps, (R, 1) or (R, 1, 1, 1), float16: their
        product is the rounded table, and that is not changed by being rounded again.
    """
    largest = table.abs().amax(dim=tuple(range(1, table.ndim)), keepdim=True)
    sizes = (largest / 127).clamp(min=1e-6).half()
    return (table / sizes.float()).round().clamp(-127, 127).to(torch.int8), sizes


def _follows(module: nn.Module, layer: str, norm: str) -> bool:
    """Say whether a norm is applied to what a layer gives: by its place, or by torchvision's names in its ResNets."""
    return isinstance(module, nn.Sequential) or bool(re.fullmatch(r"conv(\d+) bn\1", f"{layer} {norm}"))
