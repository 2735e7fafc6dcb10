"""Transcripts in JSON, as recognisers write them."""

import json

import pytest

from emofuse.errors import TranscriptError
from emofuse.transcripts.documents import read_document
from emofuse.types import Line, Word

WORDS = (Word("I'm", 1.0, 1.2), Word("late.", 1.2, 1.8))


def test_half_a_character_is_a_question_mark() -> None:
    (line,) = read_document('[{"text": "a\\ud800b \\ud83d\\ude00", "start": 1, "end": 2}]')
    assert line.text == "a?b \U0001f600"


def test_our_own_list() -> None:
    document = [{"text": "I'm late.", "start_s": 1, "end_s": 2.0, "speaker": "Anna"}]
    assert read_document(json.dumps(document)) == [Line("I'm late.", 1.0, 2.0, speaker="Anna")]


@pytest.mark.parametrize("name", ["JOHN:", "JOHN", None])  # as a recogniser gives the word, if it does
def test_capitals_before_a_colon_name_the_speaker(name: str | None) -> None:
    words = [{"word": word, "start": 1.0, "end": 1.5} for word in (name, "I'm", "late.") if word]
    document = [{"text": "JOHN: I'm late.", "start": 1.0, "end": 2.0, "words": words}]
    (line,) = read_document(json.dumps(document))
    assert (line.speaker, line.text, [word.text for word in line.words]) == ("JOHN", "I'm late.", ["I'm", "late."])


def test_whisper_with_words() -> None:
    segment = {"id": 0, "seek": 0, "start": 1.0, "end": 2.0, "text": " I'm late.", "avg_logprob": -0.2}
    words = [
        {"word": " I'm", "start": 1.0, "end": 1.2, "probability": 0.9},
        {"word": " late.", "start": 1.2, "end": 1.8},
    ]
    document = {"text": " I'm late.", "language": "en", "segments": [{**segment, "words": words}]}
    assert read_document(json.dumps(document)) == [Line("I'm late.", 1.0, 2.0, WORDS)]


def test_openai_lists_the_words_apart_and_may_leave_the_segments_out() -> None:
    words = [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in WORDS]
    segments = [{"text": "I'm late.", "start": 1.0, "end": 2.0}]
    assert read_document(json.dumps({"segments": segments, "words": words})) == [Line("I'm late.", 1.0, 2.0, WORDS)]
    assert read_document(json.dumps({"segments": None, "words": words})) == [Line("I'm late.", 1.0, 1.8, WORDS)]


def test_a_word_of_two_segments_is_of_the_one_that_began_last() -> None:
    words = [{"word": name, "start": start_s, "end": start_s + 0.5} for name, start_s in (("d", 5), ("a", 1), ("b", 2))]
    segments = [{"text": "a d", "start": 0, "end": 9}, {"text": "b", "start": 2, "end": 3}]
    outer, inner = read_document(json.dumps({"segments": segments, "words": words}))
    assert [word.text for word in outer.words] == ["a", "d"] and [word.text for word in inner.words] == ["b"]


def test_a_word_that_could_not_be_aligned_has_the_time_before_it() -> None:
    words = [{"word": "at", "start": 0.5, "end": 0.7}, {"word": "11"}]
    (line,) = read_document(json.dumps([{"text": "at 11", "start": 0.5, "end": 1.0, "words": words}]))
    assert line.words == (Word("at", 0.5, 0.7), Word("11", 0.7, 0.7))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[\n{"text": "a",}]', "line 2: this is not JSON"),
        ('{"schema": "emofuse/1", "moments": []}', "a result of emofuse, not a transcript"),
        ('{"text": "hello"}', "no segments"),
        ('"hello"', "segment: input should be a valid list"),
        ('[{"text": "a", "start": 0, "end": 1}, {"text": "b", "start": 1}]', "segment 2 end"),
        ('[{"text": "a", "start": 2, "end": 1}]', "segment 1 ends at 1 s, before it starts at 2 s"),
        ('[{"text": "a", "start": NaN, "end": 1}]', "segment 1 start"),
        ('[{"text": "a", "start": -1, "end": 1}]', "segment 1 start"),
        ('[{"text": 3, "start": 0, "end": 1}]', "segment 1 text: input should be a valid string"),
        ("[" * 100_000, "nested too deeply"),
        ('[{"text": "a", "start": ' + "9" * 5000 + ', "end": 2}]', "this is not JSON: Exceeds the limit"),
    ],
)
def test_faults(text: str, says: str) -> None:
    with pytest.raises(TranscriptError) as raised:
        read_document(text)
    assert says in str(raised.value) and "\n" not in str(raised.value)
