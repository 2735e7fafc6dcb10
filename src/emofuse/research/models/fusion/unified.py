"""One transformer encoder over the tokens of all modalities."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.frame_sequence import positions
from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, Features
from emofuse.research.models.fusion.frontend import PRESENT
from emofuse.research.models.fusion.settings import UnifiedSettings
from emofuse.research.models.layers import transformer


class UnifiedTransformer(FeatureNet):
    """Every step of every modality is a token with its modality's and its step's embedding; a token of its own, first
    among them, gathers the answer. Tokens that the answer is about carry a mark."""

    description: ClassVar[str] = "One transformer encoder over the tokens of all modalities."

    def __init__(self, settings: UnifiedSettings, layout: FeatureLayout, n_classes: int) -> None:
        super().__init__(layout, settings.modality_dropout)
        width, n_modalities = settings.width, len(layout.dims)
        self.tokens = nn.ModuleList(nn.Linear(n, width) for n in layout.dims.values())
        self.modality = nn.Parameter(0.02 * torch.randn(n_modalities, width))
        self.mark = nn.Parameter(0.02 * torch.randn(width))
        self.answer = nn.Parameter(0.02 * torch.randn(width))
        self.dropout = nn.Dropout(settings.dropout)
        self.encoder = transformer(width, settings.heads, settings.layers, settings.dropout, 2 * width)
        self.n_features = width
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(width, n_classes))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D)."""
        n = features[0].shape[0]  # len() would fix it in an export
        tokens = [self.answer.expand(n, 1, -1)]
        absent = [torch.zeros(n, 1, dtype=torch.bool, device=features[0].device)]
        for number, (x, mask) in enumerate(zip(features[::2], features[1::2], strict=True)):
            tokens.append(self._placed(self.tokens[number](x)) + self.modality[number])
            absent.append(mask <= PRESENT)
        encoded = self.encoder(self.dropout(torch.cat(tokens, dim=1)), src_key_padding_mask=torch.cat(absent, dim=1))
        return cast(Tensor, encoded)[:, 0]

    def _placed(self, x: Tensor) -> Tensor:
        n_steps = x.shape[1]
        is_target = torch.arange(n_steps, device=x.device) == (self.target_step or 0)
        marks = is_target.unsqueeze(1) * self.mark if self.target_step is not None else self.mark
        return x + positions(n_steps, x.shape[2], x.device) + marks
