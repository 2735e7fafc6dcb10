"""Run a training: checkpoints, early stopping, weight averaging and resuming are Lightning's."""

from __future__ import annotations

import json
import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from emofuse.atomic import atomic, make_folder
from emofuse.config import Recipe
from emofuse.errors import UsageError
from emofuse.training.dataset import Batch, test_loader, train_loader
from emofuse.training.module import Augment, Classifier

Monitor = Literal["val_accuracy", "val_uar"]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What a recipe comes to: a network, its data and its labels. `valid` None: nothing is selected on.

    fingerprint: a hash of the data, so that a run is never resumed with other data.
    """

    network: nn.Module
    labels: tuple[str, ...]
    train: torch.utils.data.Dataset[Batch]
    valid: torch.utils.data.Dataset[Batch] | None
    augment_input: Augment
    augment_features: Augment | None
    monitor: Monitor
    fingerprint: str
    class_weights: Tensor | None = None


@dataclass(frozen=True, slots=True)
class FitResult:
    """Where the weights are, and the score on the validation part that chose them (None: none was used)."""

    weights: Path
    score: float | None
    epoch: int


def fit(recipe: Recipe, job: Job, folder: str | Path, *, device: str = "cpu", progress: bool = True) -> FitResult:
    """Train `job` as `recipe` says, into `folder`; a training that was cut off goes on from its last epoch.

    Writes model.safetensors (the chosen weights, with the recipe and labels in its header), metrics.csv and
    Lightning's own checkpoints. The same recipe, data and number of threads give the same weights, also when the
    training was cut off in between. Raises UsageError when the folder holds the run of another recipe or of other
    data, a batch is larger than the data, or there is no such device; OutputError when the folder cannot be made.
    """
    out = Path(folder)
    accelerator = _accelerator(device)
    train = train_loader(job.train, recipe.train.batch_size, recipe.seed)
    if not len(train):
        raise UsageError(f"train.batch_size: {recipe.train.batch_size} is more than there is to train on")
    _claim(out, recipe, job.fingerprint)
    job.network.to(memory_format=torch.channels_last)  # convolutions run a third faster on a CPU
    module = Classifier(
        job.network,
        recipe.train,
        len(job.labels),
        job.augment_input,
        job.augment_features,
        recipe.seed,
        job.class_weights,
    )
    best = _Checkpoint(out, "best", monitor=job.monitor, mode="max", enable_version_counter=False)
    # of its own: `save_last` writes only in the epochs that are saved as the best
    last = _Checkpoint(out, "last", enable_version_counter=False)
    checkpoints = [best, last] if job.valid is not None else [last]
    resumed = out / "last.ckpt"
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=recipe.train.epochs,
        precision=recipe.train.precision,
        gradient_clip_val=recipe.train.gradient_clip or None,
        callbacks=[*checkpoints, *_callbacks(recipe, job, progress)],
        logger=_logger(out),
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with warnings.catch_warnings(), _interruptible():
        # Lightning advises worker processes; the data is in memory and already batched
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")  # Lightning 2.6 with torch 2.10 on
        trainer.fit(
            module,
            train,
            test_loader(job.valid, 2 * recipe.train.batch_size) if job.valid is not None else None,
            ckpt_path=str(resumed) if resumed.exists() else None,
            weights_only=True,
        )
    keep_best = recipe.train.keep == "best" and job.valid is not None
    chosen = out / ("best.ckpt" if keep_best else "last.ckpt")
    checkpoint: dict[str, Any] = torch.load(chosen, map_location="cpu", weights_only=True)
    weights = _network_weights(checkpoint["state_dict"])
    target = out / "model.safetensors"
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(job.labels)}
    with atomic(target) as name:
        save_file(weights, name, metadata=header)
    score = float(best.best_model_score) if keep_best and best.best_model_score is not None else None
    return FitResult(target, score, int(checkpoint["epoch"]))


def load_weights(path: str | Path) -> tuple[dict[str, Tensor], Recipe, tuple[str, ...]]:
    """Read model.safetensors back: the weights, the recipe that made them and the labels.

    Raises UsageError when the file is missing or is not one that `fit` wrote.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return weights, Recipe.model_validate_json(header["recipe"]), tuple(json.loads(header["labels"]))
    except FileNotFoundError:
        raise UsageError(f"no checkpoint at {path}") from None
    except (KeyError, OSError, ValueError) as error:
        raise UsageError(f"{path} is not a checkpoint of emofuse: {error}") from None
    except Exception as error:  # noqa: BLE001 (safetensors raises its own, which has no public base)
        raise UsageError(f"{path} is not a safetensors file: {error}") from None


