"""Temporal fusion: the modalities of each step side by side, then an encoder over the steps."""

from __future__ import annotations

from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emofuse.research.models.frame_sequence import positions
from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, Features, perceptron
from emofuse.research.models.fusion.frontend import PRESENT
from emofuse.research.models.fusion.settings import TemporalFusionSettings
from emofuse.research.models.layers import transformer


class MaskedGru(nn.Module):
    """Bidirectional GRUs for which steps that are not there do not exist, wherever they are.

    Each direction has a recurrent network of its own, over the steps that are there, moved together.
    """

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.ahead, self.back = (
            nn.ModuleList(nn.GRU(width, width // 2, batch_first=True) for _ in range(layers)) for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, is_there: Tensor) -> Tensor:
        """Map (N, T, W), of which `is_there` (N, T) bool says which steps count, to (N, T, W)."""
        n_steps = x.shape[1]
        place = torch.arange(n_steps, device=x.device).expand(is_there.shape)
        # those that are not there come last, where they change nothing
        orders = [torch.where(is_there, order, n_steps + place).argsort(dim=1) for order in (place, -place)]
        for ahead, back in zip(self.ahead, self.back, strict=True):
            each = [_in_order(gru, x, order) for gru, order in zip((ahead, back), orders, strict=True)]
            x = self.dropout(torch.cat(each, dim=2))
        return x


def _in_order(gru: nn.Module, x: Tensor, order: Tensor) -> Tensor:
    """Run a recurrent network over the steps in an order (N, T), and put its states back where the steps were."""
    states = gru(x.gather(1, order.unsqueeze(2).expand_as(x)))[0]
    back = order.argsort(dim=1).unsqueeze(2)
    return cast(Tensor, states.gather(1, back.expand(-1, -1, states.shape[2])))


class StepTransformer(nn.Module):
    """A transformer encoder over the steps that are there."""

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.encoder = transformer(width, heads, layers, dropout, 2 * width)

    def forward(self, x: Tensor, is_there: Tensor) -> Tensor:
        """Map (N, T, W), of which `is_there` (N, T) bool says which steps count, to (N, T, W)."""
        looks_nowhere = ~is_there.any(dim=1, keepdim=True)  # an attention to nothing would be no number
        x = x + positions(x.shape[1], x.shape[2], x.device)
        return cast(Tensor, self.encoder(x, src_key_padding_mask=~(is_there | looks_nowhere)))


class TemporalFusion(FeatureNet):
    """A token for each step, of all modalities side by side, and a GRU or a transformer over the tokens.

    The step that is classified keeps its own token beside what the encoder makes of it,
    or about the mean of all.
    """

    description: ClassVar[str] = "A recurrent or transformer encoder over steps of all modalities side by side."

    def __init__(self, settings: TemporalFusionSettings, layout: FeatureLayout, n_classes: int) -> None:
        super().__init__(layout, settings.modality_dropout)
        width = settings.width
        self.token = perceptron(sum(layout.dims.values()) + len(layout.dims), (width,), settings.dropout)
        self.encoder: nn.Module
        if settings.encoder == "gru":
            self.encoder = MaskedGru(width, settings.layers, settings.dropout)
        else:
            self.encoder = StepTransformer(width, settings.heads, settings.layers, settings.dropout)
        self.n_features = 2 * width
        self.head = nn.Sequential(nn.Linear(self.n_features, n_classes))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D)."""
        n_steps = max(mask.shape[1] for mask in features[1::2])
        x, masks = (_as_long(part, n_steps) for part in (features[::2], features[1::2]))
        present = torch.stack(masks, dim=2)
        is_there = (present > PRESENT).any(dim=2)
        tokens = self.token(torch.cat([*x, present], dim=2))
        encoded = self.encoder(tokens, is_there)
        both = torch.cat([tokens, encoded], dim=2)
        # the utterance that is classified may itself be all absent; its neighbours then speak for it
        return both[:, self.target_step] if self.target_step is not None else self.pooled(both, is_there.to(both.dtype))


def _as_long(parts: tuple[Tensor, ...], n_steps: int) -> list[Tensor]:
    """Fill (N, T) or (N, T, D) up with zeros to n_steps steps."""
    return [F.pad(x, (*[0] * (2 * (x.ndim - 2)), 0, n_steps - x.shape[1])) for x in parts]
