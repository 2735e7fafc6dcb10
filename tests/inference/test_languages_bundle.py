"""The bundle "languages" is the base bundle with a text network of many languages."""

from __future__ import annotations

import pytest

from emofuse.inference.bundle import BUNDLES, Bundle, load_bundle
from emofuse.inference.bundle_writer import PAGE, page
from emofuse.inference.modalities.base import UNREADABLE_IN_ANY
from emofuse.inference.modalities.text import TextPredictor, TranscriptScorer, knows_enough
from emofuse.reading import file_hash
from emofuse.types import Line

ASKED_FOR = {"en", "es", "de", "fr", "pt", "it", "pl", "tr", "ru", "ar", "hi", "zh"}
MOST_BYTES = 5_000_000


SENTENCES = {
    "I'm so scared!": "fearful",
    "Ich bin heute so traurig.": "sad",
    "Halt die Klappe, du Idiot!": "angry",
    "Tengo mucho miedo.": "fearful",
    "Te quiero, soy muy feliz.": "happy",
    "Je suis tellement triste.": "sad",
    "Tenho medo.": "fearful",
    "Sono così triste.": "sad",
    "Zamknij się, idioto!": "angry",
    "Kapa çeneni, aptal!": "angry",
    "Мне страшно.": "fearful",
    "أنا سعيد جدا": "happy",
    "मैं बहुत खुश हूँ।": "happy",
    "我很高兴": "happy",
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("languages")


@pytest.fixture(scope="module")
def predictor(bundle: Bundle) -> TextPredictor:
    return TextPredictor(bundle)


def test_it_is_the_base_bundle_but_for_its_text_network(bundle: Bundle) -> None:
    base = load_bundle("base")
    for modality in ("face", "voice"):
        assert bundle.networks[modality].sha256 == base.networks[modality].sha256
    assert bundle.networks["text"].card.name == "text-languages"
    assert bundle.manifest.certainty is not None and base.manifest.certainty is not None
    own, theirs = bundle.manifest.certainty, base.manifest.certainty
    assert {m: one for m, one in own.modalities.items() if m != "text"} == {
        m: one for m, one in theirs.modalities.items() if m != "text"
    }
    assert own.modalities["text"] != theirs.modalities["text"] and own.fused == theirs.fused


def test_its_file_is_small_and_whole_and_its_page_is_of_it(bundle: Bundle) -> None:
    path = BUNDLES / "languages" / bundle.manifest.modalities["text"].file
    assert path.stat().st_size < MOST_BYTES
    assert file_hash(path) == bundle.manifest.modalities["text"].sha256
    assert (BUNDLES / "languages" / PAGE).read_text("utf-8") == page(bundle)


def test_its_card_names_its_languages_and_its_data(predictor: TextPredictor, bundle: Bundle) -> None:
    assert set(predictor.languages) >= ASKED_FOR and len(predictor.languages) > 40
    names = {source.name for source in bundle.networks["text"].card.data}
    assert {"XED (other languages)", "BRIGHTER (other languages)", "GoEmotions"} <= names
    assert any("languages that its card names" in caution for caution in bundle.networks["text"].card.cautions)


@pytest.mark.parametrize("text", SENTENCES)
def test_plain_sentences_are_understood_in_many_languages(predictor: TextPredictor, text: str) -> None:
    scores = predictor.score(text, 0, 1)
    assert scores is not None and scores.label == SENTENCES[text]


@pytest.mark.parametrize("text", ["どうしてここにいるの？", "어떻게 해야 할지 모르겠어요", "მე არ ვიცი", "123"])
def test_a_language_that_it_does_not_know_is_not_answered(predictor: TextPredictor, text: str) -> None:
    assert predictor.score(text, 0, 1) is None


def test_it_is_told_that_the_words_are_in_no_language_that_it_knows(predictor: TextPredictor) -> None:
    words = TranscriptScorer(predictor, 5.0, [Line("どうしてここにいるの？", 0.0, 2.0)])
    assert words.score(1.0) is None and words.absence_reason(1.0) == UNREADABLE_IN_ANY


def test_few_known_words_are_enough_where_the_language_is_known() -> None:
    assert knows_enough("Ich verstehe nicht, was du willst", 0.2, ("de", "en"))
    assert not knows_enough("xqz blorp fnarg", 0.2, ("de", "en"))
    assert not knows_enough("the xqz and the blorp", 0.2, ("de", "en"))  # no English
    assert knows_enough("xqz blorp fnarg", 0.5, ("en",))
