"""Who speaks in a transcript: the name that a line begins with, before a colon."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

_CAPITAL: Final = "".join(letter for letter in map(chr, range(0x530)) if letter.isupper())  # Latin, Greek, Cyrillic
_ASIDE: Final = r"(?: ?[\[(][^\[\]()\n]{1,40}[\])])?"  # `JOHN (on the phone): Hi!`
CAPITALS: Final = (
    rf"(?P<name>[{_CAPITAL}][{_CAPITAL}.'’-]+(?: [{_CAPITAL}0-9][{_CAPITAL}0-9.'’-]*){{0,2}}){_ASIDE}:(?=\s|$)"
)
"""A pattern of a name in capitals with its colon, as subtitles for the deaf have it; its group is `name`.

Its many letters take milliseconds to compile, so `re` does that when the first transcript is read, and keeps it."""

_UNNAMED: Final = (
    "a about also an and answer attention bad because but caution chapter con conclusion cons date "
    "day edit example fact finally first good he here how i if important in it last listen location look message "
    "moral my next no not note notes now number okay on one or part place please plus point pro problem pros "
    "question quote reason remember reminder result results rule say scene second secondly section she so spoiler "
    "step subject summary that the then there these they third this those time tip title to translation truth two "
    "update warning we well what when where which who why with yes you your"
)
_NO_NAMES: Final = frozenset(_UNNAMED.split())
"""Words that stand before a colon in what is said, or head a text, and are nobody's name."""

_MARK: Final = r"(?P<dash>-|–|—|>>)"
_TIME: Final = r"(?P<time>[\[(]?\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?)"
_WORD: Final = r"[^\W\d_][\w.'’-]{0,30}"
_BEGIN: Final = (
    rf"\s*(?:{_MARK}\s*)?(?:{_TIME}\s*(?:[-–—]\s*)?)?"
    rf"(?P<name>{_WORD}(?: (?:{_WORD}|\d{{1,3}})){{0,2}}){_ASIDE}:(?=\s|$)"
)
_TITLED: Final = re.compile(r"(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Speaker)\b")


def can_be_name(words: str) -> bool:
    """Whether each of the words begins with a capital or is a number, and none is one that names nobody.

    Example:
        >>> can_be_name("Dr. Smith"), can_be_name("NOTE"), can_be_name("He said")
        (True, False, False)
    """
    each = words.split(" ")
    return all(word[0].isupper() or word[0].isdigit() for word in each) and not _NO_NAMES.intersection(
        word.casefold().strip(".") for word in each
    )


def split_name(text: str) -> tuple[str, str]:
    """Split a line into the name in capitals that it begins with, empty where there is none, and what is said.

    Example:
        >>> split_name("JOHN: I am furious."), split_name("Note: I am furious.")
        (('JOHN', 'I am furious.'), ('', 'Note: I am furious.'))
    """
    found = re.match(CAPITALS, text)
    if found is None or not can_be_name(found["name"]):
        return "", text
    return found["name"], text[found.end() :].strip()


def name_speakers(rows: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the speaker of each row of a plain text, empty where that is not known, and what is said.

    A row begins with the speaker's name, of three words at most, and a colon; a dash and a time may stand before it. In
    capitals, with a title (`Dr. Smith`), or after a dash or a time it is taken for one; any other, `Maria`, where it
    begins two rows or more, or where half of the rows, and two at least, begin with names. Who is named goes on to
    speak until the next name or dash, or an empty row.
    """
    begins = [_begin(row) for row in rows]
    counts = Counter(begin["name"] for begin in begins if begin is not None)
    is_dialogue = counts.total() >= max(2, sum(bool(row.strip()) for row in rows) / 2)
    speaker = ""
    for row, begin in zip(rows, begins, strict=True):
        if begin is not None and (is_dialogue or counts[begin["name"]] > 1 or _is_plain(begin)):
            speaker = begin["name"]
            row = row[begin.end() :]
        elif not row.strip() or row.lstrip().startswith(("-", "–", "—", ">>")):
            speaker = ""
        yield speaker, row


def _begin(row: str) -> re.Match[str] | None:
    """Match what may be a name at the beginning of a row."""
    found = re.match(_BEGIN, row)
    return found if found is not None and can_be_name(found["name"]) else None


def _is_plain(begin: re.Match[str]) -> bool:
    """Whether what begins a row is a name whatever the other rows are."""
    name = begin["name"]
    in_capitals = name.isupper() and len(name.split(" ")[0]) > 1
    return in_capitals or bool(begin["dash"] or begin["time"] or _TITLED.match(name))
