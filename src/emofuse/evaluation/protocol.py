"""The protocols that the published numbers come from: FER+ test faces, and RAVDESS speech in folds over actors."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse import __version__
from emofuse.atomic import atomic
from emofuse.card import Score
from emofuse.config import Recipe
from emofuse.corpora.ferplus import FerPlus, read_ferplus
from emofuse.corpora.splits import Fold, consecutive_folds
from emofuse.emotions import FERPLUS
from emofuse.errors import UsageError
from emofuse.evaluation.metrics import (
    Scored,
    accuracy,
    bootstrap_interval,
    expected_calibration_error,
    fit_temperature,
    score,
    unweighted_average_recall,
)
from emofuse.inference.network import OnnxNetwork, softmax
from emofuse.training.dataset import VoiceBatches
from emofuse.training.fit import fit, load_weights, quiet
from emofuse.training.jobs import SpeechData, voice_job
from emofuse.types import Json

N_FOLDS: Final = 6
N_VALID_SPEAKERS: Final = 2  # one man and one woman: neighbours alternate in RAVDESS
Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """A result with what it takes to read it: how it was made stands in `stamp`, and goes wherever it goes."""

    title: str
    labels: tuple[str, ...]
    headline: tuple[Score, ...]
    scored: Scored
    stamp: dict[str, str]
    temperature: float
    calibration_error: tuple[float, float]  # before and after the temperature, on data it was not fitted to
    folds: tuple[float, ...] = ()

    def to_json(self) -> Json:
        """Return the report as a document."""
        return {
            "title": self.title,
            "stamp": self.stamp,
            "scores": [s.model_dump() for s in self.headline],
            "labels": list(self.labels),
            "n": self.scored.n,
            "recalls": dict(zip(self.labels, self.scored.recalls, strict=True)),
            "macro_f1": self.scored.macro_f1,
            "confusion": self.scored.confusion.tolist(),
            "uar_by_fold": list(self.folds),
            "temperature": self.temperature,
            "calibration_error": {"before": self.calibration_error[0], "after": self.calibration_error[1]},
        }


def evaluate_faces(model: str | Path, data: str | Path, command: str) -> Report:
    """Score a face network on the FER+ test part, majority label; its temperature is fitted on the valid part."""
    network = OnnxNetwork(model)
    archive = Path(data) / "ferplus.zip"
    valid, test = read_ferplus(archive, "Valid"), read_ferplus(archive, "Test")
    valid_logits, valid_truth = _face_logits(network, *valid.majority())
    temperature = fit_temperature(valid_logits, valid_truth)
    logits, truth = _face_logits(network, *test.majority())
    guess = logits.argmax(axis=1)
    protocol = "FER+ test part, 8 classes, faces with a majority emotion; weights chosen on the valid part"
    return Report(
        title=f"{network.card.name} on FER+",
        labels=FERPLUS,
        headline=(
            _headline("accuracy", accuracy, truth, guess, "FER+ test", protocol, command),
            _headline("UAR", unweighted_average_recall, truth, guess, "FER+ test", protocol, command),
            _plurality(network, test, command),
        ),
        scored=score(truth, guess, len(FERPLUS)),
        stamp=_stamp("FER+ (web faces, no subject identities)", protocol, str(network.card.seed), command),
        temperature=temperature,
        calibration_error=(
            expected_calibration_error(softmax(logits), truth),
            expected_calibration_error(softmax(logits, temperature), truth),
        ),
    )


def cross_validate_voice(
    recipe: Recipe, speech: SpeechData, out: str | Path, command: str, device: str, notice: Notice, jobs: int = 1
) -> Report:
    """Train and test in 6 folds over the actors of RAVDESS; a fold that `out` already holds is not trained again.

    Each fold keeps two further speakers apart. They choose the epoch where the recipe keeps the best, and fit
    the fold's temperature; the test actors are looked at once, at the end. With `jobs` over 1, as many folds are
    trained at once, each in a process of its own with its share of the cores.
    """
    folder = Path(out)
    folds = consecutive_folds(speech.manifest.speakers, N_FOLDS, N_VALID_SPEAKERS)
    folders = [folder / f"fold{number}" for number in range(1, len(folds) + 1)]
    if jobs > 1:
        _run_at_once(recipe, speech, folds, folders, device, jobs)
    results = []
    for number, (fold, place) in enumerate(zip(folds, folders, strict=True), start=1):
        results.append(_run_fold(recipe, speech, fold, place, device))
        notice(f"fold {number}/{len(folds)}: UAR {results[-1].uar:.1%} on {', '.join(fold.test)}")
    truth = np.concatenate([r.truth for r in results])
    guess = np.concatenate([r.logits for r in results]).argmax(axis=1)
    speakers = [s for r in results for s in r.speakers]
    role = "choose the epoch and calibrate" if recipe.train.keep == "best" else "calibrate; the epochs are fixed"
    protocol = (
        f"{N_FOLDS} folds over actors (test 1-4, 5-8, ..., 21-24), 8 classes; "
        f"{N_VALID_SPEAKERS} other actors are held out of training in each fold and {role}"
    )
    on = "RAVDESS speech, out of fold"
    before = softmax(np.concatenate([r.logits for r in results]))
    after = np.concatenate([softmax(r.logits, r.temperature) for r in results])
    return Report(
        title=f"{recipe.name} on RAVDESS speech",
        labels=speech.labels,
        headline=(
            _headline("UAR", unweighted_average_recall, truth, guess, on, protocol, command, speakers),
            _headline("accuracy", accuracy, truth, guess, on, protocol, command, speakers),
        ),
        scored=score(truth, guess, len(speech.labels)),
        stamp=_stamp("RAVDESS speech (acted, 24 actors)", protocol, str(recipe.seed), command),
        temperature=fit_temperature(
            np.concatenate([r.valid_logits for r in results]), np.concatenate([r.valid_truth for r in results])
        ),
        calibration_error=(expected_calibration_error(before, truth), expected_calibration_error(after, truth)),
        folds=tuple(r.uar for r in results),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _FoldResult:
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    speakers: list[str]
    valid_logits: NDArray[np.float32]
    valid_truth: NDArray[np.int64]

    @property
    def temperature(self) -> float:
        return fit_temperature(self.valid_logits, self.valid_truth)

    @property
    def uar(self) -> float:
        return unweighted_average_recall(self.truth, self.logits.argmax(axis=1))


def _run_at_once(
    recipe: Recipe, speech: SpeechData, folds: list[Fold], folders: list[Path], device: str, jobs: int
) -> None:
    """Have the folds trained by `jobs` processes; what they store is read back by `_run_fold`."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(threads,)) as pool:
        n = len(folds)
        list(pool.map(_run_fold, [recipe] * n, [speech] * n, folds, folders, [device] * n))


