"""A transcript whose words stand where nobody speaks is told of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from emofuse.inference.modalities.base import NO_SPEECH
from emofuse.recordings.words import LEAST_MOMENTS, notes_on_times
from emofuse.types import Moment
from make_timelines import moment, timeline


def moments(n: int, *used: str, first: int = 0) -> list[Moment]:
    why = {} if "voice" in used else {"voice": NO_SPEECH}
    return [replace(moment(i / 2, "sad", used), why=why) for i in range(first, first + n)]


@pytest.mark.parametrize(
    ("n_spoken", "n_silent", "is_told"),
    [(0, 8, True), (3, 5, True), (4, 4, False), (8, 0, False), (0, LEAST_MOMENTS - 1, False)],
)
def test_words_where_nobody_speaks(n_spoken: int, n_silent: int, is_told: bool) -> None:
    notes = notes_on_times(timeline(*moments(n_spoken, "voice", "text"), *moments(n_silent, "text", first=n_spoken)))
    told = [f"at {n_silent} of the {n_spoken + n_silent} moments with words nobody speaks"]
    assert [note.partition(":")[0] for note in notes] == (told if is_told else [])


def test_silence_without_words_and_words_without_sound_are_as_they_should_be() -> None:
    silent = [replace(moment(i / 2, "sad", ("face",)), why={"voice": NO_SPEECH}) for i in range(20)]
    mute = [replace(moment(i / 2, "sad", ("text",)), why={"voice": "no audio"}) for i in range(20)]
    assert notes_on_times(timeline(*silent)) == notes_on_times(timeline(*mute)) == ()
