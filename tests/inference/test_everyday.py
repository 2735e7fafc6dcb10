"""What the shipped text network makes of sentences of every day and of their denials."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.inference.bundle import load_bundle
from emofuse.inference.modalities.text import TextPredictor
from emofuse.research.corpora.made_texts import make_texts
from emofuse.research.corpora.texts import text_key
from emofuse.research.recipes.data import TextDataSettings
from emofuse.research.recipes.recipe import load_recipe
from everyday_sentences import EVERYDAY, NEGATED

RECIPE = Path(__file__).parents[2] / "recipes" / "text.toml"


@pytest.fixture(scope="module")
def predictor() -> TextPredictor:
    return TextPredictor(load_bundle())


def label(predictor: TextPredictor, text: str) -> str:
    scores = predictor.score(text, 0.0, 1.0)
    assert scores is not None, text
    return scores.label


def test_sentences_of_every_day_are_understood(predictor: TextPredictor) -> None:
    wrong = [(text, meant, found) for text, meant in EVERYDAY if (found := label(predictor, text)) != meant]
    assert len(wrong) <= 0.15 * len(EVERYDAY), wrong  # what the project promises: 34 of 40


def test_denials_are_understood(predictor: TextPredictor) -> None:
    wrong = [(text, found) for _, _, text, may in NEGATED if (found := label(predictor, text)) not in may.split(",")]
    assert len(wrong) <= 0.2 * len(NEGATED), wrong


def test_what_is_denied_is_understood_too(predictor: TextPredictor) -> None:
    wrong = [(text, found) for text, may, _, _ in NEGATED if (found := label(predictor, text)) not in may.split(",")]
    assert len(wrong) <= 0.15 * len(NEGATED), wrong


def test_no_made_sentence_is_one_of_these() -> None:
    recipe = load_recipe(RECIPE)
    assert isinstance(recipe.data, TextDataSettings)
    made = {text_key(one.text) for one in make_texts(recipe.data.made, recipe.seed)}
    own = [text for text, _ in EVERYDAY] + [text for pair in NEGATED for text in (pair[0], pair[2])]
    assert [text for text in own if text_key(text) in made] == []
