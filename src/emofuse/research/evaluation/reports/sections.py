"""The contents of an evaluation report, section by section; `report` writes it, `terminal` prints some of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from emofuse.research.evaluation.reports.document import (
    Block,
    Caution,
    Code,
    DefinitionList,
    Document,
    Heading,
    Picture,
    Table,
    Text,
)
from emofuse.research.evaluation.scores.comparison import PairedTest, written_p
from emofuse.research.evaluation.scores.metrics import UNKNOWN
from emofuse.research.evaluation.scores.report import EvaluationReport, GroupScore, Metric, ReportProvenance, validated
from emofuse.research.evaluation.scores.summary import MEAN_OF_CORPORA

LEAKY: Final = "LEAKY: test speakers were heard in training, so these numbers are not a result"
_PICTURES: Final = {
    "anchors.png": "Horizontal bars: chance, people, other systems, and this model with its 95 % interval",
    "per_class.png": "Recall, precision and F1 of every emotion",
    "confusion.png": "Confusion matrix: rows are the true emotion, columns the emotion that was predicted",
    "by_speaker.png": "Unweighted average recall of every speaker",
    "curves.png": "Training and validation curves of every fold and seed",
}


def report_document(report: EvaluationReport, pictures: Collection[str] = ()) -> Document:
    """Return the whole report as a page, with those of its pictures (file names) that were drawn."""
    sections = (scores, stamp, comparison, leak, emotions, folds, sexes, speakers, curves, calibration, reproduction)
    blocks = [
        block
        for section in sections
        for block in section(report)
        if not isinstance(block, Picture) or block.file in pictures
    ]
    return Document(validated(report).title, caution(report.stamp), tuple(blocks))


def caution(stamp: ReportProvenance) -> str:
    """Return the warning over all that this stamp is of; nothing where nothing is wrong."""
    return LEAKY if stamp.leaky else ""


def percent(share: float) -> str:
    """Write a fraction of 1 as a percentage."""
    return f"{share:.1%}"


def percent_span(interval: tuple[float, float], decimals: int = 1) -> str:
    """Write an interval of fractions of 1 in per cent, without the sign: "61.0 to 70.2"."""
    return f"{100 * interval[0]:.{decimals}f} to {100 * interval[1]:.{decimals}f}"


def span_or(alone: str, interval: tuple[float, float], decimals: int = 1) -> str:
    """Write an interval as `percent_span` does, or `alone` where one person has none."""
    return alone if interval == UNKNOWN else percent_span(interval, decimals)


def with_interval(value: float, interval: tuple[float, float]) -> str:
    """Write a fraction of 1 as a percentage, with its interval: "65.4% (61.0 to 70.2)"."""
    return f"{percent(value)} ({percent_span(interval)})"


def points(difference: float) -> str:
    """Write a difference of fractions of 1 in percentage points."""
    return f"{signed(difference)} points"


def signed(difference: float) -> str:
    """Write a difference of fractions of 1 as the number of percentage points, with its sign."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def test_table(what: str, tests: Mapping[str, PairedTest], metric: str, *, is_caution: bool) -> Table:
    """Return a row for each paired test, by the name of what was compared. what: the head over these names."""
    rows = tuple(
        (
            name,
            points(test.difference),
            f"{signed(test.interval_95[0])} to {signed(test.interval_95[1])}",
            written_p(test.p_bootstrap),
            written_p(test.p_bootstrap_holm),
            f"{test.n_only[0]:,} : {test.n_only[1]:,}",
            written_p(test.p_mcnemar),
            written_p(test.p_mcnemar_holm),
        )
        for name, test in tests.items()
    )
    header = (what, metric, "95 %", "p, bootstrap", "Holm", "only one right", "p, McNemar", "Holm")
    return Table(header, rows, n_numbers=7, is_caution=is_caution)


def format_counts(confusion: Sequence[Sequence[float]]) -> list[list[str]]:
    """Write the clips of a confusion: whole, or all with one decimal where a mean over seeds is not."""
    decimals = 0 if all(float(n).is_integer() for row in confusion for n in row) else 1
    return [[f"{n:.{decimals}f}" for n in row] for row in confusion]


