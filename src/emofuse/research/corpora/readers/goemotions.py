"""GoEmotions (Demszky et al., 2020, https://aclanthology.org/2020.acl-main.372): 54,263 comments from Reddit.

Several people rated each; the labels that at least two gave count alike. This reads the seven classes of its
`data/ekman` (`train.tsv`, `dev.tsv`, `test.tsv`: text, numbers of emotions, id), its own parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, get_args

from emofuse.emotions import BASE
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.texts import (
    LabelledText,
    Part,
    Texts,
    fill_placeholders,
    find_file,
    read_lines,
    share_votes,
)

LICENCE: Final = "CC BY 4.0 (Google Research; comments by users of Reddit)"
_LABELS: Final = ("angry", "disgust", "fearful", "happy", "neutral", "sad", "surprised")  # as they are numbered
_HIDDEN: Final = {
    "[NAME]": ("Alex", "Anna", "James", "Maria", "David", "Sarah", "Tom", "Lisa"),
    "[RELIGION]": ("Christian", "Muslim", "Jewish", "Hindu"),
}


def read_goemotions(folder: str | Path) -> Texts:
    """Read the three parts below `folder`.

    Args:
        folder: Where `train.tsv`, `dev.tsv` and `test.tsv` of `data/ekman` are, or `ekman_train.tsv` and so on.

    Returns:
        The comments, with names put in where the corpus hides them.

    Raises:
        CorpusError: A part is missing, or a line is not text, numbers and id.
    """
    texts = [text for part in get_args(Part) for text in _read_part(Path(folder), part)]
    return Texts(tuple(texts))


def _read_part(root: Path, part: Part) -> list[LabelledText]:
    path = find_file(root, rf"ekman[_/]{part}\.tsv$", f"ekman/{part}.tsv")
    texts = []
    for i, line in enumerate(read_lines(path), start=1):
        try:
            text, numbers, _ = line.split("\t")
            votes = share_votes(_LABELS[int(number)] for number in numbers.split(","))
        except (ValueError, IndexError):
            raise CorpusError(f"{path}, line {i}: not text, numbers of emotions and id: {line[:60]!r}") from None
        texts.append(LabelledText(fill_placeholders(text, _HIDDEN).strip(), votes, part))
    return texts


CORPUS: Final[Corpus[Texts]] = Corpus(
    "goemotions",
    "GoEmotions",
    LICENCE,
    BASE,
    read_goemotions,
    part="its train part",
    language="en",
    cautions=(SENTENCE_CAUTION,),
)
