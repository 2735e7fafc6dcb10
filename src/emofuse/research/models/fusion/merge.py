"""Merging of embeddings, of which any may be absent."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConcatFusion(nn.Module):
    """Puts embeddings side by side; learnt values stand in for an absent one."""

    def __init__(self, n_modalities: int, width: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(n_modalities, width))
        self.n_features = n_modalities * width

    def forward(self, embeddings: Tensor, present: Tensor) -> Tensor:
        """Merge (N, M, D), of which those are looked at whose `present` (N, M) is 1. Returns (N, M D)."""
        return torch.where(present.unsqueeze(2) > 0.5, embeddings, self.absent).flatten(1)


class GatedFusion(nn.Module):
    """Weighs each feature of the embeddings that are present by gates that they themselves open
    (after the gated multimodal unit, arXiv:1702.01992)."""

    def __init__(self, n_modalities: int, width: int) -> None:
        super().__init__()
        self.values = nn.ModuleList(nn.Linear(width, width) for _ in range(n_modalities))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(n_modalities))
        self.n_features = width

    def forward(self, embeddings: Tensor, present: Tensor) -> Tensor:
        """Merge (N, M, D), of which those are looked at whose `present` (N, M) is 1. Returns (N, D): where none is
        present, zeros."""
        is_present = present.unsqueeze(2) > 0.5
        each = embeddings.unbind(dim=1)
        values = torch.stack([value(x) for value, x in zip(self.values, each, strict=True)], dim=1)
        gates = torch.stack([gate(x) for gate, x in zip(self.gates, each, strict=True)], dim=1)
        shares = torch.where(is_present, gates, -1e4).softmax(dim=1)  # finite: a softmax of nothing would be no number
        return torch.where(is_present, shares * torch.tanh(values), 0.0).sum(dim=1)


def drop_modalities(present: Tensor, probability: float) -> Tensor:
    """Take each modality away, at random, from rows of `present` (N, M) bool; the last one that a row has stays."""
    chance = torch.rand(present.shape, device=present.device)
    kept = present & (chance >= probability)
    # where all would go, the one that was the least likely to
    last = torch.where(present, chance, -1.0).argmax(dim=1, keepdim=True)
    saved = torch.zeros_like(present).scatter(1, last, True) & present
    return torch.where(kept.any(dim=1, keepdim=True), kept, saved)
