"""Models side by side on the same clips in the same folds, and whether they differ by more than luck."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from emofuse.errors import UsageError
from emofuse.evaluation.contents import unit
from emofuse.evaluation.metrics import METRICS
from emofuse.evaluation.predictions import Predictions
from emofuse.evaluation.result import EvaluationReport, Metric, Stamp, stamped
from emofuse.evaluation.significance import N_DRAWS, holm, mcnemar, paired_bootstrap

FORMAT: Final = "emofuse-comparison/1"
METRIC: Final = "UAR"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Compared(_Part):
    """One model: its scores, and the stamp of its own evaluation."""

    name: str
    n_parameters: int | None
    stamp: Stamp
    metrics: tuple[Metric, ...] = Field(min_length=1)


class Pair(_Part):
    """Two models. difference: a's metric minus b's; `_holm` is p adjusted for the number of pairs.

    n_only_a: clips that a's seeds together got right and b's did not, which is what McNemar's test counts.
    """

    a: str
    b: str
    difference: float
    interval_95: tuple[float, float]
    p_bootstrap: float
    p_bootstrap_holm: float
    n_only_a: int
    n_only_b: int
    p_mcnemar: float
    p_mcnemar_holm: float


class Comparison(_Part):
    """Models under one protocol, and every pair of them. method says what was tested, and how."""

    format: str = FORMAT
    metric: str
    method: str
    models: tuple[Compared, ...] = Field(min_length=2)
    pairs: tuple[Pair, ...]

    @property
    def stamp(self) -> Stamp:
        """The first model's stamp, whose corpus, labels, folds and leakiness are those of all."""
        return self.models[0].stamp


def compare(reports: Sequence[EvaluationReport], predictions: Sequence[Predictions]) -> Comparison:
    """Compare two or more models by UAR, pair by pair, from their reports and the predictions these are of.

    Each pair has a paired bootstrap over speakers of the difference of UAR (mean over seeds) and McNemar's exact
    test of what the seeds of each vote for together; either is Holm-corrected over the pairs. Raises UsageError
    when the models were not tested on the same clips of the same corpus, under the same labels, in the same folds.
    """
    if len(reports) < 2 or len(reports) != len(predictions):
        raise UsageError(f"a comparison takes two or more reports, each with its predictions, not {len(reports)}")
    for report, found in zip(reports, predictions, strict=True):
        _check_belongs(stamped(report), found)
    first = predictions[0]
    ordered = [first]
    for report, found in zip(reports[1:], predictions[1:], strict=True):
        _check_same(reports[0], report, first, found)
        ordered.append(found.ordered_as(first.clips))
    names = _distinct([report.model for report in reports])
    return Comparison(
        metric=METRIC,
        method=_method(len(reports), unit(reports[0].stamp)),
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
    exact = [mcnemar(right[a], right[b]) for a, b in couples]
    drawn_holm, exact_holm = holm([p for _, _, p in drawn]), holm(exact)
    return tuple(
        Pair(
            a=names[a],
            b=names[b],
            difference=drawn[i][0],
            interval_95=drawn[i][1],
            p_bootstrap=drawn[i][2],
            p_bootstrap_holm=drawn_holm[i],
            n_only_a=int((right[a] & ~right[b]).sum()),
            n_only_b=int((right[b] & ~right[a]).sum()),
            p_mcnemar=exact[i],
            p_mcnemar_holm=exact_holm[i],
        )
        for i, (a, b) in enumerate(couples)
    )


def _check_belongs(report: EvaluationReport, found: Predictions) -> None:
    s = report.stamp
    in_fold = {fold.name: fold.n_test for fold in s.folds}
    if (s.labels, s.seeds) != (found.labels, found.seeds) or in_fold != {f: found.folds.count(f) for f in found.folds}:
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


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the later ones of equal names."""
    seen = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [name if n == 1 else f"{name} ({n})" for name, n in zip(names, seen, strict=True)]


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
