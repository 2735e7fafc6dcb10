"""Misspelt words are read as they were meant, where that is a word that is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from emofuse.preprocessing.spelling import Speller, spellings

KNOWN = {"i", "am", "very", "angry", "sad", "nobody", "came", "here", "form", "do", "n't", "that"}


class Vocabulary:
    """Knows KNOWN, and counts how many words it was asked about."""

    def __init__(self) -> None:
        self.n_asked = 0

    def __call__(self, words: Sequence[str]) -> list[bool]:
        self.n_asked += len(words)
        return [word in KNOWN for word in words]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("I am vrey saaad", "i am very sad"),
        ("I am anrgy!!", "i am angry !!"),
        ("NOBDOY came heere.", "nobody came here ."),
        ("Don't do taht", "do n't do that"),
        ("came form", "came form"),  # a word itself, whatever was meant
        ("I am zzyzx", "I am zzyzx"),  # nothing like it is known
        ("ma I", "ma I"),  # too short to tell
    ],
)
def test_slips_are_read_as_they_were_meant(written: str, meant: str) -> None:
    assert Speller(Vocabulary()).respell(written) == meant


def test_what_a_word_may_have_been_meant_to_be() -> None:
    assert spellings("abbc") == ["abc", "babc", "abcb"]
    assert spellings("a") == []


def test_a_word_is_asked_about_once() -> None:
    vocabulary = Vocabulary()
    speller = Speller(vocabulary)
    first = speller.respell("vrey angry")
    n_asked = vocabulary.n_asked
    assert speller.respell("vrey angry") == first
    assert vocabulary.n_asked == n_asked > 0


def test_endless_words_and_texts_cost_little() -> None:
    vocabulary = Vocabulary()
    speller = Speller(vocabulary)
    assert speller.respell("xy" * 50_000)
    assert vocabulary.n_asked == 0
    assert len(speller.respell("vrey " * 10_000).split()) == 256  # no more are read
    assert vocabulary.n_asked < 20
