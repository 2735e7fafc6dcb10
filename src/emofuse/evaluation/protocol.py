"""The protocols for speech: cross-validation over a split, and its leaky twin."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from os.path import commonpath
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch

from emofuse import __version__
from emofuse.config import Recipe, SvmSettings, VoiceDataSettings, VoiceNetSettings
from emofuse.corpora.manifest import Clip, Manifest
from emofuse.corpora.splits import Split, is_leaky
from emofuse.errors import RecipeError, UsageError
from emofuse.evaluation.anchors import anchors_for
from emofuse.evaluation.folds import FoldResult, FoldTask, Notice, run_tasks
from emofuse.evaluation.metrics import expected_calibration_error, fit_temperature
from emofuse.evaluation.predictions import Predictions
from emofuse.evaluation.result import Anchor, Curve, EvaluationReport, FoldRecord, Leak, Stamp
from emofuse.evaluation.summary import summarise
from emofuse.inference.network import softmax
from emofuse.training.classical import utterance_features
from emofuse.training.jobs import Hook, SpeechData
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
    recipe: Recipe, speech: SpeechData, split: Split, setting: Setting, notice: Notice, hook: Hook | None = None
) -> tuple[EvaluationReport, Predictions]:
    """Train and test every fold with every seed, and report on all clips together.

    A fold's validation speakers choose what there is to choose and fit its temperature; its test clips are looked
    at once, at the end. What `setting.out` already holds of this recipe and this data is not trained again. Raises
    UsageError when it holds something else, and for a transductive setting of a model that cannot be adapted.
    """
    if setting.transductive and not isinstance(recipe.model, VoiceNetSettings):
        hint = "for an SVM set model.normalise=speaker" if isinstance(recipe.model, SvmSettings) else ""
        raise UsageError(f"--transductive goes with voice-mobilenet, not with {recipe.model.name}", hint)
    features = None
    if isinstance(recipe.model, SvmSettings):
        features = utterance_features(speech, recipe.model.features, hook)
        setting = replace(setting, seeds=setting.seeds[:1])  # nothing is drawn
    tasks = [
        FoldTask(
            recipe.model_copy(update={"seed": seed}),
            fold,
            setting.out / f"seed{seed}" / f"fold{quote(fold.name, safe=' ')}",  # a name may have a / in it
            setting.device,
            features,
            setting.transductive,
        )
        for seed in setting.seeds
        for fold in split.folds
    ]
    results = run_tasks(tasks, speech, setting.jobs, notice)
    predictions = _gather(speech, split, setting.seeds, results)
    return _report(recipe, speech, split, setting, results, predictions), predictions


def with_leak(report: EvaluationReport, leaky: EvaluationReport) -> EvaluationReport:
    """Set the same recipe's scores under a random split beside the honest ones."""
    gap = {metric.name: metric.value - report.metric(metric.name).value for metric in leaky.metrics}
    return report.model_copy(update={"leak": Leak(protocol=leaky.stamp.protocol, metrics=leaky.metrics, gap=gap)})


def _gather(speech: SpeechData, split: Split, seeds: Sequence[int], results: Sequence[FoldResult]) -> Predictions:
    """Put the folds' calibrated test predictions together: seeds are the outer order of `results`."""
    clips = [speech.manifest.clips[i] for fold in split.folds for i in fold.test]
    n = len(split.folds)
    by_seed = [np.concatenate([r.calibrated for r in results[s * n : (s + 1) * n]]) for s in range(len(seeds))]
    names = clip_names(speech.folded)
    return Predictions(
        clips=tuple(names[i] for fold in split.folds for i in fold.test),
        speakers=tuple(clip.speaker for clip in clips),
        sexes=tuple(clip.sex for clip in clips),
        folds=tuple(fold.name for fold in split.folds for _ in fold.test),
        labels=speech.labels,
        seeds=tuple(seeds),
        truth=np.concatenate([speech.truth(fold.test) for fold in split.folds]),
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
    speech: SpeechData,
    split: Split,
    setting: Setting,
    results: Sequence[FoldResult],
    predictions: Predictions,
) -> EvaluationReport:
    summary = summarise(predictions, [fold.name for fold in split.folds])
    stamp = _stamp(recipe, speech, split, setting)
    truth = np.tile(predictions.truth, len(setting.seeds))
    raw = np.concatenate([r.test for r in results])
    return EvaluationReport(
        title=f"{recipe.name} on {speech.folded.name}" + (", transductive" if stamp.transductive else ""),
        model=recipe.name,
        n_parameters=results[0].n_parameters or None,
        stamp=stamp,
        metrics=summary.metrics,
        per_class=summary.per_class,
        confusion=summary.confusion,
        by_sex=summary.by_sex,
        by_speaker=summary.by_speaker,
        curves=tuple(r.curve for r in results if isinstance(r.curve, Curve)),
        anchors=_anchors(speech, split, stamp, predictions),
        temperature=fit_temperature(
            np.concatenate([r.valid for r in results]), np.concatenate([r.valid_truth for r in results])
        ),
        calibration_error=(
            expected_calibration_error(softmax(raw), truth),
            expected_calibration_error(softmax(np.concatenate(list(predictions.log_probabilities))), truth),
        ),
    )


