"""Text as networks read it: normalised, cut into words, numbers for each word and for its parts.

Training and serving both do it here.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

PADDING, BEGIN, END, UNKNOWN = range(4)  # numbers that are no word's
BITS: Final = 23  # of a word's number: single precision holds it exactly
MOST_WORDS: Final = 256  # of a text; what comes after them is not read
PART_LENGTHS: Final = (3, 4, 5)  # letters of a word's parts
MOST_PARTS: Final = 20  # of a word, the short ones first
WIDTH: Final = 1 + MOST_PARTS  # numbers of a word: its own, and those of its parts

# Subtitles, recognisers and Windows write the same mark in many ways; what is left of these is plain ASCII.
_PLAIN: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´\x91\x92", "'"),
        **dict.fromkeys("“”„‟″«»\x93\x94", '"'),
        **dict.fromkeys("‐‑", "-"),
        **dict.fromkeys("‒–—―\x96\x97", " - "),
        **dict.fromkeys("…\x85", "..."),
        **dict.fromkeys("\xad\u200b\u200c\u200d\ufeff", ""),
    }
)
_REPEATED: Final = re.compile(r"(.)\1{2,}")
_NOT: Final = re.compile(r"n't\b")
# Scripts without spaces between words, one character at a time: Han, kana and Thai.
_UNSPACED: Final = "\u0e00-\u0e30\u0e32-\u0e33\u0e40-\u0e46\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"


@cache
def _words() -> re.Pattern[str]:
    """Return what a word or a mark is, made when the first text is read."""
    # Vowel signs and accents of their own, which belong to the letter before them.
    signs = "".join(chr(c) for c in range(0x300, 0x1B00) if unicodedata.category(chr(c)).startswith("M"))
    return re.compile(
        rf"n't|'[a-z]+|[{_UNSPACED}][{signs}]*|(?:(?![{_UNSPACED}])[^\W\d_][{signs}]*)+|\d+|\.\.+|[!?]+|[^\w\s]|_"
    )


def normalise(text: str) -> str:
    """Write quotes, dashes and dots in one way, in lower case, with single spaces: `Don’t — go!` is `don't - go!`."""
    return " ".join(text.translate(_PLAIN).lower().split())


def split_words(text: str) -> list[str]:
    """Cut a text into words and marks: `Noooo, don't!!` is `noo`, `,`, `do`, `n't`, `!!`.

    A letter or mark that is repeated more than twice counts as two. Of scripts that put no space between words, each
    character is one.
    """
    return _words().findall(_NOT.sub(" n't", _REPEATED.sub(r"\1\1", normalise(text))))


_SOUNDS: Final = re.compile(r"\[[^\]\[]*\]|\([^()]*\)|[♪♫#*]+|^\s*-\s+|(?<=\n)[^\S\n]*-\s+|^\s*>>+\s*")


def drop_sounds(text: str) -> str:
    """Leave out what subtitles say of sounds, and their marks of speakers and of song: `- [door] Hi! (laughs)` is
    `Hi!`."""
    return " ".join(_SOUNDS.sub(" ", text).split())


# Bounded, and beginning where a word does: a line without spaces, of any length, is looked through once.
_ADDRESSES: Final = re.compile(
    r"(?:https?://|www\.)\S+|(?<!\S)[^\s@]{1,64}@\w[\w-]{0,62}(?:\.\w{1,63}){1,8}", re.IGNORECASE
)
_HIDDEN: Final = re.compile(r"(?<!\w)[a-z]{1,12}[*@#$]{1,12}[a-z]{0,12}(?!\w)", re.IGNORECASE)
_SWEARING: Final = (
    *("fuck", "fucking", "fucked", "fucker", "motherfucker", "shit", "shitty", "bullshit", "bitch", "bitches", "damn"),
    *("goddamn", "hell", "ass", "asshole", "assholes", "crap", "bastard", "bastards", "dick", "cunt", "piss", "pissed"),
)


def as_spoken(text: str) -> str:
    """Leave out what nobody says, sounds, marks and addresses of the web, and write out swear words some of whose
    letters are hidden: `[sighs] What the f**k! www.example.org` is `What the fuck!`."""
    return drop_sounds(_HIDDEN.sub(_written_out, _ADDRESSES.sub(" ", text)))


def _written_out(hidden: re.Match[str]) -> str:
    letters = re.compile(re.sub(r"[*@#$]", ".", hidden[0]), re.IGNORECASE)
    return next(filter(letters.fullmatch, _SWEARING), hidden[0])


def has_words(text: str) -> bool:
    """Whether there is a letter or figure in a text."""
    return any(c.isalnum() for c in text)


def is_stretched(text: str) -> bool:
    """Whether a letter stands more than twice in a row, as in `Heeelp!`: `split_words` leaves two of them."""
    return any(found[1].isalpha() for found in _REPEATED.finditer(text.lower()))


def has_letters(text: str) -> bool:
    """Whether there is a letter in a text: figures alone show no emotion."""
    return any(c.isalpha() for c in text)


def word_number(word: str) -> int:
    """Return the number of a word, below 2**BITS + 4: BITS of its CRC-32, after the numbers that are no word's."""
    return zlib.crc32(word.encode("utf-8", "replace")) % 2**BITS + UNKNOWN + 1


@lru_cache(maxsize=1 << 16)
def word_numbers(word: str) -> tuple[int, ...]:
    """Return the WIDTH numbers of a word: its own, and those of its parts, PADDING where there are no more.

    The parts are runs of PART_LENGTHS characters of `<word>`: by them a network has an idea of words that it does not
    know, and of those that are spelt wrongly (Bojanowski et al., 2017, arXiv:1607.04606). Marks and figures have none.
    """
    marked = f"<{word}>" if word[0].isalpha() else ""
    parts = [marked[i : i + n] for n in PART_LENGTHS for i in range(len(marked) - n + 1)][:MOST_PARTS]
    numbers = [word_number(word), *map(word_number, parts)]
    return (*numbers, *(PADDING,) * (WIDTH - len(numbers)))


def encode(text: str) -> NDArray[np.int64]:
    """Return the numbers of a text's words between BEGIN and END: (T, WIDTH), T of 2 or more."""
    words = split_words(text)[:MOST_WORDS]
    numbers = np.full((len(words) + 2, WIDTH), PADDING, dtype=np.int64)
    numbers[[0, -1], 0] = BEGIN, END
    if words:
        numbers[1:-1] = [word_numbers(word) for word in words]
    return numbers


def stack(encoded: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Put N encoded texts, (T, WIDTH) or (T,), into one (N, T, WIDTH) or (N, T), shorter ones padded at their end."""
    batch = np.full((len(encoded), max(map(len, encoded)), *encoded[0].shape[1:]), PADDING, dtype=np.int64)
    for row, numbers in zip(batch, encoded, strict=True):
        row[: len(numbers)] = numbers
    return batch
