"""What a card says of the corpora that were trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.card import ModelCard
from emofuse.emotions import RAVDESS
from emofuse.research.corpora.corpus import ACTED_CAUTION
from emofuse.research.corpora.registry import CORPORA
from emofuse.research.models.registry import build
from emofuse.research.models.settings import MelCnnSettings
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.cards import model_card

MODEL = MelCnnSettings()
NETWORK = build(MODEL, len(RAVDESS))


def card(*train_on: str) -> ModelCard:
    recipe = Recipe(name="a", model=MODEL, data=VoiceDataSettings(train_on=train_on))
    return model_card(NETWORK, recipe, RAVDESS)


@pytest.mark.parametrize("name", [name for name in CORPORA if name != "csv"])
def test_every_corpus_that_can_be_trained_on_is_on_the_card(name: str) -> None:
    (source,) = card(name).data
    corpus = CORPORA[name]
    assert (source.name, source.licence, source.part) == (corpus.title, corpus.licence, corpus.part)
    assert (ACTED_CAUTION in card(name).cautions) == (corpus.style == "acted")


def test_own_recordings_are_not_called_acted(tmp_path: Path) -> None:
    table = tmp_path / "interviews.csv"
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).touch()
    table.write_text("path,emotion,speaker,licence\na.wav,happy,s1,ours\nb.wav,sad,s2,ours\n")
    own = card(str(table))
    assert [(source.name, source.licence) for source in own.data] == [("interviews", "ours")]
    assert own.cautions == ()
    both = card(str(table), "emodb")
    assert [source.name for source in both.data] == ["interviews", "EMO-DB"] and both.cautions == (ACTED_CAUTION,)
    table.unlink()
    assert [(source.name, source.licence) for source in card(str(table)).data] == [
        ("interviews", "as its manifest says")
    ]
