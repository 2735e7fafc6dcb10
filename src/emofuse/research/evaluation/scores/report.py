"""What an evaluation found, as a document: every score stands beside the stamp that says how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emofuse.card import Score
from emofuse.errors import UsageError
from emofuse.files import atomic_write, make_folder
from emofuse.reading import first_line, parse_json, read_bytes

FORMAT: Final = "emofuse-evaluation/1"
REPORT_NAME: Final = "report.json"
UAR_ON: Final = "UAR on "  # before a corpus: how a report of several calls the score of one
_MOST_MB: Final = 256.0  # of a report


_SPEAKERS: Final = {
    True: "LEAKY: the test speakers were heard in training",
    False: "disjoint in every fold",
    None: "not known: a person who is tested may have been trained on",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FoldRecord(_Part):
    """Who was in each part of one fold, and how many clips."""

    name: str
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    n_train: int
    n_valid: int
    n_test: int

    def line(self) -> str:
        """Return how many clips are in each part, and whose, where the corpus names its speakers."""
        heard = f" of {len(self.train)} speakers" if self.train else ""
        valid, test = (f" of {', '.join(names)}" if names else "" for names in (self.valid, self.test))
        return f"train {self.n_train} clips{heard}; valid {self.n_valid}{valid}; test {self.n_test}{test}"


class ReportProvenance(_Part):
    """All that is needed to read a score, and to make it again. No field may be left empty."""

    corpus: str
    licence: str
    labels: tuple[str, ...]
    label_map: dict[str, str | None]
    """From the corpus's own labels to `labels`; None: left out, and counted in `left_out`."""
    left_out: int = 0
    protocol: str
    folds: tuple[FoldRecord, ...]
    selection: str
    seeds: tuple[int, ...]
    command: str
    versions: str
    transductive: bool
    leaky: bool | None
    """A speaker of a test part is also in the training or validation part of the same fold; None: nobody knows."""
    unit: str = ""
    """What the intervals resample, in the plural; "": speakers, or clips where speakers have no names."""

    @model_validator(mode="after")
    def _nothing_is_empty(self) -> Self:
        names = ("corpus", "licence", "labels", "protocol", "folds", "selection", "seeds", "command", "versions")
        empty = [name for name in names if not getattr(self, name)]
        if empty:
            raise ValueError(f"a score needs its stamp; empty: {', '.join(empty)}")
        return self

    def lines(self) -> list[tuple[str, str]]:
        """Return the stamp as (name, text) pairs, one a line, in the order they are read."""
        mapped = ", ".join(f"{old} → {new or 'left out'}" for old, new in self.label_map.items() if old != new)
        return [
            ("corpus", f"{self.corpus} ({self.licence})"),
            ("labels", f"{len(self.labels)}: {', '.join(self.labels)}"),
            *([("label map", f"{mapped}; {self.left_out} clips left out")] if mapped else []),
            ("protocol", self.protocol),
            *[(f"fold {fold.name}", fold.line()) for fold in self.folds],
            ("selection", self.selection),
            ("transductive", "yes: test clips were looked at, without their labels" if self.transductive else "no"),
            ("speakers", _SPEAKERS[self.leaky]),
            ("seeds", ", ".join(map(str, self.seeds))),
            ("command", self.command),
            ("versions", self.versions),
        ]


class Metric(_Part):
    """A score as a fraction of 1: the mean over seeds of what all folds' clips give together.

    `interval_95`: percentile bootstrap over speakers. `by_fold`: each fold's own score, mean over seeds.
    """

    name: str
    value: float
    interval_95: tuple[float, float]
    by_seed: tuple[float, ...]
    by_fold: tuple[float, ...]
    deviation_seeds: float
    deviation_folds: float


class ClassScore(_Part):
    """One emotion: n clips, and recall, precision and F1 as means over seeds."""

    label: str
    n: int
    recall: float
    precision: float
    f1: float


class GroupScore(_Part):
    """One sex or one speaker."""

    group: str
    n: int
    accuracy: float
    uar: float


class Baseline(_Part):
    """A number to compare with: chance, people, published systems. `note`: where its protocol differs."""

    name: str
    metric: str
    value: float
    source: str
    note: str = ""


