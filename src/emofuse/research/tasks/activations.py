"""What frozen blocks make of the training clips, made once: the rest of the network then trains much faster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.utils.data import Dataset

from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.voice import VoiceNet
from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.tasks.batches import Augment, Batch, VoiceBatches

AT_ONCE = 32  # clips; they are each other's babble


class Activations:
    """Augmented versions of clips as the frozen blocks of a network have them.

    Attributes:
        made: (V, N, c, F, T) float16, what the blocks make.
        weights: (V, N, 1, T) float16, of its frames.
    """

    def __init__(self, made: Tensor, weights: Tensor) -> None:
        self.made, self.weights = made, weights


def make_activations(
    network: VoiceNet | WhisperVoice,
    clips: Sequence[NDArray[np.int16]],
    window: int,
    augment: tuple[Augment, Augment],
    n_versions: int,
    seed: int,
    n_as_recorded: int = 0,
) -> Activations:
    """Augment every clip and run the frozen blocks of a network over it, n_versions times.

    Args:
        network: Whose blocks they are.
        clips: (T,) samples each.
        window: Samples of which a random stretch of each clip is cut.
        augment: What is done to the samples, and to what the front end makes of them.
        n_versions: How many of each clip.
        seed: Of all that is drawn.
        n_as_recorded: Of the versions, the last ones, in which nothing is augmented; which stretch of a clip is cut is
            drawn there too.
    """
    generator = Generator().manual_seed(seed)
    draws = VoiceBatches(clips, np.zeros((len(clips), 1), np.float32), window)
    made: list[Tensor] = []
    weights: list[Tensor] = []
    for version in range(n_versions):
        augment_input, augment_features = augment if version < n_versions - n_as_recorded else (_leave, _leave)
        draws.reseed(seed, version)
        order = np.random.default_rng((seed, version)).permutation(len(clips))
        back = torch.from_numpy(np.argsort(order))
        parts = [order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE)]
        with _as_tested(network):
            pairs = [
                network.activate(
                    augment_features(
                        network.frontend(augment_input(draws.__getitems__(part.tolist())[0], generator)), generator
                    )
                )
                for part in parts
            ]
        made.append(torch.cat([x.half() for x, _ in pairs])[back])
        weights.append(torch.cat([w.half() for _, w in pairs])[back])
    return Activations(torch.stack(made), torch.stack(weights))


@contextmanager
def _as_tested(network: nn.Module) -> Iterator[None]:
    """Have a network in eval mode and without gradients for a while, and then in the mode that it had."""
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train(was_training)


def _leave(x: Tensor, generator: Generator) -> Tensor:
    return x


class WindowActivations(Dataset[Batch]):
    """The windows of an evaluation set as the frozen blocks of a network have them, and their targets (N, C): they are
    the same after every epoch.

    Attributes:
        made: (N, K, c, F, T) float16, of K windows a clip.
        weights: (N, K, 1, T) float16, of their frames.
    """

    def __init__(self, network: VoiceNet | WhisperVoice, windows: VoiceBatches) -> None:
        parts = []
        with _as_tested(network):
            for first in range(0, len(windows), AT_ONCE):
                samples, _ = windows.__getitems__(range(first, min(first + AT_ONCE, len(windows))))
                made = network.activate(network.frontend(samples.flatten(0, 1)))
                parts.append(tuple(one.half().view(*samples.shape[:2], *one.shape[1:]) for one in made))
        self.made, self.weights = (torch.cat(part) for part in zip(*parts, strict=True))
        self.targets = windows.targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Batch:
        """Return what the blocks make of one clip's windows and its target: see the attributes."""
        (made, weights), targets = self.__getitems__([index])
        return (made[0], weights[0]), targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return those of several clips."""
        at = torch.as_tensor(list(indices))
        return (self.made[at].float(), self.weights[at].float()), self.targets[at]


class ActivationBatches(Dataset[Batch]):
    """Versions of clips, one of each drawn at random, and their targets (N, C). draws: see VoiceBatches' weights."""

    def __init__(
        self,
        activations: Activations,
        chosen: Sequence[int],
        targets: NDArray[np.float32],
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.activations = activations
        self.chosen = torch.as_tensor(list(chosen))
        self.targets = torch.from_numpy(targets)
        self.weights = weights
        self.random = np.random.default_rng(0)

    def beside(self, others: Sequence[int], share: float) -> ActivationBatches:
        """Return these, and clips that are of no class: as a share of what is drawn, all classes alike their target."""
        n, n_classes = self.targets.shape
        weights = np.ones(n) if self.weights is None else self.weights
        flat = np.full((len(others), n_classes), 1 / n_classes, np.float32)
        return ActivationBatches(
            self.activations,
            [*self.chosen.tolist(), *others],
            np.concatenate([self.targets.numpy(), flat]),
            np.concatenate([(1 - share) * weights / weights.sum(), np.full(len(others), share / len(others))]),
        )

    def reseed(self, seed: int, epoch: int) -> None:
        """Start the draws of versions of one epoch."""
        self.random = np.random.default_rng((seed, epoch))

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> Batch:
        """Return the activations (c, F, T) of one clip and the weights (1, T) of their frames; and its target (C,)."""
        (made, weights), targets = self.__getitems__([index])
        return (made[0], weights[0]), targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return (B, c, F, T) and (B, 1, T) float32, and the targets (B, C)."""
        at = torch.as_tensor(list(indices))
        version = torch.from_numpy(self.random.integers(0, len(self.activations.made), len(at)))
        clip = self.chosen[at]
        made = self.activations.made[version, clip].float()
        return (made, self.activations.weights[version, clip].float()), self.targets[at]


class AfterFrozen(nn.Module):
    """The trained part of a network, for its training: it takes activations there, also of the windows that validate,
    and samples when it is tested.

    Its weights have the names that they have in the network.
    """

    inputs: ClassVar[tuple[str, ...]] = ("samples",)
    feature_kind: ClassVar[FeatureKind] = "features"

    def __init__(self, network: VoiceNet | WhisperVoice) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head
        self.frontend = _AsMade()
        self._network = (network,)  # not a module of this one: it would have every weight twice

    def train(self, mode: bool = True) -> AfterFrozen:
        """Set the mode of the network."""
        super().train(mode)
        self._network[0].train(mode)
        return self

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Score speech: samples (N, T) float32 in [-1, 1] at 16 kHz; or the activations (N, K, c, F, T) and weights
        (N, K, 1, T) of K windows of each clip. Returns (N, C), or (N, K, C), logits."""
        if weights is None:
            logits: Tensor = self._network[0](x)
            return logits
        return self.classify((x.flatten(0, 1), weights.flatten(0, 1))).view(*x.shape[:2], -1)

    def classify(self, activations: tuple[Tensor, Tensor]) -> Tensor:
        """Score activations (N, c, F, T) and weights (N, 1, T). Returns (N, C) logits."""
        logits: Tensor = self.head(self._network[0].embed_activations(*activations))
        return logits


class _AsMade(nn.Module):
    def forward(self, made: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return made, weights
