"""Front ends against other people's code: librosa's spectrum, Kaldi's filters, EfficientAT's log-mel."""

from __future__ import annotations

import math
import os
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from emofuse.research.models.frontends import (
    DEEPEST,
    LOUDEST,
    USUAL,
    AudioSetLogMel,
    Mfcc,
    PowerSpectrum,
    kaldi_mel_bank,
    loudness,
)


def noise(n_samples: int, below_hz: float, rate_hz: int, seed: int = 0) -> NDArray[np.float32]:
    """Make noise of deviation 0.1 with nothing above a frequency."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=n_samples))
    spectrum[np.fft.rfftfreq(n_samples, 1 / rate_hz) > below_hz] = 0
    samples = np.fft.irfft(spectrum, n_samples)
    return (0.1 * samples / samples.std()).astype(np.float32)


SIZES = [(400, 160, 512), (2048, 1024, 2048), (1024, 300, 1024)]  # window, hop, n_fft


@pytest.mark.parametrize(("size", "hop", "n_fft"), SIZES)
@pytest.mark.parametrize("n_samples", [8_000, 16_000, 16_159, 16_160])
def test_the_spectrum_is_librosas(size: int, hop: int, n_fft: int, n_samples: int) -> None:
    samples = noise(n_samples, 8_000, 16_000)
    window = np.hanning(size)  # librosa puts it into the middle of n_fft, so its frames have the same centres
    expected = np.abs(librosa.stft(samples, n_fft=n_fft, hop_length=hop, win_length=size, window=window)) ** 2
    got = PowerSpectrum(window, hop, n_fft)(torch.from_numpy(samples)[None])[0].numpy()
    assert got.shape == expected.shape == (n_fft // 2 + 1, 1 + n_samples // hop)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6 * expected.max())


@pytest.mark.parametrize(("size", "hop", "n_fft"), SIZES)
def test_the_spectrum_that_is_exported_is_the_one_that_was_trained_with(size: int, hop: int, n_fft: int) -> None:
    spectrum = PowerSpectrum(np.hanning(size), hop, n_fft)
    samples = torch.from_numpy(noise(32_000, 8_000, 16_000)).view(2, 16_000)
    exported = torch.export.export(spectrum, (samples,))
    called = {str(node.target) for node in exported.graph.nodes}
    assert "aten.conv1d.default" in called and not [name for name in called if "fft" in name]
    expected = spectrum(samples)
    torch.testing.assert_close(exported.module()(samples), expected, rtol=0, atol=1e-5 * float(expected.max()))


def test_a_tone_is_in_its_bin_and_its_frames() -> None:
    samples = torch.zeros(1, 16_000)
    samples[0, 8_000:] = torch.sin(2 * math.pi * 1000 * torch.arange(8_000) / 16_000)
    power = PowerSpectrum(np.hanning(400), 160, 512)(samples)[0]
    assert power[:, 75].argmax() == 1000 / 31.25
    assert power[:, :48].max() == 0  # a frame reaches 200 samples, so the tone is heard from frame 49 on
    assert power[32, 49] > 0


def test_the_mel_bank_is_kaldis() -> None:
    n_mels, n_bins, rate_hz, low_hz, high_hz = 40, 256, 16_000, 20.0, 7_600.0

    def mel(hertz: float) -> float:
        return 1127.0 * math.log(1.0 + hertz / 700.0)

    step = (mel(high_hz) - mel(low_hz)) / (n_mels + 1)
    expected = np.zeros((n_mels, n_bins))
    for band in range(n_mels):
        left, centre, right = (mel(low_hz) + (band + i) * step for i in range(3))
        for k in range(n_bins):
            at = mel(k * rate_hz / (2 * n_bins))
            if left < at <= centre:
                expected[band, k] = (at - left) / (centre - left)
            elif centre < at < right:
                expected[band, k] = (right - at) / (right - centre)
    got = kaldi_mel_bank(n_mels, n_bins, rate_hz, low_hz, high_hz)
    np.testing.assert_allclose(got, expected, atol=1e-9)
    assert 0.9 < got.max() <= 1.0


def efficient_at(samples_32k: NDArray[np.float32]) -> Tensor:
    """EfficientAT's own front end in evaluation, written down again. Returns (128, frames)."""
    x = torch.from_numpy(samples_32k)[None, None]
    x = torch.nn.functional.conv1d(x, torch.tensor([[[-0.97, 1.0]]]))[:, 0]
    window = torch.hann_window(800, periodic=False)
    spectrum = torch.stft(x, 1024, 320, 800, window, center=True, pad_mode="reflect", return_complex=True)
    bank = kaldi_mel_bank(128, 512, 32_000, 0.0, 15_000.0)
    bank = torch.from_numpy(np.pad(bank, ((0, 0), (0, 1)))).float()  # the bin at 16 kHz has no weight
    return (torch.log(bank @ spectrum[0].abs().square() + 1e-5) + 4.5) / 5.0


