"""The protocols for utterances: cross-validation over a split, and its leaky twin."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path

import numpy as np

from emofuse.formatting import pluralise
from emofuse.inference.network import softmax
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.splits.protocols import Split, is_leaky
from emofuse.research.evaluation.protocols.by_corpus import calibrate_by_others
from emofuse.research.evaluation.protocols.folds import FoldResult, Notice
from emofuse.research.evaluation.protocols.learners import RunContext, learner_of, selection, versions
from emofuse.research.evaluation.scores.baselines import baselines_for
from emofuse.research.evaluation.scores.metrics import expected_calibration_error, fit_temperature
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import (
    Baseline,
    Curve,
    EvaluationReport,
    FoldRecord,
    LeakageCheck,
    ReportProvenance,
)
from emofuse.research.evaluation.scores.summary import MEAN_OF_CORPORA, summarise
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.registry import task_of, utterance_task
from emofuse.research.tasks.utterances import Hook, Utterances


def cross_validate(
    recipe: Recipe, data: Utterances, split: Split, context: RunContext, notice: Notice, hook: Hook | None = None
) -> tuple[EvaluationReport, Predictions]:
    """Train and test every fold with every seed, and report on all clips together.

    A fold's validation speakers choose what there is to choose and fit its temperature; its test clips are looked
    at once, at the end. What `context.out` already holds of this recipe and this data is not trained again. Raises
    UsageError when it holds something else, and for a transductive run of a model that cannot be adapted.
    """
    learner = learner_of(recipe)
    if context.transductive:
        learner.check_adaptable(recipe)
    context = learner.seeds(context)
    results = learner.run_folds(recipe, data, split, context, notice, hook)
    if split.by_corpus and len(split.folds) > 1:
        results = calibrate_by_others(results, data, split)
    predictions = _gather(data, split, context.seeds, results)
    return _report(recipe, data, split, context, results, predictions), predictions


def with_leak(report: EvaluationReport, leaky: EvaluationReport) -> EvaluationReport:
    """Set the same recipe's scores under a random split beside the honest ones."""
    gap = {metric.name: metric.value - report.metric(metric.name).value for metric in leaky.metrics}
    return report.model_copy(
        update={"leak": LeakageCheck(protocol=leaky.stamp.protocol, metrics=leaky.metrics, gap=gap)}
    )


def _gather(data: Utterances, split: Split, seeds: Sequence[int], results: Sequence[FoldResult]) -> Predictions:
    """Put the folds' calibrated test predictions together: seeds are the outer order of `results`."""
    clips = [data.manifest.clips[i] for fold in split.folds for i in fold.test]
    n = len(split.folds)
    by_seed = [np.concatenate([r.calibrated for r in results[s * n : (s + 1) * n]]) for s in range(len(seeds))]
    names = clip_names(data.folded)
    return Predictions(
        clips=tuple(names[i] for fold in split.folds for i in fold.test),
        speakers=tuple(clip.speaker for clip in clips),
        sexes=tuple(clip.sex for clip in clips),
        folds=tuple(fold.name for fold in split.folds for _ in fold.test),
        labels=data.labels,
        seeds=tuple(seeds),
        truth=np.concatenate([data.truth(fold.test) for fold in split.folds]),
        log_probabilities=np.stack(by_seed),
    )


def clip_names(manifest: Manifest) -> tuple[str, ...]:
    """Name every clip by its path below the folder that all share, and by its times where it is cut out of a file."""
    paths = [clip.path.absolute() for clip in manifest]
    root = Path(commonpath([path.parent for path in paths]))
    return tuple(path.relative_to(root).as_posix() + _times(clip) for path, clip in zip(paths, manifest, strict=True))


def _times(clip: Clip) -> str:
    if not clip.start_s and clip.end_s is None:
        return ""
    return f"#{clip.start_s:g}-" + ("" if clip.end_s is None else f"{clip.end_s:g}")


