"""Words in which a finger slipped: what they were meant to be, among the words that somebody knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from emofuse.preprocessing.tokens import MOST_WORDS, split_words

_LETTERS: Final = range(4, 21)  # of a word that is respelt: shorter ones become too many others
_MOST_KEPT: Final = 1 << 14  # words of which it is remembered what they were meant to be


def spellings(word: str) -> list[str]:
    """Return what a word may have been meant to be: without one of a doubled letter, or with two neighbours exchanged.

    Example:
        >>> spellings("saad")
        ['sad', 'asad', 'sada']
    """
    pairs = [(i, word[i], word[i + 1]) for i in range(len(word) - 1)]
    single = [word[:i] + word[i + 1 :] for i, a, b in pairs if a == b]
    exchanged = [word[:i] + b + a + word[i + 2 :] for i, a, b in pairs if a != b]
    return [*single, *exchanged]


class Speller:
    """Respells words that nobody knows where one of their `spellings` is known.

    Args:
        knows: Tells of each of some words whether it is known.

    Example:
        >>> Speller(lambda words: [word in ("so", "angry") for word in words]).respell("So anrgyyy, Bob!")
        'So anrgyyy, Bob!'
        >>> Speller(lambda words: [word in ("so", "angry") for word in words]).respell("So anrgy, Bob!")
        'so angry , bob !'
    """

    def __init__(self, knows: Callable[[Sequence[str]], Sequence[bool]]) -> None:
        self._knows = knows
        self._meant: dict[str, str] = {}

    def respell(self, text: str) -> str:
        """Return the words of a text as they were meant, or the text itself where none is respelt."""
        if len(self._meant) > _MOST_KEPT:
            self._meant.clear()
        words = split_words(text)[:MOST_WORDS]
        self._learn([word for word in dict.fromkeys(words) if word not in self._meant and _can_be_respelt(word)])
        meant = [self._meant.get(word, word) for word in words]
        return text if meant == words else " ".join(meant)

    def _learn(self, words: Sequence[str]) -> None:
        self._meant.update(zip(words, words, strict=True))
        unknown = self._those(words, known=False)
        tried = [spelling for word in unknown for spelling in spellings(word)]
        known = set(self._those(tried, known=True))
        for word in unknown:
            self._meant[word] = next((spelling for spelling in spellings(word) if spelling in known), word)

    def _those(self, words: Sequence[str], known: bool) -> list[str]:
        return [word for word, is_known in zip(words, self._knows(words), strict=True) if bool(is_known) == known]


def _can_be_respelt(word: str) -> bool:
    return len(word) in _LETTERS and word.isascii() and word.isalpha()
