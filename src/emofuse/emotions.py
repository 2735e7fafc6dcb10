"""Label sets, the tables that map one onto another, and a colour per emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import UsageError

Labels = tuple[str, ...]

BASE: Final[Labels] = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""What a bundle answers with."""

RAVDESS: Final[Labels] = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""In the order of the third part of a RAVDESS file name, 01 to 08."""

FERPLUS: Final[Labels] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
"""In the order of the FER+ vote columns."""

EMODB: Final[Labels] = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "boredom")

TO_BASE: Final[Mapping[str, str | None]] = {
    **{label: label for label in BASE},
    "calm": "neutral",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "surprise": "surprised",
    "contempt": None,
    "boredom": None,
}
"""Every label we know to the base set. None: the base set has no such emotion, so it is left out."""

COLOURS: Final[Mapping[str, str]] = {
    "neutral": "#999999",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "angry": "#D55E00",
    "fearful": "#CC79A7",
    "disgust": "#009E73",
    "surprised": "#56B4E9",
}
"""Okabe and Ito's palette, which people with any kind of colour vision can tell apart (https://jfly.uni-koeln.de/color/)."""


def rgb(label: str) -> tuple[int, int, int]:
    """Return the colour of a base label as (red, green, blue), each 0 to 255; grey for any other label."""
    value = COLOURS.get(label, "#999999")
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def mapping_matrix(
    source: Sequence[str], target: Sequence[str], table: Mapping[str, str | None] = TO_BASE
) -> NDArray[np.float32]:
    """Build the 0/1 matrix that carries probabilities over `source` labels to `target` labels.

    Returns: (len(source), len(target)) float32; a row of zeros where the table leaves a label out.
    Raises UsageError for a source label that the table does not know, or that it maps outside `target`.
    """
    matrix = np.zeros((len(source), len(target)), dtype=np.float32)
    for row, label in enumerate(source):
        if label not in table:
            raise UsageError(f"no mapping for the label {label!r}; known labels: {', '.join(sorted(table))}")
        mapped = table[label]
        if mapped is None:
            continue
        if mapped not in target:
            raise UsageError(f"label {label!r} maps to {mapped!r}, which is not one of {', '.join(target)}")
        matrix[row, list(target).index(mapped)] = 1.0
    return matrix
