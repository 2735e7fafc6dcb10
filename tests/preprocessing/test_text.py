"""Text as networks read it: one spelling for many, words and marks, and a number for each."""

from __future__ import annotations

import numpy as np
import pytest

from emofuse.preprocessing.tokens import (
    BEGIN,
    BITS,
    END,
    MOST_WORDS,
    PADDING,
    UNKNOWN,
    WIDTH,
    encode,
    has_words,
    normalise,
    split_words,
    stack,
    word_number,
    word_numbers,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Don’t — go…", "don't - go..."),
        ("\x91So\x92 he said \x93no\x94 \x97 twice\x85", "'so' he said \"no\" - twice..."),
        ("  two\u2009 lines\n here ", "two lines here"),
        ("t\u2010shirt\ufeff", "t-shirt"),
        ("ÉTÉ", "été"),
    ],
)
def test_marks_are_written_in_one_way(written: str, read: str) -> None:
    assert normalise(written) == read
    assert normalise(read) == read


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Noooo, don't!!!!", ["noo", ",", "do", "n't", "!!"]),
        ("We’re 25, he'd said... What?!", ["we", "'re", "25", ",", "he", "'d", "said", "..", "what", "?!"]),
        ("café_x", ["café", "_", "x"]),
        (" \n", []),
        ("वह अपने दोस्तों", ["वह", "अपने", "दोस्तों"]),  # vowel signs belong to their letters
        ("مَرْحَبًا!", ["مَرْحَبًا", "!"]),
        ("他不在 OK", ["他", "不", "在", "ok"]),  # no space tells words apart
        ("ฉัน", ["ฉั", "น"]),
    ],
)
def test_words_and_marks_are_cut_apart(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_a_text_is_its_words_numbers_between_its_ends() -> None:
    numbers = encode("Oh no!")
    assert numbers.shape == (5, WIDTH)
    assert numbers[:, 0].tolist() == [BEGIN, word_number("oh"), word_number("no"), word_number("!"), END]
    assert encode("")[:, 0].tolist() == [BEGIN, END]
    assert len(encode("word " * 1000)) == MOST_WORDS + 2


def test_numbers_of_words_are_no_marks_numbers_and_exact_in_single_precision() -> None:
    numbers = {word_number(f"word{i}") for i in range(2000)}
    assert len(numbers) > 1990
    assert min(numbers) > UNKNOWN and max(numbers) < 2**BITS + UNKNOWN + 1
    assert all(int(np.float32(number)) == number for number in numbers)
    assert word_number("happy") == 7_177_165  # a network that ships knows it by this number


def test_texts_are_padded_at_their_ends() -> None:
    batch = stack([encode("oh no"), encode("")])
    assert batch.dtype == np.int64
    assert batch[1, :, 0].tolist() == [BEGIN, END, PADDING, PADDING]
    assert not batch[1, :, 1:].any()


def test_a_word_brings_the_numbers_of_its_parts() -> None:
    numbers = word_numbers("cat")
    parts = [word_number(part) for part in ("<ca", "cat", "at>", "<cat", "cat>", "<cat>")]
    assert list(numbers) == [word_number("cat"), *parts, *[PADDING] * (WIDTH - 7)]
    assert len(word_numbers("incomprehensibilities")) == WIDTH  # the long parts of a long word are left out
    assert word_numbers("!")[1:] == word_numbers("25")[1:] == (PADDING,) * (WIDTH - 1)
    wrong = set(word_numbers("terified")) & set(word_numbers("terrified"))
    assert len(wrong - {PADDING}) >= 8  # by which it is understood


@pytest.mark.parametrize(("text", "expected"), [("...?!", False), ("", False), ("a", True), ("3!", True), ("だ", True)])
def test_words_are_letters_or_figures(text: str, expected: bool) -> None:
    assert has_words(text) is expected


def test_half_a_character_is_a_word_too() -> None:
    assert encode("a\ud800").tolist() == encode("a?").tolist()