class Curve(_Part):
    """How one training went: a value an epoch; NaN is written as null."""

    fold: str
    seed: int
    train_loss: tuple[float | None, ...]
    valid_loss: tuple[float | None, ...]
    valid_uar: tuple[float | None, ...]


class LeakageCheck(_Part):
    """The same recipe under a random split, run to show what knowing the speaker adds. Never a result."""

    protocol: str
    metrics: tuple[Metric, ...]
    gap: dict[str, float]
    """Leaky minus honest, by metric."""


class EvaluationReport(_Part):
    """A result with what it takes to read it. confusion: counts, rows are the truth, mean over seeds."""

    format: str = FORMAT
    title: str
    model: str
    n_parameters: int | None = None
    stamp: ReportProvenance
    headline: tuple[str, ...] = ("UAR", "accuracy")
    """The metrics by which its field compares systems on this corpus: those that a card states."""
    metrics: tuple[Metric, ...] = Field(min_length=1)
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[float, ...], ...]
    by_sex: tuple[GroupScore, ...] = ()
    by_speaker: tuple[GroupScore, ...] = ()
    curves: tuple[Curve, ...] = ()
    anchors: tuple[Baseline, ...] = ()
    temperature: float
    calibration_error: tuple[float, float]
    """Expected calibration error before and after the temperature, which was fitted on the validation parts."""
    leak: LeakageCheck | None = None

    def metric(self, name: str) -> Metric:
        """Return the metric of that name. Raises KeyError when there is none."""
        return next((m for m in self.metrics if m.name == name), None) or _missing(name)


def _missing(name: str) -> Metric:
    raise KeyError(name)


def validated(report: EvaluationReport) -> EvaluationReport:
    """Return the report. Raises UsageError for anything that is not one with its whole stamp: it is not shown."""
    if not isinstance(report, EvaluationReport):
        raise UsageError(f"a score is shown only in a report with its stamp, not as a {type(report).__name__}")
    try:
        return EvaluationReport.model_validate(report.model_dump(warnings=False))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the report"
        raise UsageError(f"a score is shown only with its stamp: {where}: {first['msg']}") from None


def card_scores(report: EvaluationReport, of: str) -> tuple[Score, ...]:
    """Return the headline scores, and that of each corpus where several were left out in turn, as a model card holds
    them; whose, `of` says, the name of the card's recipe.

    They are of the card's own weights where a network was measured as it is (`--model`); in a cross-validation they are
    of others of the same recipe, each without its test speakers. Raises UsageError for a report of another model.
    """
    if report.model != of:
        raise UsageError(f"the report is of {report.model!r}, not of {of!r}")
    weights: Literal["these", "same recipe"] = "these" if "--model" in report.stamp.command.split() else "same recipe"
    stamp = report.stamp
    n = sum(fold.n_test for fold in stamp.folds)
    seeds = f"{len(stamp.seeds)} seeds" if len(stamp.seeds) > 1 else f"seed {stamp.seeds[0]}"
    warnings = [*(["transductive"] if stamp.transductive else []), *(["LEAKY"] if stamp.leaky else [])]
    return tuple(
        Score(
            metric=metric.name,
            value=metric.value,
            on=f"{stamp.corpus}, {len(stamp.labels)} classes, n = {n}",
            protocol="; ".join([*warnings, stamp.protocol, f"model choice: {stamp.selection}", seeds]),
            command=stamp.command,
            interval_95=metric.interval_95,
            weights=weights,
        )
        for metric in report.metrics
        if metric.name in report.headline or metric.name.startswith(UAR_ON)
    )


def write_json(report: EvaluationReport, folder: str | Path) -> Path:
    """Write report.json into `folder`. Raises OutputError when it cannot be written."""
    target = make_folder(folder) / REPORT_NAME
    with atomic_write(target) as name:
        name.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return target


def read_report(path: str | Path) -> EvaluationReport:
    """Read a report.json, or the one in a folder. Raises UsageError when it is none."""
    file = Path(path) / REPORT_NAME if Path(path).is_dir() else Path(path)
    try:
        return EvaluationReport.model_validate(parse_json(read_bytes(file, _MOST_MB)))
    except (OSError, ValueError, ValidationError) as error:
        raise UsageError(f"{file} is not a report of `emofuse evaluate`: {first_line(error)}") from None
