"""Run a training: checkpoints, early stopping, weight averaging and resuming are Lightning's."""

from __future__ import annotations

import json
import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, RichProgressBar
from lightning.pytorch.utilities import rank_zero_only as rank_zero_only
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from emofuse.errors import UsageError
from emofuse.files import atomic_write, make_folder
from emofuse.ownership import ELSEWHERE_HINT
from emofuse.processes import TERMINATED
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import Job
from emofuse.research.tasks.batches import Batch, test_loader, train_loader
from emofuse.research.tasks.utterances import Hook
from emofuse.research.training.callbacks import (
    Checkpoint,
    EpochHook,
    EpochRow,
    FrozenStart,
    Patience,
    Plateau,
    Reseed,
    WholeCheckpoints,
    metrics_logger,
)
from emofuse.research.training.module import Classifier

DEVICES: Final = ("cpu", "cuda", "auto")  # auto: a GPU where there is one
# How processes train together: auto also allows weights without a gradient, as a frozen part has, and ddp does not look
# for these; of one process there is nothing to choose
STRATEGIES: Final = {"auto": "ddp_find_unused_parameters_true", "ddp": "ddp"}

_LEAST_BATCH: Final = 2  # batch norm has nothing to go by in one example


@dataclass(frozen=True, slots=True)
class FitResult:
    """Where the weights are, and the score on the validation part that chose them (None: none was used)."""

    weights: Path
    score: float | None
    epoch: int


def with_fitting_batch(recipe: Recipe, job: Job, n_processes: int, notice: Callable[[str], None]) -> Recipe:
    """Return the recipe, with a smaller batch where there are fewer examples than one has.

    Args:
        recipe: What is to be trained.
        job: Its data.
        n_processes: That share them.
        notice: Gets one line where the batch is lowered.

    Returns:
        The recipe. A lowered batch is half of the examples, so that an epoch has two steps; where there are not two
        examples, it is as it was, and `fit` refuses it.
    """
    n_each = _n_each(job, n_processes)
    size = recipe.train.batch_size
    if size <= n_each or n_each < _LEAST_BATCH:
        return recipe
    lowered = max(_LEAST_BATCH, n_each // 2)
    notice(f"train.batch_size is lowered from {size} to {lowered}: there are only {n_each} examples to train on")
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"batch_size": lowered})})


def _n_each(job: Job, n_processes: int) -> int:
    """Return how many examples each process gets."""
    return len(job.train) // n_processes  # type: ignore[arg-type]  # torch's Dataset promises no length, ours have one


def classifier(recipe: Recipe, job: Job) -> Classifier:
    """Return what is trained: the job's network, with the loss and the augmentation that the recipe asks for."""
    for layer in job.network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.to(memory_format=torch.channels_last)  # runs a third faster on a CPU
    return Classifier(
        job.network,
        recipe.train,
        len(job.labels),
        job.augment_input,
        job.augment_features,
        recipe.seed,
        job.class_weights,
        job.class_prior,
    )


