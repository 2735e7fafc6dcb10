"""What utterances are called, so that no two share a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.research.corpora.manifest import Clip
from emofuse.research.feature_sets.record import utterance_names


def clip(path: str, start_s: float = 0.0) -> Clip:
    return Clip(Path(path), "happy", "me", start_s=start_s)


@pytest.mark.parametrize(
    ("clips", "names"),
    [
        ([clip("x/a.wav"), clip("x/b.v1.wav")], ["a", "b.v1"]),
        ([clip("talk.mp4"), clip("talk.mp4", 1.25), clip("other.mp4")], ["talk_0000000", "talk_0001250", "other"]),
        ([clip("x/a.wav"), clip("y/a.wav")], ["x_a", "y_a"]),
        ([clip("x/a.wav"), clip("x/a.wav", 2.0), clip("y/a.wav")], ["x_a_0000000", "x_a_0002000", "y_a_0000000"]),
        ([clip("1/x/a.wav"), clip("2/x/A.wav")], ["x_a_0000000", "x_A_0000000-2"]),
        ([clip("../k i/d\u00e9j\u00e0 vu?.wav"), clip("....wav")], ["d\u00e9j\u00e0_vu_", "_"]),
        ([clip("x_a.wav"), clip("x/a.wav"), clip("y/a.wav")], ["x_a", "x_a-2", "y_a"]),
    ],
)
def test_names_are_those_of_the_files_and_unique(clips: list[Clip], names: list[str]) -> None:
    assert utterance_names(clips) == names


def test_a_long_name_leaves_room_for_what_is_put_around_it() -> None:
    names = utterance_names([clip(f"{'a' * 200}{i}.wav") for i in range(2)])
    assert len(set(names)) == 2 and max(map(len, names)) <= 102
