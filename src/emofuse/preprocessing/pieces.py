"""Text as encoders of the BERT family read it: words in lower case, cut into pieces that a vocabulary has.

Training and serving both do it here. It gives the numbers that WordPiece gives (Wu et al., 2016, arXiv:1609.08144).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.preprocessing.tokens import normalise

PADDING: Final = 0
SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""The first pieces of every vocabulary."""
INSIDE: Final = "##"  # before a piece that does not begin a word
MOST_PIECES: Final = 128  # of a text, with those around it; what comes after them is not read
MOST_LETTERS: Final = 40  # of a word; longer ones are not cut

_WORD: Final = re.compile(r"[^\W_]+|[^\w\s]|_")
_UNKNOWN, _BEGIN, _END = 1, 2, 3


class WordPieces:
    """Cuts texts into the longest pieces that a vocabulary has, from the left.

    Args:
        vocabulary: The pieces, SPECIAL first, then words, marks and, after INSIDE, what stands within words.

    Example:
        >>> pieces = WordPieces((*SPECIAL, "un", "##happi", "##ness", "!"))
        >>> pieces.encode("Unhappiness!").tolist()
        [2, 5, 6, 7, 8, 3]
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        self._cut = lru_cache(maxsize=1 << 16)(self._cut_word)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the numbers of a text's pieces between those of [CLS] and [SEP]: (T,), T from 2 to MOST_PIECES."""
        plain = unicodedata.normalize("NFD", normalise(text))
        words = _WORD.findall("".join(c for c in plain if unicodedata.category(c) != "Mn"))
        numbers = [number for word in words[:MOST_PIECES] for number in self._cut(word)][: MOST_PIECES - 2]
        return np.array([_BEGIN, *numbers, _END], dtype=np.int64)

    def _cut_word(self, word: str) -> tuple[int, ...]:
        if len(word) > MOST_LETTERS:
            return (_UNKNOWN,)
        found = []
        start = 0
        while start < len(word):
            mark = INSIDE if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._numbers), None)
            if end is None:
                return (_UNKNOWN,)
            found.append(self._numbers[mark + word[start:end]])
            start = end
        return tuple(found)
