"""What a comparison of fusions tells, section by section."""

from __future__ import annotations

from collections.abc import Iterable

from emofuse.research.evaluation.fusion.result import FusionMethod, FusionReport, Share, Verdict
from emofuse.research.evaluation.fusion.settings import WORDS
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
from emofuse.research.evaluation.reports.sections import (
    caution,
    definitions,
    percent,
    percent_span,
    points,
    signed,
    test_table,
    with_interval,
)
from emofuse.research.evaluation.scores.comparison import ALPHA

_OWN = ("selection", "transductive", "seeds", "command", "versions")
"""The lines of a stamp that are a method's own, even where all are the same."""


def fusion_document(report: FusionReport) -> Document:
    """Return the comparison as a page: scores, the verdict, what each modality adds, and what losing one costs."""
    sections = (_scores, _verdict, _contributions, _robustness, _styles, _classes, _made)
    blocks = [block for section in sections for block in section(report)]
    return Document(f"Fusion on {report.stamp.corpus}", caution(report.stamp), tuple(blocks))


def _scores(report: FusionReport) -> list[Block]:
    published = report.published
    shown = list(dict.fromkeys(("UAR", "weighted F1", report.metric)))
    header = [
        "method",
        "micro F1",
        "± over folds",
        *(f"{name} (95 % interval)" for name in shown if name != "micro F1"),
    ]
    header += ["parameters", *([f"published {published.metric}"] if published else [])]
    rows = []
    for method in report.methods:
        micro = method.metric("micro F1")
        row = [method.name + (" (LEAKY)" if report.stamp.leaky else ""), percent(micro.value)]
        row += [f"± {100 * micro.deviation_folds:.1f}"]
        scores = [method.metric(name) for name in shown if name != "micro F1"]
        row += [with_interval(score.value, score.interval_95) for score in scores]
        row += [f"{method.n_parameters:,}" if method.n_parameters else ""]
        if published:
            row += [percent(published.scores[method.name]) if method.name in published.scores else ""]
        rows.append(tuple(row))
    blocks: list[Block] = [
        Table(tuple(header), tuple(rows), n_numbers=len(header) - 1, is_caution=bool(report.stamp.leaky)),
        Text(_reading(report)),
        *(Text(f"{remark[0].upper()}{remark[1:].removesuffix('.')}.") for remark in report.remarks),
    ]
    if published:
        blocks.append(Text(f"Published: {published.source}. {published.caution}"))
    return [*blocks, Picture("performance.png", "Every method's scores with their 95 % intervals")]


def _reading(report: FusionReport) -> str:
    n = sum(fold.n_test for fold in report.stamp.folds)
    draws = f", drawn {report.n_draws} times" if report.n_draws > 1 else ""
    return (
        f"{n:,} utterances{draws}, none of them in the training of the network; all folds together, mean over seeds. "
        "Where every utterance has one label, micro F1 is the accuracy; ± is a standard deviation over folds, in "
        "points. UAR is the mean over the emotions of the share of each that was recognised; weighted F1 is the mean "
        f"of their F1, each weighed by how many utterances have it. Intervals: bootstrap over {report.unit}."
    )


def _verdict(report: FusionReport) -> list[Block]:
    others = ", ".join(f"{m.name} {percent(m.valid)}" for m in report.methods if m.is_single)
    chosen = (
        f"Each fusion against {report.best_single} alone, the single modality with the highest {report.metric} on the "
        f"validation parts ({others}); the test parts had no influence on that choice."
    )
    if any(m.over_seeds for m in report.methods):
        chosen += " What is an ensemble over seeds is compared with the best single modality that is one, too."
    tests = {verdict.fusion: verdict for verdict in report.verdicts}
    return [
        Heading("Does fusion help?"),
        Text(chosen),
        *(Text(sentence(report.metric, verdict)) for verdict in report.verdicts),
        test_table("fusion", tests, report.metric, is_caution=bool(report.stamp.leaky)),
        Text(report.method),
    ]


def sentence(metric: str, verdict: Verdict) -> str:
    """Say plainly whether a fusion is better than the best single modality, and by how much."""
    low, high = verdict.interval_95
    name = f"{verdict.fusion.capitalize()} fusion"
    if verdict.p_bootstrap_holm >= ALPHA:
        ends = f"95 % interval {signed(low)} to {signed(high)}"
        return f"{name} does not clearly beat {verdict.single} alone: {points(verdict.difference)} of {metric}, {ends}."
    if verdict.difference < 0:
        low, high = -high, -low
    beats = "beats" if verdict.difference > 0 else "is worse than"
    ends = f"95 % interval {percent_span((low, high))}"
    return f"{name} {beats} {verdict.single} alone by {100 * abs(verdict.difference):.1f} points of {metric}, {ends}."


