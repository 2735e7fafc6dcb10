"""EMO-DB: what a file's name says, and which files are no recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emofuse.emotions import EMODB
from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.emodb import LICENCE, read_emodb

Write = Callable[..., Path]
EMOTIONS = {"N": "neutral", "F": "happiness", "T": "sadness", "W": "anger", "A": "fear", "E": "disgust", "L": "boredom"}


def test_a_name_becomes_a_clip(tmp_path: Path, write_sound: Write) -> None:
    first = write_sound("wav/03a01Fa.wav")
    second = write_sound("wav/08b09Wc.flac")
    manifest = read_emodb(tmp_path)
    assert (manifest.name, manifest.labels, manifest.licence, manifest.skipped) == ("EMO-DB", EMODB, LICENCE, ())
    glad, cross = manifest
    assert (glad.path, glad.emotion, glad.speaker, glad.sex) == (first, "happiness", "emodb-03", "male")
    assert (glad.statement, glad.language, glad.intensity) == ("a01", "de", "")
    assert (cross.path, cross.emotion, cross.speaker, cross.sex) == (second, "anger", "emodb-08", "female")


@pytest.mark.parametrize(("letter", "emotion"), EMOTIONS.items())
def test_the_sixth_letter_is_the_german_initial(tmp_path: Path, write_sound: Write, letter: str, emotion: str) -> None:
    write_sound(f"03a01{letter}a.wav")  # without a wav folder
    assert [clip.emotion for clip in read_emodb(tmp_path)] == [emotion]


@pytest.mark.parametrize("speaker", ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"])
def test_five_speakers_are_men(tmp_path: Path, write_sound: Write, speaker: str) -> None:
    write_sound(f"{speaker}a01Na.wav")
    (clip,) = read_emodb(tmp_path)
    assert clip.sex == ("male" if speaker in {"03", "10", "11", "12", "15"} else "female")


def test_nobody_else_is_a_speaker(tmp_path: Path, write_sound: Write) -> None:
    write_sound("03a01Na.wav")
    odd = write_sound("04a01Na.wav")
    assert read_emodb(tmp_path).skipped == ((odd, "04 is not one of the ten speakers"),)


def test_files_that_do_not_fit_are_listed_with_why(tmp_path: Path, write_sound: Write) -> None:
    write_sound("wav/03a01Fa.wav")
    odd = [write_sound(f"wav/{name}") for name in ("03a01Xa.wav", "3a01Fa.wav", "03a01Fa copy.wav", "03c01Fa.wav")]
    text = tmp_path / "wav" / "erkennung.txt"
    text.write_text("", encoding="utf-8")
    manifest = read_emodb(tmp_path)
    assert len(manifest) == 1
    reason = "the name is not speaker, sentence, emotion letter, take"
    assert dict(manifest.skipped) == {**dict.fromkeys(odd, reason), text: "not one of .wav, .flac"}


def test_a_folder_without_any_is_refused(tmp_path: Path, write_sound: Write) -> None:
    write_sound("wav/other.wav")
    with pytest.raises(CorpusError, match="no recording of EMO-DB under") as caught:
        read_emodb(tmp_path)
    assert "03a01Fa.wav" in caught.value.hint
    with pytest.raises(CorpusError, match="no recording of EMO-DB under"):
        read_emodb(tmp_path / "nowhere")


@pytest.mark.corpus
def test_the_real_corpus_is_whole(corpora: Path) -> None:
    manifest = read_emodb(corpora / "emodb")
    assert len(manifest) == 535
    assert len(manifest.speakers) == 10
    assert manifest.counts() == {
        "anger": 127,
        "boredom": 81,
        "neutral": 79,
        "happiness": 71,
        "fear": 69,
        "sadness": 62,
        "disgust": 46,
    }
    assert len({clip.speaker for clip in manifest if clip.sex == "male"}) == 5
