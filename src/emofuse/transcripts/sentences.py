"""Cutting what was said into pieces that a text network can score, each with its own times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emofuse.types import Line

MOST_WORDS: Final = 25  # of a piece: text networks learn from utterances of about ten
LONGEST_S: Final = 6.0  # of a piece, where it can be cut
PAUSE_S: Final = 1.0  # between two words: what comes after is another sentence

_TOKEN: Final = re.compile(r"\S+?[。！？]+|\S+")  # Chinese and Japanese set no space after a sentence
_END: Final = re.compile(r"[.!?…。！？][\"'”’»)\]]*$")
_NOT_AN_END: Final = re.compile(r"^\W*(?:mr|mrs|ms|dr|st|prof|jr|sr|vs|e\.g|i\.e|[a-z])\.$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Token:
    """A stretch of a line's text without a space in it: characters first to last, and its times."""

    first: int
    last: int
    start_s: float
    end_s: float


def split_sentences(text: str) -> list[str]:
    """Split a text where sentences end; titles such as "Dr." and single initials end none."""
    found = [match.span() for match in _TOKEN.finditer(text)]
    pieces, begin = [], 0
    for i, (first, last) in enumerate(found):
        if i == len(found) - 1 or _ends(text[first:last]):
            pieces.append(text[found[begin][0] : last])
            begin = i + 1
    return pieces


def cut_line(line: Line) -> list[Line]:
    """Cut a line of over MOST_WORDS words or LONGEST_S at the ends of sentences, or else between words.

    Short sentences stay together as far as both limits allow: what was said together is understood together. The
    times of a piece are those of its words where these are known, else in proportion to the characters.
    """
    tokens = _tokens(line)
    if not tokens:
        return []
    if len(tokens) <= MOST_WORDS and line.end_s - line.start_s <= LONGEST_S and not line.words:
        return [line]
    pieces: list[list[_Token]] = []
    for sentence in _sentences(line.text, tokens):
        for run in _runs(sentence):
            if pieces and _belong(pieces[-1], run):
                pieces[-1].extend(run)
            else:
                pieces.append(run)
    return [Line(line.text[p[0].first : p[-1].last], p[0].start_s, p[-1].end_s, speaker=line.speaker) for p in pieces]


def _tokens(line: Line) -> list[_Token]:
    """Return the tokens of a line with their times."""
    if line.words:
        placed = _placed_words(line)
        if placed:
            return placed
    per_character_s = (line.end_s - line.start_s) / max(len(line.text), 1)
    return [
        _Token(
            match.start(),
            match.end(),
            line.start_s + match.start() * per_character_s,
            line.start_s + match.end() * per_character_s,
        )
        for match in _TOKEN.finditer(line.text)
    ]


def _placed_words(line: Line) -> list[_Token]:
    """Find the words of a line in its text, one after the other; none where they are not those of the text."""
    placed: list[_Token] = []
    at, latest_s = 0, line.start_s
    for word in line.words:
        text = word.text.strip()
        first = line.text.find(text, at) if text else -1
        if first < 0:
            if text:
                return []
            continue
        at = first + len(text)
        # recognisers sometimes let a word begin before the end of the one before it
        start_s = max(word.start_s, latest_s)
        latest_s = max(word.end_s, start_s)
        placed.append(_Token(first, at, start_s, latest_s))
    return placed


def _sentences(text: str, tokens: Sequence[_Token]) -> list[list[_Token]]:
    found: list[list[_Token]] = [[]]
    for i, token in enumerate(tokens):
        found[-1].append(token)
        if i == len(tokens) - 1:
            break
        if _ends(text[token.first : token.last]) or tokens[i + 1].start_s - token.end_s >= PAUSE_S:
            found.append([])
    return found


def _runs(sentence: list[_Token]) -> list[list[_Token]]:
    """Cut a sentence of over MOST_WORDS words into runs of about the same length."""
    n_runs = -(-len(sentence) // MOST_WORDS)
    bounds = [round(i * len(sentence) / n_runs) for i in range(n_runs + 1)]
    return [sentence[a:b] for a, b in itertools.pairwise(bounds)]


def _belong(piece: Sequence[_Token], run: Sequence[_Token]) -> bool:
    return (
        len(piece) + len(run) <= MOST_WORDS
        and run[-1].end_s - piece[0].start_s <= LONGEST_S
        and run[0].start_s - piece[-1].end_s < PAUSE_S
    )


def _ends(token: str) -> bool:
    return bool(_END.search(token)) and not _NOT_AN_END.match(token)
