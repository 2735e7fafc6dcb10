"""SAVEE: both layouts, what a file's name says, and which files are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.emotions import SAVEE
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.savee import LICENCE, read_savee

Write = Callable[..., Path]
LETTERS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


def test_a_folder_for_each_speaker(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("AudioData/DC/sa01.wav")
    second = write_sound("AudioData/KL/n30.wav")
    manifest = read_savee(tmp_path)
    assert (manifest.name, manifest.labels, manifest.licence, manifest.skipped) == ("SAVEE", SAVEE, LICENCE, ())
    sad, plain = manifest
    assert (sad.path, sad.emotion, sad.speaker, sad.sex) == (first, "sadness", "savee-DC", "male")
    assert (sad.statement, sad.language, sad.intensity) == ("sa01", "en", "")
    assert (plain.path, plain.emotion, plain.speaker, plain.statement) == (second, "neutral", "savee-KL", "n30")


def test_all_in_one_folder(tmp_path: Path, write_sound: Write) -> None:
    for letters in LETTERS:
        write_sound(f"ALL/JE_{letters}07.wav")
    manifest = read_savee(tmp_path)
    assert {clip.statement[:-2]: clip.emotion for clip in manifest} == LETTERS
    assert manifest.speakers == ["savee-JE"]


def test_both_layouts_together_count_once(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("ALL/JK_a01.wav")
    again = write_sound("AudioData/JK/a01.wav")
    other = write_sound("AudioData/JE/a01.wav")
    manifest = read_savee(tmp_path)
    assert [clip.path for clip in manifest] == [first, other]
    assert manifest.skipped == ((again, f"the same utterance as {first}"),)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a01.wav", "neither its name nor its folder is of a speaker: DC, JE, JK, KL"),
        ("XY_a01.wav", "neither its name nor its folder is of a speaker: DC, JE, JK, KL"),
        ("DC_a16.wav", "there is no sentence 16 of anger"),
        ("DC_n31.wav", "there is no sentence 31 of neutral"),
        ("DC_b01.wav", "the name is not emotion letter and sentence, with or without a speaker"),
        ("Info.txt", "not one of .wav, .flac"),
    ],
)
def test_a_file_that_does_not_fit_is_listed_with_why(
    tmp_path: Path, write_sound: Write, name: str, reason: str
) -> None:
    write_sound("DC/a01.wav")
    (tmp_path / name).touch()
    manifest = read_savee(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((tmp_path / name, reason),)


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no recording of SAVEE under") as caught:
        read_savee(tmp_path)
    assert "AudioData/DC/a01.wav" in caught.value.hint
