"""Front ends as torch modules, so that they are exported inside the network and cannot drift from it."""

from __future__ import annotations

import math
from typing import Final, Literal

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

# what comes out of a front end; decides augmentation
FeatureKind = Literal[
    "samples", "log-mel", "whisper-mel", "cepstra", "face", "frames", "frames+samples", "features", "words"
]

RATE_HZ: Final = 16_000  # what every voice network here takes
SHORTEST_S: Final = 0.25  # that a voice network can score
WINDOW: Final = 400  # samples: 25 ms
HOP: Final = 160  # samples: 10 ms, so 100 frames a second
N_FFT: Final = 512  # bins 31.25 Hz apart
N_BINS: Final = N_FFT // 2 + 1
N_MELS, HIGHEST_HZ = 128, 15_000.0  # of the AudioSet networks
MEL_STEP: Final = 1127.0 * math.log1p(HIGHEST_HZ / 700.0) / (N_MELS + 1)  # mel between the centres of two bands
LOUDEST: Final = 3000.0  # power of a frame of speech in AudioSet at its usual level, summed over the mel bands
USUAL: Final = 0.35  # mean of a band over the speech of our corpora, as AudioSetLogMel gives it
DEEPEST: Final = 1.5  # that a band may lie below its mean, 33 dB: what is fainter is the room's or a codec's


class PowerSpectrum(nn.Module):
    """Short-time power spectrum: windows of `len(window)` samples, `hop` apart, padded with zeros to `n_fft`.

    It is an FFT while training, and in an exported file one convolution with a windowed Fourier basis, which every
    runtime knows. The file holds one period of the basis; the runtime writes it out when it loads the file.
    """

    def __init__(self, window: NDArray[np.float64], hop: int, n_fft: int) -> None:
        super().__init__()
        self.hop, self.n_fft, self.n_bins = hop, n_fft, n_fft // 2 + 1
        angle = 2 * math.pi * np.arange(n_fft) / n_fft
        period = np.stack([np.cos(angle), np.sin(angle)])
        self.register_buffer("window", torch.from_numpy(window.astype(np.float32)), persistent=False)
        self.register_buffer("period", torch.from_numpy(period.astype(np.float32)), persistent=False)
        self.window: Tensor
        self.period: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Map (N, T) samples to (N, n_bins, 1 + T // hop) power; frames are centred, the edges padded with zeros."""
        size = len(self.window)
        padded = F.pad(samples, (size // 2, size // 2))
        if torch.compiler.is_compiling():
            return self._convolve(padded)
        spectrum: Tensor = torch.fft.rfft(padded.unfold(1, size, self.hop) * self.window, n=self.n_fft)
        return spectrum.abs().square().transpose(1, 2)

    def _convolve(self, padded: Tensor) -> Tensor:
        size = len(self.window)
        places = torch.arange(self.n_bins)[:, None] * torch.arange(size) % self.n_fft
        basis = self.period[:, places] * self.window
        parts = F.conv1d(padded.unsqueeze(1), basis.reshape(2 * self.n_bins, 1, size), stride=self.hop)
        real, imaginary = parts[:, : self.n_bins], parts[:, self.n_bins :]
        return real * real + imaginary * imaginary


class AudioSetLogMel(nn.Module):
    """The log-mel of EfficientAT's networks (https://github.com/fschmid56/EfficientAT), for 16 kHz sound.

    They were trained at 32 kHz with 128 mel bands up to 15 kHz. Window, hop and bin spacing are the same in
    seconds and hertz at half the rate, so the bands that lie below 8 kHz are computed here and the others,
    which 16 kHz sound cannot fill, are left out.
    """

    def __init__(self, level: Literal["kept", "relative"], channel: Literal["kept", "removed"] = "kept") -> None:
        super().__init__()
        self.level, self.channel = level, channel
        # symmetric Hann, as the AudioSet networks were trained with
        self.spectrum = PowerSpectrum(np.hanning(WINDOW), HOP, N_FFT)
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
        log_mel = (torch.log(mel + 1e-5) + 4.5) / 5.0
        return remove_channel(log_mel) if self.channel == "removed" else log_mel


class Mfcc(nn.Module):
    """The cepstra of `librosa.feature.mfcc` and its defaults: 128 Slaney mel bands of a periodic Hann window's power,
    in decibels no lower than 80 below the clip's loudest, and an orthonormal DCT-II."""

    def __init__(self, n_mfcc: int, n_fft: int, hop: int, n_mels: int = 128) -> None:
        super().__init__()
        self.spectrum = PowerSpectrum(np.hanning(n_fft + 1)[:-1], hop, n_fft)
        bank = librosa.filters.mel(sr=RATE_HZ, n_fft=n_fft, n_mels=n_mels)
        order, band = np.arange(n_mfcc)[:, None], np.arange(n_mels)[None]
        cosines = np.cos(math.pi * order * (2 * band + 1) / (2 * n_mels)) * math.sqrt(2 / n_mels)
        cosines[0] /= math.sqrt(2)
        self.register_buffer("bank", torch.from_numpy(bank.astype(np.float32)), persistent=False)
        self.register_buffer("cosines", torch.from_numpy(cosines.astype(np.float32)), persistent=False)
        self.bank: Tensor
        self.cosines: Tensor

    def forward(self, samples: Tensor) -> Tensor:
        """Map (N, T) samples in [-1, 1] at 16 kHz to (N, n_mfcc, 1 + T // hop)."""
        mel = torch.matmul(self.bank, self.spectrum(samples))
        decibel = 10 * torch.log10(mel.clamp(min=1e-10))
        decibel = torch.maximum(decibel, decibel.amax(dim=(1, 2), keepdim=True) - 80)
        level = decibel.mean(dim=1, keepdim=True)  # apart, or single precision would round off what varies around it
        return torch.matmul(self.cosines, decibel - level) + self.cosines.sum(dim=1, keepdim=True) * level


def remove_channel(log_mel: Tensor) -> Tensor:
    """Bring every band of log-mels (N, F, T) to the same mean over time: cepstral mean subtraction, in the spectrum.

    What a microphone or a line multiplies every frame by is thereby gone. Loud frames make the mean, so that neither
    pauses nor padding shift it, and a floor hides what only recordings with a wide dynamic range have.
    """
    weights = loudness(log_mel)
    mean = (log_mel * weights).sum(dim=2, keepdim=True) / weights.sum(dim=2, keepdim=True)
    return (log_mel - mean).clamp(min=-DEEPEST) + USUAL


def loudness(log_mel: Tensor) -> Tensor:
    """Return (N, 1, T) weights of the frames of (N, F, T): 0 for the quietest of the window, 1 for the loudest."""
    level = log_mel.mean(dim=1, keepdim=True)
    low, high = level.amin(dim=2, keepdim=True), level.amax(dim=2, keepdim=True)
    return (level - low) / (high - low + 1e-3) + 1e-3  # all frames alike where none is louder


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