def test_the_log_mel_at_16_khz_is_the_one_the_weights_were_trained_with_at_32_khz() -> None:
    at_32k = noise(96_000, 7_000, 32_000)
    at_16k = librosa.resample(at_32k, orig_sr=32_000, target_sr=16_000)
    frontend = AudioSetLogMel("kept")
    got = frontend(torch.from_numpy(at_16k)[None])[0]
    # all bands that end below 8 kHz, and no other
    assert len(got) == frontend.n_mels == 103
    filled = 97  # the bands above reach beyond the 7 kHz of the signal
    inside = slice(5, 290)  # at the edges they mirror and we pad
    expected = efficient_at(at_32k)[:filled, inside]
    difference = (got[:filled, inside] - expected).abs()
    assert expected.std() > 0.3
    # their pre-emphasis comes before the window and ours after it, which only the lowest bands can tell
    assert difference[30:].mean() < 5e-3
    assert difference[60:].max() < 0.02
    assert difference.mean(dim=1).max() < 0.06


def test_silence_is_the_floor() -> None:
    for level in ("kept", "relative"):
        log_mel = AudioSetLogMel(level)(torch.zeros(2, 16_000))
        torch.testing.assert_close(log_mel, torch.full((2, 103, 101), (math.log(1e-5) + 4.5) / 5))


def test_a_relative_level_does_not_hear_the_gain() -> None:
    loud = torch.from_numpy(noise(16_000, 8_000, 16_000))[None]
    relative, kept = AudioSetLogMel("relative"), AudioSetLogMel("kept")
    torch.testing.assert_close(relative(0.1 * loud), relative(loud), atol=1e-3, rtol=0)
    gain = kept(5 * loud) - kept(0.5 * loud)  # 20 dB, which are ln 100 in power
    assert float(gain.median()) == pytest.approx(math.log(100) / 5, abs=1e-3)


def test_a_relative_level_puts_the_loudest_frame_of_each_recording_where_it_belongs() -> None:
    samples = torch.from_numpy(noise(16_000, 8_000, 16_000)) * torch.linspace(0.1, 1, 16_000)
    log_mel = AudioSetLogMel("relative")(torch.stack([samples, 0.01 * samples]))
    power = (torch.exp(log_mel * 5 - 4.5) - 1e-5).sum(dim=1)
    torch.testing.assert_close(power.amax(dim=1), torch.full((2,), LOUDEST), rtol=0.01, atol=0)
    assert (power.argmax(dim=1) > 70).all()


def librosas_mfcc(samples: NDArray[np.float32], hop: int = 1024) -> NDArray[np.float32]:
    return librosa.feature.mfcc(y=samples, sr=16_000, n_mfcc=40, n_fft=2048, hop_length=hop)


