"""A narrow encoder is taught to give what layers of the whole one give: distillation, by sound without any label."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from emofuse.research.models.voice_whisper import WhisperVoice
from emofuse.research.tasks.augment import uniform
from emofuse.research.tasks.utterances import Hook

LR: Final = 1e-3
BATCH_SIZE: Final = 32
WARMUP_STEPS: Final = 100
FASTEST: Final = 1.28  # and slowest, one over it: by so much the samples of a batch are read faster


class Lesson(NamedTuple):
    """What a teacher makes of some windows.

    Attributes:
        log_mels: (N, 80, T), what both are given.
        frames: (N, K, width, T'), what its tapped layers make, in the pupil's steps.
        statistics: (N, D), their mean and deviation over its own steps.
    """

    log_mels: Tensor
    frames: Tensor
    statistics: Tensor


def teach(
    pupil: WhisperVoice,
    teacher: WhisperVoice,
    windows: Iterable[Tensor],
    n_epochs: int,
    seed: int,
    hook: Hook | None = None,
) -> None:
    """Train a narrow encoder until its tapped layers give what those of the whole one give, frame by frame and in
    their statistics; both errors are measured in the deviations that the teacher's have over all windows.

    Args:
        pupil: Whose encoder is trained. It taps as many layers as the teacher.
        teacher: With a whole encoder.
        windows: Batches (N, T) of sound at 16 kHz. What the teacher makes of them is kept in memory, 200 KB for each
            window of 3 s where two layers of 512 channels are tapped.
        n_epochs: How often all of it is learnt.
        seed: Of the order.
        hook: Is called with the step, and how many batches are done of how many.
    """
    lesson = _ask(teacher, pupil, windows)
    encoder = pupil.backbone.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=LR, weight_decay=0, betas=(0.9, 0.98))
    batches = list(_batches(len(lesson.log_mels), n_epochs, seed))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARMUP_STEPS) * (1 + math.cos(math.pi * step / len(batches))) / 2
    )
    spread = _spread(lesson)
    for n_done, chosen in enumerate(batches, 1):
        optimizer.zero_grad()
        error = _error(pupil, Lesson(*(part[chosen].float() for part in lesson)), spread)
        torch.autograd.backward(error)
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if hook is not None:
            hook("teaching the encoder, batches", n_done, len(batches))
    encoder.requires_grad_(False).eval()


def told(windows: Iterable[Tensor], n_windows: int, hook: Hook | None) -> Iterator[Tensor]:
    """Yield batches of windows, and tell a hook how many of n_windows the teacher has been asked about."""
    n_done = 0
    for samples in windows:
        yield samples
        n_done += len(samples)
        if hook is not None:
            hook("asking the teacher, windows", n_done, n_windows)


def at_other_speed(samples: Tensor, generator: Generator) -> Tensor:
    """Return windows (N, T) read faster or slower, all by one factor, as if other people spoke; what is missing at the
    end is silence."""
    n = samples.shape[1]
    factor = FASTEST ** float(uniform((1,), -1, 1, generator))
    read = F.interpolate(samples[:, None], size=round(n * factor), mode="linear", align_corners=True)[:, 0, :n]
    return F.pad(read, (0, n - read.shape[1]))


def _ask(teacher: WhisperVoice, pupil: WhisperVoice, windows: Iterable[Tensor]) -> Lesson:
    lessons = []
    with torch.no_grad():
        for samples in windows:
            log_mels = teacher.frontend(samples)
            frames, statistics, _ = teacher.hear(log_mels)
            steps = pupil.backbone.pooled(frames.flatten(1, 2)).view(*frames.shape[:3], -1)
            lessons.append(Lesson(log_mels.half(), steps.half(), statistics.half()))
    return Lesson(*(torch.cat(parts) for parts in zip(*lessons, strict=True)))


def _batches(n: int, n_epochs: int, seed: int) -> Iterator[Tensor]:
    size = min(BATCH_SIZE, n)
    for epoch in range(n_epochs):
        order = np.random.default_rng((seed, epoch)).permutation(n)
        yield from torch.from_numpy(order[: n // size * size]).view(-1, size)


def _spread(lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Return the deviations of the frames, (1, K, width, 1), and of the statistics, (1, D)."""
    some = lesson.frames[:: max(1, len(lesson.frames) // 1000)].float()
    return some.std(dim=(0, 3), keepdim=True), lesson.statistics.float().std(dim=0, keepdim=True)


def _error(pupil: WhisperVoice, lesson: Lesson, spread: tuple[Tensor, Tensor]) -> Tensor:
    frames, statistics, weights = pupil.hear(lesson.log_mels)
    of_frames = ((frames - lesson.frames) / spread[0]).square().mean(dim=(1, 2)).unsqueeze(1)
    of_statistics = ((statistics - lesson.statistics) / spread[1]).square().mean()
    return (of_frames * weights).sum() / weights.sum() + of_statistics
