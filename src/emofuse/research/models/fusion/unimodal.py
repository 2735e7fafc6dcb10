"""A perceptron over one modality."""

from __future__ import annotations

from typing import ClassVar, cast

from torch import Tensor, nn

from emofuse.errors import RecipeError
from emofuse.research.models.fusion.base import FeatureLayout, FeatureNet, Features, perceptron
from emofuse.research.models.fusion.settings import UnimodalSettings


class UnimodalNet(FeatureNet):
    """A perceptron over one modality; the others are not looked at. Raises RecipeError where that one is not given."""

    description: ClassVar[str] = "A perceptron over the features of one modality."

    def __init__(self, settings: UnimodalSettings, layout: FeatureLayout, n_classes: int) -> None:
        super().__init__(layout)
        if settings.modality not in layout.dims:
            raise RecipeError(
                f"model.modality: there is no {settings.modality!r} in the data", f"there is {', '.join(layout.dims)}"
            )
        self.modality = settings.modality
        self.body = perceptron(layout.dims[settings.modality], settings.hidden, settings.dropout)
        self.n_features = settings.hidden[-1] if settings.hidden else layout.dims[settings.modality]
        self.head = nn.Sequential(nn.Linear(self.n_features, n_classes))

    def present(self, features: Features) -> Tensor:
        """Say, (N, 1) bool, whether its own modality is there."""
        return super().present(self._own(features))

    def embed(self, features: Features) -> Tensor:
        """Map what the front end made to (N, D)."""
        return cast(Tensor, self.body(self.pooled(*self._own(features))))

    def _own(self, features: Features) -> Features:
        number = self.frontend.modalities.index(self.modality)
        return features[2 * number : 2 * number + 2]
