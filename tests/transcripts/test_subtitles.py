"""SubRip and WebVTT: times, tags, voices, and the line of the file that a fault is in."""

import pytest

from emofuse.errors import TranscriptError
from emofuse.transcripts.subtitles import read_subtitles
from emofuse.types import Line

SRT = """1
00:00:01,500 --> 00:00:03,000
It's eleven o'clock.

2
01:00:04,000 --> 01:00:05,250 X1:0 X2:9
<i>That</i> is exactly
what <font color="#fff">happened</font>.
"""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_subrip(end: str) -> None:
    assert read_subtitles(SRT.replace("\n", end)) == [
        Line("It's eleven o'clock.", 1.5, 3.0),
        Line("That is exactly what happened.", 3604.0, 3605.25),
    ]


def test_subrip_without_numbers_and_with_empty_lines_in_the_text() -> None:
    text = "00:01 --> 00:02\nOne\n\nmore\n\n00:00:02.5 --> 00:00:03.5\nTwo"
    assert read_subtitles(text) == [Line("One more", 1.0, 2.0), Line("Two", 2.5, 3.5)]


def test_webvtt() -> None:
    text = (
        "WEBVTT - a title\n\nSTYLE\n::cue { color: lime }\n\nNOTE nobody says this\nnor this\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start line:0%\n<v.loud Anna &amp; Ben>I <b>hate</b> it &lt;3</v>\n\n"
        "00:02.000 --> 00:04.000\n<v Anna>Why?\n<v Ben>Because.\n\nNOTE the end"
    )
    assert read_subtitles(text) == [
        Line("I hate it <3", 1.0, 2.5, speaker="Anna & Ben"),
        Line("Why?", 2.0, 4.0, speaker="Anna"),
        Line("Because.", 2.0, 4.0, speaker="Ben"),
    ]


def test_what_is_no_speech_is_left_out() -> None:
    text = (
        "1\n00:01 --> 00:02\n[door slams]\n\n2\n00:02 --> 00:03\n♪ ♪\n\n3\n00:03 --> 00:04\n- No.\n>> I <3 you - truly"
    )
    assert read_subtitles(text) == [Line("No. I <3 you - truly", 3.0, 4.0)]


def test_the_number_of_no_character_is_a_mark() -> None:
    (line,) = read_subtitles("00:01 --> 00:02\nI &#38; you &#" + "9" * 5000 + ";")
    assert line.text == "I & you \ufffd"


def test_times_in_the_text_are_those_of_the_words_and_rolling_captions_come_once() -> None:
    text = (
        "WEBVTT\n\n00:00.000 --> 00:02.000\nso<00:00.500><c> I'm</c><00:01.000><c> late</c>\n\n"
        "00:02.000 --> 00:02.010\nso I'm late\n\n"
        "00:02.010 --> 00:04.000\nso I'm late\nagain<00:03.000><c> today</c>\n"
    )
    first, second = read_subtitles(text)
    assert (first.text, second.text) == ("so I'm late", "again today")
    assert [(w.text, w.start_s, w.end_s) for w in first.words] == [("so", 0, 0.5), ("I'm", 0.5, 1), ("late", 1, 2)]
    assert [(w.text, w.start_s) for w in second.words] == [("again", 2.01), ("today", 3.0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\n00:00:01,000 -> 00:00:02,000\nNo", "line 1: a cue has to come here"),
        ("1\n00:00:01,000 --> 00:00:x2,000\nNo", "line 2: '00:00:01,000 --> 00:00:x2,000' are no times"),
        ("1\n00:00:03,000 --> 00:00:02,000\nNo", "line 2: the cue ends at 2 s, before it starts at 3 s"),
        ("1\n00:01 --> 00:02\nYes\n\n2\nNo\n", "line 5: there are no times after the cue number 2"),
        ("WEBVTT\n\n00:01 --> 00:02\nYes\n\n00:02 -->\nNo", "line 6: "),
        ("9" * 5000 + ":00:01 --> 00:02\nYes", "line 1: '999"),
        ("Dear reader,\n\n1\n00:01 --> 00:02\nYes", "line 1: a cue has to come here, not 'Dear reader,'"),
    ],
)
def test_a_fault_has_its_line(text: str, says: str) -> None:
    with pytest.raises(TranscriptError) as raised:
        read_subtitles(text)
    assert says in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("JOHN: I hate you.", [("JOHN", "I hate you.")]),
        ("- JOHN: Who's there?\n- MARY ANN: It's me.", [("JOHN", "Who's there?"), ("MARY ANN", "It's me.")]),
        ("<i>MAN 2: Get out!</i>", [("MAN 2", "Get out!")]),
        ("Go!\n>> MR. O'NEIL: Why?", [("", "Go!"), ("MR. O'NEIL", "Why?")]),
        ("JOHN (ON PHONE): I hate you.", [("JOHN", "I hate you.")]),
        ("ИВАН: Привет!", [("ИВАН", "Привет!")]),
        ("NOTE: it is late.", [("", "NOTE: it is late.")]),
        ("It is 9:30. I said: no.", [("", "It is 9:30. I said: no.")]),
        ("I SAY: NO!", [("", "I SAY: NO!")]),  # begins with a single letter
        ("Anna: no.", [("", "Anna: no.")]),
    ],
)
def test_capitals_before_a_colon_name_the_speaker(said: str, lines: list[tuple[str, str]]) -> None:
    found = read_subtitles(f"1\n00:00:01,000 --> 00:00:02,000\n{said}\n")
    assert [(line.speaker, line.text) for line in found] == lines
