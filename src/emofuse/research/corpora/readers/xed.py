"""XED (Öhman et al., 2020, https://aclanthology.org/2020.coling-main.575): 27,202 English lines of film subtitles.

Plutchik's eight emotions, several a line; anticipation and trust have no counterpart here. `en-annotated.tsv` holds a
line and its numbers, `neu_en.txt` a 9 and a neutral line. The corpus has no parts: a line's own words decide its part.

Its projections are lines in 29 other languages, with the labels of the English or Finnish line that each translates.
`de-projections.tsv` and so on hold a line and its numbers; none is neutral. What a line translates is told by
`pairs-de.txt` and so on, of the folder `subtitle-retrieval/students`, where they are there: it then stands in the part
of its English line, so that no sentence is trained on whose translation is tested.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from emofuse.emotions import BASE
from emofuse.errors import CorpusError
from emofuse.research.corpora.corpus import SENTENCE_CAUTION, Corpus
from emofuse.research.corpora.texts import (
    LabelledText,
    Part,
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
_FILES: Final = (r"en[-_]annotated\.tsv$", r"neu_en\.txt$")
_PROJECTED: Final = "ar bg bs cs da de el es et fi fr he hr hu is it nl no pl ro ru sk sl sr sv tr vi"
PROJECTED: Final[Mapping[str, tuple[str, ...]]] = {
    **{code: (code,) for code in _PROJECTED.split(" ")},
    "pt": ("br", "pt"),
    "zh": ("cn", "tw"),
}
"""The files of each language, by its ISO 639-1 code: those that XED's paper counts, of 950 lines or more."""
_PAIRS: Final = {"br": "pt_br", "cn": "zh_cn", "tw": "zh_tw"}
_ENGLISH: Final = "en/"
_LEAST_PLAIN: Final = 2  # words of a line with a hidden name by which it is found again
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
    texts = [one for _, one in _annotated_lines(find_file(root, _FILES[0], "en-annotated.tsv"))]
    for line in read_lines(find_file(root, _FILES[1], "neu_en.txt")):
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


def _annotated_lines(path: Path) -> Iterator[tuple[str, LabelledText]]:
    """Yield each line of a file, with the names that it hides and then without. Raises CorpusError for another file."""
    for i, line in enumerate(read_lines(path), start=1):
        yield line.rpartition("\t")[0], _annotated(path, i, line)


def _votes_of(numbers: str, where: str) -> tuple[float, ...]:
    """Return the shares of the votes of the emotions that a line's numbers stand for.

    Raises CorpusError, which names where the line is, for what is no such numbers.
    """
    try:
        return share_votes(_LABELS[int(number)] for number in numbers.split(","))
    except (ValueError, KeyError):
        raise CorpusError(f"{where}: not text and numbers of emotions: {numbers[:60]!r}") from None


def _annotated(path: Path, i: int, line: str) -> LabelledText:
    text, tab, numbers = line.rpartition("\t")
    return _labelled(text, _votes_of(numbers if tab else line, f"{path}, line {i}"))


def _labelled(line: str, votes: tuple[float, ...]) -> LabelledText:
    text = fill_placeholders(tidy_subtitle(line), _HIDDEN)
    return LabelledText(text, votes, hashed_part(text_key(text)))


def read_projections(folder: str | Path, language: str = "") -> Texts:
    """Read the lines of a language, or of all.

    Args:
        folder: Where the files of XED are.
        language: An ISO 639-1 code of `PROJECTED`; empty: all that are there.

    Returns:
        The lines, each with the English one that it translates, where that is known. Lines that translate several,
        which stand in different parts, are left out.

    Raises:
        CorpusError: A file is missing, or a line is not text and numbers.
    """
    root = Path(folder)
    codes = [language] if language else sorted(PROJECTED)
    found = {code: _files(root, code) for code in codes}
    if not any(found.values()):
        example = f"{PROJECTED[codes[0]][0]}-projections.tsv"
        raise CorpusError(f"no {example} under {root}", "lay the corpus out as it is published")
    part_of = _part_of_english(root)
    english = _english_of_danish(root)
    lines = (
        line
        for code, files in found.items()
        for path in files
        for line in _read(path, code, _sources(root, path, english), part_of)
    )
    return Texts(tuple(lines))


def _files(root: Path, language: str) -> list[Path]:
    names = [rf"^{file}[-_]projections2?\.tsv$" for file in PROJECTED[language]]
    return sorted(path for path in root.rglob("*.tsv") if any(re.search(name, path.name) for name in names))


def _read(
    path: Path, language: str, sources: Mapping[str, set[str]], part_of: Callable[[str], Part]
) -> Iterator[LabelledText]:
    rows = csv.reader(io.StringIO("\n".join(read_lines(path))), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, row in enumerate(rows, start=1):
        if row == ["phrase", "emotion"] or len(row) != 2:  # a header; records of the films' alignment
            continue
        text = tidy_subtitle(row[0])
        translated = sorted(sources.get(row[0].strip(), ()))
        parts = {part_of(source) for source in translated} or {hashed_part(text_key(text))}
        if text and len(parts) == 1:
            votes = _votes_of(row[1], f"{path}, line {number}")
            yield LabelledText(text, votes, parts.pop(), language=language, source=(translated or [""])[0])


def _part_of_english(root: Path) -> Callable[[str], Part]:
    """Return what tells the part of an English line: that of the annotated line, where it is one.

    Annotated lines hide names: one that does is found by its other words that begin with a small letter.
    """
    parts: dict[str, Part] = {}
    hidden: dict[str, Part] = {}
    for raw, one in _annotated_lines(find_file(root, _FILES[0], "en-annotated.tsv")):
        parts[text_key(one.text)] = one.part
        if "[" in raw:
            hidden[_plain_words(raw)] = one.part

    @cache
    def part_of(line: str) -> Part:
        key, plain = text_key(line), _plain_words(line)
        if key in parts:
            return parts[key]
        return hidden[plain] if plain in hidden and plain.count(" ") >= _LEAST_PLAIN - 1 else hashed_part(key)

    return part_of


def _plain_words(line: str) -> str:
    words = re.findall(r"\[\w+\]|[\w']+", tidy_subtitle(line))
    return " ".join(word for word in words if word[0].islower())


def _sources(root: Path, path: Path, english: Mapping[tuple[str, str], str]) -> dict[str, set[str]]:
    """Return what the lines of a file translate, as they are written: English lines, or Danish ones without one."""
    code = re.split("[-_]", path.name)[0]
    found: dict[str, set[str]] = {}
    for document, number, source, line in _pairs(root, _PAIRS.get(code, code)):
        is_english = document.startswith(_ENGLISH)
        translated = source if is_english else english.get((document, number), "")
        found.setdefault(line.strip(), set()).add(tidy_subtitle(translated or source))
    return found


def _english_of_danish(root: Path) -> dict[tuple[str, str], str]:
    return {(document, number): line for document, number, _, line in _pairs(root, "en")}


def _pairs(root: Path, code: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield document, number, line and its translation; none where the alignment is not there."""
    for path in sorted(root.rglob(f"pairs-{code}.txt")):
        for line in read_lines(path):
            cells = line.split("\t")
            if len(cells) == 6:
                yield cells[0], cells[2], cells[4], cells[5]


CORPUS: Final[Corpus[Texts]] = Corpus(
    "xed",
    "XED",
    LICENCE,
    BASE,
    read_xed,
    part="seven tenths of its English lines",
    language="en",
    cautions=(SENTENCE_CAUTION,),
    read_language=read_projections,
    languages=tuple(PROJECTED),
)
