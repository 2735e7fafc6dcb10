"""Valence and arousal, derived from the probabilities of emotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.emotions import SPELLINGS

RULE: Final = (
    "derived: the mean of the emotions' pleasure and arousal (Russell and Mehrabian 1977, "
    "doi:10.1016/0092-6566(77)90037-X), weighted by their probabilities"
)
# Mean ratings of the words for them, from -1 to 1: pleasure and arousal. "calm" is their "relaxed". Neutral is the
# middle of both scales.
_RATED: Final[Mapping[str, tuple[float, float]]] = {
    "neutral": (0.0, 0.0),
    "calm": (0.68, -0.46),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fearful": (-0.64, 0.60),
    "disgust": (-0.60, 0.35),
    "surprised": (0.40, 0.67),
}


@dataclass(frozen=True, slots=True)
class Affect:
    """How pleasant and how aroused somebody seems at a time. Both are derived from probabilities, not predicted.

    Attributes:
        time_s: As that of a moment.
        valence: From -1, unpleasant, to 1.
        arousal: From -1, calm, to 1.

    Example:
        >>> Affect(time_s=0.5, valence=0.81, arousal=0.51).valence
        0.81
    """

    time_s: float
    valence: float
    arousal: float


def derive_affect(probabilities: NDArray[np.float32], labels: Sequence[str]) -> tuple[float, float] | None:
    """Return valence and arousal by `RULE`.

    Args:
        probabilities: (C,) of the labels.
        labels: The emotions.

    Returns:
        Both from -1 to 1; None where one of the labels is not rated.

    Example:
        >>> derive_affect(np.array([0.5, 0.5], np.float32), ("happy", "neutral"))
        (0.405, 0.255)
        >>> derive_affect(np.array([1.0], np.float32), ("contempt",)) is None
        True
    """
    meanings = {spelling: meaning for meaning, spellings in SPELLINGS.items() for spelling in spellings}
    rated = [_RATED.get(meanings.get(label, "")) for label in labels]
    if any(one is None for one in rated):
        return None
    valence, arousal = np.asarray(probabilities, np.float64) @ np.array(rated, np.float64)
    return round(float(valence), 4), round(float(arousal), 4)
