"""Label sets, the tables that map one onto another, and a colour per emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError, UsageError

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

CREMAD: Final[Labels] = ("neutral", "happy", "sad", "anger", "fear", "disgust")

TESS: Final[Labels] = ("neutral", "happy", "sad", "angry", "fear", "disgust", "pleasant surprise")

SAVEE: Final[Labels] = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")

MELD: Final[Labels] = ("neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise")

EKMAN: Final[Labels] = ("happy", "sad", "angry", "fearful", "disgust", "surprised")
"""Ekman's six basic emotions."""

IEMOCAP: Final[Labels] = ("neutral", "happy", "sad", "angry")
"""The four classes that IEMOCAP is scored in."""

IEMOCAP_ANNOTATION: Final[Labels] = ("neu", "hap", "sad", "ang", "exc", "fru", "fea", "sur", "dis", "oth", "xxx")
"""What IEMOCAP's annotators could say, and `xxx`, where they did not agree."""

LABEL_SETS: Final[Mapping[str, Labels]] = {
    "ravdess-8": RAVDESS,
    "ravdess-7": RAVDESS[1:],
    "basic-7": BASE,
    "ekman-6": EKMAN,
    "iemocap-4": IEMOCAP,
    "iemocap-4-hap": IEMOCAP,
    "ferplus-8": FERPLUS,
    "emodb-7": EMODB,
    "cremad-6": CREMAD,
    "tess-7": TESS,
    "savee-7": SAVEE,
    "meld-7": MELD,
}

SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "neutral": ("neutral", "neu"),
    "calm": ("calm",),
    "happy": ("happy", "happiness", "joy", "hap"),
    "excited": ("excited", "exc"),
    "sad": ("sad", "sadness"),
    "angry": ("angry", "anger", "ang"),
    "frustrated": ("frustrated", "fru"),
    "fearful": ("fearful", "fear", "fea"),
    "disgust": ("disgust", "dis"),
    "surprised": ("surprised", "surprise", "pleasant surprise", "sur"),
    "contempt": ("contempt",),
    "boredom": ("boredom",),
    "other": ("other", "oth", "xxx"),
}
"""Every label of the corpora we read, under what it means: IEMOCAP's three letters, MELD's joy, TESS's surprise,
which is always a pleasant one. `xxx` is what IEMOCAP's annotators did not agree about."""


def _table(**meant: str) -> Mapping[str, str | None]:
    """Spread a row of meanings over their spellings; a meaning that is not in the row is left out of the set."""
    return {spelling: meant.get(meaning) for meaning, spellings in SPELLINGS.items() for spelling in spellings}


# One row per set, by meaning. Two choices go beyond spelling, and hold for every set alike:
# - calm becomes neutral where a set has no calm. RAVDESS recorded it as a second baseline beside neutral
#   (Livingstone and Russo, 2018), and where annotators had no such word a calm voice was called neutral. Ekman's
#   six have no baseline, and ravdess-7 is RAVDESS without its neutral clips, so neutral has no place in either.
# - excited becomes happy, as in nearly every published score on IEMOCAP's four classes; but in iemocap-4-hap, for
#   scores on happy alone, it is left out. Frustrated does not become angry: those scores leave it out.
# fmt: off
LABEL_MAPS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "ravdess-8": _table(neutral="neutral", calm="calm", happy="happy", excited="happy", sad="sad", angry="angry",
                        fearful="fearful", disgust="disgust", surprised="surprised"),
    "ravdess-7": _table(calm="calm", happy="happy", excited="happy", sad="sad", angry="angry",
                        fearful="fearful", disgust="disgust", surprised="surprised"),
    "basic-7": _table(neutral="neutral", calm="neutral", happy="happy", excited="happy", sad="sad", angry="angry",
                      fearful="fearful", disgust="disgust", surprised="surprised"),
    "ekman-6": _table(happy="happy", excited="happy", sad="sad", angry="angry",
                      fearful="fearful", disgust="disgust", surprised="surprised"),
    "iemocap-4": _table(neutral="neutral", calm="neutral", happy="happy", excited="happy", sad="sad", angry="angry"),
    "iemocap-4-hap": _table(neutral="neutral", calm="neutral", happy="happy", sad="sad", angry="angry"),
    "ferplus-8": _table(neutral="neutral", calm="neutral", happy="happiness", excited="happiness", sad="sadness",
                        angry="anger", fearful="fear", disgust="disgust", surprised="surprise", contempt="contempt"),
    "emodb-7": _table(neutral="neutral", calm="neutral", happy="happiness", excited="happiness", sad="sadness",
                      angry="anger", fearful="fear", disgust="disgust", boredom="boredom"),
    "cremad-6": _table(neutral="neutral", calm="neutral", happy="happy", excited="happy", sad="sad",
                       angry="anger", fearful="fear", disgust="disgust"),
    "tess-7": _table(neutral="neutral", calm="neutral", happy="happy", excited="happy", sad="sad",
                     angry="angry", fearful="fear", disgust="disgust", surprised="pleasant surprise"),
    "savee-7": _table(neutral="neutral", calm="neutral", happy="happiness", excited="happiness", sad="sadness",
                      angry="anger", fearful="fear", disgust="disgust", surprised="surprise"),
    "meld-7": _table(neutral="neutral", calm="neutral", happy="joy", excited="joy", sad="sadness",
                     angry="anger", fearful="fear", disgust="disgust", surprised="surprise"),
}
# fmt: on
"""For each label set, every label of SPELLINGS to the set's own, or to None where the set has no such emotion."""

TO_BASE: Final = LABEL_MAPS["basic-7"]

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


def label_map(set_name: str) -> Mapping[str, str | None]:
    """Return the table of a label set by its name. Raises UsageError for a name that is not in LABEL_MAPS."""
    if set_name not in LABEL_MAPS:
        raise UsageError(f"no label set {set_name!r}", f"one of {', '.join(LABEL_MAPS)}")
    return LABEL_MAPS[set_name]


def map_label(label: str, set_name: str) -> str | None:
    """Return what a corpus's label is called in a label set, None where the set has no such emotion.

    Raises CorpusError for a label that no table knows, UsageError for a set that there is none of.
    """
    table = label_map(set_name)
    if label not in table:
        known = ", ".join(sorted(table))
        raise CorpusError(f"the label {label!r} cannot be mapped to {set_name}", f"known labels: {known}")
    return table[label]


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
