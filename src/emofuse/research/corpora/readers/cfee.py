"""CFEE, Compound Facial Expressions of Emotion (Du, Tao and Martinez, 2014, https://doi.org/10.1073/pnas.1322355111):
230 people who posed seven simple expressions and fifteen that are made of two emotions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from emofuse.emotions import FERPLUS
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import ACTED, Corpus
from emofuse.research.corpora.readers.portraits import NOT_SCORED, Portraits, label_of, read_archive

_SIMPLE: Final[Mapping[str, str]] = {
    "neutral": "neutral",
    "happy": "happiness",
    "sad": "sadness",
    "fearful": "fear",
    "angry": "anger",
    "surprised": "surprise",
    "disgusted": "disgust",
}
_COMPOUND: Final[Mapping[str, tuple[str, str]]] = {
    "happily surprised": ("happiness", "surprise"),
    "happily disgusted": ("happiness", "disgust"),
    "sadly fearful": ("sadness", "fear"),
    "sadly angry": ("sadness", "anger"),
    "sadly surprised": ("sadness", "surprise"),
    "sadly disgusted": ("sadness", "disgust"),
    "fearfully angry": ("fear", "anger"),
    "fearfully surprised": ("fear", "surprise"),
    "fearfully disgusted": ("fear", "disgust"),
    "angrily surprised": ("anger", "surprise"),
    "angrily disgusted": ("anger", "disgust"),
    "disgustedly surprised": ("disgust", "surprise"),
    # named by one word in the paper: all three are felt as two emotions, too
    "appalled": ("disgust", "anger"),
    "hatred": ("anger", "disgust"),
    "awed": ("surprise", "fear"),
}


def read_cfee(path: str | Path) -> Portraits:
    """Read cfee.zip. A compound face trains as half of each of its two emotions, and is not scored.

    Raises CorpusError when the file is missing, is no such archive, or names an emotion that CFEE has not.
    """
    images, rows = read_archive(path, "CFEE", ("file", "subject", "emotion", "type"))
    targets = np.zeros((len(rows), len(FERPLUS)), np.float32)
    truth = np.full(len(rows), NOT_SCORED, np.int64)
    for i, row in enumerate(rows):
        parts = _COMPOUND.get(row["emotion"].strip().lower())
        if row["type"] == "simple":
            truth[i] = label_of(path, row, _SIMPLE)
            targets[i, truth[i]] = 1
        elif parts is None:
            raise CorpusError(f"{path}: {row['file']} is {row['emotion']!r}, no compound of CFEE")
        else:
            targets[i, [FERPLUS.index(part) for part in parts]] = 0.5
    return Portraits(images, targets, truth, tuple(r["subject"] for r in rows), tuple(r["file"] for r in rows))


CORPUS: Final[Corpus[Portraits]] = Corpus(
    "cfee",
    "CFEE",
    "research only, given on request",
    FERPLUS[:7],
    read_cfee,
    style=ACTED,
    cautions=("CFEE is given to researchers on request; recipes/face-ferplus.toml trains without it.",),
)
