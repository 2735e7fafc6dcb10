"""The Lightning module that every classifier is trained by."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol, cast

import lightning as L
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.utils._pytree import tree_map
from torchmetrics.classification import MulticlassAccuracy

from emofuse.research.models.frontends import FeatureKind
from emofuse.research.recipes.recipe import TrainSettings
from emofuse.research.tasks.batches import Augment, Inputs


class Network(Protocol):
    """What is trained here: a front end, and a classifier of what it makes. forward is one after the other.

    inputs: what forward takes, by name and in order. feature_kind: what the front end makes.
    """

    inputs: ClassVar[tuple[str, ...]]
    frontend: nn.Module
    feature_kind: ClassVar[FeatureKind]

    def classify(self, features: Any) -> Tensor:
        """Map Inputs (N, ...) to logits (N, C), or to (N, T, C) where every frame has its own."""
        ...


def score_clips(network: nn.Module, x: Inputs) -> Tensor:
    """Score clips (N, ...), or the K windows (N, K, T) of sound of each. Returns (N, C) log-probabilities: where there
    are several windows or frames, their mean, which is not normalised."""
    if isinstance(x, tuple):
        logits: Tensor = network(*x)
    elif cast(Network, network).inputs == ("samples",) and x.ndim == 3:
        logits = network(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    else:
        logits = network(x)
    scores = F.log_softmax(logits.float(), dim=-1)
    return scores.mean(dim=1) if scores.ndim == 3 else scores


class Classifier(L.LightningModule):
    """Trains a network on targets that are distributions (N, C).

    augment_input works on what goes into the front end, augment_features on what comes out of it.
    class_weights: (C,) what an example of each class counts for in the loss; None: all alike. class_prior: (C,) how
    often each class is a target, which `TrainSettings.logit_adjustment` takes out of the logits (Menon et al., 2021,
    https://arxiv.org/abs/2007.07314).
    """

    def __init__(
        self,
        network: nn.Module,
        settings: TrainSettings,
        n_classes: int,
        augment_input: Augment,
        augment_features: Augment | None,
        seed: int,
        class_weights: Tensor | None = None,
        class_prior: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.augment_input = augment_input
        self.augment_features = augment_features
        self.random = Generator().manual_seed(seed)
        self.accuracy = MulticlassAccuracy(n_classes, average="micro")
        self.recall = MulticlassAccuracy(n_classes, average="macro")
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor | None
        offset = None if class_prior is None else settings.logit_adjustment * class_prior.clamp(min=1e-4).log()
        self.register_buffer("logit_offset", offset, persistent=False)
        self.logit_offset: Tensor | None

    def forward(self, x: Inputs) -> Tensor:
        """Score a batch: see `score_clips`."""
        return score_clips(self.network, x)

    def training_step(self, batch: tuple[Inputs, Tensor], batch_idx: int) -> Tensor:
        """Augment, mix up, and return the cross-entropy with the target distributions."""
        x, target = batch
        network = cast(Network, self.network)
        # front ends take powers and logarithms, which half precision does not hold
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            x = self._augmented(self.augment_input, x)
            x = network.frontend(*x) if isinstance(x, tuple) else network.frontend(x)
            if self.augment_features is not None:
                x = self._augmented(self.augment_features, x)
            if self.settings.mixup > 0:
                x, target = self._mixup(x, target)
        logits = network.classify(x).float()
        if logits.ndim == 3:  # every frame learns the clip's label
            target = target.repeat_interleave(logits.shape[1], dim=0)
            logits = logits.flatten(0, 1)
        if self.logit_offset is not None:
            logits = logits + self.logit_offset
        return F.cross_entropy(logits, target, self.class_weights, label_smoothing=self.settings.label_smoothing)

    def on_train_epoch_start(self) -> None:
        """Begin to add up the losses of an epoch."""
        self.losses = torch.zeros((), device=self.device)
        self.n_losses = 0

    def on_train_batch_end(self, outputs: Any, batch: tuple[Inputs, Tensor], batch_idx: int) -> None:
        """Add up the losses, and log their mean with the last batch: with every one it would take a fifth of a small
        network's time."""
        n = len(batch[1])
        self.losses = self.losses + outputs["loss"].detach() * n
        self.n_losses += n
        if self.trainer.is_last_batch:
            # of all processes that train together: a schedule that looks at it must do the same in each of them
            mean = self.losses / self.n_losses
            self.log("train_loss", mean, on_step=False, on_epoch=True, batch_size=n, sync_dist=True)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch to where the network is; it is made on the CPU."""
        return batch if device.type == "cpu" else super().transfer_batch_to_device(batch, device, dataloader_idx)

    def validation_step(self, batch: tuple[Inputs, Tensor], batch_idx: int) -> None:
        """Count what is right."""
        x, target = batch
        logits = self(x)
        label = target.argmax(dim=1)
        self.accuracy.update(logits, label)
        self.recall.update(logits, label)
        self.log("val_loss", F.cross_entropy(logits, target), batch_size=len(target), sync_dist=True)
        self.log("val_accuracy", self.accuracy, prog_bar=True)
        self.log("val_uar", self.recall, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Make the optimizer, without decay on biases and norms, and its schedule."""
        s = self.settings
        groups = _parameter_groups(self.network, s)
        optimizer: Optimizer
        if s.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=s.lr, momentum=0.9, nesterov=True)
        else:
            kind = torch.optim.AdamW if s.optimizer == "adamw" else torch.optim.Adam
            optimizer = kind(groups, lr=s.lr)
        if s.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=s.plateau_factor, patience=s.plateau_patience
            )
            # without validation speakers the training's own loss must do
            monitor = "val_loss" if self.trainer.enable_validation else "train_loss"
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": monitor}}
        n_steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(n_steps * s.warmup_epochs / s.epochs))

        def factor(step: int) -> float:
            rising = min(1.0, (step + 1) / warmup)
            if s.schedule == "constant":
                return rising
            progress = min(1.0, max(0.0, (step - warmup) / max(1, n_steps - warmup)))
            return rising * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * progress)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _augmented(self, augment: Augment, x: Inputs) -> Inputs:
        """Augment on the CPU, where the random numbers are drawn: the same ones whatever the device."""
        device = target_device(x)
        changed: Inputs = augment(tree_map(Tensor.cpu, x), self.random)
        return cast(Inputs, tree_map(lambda one: one.to(device), changed))

    def _mixup(self, x: Inputs, target: Tensor) -> tuple[Inputs, Tensor]:
        alpha = torch.full((len(target),), self.settings.mixup)
        share = torch._sample_dirichlet(torch.stack([alpha, alpha], dim=1), generator=self.random)[:, 0]
        share = torch.maximum(share, 1 - share).to(target)
        other = torch.randperm(len(target), generator=self.random)

        def mix(one: Tensor) -> Tensor:
            wide = share.view(-1, *[1] * (one.ndim - 1))
            return wide * one + (1 - wide) * one[other]

        return cast(Inputs, tree_map(mix, x)), mix(target)


def target_device(x: Inputs) -> torch.device:
    """Return the device that a batch is on."""
    return x[0].device if isinstance(x, tuple) else x.device


def is_pretrained(name: str) -> bool:
    """Whether a parameter or a module of that name belongs to the part of a network that may be pretrained."""
    return any(part.startswith("backbone") for part in name.split("."))


def _parameter_groups(network: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Split weights from biases and norms (no decay), and the pretrained part from the rest (its own rate)."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = (parameter.ndim > 1, is_pretrained(name))
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "lr": settings.lr * (settings.backbone_lr_scale if pretrained else 1.0),
        }
        for (decays, pretrained), parameters in groups.items()
    ]
