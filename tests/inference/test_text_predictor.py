"""What the shipped text network says of sentences."""

from __future__ import annotations

import pytest

from emofuse.emotions import BASE
from emofuse.inference.bundle import load_bundle
from emofuse.inference.text_predictor import TextPredictor


@pytest.fixture(scope="module")
def predictor() -> TextPredictor:
    return TextPredictor(load_bundle())


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Oh my God, what are you doing here?!", "surprised"),
        ("That's great! Congratulations, I'm so happy for you!", "happy"),
        ("Get the hell out of my house!", "angry"),
        ("I'm so sorry, I miss her so much.", "sad"),
        ("She works at the museum on Mondays.", "neutral"),
    ],
)
def test_plain_sentences_are_understood(predictor: TextPredictor, text: str, label: str) -> None:
    scores = predictor.score(text, 1.5, 3.0)
    assert scores is not None
    assert (scores.label, scores.labels, scores.modality) == (label, BASE, "text")
    assert (scores.start_s, scores.end_s, scores.quality) == (1.5, 3.0, pytest.approx(1.0))


def test_marks_written_otherwise_make_no_difference(predictor: TextPredictor) -> None:
    plain, windows = (predictor.score(text, 0, 1) for text in ("I can't... - no!", "I CAN\u2019T\u2026 \u2014 no!"))
    assert plain is not None and windows is not None
    assert plain.as_dict() == windows.as_dict()


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "♪ ♪"])
def test_where_there_is_no_word_nothing_is_said(predictor: TextPredictor, text: str) -> None:
    assert predictor.score(text, 0, 1) is None


def test_a_very_long_text_is_scored_by_how_it_begins(predictor: TextPredictor) -> None:
    long, longer = (predictor.score("great " * n, 0, 1) for n in (300, 30_000))
    assert long is not None and longer is not None
    assert long.as_dict() == longer.as_dict()