def _claim(out: Path, recipe: Recipe, fingerprint: str) -> None:
    make_folder(out)
    record = out / "run.json"
    text = json.dumps({"recipe": recipe.model_dump(mode="json"), "data": fingerprint}, indent=2)
    if record.exists() and record.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{out} holds a run of another recipe or of other data", "choose another folder with -o, or remove it"
        )
    with atomic(record) as name:
        name.write_text(text, encoding="utf-8")


def _accelerator(device: str) -> Literal["cpu", "gpu"]:
    if device == "cpu":
        return "cpu"
    if device != "cuda":
        raise UsageError(f"device {device!r} is not one of cpu, cuda")
    if not torch.cuda.is_available():
        raise UsageError("there is no CUDA device here that torch can use", "train with --device cpu")
    return "gpu"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt: Lightning exits with 1, and has the process ignore the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


class _Checkpoint(ModelCheckpoint):
    """Knows which epoch was the best also when the folder was moved since."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what a checkpoint holds, with the paths that the files have now."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else ""

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        scores = {here(path): score for path, score in state_dict["best_k_models"].items()}
        moved = {"dirpath": self.dirpath, "best_k_models": scores, **{name: here(state_dict[name]) for name in paths}}
        super().load_state_dict({**state_dict, **moved})


class _Reseed(Callback):
    """Starts every epoch from random generators that the seed and the epoch decide alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Seed dropout, which draws from torch's own generator, and the augmentation."""
        mixed = (self.seed * 1_000_003 + trainer.current_epoch) % 2**31
        torch.manual_seed(mixed)
        if trainer.current_epoch > 0:
            # Loaders once drew from this generator in a training that was not cut off, as when those networks were
            # trained whose scores are published; without this draw those scores could not be made again to the digit.
            torch.empty((), dtype=torch.int64).random_()
        cast(Classifier, pl_module).random.manual_seed(mixed)


class _Plateau(Callback):
    """Takes the last step of a plateau's schedule again when a training goes on: Lightning saves before it takes it."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep what the schedules look at."""
        self.values = {
            str(config.monitor): float(trainer.callback_metrics[str(config.monitor)])
            for config in trainer.lr_scheduler_configs
            if config.reduce_on_plateau
        }

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return dict(self.values)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.values = dict(state_dict)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take the step, where a checkpoint was read."""
        for config in trainer.lr_scheduler_configs:
            if config.reduce_on_plateau and str(config.monitor) in self.values:
                cast(ReduceLROnPlateau, config.scheduler).step(self.values[str(config.monitor)])


class _Patience(EarlyStopping):
    """Stops a training for good: one that had stopped does not train another epoch when it is run again."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop at once where a checkpoint said so."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def _logger(out: Path) -> CSVLogger:
    """Make a logger that goes on with the metrics.csv of a training that was cut off: Lightning's deletes it."""
    record = out / "metrics.csv"
    earlier = record.read_bytes() if record.exists() else b""
    logger = CSVLogger(out, name="", version="", flush_logs_every_n_steps=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        writer = logger.experiment
    if earlier:
        record.write_bytes(earlier)
        writer.metrics_keys = earlier.decode().splitlines()[0].split(",")
    return logger


def _callbacks(recipe: Recipe, job: Job, progress: bool) -> list[Callback]:
    callbacks: list[Callback] = [_Reseed(recipe.seed), _Plateau()]
    if recipe.train.ema_decay is not None:
        callbacks.append(EMAWeightAveraging(decay=recipe.train.ema_decay))
    if recipe.train.patience and job.valid is not None:
        callbacks.append(_Patience(job.monitor, patience=recipe.train.patience, mode="max"))
    if progress:
        callbacks.append(RichProgressBar())
    return callbacks


def _network_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "network."
    return {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}


def quiet() -> None:
    """Silence Lightning's notes about hardware, which say nothing a user asked for."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
