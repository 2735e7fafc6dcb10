"""The Lightning module that every classifier is trained by."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, cast

import lightning as L
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torchmetrics.classification import MulticlassAccuracy

from emofuse.config import TrainSettings
from emofuse.models.frontends import FeatureKind

Augment = Callable[[Tensor, Generator], Tensor]


class Network(Protocol):
    """What is trained here: a front end, and a classifier of what it makes. forward is one after the other."""

    frontend: nn.Module
    feature_kind: ClassVar[FeatureKind]

    def classify(self, features: Tensor) -> Tensor:
        """Map features (N, ...) to logits (N, C)."""
        ...


class Classifier(L.LightningModule):
    """Trains a network on targets that are distributions (N, C).

    augment_input works on what goes into the front end, augment_features on what comes out of it.
    class_weights: (C,) what an example of each class counts for in the loss; None: all alike.
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

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch (N, ...) or, where it holds K windows each (N, K, T), the mean log-probability over them."""
        if x.ndim == 3 and x.shape[-1] > 1000:  # (N, K, T) samples
            n, k, t = x.shape
            logits: Tensor = self.network(x.reshape(n * k, t))
            return F.log_softmax(logits, dim=-1).view(n, k, -1).mean(dim=1)
        scores: Tensor = self.network(x)
        return scores

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Augment, mix up, and return the cross-entropy with the target distributions."""
        x, target = batch
        network = cast(Network, self.network)
        with torch.no_grad():
            x = network.frontend(self._augmented(self.augment_input, x))
            if self.augment_features is not None:
                x = self._augmented(self.augment_features, x)
            if self.settings.mixup > 0:
                x, target = self._mixup(x, target)
        logits = network.classify(x).float()
        loss = F.cross_entropy(logits, target, self.class_weights, label_smoothing=self.settings.label_smoothing)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(target))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count what is right."""
        x, target = batch
        logits = self(x).float()
        label = target.argmax(dim=1)
        self.accuracy.update(logits, label)
        self.recall.update(logits, label)
        self.log("val_loss", F.cross_entropy(logits, target), batch_size=len(target))
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

    def _augmented(self, augment: Augment, x: Tensor) -> Tensor:
        """Augment on the CPU, where the random numbers are drawn: the same ones whatever the device."""
        return augment(x.cpu(), self.random).to(x.device)

    def _mixup(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        alpha = torch.full((len(x),), self.settings.mixup)
        share = torch._sample_dirichlet(torch.stack([alpha, alpha], dim=1), generator=self.random)[:, 0]
        share = torch.maximum(share, 1 - share).to(x)
        other = torch.randperm(len(x), generator=self.random)
        wide = share.view(-1, *[1] * (x.ndim - 1))
        mixed = wide * x + (1 - wide) * x[other]
        return mixed, share[:, None] * target + (1 - share[:, None]) * target[other]


def _parameter_groups(network: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    """Split weights from biases and norms (no decay), and the pretrained part from the rest (its own rate)."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        key = (parameter.ndim > 1, name.startswith("backbone."))
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": settings.weight_decay if decays else 0.0,
            "lr": settings.lr * (settings.backbone_lr_scale if pretrained else 1.0),
        }
        for (decays, pretrained), parameters in groups.items()
    ]
