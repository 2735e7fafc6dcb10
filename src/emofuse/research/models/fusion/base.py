"""What networks over features share: the door, what they do with an absent modality, and their parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, cast

import torch
from torch import Tensor, nn

from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.fusion.frontend import PRESENT, FeatureFrontend
from emofuse.research.models.fusion.merge import drop_modalities

Features: TypeAlias = tuple[Tensor, ...]  # x (N, T, D) and mask (N, T) of each modality in turn


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """What a network over features is given.

    dims: the number of features of each modality, in order. target_step: the step that is classified, where the steps
    are utterances of a dialogue; None: it is about all steps together.
    """

    dims: Mapping[str, int]
    target_step: int | None = None


class FeatureNet(nn.Module, ABC):
    """A network over features of several modalities, of which any may be absent.

    Where none of them is there it says all classes alike: logits of 0.
    """

    feature_kind: ClassVar[FeatureKind] = "features"
    description: ClassVar[str]
    head: nn.Sequential
    n_features: int

    def __init__(self, layout: FeatureLayout, modality_dropout: float = 0.0) -> None:
        super().__init__()
        self.frontend = FeatureFrontend(layout.dims)
        self.target_step = layout.target_step
        self.modality_dropout = modality_dropout

    @property
    def inputs(self) -> tuple[str, ...]:
        """Name what `forward` takes, in order."""
        return tuple(name for modality in self.frontend.modalities for name in (modality, f"{modality}_mask"))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Score utterances. Returns (N, C) logits.

        inputs: of each modality in turn x, (N, T, D) float32, and mask, (N, T) float32, 1 where a step is there; T
        may differ between modalities, and where the mask is 0 x may be anything.
        """
        return self.classify(self.frontend(*inputs))

    def classify(self, features: Features) -> Tensor:
        """Score what the front end made. Returns (N, C) logits. In training modalities are dropped at random."""
        if self.training and self.modality_dropout:
            features = drop_modalities_of_rows(features, self.modality_dropout)
        is_there = self.present(features).any(dim=1, keepdim=True)
        return cast(Tensor, self.head(self.embed(features))) * is_there

    def present(self, features: Features) -> Tensor:
        """Say, (N, M) bool, which of the modalities that it looks at are there in any step."""
        return torch.stack([(mask > PRESENT).any(dim=1) for mask in features[1::2]], dim=1)

    @abstractmethod
    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, n_features)."""

    def pooled(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map (N, T, D) to (N, D): the step that is classified, or the mean of those that are there; 0 where there
        is none."""
        weights = mask.unsqueeze(2)
        if self.target_step is not None:
            return x[:, self.target_step] * weights[:, self.target_step]
        return (x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


def drop_modalities_of_rows(features: Features, probability: float) -> Features:
    """Take modalities away at random from each row, but never all that it has."""
    present = torch.stack([(mask > PRESENT).any(dim=1) for mask in features[1::2]], dim=1)
    kept = drop_modalities(present, probability)
    out: list[Tensor] = []
    for number, (x, mask) in enumerate(zip(features[::2], features[1::2], strict=True)):
        stays = kept[:, number : number + 1]
        out += [torch.where(stays.unsqueeze(2), x, 0.0), torch.where(stays, mask, 0.0)]
    return tuple(out)


def perceptron(n_in: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Make dense layers, each followed by ReLU and dropout."""
    layers: list[nn.Module] = []
    for n_from, n_to in zip((n_in, *hidden), hidden, strict=False):
        layers += [nn.Linear(n_from, n_to), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
