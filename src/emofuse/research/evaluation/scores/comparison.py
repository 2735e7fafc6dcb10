"""What a comparison of models found, as a document: every score beside its stamp, and every pair of models."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from emofuse.research.evaluation.scores.report import Metric, ReportProvenance

FORMAT: Final = "emofuse-comparison/1"
ALPHA: Final = 0.05
"""An adjusted p under this is called a difference."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Compared(_Part):
    """One model: its scores, and the stamp of its own evaluation."""

    name: str
    n_parameters: int | None
    stamp: ReportProvenance
    metrics: tuple[Metric, ...] = Field(min_length=1)


class PairedTest(_Part):
    """Two models on the same clips. difference: the first's metric minus the second's.

    `_holm` is p adjusted for the number of pairs. n_only: clips that the seeds of the first together got right and
    those of the second did not, and the reverse, which is what McNemar's test counts.
    """

    difference: float
    interval_95: tuple[float, float]
    p_bootstrap: float
    p_bootstrap_holm: float
    n_only: tuple[int, int]
    p_mcnemar: float
    p_mcnemar_holm: float


class Pair(PairedTest):
    """Two models, a before b."""

    a: str
    b: str


class Comparison(_Part):
    """Models under one protocol, and every pair of them. method says what was tested, and how."""

    format: str = FORMAT
    metric: str
    method: str
    command: str = Field(min_length=1)
    models: tuple[Compared, ...] = Field(min_length=2)
    pairs: tuple[Pair, ...]

    @property
    def stamp(self) -> ReportProvenance:
        """The first model's stamp, whose corpus, labels, folds and leakiness are those of all."""
        return self.models[0].stamp


def written_p(value: float) -> str:
    """Write a p-value."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