def fit(
    recipe: Recipe,
    job: Job,
    folder: str | Path,
    *,
    device: str = "cpu",
    n_devices: int = 1,
    n_nodes: int = 1,
    strategy: str = "auto",
    progress: bool = True,
    hook: Hook | None = None,
) -> FitResult:
    """Train `job` as `recipe` says, into `folder`; a training that was cut off goes on from its last epoch.

    n_devices: processes of Lightning's DDP on each of n_nodes machines; each process gets its share of every epoch in
    batches of batch_size. Several machines need a folder that they share, and what starts the command on each of them:
    SLURM, torchrun, or NODE_RANK, MASTER_ADDR and MASTER_PORT in its environment. strategy: one of STRATEGIES.
    progress: whether a bar is drawn. hook: is called after every epoch.

    Writes model.safetensors (the chosen weights, with the recipe and labels in its header), metrics.csv and
    Lightning's own checkpoints. The same recipe, data and number of threads give the same weights, also when the
    training was cut off in between. Raises UsageError when the folder holds the run of another recipe or of other
    data, a batch is larger than the data or than the memory, there is no such device, or the precision is bfloat16 on a
    processor without it; OutputError when the folder
    cannot be made. A process that DDP started beside the first one ends here.
    """
    out = Path(folder)
    accelerator = _accelerator(device, n_devices)
    if recipe.train.precision == "bf16-mixed" and accelerator == "cpu" and not computes_bfloat16():
        reason = "this processor does not compute in bfloat16: it would take many times as long"
        raise UsageError(f"train.precision: {reason}", "train.precision=32-true")
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no strategy {strategy!r}", f"allowed: {', '.join(STRATEGIES)}")
    n_processes = n_devices * n_nodes
    train = train_loader(job.train, recipe.train.batch_size, recipe.seed)
    n_each = _n_each(job, n_processes)
    if len(train) < n_processes:
        share = f" in each of {n_processes} processes" if n_processes > 1 else ""
        raise UsageError(
            f"train.batch_size: {recipe.train.batch_size} is more than there is to train on{share}",
            f"there are {n_each}: lower train.batch_size, or train on more",
        )
    _check_run_folder(out, recipe, job.fingerprint)
    began = {name: value.detach().clone() for name, value in job.network.state_dict().items()}
    resumed = _resume_checkpoint(out / "last.ckpt", job.network)
    module = classifier(recipe, job).train()  # Lightning leaves a network in the mode that its preparation left it in
    best = Checkpoint(out, "best", monitor=job.monitor, mode="max", enable_version_counter=False)
    # of its own: `save_last` writes only in the epochs that are saved as the best
    last = Checkpoint(out, "last", enable_version_counter=False)
    checkpoints = [best, last] if job.valid is not None else [last]
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=n_devices,
        num_nodes=n_nodes,
        strategy=STRATEGIES[strategy] if n_processes > 1 else "auto",
        use_distributed_sampler=False,  # the order of an epoch is ours: see EpochSampler
        max_epochs=recipe.train.epochs,
        precision=recipe.train.precision,
        gradient_clip_val=recipe.train.gradient_clip or None,
        callbacks=[*checkpoints, *_callbacks(recipe, job, progress, hook)],
        plugins=[WholeCheckpoints()],
        logger=metrics_logger(out),
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with warnings.catch_warnings(), _interruptible(), _within_memory(recipe, job):
        # Lightning advises worker processes; the data is in memory and already batched
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # a frozen part
        warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")  # Lightning 2.6 with torch 2.10 on
        trainer.fit(
            module,
            train,
            _valid_loader(job.valid, recipe) if job.valid is not None else None,
            ckpt_path=resumed,
            weights_only=True,
        )
    if not trainer.is_global_zero:
        raise SystemExit(0)  # a process that only helped
    keep_best = recipe.train.keep == "best" and job.valid is not None
    chosen = out / ("best.ckpt" if keep_best else "last.ckpt")
    checkpoint: dict[str, Any] = torch.load(chosen, map_location="cpu", weights_only=True)
    weights = _averaged(_network_weights(checkpoint["state_dict"]), began, recipe.train.start_share)
    target = out / "model.safetensors"
    header = {"recipe": _as_trained(recipe, job).model_dump_json(), "labels": json.dumps(job.labels)}
    with atomic_write(target) as name:
        save_file(weights, name, metadata=header)
    score = float(best.best_model_score) if keep_best and best.best_model_score is not None else None
    return FitResult(target, score, int(checkpoint["epoch"]))


def _as_trained(recipe: Recipe, job: Job) -> Recipe:
    """Return the recipe without the corpora that the job has nothing of, so that a card does not name them."""
    names = tuple(name for name in recipe.data.train_on if name not in job.left_out)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"train_on": names})})


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


