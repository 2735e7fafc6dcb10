"""From what was run to the numbers of a comparison of fusions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.formatting import pluralise
from emofuse.research.evaluation.fusion.answers import by_fold, by_unit, confusions, ensemble_correct
from emofuse.research.evaluation.fusion.result import (
    Contribution,
    FusionMethod,
    FusionReport,
    RobustnessScore,
    StyleScore,
    Verdict,
)
from emofuse.research.evaluation.fusion.run import ComparisonRuns, MethodRun
from emofuse.research.evaluation.fusion.settings import FusionComparisonSettings
from emofuse.research.evaluation.fusion.shapley import Subset, contribution, subsets_of
from emofuse.research.evaluation.scores.metrics import METRICS, confusion_counts, resampled
from emofuse.research.evaluation.scores.significance import N_DRAWS as N_TEST_DRAWS
from emofuse.research.evaluation.scores.significance import paired_difference, paired_tests
from emofuse.research.evaluation.scores.summary import N_DRAWS, class_scores, metric_score

_FEW: Final = 20  # speakers; the percentile bootstrap of fewer is known to be too sure
Answers = tuple[NDArray[np.int64], ...]  # (S, N) of every draw


def fusion_report(settings: FusionComparisonSettings, runs: ComparisonRuns, command: str) -> FusionReport:
    """Score every method, test each fusion against the best single modality, and share its score out.

    The best single modality is the one with the highest score on the validation parts: the test parts do not choose it.
    What is an ensemble over seeds is compared with the best ensemble, as one is better than its networks.
    command: what makes the comparison again.
    """
    answers = {name: _answers(runs, ran) for name, ran in runs.ran.items()}
    under = {name: _answers_under(runs, ran) for name, ran in runs.ran.items()}
    methods = tuple(_method(settings, runs, name, answers[name]) for name in runs.ran)
    rivals = {m.name: _best_single(methods, m.over_seeds) for m in methods if not m.is_single}
    fusions = list(rivals)
    return FusionReport(
        name=settings.name,
        metric=settings.metric,
        unit=f"{runs.unit}s",
        method=_how(settings.metric, runs, len(fusions)),
        best_single=_best_single(methods, over_seeds=False),
        command=command,
        n_draws=len(runs.splits),
        remarks=tuple(filter(None, (*runs.notes, settings.remark))),
        published=settings.published,
        modalities=runs.modalities,
        methods=methods,
        verdicts=_verdicts(settings.metric, runs, rivals, answers),
        contributions=tuple(_contribution(settings.metric, runs, name, answers[name], under[name]) for name in fusions),
        corrupted=tuple(
            RobustnessScore(
                method=name,
                what=condition.what,
                modality=condition.modalities[0],
                strength=condition.strength,
                value=_value(settings.metric, runs, predicted),
            )
            for name in runs.ran
            for condition, predicted in zip(runs.conditions, under[name], strict=True)
            if condition.what != "only"
        ),
    )


def _best_single(methods: Sequence[FusionMethod], over_seeds: bool) -> str:
    single = [m for m in methods if m.is_single]
    alike = [m for m in single if m.over_seeds == over_seeds]
    return max(alike or single, key=lambda m: m.valid).name


def _answers(runs: ComparisonRuns, ran: Sequence[MethodRun]) -> Answers:
    return tuple(draw.answers(one.predictions.log_probabilities) for draw, one in zip(runs.clips, ran, strict=True))


def _answers_under(runs: ComparisonRuns, ran: Sequence[MethodRun]) -> list[Answers]:
    """Return the answers under each of the conditions."""
    return [
        tuple(draw.answers(one.under[k]) for draw, one in zip(runs.clips, ran, strict=True))
        for k in range(len(runs.conditions))
    ]


def _value(metric: str, runs: ComparisonRuns, predicted: Answers) -> float:
    return float(METRICS[metric](by_unit(runs.clips, predicted).sum(axis=1)).mean())


def _method(settings: FusionComparisonSettings, runs: ComparisonRuns, name: str, predicted: Answers) -> FusionMethod:
    ran, tested = runs.ran[name], runs.clips
    report = ran[0].report
    counts = by_unit(tested, predicted)
    total = counts.sum(axis=1)
    in_folds = by_fold(tested, predicted, [fold.name for fold in runs.splits[0].folds])
    return FusionMethod(
        name=name,
        is_single=len(runs.modalities_used[name]) == 1,
        over_seeds=name in runs.over_seeds,
        modalities=runs.modalities_used[name],
        n_parameters=report.n_parameters,
        # a method's own report names what evaluates one recipe, which is not what was run
        stamp=report.stamp,
        valid=_valid(settings.metric, ran, len(report.stamp.labels)),
        metrics=tuple(metric_score(m, METRICS[m], total, in_folds, counts) for m in METRICS),
        per_class=class_scores(report.stamp.labels, total),
        confusion=tuple(tuple(row) for row in total.mean(axis=0).tolist()),
        by_style=_by_style(settings.metric, runs, predicted),
    )


def _valid(metric: str, ran: Sequence[MethodRun], n_classes: int) -> float:
    score = METRICS[metric]
    each = [
        score(confusion_counts(result.valid_truth, result.valid.argmax(axis=1), n_classes))
        for one in ran
        for result in one.results
    ]
    return float(np.mean(each))


def _by_style(metric: str, runs: ComparisonRuns, predicted: Answers) -> tuple[StyleScore, ...]:
    styles = sorted({style for draw in runs.clips for style in draw.styles if style})
    if len(styles) < 2:  # the score of the only one is the whole's
        return ()
    scores = []
    for style in styles:
        chosen = [np.asarray(draw.styles) == style for draw in runs.clips]
        counts = confusions(runs.clips, predicted, [draw.groups for draw in runs.clips], chosen)
        low, high = 0.0, 1.0
        if counts.shape[1] > 1:
            low, high = np.percentile(resampled(METRICS[metric], counts, N_DRAWS, seed=0), [2.5, 97.5])
        scores.append(
            StyleScore(
                style=style,
                n=int(sum(mask.sum() for mask in chosen)),
                value=float(METRICS[metric](counts.sum(axis=1)).mean()),
                interval_95=(float(low), float(high)),
            )
        )
    return tuple(scores)


def _verdicts(
    metric: str, runs: ComparisonRuns, rivals: Mapping[str, str], answers: dict[str, Answers]
) -> tuple[Verdict, ...]:
    """Compare each fusion with its rival, a single modality."""
    compared = {*rivals, *rivals.values()}
    counts = {name: by_unit(runs.clips, answers[name]) for name in compared}
    drawn = [paired_difference(METRICS[metric], counts[name], counts[best]) for name, best in rivals.items()]
    right = {
        name: np.array(list(ensemble_correct([one.predictions for one in runs.ran[name]], runs.clips).values()))
        for name in compared
    }
    tests = paired_tests(drawn, [(right[name], right[best]) for name, best in rivals.items()])
    return tuple(
        Verdict(fusion=name, single=best, **test.model_dump())
        for (name, best), test in zip(rivals.items(), tests, strict=True)
    )


def _contribution(
    metric: str, runs: ComparisonRuns, name: str, predicted: Answers, under: Sequence[Answers]
) -> Contribution:
    own = runs.modalities_used[name]
    given = {c.modalities: predicted for c, predicted in zip(runs.conditions, under, strict=True) if c.what == "only"}
    counts: dict[Subset, NDArray[np.int64]] = {}
    for subset in subsets_of(own):
        if not subset:
            pairs = zip(runs.clips, predicted, strict=True)
            answer: Answers = tuple(np.full_like(seeds, draw.fallback) for draw, seeds in pairs)
        else:
            answer = predicted if subset == set(own) else given[tuple(m for m in runs.modalities if m in subset)]
        counts[subset] = by_unit(runs.clips, answer)
    return contribution(name, own, counts, metric)


def _how(metric: str, runs: ComparisonRuns, n_fusions: int) -> str:
    unit, n_units = runs.unit, len({group for clips in runs.clips for group in clips.groups})
    corrected = f" Either p is Holm-corrected over the {pluralise(n_fusions, 'fusion')}." if n_fusions > 1 else ""
    few = f" So few {unit}s give a rough interval, too narrow rather than too wide." if n_units < _FEW else ""
    return (
        f"The difference of {metric} is of means over seeds; its 95 % interval and its p are from a paired bootstrap "
        f"over {pluralise(n_units, unit)} ({N_TEST_DRAWS:,} draws).{few} McNemar's exact test is of accuracy: it "
        "counts the utterances that one of the two got right and the other did not; a method's answer is its seeds' "
        "vote, the mean of their probabilities. It takes utterances as independent, which those of one "
        f"{unit} are not: where "
        f"the two disagree, believe the bootstrap.{corrected}"
    )
