"""What a comparison of fusions found, as a document: every method beside its stamp."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from emofuse.research.evaluation.fusion.settings import PublishedSettings
from emofuse.research.evaluation.scores.comparison import PairedTest
from emofuse.research.evaluation.scores.report import ClassScore, Metric, ReportProvenance

FORMAT: Final = "emofuse-fusion/1"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StyleScore(_Part):
    """The comparison's metric on the clips of one style, such as "scripted"; n: clips, of all draws together."""

    style: str
    n: int
    value: float
    interval_95: tuple[float, float]


class FusionMethod(_Part):
    """One method. valid: the comparison's metric on the validation parts, mean over folds, seeds and draws.

    modalities: what it looks at. over_seeds: whether its networks of all seeds answer as one. confusion: counts, rows
    are the truth, mean over seeds and draws.
    """

    name: str
    is_single: bool
    over_seeds: bool
    modalities: tuple[str, ...]
    n_parameters: int | None
    stamp: ReportProvenance
    valid: float
    metrics: tuple[Metric, ...]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[float, ...], ...]
    by_style: tuple[StyleScore, ...] = ()

    def metric(self, name: str) -> Metric:
        """Return the metric of that name."""
        return next(m for m in self.metrics if m.name == name)


class Verdict(PairedTest):
    """A fusion against the single modality that did best on the validation parts; where the fusion's seeds answer as
    one, against the best whose seeds do, too."""

    fusion: str
    single: str


class SubsetScore(_Part):
    """The comparison's metric of a method that is given these modalities alone, the others being taken away."""

    modalities: tuple[str, ...]
    value: float


class Share(_Part):
    """What one modality adds to a fusion: its Shapley value, with the bootstrap's 95 % interval."""

    modality: str
    value: float
    interval_95: tuple[float, float]


class Contribution(_Part):
    """What each modality adds to a method. subsets: every one, from none to all."""

    method: str
    subsets: tuple[SubsetScore, ...]
    shares: tuple[Share, ...] = ()


class RobustnessScore(_Part):
    """The metric of a method whose test clips were corrupted: noise of so many deviations, or a share that is lost."""

    method: str
    what: Literal["noise", "loss"]
    modality: str
    strength: float
    value: float


class FusionReport(_Part):
    """Fusions and single modalities on the same clips in the same folds.

    unit: what intervals resample. n_draws: how often clips were drawn from the corpus, 1 where all are used. remarks:
    what a reader must know of the data.
    """

    format: str = FORMAT
    name: str
    metric: str
    unit: str
    method: str
    best_single: str
    command: str = Field(min_length=1)
    n_draws: int
    remarks: tuple[str, ...]
    published: PublishedSettings | None
    modalities: tuple[str, ...]
    methods: tuple[FusionMethod, ...] = Field(min_length=2)
    verdicts: tuple[Verdict, ...]
    contributions: tuple[Contribution, ...]
    corrupted: tuple[RobustnessScore, ...]

    @property
    def stamp(self) -> ReportProvenance:
        """The first method's stamp, whose corpus, labels and folds are those of all."""
        return self.methods[0].stamp

    def named(self, name: str) -> FusionMethod:
        """Return the method of that name."""
        return next(m for m in self.methods if m.name == name)
