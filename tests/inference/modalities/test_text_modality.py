"""What the shipped text network says of sentences."""

from __future__ import annotations

import pytest

from emofuse.emotions import BASE
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.bundle import load_bundle
from emofuse.inference.modalities.text import TextPredictor, TranscriptScorer
from emofuse.types import Line


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


@pytest.mark.parametrize(
    "text",
    [
        "救命！他有枪",
        "Помогите, у него пистолет!",
        "Ich bin heute sehr traurig.",
        "¡Qué asco, no me gusta!",
        "xqz blorp fnarg",
    ],
)
def test_what_is_no_english_is_not_answered(predictor: TextPredictor, text: str) -> None:
    assert predictor.score(text, 0, 1) is None


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("I am vrey upest today, nobdoy cmae to see me.", "sad"),
        ("I'm so anrgy wiht you rihgt now!", "angry"),
        ("Thats disgsuting, tkae it awya.", "disgust"),
        ("I am veryy saad tooday, nobodyy caame to help me!", "sad"),
    ],
)
def test_slips_of_fingers_are_understood(predictor: TextPredictor, written: str, label: str) -> None:
    scores = predictor.score(written, 0, 1)
    assert scores is not None
    assert (scores.label, scores.confidence > 0.6) == (label, True)
    assert scores.quality < 0.9  # by what was written


@pytest.mark.parametrize(
    ("written", "label"), [("Heeeelp!", "fearful"), ("Wooooow!!!", "surprised"), ("Ha ha ha.", "happy")]
)
def test_words_that_are_stretched_or_said_again_are_understood(
    predictor: TextPredictor, written: str, label: str
) -> None:
    scores = predictor.score(written, 0, 1)
    assert scores is not None and scores.label == label


def test_respelling_makes_no_english_of_other_languages(predictor: TextPredictor) -> None:
    for text in ("Mein Burder kmomt nciht", "Le mtain je mnage", "asdf qwer zxcv hjkl"):
        assert predictor.score(text, 0, 1) is None, text


def test_unknown_words_and_short_sentences_are_trusted_less(predictor: TextPredictor) -> None:
    def quality(text: str) -> float:
        scores = predictor.score(text, 0, 1)
        assert scores is not None
        return scores.quality

    assert quality("My brother was very happy about it.") == pytest.approx(1.0)
    assert quality("He brought the grumbelschnitz and the florptang") < 0.9
    assert quality("Help!") == pytest.approx(0.5)
    assert quality("Help!") < quality("Help me!") < quality("Please help me!") < quality("Please help me now!")


@pytest.mark.parametrize(
    ("written", "plain"),
    [("HELP, HE HAS A GUN!", "help, he has a gun!"), ("I am sooooo happy!!!!!!", "I am soo happy!!")],
)
def test_shouting_and_stretched_words_are_read_alike(predictor: TextPredictor, written: str, plain: str) -> None:
    one, other = predictor.score(written, 0, 1), predictor.score(plain, 0, 1)
    assert one is not None and other is not None and one.as_dict() == other.as_dict()


@pytest.mark.parametrize(
    ("text", "label"),
    [("I'm terified of the drak", "fearful"), ("that is so disgustting", "disgust"), ("I am so lonley", "sad")],
)
def test_words_that_are_spelt_wrongly_are_understood(predictor: TextPredictor, text: str, label: str) -> None:
    scores = predictor.score(text, 0, 1)
    assert scores is not None and scores.label == label


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "♪ ♪", "😂😂", "42", "12:30, 15 %"])
def test_where_there_is_no_word_nothing_is_said(predictor: TextPredictor, text: str) -> None:
    assert predictor.score(text, 0, 1) is None


def test_a_very_long_text_is_scored_by_how_it_begins(predictor: TextPredictor) -> None:
    long, longer = (predictor.score("great " * n, 0, 1) for n in (300, 30_000))
    assert long is not None and longer is not None
    assert long.as_dict() == longer.as_dict()


