"""Front ends as torch modules, so that they are exported inside the network and cannot drift from it."""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

RATE_HZ: Final = 16_000  # what every voice network here hears
WINDOW: Final = 400  # samples: 25 ms
HOP: Final = 160  # samples: 10 ms, so 100 frames a second
N_FFT: Final = 512  # bins 31.25 Hz apart
N_BINS: Final = N_FFT // 2 + 1
N_MELS, HIGHEST_HZ = 128, 15_000.0  # of the AudioSet networks
MEL_STEP: Final = 1127.0 * math.log1p(HIGHEST_HZ / 700.0) / (N_MELS + 1)  # mel between the centres of two bands
LOUDEST: Final = 3000.0  # power of a frame of speech in AudioSet at its usual level, summed over the mel bands


class PowerSpectrum(nn.Module):
    """Short-time power spectrum as one convolution with a windowed Fourier basis: exports to any runtime."""

    def __init__(self) -> None:
        super().__init__()
        n = np.arange(WINDOW)
        # symmetric Hann, as the AudioSet networks were trained with; phase does not matter for power
        window = 0.5 - 0.5 * np.cos(2 * math.pi * n / (WINDOW - 1))
        angle = 2 * math.pi * np.outer(np.arange(N_BINS), n) / N_FFT
        basis = np.concatenate([window * np.cos(angle), window * np.sin(angle)])
        self.register_buffer("basis", torch.from_numpy(basis[:, None].astype(np.float32)), persistent=False)
        self.basis: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Map (N, T) samples to (N, 257, 1 + T // 160) power; frames are centred, the edges padded with zeros."""
        padded = F.pad(samples, (WINDOW // 2, WINDOW // 2))
        parts = F.conv1d(padded.unsqueeze(1), self.basis, stride=HOP)
        real, imaginary = parts[:, :N_BINS], parts[:, N_BINS:]
        return real * real + imaginary * imaginary


class AudioSetLogMel(nn.Module):
    """The log-mel of EfficientAT's networks (https://github.com/fschmid56/EfficientAT), for 16 kHz sound.

    They were trained at 32 kHz with 128 mel bands up to 15 kHz. Window, hop and bin spacing are the same in
    seconds and hertz at half the rate, so the bands that lie below 8 kHz are computed here and the others,
    which 16 kHz sound cannot fill, are left out.
    """

    def __init__(self, level: Literal["kept", "relative"]) -> None:
        super().__init__()
        self.level = level
        self.spectrum = PowerSpectrum()
        bank = kaldi_mel_bank(N_MELS, 2 * (N_BINS - 1), 2 * RATE_HZ, 0.0, HIGHEST_HZ)
        whole = bank[:, N_BINS - 1 :].sum(axis=1) == 0  # bands that end below 8 kHz
        bank = bank[whole, :N_BINS]
        hertz = np.arange(N_BINS) * RATE_HZ / N_FFT
        # power of their pre-emphasis x[n] - 0.97 x[n-1] at 32 kHz, and of twice as many samples a window
        emphasis = 1 + 0.97**2 - 2 * 0.97 * np.cos(2 * math.pi * hertz / (2 * RATE_HZ))
        weights = (bank * emphasis * 4.0).astype(np.float32)
        self.register_buffer("bank", torch.from_numpy(weights), persistent=False)
        self.bank: Tensor
        self.n_mels = len(weights)

    def forward(self, samples: Tensor) -> Tensor:
        """Map (N, T) samples in [-1, 1] at 16 kHz to (N, n_mels, 1 + T // 160), about -1.4 to 3 in value."""
        mel = torch.matmul(self.bank, self.spectrum(samples))
        if self.level == "relative":
            loudest = mel.sum(dim=1, keepdim=True).amax(dim=2, keepdim=True)
            mel = mel * (LOUDEST / (loudest + 1e-4))
        return (torch.log(mel + 1e-5) + 4.5) / 5.0


def kaldi_mel_bank(n_mels: int, n_bins: int, rate_hz: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Make Kaldi's mel filters: triangles that are linear in mel, m = 1127 ln(1 + f / 700).

    Returns (n_mels, n_bins); bin k is at k * rate_hz / 2 / n_bins hertz.
    """

    def mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0))

    edges = np.linspace(mel(low_hz), mel(high_hz), n_mels + 2)
    bins = mel(np.arange(n_bins) * rate_hz / 2 / n_bins)[None]
    left, centre, right = (edges[i : i + n_mels, None] for i in range(3))
    return np.maximum(0.0, np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)))