def _report(
    recipe: Recipe,
    data: Utterances,
    split: Split,
    context: RunContext,
    results: Sequence[FoldResult],
    predictions: Predictions,
) -> EvaluationReport:
    summary = summarise(predictions, [fold.name for fold in split.folds], by_corpus=split.by_corpus)
    stamp = _provenance(recipe, data, split, context)
    truth = np.tile(predictions.truth, len(context.seeds))
    raw = np.concatenate([r.test for r in results])
    return EvaluationReport(
        title=f"{recipe.name} on {data.folded.name}" + (", transductive" if stamp.transductive else ""),
        model=recipe.name,
        n_parameters=results[0].n_parameters or None,
        stamp=stamp,
        headline=(MEAN_OF_CORPORA,) if split.by_corpus else ("UAR", "accuracy"),
        metrics=summary.metrics,
        per_class=summary.per_class,
        confusion=summary.confusion,
        by_sex=summary.by_sex,
        by_speaker=summary.by_speaker if task_of(recipe).knows_people else (),
        curves=tuple(r.curve for r in results if isinstance(r.curve, Curve)),
        anchors=_baselines(data, split, stamp, predictions),
        temperature=fit_temperature(
            np.concatenate([r.valid for r in results]), np.concatenate([r.valid_truth for r in results])
        ),
        calibration_error=(
            expected_calibration_error(softmax(raw), truth),
            expected_calibration_error(softmax(np.concatenate(list(predictions.log_probabilities))), truth),
        ),
    )


def _baselines(
    data: Utterances, split: Split, stamp: ReportProvenance, predictions: Predictions
) -> tuple[Baseline, ...]:
    counts = np.bincount(predictions.truth, minlength=len(data.labels)).tolist()
    corpus = data.corpora.source
    published = corpus.published if set(corpus.labels) == set(data.labels) else ()
    return tuple(
        anchor
        for metric in ("UAR", "accuracy")
        for anchor in baselines_for(published, split.protocol, metric, counts, transductive=stamp.transductive)
    )


def _provenance(recipe: Recipe, data: Utterances, split: Split, context: RunContext) -> ReportProvenance:
    manifest, task = data.manifest, utterance_task(recipe)

    def people(indices: Sequence[int]) -> tuple[str, ...]:
        if not task.knows_people:
            return ()
        return tuple(sorted({manifest.clips[i].speaker for i in indices}))

    return ReportProvenance(
        corpus=data.folded.name,
        licence=manifest.licence or "licence not stated",
        labels=data.labels,
        label_map=data.corpora.joined.label_map,
        left_out=data.corpora.joined.left_out.total(),
        protocol=split.description + _beside(data, split),
        folds=tuple(
            FoldRecord(
                name=fold.name,
                train=people(train),
                valid=people(fold.valid),
                test=people(fold.test),
                n_train=len(train),
                n_valid=len(fold.valid),
                n_test=len(fold.test),
            )
            for fold, train in ((fold, data.trained_in(fold)) for fold in split.folds)
        ),
        selection=selection(recipe, by_corpus=split.by_corpus),
        seeds=context.seeds,
        command=context.command,
        versions=versions(recipe),
        transductive=context.transductive or learner_of(recipe).uses_speakers(recipe),
        leaky=is_leaky(split, manifest) if task.knows_people else None,
        unit="" if recipe.data.of_utterances else f"{task.group}s",
    )


def _beside(data: Utterances, split: Split) -> str:
    """Say what folds train on that none of them tests."""
    n = len(data.added)
    if n == 0:
        return ""
    if all(len(data.added_to(fold)) == n for fold in split.folds):
        return f"; every fold trains on all {pluralise(n, 'clip')} of {data.corpora.added_name} too"
    return (
        f"; every fold trains on {data.corpora.added_name} too, of whose {pluralise(n, 'clip')} those are left out "
        "whose speaker it validates or tests"
    )
