"""RAVDESS: what a file's name says, and which files are no speech."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.corpora.ravdess import LICENCE, read_ravdess_speech
from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError

Write = Callable[..., Path]


def test_a_name_becomes_a_clip(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("Actor_11/03-01-05-02-01-01-11.wav")
    second = write_sound("Actor_12/03-01-02-01-02-02-12.flac")
    manifest = read_ravdess_speech(tmp_path)
    assert (manifest.name, manifest.labels, manifest.licence) == ("RAVDESS speech", RAVDESS, LICENCE)
    assert manifest.skipped == ()
    angry, calm = manifest
    assert (angry.path, angry.emotion, angry.speaker, angry.sex) == (first, "angry", "ravdess-11", "male")
    assert (angry.statement, angry.language) == ("Kids are talking by the door", "en")
    assert angry.intensity == "strong"
    assert (calm.path, calm.emotion, calm.speaker, calm.sex) == (second, "calm", "ravdess-12", "female")
    assert (calm.statement, calm.intensity) == ("Dogs are sitting by the door", "normal")


def test_the_third_part_counts_through_the_labels(tmp_path: Path, write_sound: Write) -> None:
    for code in range(1, 9):
        write_sound(f"Actor_01/03-01-{code:02}-01-01-01-01.wav")
    manifest = read_ravdess_speech(tmp_path)
    assert tuple(clip.emotion for clip in manifest) == RAVDESS
    assert manifest.counts() == dict.fromkeys(RAVDESS, 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("03-02-05-02-01-01-12.wav", "not speech"),  # the song channel
        ("03-01-05-02-01-01.wav", "the name is not seven two-digit numbers"),
        ("03-01-05-02-01-01-12-13.wav", "the name is not seven two-digit numbers"),
        ("03-01-5-02-01-01-12.wav", "the name is not seven two-digit numbers"),
        ("03-01-aa-02-01-01-12.wav", "the name is not seven two-digit numbers"),
        ("._03-01-05-02-01-01-12.wav", "the name is not seven two-digit numbers"),
        ("03-01-09-02-01-01-12.wav", "a part of the name is out of range"),
        ("03-01-00-02-01-01-12.wav", "a part of the name is out of range"),
        ("03-01-05-03-01-01-12.wav", "a part of the name is out of range"),
        ("03-01-05-02-03-01-12.wav", "a part of the name is out of range"),
    ],
)
def test_a_file_that_does_not_fit_is_listed_with_why(
    tmp_path: Path, write_sound: Write, name: str, reason: str
) -> None:
    write_sound("Actor_12/03-01-01-01-01-01-12.wav")
    odd = write_sound(f"Actor_12/{name}")
    manifest = read_ravdess_speech(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((odd, reason),)


def test_a_file_with_another_suffix_is_listed_and_case_does_not_matter(tmp_path: Path, write_sound: Write) -> None:
    write_sound("Actor_12/03-01-01-01-01-01-12.WAV")
    film = tmp_path / "Actor_12" / "01-01-01-01-01-01-12.mp4"
    film.write_bytes(b"")
    manifest = read_ravdess_speech(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((film, "not one of .wav, .flac"),)


def test_the_folder_may_hold_an_audios_folder(tmp_path: Path, write_sound: Write) -> None:
    write_sound("audios/Actor_01/03-01-01-01-01-01-01.wav")
    write_sound("audios/Actor_02/03-01-03-01-01-01-02.wav")
    write_sound("videos/Actor_03/03-01-03-01-01-01-03.wav")
    manifest = read_ravdess_speech(tmp_path)
    assert manifest.speakers == ["ravdess-01", "ravdess-02"]
    assert [clip.emotion for clip in manifest.of_speakers({"ravdess-02"})] == ["happy"]
    assert manifest.of_speakers({"ravdess-03"}) == []


def test_a_folder_without_any_is_refused(tmp_path: Path, write_sound: Write) -> None:
    write_sound("Actor_12/03-02-05-02-01-01-12.wav")  # song alone
    with pytest.raises(CorpusError, match="no RAVDESS speech under") as caught:
        read_ravdess_speech(tmp_path)
    assert "Actor_01/03-01-01-01-01-01-01.wav" in caught.value.hint
    with pytest.raises(CorpusError, match="no RAVDESS speech under"):
        read_ravdess_speech(tmp_path / "nowhere")


@pytest.mark.corpus
def test_the_real_corpus_is_whole(corpora: Path) -> None:
    manifest = read_ravdess_speech(corpora / "ravdess")
    assert len(manifest) == 1440
    assert manifest.skipped == ()
    assert manifest.speakers == [f"ravdess-{actor:02}" for actor in range(1, 25)]
    assert manifest.counts() == {label: 96 if label == "neutral" else 192 for label in RAVDESS}
    assert all(len(manifest.of_speakers({speaker})) == 60 for speaker in manifest.speakers)
    assert sum(clip.sex == "female" for clip in manifest) == 720
