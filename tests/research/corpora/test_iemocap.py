"""IEMOCAP's release: labels, words, speakers, and the order of what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.errors import CorpusError
from emofuse.research.corpora.readers.iemocap import read_iemocap
from emofuse.research.corpora.relabel import relabel

EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[12.8000 - 14.1000]\tSes01F_impro01_F001\txxx\t[2.5000, 3.0000, 3.0000]
[7.5712 - 10.4750]\tSes01F_impro01_M000\texc\t[2.5000, 2.5000, 2.5000]
[15.0000 - 16.0000]\tSes01F_impro01_M001\tsad\t[2.5000, 2.5000, 2.5000]
"""
WORDS = """Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.
Ses01F_impro01_M000 [007.5712-010.4750]: Do you have your forms?
M: [BREATHING]
"""


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def release(tmp_path: Path) -> Path:
    session = tmp_path / "IEMOCAP_full_release" / "Session1"
    put(session / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt", EVALUATION)
    put(session / "dialog" / "EmoEvaluation" / "Categorical" / "Ses01F_impro01_e2_cat.txt", "of one annotator")
    put(session / "dialog" / "transcriptions" / "Ses01F_impro01.txt", WORDS)
    put(session / "dialog" / "wav" / "Ses01F_impro01.wav")
    put(session / "sentences" / "ForcedAlignment" / "Ses01F_impro01" / "Ses01F_impro01_F000.wdseg")
    for turn in ("F000", "F001", "M000", "M002"):
        put(session / "sentences" / "wav" / "Ses01F_impro01" / f"Ses01F_impro01_{turn}.wav")
    return tmp_path


def test_utterances_stand_in_the_order_in_which_they_were_said(release: Path) -> None:
    manifest = read_iemocap(release)
    assert [clip.path.stem[-4:] for clip in manifest] == ["F000", "M000", "F001"]
    assert [clip.emotion for clip in manifest] == ["neu", "exc", "xxx"]
    assert [clip.text for clip in manifest] == ["Excuse me.", "Do you have your forms?", ""]
    assert [(clip.speaker, clip.sex) for clip in manifest] == [
        ("iemocap-F01", "female"),
        ("iemocap-M01", "male"),
        ("iemocap-F01", "female"),
    ]
    assert {(clip.session, clip.dialogue, clip.style) for clip in manifest} == {("1", "Ses01F_impro01", "improvised")}
    assert all(clip.path.is_file() for clip in manifest)


def test_what_has_no_label_or_no_recording_is_listed_and_the_rest_of_the_release_is_not(release: Path) -> None:
    session = release / "IEMOCAP_full_release" / "Session1"
    assert read_iemocap(release).skipped == (
        (session / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt", "no recording of Ses01F_impro01_M001"),
        (session / "sentences" / "wav" / "Ses01F_impro01" / "Ses01F_impro01_M002.wav", "no label in EmoEvaluation"),
    )


def test_four_emotions_of_it_with_excited_and_without(release: Path) -> None:
    manifest = read_iemocap(release)
    both, alone = relabel(manifest, "iemocap-4"), relabel(manifest, "iemocap-4-hap")
    assert both.manifest.counts() == {"neutral": 1, "happy": 1}
    assert both.left_out == {"xxx": 1}
    assert alone.manifest.counts() == {"neutral": 1}
    assert alone.left_out == {"exc": 1, "xxx": 1}


def test_sounds_alone_are_no_iemocap(tmp_path: Path) -> None:
    put(tmp_path / "Ses01F_impro01_F000.wav")
    with pytest.raises(CorpusError, match="no labels of IEMOCAP under"):
        read_iemocap(tmp_path)
