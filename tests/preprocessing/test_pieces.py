"""Words cut into pieces as BERT's encoders read them."""

from __future__ import annotations

import pytest

from emofuse.preprocessing.pieces import MOST_PIECES, SPECIAL, WordPieces

VOCABULARY = (*SPECIAL, "don", "'", "t", "un", "##happi", "##ness", "happy", "!", "cafe", "i", "##i")


@pytest.fixture(scope="module")
def pieces() -> WordPieces:
    return WordPieces(VOCABULARY)


def cut(pieces: WordPieces, text: str) -> list[str]:
    return [VOCABULARY[number] for number in pieces.encode(text)[1:-1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't!", ["don", "'", "t", "!"]),
        ("DON’T", ["don", "'", "t"]),
        ("unhappiness", ["un", "##happi", "##ness"]),
        ("Café", ["cafe"]),
        ("happyx happy", ["[UNK]", "happy"]),  # a word of which a part is unknown is unknown as a whole
        ("i" * 41, ["[UNK]"]),
        ("iii", ["i", "##i", "##i"]),
        ("", []),
        ("\x00\u200b \ufffd", ["[UNK]", "[UNK]"]),
        ("😀", ["[UNK]"]),
    ],
)
def test_the_longest_pieces_from_the_left(pieces: WordPieces, text: str, expected: list[str]) -> None:
    assert cut(pieces, text) == expected
    assert pieces.encode(text)[[0, -1]].tolist() == [SPECIAL.index("[CLS]"), SPECIAL.index("[SEP]")]


def test_a_long_text_is_cut_off(pieces: WordPieces) -> None:
    numbers = pieces.encode("happy " * 10_000)
    assert len(numbers) == MOST_PIECES and numbers[-1] == SPECIAL.index("[SEP]")


def test_the_same_numbers_as_the_library_of_the_hub() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = (
        *VOCABULARY,
        *"abcdefghijklmnopqrstuvwxyz",
        *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"),
        ".",
        ",",
        "?",
    )
    vocabulary = tuple(dict.fromkeys(words))
    theirs = tokenizers.BertWordPieceTokenizer(
        {piece: i for i, piece in enumerate(vocabulary)}, lowercase=True, strip_accents=True
    )
    ours = WordPieces(vocabulary)
    for text in ("I don't know, Unhappiness!", "Café, naïve?", "hello. world 2 you_me", "so-called (he) said: no"):
        assert ours.encode(text).tolist() == theirs.encode(text).ids
