"""Manifests: what they count, and their CSV, there and back."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emofuse.emotions import BASE, RAVDESS
from emofuse.errors import CorpusError, OutputError
from emofuse.research.corpora.manifest import Clip, Manifest, read_manifest, read_manifest_in_part, write_manifest

HEADER = (
    "path,emotion,speaker,sex,statement,language,intensity,session,start_s,end_s,licence,sound_path,dialogue,style,text"
)
Table = Callable[..., Path]


def clip(path: Path, emotion: str = "sad", speaker: str = "s1") -> Clip:
    return Clip(path, emotion, speaker, "female", "", "en")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Return a function that writes lines as m.csv, beside the files a.wav and b.wav."""
    touch(tmp_path / "a.wav"), touch(tmp_path / "b.wav")

    def write(*lines: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / "m.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


def test_a_manifest_counts_and_chooses(tmp_path: Path) -> None:
    clips = (clip(tmp_path / "a", "sad", "s2"), clip(tmp_path / "b", "sad", "s1"), clip(tmp_path / "c", "happy", "s2"))
    manifest = Manifest("made", ("happy", "sad"), clips, "none")
    assert len(manifest) == 3
    assert tuple(manifest) == clips
    assert manifest.speakers == ["s1", "s2"]
    assert manifest.counts() == {"sad": 2, "happy": 1}
    assert manifest.counts_by("speaker") == {"s2": 2, "s1": 1}
    assert manifest.counts_by("sex") == {"female": 3}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Return clips with everything that a cell can hold, in the order of no column."""
    odd = touch(tmp_path / "corpus" / 'Zoë, "loud" #1.wav')
    long = touch(tmp_path / "corpus" / "long.flac")
    far = touch(tmp_path / "elsewhere" / "b.wav")
    clips = (
        Clip(odd, "angry", "x-1", "male", 'He said "no",\nthen left. ', "en", "strong", "2", licence="CC0"),
        Clip(far, "calm", "x-2", dialogue="1_impro 2", style="improvised", text='Don’t say "so",\nplease. '),
        Clip(long, "calm", "x-3", "female", start_s=0.1 + 0.2, end_s=1 / 3, licence="CC0"),
        Clip(long, "calm", "x-3", "female", start_s=1 / 3, licence="mine"),
    )
    return Manifest("made", RAVDESS, clips, "CC0; mine")


def test_what_is_written_is_read_again_exactly(tmp_path: Path, manifest: Manifest) -> None:
    path = write_manifest(manifest, tmp_path / "corpus" / "list.csv")
    assert path == tmp_path / "corpus" / "list.csv"
    assert read_manifest(path, manifest.labels, manifest.name) == manifest
    alone = read_manifest(path)
    assert (alone.name, alone.labels) == ("list", ("calm", "angry"))
    assert alone.clips == manifest.clips
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == HEADER
    assert lines[-1] == "long.flac,calm,x-3,female,,,,,0.3333333333333333,,mine,,,,"
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


def test_a_folder_moves_with_its_table(tmp_path: Path, manifest: Manifest) -> None:
    inside = replace(manifest, clips=tuple(c for c in manifest if c.path.parent.name == "corpus"))
    write_manifest(inside, tmp_path / "corpus" / "list.csv")
    shutil.move(tmp_path / "corpus", tmp_path / "moved")
    moved = read_manifest(tmp_path / "moved" / "list.csv")
    assert [c.path for c in moved] == [tmp_path / "moved" / c.path.name for c in inside]


def test_a_file_beside_the_folder_of_the_table_stays_where_it_is(tmp_path: Path, manifest: Manifest) -> None:
    path = write_manifest(manifest, tmp_path / "corpus" / "list.csv")
    assert f"{tmp_path.as_posix()}/elsewhere/b.wav,calm" in path.read_text(encoding="utf-8")


def test_relative_paths_are_understood_from_anywhere(
    tmp_path: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = replace(manifest, clips=(clip(Path("corpus/long.flac")),))
    path = write_manifest(relative, Path("list.csv"))
    assert "\ncorpus/long.flac," in path.read_text(encoding="utf-8")
    assert read_manifest(path).clips == relative.clips
    monkeypatch.chdir(tmp_path / "elsewhere")
    (back,) = read_manifest(Path("../list.csv"))
    assert back.path.samefile(tmp_path / "corpus" / "long.flac")


def test_three_columns_are_enough(table: Table, tmp_path: Path) -> None:
    manifest = read_manifest(table("path,emotion,speaker", "a.wav, happy ,s1", "", "b.wav,bliss,s2"))
    assert manifest.clips == (Clip(tmp_path / "a.wav", "happy", "s1"), Clip(tmp_path / "b.wav", "bliss", "s2"))
    assert (manifest.name, manifest.labels, manifest.licence) == ("m", ("bliss", "happy"), "")
    assert manifest.skipped == ()


def test_turns_of_a_dialogue_are_told_with_their_words(table: Table) -> None:
    rows = ("a.wav,sad,s1,d1,scripted,So?", 'b.wav,sad,s2,d1,,"Well, no"')
    manifest = read_manifest(table("path,emotion,speaker,dialogue,style,text", *rows))
    assert [(c.dialogue, c.style, c.text) for c in manifest] == [("d1", "scripted", "So?"), ("d1", "", "Well, no")]
    assert manifest.counts_by("dialogue") == {"d1": 2}
    assert manifest.counts_by("style") == {"scripted": 1, "": 1}
    assert manifest.skipped == ()


def test_a_spreadsheets_mark_at_the_start_does_not_matter(table: Table) -> None:
    assert len(read_manifest(table("path,emotion,speaker", "a.wav,sad,s1", encoding="utf-8-sig"))) == 1


def test_columns_that_a_clip_does_not_have_are_said(table: Table) -> None:
    path = table("age,path,emotion,speaker,mood", "31,a.wav,sad,s1,low")
    manifest = read_manifest(path)
    assert manifest.skipped == ((path, "columns that are not used: 'age', 'mood'"),)
    assert manifest.clips[0].speaker == "s1"


@pytest.mark.parametrize(
    ("emotions", "labels"),
    [
        (BASE[::-1], BASE),
        (("sad", "neutral", "happy", "calm"), ("neutral", "calm", "happy", "sad")),
        (("fear", "anger", "happiness"), ("happiness", "anger", "fear")),
        (("tired", "sad", "alert"), ("alert", "sad", "tired")),
    ],
)
def test_labels_are_in_the_order_of_a_known_set(
    table: Table, tmp_path: Path, emotions: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    for number in range(len(emotions)):
        touch(tmp_path / f"{number}.wav")
    rows = [f"{number}.wav,{emotion},s1" for number, emotion in enumerate(emotions)]
    assert read_manifest(table("path,emotion,speaker", *rows)).labels == labels


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (",sad,s1,,,", "path is empty"),
        ("a.wav, ,s1,,,", "emotion is empty"),
        ("a.wav,sad,,,,", "speaker is empty"),
        ("a.wav,sad,s1,f,,", "sex 'f' is not one of female, male, unknown"),
        ("a.wav,sad,s1,,2,1.5", "end_s 1.5 is not after start_s 2"),
        ("a.wav,sad,s1,,1,1", "end_s 1 is not after start_s 1"),
        ("a.wav,sad,s1,,soon,", "start_s 'soon' is not a number of seconds"),
        ("a.wav,sad,s1,,,nan", "end_s 'nan' is not a number of seconds"),
        ("a.wav,sad,s1,,-1,", "start_s '-1' is not a number of seconds"),
        ("a.wav,glum,s1,,,", "the emotion 'glum' is not one of neutral, happy"),
        ("b.wav,sad,s1,,0,", "the same clip as in line 2, b.wav"),
        ("./b.wav,sad,s1,,,", "the same clip as in line 2, b.wav"),
        ("a.wav,sad,s1", "3 cells under 6 columns"),
        ("a.wav,sad,s1,,,,", "7 cells under 6 columns"),
        ('a.wav,"sad"ly,s1,,,', "expected after"),
    ],
)
def test_a_row_that_does_not_fit_is_named(table: Table, row: str, says: str) -> None:
    path = table("path,emotion,speaker,sex,start_s,end_s", "b.wav,happy,s1,,,", row)
    with pytest.raises(CorpusError) as caught:
        read_manifest(path, ("neutral", "happy", "sad"))
    assert caught.value.message.startswith(f"{path}, line 3: ")
    assert says in caught.value.message
    assert "\n" not in str(caught.value)


def test_the_same_file_at_other_times_is_another_clip(table: Table) -> None:
    manifest = read_manifest(table("path,emotion,speaker,start_s", "a.wav,sad,s1,", "a.wav,sad,s1,2.5"))
    assert [(c.start_s, c.end_s) for c in manifest] == [(0.0, None), (2.5, None)]


def test_the_recording_of_the_sound_goes_with_the_film(table: Table, tmp_path: Path) -> None:
    film, far = touch(tmp_path / "corpus" / "a.mp4"), touch(tmp_path / "elsewhere" / "c.wav")
    near = touch(tmp_path / "corpus" / "sounds" / "a, 1.wav")
    clips = (
        Clip(film, "sad", "s1", end_s=1.0, sound_path=near),
        Clip(film, "sad", "s1", start_s=1.0, sound_path=far),
        Clip(film, "sad", "s1", start_s=2.0),
    )
    assert [clip.sound_file for clip in clips] == [near, far, film]
    path = write_manifest(Manifest("made", ("sad",), clips, ""), tmp_path / "corpus" / "list.csv")
    assert read_manifest(path).clips == clips
    with path.open(encoding="utf-8", newline="") as file:
        assert [row["sound_path"] for row in csv.DictReader(file)] == ["sounds/a, 1.wav", far.as_posix(), ""]
    near.unlink()
    with pytest.raises(CorpusError, match=r"1 of 5 files are missing, the first is .*a, 1\.wav \(line 2\)"):
        read_manifest(path)
    (clip,) = read_manifest(table("path,emotion,speaker,sound_path", "a.wav,sad,s1,b.wav"))
    assert clip.sound_file == tmp_path / "b.wav"


def test_missing_files_are_counted_and_the_first_is_named(table: Table, tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    rows = ("a.wav,sad,s1", "gone.wav,sad,s1", "folder.wav,sad,s1", "b.wav,sad,s1")
    with pytest.raises(CorpusError, match=r"2 of 4 files are missing, the first is .*gone\.wav \(line 3\)") as caught:
        read_manifest(table("path,emotion,speaker", *rows))
    assert "folder of the CSV" in caught.value.hint


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["path,emotion", "a.wav,sad"], "line 1: no column 'speaker'; the columns are 'path', 'emotion'"),
        (["path;emotion;speaker", "a.wav;sad;s1"], "no column 'path'; the columns are 'path;emotion;speaker'"),
        (["path,emotion,speaker,path", "a.wav,sad,s1,b.wav"], "two columns are called 'path'"),
        (["path,emotion,speaker"], "lists no clip"),
        ([""], "no column 'path'; the columns are none"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: Table, lines: list[str], says: str) -> None:
    with pytest.raises(CorpusError) as caught:
        read_manifest(table(*lines))
    assert says in caught.value.message


def test_what_is_no_table_is_refused(table: Table, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no manifest at .*nowhere\.csv"):
        read_manifest(tmp_path / "nowhere.csv")
    with pytest.raises(CorpusError, match="is a folder"):
        read_manifest(tmp_path)
    with pytest.raises(CorpusError, match=r"m\.csv is not UTF-8"):
        read_manifest(table("path,emotion,speaker", "Zoë.wav,sad,s1", encoding="latin-1"))


def test_a_name_that_is_no_text_is_refused_and_nothing_is_half_written(tmp_path: Path, manifest: Manifest) -> None:
    path = tmp_path / "corpus" / "list.csv"
    write_manifest(manifest, path)
    before = path.read_bytes()
    odd = Path(os.fsdecode(b"/corpus/\xff.wav"))
    with pytest.raises(CorpusError, match="is not valid text"):
        write_manifest(replace(manifest, clips=(*manifest.clips, clip(odd))), path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ['Zoë, "loud" #1.wav', "list.csv", "long.flac"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_manifest(manifest, tmp_path / "nowhere" / "list.csv")


def test_rows_that_are_amiss_are_left_out_and_named_by_prepare(table: Table) -> None:
    path = table(
        "path,emotion,speaker,sex,start_s,end_s",
        "a.wav,sad,s1,,0,1",
        "a.wav,,s1,,,",
        "a.wav,sad,s1",
        "absent.wav,sad,s1,,,",
        "a.wav,sad,s2,,0,1",
        "a.wav,sad,s2,,1,2",
        "b.wav,happy,s2,,soon,",
    )
    manifest = read_manifest_in_part(path)
    assert [(clip.path.name, clip.speaker, clip.end_s) for clip in manifest] == [("a.wav", "s1", 1), ("a.wav", "s2", 2)]
    assert [reason for file, reason in manifest.skipped if file == path] == [
        "line 3: emotion is empty",
        "line 4: 3 cells under 6 columns",
        f"line 5: there is no file {path.parent / 'absent.wav'}",
        "line 8: start_s 'soon' is not a number of seconds",
        "line 6: the same clip as in line 2, a.wav",
    ]
    with pytest.raises(CorpusError, match="line 3: emotion is empty"):
        read_manifest(path)


def test_a_table_of_longer_lines_than_any_is_refused(table: Table) -> None:
    path = table("path,emotion,speaker", "a.wav,sad," + "s" * 2_000_000)
    with pytest.raises(CorpusError, match="a line of more than 1,048,576 characters"):
        read_manifest(path)
