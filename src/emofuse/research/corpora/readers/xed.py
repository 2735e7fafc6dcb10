"""XED (Öhman et al., 2020, https://aclanthology.org/2020.coling-main.575): 27,202 English lines of film subtitles.

Plutchik's eight emotions, several a line; anticipation and trust have no counterpart here. `en-annotated.tsv` holds a
line and its numbers, `neu_en.txt` a 9 and a neutral line. The corpus has no parts: a line's own words decide its part.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Final

from emofuse.emotions import BASE
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.texts import (
    LabelledText,
    Texts,
    fill_placeholders,
    find_file,
    hashed_part,
    read_lines,
    share_votes,
    text_key,
    tidy_subtitle,
)

LICENCE: Final = "CC BY 4.0 (Helsinki NLP; lines of OpenSubtitles)"
_LABELS: Final = {
    1: "angry",
    2: None,  # anticipation
    3: "disgust",
    4: "fearful",
    5: "happy",
    6: "sad",
    7: "surprised",
    8: None,  # trust
}
_HIDDEN: Final = {
    "[PERSON]": ("Alex", "Anna", "James", "Maria", "David", "Sarah", "Tom", "Lisa"),
    "[ORGANIZATION]": ("Acme",),
    "[LOCATION]": ("Boston", "London", "Paris"),
}


def read_xed(folder: str | Path) -> Texts:
    """Read the English lines below `folder`.

    Args:
        folder: Where `en-annotated.tsv` and `neu_en.txt` of `AnnotatedData` are.

    Returns:
        The lines; those that show anticipation or trust alone have no votes.

    Raises:
        CorpusError: A file is missing, or a line is not text and numbers.
    """
    root = Path(folder)
    annotated = find_file(root, r"en[-_]annotated\.tsv$", "en-annotated.tsv")
    texts = [_annotated(annotated, i, line) for i, line in enumerate(read_lines(annotated), start=1)]
    for line in read_lines(find_file(root, r"neu_en\.txt$", "neu_en.txt")):
        texts.append(_labelled(line.partition("\t")[2], share_votes(["neutral"])))
    return Texts((*texts, *_projected(root)))


def _projected(root: Path) -> list[LabelledText]:
    """Read the lines onto which labels of Finnish ones were projected, where they are there: they train alone.

    What goes over several lines, in quotes, holds records of the films' alignment, and is left out.
    """
    found = sorted(path for path in root.rglob("*") if re.search(r"en[-_]projections\.tsv$", path.name))
    if not found:
        return []
    rows = csv.reader(io.StringIO("\n".join(read_lines(found[0]))), delimiter="\t")
    lines = ("\t".join(row) for row in rows)
    texts = [_annotated(found[0], i, line) for i, line in enumerate(lines, start=1) if "\n" not in line]
    return [one for one in texts if one.part == "train"]


def _annotated(path: Path, i: int, line: str) -> LabelledText:
    text, _, numbers = line.rpartition("\t")
    try:
        votes = share_votes(_LABELS[int(number)] for number in numbers.split(","))
    except (ValueError, KeyError):
        raise CorpusError(f"{path}, line {i}: not text and numbers of emotions: {line[:60]!r}") from None
    return _labelled(text, votes)


def _labelled(line: str, votes: tuple[float, ...]) -> LabelledText:
    text = fill_placeholders(tidy_subtitle(line), _HIDDEN)
    return LabelledText(text, votes, hashed_part(text_key(text)))


CORPUS: Final[Corpus[Texts]] = Corpus(
    "xed",
    "XED",
    LICENCE,
    BASE,
    read_xed,
    part="seven tenths of its English lines",
    language="en",
    cautions=(SENTENCE_CAUTION,),
)
