"""Train and test one fold of a split, by whatever a recipe names; what was done once is read back."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast
from urllib.parse import quote

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from emofuse.errors import UsageError
from emofuse.files import atomic_write, make_folder
from emofuse.inference.network import log_probabilities
from emofuse.research.corpora.splits.protocols import Fold
from emofuse.research.evaluation.protocols.adaptive_batchnorm import adapted_log_probabilities
from emofuse.research.evaluation.scores.metrics import fit_temperature
from emofuse.research.evaluation.scores.report import Curve
from emofuse.research.models.settings import SvmSettings
from emofuse.research.parallel import run_at_once
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.batches import Batch, test_loader
from emofuse.research.tasks.registry import utterance_task
from emofuse.research.tasks.utterances import Hook, Utterances
from emofuse.research.training.fit import fit, load_weights, load_weights_into, silence_lightning
from emofuse.research.training.jobs import utterance_job
from emofuse.research.training.module import score_clips
from emofuse.research.training.svm import run_svm

STORED, ADAPTED = "predictions.npz", "predictions-transductive.npz"
RULED_OUT = -1e4  # a log-probability: no temperature makes it count
Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """What one fold with one seed gave. test, valid: log-probabilities (N, C) of its clips, not yet calibrated."""

    test: NDArray[np.float32]
    valid: NDArray[np.float32]
    valid_truth: NDArray[np.int64]
    n_parameters: int
    curve: Curve | None

    @property
    def calibrated(self) -> NDArray[np.float32]:
        """Log-probabilities of the test clips, at the temperature that fits the validation clips best."""
        return self.calibrate()[0]

    def calibrate(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return log-probabilities of the test and of the validation clips, at the temperature that fits these best."""
        temperature = fit_temperature(self.valid, self.valid_truth)
        return log_probabilities(self.test, temperature), log_probabilities(self.valid, temperature)


@dataclass(frozen=True, slots=True, eq=False)
class FoldTask:
    """One fold with one seed, in a folder of its own. features: (N, D) where the recipe is of a classical model.

    transductive: the trained network is adapted to every test speaker; the training is the same. A classical model's
    recipe says itself that it is adapted.
    """

    recipe: Recipe
    fold: Fold
    folder: Path
    device: str
    features: NDArray[np.float32] | None = None
    transductive: bool = False

    @property
    def stored(self) -> Path:
        """Where the predictions are kept."""
        return self.folder / (ADAPTED if self.transductive else STORED)

    def fingerprint(self, data: Utterances) -> str:
        """Return a hash of all that the result depends on: the recipe, and the sound, labels and speakers of every
        part."""
        parts = (self.fold.train, self.fold.valid, self.fold.test, data.added_to(self.fold))
        speakers = [data.manifest.clips[i].speaker for part in parts for i in part]
        text = json.dumps([self.recipe.model_dump_json(), data.fingerprint(*parts), speakers])
        digest = hashlib.sha256(text.encode())
        if self.features is not None:
            digest.update(self.features.tobytes())
        return digest.hexdigest()


def fold_tasks(
    recipe: Recipe,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    out: Path,
    device: str = "cpu",
    features: NDArray[np.float32] | None = None,
    transductive: bool = False,
) -> list[FoldTask]:
    """Return a task for every fold with every seed, all folds of the first seed first, in folders of their own."""
    return [
        FoldTask(
            recipe.model_copy(update={"seed": seed}),
            fold,
            out / f"seed{seed}" / f"fold{as_folder(fold.name)}",
            device,
            features,
            transductive,
        )
        for seed in seeds
        for fold in folds
    ]


def as_folder(name: str) -> str:
    """Return the name of the folder for what is called so: a name may have a / in it."""
    return quote(name, safe=" ")


def run_tasks(
    tasks: Sequence[FoldTask], data: Utterances, jobs: int, notice: Notice, hook: Hook | None = None
) -> list[FoldResult]:
    """Run every task that has not been stored yet, `jobs` at once, and return all results in order.

    hook: is told of what all of them start from, while that is made. Each task has one thread, so that the results do
    not depend on how many run at once.
    """
    results = [_stored(task, data) for task in tasks]
    waiting = [task for task, result in zip(tasks, results, strict=True) if result is None]
    if jobs > 1 and len(waiting) > 1:
        _make_shared(waiting, data, hook)
        _run_at_once(waiting, data, jobs, notice)
    else:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            _make_shared(waiting, data, hook)
            for task in waiting:
                _run(task, data)
                notice(f"{task.folder} is done")
        finally:
            torch.set_num_threads(threads)
    return [result or _result(task, data) for task, result in zip(tasks, results, strict=True)]


def _make_shared(tasks: Sequence[FoldTask], data: Utterances, hook: Hook | None) -> None:
    for recipe in {task.recipe.seed: task.recipe for task in tasks if task.features is None}.values():
        utterance_task(recipe).make_shared(recipe, data, hook)


def _run_at_once(tasks: Sequence[FoldTask], data: Utterances, jobs: int, notice: Notice) -> None:
    """Run tasks in processes of their own. When one fails, and at Ctrl-C, the others are stopped: they go on later."""
    with closing(run_at_once(_work, tasks, jobs, _start_worker, (data,))) as done:
        for task, _ in zip(tasks, done, strict=True):
            notice(f"{task.folder} is done")


_data: Utterances | None = None  # of a worker process: sent once, not with every task


def _start_worker(data: Utterances) -> None:
    global _data
    _data = data
    silence_lightning()


