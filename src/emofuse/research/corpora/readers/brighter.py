"""BRIGHTER (Muhammad et al., 2025, https://arxiv.org/abs/2502.11926): sentences in 28 languages, six emotions.

Its first track (`track_a`) names every emotion that is perceived in a sentence, none where there is none. Files are
`track_a/train/eng.csv`, `dev/eng.csv` and `test/eng.csv`; in English the labels of the test part are not public.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Final, get_args

from emofuse.emotions import BASE
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.corpora.texts import LabelledText, Part, Texts, find_file, share_votes

LICENCE: Final = "CC BY 4.0 (BRIGHTER; texts by users of Reddit)"
FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "af": ("afr",),
    "am": ("amh",),
    "ar": ("arq", "ary"),  # of Algeria and of Morocco
    "de": ("deu",),
    "es": ("esp",),
    "ha": ("hau",),
    "hi": ("hin",),
    "ig": ("ibo",),
    "mr": ("mar",),
    "om": ("orm",),
    "pcm": ("pcm",),
    "pt": ("ptbr", "ptmz"),
    "ro": ("ron",),
    "ru": ("rus",),
    "rw": ("kin",),
    "so": ("som",),
    "su": ("sun",),
    "sv": ("swe",),
    "sw": ("swa",),
    "ti": ("tir",),
    "tt": ("tat",),
    "uk": ("ukr",),
    "vmw": ("vmw",),
    "yo": ("yor",),
    "zh": ("chn",),
}
"""The files of each language but English, by its ISO 639 code."""
_PARTS: Final[tuple[Part, ...]] = ("train", "dev")
_LABELS: Final = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}


def read_brighter(folder: str | Path) -> Texts:
    """Read the parts of English that have labels.

    Args:
        folder: Where the first track's folders `train` and `dev` are, or files that end in `train_eng.csv`.

    Returns:
        The sentences; one without an emotion is neutral.

    Raises:
        CorpusError: A file is missing, or has other columns.
    """
    return Texts(tuple(one for part in _PARTS for one in _read_part(Path(folder), part, "eng", "en")))


def read_brighter_languages(folder: str | Path, language: str = "") -> Texts:
    """Read all parts of another language, or of all others.

    Args:
        folder: As `read_brighter` takes it.
        language: A code of `FILES`; empty: all but English.

    Returns:
        The sentences. A part that a language does not have is passed over.

    Raises:
        CorpusError: None of the files is there, or one has other columns.
    """
    root = Path(folder)
    tables = list(root.rglob("*.csv"))
    texts: list[LabelledText] = []
    for code in [language] if language else sorted(FILES):
        for file, part in product(FILES[code], get_args(Part)):
            if any(re.search(_pattern(part, file), path.as_posix()) for path in tables):
                texts += _read_part(root, part, file, code)
    if not texts:
        raise CorpusError(f"no track_a/train/deu.csv or the like under {root}", "lay the corpus out as it is published")
    return Texts(tuple(texts))


def _read_part(root: Path, part: Part, file: str, language: str) -> list[LabelledText]:
    path = find_file(root, _pattern(part, file), f"track_a/{part}/{file}.csv")
    header, rows = read_table(path, "table")
    check_header(path, header, ("text", "anger", "fear", "joy", "sadness"), ("text", *_LABELS))
    texts = []
    for _, row in rows:
        found = [_LABELS[name] for name in _LABELS if row.get(name, "").strip() in ("1", "1.0")]
        texts.append(LabelledText(row["text"].strip(), share_votes(found or ["neutral"]), part, language=language))
    return texts


def _pattern(part: Part, file: str) -> str:
    return rf"{part}[_/]{file}\.csv$"


CORPUS: Final[Corpus[Texts]] = Corpus(
    "brighter",
    "BRIGHTER",
    LICENCE,
    BASE,
    read_brighter,
    part="the train part of its English",
    language="en",
    cautions=(SENTENCE_CAUTION,),
    read_language=read_brighter_languages,
    languages=tuple(FILES),
)
