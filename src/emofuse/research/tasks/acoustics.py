"""What rooms, bands, noise, other voices and overdriven inputs make of sound: the formulas alone, nothing is drawn.

Training draws their numbers (`augment`), and measurements of robustness state them (`evaluation.corrupt_sound`).
Sound is (N, T) float32 at RATE_HZ throughout.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from emofuse.research.models.frontends import RATE_HZ

TAIL: Final = RATE_HZ // 2  # samples of a room's reverberation


def room_responses(noise: Tensor, reverberation_s: Tensor, beside_direct_db: Tensor) -> Tensor:
    """Return impulse responses of rooms: the direct sound, and exponentially decaying noise after it.

    Args:
        noise: (N, TAIL) standard normal.
        reverberation_s: (N, 1) seconds in which the sound falls by 60 dB.
        beside_direct_db: (N, 1) level of the reverberation beside the direct sound.

    Returns:
        (N, TAIL), whose first sample is 1.
    """
    decay_s = reverberation_s / math.log(1000)
    times = torch.arange(TAIL)[None] / RATE_HZ
    tail = noise * torch.exp(-times / decay_s)
    beside_direct = torch.pow(10.0, beside_direct_db / 20)
    rooms: Tensor = tail * (beside_direct / tail.square().sum(dim=1, keepdim=True).sqrt())
    rooms[:, 0] = 1.0
    return rooms


def band_gains(size: int, low_hz: Tensor, high_hz: Tensor, order: Tensor) -> Tensor:
    """Return the gains of bands whose edges fall as Butterworth's do, `order` times 6 dB an octave.

    Args:
        size: Of the transform.
        low_hz: (N, 1) lower edges.
        high_hz: (N, 1) upper edges.
        order: (N, 1).

    Returns:
        (N, 1 + size // 2).
    """
    hertz = torch.fft.rfftfreq(size, 1 / RATE_HZ)[None].clamp(min=1.0)
    return torch.rsqrt(1 + (low_hz / hertz) ** (2 * order)) * torch.rsqrt(1 + (hertz / high_hz) ** (2 * order))


def filter_by(samples: Tensor, response: Tensor) -> Tensor:
    """Return samples (N, T) filtered by responses (N, 1 + size // 2), size of T + TAIL, cut to their length."""
    length = samples.shape[1]
    size = length + TAIL
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(samples, n=size) * response, n=size)
    return filtered[:, :length]


def falling_noise(white: Tensor, tilt: Tensor) -> Tensor:
    """Return noise whose amplitude falls with the frequency to the power `tilt`, (N, 1): 0 white, 0.5 pink."""
    length = white.shape[1]
    hertz = torch.arange(length // 2 + 1).clamp(min=1).float()
    spectrum = torch.fft.rfft(white) * hertz**-tilt
    noise: Tensor = torch.fft.irfft(spectrum, n=length)
    return noise


def noise_at(samples: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Return noise (N, T), scaled to lie snr_db (N, 1) below samples (N, T) in power."""
    power = samples.square().mean(dim=1, keepdim=True)
    snr = torch.pow(10.0, snr_db / 10)
    level = (power / snr / (noise.square().mean(dim=1, keepdim=True) + 1e-12)).sqrt()
    return level * noise


def voice_at_one(samples: Tensor) -> Tensor:
    """Return samples (N, T) at a root mean square of 1, to be added up to babble."""
    return samples / (samples.square().mean(dim=1, keepdim=True).sqrt() + 1e-6)


def babble_at(samples: Tensor, babble: Tensor, snr_db: Tensor) -> Tensor:
    """Return babble (N, T), scaled to lie snr_db (N, 1) below samples (N, T)."""
    snr = torch.pow(10.0, snr_db / 20)
    level = samples.square().mean(dim=1, keepdim=True).sqrt() / snr
    return level * babble / (babble.square().mean(dim=1, keepdim=True).sqrt() + 1e-6)


def clip_peaks(samples: Tensor, share: Tensor) -> Tensor:
    """Return samples (N, T) cut off at a share (N, 1) of their loudest one."""
    peak = samples.abs().amax(dim=1, keepdim=True) * share
    return samples.clamp(-peak, peak)
