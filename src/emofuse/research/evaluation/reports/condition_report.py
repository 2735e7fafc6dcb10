"""What of a bundle's answers is kept under conditions: measured, and as a page with its table and figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pydantic import BaseModel, ConfigDict, Field

from emofuse import __version__
from emofuse.formatting import pluralise
from emofuse.inference.bundle import Bundle
from emofuse.research.evaluation.protocols.conditions import CONDITIONS, Condition
from emofuse.research.evaluation.protocols.recorded_scores import (
    accuracy,
    calibration,
    confusions,
    kept,
    score,
)
from emofuse.research.evaluation.protocols.recordings import Answers, Recording, answer, applicable, streams_of
from emofuse.research.evaluation.reports.document import (
    Block,
    Code,
    DefinitionList,
    Document,
    Heading,
    Picture,
    Table,
    Text,
)
from emofuse.research.evaluation.reports.figure_frame import (
    INK,
    OTHERS,
    OURS,
    PALETTE,
    add_key,
    framed,
    in_percent,
    plain,
)
from emofuse.research.evaluation.reports.sections import caution, percent, signed, span_or
from emofuse.research.evaluation.reports.write import write_illustrated
from emofuse.research.evaluation.scores.metrics import UNKNOWN, Interval, uar_of
from emofuse.research.evaluation.scores.report import FoldRecord, ReportProvenance

FORMAT: Final = "emofuse-robustness/1"
NAME: Final = "robustness"
_FIGURE: Final = "robustness.png"
_LOST: Final = 0.2  # of the recall: more is told in words
_READING: Final = (
    "Kept: the share of the unweighted recall (UAR) of the recordings as they are, with its 95 % interval over the "
    "same speakers. A recording without an answer counts as wrong. Confidence, accuracy and calibration error (ECE) "
    "are of the answers that there are, also of those that people are told to be uncertain; too sure: by how much the "
    "confidence is above the accuracy, in points."
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConditionScore(_Part):
    """A bundle's answers under one condition.

    Attributes:
        name: Of the condition.
        kind: What it is done to.
        answered: The share of the recordings that had an answer.
        uar: The unweighted recall; a recording without an answer is wrong.
        uar_95: Its 95 % interval over speakers.
        kept: The share of the recall of the recordings as they are.
        kept_95: Its 95 % interval over the same speakers.
        accuracy: Of the answers that there are.
        confidence: Of these, the mean.
        calibration_error: Of these.
        by_modality: The recall of each modality by itself.
        uncertain: The share of the answers that people are told to be uncertain; None in reports of older versions.
    """

    name: str
    kind: str
    answered: float
    uar: float
    uar_95: Interval
    kept: float
    kept_95: Interval
    accuracy: float
    confidence: float
    calibration_error: float
    by_modality: dict[str, float]
    uncertain: float | None = None


class ConditionReport(_Part):
    """How a bundle's answers hold under conditions. conditions: the recordings as they are come first."""

    format: str = FORMAT
    title: str
    stamp: ReportProvenance
    n_recordings: int
    n_speakers: int
    conditions: tuple[ConditionScore, ...] = Field(min_length=1)

    @property
    def clean(self) -> ConditionScore:
        """The score of the recordings as they are."""
        return self.conditions[0]


