"""Models side by side on the same clips in the same folds, and whether they differ by more than luck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

from emofuse.errors import UsageError
from emofuse.research.evaluation.reports.comparison_figure import draw_comparison
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
from emofuse.research.evaluation.reports.sections import caution, definitions, points, test_table, unit, with_interval
from emofuse.research.evaluation.reports.write import write_illustrated
from emofuse.research.evaluation.scores.comparison import ALPHA, Compared, Comparison, Pair, written_p
from emofuse.research.evaluation.scores.metrics import METRICS
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, validated
from emofuse.research.evaluation.scores.significance import N_DRAWS, paired_bootstrap, paired_tests

METRIC: Final = "UAR"
_SHOWN: Final = ("UAR", "accuracy", "macro F1")
_PICTURE: Final = "comparison.png"
_OWN: Final = ("selection", "transductive", "seeds", "command", "versions")
"""The lines of a stamp that are a model's own, even where all are the same."""


def compare(reports: Sequence[EvaluationReport], predictions: Sequence[Predictions], command: str) -> Comparison:
    """Compare two or more models by UAR, pair by pair, from their reports and the predictions these are of.

    Each pair has a paired bootstrap over speakers of the difference of UAR (mean over seeds) and McNemar's exact
    test of what the seeds of each vote for together; either is Holm-corrected over the pairs. command: what makes
    the comparison again. Raises UsageError when the models were not tested on the same clips of the same corpus,
    under the same labels, in the same folds.
    """
    if len(reports) < 2 or len(reports) != len(predictions):
        raise UsageError(f"a comparison takes two or more reports, each with its predictions, not {len(reports)}")
    names = [report.model for report in reports]
    if len(set(names)) < len(names):
        raise UsageError(f"two of the models have the same name: {', '.join(names)}")
    for report, found in zip(reports, predictions, strict=True):
        _check_belongs(validated(report), found)
    first = predictions[0]
    ordered = [first]
    for report, found in zip(reports[1:], predictions[1:], strict=True):
        _check_same(reports[0], report, first, found)
        ordered.append(found.ordered_as(first.clips))
    return Comparison(
        metric=METRIC,
        method=_method(len(reports), unit(reports[0].stamp)),
        command=command,
        models=tuple(
            Compared(name=name, n_parameters=r.n_parameters, stamp=r.stamp, metrics=r.metrics)
            for name, r in zip(names, reports, strict=True)
        ),
        pairs=_pairs(names, ordered),
    )


def _pairs(names: Sequence[str], predictions: Sequence[Predictions]) -> tuple[Pair, ...]:
    truth, speakers = predictions[0].truth, predictions[0].speakers
    right = [p.vote() == truth for p in predictions]
    guesses = [p.guesses for p in predictions]
    couples = list(combinations(range(len(names)), 2))
    drawn = [paired_bootstrap(METRICS[METRIC], truth, guesses[a], guesses[b], speakers) for a, b in couples]
    tests = paired_tests(drawn, [(right[a], right[b]) for a, b in couples])
    return tuple(Pair(a=names[a], b=names[b], **test.model_dump()) for (a, b), test in zip(couples, tests, strict=True))


def _check_belongs(report: EvaluationReport, found: Predictions) -> None:
    s = report.stamp
    in_fold = {fold.name: fold.n_test for fold in s.folds}
    if (s.labels, s.seeds, in_fold) != (found.labels, found.seeds, Counter(found.folds)):
        raise UsageError(f"the predictions given with the report of {report.model} are not those it was made from")


def _check_same(one: EvaluationReport, other: EvaluationReport, first: Predictions, found: Predictions) -> None:
    """Raise UsageError, naming what differs, unless both were tested on the same."""
    a, b = one.stamp, other.stamp
    same = {
        f"corpus ({a.corpus}; {b.corpus})": a.corpus == b.corpus,
        f"labels ({', '.join(a.labels)}; {', '.join(b.labels)})": a.labels == b.labels,
        "folds (other speakers are tested)": [set(f.test) for f in a.folds] == [set(f.test) for f in b.folds],
        "folds (one split is LEAKY)": a.leaky == b.leaky,
        "folds (other clips are tested)": _clips(first) == _clips(found),
    }
    for what, is_same in same.items():
        if not is_same:
            raise UsageError(f"{one.model} and {other.model} cannot be compared: they differ in their {what}")


