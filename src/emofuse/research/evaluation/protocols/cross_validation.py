"""The protocols for utterances: cross-validation over a split, and its leaky twin."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from os.path import commonpath
from pathlib import Path

import numpy as np
import torch

from emofuse import __version__
from emofuse.errors import UsageError
from emofuse.inference.network import softmax
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.splits.protocols import Split, is_leaky
from emofuse.research.evaluation.fusion.late_fusion import fuse_folds
from emofuse.research.evaluation.protocols.by_corpus import calibrate_by_others
from emofuse.research.evaluation.protocols.folds import FoldResult, Notice, as_folder, fold_tasks, run_tasks
from emofuse.research.evaluation.scores.baselines import anchors_for
from emofuse.research.evaluation.scores.metrics import expected_calibration_error, fit_temperature
from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.report import Anchor, Curve, EvaluationReport, FoldRecord, Leak, Stamp
from emofuse.research.evaluation.scores.summary import MEAN_OF_CORPORA, summarise
from emofuse.research.models.settings import SvmSettings, VoiceNetSettings
from emofuse.research.recipes.data import FeatureDataSettings
from emofuse.research.recipes.recipe import LateFusionSettings, Recipe
from emofuse.research.tasks.utterances import FusedUtterances, Hook, Utterances
from emofuse.research.training.networks import lacks_pretraining
from emofuse.research.training.svm import OPENSMILE_SETS, utterance_features
from emofuse.wording import counted


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """How an evaluation is run: where it is stored, by which seeds, on what, and the command that asked for it.

    transductive: the networks are adapted to each test speaker by all of the speaker's clips, without their labels.
    """

    out: Path
    seeds: tuple[int, ...]
    command: str
    device: str = "cpu"
    jobs: int = 1
    transductive: bool = False

    def within(self, folder: str) -> Setting:
        """Return the same setting, stored in a folder of this one's."""
        return replace(self, out=self.out / folder)


def cross_validate(
    recipe: Recipe, data: Utterances, split: Split, setting: Setting, notice: Notice, hook: Hook | None = None
) -> tuple[EvaluationReport, Predictions]:
    """Train and test every fold with every seed, and report on all clips together.

    A fold's validation speakers choose what there is to choose and fit its temperature; its test clips are looked
    at once, at the end. What `setting.out` already holds of this recipe and this data is not trained again. Raises
    UsageError when it holds something else, and for a transductive setting of a model that cannot be adapted.
    """
    if setting.transductive:
        _check_adaptable(recipe)
    if isinstance(recipe.model, SvmSettings):
        setting = replace(setting, seeds=setting.seeds[:1])  # nothing is drawn
    results = run_folds(recipe, data, split, setting, notice, hook)
    if split.by_corpus and len(split.folds) > 1:
        results = calibrate_by_others(results, data, split)
    predictions = _gather(data, split, setting.seeds, results)
    return _report(recipe, data, split, setting, results, predictions), predictions


def run_folds(
    recipe: Recipe, data: Utterances, split: Split, setting: Setting, notice: Notice, hook: Hook | None = None
) -> list[FoldResult]:
    """Return what every fold gives, seed by seed; the members of a late fusion are trained in folders of their own."""
    if isinstance(recipe.model, LateFusionSettings):
        assert isinstance(data, FusedUtterances)  # as such a recipe's are decoded
        members = [
            run_folds(member, own, split, setting.within(as_folder(member.name)), notice, hook)
            for member, own in zip(recipe.members, data.members, strict=True)
        ]
        return fuse_folds(recipe.model, members, len(setting.seeds))
    features = None
    if isinstance(recipe.model, SvmSettings):
        features = utterance_features(data, recipe.model.features, hook)
        if setting.transductive:
            recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"normalise": "speaker"})})
    tasks = fold_tasks(recipe, split.folds, setting.seeds, setting.out, setting.device, features, setting.transductive)
    return run_tasks(tasks, data, setting.jobs, notice)


def _check_adaptable(recipe: Recipe) -> None:
    """Raise UsageError, before anything is trained, for a model that cannot be adapted to test speakers."""
    if isinstance(recipe.model, LateFusionSettings):
        for member in recipe.members:
            _check_adaptable(member)
    elif not isinstance(recipe.model, VoiceNetSettings | SvmSettings):
        raise UsageError(f"--transductive goes with voice-mobilenet and svm, not with {recipe.model.name}")


def with_leak(report: EvaluationReport, leaky: EvaluationReport) -> EvaluationReport:
    """Set the same recipe's scores under a random split beside the honest ones."""
    gap = {metric.name: metric.value - report.metric(metric.name).value for metric in leaky.metrics}
    return report.model_copy(update={"leak": Leak(protocol=leaky.stamp.protocol, metrics=leaky.metrics, gap=gap)})


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
    setting: Setting,
    results: Sequence[FoldResult],
    predictions: Predictions,
) -> EvaluationReport:
    summary = summarise(predictions, [fold.name for fold in split.folds], by_corpus=split.by_corpus)
    stamp = _stamp(recipe, data, split, setting)
    truth = np.tile(predictions.truth, len(setting.seeds))
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
        by_speaker=summary.by_speaker,
        curves=tuple(r.curve for r in results if isinstance(r.curve, Curve)),
        anchors=_anchors(data, split, stamp, predictions),
        temperature=fit_temperature(
            np.concatenate([r.valid for r in results]), np.concatenate([r.valid_truth for r in results])
        ),
        calibration_error=(
            expected_calibration_error(softmax(raw), truth),
            expected_calibration_error(softmax(np.concatenate(list(predictions.log_probabilities))), truth),
        ),
    )


