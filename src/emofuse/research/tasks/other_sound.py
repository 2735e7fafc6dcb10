"""Sound that is nobody's voice, made by rule: hum, chords, notes, noise and clicks, to learn to be unsure of."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.research.models.frontends import RATE_HZ

Wave = NDArray[np.float64]
KEYS_HZ: Final = (55.0, 880.0)  # of the lowest note of a chord
HUM_HZ: Final = (40.0, 400.0)
CHORDS: Final = ((4, 7), (3, 7), (5, 9), (4, 7, 11), (12,), ())  # semitones above the root


def other_sounds(n: int, size: int, seed: int) -> list[NDArray[np.int16]]:
    """Make n sounds without a voice, of each kind about as many.

    Args:
        n: How many.
        size: Samples of each, at RATE_HZ.
        seed: Of all that is drawn.

    Returns:
        (size,) int16 each, the loudest sample between a hundredth and nearly all of full scale.
    """
    random = np.random.default_rng(seed)
    kinds = (_hum, _chord, _notes, _noise, _clicks)
    return [_at_some_level(kinds[k % len(kinds)](size, random), random) for k in range(n)]


def _at_some_level(wave: Wave, random: np.random.Generator) -> NDArray[np.int16]:
    faint = wave + random.normal(0, 1e-4, len(wave)) * np.abs(wave).max()
    peak = 10 ** random.uniform(-2, -0.05)
    return np.asarray(np.round(faint * (peak * 32767 / np.abs(faint).max())), np.int16)


def _tone(hertz: float, size: int, random: np.random.Generator, n_partials: int, fall: float) -> Wave:
    """Make a steady tone whose k-th partial has the amplitude k ** -fall."""
    phase = 2 * np.pi * hertz * np.arange(size) / RATE_HZ
    partials = [k for k in range(1, n_partials + 1) if k * hertz < RATE_HZ / 2]
    return np.asarray(sum(k**-fall * np.sin(k * phase + random.uniform(0, 2 * np.pi)) for k in partials))


def _hum(size: int, random: np.random.Generator) -> Wave:
    hertz = np.exp(random.uniform(*np.log(HUM_HZ)))
    return _tone(hertz, size, random, int(random.integers(1, 12)), random.uniform(0.5, 3))


def _chord(size: int, random: np.random.Generator) -> Wave:
    root = np.exp(random.uniform(*np.log(KEYS_HZ)))
    steps = (0, *CHORDS[int(random.integers(len(CHORDS)))])
    n_partials, fall = int(random.integers(1, 8)), random.uniform(0.5, 3)
    return np.asarray(sum(_tone(root * 2 ** (step / 12), size, random, n_partials, fall) for step in steps))


def _notes(size: int, random: np.random.Generator) -> Wave:
    """Play chords after each other, each of which dies away."""
    wave, start = np.zeros(size), 0
    while start < size:
        length = min(size - start, int(random.uniform(0.1, 1.0) * RATE_HZ))
        fade = np.exp(-np.arange(length) / RATE_HZ * random.uniform(0, 8))
        wave[start : start + length] = _chord(length, random) * fade
        start += length
    return wave


def _noise(size: int, random: np.random.Generator) -> Wave:
    """Make noise between white and brown."""
    spectrum = np.fft.rfft(random.normal(0, 1, size))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** random.uniform(0, 1.2)
    return np.asarray(np.fft.irfft(spectrum, n=size))


def _clicks(size: int, random: np.random.Generator) -> Wave:
    """Make bursts of noise that die away within a tenth of a second, as steps, keys and doors do."""
    struck = np.zeros(size)
    struck[random.integers(0, size, int(random.integers(1, 30)))] = random.uniform(0.2, 1, 1)
    fade = np.exp(-np.arange(RATE_HZ // 10) / RATE_HZ * random.uniform(30, 200))
    return np.convolve(struck, fade * random.normal(0, 1, len(fade)))[:size]