def _start_worker(threads: int) -> None:
    torch.set_num_threads(threads)
    quiet()


def _run_fold(recipe: Recipe, speech: SpeechData, fold: Fold, folder: Path, device: str) -> _FoldResult:
    stored = folder / "predictions.npz"
    speakers = [clip.speaker for clip in speech.manifest.of_speakers(set(fold.test))]
    # `fit` refuses a folder of another recipe, so what is stored there belongs to this one
    recorded = folder / "recipe.json"
    if stored.exists() and recorded.read_text(encoding="utf-8") == recipe.model_dump_json(indent=2):
        with np.load(stored) as arrays:
            parts = {name: arrays[name] for name in arrays.files}
    else:
        result = fit(recipe, voice_job(recipe, speech, fold), folder, device=device, progress=False)
        network = voice_job(recipe, speech, fold).network
        network.load_state_dict(load_weights(result.weights)[0])
        network.eval()
        test, valid = speech.batches(fold.test), speech.batches(fold.valid)
        parts = {
            "logits": _voice_logits(network, test),
            "truth": test.targets.argmax(dim=1).numpy(),
            "valid_logits": _voice_logits(network, valid),
            "valid_truth": valid.targets.argmax(dim=1).numpy(),
        }
        with atomic(stored) as name:
            np.savez(name, **parts)
    return _FoldResult(speakers=speakers, **parts)


def _voice_logits(network: torch.nn.Module, clips: VoiceBatches) -> NDArray[np.float32]:
    """Return (N, C): the mean log-probability over each clip's windows."""
    rows = []
    with torch.no_grad():
        for i in range(len(clips)):
            windows, _ = clips[i]
            rows.append(torch.log_softmax(network(windows), dim=-1).mean(dim=0))
    return np.asarray(torch.stack(rows).numpy(), dtype=np.float32)


def _face_logits(
    network: OnnxNetwork, images: NDArray[np.uint8], truth: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    batches = np.array_split(images[:, None].astype(np.float32), max(1, len(images) // 64))
    return np.concatenate([network.logits(batch) for batch in batches]), truth


def _plurality(network: OnnxNetwork, test: FerPlus, command: str) -> Score:
    logits, truth = _face_logits(network, *test.plurality())
    protocol = "as above, but every face whose most-voted label is an emotion, majority or not"
    guess = logits.argmax(axis=1)
    return _headline("accuracy (plurality)", accuracy, truth, guess, "FER+ test", protocol, command)


def _headline(
    name: str,
    metric: Callable[[NDArray[np.int64], NDArray[np.int64]], float],
    truth: NDArray[np.int64],
    guess: NDArray[np.int64],
    on: str,
    protocol: str,
    command: str,
    groups: list[str] | None = None,
) -> Score:
    return Score(
        metric=name,
        value=metric(truth, guess),
        on=f"{on}, n = {len(truth)}",
        protocol=protocol,
        command=command,
        interval_95=bootstrap_interval(metric, truth, guess, groups),
        weights="these" if groups is None else "same recipe",
    )


def _stamp(corpus: str, protocol: str, seed: str, command: str) -> dict[str, str]:
    return {
        "corpus": corpus,
        "protocol": protocol,
        "transductive": "no",
        "seed": seed,
        "command": command,
        "versions": f"emofuse {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }


def write_report(report: Report, path: str | Path) -> None:
    """Write the report as JSON. Raises OutputError when `path` cannot be written."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic(file) as name:
        name.write_text(json.dumps(report.to_json(), indent=2), encoding="utf-8")


def read_scores(path: str | Path) -> tuple[Score, ...]:
    """Read the scores of a report that `write_report` wrote. Raises UsageError when it is none."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        return tuple(Score.model_validate(s) for s in document["scores"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not a report of `emofuse evaluate`: {error}") from None