def harmonics(n_samples: int) -> NDArray[np.float32]:
    """Make what is most like a voice: harmonics of a gliding pitch, in syllables, between silences."""
    time = np.arange(n_samples) / 16_000
    phase = 2 * math.pi * (150 * time + 20 * np.sin(2 * math.pi * time))
    voice = sum(np.sin(k * phase) / k for k in range(1, 30)) * np.maximum(0, np.sin(9 * time))
    voice[: n_samples // 3] = 0
    return (0.1 * voice).astype(np.float32)


SIGNALS = {
    "noise": noise(44_032, 8_000, 16_000),
    "no highs": noise(44_032, 3_000, 16_000),  # of which nothing but the floor is to be had
    "faint noise": 1e-3 * noise(30_001, 8_000, 16_000),
    "voice": harmonics(50_000),
    "click": np.eye(1, 20_000, 9_000, dtype=np.float32)[0],
    "silence": np.zeros(16_000, np.float32),
    "short": noise(4_000, 8_000, 16_000),
}


@pytest.mark.parametrize("hop", [512, 1024])
@pytest.mark.parametrize("name", SIGNALS)
def test_cepstra_are_librosas(name: str, hop: int) -> None:
    samples = SIGNALS[name]
    expected = librosas_mfcc(samples, hop)
    got = Mfcc(40, 2048, hop)(torch.from_numpy(samples)[None])[0].numpy()
    assert got.shape == expected.shape == (40, 1 + len(samples) // hop)
    np.testing.assert_allclose(got, expected, atol=1e-3, rtol=0)


def test_each_clip_of_a_batch_has_its_own_floor() -> None:
    loud, faint = SIGNALS["no highs"][:16_000], 1e-4 * SIGNALS["voice"][20_000:36_000]
    got = Mfcc(40, 2048, 1024)(torch.from_numpy(np.stack([loud, faint]))).numpy()
    np.testing.assert_allclose(got, np.stack([librosas_mfcc(loud), librosas_mfcc(faint)]), atol=1e-3, rtol=0)


@pytest.mark.corpus
def test_cepstra_of_real_voices_are_librosas() -> None:
    folder = Path(os.environ.get("EMOFUSE_DATA", "")) / "ravdess" / "audios"
    paths = sorted(folder.glob("Actor_*/*-01-01.*")) + sorted(folder.glob("Actor_*/*-02-24.*"))
    if not paths:
        pytest.skip("no RAVDESS: EMOFUSE_DATA names no folder that has it")
    cepstra = Mfcc(40, 2048, 1024)
    for path in paths[:12]:
        samples = librosa.load(path, sr=16_000)[0]
        got = cepstra(torch.from_numpy(samples)[None])[0].numpy()
        np.testing.assert_allclose(got, librosas_mfcc(samples), atol=1e-3, rtol=0)


def test_without_the_channel_a_filter_and_a_gain_change_nothing() -> None:
    random = np.random.default_rng(0)
    loud = np.repeat(random.uniform(0.1, 1.0, 40), 1200).astype(np.float32)  # as syllables are
    speech = noise(48_000, 8_000, 16_000) * loud
    spectrum = np.fft.rfft(speech) * np.linspace(1.0, 0.2, 24_001)  # falls by 14 dB towards 8 kHz
    filtered = (0.3 * np.fft.irfft(spectrum, 48_000)).astype(np.float32)
    batch = torch.from_numpy(np.stack([speech, filtered]))
    kept, removed = (AudioSetLogMel("relative", channel)(batch)[:, 4:] for channel in ("kept", "removed"))
    assert float((kept[0] - kept[1]).abs().mean()) > 0.1
    assert float((removed[0] - removed[1]).abs().mean()) < 0.01


def test_without_the_channel_every_band_has_the_same_mean_and_a_floor() -> None:
    random = np.random.default_rng(1)
    speech = noise(48_000, 8_000, 16_000) * np.repeat(random.uniform(0.3, 1.0, 40), 1200).astype(np.float32)
    speech[30_000:] = 0  # padding
    log_mel = AudioSetLogMel("relative", "removed")(torch.from_numpy(speech)[None])
    weights = loudness(AudioSetLogMel("relative")(torch.from_numpy(speech)[None]))
    mean = (log_mel * weights).sum(dim=2) / weights.sum(dim=2)
    torch.testing.assert_close(mean, torch.full_like(mean, USUAL), atol=0.05, rtol=0)
    assert float(log_mel.min()) == pytest.approx(USUAL - DEEPEST)