def measure_conditions(
    bundle: Bundle,
    recordings: Sequence[Recording],
    command: str,
    seed: int = 1,
    conditions: Sequence[Condition] = CONDITIONS,
    on_progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> ConditionReport:
    """Analyse recordings as they are, and under every condition that they have something for.

    Args:
        bundle: What answers.
        recordings: Of known emotions, by several people.
        command: What makes the numbers again.
        seed: Of what is drawn.
        conditions: Which of them; the first is the recordings as they are.
        on_progress: Gets the condition, how many recordings are done, and of how many.
    """
    measured = applicable(conditions, streams_of(recordings))
    found = [(one, answer(bundle, recordings, one, seed, on_progress)) for one in measured]
    clean = found[0][1]
    used = [name for name in bundle.weights if clean.answered(name).any()]
    return ConditionReport(
        title=f"{bundle.manifest.name} under conditions, on {_corpora(recordings)}",
        stamp=stamp_of(bundle, clean, command, seed),
        n_recordings=len(recordings),
        n_speakers=len(set(clean.speakers)),
        conditions=tuple(_scored(one, answers, clean, used) for one, answers in found),
    )


def _scored(condition: Condition, answers: Answers, clean: Answers, used: Sequence[str]) -> ConditionScore:
    counts, before = confusions(answers), confusions(clean)
    uar, uar_95 = score(uar_of, counts)
    left, left_95 = kept(counts, before)
    confidence, error = calibration(answers)
    return ConditionScore(
        name=condition.name,
        kind=condition.kind,
        answered=float(answers.answered().mean()),
        uar=uar,
        uar_95=uar_95,
        kept=left,
        kept_95=left_95,
        accuracy=accuracy(answers),
        confidence=confidence,
        calibration_error=error,
        uncertain=float(answers.uncertain.sum() / max(answers.answered().sum(), 1)),
        by_modality={m: float(uar_of(confusions(answers, m).sum(axis=1))[0]) for m in used},
    )


def stamp_of(bundle: Bundle, answers: Answers, command: str, seed: int) -> ReportProvenance:
    """Say of which recordings, and by which networks, numbers are; leaky, where a network was trained on the corpus."""
    recordings = answers.recordings
    trained = {
        source.name
        for modality, network in bundle.networks.items()
        if answers.answered(modality).any()
        for source in network.card.data
    }
    corpora = list(dict.fromkeys(one.corpus for one in recordings))
    known = [corpus for corpus in corpora if corpus in trained]
    fold = FoldRecord(
        name="all",
        train=(),
        valid=(),
        test=tuple(sorted(set(answers.speakers))),
        n_train=0,
        n_valid=0,
        n_test=len(recordings),
    )
    how = f"; its networks were trained on {', '.join(known)}" if known else ""
    return ReportProvenance(
        corpus=_corpora(recordings),
        licence="; ".join(dict.fromkeys(one.clip.licence or "licence not stated" for one in recordings)),
        labels=bundle.labels,
        label_map={},
        protocol=f"the bundle {bundle.manifest.name} as it is, on whole recordings, all of its labels may win{how}",
        folds=(fold,),
        selection=f"none: the bundle {(bundle.sha256 or '')[:16]} as it is",
        seeds=(seed,),
        command=command,
        versions=f"emofuse {__version__}",
        transductive=False,
        leaky=True if known else None,
    )


def _corpora(recordings: Sequence[Recording]) -> str:
    return " + ".join(dict.fromkeys(one.corpus for one in recordings)) or "recordings"


def write_condition_report(report: ConditionReport, folder: str | Path) -> list[Path]:
    """Write robustness.json, .md, .html and .png into a folder; return what was written, the JSON first.

    Raises OutputError where the folder cannot be written to, UsageError where somebody else's page is in the way.
    """
    return write_illustrated(report, condition_document(report), draw_conditions(report), folder, NAME)


def condition_document(report: ConditionReport) -> Document:
    """Return the report as a page."""
    blocks: list[Block] = [
        Text(f"{_of_whom(report)}. {_READING}"),
        *_findings(report),
        condition_table(report),
        Picture(_FIGURE, "Unweighted recall under every condition with its interval, and the mean confidence"),
        Heading("How it was measured"),
        DefinitionList(
            tuple((name, told) for name, told in report.stamp.lines() if name not in ("command", "fold all"))
        ),
        Code(report.stamp.command),
    ]
    return Document(report.title, caution(report.stamp), tuple(blocks))


def condition_table(report: ConditionReport) -> Table:
    """Return a row for each condition."""
    modalities = list(report.clean.by_modality)
    alone = modalities if len(modalities) > 1 else []
    header = (
        "condition",
        "answered",
        "UAR",
        "95 %",
        "kept",
        "95 %",
        "confidence",
        "accuracy",
        "too sure",
        "ECE",
        "uncertain",
    )
    rows = tuple(
        (
            one.name,
            f"{one.answered:.0%}",
            percent(one.uar),
            span_or("one speaker", one.uar_95),
            f"{one.kept:.0%}",
            span_or("one speaker", one.kept_95, 0),
            percent(one.confidence),
            percent(one.accuracy),
            signed(one.confidence - one.accuracy),
            f"{one.calibration_error:.3f}",
            "" if one.uncertain is None else f"{one.uncertain:.0%}",
            *(percent(one.by_modality[m]) for m in alone),
        )
        for one in report.conditions
    )
    return Table((*header, *(f"{m} UAR" for m in alone)), rows, len(header) - 1 + len(alone))


def _findings(report: ConditionReport) -> list[Block]:
    """Name what costs most, and where the confidence did not follow."""
    others = [one for one in report.conditions[1:] if one.kind != "removed"]
    lost = sorted((one for one in others if one.kept < 1 - _LOST), key=lambda one: one.kept)
    gap = report.clean.confidence - report.clean.accuracy
    blind = [one for one in lost if one.confidence - one.accuracy > gap + 0.1]
    told = []
    if lost:
        told.append("Most is lost under " + ", ".join(f"{one.name} ({one.kept:.0%} kept)" for one in lost[:5]) + ".")
    if blind:
        told.append("The confidence does not follow under " + ", ".join(one.name for one in blind) + ".")
    return [Text(" ".join(told))] if told else []


def _of_whom(report: ConditionReport) -> str:
    return f"{pluralise(report.n_recordings, 'recording')} of {pluralise(report.n_speakers, 'speaker')}"


def draw_conditions(report: ConditionReport) -> Figure:
    """Draw every condition's recall with its interval, and the mean confidence and accuracy of its answers."""
    shown = report.conditions
    foot = f"{_of_whom(report)}; 95 % intervals over speakers."
    figure = framed(report.title, report.stamp, foot, 0.27 * len(shown) + 0.5, key_rows=1)
    axes = figure.add_subplot()
    places = range(len(shown))
    for place, one in zip(places, shown, strict=True):
        if one.uar_95 != UNKNOWN:
            axes.plot(one.uar_95, (place, place), color=OURS, linewidth=2.2, solid_capstyle="butt")
    marks: dict[str, dict[str, Any]] = {
        "UAR": {"marker": "o", "color": OURS},
        "accuracy of the answers": {"marker": "|", "color": INK, "markersize": 9},
        "mean confidence": {"marker": "D", "color": PALETTE[1], "markerfacecolor": "white"},
    }
    values = {
        "UAR": [one.uar for one in shown],
        "accuracy of the answers": [one.accuracy for one in shown],
        "mean confidence": [one.confidence for one in shown],
    }
    for name, mark in marks.items():
        axes.plot(values[name], places, linestyle="none", **{"markersize": 5, **mark})
    axes.axvline(report.clean.uar, color=OTHERS, linestyle=":", linewidth=1.2)
    axes.set_yticks(places, [one.name for one in shown], parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    plain(axes, grid="x")
    in_percent(axes, "x")
    add_key(figure, [Line2D([], [], linestyle="none", label=name, **mark) for name, mark in marks.items()], 3)
    return figure