def _clips(found: Predictions) -> dict[str, tuple[str, str, int]]:
    """Return the speaker, fold and truth of every clip."""
    about = zip(found.speakers, found.folds, found.truth.tolist(), strict=True)
    return dict(zip(found.clips, about, strict=True))


def _method(n_models: int, of: str) -> str:
    n_pairs = n_models * (n_models - 1) // 2
    corrected = f" Either p is Holm-corrected over the {n_pairs} pairs." if n_pairs > 1 else ""
    caution = " It takes clips as independent, which those of one speaker are not." if of == "speakers" else ""
    return (
        f"The difference of {METRIC} is of means over seeds; its 95 % interval and its p are from a paired bootstrap "
        f"over {of} ({N_DRAWS:,} draws). McNemar's exact test is of accuracy: it counts the clips that one model got "
        f"right and the other did not; a model's answer is its seeds' vote, the mean of their probabilities.{caution}"
        f"{corrected}"
    )


def write_comparison(comparison: Comparison, folder: str | Path) -> list[Path]:
    """Write the comparison into `folder`, each file whole or not at all; return what was written, the JSON first.

    Raises OutputError when `folder` cannot be written to.
    """
    figure = draw_comparison(comparison)
    return write_illustrated(comparison, comparison_document(comparison), figure, folder, "comparison")


def comparison_document(comparison: Comparison) -> Document:
    """Return the comparison as a page: scores, what differs, and how it was made."""
    blocks: list[Block] = [
        _score_table(comparison),
        Picture(_PICTURE, "Every model's scores with their 95 % intervals, and the differences of each pair"),
        Heading("Do they differ?"),
        *(Text(_verdict(comparison, pair)) for pair in comparison.pairs),
        _pair_table(comparison),
        Text(comparison.method),
        Heading("How it was made: the same for all"),
    ]
    of_all = definitions(comparison.stamp)
    shared = tuple(line for line in of_all.pairs if line[0] not in _OWN and _is_shared(line, comparison))
    blocks.append(DefinitionList(shared, of_all.cautions))
    for model in comparison.models:
        size = (("parameters", f"{model.n_parameters:,}"),) if model.n_parameters else ()
        own = tuple(line for line in model.stamp.lines() if line not in shared)
        blocks += [Heading(f"How it was made: {model.name}"), DefinitionList((*size, *own))]
    blocks += [Heading("Make it again"), Code(comparison.command)]
    *most, last = [model.name for model in comparison.models]
    title = f"{', '.join(most)} and {last} on {comparison.stamp.corpus}"
    return Document(title, caution(comparison.stamp), tuple(blocks))


def _score_table(comparison: Comparison) -> Table:
    leaky = " (LEAKY)" if comparison.stamp.leaky else ""
    names = [m.name for m in comparison.models[0].metrics if m.name in _SHOWN]
    rows = tuple(
        (model.name + leaky, *(with_interval(m.value, m.interval_95) for m in model.metrics if m.name in names))
        for model in comparison.models
    )
    header = ("model", *(f"{name} (95 % interval)" for name in names))
    return Table(header, rows, n_numbers=len(names), is_caution=bool(leaky))


def _pair_table(comparison: Comparison) -> Table:
    tests = {f"{pair.a} − {pair.b}": pair for pair in comparison.pairs}
    return test_table("pair", tests, comparison.metric, is_caution=bool(comparison.stamp.leaky))


def _verdict(comparison: Comparison, p: Pair) -> str:
    if p.p_bootstrap_holm >= ALPHA:
        return (
            f"{p.a} and {p.b}: no difference of {comparison.metric} is shown ({written_p(p.p_bootstrap_holm)}, Holm)."
        )
    better, worse = (p.a, p.b) if p.difference > 0 else (p.b, p.a)
    gain = f"{points(abs(p.difference))} of {comparison.metric}"
    return f"{better} is better than {worse}: {gain} ({written_p(p.p_bootstrap_holm)}, Holm)."


def _is_shared(line: tuple[str, str], comparison: Comparison) -> bool:
    return all(line in model.stamp.lines() for model in comparison.models)