def load_weights_into(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a network the weights that `path` holds. Raises UsageError when they are of another one."""
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        first = " ".join(str(error).splitlines()[1:2]).strip()[:120]
        raise UsageError(f"{path} holds the weights of another network, or for other labels: {first}") from None


def _resume_checkpoint(path: Path, network: nn.Module) -> str | None:
    """Return the checkpoint that a training goes on from, or None where there is none."""
    if not path.exists():
        return None
    try:
        weights = _network_weights(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    except Exception:  # noqa: BLE001 (a damaged pickle raises whatever comes of it)
        raise UsageError(f"{path} is not whole, so that the training cannot go on", "remove it to begin anew") from None
    load_weights_into(network, weights, path)  # for Lightning would say so in many lines
    return str(path)


def _check_run_folder(out: Path, recipe: Recipe, fingerprint: str) -> None:
    make_folder(out)
    record = out / "run.json"
    # last.ckpt is read, and refused where it is of another training
    foreign = [name for name in ("best.ckpt", "model.safetensors", "metrics.csv") if (out / name).exists()]
    if foreign and not record.exists():
        raise UsageError(f"{out / foreign[0]} is of another program, and would be replaced", ELSEWHERE_HINT)
    text = json.dumps({"recipe": recipe.model_dump(mode="json"), "data": fingerprint}, indent=2)
    if record.exists() and record.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{out} holds a run of another recipe or of other data", "choose another folder with -o, or remove it"
        )
    with atomic_write(record) as name:
        name.write_text(text, encoding="utf-8")


def _valid_loader(valid: torch.utils.data.Dataset[Batch], recipe: Recipe) -> torch.utils.data.DataLoader[Batch]:
    return test_loader(valid, getattr(valid, "n_at_once", 2 * recipe.train.batch_size))


def computes_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16, which is emulated otherwise, and by some layers refused."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _accelerator(device: str, n_devices: int) -> Literal["cpu", "gpu"]:
    if device not in DEVICES:
        raise UsageError(f"device {device!r} is not one of {', '.join(DEVICES)}")
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "cpu" or (device == "auto" and not n_gpus):
        return "cpu"
    if not n_gpus:
        raise UsageError("there is no CUDA device here that torch can use", "train with --device cpu")
    if n_gpus < n_devices:
        raise UsageError(f"there are {n_gpus} CUDA devices here, not {n_devices}", "lower --devices")
    return "gpu"


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt: Lightning exits with 1, and has the process ignore the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        if stop.code == TERMINATED:
            raise
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None


@contextmanager
def _within_memory(recipe: Recipe, job: Job) -> Iterator[None]:
    """Say what to lower where the memory does not hold a batch."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch has a class of its own for GPUs alone; its CPU allocator raises RuntimeError
        if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
            where = f"the memory does not hold a batch of {recipe.train.batch_size}"
            lower = "lower " + " or ".join(filter(None, (", ".join(job.smaller[:-1]), job.smaller[-1])))
            raise UsageError(where, lower) from None
        raise


def _callbacks(recipe: Recipe, job: Job, progress: bool, hook: Hook | None) -> list[Callback]:
    callbacks: list[Callback] = [Reseed(recipe.seed), Plateau(), EpochRow()]
    if recipe.train.ema_decay is not None:
        callbacks.append(EMAWeightAveraging(decay=recipe.train.ema_decay))
    if recipe.train.frozen_epochs:
        callbacks.append(FrozenStart(recipe.train.frozen_epochs))
    if recipe.train.patience and job.valid is not None:
        callbacks.append(Patience(job.monitor, patience=recipe.train.patience, mode="max"))
    if progress:
        callbacks.append(RichProgressBar())
    if hook is not None:
        callbacks.append(EpochHook(hook))
    return callbacks


def _averaged(weights: dict[str, Tensor], began: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """Return the mean of trained weights and of those that the training began with, which count for `share`."""
    if not share:
        return weights
    return {
        name: torch.lerp(value, began[name].to(value), share).contiguous() if value.is_floating_point() else value
        for name, value in weights.items()
    }


def _network_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "network."
    return {k.removeprefix(prefix): v.contiguous() for k, v in state.items() if k.startswith(prefix)}


def silence_lightning() -> None:
    """Silence Lightning's notes about hardware and processes, which are nothing that a user asked for."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