def interval(metric: Metric) -> str:
    """Write a metric's 95 % interval."""
    low, high = metric.interval_95
    return f"{percent(low)} to {percent(high)}"


def tested(stamp: ReportProvenance) -> str:
    """Say how many clips of how many speakers were tested."""
    n_clips = sum(fold.n_test for fold in stamp.folds)
    n_speakers = len({speaker for fold in stamp.folds for speaker in fold.test})
    return f"{n_clips:,} clips of {f'{n_speakers:,} speakers' if n_speakers else 'speakers without names'}"


def unit(stamp: ReportProvenance) -> str:
    """Return what an interval resamples: what the stamp says, else speakers, or clips where those have no names."""
    return stamp.unit or ("speakers" if any(fold.test for fold in stamp.folds) else "clips")


def kept_apart(stamp: ReportProvenance) -> str:
    """Say whether every speaker is in one part of a fold alone."""
    if stamp.leaky is None:
        return "speakers unknown"
    return "speakers NOT disjoint" if stamp.leaky else "speakers disjoint"


def scores(report: EvaluationReport) -> list[Block]:
    """Return the headline scores with their spread."""
    leaky = " (LEAKY)" if report.stamp.leaky else ""
    rows = [
        (
            m.name + leaky,
            percent(m.value),
            interval(m),
            _deviation(m.deviation_folds, len(m.by_fold), "fold"),
            _deviation(m.deviation_seeds, len(m.by_seed), "seed"),
        )
        for m in report.metrics
    ]
    header = ("metric", "score", "95 % interval", "over folds", "over seeds")
    size = f" The model has {report.n_parameters:,} parameters." if report.n_parameters else ""
    note = (
        f"Predictions of {tested(report.stamp)}{_none_trained_on(report.stamp)}, all folds together, mean over seeds. "
        "UAR is the unweighted average recall: the mean over the emotions of the share of each that was recognised. "
        f"Accuracy weighs every clip the same. Intervals: percentile bootstrap over {unit(report.stamp)}. Over folds "
        f"and over seeds: ± one sample standard deviation, in percentage points.{size}"
    )
    return [Table(header, tuple(rows), n_numbers=4, is_caution=bool(report.stamp.leaky)), Text(note)]


def stamp(report: EvaluationReport) -> list[Block]:
    """Return what it takes to read the scores."""
    return [Heading("How it was made"), definitions(report.stamp)]


def definitions(stamp: ReportProvenance) -> DefinitionList:
    """Return a stamp line by line; that its speakers were known is red."""
    return DefinitionList(tuple(stamp.lines()), frozenset({"speakers"} if stamp.leaky else ()))


def comparison(report: EvaluationReport) -> list[Block]:
    """Return the score beside chance, people and other systems, lowest first."""
    if not report.anchors:
        return []
    ours = f"→ {report.model}" + (" (LEAKY)" if report.stamp.leaky else "")
    rows: list[tuple[str, ...]] = []
    for metric in report.metrics:
        anchors = [a for a in report.anchors if a.metric == metric.name]
        if anchors:
            lines = [(a.value, (a.name, percent(a.value), metric.name, a.source, a.note)) for a in anchors]
            lines.append((metric.value, (ours, percent(metric.value), metric.name, "this report", interval(metric))))
            rows += [line for _, line in sorted(lines, key=lambda line: line[0])]
    header = ("", "score", "metric", "from", "note")
    return [
        Heading("Beside chance, people and other systems"),
        _picture("anchors.png"),
        Table(header, tuple(rows), n_numbers=1),
    ]


def leak(report: EvaluationReport) -> list[Block]:
    """Return what the same recipe reaches when it knows the speakers, in red."""
    if report.leak is None:
        return []
    main = report.metrics[0]
    gap = report.leak.gap.get(main.name)
    worth = f"LEAKY: knowing the speaker is worth {points(gap)} of {main.name}. " if gap is not None else "LEAKY. "
    rows = [
        (m.name, percent(m.value), interval(m), percent(report.metric(m.name).value), points(report.leak.gap[m.name]))
        for m in report.leak.metrics
        if m.name in report.leak.gap
    ]
    header = ("metric", "LEAKY split", "95 % interval", "speakers disjoint", "gap")
    return [
        Heading("What knowing the speaker would add"),
        Caution(f"{worth}The LEAKY numbers are never a result: they are here to show the gap."),
        DefinitionList((("LEAKY split", report.leak.protocol),), frozenset({"LEAKY split"})),
        Table(header, tuple(rows), n_numbers=4, is_caution=True),
    ]


