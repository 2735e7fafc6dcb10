"""Taiwanese actors' expressions (Chen, Cho and Tseng, 2013, https://doi.org/10.6129/CJP.20130314): 29 professionals,
each picture with the votes of about a hundred raters over six emotions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.readers.portraits import Portraits, label_of, read_archive

_EMOTIONS: Final[Mapping[str, str]] = {
    "neutral": "neutral",
    "happy": "happiness",
    "sad": "sadness",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "surprise": "surprise",
}
_VOTED: Final = tuple(name for name in _EMOTIONS if name != "neutral")  # raters had no neutral to choose
RATERS_SHARE: Final = 0.4  # of a target; the rest is what the actor was asked for, as raters rarely see fear in fear


def read_taiwan(path: str | Path) -> Portraits:
    """Read taiwan.zip. A target mixes the raters' shares with what was asked for; a neutral face is neutral.

    The truth is the emotion that was asked for. Raises CorpusError when the file is missing or is no such archive.
    """
    votes = tuple(f"v_{name}" for name in _VOTED)
    images, rows = read_archive(path, "Taiwanese faces", ("file", "subject", "emotion", *votes))
    truth = np.array([label_of(path, row, _EMOTIONS) for row in rows], dtype=np.int64)
    asked = np.eye(len(FERPLUS), dtype=np.float32)[truth]
    rated = np.zeros_like(asked)
    try:
        rated[:, [FERPLUS.index(_EMOTIONS[name]) for name in _VOTED]] = [[float(row[v]) for v in votes] for row in rows]
    except ValueError as error:
        raise CorpusError(f"{path}: the raters' shares in labels.csv are no numbers: {error}") from None
    total = rated.sum(axis=1, keepdims=True)
    is_voted = (total > 0) & (asked[:, :1] == 0)
    mixed = (1 - RATERS_SHARE) * asked + RATERS_SHARE * rated / np.maximum(total, 1e-6)
    targets = np.where(is_voted, mixed, asked).astype(np.float32)
    return Portraits(images, targets, truth, tuple(r["subject"] for r in rows), tuple(r["file"] for r in rows))


CORPUS: Final[Corpus[Portraits]] = Corpus(
    "taiwan",
    "Taiwanese actors' faces",
    "research only, given on request",
    FERPLUS[:7],
    read_taiwan,
    style=ACTED,
    cautions=(
        "The Taiwanese faces are given to researchers on request; recipes/face-ferplus.toml trains without them.",
    ),
)
