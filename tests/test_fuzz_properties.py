"""Properties that hold of whatever is given to the readers of texts and messages."""

from __future__ import annotations

import json
import math
import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emofuse.errors import EmofuseError, TranscriptError, UsageError
from emofuse.service.http_errors import RefusedError
from emofuse.service.live_messages import first_message, later_message
from emofuse.service.wire_format import HEAD, PacketReader
from emofuse.timeline import Timeline
from emofuse.transcripts.documents import read_document
from emofuse.transcripts.sentences import cut_line
from emofuse.transcripts.subtitles import read_subtitles
from emofuse.types import Line
from make_timelines import TIMELINES

FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
PIECES = st.sampled_from(
    [
        "00:01",
        " --> ",
        "00:00:02,500",
        "\n",
        "\n\n",
        "1",
        "WEBVTT",
        "<v Ann>",
        "<00:01.500>",
        "<c>",
        "[",
        "]",
        "&lt;",
        "♪",
        "- ",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SEGMENT = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("text", "start", "end", "start_s", "end_s", "words", "speaker"), JSON),
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join))
@FEW
def test_subtitles_are_lines_in_time_or_an_error(text: str) -> None:
    with suppress(TranscriptError):
        for line in read_subtitles(text):
            assert line.text.strip() and 0 <= line.start_s <= line.end_s
            assert all(line.start_s <= word.start_s <= word.end_s <= line.end_s for word in line.words)


@given(
    st.lists(st.tuples(st.text(st.characters(categories=("L",)), min_size=1, max_size=5), st.integers(0, 3_000_000)))
)
@FEW
def test_subtitles_give_back_what_was_written(cues: list[tuple[str, int]]) -> None:
    blocks = [f"{i + 1}\n{_clock(at)} --> {_clock(at + 900)}\n{text}\n" for i, (text, at) in enumerate(cues)]
    lines = read_subtitles("\n".join(blocks))
    assert [(line.text, round(line.start_s * 1000)) for line in lines] == cues


def _clock(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02},{milliseconds:03}"


@given(st.lists(SEGMENT | JSON, max_size=4) | st.fixed_dictionaries({}, optional={"segments": JSON, "words": JSON}))
@FEW
def test_json_is_lines_or_an_error(document: Any) -> None:
    with suppress(TranscriptError):
        for line in read_document(json.dumps(document)):
            assert math.isfinite(line.end_s) and 0 <= line.start_s <= line.end_s


@given(st.text(max_size=300), st.floats(0, 1e6), st.floats(0, 1e3))
@FEW
def test_sentences_keep_every_word_and_stay_within_their_line(text: str, start_s: float, length_s: float) -> None:
    pieces = cut_line(Line(text, start_s, start_s + length_s))
    assert "".join("".join(piece.text.split()) for piece in pieces) == "".join(text.split())
    assert all(start_s - 1e-6 <= piece.start_s <= piece.end_s <= start_s + length_s + 1e-6 for piece in pieces)


@pytest.mark.parametrize("key", ["duration_s", "width", "path", "has_audio", "audio_tracks"])
def test_a_source_of_another_kind_is_an_error(key: str) -> None:
    document = TIMELINES["silent film"].to_json()
    document["source"] = {**document["source"], key: [{}]}
    with pytest.raises(UsageError, match="not a whole emofuse/2 document"):
        Timeline.from_json(document)


@given(st.data())
@FEW
def test_a_timeline_with_anything_in_any_place_is_one_or_an_error(data: st.DataObject) -> None:
    document = json.loads(json.dumps(TIMELINES["silent film"].to_json()))
    place: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = inner
    with suppress(UsageError):
        json.dumps(Timeline.from_json(document).to_json(), allow_nan=False)


@given(
    st.dictionaries(st.sampled_from(["type", "mode", "hop_s", "rate_hz", "text", "start_s", "end_s", "token"]), JSON)
)
@FEW
def test_messages_are_understood_or_refused(message: dict[str, Any]) -> None:
    for read in (first_message, later_message):
        for kind in ("start", "line", "stop", message.get("type")):
            with suppress(RefusedError):
                read(json.dumps({**message, "type": kind}))


@given(st.integers(0, 255), st.binary(min_size=8, max_size=8), st.binary(max_size=200))
@FEW
def test_packets_are_understood_or_refused(kind: int, time: bytes, body: bytes) -> None:
    reader = PacketReader(16_000)
    for head in (bytes([kind]) + time, HEAD.pack(kind % 2 + 1, 0.5)):
        with suppress(RefusedError):
            for packet in reader.read(head + body):
                assert math.isfinite(packet.time_s) and packet.time_s >= 0
    assert struct.calcsize(HEAD.format) == 9


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=3000), st.text(max_size=50))
@FEW
def test_an_error_is_a_line_whatever_it_names(message: str, hint: str) -> None:
    text = str(EmofuseError(message, hint))
    assert len(text) < 2100 and len(text.splitlines()) < 2 and "\x1b" not in text


def test_an_error_that_is_a_line_is_as_it_was() -> None:
    error = EmofuseError("cannot read clip.mp4: it is cut off", "record it again")
    assert (error.message, error.hint) == ("cannot read clip.mp4: it is cut off", "record it again")
    with pytest.raises(EmofuseError, match=r"^a b\\x1b\[31m \(c\)$"):
        raise EmofuseError("a\nb\x1b[31m", "c")
