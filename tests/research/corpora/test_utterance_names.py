"""What the names of IEMOCAP's and MELD's utterances tell."""

from __future__ import annotations

import pytest

from emofuse.research.corpora.utterance_names import read_name, turn_order


@pytest.mark.parametrize(
    ("name", "dialogue", "session", "speaker", "sex", "style", "turn"),
    [
        ("Ses01F_impro01_F000", "Ses01F_impro01", "1", "F01", "female", "improvised", 0),
        ("Ses01F_script02_1_M003", "Ses01F_script02_1", "1", "M01", "male", "scripted", 3),
        ("Ses05M_script01_1b_F012", "Ses05M_script01_1b", "5", "F05", "female", "scripted", 12),
    ],
)
def test_the_speaker_of_iemocap_is_in_the_last_group(
    name: str, dialogue: str, session: str, speaker: str, sex: str, style: str, turn: int
) -> None:
    known = read_name(name)
    assert (known.dialogue, known.session, known.speaker) == (dialogue, session, speaker)
    assert (known.sex, known.style, known.turn) == (sex, style, turn)
    assert "USC" in known.licence


def test_dialogues_of_melds_parts_that_have_the_same_number_are_two() -> None:
    names = [read_name(name) for name in ("dev_dia3_utt12", "test_dia3_utt12", "dia3_utt12")]
    assert [(each.dialogue, each.session, each.turn) for each in names] == [
        ("dev_dia3", "dev", 12),
        ("test_dia3", "test", 12),
        ("dia3", "", 12),
    ]
    assert {each.speaker for each in names} == {""}


@pytest.mark.parametrize("name", ["", "03-01-01-01-01-01-01", "Ses01F_impro01", "Ses01F_impro01_X000", "dia3_utt1_2"])
def test_of_other_names_nothing_is_known(name: str) -> None:
    known = read_name(name)
    assert (known.dialogue, known.session, known.speaker, known.licence, known.turn) == ("", "", "", "", None)


def test_turns_are_in_the_order_of_their_numbers() -> None:
    names = [read_name(f"dia0_utt{turn}") for turn in (0, 10, 2, 1)]
    assert turn_order(names) == [0, 3, 2, 1]


def test_two_speakers_who_are_counted_apart_take_turns_all_through() -> None:
    turns = ["F000", "F001", "F002", "M000", "M001", "M002", "M003", "M004"]
    order = turn_order([read_name(f"Ses01F_impro01_{turn}") for turn in turns])
    assert [turns[i] for i in order] == ["F000", "M000", "M001", "F001", "M002", "M003", "F002", "M004"]


def test_utterances_whose_names_do_not_tell_stay_as_they_stand() -> None:
    assert turn_order([read_name(name) for name in ("dia0_utt2", "dia0_utt1", "end")]) == [0, 1, 2]
