"""What emofuse adds to Lightning's callbacks and logger: a training that was cut off goes on as if it had not been."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from emofuse.files import atomic_write, make_folder, write_csv_file
from emofuse.research.tasks.utterances import Hook
from emofuse.research.training.module import Classifier, is_pretrained


class Checkpoint(ModelCheckpoint):
    """Knows which epoch was the best also when the folder was moved since."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what a checkpoint holds, with the paths that the files have now."""

        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else ""

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        scores = {here(path): score for path, score in state_dict["best_k_models"].items()}
        moved = {"dirpath": self.dirpath, "best_k_models": scores, **{name: here(state_dict[name]) for name in paths}}
        super().load_state_dict({**state_dict, **moved})


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all, beside its name.

    Lightning's own writes it into the system's folder for temporary files and moves it: that is a copy where the two
    are on different disks, half of which is there when the process is killed, and the other file stays for good.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Save it. Raises OutputError."""
        make_folder(Path(path).parent)
        with atomic_write(path) as name:
            torch.save(checkpoint, name)


class Reseed(Callback):
    """Starts every epoch from random generators that the seed and the epoch decide alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Seed dropout, which draws from torch's own generator, and the augmentation."""
        # processes that train together draw apart
        mixed = (self.seed * 1_000_003 + trainer.current_epoch + 7_919 * trainer.global_rank) % 2**31
        torch.manual_seed(mixed)
        if trainer.current_epoch > 0:
            # Loaders once drew from this generator in a training that was not cut off, as when those networks were
            # trained whose scores are published; without this draw those scores could not be made again to the digit.
            torch.empty((), dtype=torch.int64).random_()
        cast(Classifier, pl_module).random.manual_seed(mixed)


class Plateau(Callback):
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


class Patience(EarlyStopping):
    """Stops a training for good: one that had stopped does not train another epoch when it is run again."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop at once where a checkpoint said so."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class EpochHook(Callback):
    """Calls a hook after every epoch, with how many there have been of how many."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell it."""
        self._hook("training, epochs", trainer.current_epoch + 1, trainer.max_epochs or 0)


class EpochRow(Callback):
    """Writes an epoch's row of metrics.csv before its checkpoint.

    Lightning logs after it has saved: a training that is killed in between would go on without that row. What it logs
    again takes the place of the same row (`MetricsFile`).
    """

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log what was measured of the epoch's training."""
        found = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train_")}
        if trainer.logger is not None and found:
            trainer.logger.log_metrics({**found, "epoch": trainer.current_epoch}, step=trainer.global_step - 1)
            trainer.logger.save()


class FrozenStart(Callback):
    """Leaves the pretrained part as it is for the first epochs, its norms' statistics too: the rest learns to use it
    before it begins to move. What a network itself never trains stays so."""

    def __init__(self, n_epochs: int) -> None:
        self.n_epochs = n_epochs
        self.parameters: list[nn.Parameter] = []
        self.modules: list[nn.Module] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Note what of the pretrained part is trained at all."""
        network = cast(Classifier, pl_module).network
        self.parameters = [p for name, p in network.named_parameters() if is_pretrained(name) and p.requires_grad]
        self.modules = [m for name, m in network.named_modules() if is_pretrained(name) and m.training]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Freeze it, or let it go."""
        is_frozen = trainer.current_epoch < self.n_epochs
        for parameter in self.parameters:
            parameter.requires_grad_(not is_frozen)
        for module in self.modules:
            module.training = not is_frozen


class MetricsFile(ExperimentWriter):
    """Writes metrics.csv, a row for each epoch: all anew, under another name first, after the rows of an earlier part.

    Lightning's own deletes the earlier part, and appends: a training that is stopped while it does, and goes on, finds
    rows that do not fit their header.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self._rows: list[dict[str, Any]] = _rows_of(Path(self.metrics_file_path))

    def log_metrics(self, metrics_dict: dict[str, float], step: int | None = None) -> None:
        """Take a row, in place of one of the same epoch, step and columns."""
        super().log_metrics(metrics_dict, step)
        row = self.metrics.pop()
        self._rows = [one for one in self._rows if _key(one) != _key(row)]
        self.metrics = [*(one for one in self.metrics if _key(one) != _key(row)), row]

    def save(self) -> None:
        """Write all rows, the earlier ones too."""
        if not self.metrics:
            return
        rows = [*self._rows, *self.metrics]
        columns = sorted({key for row in rows for key in row})
        write_csv_file(self.metrics_file_path, columns, ([row.get(column) for column in columns] for row in rows))
        self._rows, self.metrics = rows, []

    def _check_log_dir_exists(self) -> None:
        """Keep what is there."""


def metrics_logger(out: Path) -> CSVLogger:
    """Return a logger that writes, or goes on with, `out`/metrics.csv."""
    logger = CSVLogger(out, name="", version="", flush_logs_every_n_steps=1)
    logger._experiment = MetricsFile(logger.log_dir)
    return logger


def _key(row: dict[str, Any]) -> tuple[str, str, frozenset[str]]:
    """Return what tells a row from others."""
    return str(row.get("epoch")), str(row.get("step")), frozenset(row)


def _rows_of(path: Path) -> list[dict[str, Any]]:
    """Read the rows of an earlier part; cells beyond the header, which an older version may have left, are dropped."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: cell for key, cell in row.items() if key and cell} for row in csv.DictReader(file)]
