"""Lines cut into what a text network can score, with their own times."""

import pytest

from emofuse.transcripts.sentences import LONGEST_S, MOST_WORDS, cut_line, split_sentences
from emofuse.types import Line, Word


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Go. Now!", ["Go.", "Now!"]),
        ('"Go!" she said. (Now?) Yes…', ['"Go!"', "she said.", "(Now?)", "Yes…"]),
        ("Dr. Who met J. Doe at 3.5 p.m. or so", ["Dr. Who met J. Doe at 3.5 p.m.", "or so"]),
        ("no end", ["no end"]),
        ("我不去。你呢？", ["我不去。", "你呢？"]),
        ("   ", []),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert split_sentences(text) == pieces


def test_a_short_line_stays_whole() -> None:
    line = Line("No. No! I can't.", 1.0, 3.0, speaker="Anna")
    assert cut_line(line) == [line]
    assert cut_line(Line(" ", 0, 1)) == []


def test_a_long_line_is_cut_at_sentences_in_proportion() -> None:
    line = Line("aaaa aaaa. bbbb bbbb.", 10.0, 20.0, speaker="Anna")  # 21 characters in 10 s
    first, second = cut_line(line)
    assert (first.text, second.text) == ("aaaa aaaa.", "bbbb bbbb.")
    assert first.start_s == 10.0 and first.end_s == pytest.approx(10 + 100 / 21)
    assert second.start_s == pytest.approx(10 + 110 / 21) and second.end_s == pytest.approx(20.0)
    assert first.speaker == "Anna"


def test_words_give_a_piece_its_times() -> None:
    words = (Word("Yes.", 1.0, 1.2), Word(" I", 4.0, 4.1), Word("do.", 4.1, 4.6))
    pieces = cut_line(Line("Yes. I do.", 0.0, 9.0, words))
    assert [(p.text, p.start_s, p.end_s) for p in pieces] == [("Yes.", 1.0, 1.2), ("I do.", 4.0, 4.6)]


def test_words_that_are_not_those_of_the_text_are_passed_over() -> None:
    pieces = cut_line(Line("Yes I do.", 0.0, 3.0, (Word("Nein", 1.0, 1.2),)))
    assert [(p.text, p.start_s, p.end_s) for p in pieces] == [("Yes I do.", 0.0, pytest.approx(3.0))]


def test_no_piece_is_too_long() -> None:
    text = " ".join(f"w{i}" for i in range(60))
    pieces = cut_line(Line(text, 0.0, 30.0))
    assert " ".join(p.text for p in pieces) == text
    assert all(len(p.text.split()) <= MOST_WORDS for p in pieces) and len(pieces) == 3
    short = cut_line(Line("So it is. " * 40, 0.0, 60.0))
    assert all(p.end_s - p.start_s <= LONGEST_S + 1e-6 for p in short)
    assert sum(len(p.text.split()) for p in short) == 120


def test_cutting_again_changes_nothing() -> None:
    for piece in cut_line(Line("So it is. " * 40, 0.0, 60.0)):
        assert cut_line(piece) == [piece]
