"""Cross-modal attention: every modality asks each of the others (after MulT, arXiv:1906.00295)."""

from __future__ import annotations

from itertools import permutations
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.frame_sequence import positions
from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, Features, perceptron
from emofuse.research.models.fusion.frontend import PRESENT
from emofuse.research.models.fusion.settings import AttentionFusionSettings


class CrossAttention(nn.Module):
    """A layer in which the steps of one modality ask those of another.

    Beside the other's steps there is a key of zeros with a value of zeros: where it wins, and where the other is
    absent, nothing is added. So there is something to weigh, too, where the other has one step alone.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.own_norm, self.other_norm, self.norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = nn.MultiheadAttention(width, heads, dropout, add_zero_attn=True, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, own: Tensor, other: Tensor, other_mask: Tensor) -> Tensor:
        """Map own (N, T, W) to (N, T, W) by other (N, S, W), of which other_mask (N, S) tells what is there."""
        keys = self.other_norm(other)
        heard = self.attention(
            self.own_norm(own), keys, keys, key_padding_mask=other_mask <= PRESENT, need_weights=False
        )[0]
        x = own + self.dropout(heard)
        return cast(Tensor, x + self.feed_forward(self.norm(x)))


class AttentionFusion(FeatureNet):
    """Tokens of each modality's steps, which ask those of each other modality; their pooled answers side by side."""

    description: ClassVar[str] = "Cross-modal attention over the features of each pair of modalities."

    def __init__(self, settings: AttentionFusionSettings, layout: FeatureLayout, n_classes: int) -> None:
        super().__init__(layout, settings.modality_dropout)
        width, n_modalities = settings.width, len(layout.dims)
        self.tokens = nn.ModuleList(nn.Linear(n, width) for n in layout.dims.values())
        self.pairs = list(permutations(range(n_modalities), 2))
        self.layers = nn.ModuleList(
            nn.ModuleList(CrossAttention(width, settings.heads, settings.dropout) for _ in range(settings.layers))
            for _ in self.pairs
        )
        n_views = max(len(self.pairs), 1)
        self.body = nn.Sequential(
            nn.LayerNorm(n_views * width), perceptron(n_views * width, (width,), settings.dropout)
        )
        self.n_features = width
        self.head = nn.Sequential(nn.Linear(width, n_classes))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D)."""
        masks = features[1::2]
        tokens = [self._placed(layer(x)) for layer, x in zip(self.tokens, features[::2], strict=True)]
        views = []
        for (own, other), layers in zip(self.pairs, self.layers, strict=True):
            x = tokens[own]
            for layer in cast(nn.ModuleList, layers):
                x = layer(x, tokens[other], masks[other])
            views.append(self.pooled(x, masks[own]))
        if not views:  # of one modality alone
            views = [self.pooled(tokens[0], masks[0])]
        return cast(Tensor, self.body(torch.cat(views, dim=1)))

    def _placed(self, x: Tensor) -> Tensor:
        return x + positions(x.shape[1], x.shape[2], x.device)