def _contributions(report: FusionReport) -> list[Block]:
    shown = [c for c in report.contributions if c.shares]
    if not shown:
        return []
    rows = tuple(
        (
            c.method,
            percent(c.subsets[0].value),
            *(_share(c.shares, modality) for modality in report.modalities),
            percent(c.subsets[-1].value),
        )
        for c in shown
    )
    header = ("fusion", "with nothing", *map(_word, report.modalities), "with all")
    note = (
        f"Shapley values in points of {report.metric}: what a modality adds when it comes, mean over all orders in "
        "which the modalities can come (Shapley, 1953; Lundberg and Lee, 2017, https://arxiv.org/abs/1705.07874). The "
        "value of some modalities is the score of the trained fusion that is given them alone, the others being masked "
        "in the test. With no modality, the answer is always the commonest emotion of the corpus: so a row's "
        f"values add up from that to the score with all. 95 % intervals in brackets: bootstrap over {report.unit}."
    )
    return [
        Heading("What each modality adds"),
        Picture("contribution.png", "The Shapley value of each modality in every fusion"),
        Table(header, rows, n_numbers=len(header) - 1),
        Text(note),
    ]


def _share(shares: Iterable[Share], modality: str) -> str:
    found = next((s for s in shares if s.modality == modality), None)
    if found is None:
        return ""
    return f"{signed(found.value)} ({signed(found.interval_95[0])} to {signed(found.interval_95[1])})"


def _robustness(report: FusionReport) -> list[Block]:
    subsets = [s.modalities for s in max((c.subsets for c in report.contributions), key=len, default=())][1:]
    rows = []
    for c in report.contributions:
        by_subset = {s.modalities: s.value for s in c.subsets}
        rows.append((c.method, *(percent(by_subset[s]) if s in by_subset else "" for s in subsets)))
    blocks: list[Block] = [
        Heading("When modalities are missing or spoilt"),
        Text(
            f"{report.metric} of the fusions as they were trained, with all modalities, when they are given only some "
            "of them. Nothing was trained again."
        ),
        Table(("given", *(" + ".join(map(_word, s)) for s in subsets)), tuple(rows), n_numbers=len(subsets)),
    ]
    if not report.corrupted:
        return blocks
    blocks.append(Picture("robustness.png", "Scores as noise and loss of each modality rise"))
    for what, note in (
        (
            "noise",
            "Gaussian noise in one modality, in standard deviations that its features have in the training part:",
        ),
        ("loss", "A share of the utterances, drawn at random, loses one modality:"),
    ):
        blocks += [Text(note), _corruption_table(report, what)]
    silent = "A method without any of its modalities predicts nothing, which counts as the commonest emotion."
    return [*blocks, Text(silent)]


def _corruption_table(report: FusionReport, what: str) -> Table:
    columns = list(dict.fromkeys((c.modality, c.strength) for c in report.corrupted if c.what == what))
    found = {(c.method, c.modality, c.strength): c.value for c in report.corrupted if c.what == what}
    rows = tuple((m.name, *(percent(found[m.name, *column]) for column in columns)) for m in report.methods)
    written = (
        f"{_word(m)} {strength:g}" if what == "noise" else f"{_word(m)} {strength:.0%}" for m, strength in columns
    )
    return Table(("method", *written), rows, n_numbers=len(columns))


def _styles(report: FusionReport) -> list[Block]:
    styles = report.methods[0].by_style
    if not styles:
        return []
    header = ("method", *(f"{s.style} ({s.n:,} utterances)" for s in styles))
    rows = tuple(
        (
            m.name,
            *(with_interval(s.value, s.interval_95) for s in m.by_style),
        )
        for m in report.methods
    )
    note = f"{report.metric} of the same answers, the parts taken apart."
    if {"scripted"} & {s.style for s in styles}:
        note += (
            " Scripts are acted again by the speakers of other sessions, so their lines are known from training and "
            "flatter what reads words; improvised dialogues are the fairer test."
        )
    return [Heading(" and ".join(s.style for s in styles).capitalize()), Table(header, rows, len(styles)), Text(note)]


def _classes(report: FusionReport) -> list[Block]:
    labels = report.stamp.labels
    rows = tuple((m.name, *(percent(c.f1) for c in m.per_class)) for m in report.methods)
    return [
        Heading("Class by class"),
        Picture("per_class.png", "The F1 of every emotion by every method"),
        Table(("F1", *labels), rows, n_numbers=len(labels)),
        Heading("Confusion"),
        Picture("confusion.png", "A confusion matrix for every method: rows are the true emotion"),
    ]


def _made(report: FusionReport) -> list[Block]:
    of_all = definitions(report.stamp)
    shared = tuple(
        line for line in of_all.pairs if line[0] not in _OWN and all(line in m.stamp.lines() for m in report.methods)
    )
    blocks: list[Block] = [Heading("How it was made: the same for all"), DefinitionList(shared, of_all.cautions)]
    for names, own in _alike(report.methods, shared):
        blocks += [Heading(f"How it was made: {', '.join(names)}"), DefinitionList(own)]
    return [*blocks, Heading("Make it again"), Code(report.command)]


def _alike(
    methods: Iterable[FusionMethod], shared: tuple[tuple[str, str], ...]
) -> list[tuple[list[str], tuple[tuple[str, str], ...]]]:
    """Return what the stamps of methods say beside what all share, with the names of those that say the same."""
    found: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for method in methods:
        own = tuple(line for line in method.stamp.lines() if line not in shared and line[0] != "command")
        found.setdefault(own, []).append(method.name)
    return [(names, own) for own, names in found.items()]


def _word(modality: str) -> str:
    return WORDS.get(modality, modality)
