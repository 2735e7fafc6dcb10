"""TESS: what a file's name says, and which files are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.emotions import TESS
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.tess import LICENCE, read_tess

Write = Callable[..., Path]


def test_a_name_becomes_a_clip(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("OAF_angry/OAF_back_angry.wav")
    second = write_sound("YAF_pleasant_surprised/YAF_yes_ps.wav")
    manifest = read_tess(tmp_path)
    assert (manifest.name, manifest.labels, manifest.licence, manifest.skipped) == ("TESS", TESS, LICENCE, ())
    older, younger = manifest
    assert (older.path, older.emotion, older.speaker, older.sex) == (first, "angry", "tess-OAF", "female")
    assert (older.statement, older.language, older.intensity) == ("Say the word back", "en", "")
    assert (younger.path, younger.emotion, younger.speaker) == (second, "pleasant surprise", "tess-YAF")


def test_every_emotion_has_its_word(tmp_path: Path, write_sound: Write) -> None:
    for word in ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"):
        write_sound(f"YAF_dog_{word}.wav")
    assert read_tess(tmp_path).counts() == dict.fromkeys(TESS, 1)


def test_the_one_name_that_was_published_short_is_the_older_actress(tmp_path: Path, write_sound: Write) -> None:
    write_sound("OA_bite_neutral.wav")
    write_sound("OAF_back_neutral.wav")
    assert read_tess(tmp_path).speakers == ["tess-OAF"]


def test_a_download_that_holds_the_corpus_twice_counts_once(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("OAF_angry/OAF_back_angry.wav")
    again = write_sound("TESS data/OAF_angry/OAF_back_angry.wav")
    manifest = read_tess(tmp_path)
    assert [clip.path for clip in manifest] == [first]
    assert manifest.skipped == ((again, f"the same utterance as {first}"),)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("MAF_back_angry.wav", "MAF is not OAF or YAF"),
        ("OAF_back_glad.wav", "glad is not one of angry, disgust, fear, happy, neutral, ps, sad"),
        ("OAF_angry.wav", "the name is not actress, word, emotion"),
        ("OAF_back_angry (1).wav", "the name is not actress, word, emotion"),
        ("OAF_back_angry.mp3", "not one of .wav, .flac"),
    ],
)
def test_a_file_that_does_not_fit_is_listed_with_why(
    tmp_path: Path, write_sound: Write, name: str, reason: str
) -> None:
    write_sound("OAF_bar_angry.wav")
    (tmp_path / name).touch()
    manifest = read_tess(tmp_path)
    assert len(manifest) == 1
    assert manifest.skipped == ((tmp_path / name, reason),)


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no recording of TESS under") as caught:
        read_tess(tmp_path)
    assert "OAF_back_angry.wav" in caught.value.hint
