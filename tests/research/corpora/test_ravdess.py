"""RAVDESS: what a file's name says, what is speech, song, sound or film, and which files are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.ravdess import LICENCE, read_ravdess

Write = Callable[..., Path]


def test_a_name_becomes_a_clip(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("Actor_11/03-01-05-02-01-01-11.wav")
    second = write_sound("Actor_12/03-01-02-01-02-02-12.flac")
    manifest = read_ravdess(tmp_path)
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
    manifest = read_ravdess(tmp_path)
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
        ("03-01-09-02-01-01-12.wav", "out of range: emotion 09"),
        ("03-01-00-02-01-01-12.wav", "out of range: emotion 00"),
        ("03-01-05-03-01-01-12.wav", "out of range: intensity 03"),
        ("03-01-05-02-03-01-12.wav", "out of range: statement 03"),
        ("03-01-05-02-01-03-12.wav", "out of range: repetition 03"),
        ("04-03-05-02-01-01-25.wav", "out of range: modality 04, channel 03, actor 25"),
        ("01-01-05-02-01-01-12.wav", "picture and sound, not sound alone"),
        ("03-01-05-02-01-01-11.wav", "the name says actor 11, its folder Actor_12"),
    ],
)
def test_a_file_that_does_not_fit_is_listed_with_why(
    tmp_path: Path, write_sound: Write, name: str, reason: str
) -> None:
    write_sound("Actor_12/03-01-01-01-01-01-12.wav")
    odd = write_sound(f"Actor_12/{name}")
    manifest = read_ravdess(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((odd, reason),)


def test_a_file_with_another_suffix_is_listed_and_case_does_not_matter(tmp_path: Path, write_sound: Write) -> None:
    write_sound("Actor_12/03-01-01-01-01-01-12.WAV")
    film = tmp_path / "Actor_12" / "01-01-01-01-01-01-12.mp4"
    film.write_bytes(b"")
    manifest = read_ravdess(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((film, "not one of .wav, .flac"),)


def test_the_folder_may_hold_an_audios_folder(tmp_path: Path, write_sound: Write) -> None:
    write_sound("audios/Actor_01/03-01-01-01-01-01-01.wav")
    write_sound("audios/Actor_02/03-01-03-01-01-01-02.wav")
    write_sound("videos/Actor_03/03-01-03-01-01-01-03.wav")
    manifest = read_ravdess(tmp_path)
    assert manifest.speakers == ["ravdess-01", "ravdess-02"]
    assert [clip.emotion for clip in manifest if clip.speaker == "ravdess-02"] == ["happy"]


def test_a_folder_without_any_is_refused(tmp_path: Path, write_sound: Write) -> None:
    write_sound("Actor_12/03-02-05-02-01-01-12.wav")  # song alone
    with pytest.raises(CorpusError, match="no recording of RAVDESS speech under") as caught:
        read_ravdess(tmp_path)
    assert "Actor_01/03-01-03-01-01-01-01.wav" in caught.value.hint
    with pytest.raises(CorpusError, match="no recording of RAVDESS speech under"):
        read_ravdess(tmp_path / "nowhere")


def test_song_has_six_emotions_and_is_not_speech(tmp_path: Path, write_sound: Write) -> None:
    for emotion in (1, 6):
        write_sound(f"Actor_01/03-02-{emotion:02}-01-01-01-01.wav")
    speech = write_sound("Actor_01/03-01-05-01-01-01-01.wav")
    disgust = write_sound("Actor_01/03-02-07-01-01-01-01.wav")
    song = read_ravdess(tmp_path, kind="song")
    assert (song.name, song.labels) == ("RAVDESS song", RAVDESS[:6])
    assert [clip.emotion for clip in song] == ["neutral", "fearful"]
    assert dict(song.skipped) == {speech: "not song", disgust: "out of range: emotion 07"}
    both = read_ravdess(tmp_path, kind="speech+song")
    assert [clip.emotion for clip in both] == ["angry", "neutral", "fearful"]
    assert both.labels == RAVDESS
    assert [path for path, _ in both.skipped] == [disgust]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("folder", ["videos/Actor_05", "Actor_05", "Video_Speech_Actor_05/Actor_05"])
def test_of_the_films_those_with_sound_are_read(tmp_path: Path, folder: str) -> None:
    film = touch(tmp_path / folder / "01-01-08-01-02-01-05.mp4")
    silent = touch(tmp_path / folder / "02-01-08-01-02-01-05.mp4")
    manifest = read_ravdess(tmp_path, media="video")
    assert [(clip.path, clip.emotion) for clip in manifest] == [(film, "surprised")]
    assert manifest.skipped == ((silent, "picture alone, not picture and sound"),)
    assert manifest.name == "RAVDESS speech film"


def test_crops_of_films_are_films_whatever_was_added_to_their_names(tmp_path: Path) -> None:
    crop = touch(tmp_path / "Actor_05" / "01-01-08-01-02-01-05_facecroppad.avi")
    whole = touch(tmp_path / "Actor_05" / "01-01-03-01-02-01-05.mp4")
    again = touch(tmp_path / "Actor_05" / "01-01-03-01-02-01-05_facecroppad.avi")
    odd = touch(tmp_path / "Actor_05" / "01-01-08-01-02-01_facecroppad.avi")
    manifest = read_ravdess(tmp_path, media="video")
    assert [(clip.path, clip.emotion) for clip in manifest] == [(whole, "happy"), (crop, "surprised")]
    assert dict(manifest.skipped) == {
        again: f"the same utterance as {whole}",
        odd: "the name is not seven two-digit numbers",
    }


def test_without_neutral_there_are_seven_labels_and_what_is_left_out_is_said(
    tmp_path: Path, write_sound: Write
) -> None:
    neutral = write_sound("Actor_01/03-01-01-01-01-01-01.wav")
    write_sound("Actor_01/03-01-02-01-01-01-01.wav")
    manifest = read_ravdess(tmp_path, neutral=False)
    assert manifest.labels == RAVDESS[1:]
    assert [clip.emotion for clip in manifest] == ["calm"]
    assert manifest.skipped == ((neutral, "neutral, which was to be left out"),)


def test_the_downloads_own_folders_are_found_and_a_copy_of_them_counts_once(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("Audio_Speech_Actors_01-24/Actor_01/03-01-03-01-01-01-01.wav")
    again = write_sound("audio_speech_actors_01-24/Actor_01/03-01-03-01-01-01-01.wav")
    packed = write_sound("flac/Actor_01/03-01-03-01-01-01-01.flac")
    manifest = read_ravdess(tmp_path)
    assert [clip.path for clip in manifest] == [first]
    assert dict(manifest.skipped) == dict.fromkeys((again, packed), f"the same utterance as {first}")


@pytest.mark.corpus
def test_the_real_corpus_is_whole(corpora: Path) -> None:
    manifest = read_ravdess(corpora / "ravdess")
    assert len(manifest) == 1440
    assert manifest.skipped == ()
    assert manifest.speakers == [f"ravdess-{actor:02}" for actor in range(1, 25)]
    assert manifest.counts() == {label: 96 if label == "neutral" else 192 for label in RAVDESS}
    assert set(manifest.counts_by("speaker").values()) == {60}
    assert sum(clip.sex == "female" for clip in manifest) == 720
    assert {clip.licence for clip in manifest} == {LICENCE}


@pytest.mark.corpus
def test_the_real_corpus_without_neutral_says_so(corpora: Path) -> None:
    manifest = read_ravdess(corpora / "ravdess", neutral=False)
    assert manifest.counts() == dict.fromkeys(RAVDESS[1:], 192)
    assert len(manifest.skipped) == 96


@pytest.mark.corpus
def test_the_original_films_are_found(corpora: Path) -> None:
    manifest = read_ravdess(corpora / "ravdess_original", media="video")
    assert sorted(clip.emotion for clip in manifest) == ["fearful", "happy", "neutral", "sad", "surprised"]
    assert manifest.skipped == ()
    assert len(read_ravdess(corpora / "ravdess_original")) == 35
