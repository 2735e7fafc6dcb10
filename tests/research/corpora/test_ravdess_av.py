"""RAVDESS's films with their sound: what belongs together, what stays alone, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.emotions import RAVDESS
from emofuse.errors import CorpusError
from emofuse.research.corpora.decode import read_samples
from emofuse.research.corpora.readers.ravdess import LICENCE, read_ravdess_av
from make_media import Sound, Video, record

ALONE = "unpaired: there is no film of it"


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("modality", ["01", "02"])
@pytest.mark.parametrize(
    ("films", "sounds"),
    [
        ("videos/Actor_05", "audios/Actor_05"),
        ("Actor_05", "audios/Actor_05"),
        ("videos/Actor_05", "Audio_Speech_Actors_01-24/Actor_05"),
        ("Actor_05", "Actor_05"),
    ],
)
def test_film_and_sound_are_paired_on_their_last_six_parts(
    tmp_path: Path, films: str, sounds: str, modality: str
) -> None:
    angry = touch(tmp_path / films / f"{modality}-01-05-02-01-01-05.mp4")
    crop = touch(tmp_path / films / f"{modality}-01-03-01-02-01-05_facecroppad.avi")
    heard = touch(tmp_path / sounds / "03-01-05-02-01-01-05.wav")
    happy = touch(tmp_path / sounds / "03-01-03-01-02-01-05.flac")
    other = touch(tmp_path / sounds / "03-01-03-01-02-02-05.wav")  # another repetition
    manifest = read_ravdess_av(tmp_path)
    assert {(clip.path, clip.sound_path, clip.emotion) for clip in manifest} == {
        (angry, heard, "angry"),
        (crop, happy, "happy"),
    }
    assert manifest.skipped == ((other, ALONE),)
    assert (manifest.name, manifest.labels, manifest.licence) == ("RAVDESS speech film with sound", RAVDESS, LICENCE)
    assert {clip.speaker for clip in manifest} == {"ravdess-05"}


def test_the_sound_may_be_in_another_folder(tmp_path: Path) -> None:
    film = touch(tmp_path / "crops" / "Actor_05" / "01-01-05-02-01-01-05_facecroppad.avi")
    ignored = touch(tmp_path / "crops" / "Actor_05" / "03-01-05-02-01-01-05.wav")
    heard = touch(tmp_path / "corpus" / "audios" / "Actor_05" / "03-01-05-02-01-01-05.flac")
    touch(tmp_path / "corpus" / "videos" / "Actor_05" / "01-01-03-02-01-01-05.mp4")
    manifest = read_ravdess_av(tmp_path / "crops", tmp_path / "corpus")
    assert [(clip.path, clip.sound_path) for clip in manifest] == [(film, heard)]
    assert manifest.skipped == ((ignored, "not one of .mp4, .avi"),)


def test_a_film_with_its_own_sound_needs_no_recording(tmp_path: Path) -> None:
    own = touch(tmp_path / "videos" / "Actor_05" / "01-01-05-02-01-01-05.mp4")
    silent = touch(tmp_path / "videos" / "Actor_05" / "02-01-03-02-01-01-05.mp4")
    double = touch(tmp_path / "videos" / "Actor_05" / "02-01-05-02-01-01-05.mp4")
    song = touch(tmp_path / "videos" / "Actor_05" / "01-02-05-02-01-01-05.mp4")
    manifest = read_ravdess_av(tmp_path)
    assert [(clip.path, clip.sound_path) for clip in manifest] == [(own, None)]
    assert dict(manifest.skipped) == {
        silent: "unpaired: picture alone, and there is no recording of it",
        double: f"the same utterance as {own}",
        song: "not speech",
    }


def test_what_others_made_of_a_film_is_asked_whether_it_sounds(tmp_path: Path) -> None:
    folder = tmp_path / "Actor_05"
    folder.mkdir()
    few = Video(times=(0.0, 0.04, 0.08))
    loud = record(folder / "01-01-05-02-01-01-05_crop.mp4", few, Sound(duration_s=0.2))
    silent = record(folder / "01-01-03-02-01-01-05_crop.mp4", few)
    broken = touch(folder / "01-01-04-02-01-01-05_crop.mp4")
    manifest = read_ravdess_av(tmp_path)
    assert [(clip.path, clip.sound_path) for clip in manifest] == [(loud, None)]
    assert len(read_samples(manifest.clips[0], 16_000)) > 2_000
    assert dict(manifest.skipped) == {
        silent: "unpaired: no sound, and there is no recording of it",
        broken: f"unpaired: {broken} is empty (0 bytes), and there is no recording of it",
    }


def test_recordings_of_actors_without_films_are_counted(tmp_path: Path) -> None:
    touch(tmp_path / "videos" / "Actor_01" / "01-01-05-02-01-01-01.mp4")
    touch(tmp_path / "audios" / "Actor_01" / "03-01-05-02-01-01-01.wav")
    lonely = touch(tmp_path / "audios" / "Actor_01" / "03-01-05-02-01-02-01.wav")
    for emotion in (3, 4, 5):
        touch(tmp_path / "audios" / "Actor_02" / f"03-01-0{emotion}-02-01-01-02.wav")
    manifest = read_ravdess_av(tmp_path)
    assert len(manifest) == 1
    assert dict(manifest.skipped) == {
        lonely: ALONE,
        tmp_path / "audios" / "Actor_02": "unpaired: 3 recordings of ravdess-02, of whom there is no film",
    }


def test_one_side_alone_is_refused_and_the_missing_one_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "heard" / "audios" / "Actor_01" / "03-01-05-02-01-01-01.wav")
    touch(tmp_path / "seen" / "videos" / "Actor_01" / "02-01-05-02-01-01-01.mp4")
    heard, seen = tmp_path / "heard", tmp_path / "seen"
    with pytest.raises(CorpusError, match="heard has the sound of RAVDESS speech and no film") as caught:
        read_ravdess_av(heard)
    assert "folder videos" in caught.value.hint
    with pytest.raises(CorpusError, match="seen has films of RAVDESS speech and the sound of none: 02-01-05") as caught:
        read_ravdess_av(seen)
    assert "--sound" in caught.value.hint
    with pytest.raises(CorpusError, match=r"no recording of RAVDESS speech film under .*heard"):
        read_ravdess_av(heard, heard)
    with pytest.raises(CorpusError, match=r"no recording of RAVDESS speech sound under .*seen"):
        read_ravdess_av(seen, seen)
    with pytest.raises(CorpusError, match="no recording of RAVDESS speech film or sound under"):
        read_ravdess_av(tmp_path / "nowhere")


@pytest.mark.corpus
def test_the_real_face_crops_with_the_sound_of_the_corpus(corpora: Path) -> None:
    manifest = read_ravdess_av(corpora / "ravdess_facecrops", corpora / "ravdess")
    assert manifest.counts() == {label: 4 if label == "neutral" else 8 for label in RAVDESS}
    assert all(clip.sound_path and clip.sound_path.stem[3:] == clip.path.stem[3:20] for clip in manifest)
    assert len(manifest.skipped) == 23  # the other actors
    assert 2 * 16_000 < len(read_samples(manifest.clips[0], 16_000)) < 6 * 16_000


@pytest.mark.corpus
def test_the_original_films_sound_with_and_without_a_recording(corpora: Path) -> None:
    manifest = read_ravdess_av(corpora / "ravdess_original")
    assert sorted(clip.emotion for clip in manifest) == ["fearful", "happy", "neutral", "sad", "surprised"]
    paired = [clip for clip in manifest if clip.sound_path]
    assert 0 < len(paired) < 5
    film = read_ravdess_av(corpora / "ravdess_original" / "videos").clips[manifest.clips.index(paired[0])]
    assert film.sound_path is None
    own, recording = read_samples(film, 16_000), read_samples(paired[0], 16_000)
    assert abs(len(own) - len(recording)) < 0.1 * 16_000