def _work(task: FoldTask) -> None:
    assert _data is not None
    _run(task, _data)


def _run(task: FoldTask, data: Utterances) -> None:
    """Train, predict, and store. A training that was cut off goes on."""
    if task.features is not None:  # of a classical model: they are computed once, for all folds
        make_folder(task.folder)
        result = run_svm(cast(SvmSettings, task.recipe.model), data, task.features, task.fold)
        arrays = {"test": log_probabilities(result.test), "valid": log_probabilities(result.valid)}
        _store(task, data, arrays, 0)
        return
    network, n_epochs = _train(task, task.recipe, data, task.fold, task.folder)
    valid = _predict(network, task, data, task.fold.valid)
    if task.recipe.train.refit:
        everybody = replace(task.fold, train=task.fold.train + task.fold.valid, valid=())
        network, _ = _train(task, _for_epochs(task.recipe, n_epochs), data, everybody, task.folder / "refit")
    arrays = {"test": _predict(network, task, data, task.fold.test), "valid": valid}
    _store(task, data, arrays, sum(p.numel() for p in network.parameters()))


def _train(task: FoldTask, recipe: Recipe, data: Utterances, fold: Fold, folder: Path) -> tuple[torch.nn.Module, int]:
    """Train on a fold's training part; return the network and for how many epochs it was trained."""
    job = replace(utterance_job(recipe, data, fold), left_out=fold.left_out)
    fitted = fit(recipe, job, folder, device=task.device, progress=False)
    load_weights_into(job.network, load_weights(fitted.weights)[0], fitted.weights)
    return job.network.to("cpu").eval(), fitted.epoch + 1


def _for_epochs(recipe: Recipe, n_epochs: int) -> Recipe:
    settings = recipe.train.model_copy(update={"epochs": n_epochs, "keep": "last", "patience": 0})
    return recipe.model_copy(update={"train": settings})


def _store(task: FoldTask, data: Utterances, arrays: dict[str, NDArray[np.float32]], n_parameters: int) -> None:
    meta = json.dumps({"fingerprint": task.fingerprint(data), "n_parameters": n_parameters})
    with atomic_write(task.stored) as name:
        np.savez(name, meta=np.array(meta), **arrays)  # type: ignore[arg-type]


def _stored(task: FoldTask, data: Utterances) -> FoldResult | None:
    """Read a stored result back; None where there is none, or it is of another recipe or other data."""
    path = task.stored
    if not path.exists():
        return None
    try:
        with np.load(path) as arrays:
            meta, test, valid = json.loads(str(arrays["meta"])), arrays["test"], arrays["valid"]
            fingerprint, n_parameters = meta["fingerprint"], int(meta["n_parameters"])
    except Exception:  # noqa: BLE001 (a damaged zip or header raises whatever comes of it)
        raise UsageError(f"{path} is not whole, so the evaluation cannot go on", "remove it to begin anew") from None
    if fingerprint != task.fingerprint(data):
        return None
    curve = read_curve(task.folder, task.fold.name, task.recipe.seed)
    test = among(test, data.labels, task.fold.labels)
    return FoldResult(test, valid, data.truth(task.fold.valid), n_parameters, curve)


def among(log_probabilities: NDArray[np.float32], labels: Sequence[str], scored: Sequence[str]) -> NDArray[np.float32]:
    """Rule out, in (N, C) log-probabilities, the labels that a test part is not scored by; none named: no label."""
    if not scored:
        return log_probabilities
    is_scored = np.array([label in scored for label in labels])
    return np.where(is_scored, log_probabilities, np.float32(RULED_OUT))


def _result(task: FoldTask, data: Utterances) -> FoldResult:
    result = _stored(task, data)
    assert result is not None, f"{task.stored} has just been written"
    return result


def _predict(network: torch.nn.Module, task: FoldTask, data: Utterances, part: Sequence[int]) -> NDArray[np.float32]:
    if task.transductive:
        return adapted_log_probabilities(network, data.batches(part), [data.manifest.clips[i].speaker for i in part])
    return clip_log_probabilities(network, data.batches_for(network, part))


def clip_log_probabilities(network: torch.nn.Module, clips: Dataset[Batch]) -> NDArray[np.float32]:
    """Return (N, C): the mean log-probability over each clip's windows or frames."""
    rows = []
    with torch.no_grad():
        # one by one, where what a clip is given might depend on its neighbours
        for x, _ in test_loader(clips, getattr(clips, "n_at_once", 1)):
            rows.append(score_clips(network, x))
    return np.asarray(torch.cat(rows).numpy(), dtype=np.float32)


def read_curve(folder: Path, fold: str, seed: int) -> Curve | None:
    """Read the losses and the validation UAR of each epoch; None where no training left any."""
    file = folder / "metrics.csv"
    if not file.exists():
        return None
    epochs: dict[int, dict[str, float]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row.get("epoch"):
                values = {key: float(value) for key, value in row.items() if value}
                epochs.setdefault(int(values["epoch"]), {}).update(values)
    if not epochs:
        return None

    def column(name: str) -> tuple[float | None, ...]:
        values = [epochs[epoch].get(name, math.nan) for epoch in sorted(epochs)]
        return tuple(None if math.isnan(value) else value for value in values)

    return Curve(
        fold=fold,
        seed=seed,
        train_loss=column("train_loss"),
        valid_loss=column("val_loss"),
        valid_uar=column("val_uar"),
    )
