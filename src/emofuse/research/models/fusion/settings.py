"""Settings of the networks over features of several modalities, any of which may be absent."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from emofuse.research.models.settings import ModelSettings, check_heads

Widths: TypeAlias = tuple[Annotated[int, Field(ge=4)], ...]


class UnimodalSettings(ModelSettings):
    """A perceptron over one modality: the second reference system's D-128-64-C."""

    name: Literal["unimodal"] = "unimodal"
    modality: str
    hidden: Widths = (128, 64)
    dropout: float = Field(0.3, ge=0, lt=1)

    @property
    def only_modality(self) -> str:
        """See ModelSettings."""
        return self.modality


class _Fusion(ModelSettings):
    """modality_dropout: how often each modality is taken away in training, never all of them."""

    dropout: float = Field(0.3, ge=0, lt=1)
    modality_dropout: float = Field(0.1, ge=0, lt=1)


class EarlyFusionSettings(_Fusion):
    """Features side by side, each modality standardised, into a perceptron: the second reference system's."""

    name: Literal["early-fusion"] = "early-fusion"
    hidden: Widths = (256, 128)


class GatedFusionSettings(_Fusion):
    """An embedding of each modality, weighed by gates that they themselves open."""

    name: Literal["gated-fusion"] = "gated-fusion"
    width: int = Field(128, ge=8)


class _Attending(_Fusion):
    uses_context: ClassVar[bool] = True

    width: int = Field(128, ge=8, multiple_of=8)
    heads: int = Field(4, ge=1)
    layers: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _divides(self) -> Self:
        check_heads(self.width, self.heads)
        return self


class AttentionFusionSettings(_Attending):
    """Cross-modal attention: every modality asks each of the others (after MulT, arXiv:1906.00295)."""

    name: Literal["attention-fusion"] = "attention-fusion"


class TemporalFusionSettings(_Attending):
    """The modalities of each step side by side, then a recurrent or a transformer encoder over the steps.

    With `data.context` the steps are the utterances of a dialogue, and the answer is of the one in the middle.
    """

    name: Literal["temporal-fusion"] = "temporal-fusion"
    encoder: Literal["gru", "transformer"] = "gru"


class UnifiedSettings(_Attending):
    """One transformer encoder over the tokens of all modalities, each with its modality's and its step's embedding."""

    name: Literal["unified-transformer"] = "unified-transformer"
    layers: int = Field(2, ge=1)


FeatureNetSettings: TypeAlias = (
    UnimodalSettings
    | EarlyFusionSettings
    | GatedFusionSettings
    | AttentionFusionSettings
    | TemporalFusionSettings
    | UnifiedSettings
)
