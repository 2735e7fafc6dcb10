"""BRIGHTER (Muhammad et al., 2025, https://arxiv.org/abs/2502.11926): sentences in 28 languages, six emotions.

Its first track (`track_a`) names every emotion that is perceived in a sentence, none where there is none. Files are
`track_a/train/eng.csv` and `dev/eng.csv`; the labels of its test part are not public.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emofuse.emotions import BASE
from emofuse.research.corpora.corpus import SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.table import check_header, read_table
from emofuse.research.corpora.texts import LabelledText, Part, Texts, find_file, share_votes

LICENCE: Final = "CC BY 4.0 (BRIGHTER; texts by users of Reddit)"
_PARTS: Final[tuple[Part, ...]] = ("train", "dev")
_LABELS: Final = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}


def read_brighter(folder: str | Path, language: str = "eng") -> Texts:
    """Read a language's parts that have labels.

    Args:
        folder: Where the first track's folders `train` and `dev` are, or files that end in `train_eng.csv`.
        language: Three letters, as files are named.

    Returns:
        The sentences; one without an emotion is neutral.

    Raises:
        CorpusError: A file is missing, or has other columns.
    """
    texts: list[LabelledText] = []
    for part in _PARTS:
        path = find_file(Path(folder), rf"{part}[_/]{language}\.csv$", f"track_a/{part}/{language}.csv")
        header, rows = read_table(path, "table")
        check_header(path, header, ("text", "anger", "fear", "joy", "sadness"), ("text", *_LABELS))
        for _, row in rows:
            found = [_LABELS[name] for name in _LABELS if row.get(name, "").strip() in ("1", "1.0")]
            texts.append(LabelledText(row["text"].strip(), share_votes(found or ["neutral"]), part))
    return Texts(tuple(texts))


CORPUS: Final[Corpus[Texts]] = Corpus(
    "brighter",
    "BRIGHTER",
    LICENCE,
    BASE,
    read_brighter,
    part="the train part of its English",
    language="en",
    cautions=(SENTENCE_CAUTION,),
)