def emotions(report: EvaluationReport) -> list[Block]:
    """Return the scores of every emotion, and what it was taken for."""
    labels = tuple(c.label for c in report.per_class)
    rows = tuple(
        (c.label, f"{c.n:,}", percent(c.recall), percent(c.precision), percent(c.f1)) for c in report.per_class
    )
    counts = tuple((label, *row) for label, row in zip(labels, format_counts(report.confusion), strict=True))
    mean = ", mean over seeds" if len(report.stamp.seeds) > 1 else ""
    return [
        Heading("By emotion"),
        _picture("per_class.png"),
        Table(("emotion", "clips", "recall", "precision", "F1"), rows, n_numbers=4),
        Heading(f"Confusion, in clips{mean}"),
        _picture("confusion.png"),
        Table(("true \\ predicted", *labels), counts, n_numbers=len(labels)),
    ]


def folds(report: EvaluationReport) -> list[Block]:
    """Return the scores of every fold, mean over seeds."""
    shown = [m for m in report.metrics if len(m.by_fold) == len(report.stamp.folds)]
    rows = tuple(
        (fold.name, f"{fold.n_test:,}", str(len(fold.test)), *(percent(m.by_fold[i]) for m in shown))
        for i, fold in enumerate(report.stamp.folds)
    )
    header = ("fold", "test clips", "test speakers", *(m.name for m in shown))
    return [Heading("By fold"), Table(header, rows, n_numbers=len(header) - 1)]


def sexes(report: EvaluationReport) -> list[Block]:
    """Return the scores of women and men, where the corpus tells."""
    return [Heading("By sex"), _groups("sex", report.by_sex)] if report.by_sex else []


def speakers(report: EvaluationReport) -> list[Block]:
    """Return the scores of every speaker."""
    if not report.by_speaker:
        return []
    return [Heading("By speaker"), _picture("by_speaker.png"), _groups("speaker", report.by_speaker)]


def curves(report: EvaluationReport) -> list[Block]:
    """Return how training went."""
    if not report.curves:
        return []
    return [
        Heading("Training"),
        _picture("curves.png"),
        Text("The curves are of the training and validation parts; no test clip has a part in them."),
    ]


def _none_trained_on(stamp: ReportProvenance) -> str:
    return ", none trained on" if any(fold.n_train for fold in stamp.folds) else ""


def calibration(report: EvaluationReport) -> list[Block]:
    """Return how far the model's confidence is from its accuracy."""
    before, after = report.calibration_error
    note = f"Expected calibration error {before:.3f}"
    if any(fold.n_valid for fold in report.stamp.folds):
        fitted_to = "left-out corpora" if MEAN_OF_CORPORA in report.headline else "the validation parts"
        note += f"; {after:.3f} with the temperature {report.temperature:.2f}, which was fitted to {fitted_to}"
    note += "."
    return [Heading("Calibration"), Text(note)]


def reproduction(report: EvaluationReport) -> list[Block]:
    """Return the command that makes it all again."""
    return [Heading("Make it again"), Code(report.stamp.command), Text(f"With {report.stamp.versions}.")]


def _picture(file: str) -> Picture:
    return Picture(file, _PICTURES[file])


def _groups(name: str, groups: tuple[GroupScore, ...]) -> Table:
    rows = tuple((g.group, f"{g.n:,}", percent(g.uar), percent(g.accuracy)) for g in groups)
    return Table((name, "clips", "UAR", "accuracy"), rows, n_numbers=3)


def _deviation(value: float, n: int, unit: str) -> str:
    return f"± {100 * value:.1f} ({n} {unit}s)" if n > 1 else f"one {unit}"