def _anchors(data: Utterances, split: Split, stamp: Stamp, predictions: Predictions) -> tuple[Anchor, ...]:
    counts = np.bincount(predictions.truth, minlength=len(data.labels)).tolist()
    corpus = data.corpora.source
    published = corpus.published if set(corpus.labels) == set(data.labels) else ()
    return tuple(
        anchor
        for metric in ("UAR", "accuracy")
        for anchor in anchors_for(published, split.protocol, metric, counts, transductive=stamp.transductive)
    )


def _stamp(recipe: Recipe, data: Utterances, split: Split, setting: Setting) -> Stamp:
    manifest = data.manifest

    def people(indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(sorted({manifest.clips[i].speaker for i in indices}))

    return Stamp(
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
            for fold, train in ((fold, fold.train + data.added_to(fold)) for fold in split.folds)
        ),
        selection=selection(recipe, by_corpus=split.by_corpus),
        seeds=setting.seeds,
        command=setting.command,
        versions=versions(recipe),
        transductive=setting.transductive or _uses_speakers(recipe),
        leaky=is_leaky(split, manifest),
    )


def _beside(data: Utterances, split: Split) -> str:
    """Say what folds train on that none of them tests."""
    n = len(data.added)
    if n == 0:
        return ""
    if all(len(data.added_to(fold)) == n for fold in split.folds):
        return f"; every fold trains on all {counted(n, 'clip')} of {data.corpora.added_name} too"
    return (
        f"; every fold trains on {data.corpora.added_name} too, of whose {counted(n, 'clip')} those are left out whose "
        "speaker it validates or tests"
    )


def selection(recipe: Recipe, *, by_corpus: bool = False) -> str:
    """Say how a recipe's model is chosen within a fold, before its test part is looked at.

    by_corpus: what the other folds test fits the temperature.
    """
    if isinstance(recipe.model, LateFusionSettings):
        own = "; ".join(f"{member.name}: {selection(member)}" for member in recipe.members)
        how = "weights of the log-probabilities" if recipe.model.rule == "learned" else "temperatures"
        together = "; the networks of all seeds answer as one" if recipe.model.over_seeds else ""
        return f"{how} by the validation speakers{together}; {own}"
    if isinstance(recipe.model, SvmSettings):
        values = ", ".join(f"{c:g}" for c in recipe.model.c)
        return f"C of {values} by the validation speakers, who are then trained on too"
    again = "; it started from random weights, not torchvision's" if lacks_pretraining(recipe) else ""
    if recipe.train.refit:
        again += "; the network that is tested was trained anew, for as many epochs, on the validation speakers too"
    if recipe.train.keep == "best":
        chosen = f"the best of at most {recipe.train.epochs} epochs by the validation speakers' UAR"
        fitted = "the other left-out corpora" if by_corpus else "them too"
        return f"{chosen}; the temperature is fitted on {fitted}{again}"
    by = [*(["stopping"] if recipe.train.patience else []), *(["rate"] if recipe.train.schedule == "plateau" else [])]
    if by:
        return (
            f"the {' and the '.join(by)} of the training by the validation speakers, who fit the temperature too{again}"
        )
    chosen = f"none: {recipe.train.epochs} epochs as the recipe says"
    fitted_by = (
        "the other left-out corpora fit the temperature"
        if by_corpus
        else "the validation speakers fit the temperature alone"
    )
    return f"{chosen}; {fitted_by}{again}"


def _uses_speakers(recipe: Recipe) -> bool:
    if isinstance(recipe.model, LateFusionSettings):
        return any(map(_uses_speakers, recipe.members))
    if isinstance(recipe.data, FeatureDataSettings):
        return bool(recipe.data.normalise_by_speaker)
    return isinstance(recipe.model, SvmSettings) and recipe.model.normalise == "speaker"


def versions(recipe: Recipe) -> str:
    """Name the versions of what computes a score."""
    return ", ".join([f"emofuse {__version__}", f"Python {platform.python_version()}", *_libraries(recipe)])


def _libraries(recipe: Recipe) -> list[str]:
    if isinstance(recipe.model, LateFusionSettings):
        return list(dict.fromkeys(name for member in recipe.members for name in _libraries(member)))
    if not isinstance(recipe.model, SvmSettings):
        return [f"torch {torch.__version__}", f"lightning {version('lightning')}"]
    names = [f"scikit-learn {version('scikit-learn')}"]
    if recipe.model.features == "audioset":
        names.append(f"torch {torch.__version__}")
    elif recipe.model.features in OPENSMILE_SETS:
        names.append(f"opensmile {_opensmile()}")
    return names


def _opensmile() -> str:
    try:
        return version("opensmile")
    except PackageNotFoundError:
        return "of an earlier run, whose features were kept"
