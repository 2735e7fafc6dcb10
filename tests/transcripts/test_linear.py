"""The time to read a transcript grows with its size, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from emofuse.errors import EmofuseError
from emofuse.preprocessing.tokens import encode
from emofuse.transcripts.documents import read_document
from emofuse.transcripts.sentences import cut_line
from emofuse.transcripts.subtitles import read_subtitles
from emofuse.types import Line
from growth import growth

CUE = "1\n00:01 --> 00:02\n"
CAPTION = "WEBVTT\n\n00:01.000 --> 00:02.000\n"
STAMPED = "<00:01.500>a\n\n00:02.000 --> 00:03.000\n"

SUBTITLES: dict[str, Callable[[int], str]] = {
    "empty lines": lambda n: CUE + "\n" * n + "x",
    "spaces before no name": lambda n: CAPTION + "<v" + " " * n,
    "rows that roll up": lambda n: CAPTION + "ab\n" * (n // 4) + STAMPED + "ab\n" * (n // 4),
    "times in the text": lambda n: CAPTION + "<00:01.500>a\n" * (n // 8),
    "brackets": lambda n: CUE + "[" * n,
    "tags": lambda n: CUE + "<a{\\" * n,
    "names": lambda n: CUE + "- <i>JOHN\n" * (n // 11) + "-" * n + "A." * n,
    "cues": lambda n: CUE * (n // 8),
    "numbers": lambda n: CUE + "a\n1\n" * (n // 8),
}


@pytest.mark.parametrize("kind", SUBTITLES)
def test_subtitles(kind: str) -> None:
    assert growth(read_subtitles, SUBTITLES[kind], 5_000) < 9


def _document(n: int, end_s: float) -> str:
    segments = [{"text": "a", "start": i, "end": i + end_s} for i in range(n)]
    return json.dumps({"segments": segments, "words": [{"word": "a", "start": i} for i in range(n)]})


@pytest.mark.parametrize("end_s", [1.0, 1e9])
def test_words_apart_from_their_segments(end_s: float) -> None:
    assert growth(read_document, lambda n: _document(n, end_s), 800) < 9


@pytest.mark.parametrize("part", ["\n", " ", "\n ", "(", "[", "a\n", "- ", "'", "n't"])
def test_words_as_a_network_reads_them(part: str) -> None:
    assert growth(encode, lambda n: part * n, 3_000) < 9


@pytest.mark.parametrize("part", [" ", "\n", " \n", "\x1b"])
def test_errors(part: str) -> None:
    assert growth(lambda text: EmofuseError(f"a{text}b"), lambda n: part * n, 3_000) < 9


@pytest.mark.parametrize("part", ["a. ", ".", '."', "a。", "x", "-"])
def test_sentences(part: str) -> None:
    assert growth(lambda text: cut_line(Line(text, 0.0, 10.0)), lambda n: part * n, 2_000) < 9
