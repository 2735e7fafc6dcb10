"""Train and test one fold of a split, by whatever a recipe names; what was done once is read back."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from numpy.typing import NDArray

from emofuse.atomic import atomic
from emofuse.config import Recipe, SvmSettings
from emofuse.corpora.splits import Fold
from emofuse.evaluation.adapt import adapted_log_probabilities
from emofuse.evaluation.curves import read_curve
from emofuse.evaluation.metrics import fit_temperature
from emofuse.evaluation.result import Curve
from emofuse.inference.network import softmax
from emofuse.training.classical import run_svm, utterance_features
from emofuse.training.dataset import VoiceBatches
from emofuse.training.fit import fit, load_weights, quiet
from emofuse.training.jobs import SpeechData, voice_job

STORED, ADAPTED = "predictions.npz", "predictions-transductive.npz"
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
        probabilities = softmax(self.test, fit_temperature(self.valid, self.valid_truth))
        return np.log(np.maximum(probabilities, 1e-12)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FoldTask:
    """One fold with one seed, in a folder of its own. features: (N, D) where the recipe is of a classical model.

    transductive: the trained network is adapted to every test speaker; the training is the same.
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

    def fingerprint(self, speech: SpeechData) -> str:
        """Return a hash of all that the result depends on: the recipe, and the sound, labels and speakers of every
        part."""
        parts = (self.fold.train, self.fold.valid, self.fold.test, speech.added_to(self.fold))
        speakers = [speech.manifest.clips[i].speaker for part in parts for i in part]
        text = json.dumps([self.recipe.model_dump_json(), speech.fingerprint(*parts), speakers])
        digest = hashlib.sha256(text.encode())
        if self.features is not None:
            digest.update(self.features.tobytes())
        return digest.hexdigest()


def run_tasks(tasks: Sequence[FoldTask], speech: SpeechData, jobs: int, notice: Notice) -> list[FoldResult]:
    """Run every task that has not been stored yet, `jobs` at once, and return all results in order.

    Each task has one thread, so that the results do not depend on how many run at once.
    """
    waiting = [task for task in tasks if _stored(task, speech) is None]
    if jobs > 1 and len(waiting) > 1:
        _run_at_once(waiting, speech, jobs, notice)
    else:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for task in waiting:
                _run(task, speech)
                notice(f"{task.folder} is done")
        finally:
            torch.set_num_threads(threads)
    return [_result(task, speech) for task in tasks]


def _run_at_once(tasks: Sequence[FoldTask], speech: SpeechData, jobs: int, notice: Notice) -> None:
    """Run tasks in processes of their own. When one fails, and at Ctrl-C, the others are stopped: they go on later."""
    others = set(active_children())
    context = get_context("spawn")  # torch's threads do not survive a fork
    pool = ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(speech,))
    try:
        for task, _ in zip(tasks, pool.map(_work, tasks), strict=True):
            notice(f"{task.folder} is done")
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_speech: SpeechData | None = None  # of a worker process: sent once, not with every task
_is_stopped = False


def _start_worker(speech: SpeechData) -> None:
    global _speech
    _speech = speech
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    quiet()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    """End what is being done with its files put away, and begin nothing else that waits."""
    global _is_stopped
    if not _is_stopped:
        _is_stopped = True
        raise SystemExit


def _work(task: FoldTask) -> None:
    assert _speech is not None
    if not _is_stopped:
        _run(task, _speech)


def _run(task: FoldTask, speech: SpeechData) -> None:
    """Train, predict, and store. A training that was cut off goes on."""
    if isinstance(task.recipe.model, SvmSettings):
        features = (
            task.features if task.features is not None else utterance_features(speech, task.recipe.model.features)
        )
        task.folder.mkdir(parents=True, exist_ok=True)
        result = run_svm(task.recipe.model, speech, features, task.fold)
        arrays = {"test": _log_softmax(result.test), "valid": _log_softmax(result.valid)}
        _store(task, speech, arrays, 0)
        return
    job = voice_job(task.recipe, speech, task.fold)
    fitted = fit(task.recipe, job, task.folder, device=task.device, progress=False)
    job.network.load_state_dict(load_weights(fitted.weights)[0])
    job.network.to("cpu").eval()
    arrays = {
        "test": _predict(job.network, task, speech, task.fold.test),
        "valid": _predict(job.network, task, speech, task.fold.valid),
    }
    _store(task, speech, arrays, sum(p.numel() for p in job.network.parameters()))


def _store(task: FoldTask, speech: SpeechData, arrays: dict[str, NDArray[np.float32]], n_parameters: int) -> None:
    meta = json.dumps({"fingerprint": task.fingerprint(speech), "n_parameters": n_parameters})
    with atomic(task.stored) as name:
        np.savez(name, meta=np.array(meta), **arrays)  # type: ignore[arg-type]


def _stored(task: FoldTask, speech: SpeechData) -> FoldResult | None:
    """Read a stored result back; None where there is none, or it is of another recipe or other data."""
    path = task.stored
    if not path.exists():
        return None
    with np.load(path) as arrays:
        meta = json.loads(str(arrays["meta"]))
        if meta["fingerprint"] != task.fingerprint(speech):
            return None
        test, valid = arrays["test"], arrays["valid"]
    curve = read_curve(task.folder, task.fold.name, task.recipe.seed)
    return FoldResult(test, valid, speech.truth(task.fold.valid), int(meta["n_parameters"]), curve)


def _result(task: FoldTask, speech: SpeechData) -> FoldResult:
    result = _stored(task, speech)
    assert result is not None, f"{task.stored} has just been written"
    return result


def _predict(network: torch.nn.Module, task: FoldTask, speech: SpeechData, part: Sequence[int]) -> NDArray[np.float32]:
    if task.transductive:
        return adapted_log_probabilities(
            network, speech.batches(part), [speech.manifest.clips[i].speaker for i in part]
        )
    return clip_log_probabilities(network, speech.batches(part))


def clip_log_probabilities(network: torch.nn.Module, clips: VoiceBatches) -> NDArray[np.float32]:
    """Return (N, C): the mean log-probability over each clip's windows."""
    rows = []
    with torch.no_grad():
        for i in range(len(clips)):
            windows, _ = clips[i]
            rows.append(torch.log_softmax(network(windows), dim=-1).mean(dim=0))
    return np.asarray(torch.stack(rows).numpy(), dtype=np.float32)


def _log_softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(softmax(values), 1e-12)).astype(np.float32)
