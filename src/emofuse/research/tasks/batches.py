"""What a training reads: all of it in memory, handed out in whole batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

Inputs: TypeAlias = Tensor | tuple[Tensor, ...]  # of a network, or of its classifier: all (N, ...)
Augment = Callable[[Any, Generator], Any]  # gets Inputs and returns as many
Batch = tuple[Any, Tensor]  # what a network gets, one tensor or several, and the targets (N, C)


class FaceBatches(Dataset[Batch]):
    """Faces and their label distributions. images: (N, S, S) uint8; targets: (N, C) float32, rows sum to 1."""

    def __init__(self, images: NDArray[np.uint8], targets: NDArray[np.float32]) -> None:
        self.images = torch.from_numpy(images)
        self.targets = torch.from_numpy(targets)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Batch:
        """Return one face as (1, S, S) float32 in [0, 255], and its target (C,)."""
        images, targets = self.__getitems__([index])
        return images[0], targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return (B, 1, S, S) float32 and (B, C): one gather instead of B."""
        chosen = torch.as_tensor(list(indices))
        return self.images[chosen].unsqueeze(1).float(), self.targets[chosen]


class VoiceBatches(Dataset[Batch]):
    """Windows of speech and their targets. clips: (T,) int16 each, at one rate; targets: (N, C) float32.

    In training a window starts anywhere in its clip; otherwise `n_windows` are spread evenly over it, and a
    clip that is shorter than a window is padded with zeros at its end. weights: (N,) how often a clip is drawn beside
    the others in training; None: each once in every epoch.
    """

    def __init__(
        self,
        clips: Sequence[NDArray[np.int16]],
        targets: NDArray[np.float32],
        window: int,
        n_windows: int = 0,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.weights = weights
        self.clips = list(clips)
        self.targets = torch.from_numpy(targets)
        self.window = window  # samples
        self.n_windows = n_windows  # 0: one at random
        self.random = np.random.default_rng(0)

    def reseed(self, seed: int, epoch: int) -> None:
        """Start the draws of windows of one epoch."""
        self.random = np.random.default_rng((seed, epoch))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Batch:
        """Return one clip's (T,) or (K, T) windows, float32 in [-1, 1], and its target (C,)."""
        windows, targets = self.__getitems__([index])
        return windows[0], targets[0]

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """Return (B, T) in training, (B, K, T) otherwise, and the targets (B, C)."""
        windows = np.stack([self._windows(self.clips[i]) for i in indices])
        if self.n_windows == 0:
            windows = windows[:, 0]
        return torch.from_numpy(windows.astype(np.float32) / 32768.0), self.targets[list(indices)]

    def _windows(self, clip: NDArray[np.int16]) -> NDArray[np.int16]:
        spare = len(clip) - self.window
        if self.n_windows == 0:
            starts = [int(self.random.integers(0, spare + 1)) if spare > 0 else 0]
        else:
            starts = np.linspace(0, max(spare, 0), self.n_windows).astype(int).tolist()
        pieces = [clip[start : start + self.window] for start in starts]
        return np.stack([np.pad(piece, (0, self.window - len(piece))) for piece in pieces])


def _unchanged(batch: Any) -> Any:
    return batch  # `__getitems__` has made it whole already


class _Reseeded(Protocol):
    def reseed(self, seed: int, epoch: int) -> None: ...


class _Sized(Protocol):
    lengths: NDArray[np.int64]


class EpochSampler(Sampler[int]):
    """Every index once, in an order that the seed and the epoch decide alone: a resumed training sees the same one.
    Of data with `weights` as many are drawn, each as often as its weight has it.

    Of several processes that train together each takes its own share; all have as much of it.
    """

    def __init__(self, data: Dataset[Batch], seed: int, batch_size: int = 1) -> None:
        self.data = data
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning says which epoch begins."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._n_all // _processes()[1]

    def __iter__(self) -> Iterator[int]:
        rank, n_processes = _processes()
        if hasattr(self.data, "reseed"):
            reseeded: _Reseeded = self.data
            reseeded.reseed(self.seed + 1_000_003 * rank, self.epoch)
        random = np.random.default_rng((self.seed, self.epoch))
        weights = getattr(self.data, "weights", None)
        if weights is None:
            order = random.permutation(self._n_all)
        else:
            order = random.choice(self._n_all, self._n_all, p=weights / weights.sum())
        if hasattr(self.data, "lengths"):
            order = self._alike(order, random)
        return iter(order[rank::n_processes][: len(self)].tolist())

    def _alike(self, order: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
        """Bring examples of about one length together, as many as a batch has: padding costs time."""
        sized: _Sized = self.data  # type: ignore[assignment]
        order = order[np.argsort(sized.lengths[order], kind="stable")]
        n_whole = len(order) // self.batch_size
        # what is left over stays last, and is of any length
        rest = random.permutation(len(order))[: len(order) - n_whole * self.batch_size]
        batches = np.delete(order, rest).reshape(n_whole, self.batch_size)
        return np.concatenate([*random.permutation(batches), order[rest]])

    @property
    def _n_all(self) -> int:
        return len(self.data)  # type: ignore[arg-type]


def _processes() -> tuple[int, int]:
    """Return which of how many processes this is."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def train_loader(data: Dataset[Batch], batch_size: int, seed: int) -> DataLoader[Batch]:
    """Make a shuffled loader of whole batches. The last, smaller one is dropped, for batch norm"""
    sampler = EpochSampler(data, seed, batch_size)
    return DataLoader(data, batch_size, sampler=sampler, collate_fn=_unchanged, drop_last=True, generator=_apart())


def test_loader(data: Dataset[Batch], batch_size: int) -> DataLoader[Batch]:
    """Make a loader that goes through the data once, in order."""
    return DataLoader(data, batch_size, collate_fn=_unchanged, generator=_apart())


def _apart() -> torch.Generator:
    """Make a generator for the seed that a loader draws for its workers, or it would draw from dropout's."""
    return torch.Generator().manual_seed(0)


def speech_part(clip: NDArray[np.int16], within_db: float) -> NDArray[np.int16]:
    """Return a clip (T,) at 16 kHz from its first frame to its last within so many dB of the loudest (all, where 0)."""
    if within_db == 0:
        return clip
    start, end = librosa.effects.trim(clip.astype(np.float32), top_db=within_db, frame_length=800, hop_length=160)[1]
    return clip[start:end]


def one_hot(labels: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Turn (N,) class indices into (N, C) float32 distributions."""
    return np.eye(n_classes, dtype=np.float32)[labels]
