"""Which parts of the input support the answer of a modality, and which oppose it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FaceSaliency:
    """Where in a face the answer comes from.

    Attributes:
        crop: (S, S) uint8 grey: the face as the network is given it.
        influence: (S, S) float32: by how much the log of the answer's probability falls if a place is covered.

    Example:
        >>> FaceSaliency(np.zeros((48, 48), np.uint8), np.zeros((48, 48), np.float32)).influence.shape
        (48, 48)
    """

    crop: NDArray[np.uint8]
    influence: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class VoiceSaliency:
    """Which moments and which frequencies of a voice the answer comes from.

    Attributes:
        start_s: Where the window begins, in seconds of the recording.
        end_s: Where it ends.
        spectrum: (F, T) float32: the window's level in decibels, low frequencies first.
        by_time: (N,) float32: by how much the log of the answer's probability falls without a stretch of the window,
            all of the same length.
        by_band: (B,) float32: the same without a band of frequencies.
        band_edges_hz: (B + 1,) float32.

    Example:
        >>> nothing = np.zeros(10, np.float32)
        >>> VoiceSaliency(0.0, 3.0, np.zeros((64, 300), np.float32), nothing, nothing, np.arange(11.0)).end_s
        3.0
    """

    start_s: float
    end_s: float
    spectrum: NDArray[np.float32]
    by_time: NDArray[np.float32]
    by_band: NDArray[np.float32]
    band_edges_hz: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class WordSaliency:
    """Which words the answer comes from.

    Attributes:
        words: The words.
        influence: For each word, by how much the log of the answer's probability falls without it.

    Example:
        >>> WordSaliency(("so", "happy"), (0.1, 2.0)).words
        ('so', 'happy')
    """

    words: tuple[str, ...]
    influence: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Why a moment's answer is what it is.

    Attributes:
        time_s: Of the moment.
        label: The fused answer, which is what is explained.
        confidence: Its probability.
        by_modality: Each modality's probability of that label.
        face: None if no face was found.
        voice: None if there was no speech.
        words: None if there were no words.

    Example:
        >>> Explanation(1.5, "happy", 0.9, {"face": 0.9}).voice is None
        True
    """

    time_s: float
    label: str
    confidence: float
    by_modality: dict[str, float]
    face: FaceSaliency | None = None
    voice: VoiceSaliency | None = None
    words: WordSaliency | None = None
