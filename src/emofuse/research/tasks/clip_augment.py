"""Augmentation of clips, the same in every frame of one: which frames are seen, where they are cut, side and colour.

Frames and places are drawn where clips are decoded, with NumPy; sides and colours for whole batches, in torch.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.random import Generator as Random
from numpy.typing import NDArray
from torch import Generator, Tensor

from emofuse.preprocessing.face_clip import BLACK, choose_frames, frames_over
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.recipes.data import VideoDataSettings
from emofuse.research.tasks.augment import speech_augmentation, uniform
from emofuse.research.tasks.batches import Augment

GREY: Final = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def draw_frames(
    n_available: int,
    settings: VideoDataSettings,
    random: Random,
    window: tuple[NDArray[np.float64], float] | None = None,
) -> NDArray[np.int64]:
    """Choose the frames of a training clip, (T,): from anywhere on where they are strided, displaced, some lost.

    window: when each picture is, and where the sound begins that frames are spread over; None: spread over the clip.
    """
    start = random.random()
    displaced = settings.time_jitter * random.uniform(-1, 1, settings.n_frames)
    if window is not None:
        indices = frames_over(*window, settings.sound.window_s, settings.n_frames, displaced)
    else:
        indices = choose_frames(n_available, settings.n_frames, settings.sampling, settings.stride, start, displaced)
    return lose_frames(indices, settings.drop, random)


def lose_frames(indices: NDArray[np.int64], probability: float, random: Random) -> NDArray[np.int64]:
    """Return (T,) indices with some frames lost, for which the one before stays; never the first, nor black ones."""
    is_lost = (random.random(len(indices)) < probability) & (indices != BLACK)
    is_lost[0] = False
    kept = np.where(is_lost, 0, np.arange(len(indices)))
    return indices[np.maximum.accumulate(kept)]


def draw_offset(settings: VideoDataSettings, random: Random) -> tuple[int, int]:
    """Draw by how many pixels the crop of a clip is moved down and right: at most `crop` of its size is cut off."""
    most = int(settings.crop * settings.size_px)
    down, right = random.integers(-most, most + 1, size=2)
    return int(down), int(right)


def augment_frames(frames: Tensor, settings: VideoDataSettings, generator: Generator) -> Tensor:
    """Return the batch with some clips mirrored, and all in other colours, each by its own draw.

    frames: (N, T, H, W, 3) uint8; the result has the same form.
    """
    frames = mirror(frames, settings.flip, generator)
    return recolour(frames, settings.colour, generator)


def mirror(frames: Tensor, probability: float, generator: Generator) -> Tensor:
    """Return the batch (N, T, H, W, 3) with some clips mirrored left to right."""
    chosen = torch.rand(len(frames), generator=generator) < probability
    return torch.where(chosen.view(-1, 1, 1, 1, 1), frames.flip(3), frames)


def recolour(frames: Tensor, amount: float, generator: Generator) -> Tensor:
    """Return the batch (N, T, H, W, 3) uint8 with each clip's saturation, contrast (about its mean grey) and brightness
    multiplied by factors within 1 - amount and 1 + amount. Black frames, which are none, stay black."""
    factors = uniform((len(frames), 3), 1 - amount, 1 + amount, generator)
    return torch.stack([_recoloured(clip, *factor.tolist()) for clip, factor in zip(frames, factors, strict=True)])


def _recoloured(clip: Tensor, saturation: float, contrast: float, brightness: float) -> Tensor:
    """Change one clip (T, H, W, 3) at once: one clip as float32 is as much as should be in memory."""
    lit = clip.flatten(1).amax(dim=1) > 0
    pixels = clip[lit].float()
    if not len(pixels):
        return clip
    grey = torch.tensor(GREY)
    mean = float(pixels.mean(dim=(0, 1, 2)) @ grey)
    # all three are affine: x -> brightness (contrast (saturation x + (1 - saturation) grey(x)) + (1 - contrast) mean)
    mix = saturation * torch.eye(3) + (1 - saturation) * grey.expand(3, 3)
    pixels = pixels @ (brightness * contrast * mix).T + brightness * (1 - contrast) * mean
    changed = clip.clone()
    changed[lit] = pixels.round_().clamp_(0, 255).to(torch.uint8)
    return changed


def clip_augmentation(settings: VideoDataSettings, kind: FeatureKind) -> tuple[Augment, Augment]:
    """Choose what is done to frames and samples, and then to what the front ends make of them: the sound has its own
    augmentation (`augment.speech_augmentation`), pictures theirs. kind: what the front end makes of the sound."""
    augment_sound, augment_heard = speech_augmentation(settings.sound, kind)

    def augment_input(inputs: tuple[Tensor, Tensor, Tensor], generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        frames, samples, present = inputs
        return augment_frames(frames, settings, generator), augment_sound(samples, generator), present

    def augment_features(features: tuple[Tensor, Tensor, Tensor], generator: Generator) -> tuple[Tensor, ...]:
        seen, heard, present = features
        return seen, augment_heard(heard, generator), present

    return augment_input, augment_features
