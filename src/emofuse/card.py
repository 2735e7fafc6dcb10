"""A model's card: what it is, what it was trained on, how it was scored. It travels inside the ONNX file."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

CARD_KEY: Final = "emofuse.card"  # in the metadata of an ONNX file


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSpec(_Part):
    """What goes in. A face is a grey square of `size_px`; sound is mono at `rate_hz`, best in windows of `window_s`."""

    kind: Literal["face", "samples"]
    size_px: int | None = None
    rate_hz: int | None = None
    window_s: float | None = None


class DataSource(_Part):
    """A corpus that was trained on, and its licence."""

    name: str
    licence: str
    part: str = ""


class Score(_Part):
    """A measured score with all that is needed to read it. value is a fraction of 1."""

    metric: str
    value: float
    on: str
    protocol: str
    command: str
    interval_95: tuple[float, float] | None = None
    weights: Literal["these", "same recipe"] = "these"


class ModelCard(_Part):
    """The card. labels are in the order of the outputs, which are logits."""

    name: str
    version: str
    modality: Literal["face", "voice", "text"]
    description: str
    labels: tuple[str, ...]
    input: InputSpec
    n_parameters: int
    data: tuple[DataSource, ...]
    recipe: str
    seed: int
    scores: tuple[Score, ...] = ()
    cautions: tuple[str, ...] = ()
