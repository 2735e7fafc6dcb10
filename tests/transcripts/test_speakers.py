"""Who speaks in a plain text: names before a colon, and what is none."""

import pytest

from emofuse.transcripts.speakers import name_speakers
from emofuse.transcripts.transcript import spread
from growth import growth


def lines(text: str) -> list[tuple[str, str]]:
    return [(line.speaker, line.text) for line in spread(text, 60.0).lines]


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("JOHN: I am furious.", "JOHN"),
        ("MARY ANN (on the phone): I am furious.", "MARY ANN"),
        ("MR. O'NEIL: I am furious.", "MR. O'NEIL"),
        ("ИВАН: I am furious.", "ИВАН"),
        ("Dr. Smith: I am furious.", "Dr. Smith"),
        ("Speaker 1: I am furious.", "Speaker 1"),
        ("- Maria: I am furious.", "Maria"),
        (">> Maria: I am furious.", "Maria"),
        ("[00:01] JOHN: I am furious.", "JOHN"),
        ("00:00:01 - Maria [angry]: I am furious.", "Maria"),
    ],
)
def test_a_name_is_the_speaker_and_no_part_of_what_is_said(text: str, speaker: str) -> None:
    assert lines(text) == [(speaker, "I am furious.")]


@pytest.mark.parametrize(
    "text",
    [
        "Note: I am furious.",
        "NOTE: I am furious.",
        "Remember: I am furious.\nRemember: so is he.",
        "- Listen: it is late.",
        "Pros: it is quiet.\nCons: I hate the food.",
        "12:30 is late.",
        "At 12:30: nothing.",
        "I said: no.",
        "I: no.",
        "He told Maria: no.",
        "Maria: I am furious.\nThat is what I wrote.\nNobody read it.",  # a single one may be part of what is said
        "https://example.org: a page",
        "One of the many: me",
    ],
)
def test_what_is_no_name_stays(text: str) -> None:
    assert lines(text) == [("", row.strip()) for row in text.split("\n")]


def test_names_in_lower_case_count_in_a_dialogue() -> None:
    assert lines("Maria: Why?\nJohn: I hate it.\n") == [("Maria", "Why?"), ("John", "I hate it.")]
    assert lines("Go!\nNobody moves.\nNow.\nAnna: Why?\nWell.\nAnna: No.")[3:] == [
        ("Anna", "Why?"),
        ("Anna", "Well."),
        ("Anna", "No."),
    ]


def test_who_is_named_speaks_until_another_does() -> None:
    text = "JOHN: I hate it. All of it.\nAnd you.\n- And I?\nANNA:\nYes.\n\n[door slams] Who is it?"
    assert lines(text) == [
        ("JOHN", "I hate it."),
        ("JOHN", "All of it."),
        ("JOHN", "And you."),
        ("", "- And I?"),
        ("ANNA", "Yes."),
        ("", "[door slams] Who is it?"),
    ]


def test_the_time_of_a_name_is_no_time_of_what_is_said() -> None:
    (first, second) = spread("VERY LONG NAME: Hi.\nB. B.: Ho.", 10.0).lines
    assert (first.end_s, second.end_s) == (5.0, 10.0)


@pytest.mark.parametrize("part", ["A", "A.", "AB: ", "A (", "- ", " ", "\n", "1:00 ", "A: b\n", "A B C\n"])
def test_the_time_grows_with_the_text(part: str) -> None:
    assert growth(lambda text: list(name_speakers(text.splitlines())), lambda n: part * n, 3_000) < 9