def _anchors(speech: SpeechData, split: Split, stamp: Stamp, predictions: Predictions) -> tuple[Anchor, ...]:
    counts = np.bincount(predictions.truth, minlength=len(speech.labels)).tolist()
    return tuple(
        anchor
        for metric in ("UAR", "accuracy")
        for anchor in anchors_for(
            speech.folded.name, speech.labels, split.protocol, metric, counts, transductive=stamp.transductive
        )
    )


def _stamp(recipe: Recipe, speech: SpeechData, split: Split, setting: Setting) -> Stamp:
    manifest = speech.manifest

    def people(indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(sorted({manifest.clips[i].speaker for i in indices}))

    return Stamp(
        corpus=speech.folded.name,
        licence=manifest.licence,
        labels=speech.labels,
        label_map=speech.label_map,
        left_out=speech.left_out.total(),
        protocol=split.description + _beside(speech, split),
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
            for fold, train in ((fold, fold.train + speech.added_to(fold)) for fold in split.folds)
        ),
        selection=selection(recipe),
        seeds=setting.seeds,
        command=setting.command,
        versions=versions(recipe),
        transductive=setting.transductive or _uses_speakers(recipe),
        leaky=is_leaky(split, manifest),
    )


def _beside(speech: SpeechData, split: Split) -> str:
    """Say what folds train on that none of them tests."""
    n = len(speech.added)
    if n == 0:
        return ""
    if all(len(speech.added_to(fold)) == n for fold in split.folds):
        return f"; every fold trains on all {counted(n, 'clip')} of {speech.added_name} too"
    return (
        f"; every fold trains on {speech.added_name} too, of whose {counted(n, 'clip')} those are left out whose "
        "speaker it validates or tests"
    )


def selection(recipe: Recipe) -> str:
    """Say how a recipe's model is chosen within a fold, before its test part is looked at."""
    if isinstance(recipe.model, SvmSettings):
        values = ", ".join(f"{c:g}" for c in recipe.model.c)
        return f"C of {values} by the validation speakers, who are then trained on too"
    end = "; the temperature is fitted on them too"
    if recipe.train.keep == "best":
        return f"the best of at most {recipe.train.epochs} epochs by the validation speakers' UAR{end}"
    return f"none: {recipe.train.epochs} epochs as the recipe says; the validation speakers fit the temperature alone"


def _uses_speakers(recipe: Recipe) -> bool:
    return isinstance(recipe.model, SvmSettings) and recipe.model.normalise == "speaker"


def versions(recipe: Recipe) -> str:
    """Name the versions of what computes a score."""
    parts = [f"emofuse {__version__}", f"Python {platform.python_version()}"]
    if isinstance(recipe.model, SvmSettings):
        parts.append(f"scikit-learn {version('scikit-learn')}")
        if recipe.model.features == "audioset":
            parts.append(f"torch {torch.__version__}")
        else:
            parts.append(f"opensmile {_opensmile()}")
    else:
        parts += [f"torch {torch.__version__}", f"lightning {version('lightning')}"]
    return ", ".join(parts)


def _opensmile() -> str:
    try:
        return version("opensmile")
    except PackageNotFoundError:
        return "of an earlier run, whose features were kept"


def speech_recipe(recipe: Recipe) -> VoiceDataSettings:
    """Return a recipe's speech settings. Raises RecipeError when it is no recipe of speech."""
    if not isinstance(recipe.data, VoiceDataSettings):
        raise RecipeError(f"recipe {recipe.name!r} is not of speech")
    return recipe.data
