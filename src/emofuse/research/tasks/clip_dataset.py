"""Clips as a training reads them: chosen frames of the face, and the sound that goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from emofuse.preprocessing.face_clip import BLACK, choose_frames, frames_over, on_grid
from emofuse.research.corpora.face_clips import FaceClip
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.tasks.clip_augment import draw_frames, draw_offset

ClipInputs: TypeAlias = Tensor | tuple[Tensor, Tensor, Tensor]  # frames; or frames, samples, present
ClipBatch: TypeAlias = tuple[ClipInputs, Tensor]


class VideoBatches(Dataset[ClipBatch]):
    """Frames of clips, their sound where it is asked for, and their targets. targets: (N, C) float32.

    clips, sounds: a face clip and (T,) int16 samples at RATE_HZ for each, or None where there is none; sounds None:
    pictures alone. In training frames, places and windows of sound are drawn; otherwise nothing is.
    """

    def __init__(
        self,
        clips: Sequence[FaceClip | None],
        targets: NDArray[np.float32],
        settings: VideoDataSettings,
        is_training: bool,
        sounds: Sequence[NDArray[np.int16] | None] | None = None,
    ) -> None:
        if len(clips) != len(targets) or (sounds is not None and len(sounds) != len(clips)):
            raise ValueError(f"{len(clips)} clips, {len(targets)} targets, {sounds and len(sounds)} sounds")
        self.clips = list(clips)
        self.sounds = None if sounds is None else list(sounds)
        self.targets = torch.from_numpy(targets)
        self.settings = settings
        self.is_training = is_training
        self.window = round(settings.sound.window_s * RATE_HZ)  # samples
        self.random = np.random.default_rng(0)

    def reseed(self, seed: int, epoch: int) -> None:
        """Start the draws of one epoch."""
        self.random = np.random.default_rng((seed, epoch))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> ClipBatch:
        """Return what a batch holds of one clip: frames (T, H, W, 3), or these, samples (L,), present (2,); target."""
        inputs, targets = self.__getitems__([index])
        one = inputs[0] if isinstance(inputs, Tensor) else (inputs[0][0], inputs[1][0], inputs[2][0])
        return one, targets[0]

    def __getitems__(self, indices: Sequence[int]) -> ClipBatch:
        """Return frames (B, T, H, W, 3) uint8 and the targets (B, C); with sounds, in place of the frames, these,
        samples (B, L) float32 in [-1, 1], and present (B, 2) float32: whether either is there, or zeros."""
        targets = self.targets[list(indices)]
        starts = [self._start(i) for i in indices]
        chosen = [self._chosen(self.clips[i], start_s) for i, start_s in zip(indices, starts, strict=True)]
        frames = torch.from_numpy(
            np.stack([self._frames(self.clips[i], c) for i, c in zip(indices, chosen, strict=True)])
        )
        if self.sounds is None:
            return frames, targets
        heard = [
            self._samples(self.sounds[i], self._about(self.clips[i], c) if start_s is None else start_s)
            for i, c, start_s in zip(indices, chosen, starts, strict=True)
        ]
        samples = torch.from_numpy(np.stack(heard).astype(np.float32) / 32768.0)
        present = torch.tensor([[self.clips[i] is not None, self.sounds[i] is not None] for i in indices])
        return (frames, samples, present.float()), targets

    def _start(self, index: int) -> float | None:
        """Return where the window begins that frames are spread over where they have a sound, as when a stream is
        analysed: anywhere in training, in the middle otherwise. None: the frames are chosen without one."""
        clip, sound = self.clips[index], None if self.sounds is None else self.sounds[index]
        if self.sounds is None or (clip is not None and self.settings.sampling != "uniform"):
            return None
        duration_s = len(sound) / RATE_HZ if sound is not None else float(clip.times_s[-1]) if clip is not None else 0.0
        spare_s = max(0.0, duration_s - self.settings.sound.window_s)
        return float(self.random.uniform(0, spare_s)) if self.is_training else spare_s / 2

    def _chosen(self, clip: FaceClip | None, start_s: float | None) -> NDArray[np.int64]:
        s = self.settings
        if clip is None:
            return np.full(s.n_frames, BLACK)
        if start_s is not None:
            if self.is_training:
                return draw_frames(len(clip), s, self.random, (clip.times_s, start_s))
            return frames_over(clip.times_s, start_s, s.sound.window_s, s.n_frames)
        places = np.arange(len(clip)) if s.sampling == "uniform" else on_grid(clip.times_s, s.rate_hz)
        if self.is_training:
            chosen = draw_frames(len(places), s, self.random)
        else:
            chosen = choose_frames(len(places), s.n_frames, s.sampling, s.stride)
        return np.where(chosen == BLACK, BLACK, places[chosen])

    def _frames(self, clip: FaceClip | None, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        size = self.settings.size_px
        if clip is None:
            return np.zeros((len(chosen), size, size, 3), np.uint8)
        return clip.frames(chosen, size, draw_offset(self.settings, self.random) if self.is_training else (0, 0))

    def _about(self, clip: FaceClip | None, chosen: NDArray[np.int64]) -> float:
        """Return where the window of sound begins that has the chosen frames in its middle."""
        assert clip is not None  # or there would be a start
        seen = chosen[chosen != BLACK]
        return float(clip.times_s[seen[0]] + clip.times_s[seen[-1]] - self.settings.sound.window_s) / 2

    def _samples(self, sound: NDArray[np.int16] | None, start_s: float) -> NDArray[np.int16]:
        """Cut a window, moved as little as needed to lie within the sound. What is shorter is padded at its end."""
        if sound is None:
            return np.zeros(self.window, np.int16)
        start = min(max(round(start_s * RATE_HZ), 0), max(0, len(sound) - self.window))
        piece = sound[start:][: self.window]
        return np.pad(piece, (0, self.window - len(piece)))
