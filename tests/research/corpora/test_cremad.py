"""CREMA-D: what a file's name says, who is a woman, and which files are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.emotions import CREMAD
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.cremad import ACTORS, EMOTIONS, FEMALE, LICENCE, SENTENCES, read_cremad

Write = Callable[..., Path]


def test_a_name_becomes_a_clip(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("AudioWAV/1001_IEO_ANG_HI.wav")
    second = write_sound("AudioWAV/1002_DFA_NEU_XX.wav")
    manifest = read_cremad(tmp_path)
    assert (manifest.name, manifest.labels, manifest.licence) == ("CREMA-D", CREMAD, LICENCE)
    assert manifest.skipped == ()
    angry, calm = manifest
    assert (angry.path, angry.emotion, angry.speaker, angry.sex) == (first, "anger", "cremad-1001", "male")
    assert (angry.statement, angry.language, angry.intensity) == ("It's eleven o'clock", "en", "high")
    assert (calm.path, calm.emotion, calm.speaker, calm.sex) == (second, "neutral", "cremad-1002", "female")
    assert (calm.statement, calm.intensity) == ("Don't forget a jacket", "unspecified")


def test_codes_are_those_of_the_corpus(tmp_path: Path, write_sound: Write) -> None:
    for code in EMOTIONS:
        write_sound(f"1001_IEO_{code}_LO.wav")
    for code in SENTENCES:
        write_sound(f"1003_{code}_SAD_MD.wav")
    manifest = read_cremad(tmp_path)
    assert {clip.emotion for clip in manifest if clip.speaker == "cremad-1001"} == set(CREMAD)
    assert len(manifest.counts_by("statement")) == 12
    assert manifest.counts_by("intensity") == {"low": 6, "medium": 12}


def test_as_many_are_women_as_the_paper_says() -> None:
    assert len(ACTORS) == 91
    assert len(FEMALE) == 43
    assert set(ACTORS) >= FEMALE


def test_the_one_name_that_was_published_short_is_understood(tmp_path: Path, write_sound: Write) -> None:
    write_sound("1040_ITH_SAD_X.wav")
    (clip,) = read_cremad(tmp_path)
    assert (clip.emotion, clip.intensity, clip.sex) == ("sad", "unspecified", "male")


def test_an_utterance_counts_once_and_as_sound(tmp_path: Path, write_sound: Write) -> None:
    film = tmp_path / "A" / "1001_DFA_ANG_XX.flv"
    alone = tmp_path / "A" / "1001_DFA_DIS_XX.flv"
    film.parent.mkdir()
    film.touch(), alone.touch()
    sound = write_sound("B/1001_DFA_ANG_XX.wav")
    manifest = read_cremad(tmp_path)
    assert [clip.path for clip in manifest] == [alone, sound]
    assert manifest.skipped == ((film, f"the same utterance as {sound}"),)
    assert [clip.path for clip in read_cremad(tmp_path / "A")] == [film, alone]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("1001_DFA_ANG.wav", "the name is not actor, sentence, emotion, intensity"),
        ("1001_dfa_ang_xx.wav", "the name is not actor, sentence, emotion, intensity"),
        ("1092_DFA_ANG_XX.wav", "unknown: actor 1092"),
        ("1000_DFB_ANY_MI.wav", "unknown: actor 1000, sentence DFB, emotion ANY, intensity MI"),
        ("VideoDemographics.csv", "not one of .wav, .flac, .mp4, .flv, .mp3"),
    ],
)
def test_a_file_that_does_not_fit_is_listed_with_why(
    tmp_path: Path, write_sound: Write, name: str, reason: str
) -> None:
    write_sound("1001_DFA_SAD_XX.wav")
    (tmp_path / name).touch()
    manifest = read_cremad(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((tmp_path / name, reason),)


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no recording of CREMA-D under") as caught:
        read_cremad(tmp_path)
    assert caught.value.hint == "expected 1001_DFA_ANG_XX.wav and so on"


@pytest.mark.corpus
def test_the_real_films_are_found(corpora: Path) -> None:
    manifest = read_cremad(corpora / "cremad")
    assert manifest.counts() == dict.fromkeys(CREMAD, 1)
    assert {clip.path.suffix for clip in manifest} == {".flv"}
    assert manifest.speakers == ["cremad-1001"]
    assert manifest.skipped == ()