@pytest.mark.parametrize("text", ["I am so happy for you", "Get out of my house right now", "I miss her so much"])
def test_figures_and_what_nobody_sees_beside_words_leave_their_emotion(predictor: TextPredictor, text: str) -> None:
    plain = predictor.score(text, 0, 1)
    assert plain is not None
    for added in (" 2", "\u200b", " \ufffd"):
        scores = predictor.score(text + added, 0, 1)
        assert scores is not None and scores.label == plain.label, added
    assert predictor.score(f"{text} 😂😂 \u2764\ufe0f", 0, 1) is not None  # which say something of their own


@pytest.mark.parametrize("text", ["Ich liebe dich, I love you so much", "Oh mein Gott, what is that?"])
def test_a_second_language_lowers_the_quality(predictor: TextPredictor, text: str) -> None:
    scores = predictor.score(text, 0, 1)
    assert scores is not None and scores.quality < 0.9 and scores.measures["known"] < 0.8


@pytest.mark.parametrize(
    ("text", "part", "label"),
    [
        ("I am so happy today. Das ist wunderbar.", "I am so happy today.", "happy"),
        ("Das ist nicht wahr, oder? I am furious.", "I am furious.", "angry"),
        ("Help me! He has a gun! Это не правда.", "Help me! He has a gun!", "fearful"),
        ("I hate it when they do that to me! Das ist sehr gut.", "I hate it when they do that to me!", "angry"),
    ],
)
def test_sentences_in_another_language_are_left_out(predictor: TextPredictor, text: str, part: str, label: str) -> None:
    alone, mixed = predictor.score(part, 0, 1), predictor.score(text, 0, 1)
    assert alone is not None and mixed is not None
    assert mixed.label == alone.label == label
    assert mixed.quality < 0.9 * alone.quality and mixed.confidence < alone.confidence - 0.05
    assert word_for(text) != "clear"


@pytest.mark.parametrize(
    "text", ["Das ist wunderbar. Was?", "No! Qué asco, no me gusta.", "Die! Die! Was ist das?", "Mamma mia! Che bello."]
)
def test_what_may_be_english_beside_another_language_is_none(predictor: TextPredictor, text: str) -> None:
    assert predictor.score(text, 0, 1) is None


@pytest.mark.parametrize("text", ["Mon Dieu!", "Mamma mia!", "Ja!", "Was?", "Merci!", "Ciao bella!", "C'est la vie!"])
def test_short_foreign_exclamations_get_no_sure_answer(text: str) -> None:
    scores = TextPredictor(load_bundle()).score(text, 0, 1)
    assert scores is None or word_for(text) != "clear"


VAGUE = [
    "No!",
    "Yes.",
    "Go!",
    "Wait!",
    "What?",
    "Really?",
    "Run!",
    "Mom!",
    "Okay.",
    "Help!",
    "Help me!",
    "What now?",
    "Oh my God!",
    "My God.",
    "Get out!",
    "He did it.",
    "Come on!",
    "I know.",
    "Are you sure?",
    "Oh no!",
    "Why not?",
    "Not again.",
    "I can't.",
    "You did what?",
    "Never mind.",
    "Trust me.",
    "Come here.",
    "He's dead.",
    "It's over.",
    "So what?",
    "Oh, please.",
]
PLAIN = ("I'm scared.", "Disgusting!", "I love you.", "Thank you.", "Happy birthday!")


def word_for(text: str) -> str:
    bundle = load_bundle()
    scores = TextPredictor(bundle).score(text, 0, 1)
    assert scores is not None
    told = AnswerMaker.of_bundle(bundle, bundle.weights, bundle.pool).judge(scores).certainty
    assert told is not None
    return told.word


@pytest.mark.parametrize("text", VAGUE)
def test_three_words_that_may_mean_many_things_get_no_sure_answer(text: str) -> None:
    assert word_for(text) != "clear"


@pytest.mark.parametrize("text", PLAIN)
def test_three_plain_words_may_get_a_sure_answer(text: str) -> None:
    assert word_for(text) in ("clear", "likely")


def test_only_plain_words_are_sure_among_short_sentences() -> None:
    assert sum(word_for(text) == "clear" for text in PLAIN) >= 3


def test_ten_thousand_words_in_a_line_are_scored_within_bounds(predictor: TextPredictor) -> None:
    words = TranscriptScorer(predictor, 5.0, [Line("I am so sad today " * 2000, 0.0, 10.0)])
    scores = words.score(5.0)
    assert scores is not None and scores.label == "sad"
