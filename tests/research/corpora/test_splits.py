"""Splits: no speaker in two parts, everyone tested once, the published protocols, and split files of any make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.ravdess import read_ravdess
from emofuse.research.corpora.splits.protocols import (
    PROTOCOLS,
    Fold,
    Split,
    is_leaky,
    make_split,
    names_a_file,
    read_split,
)

LABELS = ("calm", "angry", "sad")


def made(n_speakers: int, sessions: Sequence[str] = (), labels: Sequence[str] = LABELS) -> Manifest:
    """Return a manifest of speakers s01, s02, ... with a clip of each emotion; speaker i is in sessions[i]."""
    clips = tuple(
        Clip(Path(f"corpus/s{i + 1:02}/{label}.wav"), label, f"s{i + 1:02}", session=sessions[i] if sessions else "")
        for i in range(n_speakers)
        for label in labels
    )
    return Manifest("made", LABELS, clips, "none")


def who(manifest: Manifest, indices: Sequence[int]) -> list[str]:
    return sorted({manifest.clips[i].speaker for i in indices})


def parts(manifest: Manifest, fold: Fold) -> tuple[list[str], list[str], list[str]]:
    return who(manifest, fold.train), who(manifest, fold.valid), who(manifest, fold.test)


@pytest.fixture
def csv(tmp_path: Path):
    def write(text: str, name: str = "split.csv") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("protocol", "n_speakers", "n_valid"),
    [
        ("actor-6fold", 24, 2),
        ("actor-6fold", 24, 0),
        ("actor-5fold", 24, 3),
        ("actor-2fold", 4, 1),
        ("loso", 5, 2),
        ("session", 6, 2),
    ],
)
def test_every_clip_is_tested_once_and_no_speaker_is_in_two_parts(protocol: str, n_speakers: int, n_valid: int) -> None:
    manifest = made(n_speakers, [str(i // 2) for i in range(n_speakers)])
    split = make_split(protocol, manifest, n_valid)
    assert sorted(i for fold in split.folds for i in fold.test) == list(range(len(manifest)))
    for fold in split.folds:
        assert list(fold.train) == sorted(fold.train)
        assert sorted([*fold.train, *fold.valid, *fold.test]) == list(range(len(manifest)))
        train, valid, test = parts(manifest, fold)
        assert len(valid) == n_valid
        assert sorted([*train, *valid, *test]) == manifest.speakers  # so nobody is twice
    assert not is_leaky(split, manifest)
    assert "LEAKY" not in split.description


def test_the_ravdess_protocol() -> None:
    manifest = made(24)
    split = make_split("actor-6fold", manifest, 2)
    numbers = [[[int(s[1:]) for s in part] for part in parts(manifest, fold)] for fold in split.folds]
    assert [fold.name for fold in split.folds] == ["1", "2", "3", "4", "5", "6"]
    assert [test for _, _, test in numbers] == [list(range(i, i + 4)) for i in (1, 5, 9, 13, 17, 21)]
    assert [valid for _, valid, _ in numbers] == [[5, 6], [9, 10], [13, 14], [17, 18], [21, 22], [1, 2]]
    assert numbers[5][0] == list(range(3, 21))
    assert split.description == (
        "6 folds over speakers (test: s01 to s04, ..., s21 to s24); in each, 2 other speakers validate"
    )


@pytest.mark.parametrize(("n_speakers", "n_folds"), [(10, 5), (24, 5), (11, 4), (7, 6)])
def test_speakers_are_cut_as_numpy_cuts_them(n_speakers: int, n_folds: int) -> None:
    manifest = made(n_speakers)
    split = make_split(f"actor-{n_folds}fold", manifest, 1)
    expected = [list(run) for run in np.array_split(np.unique([clip.speaker for clip in manifest]), n_folds)]
    assert [who(manifest, fold.test) for fold in split.folds] == expected


def test_the_order_of_the_clips_does_not_matter() -> None:
    manifest = made(12)
    turned = Manifest("made", LABELS, manifest.clips[::-1], "none")
    for one, other in zip(
        make_split("actor-6fold", manifest, 2).folds, make_split("actor-6fold", turned, 2).folds, strict=True
    ):
        assert parts(manifest, one) == parts(turned, other)


def test_leave_one_speaker_or_session_out_names_its_folds_by_them() -> None:
    manifest = made(6, ["1", "1", "2", "2", "10", "10"])
    split = make_split("loso", manifest, 1)
    assert [(fold.name, who(manifest, fold.test)) for fold in split.folds] == [(s, [s]) for s in manifest.speakers]
    split = make_split("session", manifest, 2)
    assert [(fold.name, who(manifest, fold.test), who(manifest, fold.valid)) for fold in split.folds] == [
        ("1", ["s01", "s02"], ["s03", "s04"]),
        ("2", ["s03", "s04"], ["s05", "s06"]),
        ("10", ["s05", "s06"], ["s01", "s02"]),
    ]


def test_sessions_that_share_a_speaker_are_leaky_and_say_so() -> None:
    base = made(4, ["1", "1", "2", "2"])
    guest = tuple(Clip(Path(f"corpus/guest/{label}.wav"), label, "s01", session="2") for label in LABELS)
    manifest = Manifest("made", LABELS, base.clips + guest, "none")
    split = make_split("session", manifest, 1)
    assert is_leaky(split, manifest)
    assert "LEAKY" in split.description
    assert all("s01" not in who(manifest, fold.valid) for fold in split.folds)


def test_random_folds_spread_emotions_evenly_know_the_speakers_and_say_so() -> None:
    manifest = made(24, labels=("calm", "angry", "sad", "sad"))
    split = make_split("random-6fold", manifest, 2, seed=3)
    assert sorted(i for fold in split.folds for i in fold.test) == list(range(96))
    for fold in split.folds:
        assert Counter(manifest.clips[i].emotion for i in fold.test) == {"calm": 4, "angry": 4, "sad": 8}
        assert (len(fold.train), len(fold.valid)) == (72, 8)  # as many as two speakers have
        assert {manifest.clips[i].emotion for i in fold.valid} == set(LABELS)
    assert is_leaky(split, manifest)
    assert "LEAKY" in split.description
    assert "seed 3" in split.description
    assert make_split("random-6fold", manifest, 2, seed=3) == split
    assert make_split("random-6fold", manifest, 2, seed=4).folds != split.folds
    assert all(not fold.valid for fold in make_split("random-3fold", manifest, 0).folds)


@pytest.mark.parametrize(
    ("protocol", "n_speakers", "n_valid", "message"),
    [
        ("actor-6fold", 5, 0, "5 speakers cannot make 6 folds"),
        ("actor-2fold", 4, 3, "fold 1: 3 speakers should validate, and 2 are left beside those tested"),
        ("actor-2fold", 4, 2, "fold 1: no speaker is left to train on"),
        ("loso", 1, 0, "fold s01: no speaker is left to train on"),
        ("session", 4, 1, "12 of 12 clips of made name no session"),
        ("random-6fold", 1, 0, "3 clips cannot make 6 folds"),
        ("random-2fold", 2, 2, "fold 1: no speaker is left to train on"),
        ("loso", 0, 0, "loso makes no fold: there are no clips"),
    ],
)
def test_a_split_that_leaves_nobody_is_refused_in_one_line(
    protocol: str, n_speakers: int, n_valid: int, message: str
) -> None:
    with pytest.raises(CorpusError) as caught:
        make_split(protocol, made(n_speakers), n_valid)
    assert caught.value.message == message


def test_an_emotion_that_cannot_be_trained_on_is_named_with_its_fold() -> None:
    base = made(4, labels=("calm", "sad"))
    manifest = Manifest("made", LABELS, (*base.clips, Clip(Path("corpus/s03/angry.wav"), "angry", "s03")), "none")
    with pytest.raises(CorpusError, match=r"^fold s02 of loso: no clip of angry is left to train on"):
        make_split("loso", manifest, 1)  # s03 validates there
    with pytest.raises(CorpusError, match=r"^fold s03 of loso: no clip of angry is left to train on"):
        make_split("loso", manifest, 0)
    assert len(make_split("loso", base, 0).folds) == 4  # an emotion that nobody has is missing nowhere


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("actor-6folds", "actor-6fold"),
        ("LOSO", "loso"),
        ("sessions", "session"),
        ("", ""),
        (f"actor-{'9' * 5000}fold", ""),
    ],
)
def test_an_unknown_name_brings_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_split(name, made(6), 1)
    assert caught.value.message[:300] == f"there is no split {name!r}"[:300]
    assert nearest in caught.value.hint
    assert all(protocol in caught.value.hint for protocol in PROTOCOLS)


def test_numbers_that_make_no_sense_are_refused() -> None:
    for name in ("actor-1fold", "actor-0fold", "random-1fold"):
        with pytest.raises(UsageError, match="2 folds or more"):
            make_split(name, made(6), 1)
    with pytest.raises(UsageError, match="-1 speakers cannot validate"):
        make_split("loso", made(6), -1)


def test_a_fold_checks_its_parts() -> None:
    for train, valid, test in (((1,), (), (1,)), ((1,), (1,), (2,)), ((1,), (2,), (2,)), ((1, 1), (), (2,))):
        with pytest.raises(CorpusError, match="fold 7: a clip is in two parts"):
            Fold("7", train, valid, test)
    with pytest.raises(CorpusError, match="fold 7: its train part holds no clip"):
        Fold("7", (), (1,), (2,))
    with pytest.raises(CorpusError, match="fold 7: its test part holds no clip"):
        Fold("7", (2,), (1,), ())


def test_leaky_means_a_test_speaker_anywhere_else_in_the_same_fold() -> None:
    manifest = made(3)  # clips 0-2, 3-5, 6-8

    def leaky(*folds: Fold) -> bool:
        return is_leaky(Split("made", "", folds), manifest)

    assert not leaky(Fold("1", (0, 1, 2), (3, 4, 5), (6,)), Fold("2", (6, 7), (8,), (0,)))
    assert leaky(Fold("1", (0, 1, 8), (3,), (6,)))
    assert leaky(Fold("1", (0, 1), (7,), (6,)))
    assert not leaky(Fold("1", (0, 1), (2,), (6,)))  # train and valid may share; the audit lists it
    assert leaky(Fold("1", (0,), (), (6,)), Fold("2", (0,), (), (1,)))


def test_folds_by_speaker_from_a_file(csv) -> None:
    manifest = made(5)
    path = csv("speaker,fold,comment\n" + "".join(f"s0{i},{fold},x\n" for i, fold in enumerate("AABBC", start=1)))
    split = make_split(str(path), manifest, 1)
    assert [(fold.name, *parts(manifest, fold)) for fold in split.folds] == [
        ("A", ["s04", "s05"], ["s03"], ["s01", "s02"]),
        ("B", ["s01", "s02"], ["s05"], ["s03", "s04"]),
        ("C", ["s02", "s03", "s04"], ["s01"], ["s05"]),
    ]
    assert split == read_split(path, manifest, 1)
    assert split.protocol == str(path)
    assert split.description.startswith("3 folds of split.csv (sha256 ")
    assert split.description.endswith("); in each, 1 other speaker validates")
    assert str(path.parent) not in split.description


def test_numbered_folds_are_in_the_order_of_their_numbers(csv) -> None:
    manifest = made(11)
    path = csv("speaker;fold\n" + "".join(f"s{i:02};{i}\n" for i in range(11, 0, -1)))
    assert [fold.name for fold in read_split(path, manifest, 0).folds] == [str(i) for i in range(1, 12)]


def test_parts_by_session_from_a_file_are_taken_as_they_stand(csv) -> None:
    manifest = made(4, ["1", "2", "3", "3"])
    path = csv("\ufeffSession\tPart\n1\ttrain\n2\tDev\n3\ttest\n")
    split = make_split(str(path), manifest, 2)
    (fold,) = split.folds
    assert (fold.name, *parts(manifest, fold)) == ("1", ["s01"], ["s02"], ["s03", "s04"])
    assert split.description.endswith("; parts as the file has them")


def test_parts_of_each_fold_from_a_file(csv) -> None:
    manifest = made(3)
    rows = ["s01,1,test", "s02,1,val", "s03,1,train", "s01,2,train", "s02,2,test", "s03,2,train"]
    split = read_split(csv("speaker,fold,part\n" + "\n".join(rows)), manifest, 2)
    assert [(fold.name, *parts(manifest, fold)) for fold in split.folds] == [
        ("1", ["s03"], ["s02"], ["s01"]),
        ("2", ["s01", "s03"], [], ["s02"]),
    ]


@pytest.mark.parametrize(
    "name",
    ["corpus/{}/{}.wav", "{}/{}.wav", "{}/{}", "./{}/{}.flac", "{}\\{}.wav"],
    ids=["path", "end of a path", "stem", "another suffix", "backslash"],
)
def test_clips_are_found_by_any_unambiguous_end_of_their_path(csv, name: str) -> None:
    manifest = made(2)
    rows = [f"{name.format(clip.speaker, clip.emotion)},{clip.speaker}" for clip in manifest]
    split = read_split(csv("path,fold\n" + "\n".join(rows)), manifest, 0)
    assert [parts(manifest, fold) for fold in split.folds] == [(["s02"], [], ["s01"]), (["s01"], [], ["s02"])]


def test_absolute_paths_and_paths_from_the_files_folder_are_found(csv, tmp_path: Path) -> None:
    clips = tuple(Clip(tmp_path / f"{s}/a.{x}.wav", "calm", s) for s in ("s1", "s2") for x in "bc")
    manifest = Manifest("made", ("calm",), clips, "none")
    path = csv(f"path,fold\n{tmp_path / 's1/a.b.wav'},1\ns1/../s1/a.c.wav,1\ns2/a.b,2\ns2/a.c,2\n")
    assert [fold.test for fold in read_split(path, manifest, 0).folds] == [(0, 1), (2, 3)]


def test_cuts_of_one_recording_go_together(csv) -> None:
    cuts = tuple(Clip(Path("long.wav"), "calm", "s1", start_s=i, end_s=i + 1) for i in range(3))
    manifest = Manifest("made", ("calm",), (*cuts, Clip(Path("b.wav"), "calm", "s2")), "none")
    split = read_split(csv("path,part\nlong.wav,train\nb.wav,test\n"), manifest, 0)
    assert (split.folds[0].train, split.folds[0].test) == ((0, 1, 2), (3,))


SPEAKERS = "s01,1\ns02,2\ns03,2\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs one of the columns path, speaker, session, and fold, part or both; its header has nothing"),
        ("name,fold\na,1\n", "its header has name, fold"),
        ("speaker\ns01\n", "its header has speaker"),
        ("speaker,fold\n", "has a header and no rows"),
        ("speaker,fold\n\ns01,1\ns02,\n", "line 4 of split.csv has no fold"),
        ("speaker,part\ns01\n", "line 2 of split.csv has no part"),
        ("speaker,part\ns01,tset\n", "line 2 of split.csv: part 'tset' is not one of train, "),
        (f"speaker,fold\n{SPEAKERS}s4,1\n", "line 5 of split.csv: made has no speaker 's4'"),
        ("session,fold\n1,1\n", "line 2 of split.csv: made has no session '1'"),
        ("path,fold\ncalm.wav,1\n", "'calm.wav' may be 3 files: "),
        ("path,fold\ncalm,1\n", "'calm' may be 3 files: "),
        ("path,fold\ns09/calm.wav,1\n", "line 2 of split.csv: made has no clip 's09/calm.wav'"),
        ("path,fold\n..,1\n", "made has no clip '..'"),
        ("path,fold\n/,1\n", "made has no clip '/'"),
        (
            "speaker,fold\ns01,1\ns02,2\n",
            "split.csv leaves out 3 of 9 clips of made: corpus/s03/calm.wav, corpus/s03/angry.wav, corpus/s03/sad.wav",
        ),
        (
            "path,fold\ns01/calm.wav,1\n",
            "made: corpus/s01/angry.wav, corpus/s01/sad.wav, corpus/s02/calm.wav and 5 more",
        ),
        (f"speaker,fold\n{SPEAKERS}s03,1\n", "split.csv puts 3 clips into two folds: corpus/s03/calm.wav (1, 2), "),
        (
            "speaker,fold,part\ns01,1,train\ns02,1,test\ns03,1,test\ns01,1,test\n",
            "fold 1 of split.csv puts 3 clips into two parts: corpus/s01/calm.wav (test, train), ",
        ),
        (
            "speaker,fold,part\ns01,1,train\ns02,1,test\ns03,1,test\ns01,2,train\ns02,2,test\n",
            "fold 2 of split.csv leaves out 3 of 9 clips of made",
        ),
        ("speaker,part\ns01,train\ns02,train\ns03,valid\n", "fold 1: its test part holds no clip"),
        ("speaker,fold\ns01,1\ns02,1\ns03,1\n", "fold 1: no speaker is left to train on"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(csv, text: str, message: str) -> None:
    path = csv(text)
    with pytest.raises(CorpusError) as caught:
        read_split(path, made(3), 0)
    assert message in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no split file .*gone\.csv"):
        make_split(str(tmp_path / "gone.csv"), made(3), 0)
    (tmp_path / "latin.csv").write_bytes("speaker,fold\nJosé,1\n".encode("latin-1"))
    (tmp_path / "folder.csv").mkdir()
    for name in ("latin.csv", "folder.csv"):
        with pytest.raises(CorpusError, match=f"{name} cannot be read as a table"):
            make_split(str(tmp_path / name), made(3), 0)


def test_training_asks_more_of_a_file_than_an_audit(csv) -> None:
    manifest = made(3)
    nobody = str(csv("speaker,part\ns01,train\ns02,test\ns03,train\n"))
    assert read_split(nobody, manifest, 2).folds[0].valid == ()
    assert make_split(nobody, manifest, 0).folds[0].valid == ()
    with pytest.raises(
        CorpusError, match=r"^fold 1 of .*split.csv: there are no validation speakers, and 2 are wanted"
    ):
        make_split(nobody, manifest, 2)
    rows = [f"{c.speaker}/{c.emotion},{'test' if c.emotion == 'sad' else 'train'}" for c in manifest]
    no_sad = csv("path,part\n" + "\n".join(rows))
    assert is_leaky(read_split(no_sad, manifest, 0), manifest)
    with pytest.raises(CorpusError, match=r"^fold 1 of .*split.csv: no clip of sad is left to train on"):
        make_split(str(no_sad), manifest, 0)


def test_a_leaky_file_says_so_and_never_validates_by_a_test_speaker(csv) -> None:
    manifest = made(4)
    rows = [f"{clip.speaker}/{clip.emotion},{1 + (i < 3 or i == 5)}" for i, clip in enumerate(manifest.clips)]
    split = read_split(csv("path,fold\n" + "\n".join(rows)), manifest, 1)
    assert is_leaky(split, manifest)  # s02 has clips in both folds
    assert "LEAKY" in split.description
    assert [who(manifest, fold.valid) for fold in split.folds] == [["s01"], ["s03"]]


def test_a_name_wins_over_a_file_that_is_called_like_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("loso", "actor-4fold", "mine"):
        Path(name).write_text("speaker,fold\n", encoding="utf-8")
    assert [names_a_file(name) for name in ("loso", "actor-4fold", "mine", "other.CSV", "other", "")] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.corpus
def test_the_real_protocol(corpora: Path) -> None:
    manifest = read_ravdess(corpora / "ravdess")
    split = make_split("actor-6fold", manifest, 2)
    tested = [[int(s.rpartition("-")[2]) for s in who(manifest, fold.test)] for fold in split.folds]
    assert tested == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16], [17, 18, 19, 20], [21, 22, 23, 24]]
    for fold in split.folds:
        assert (len(fold.train), len(fold.valid), len(fold.test)) == (1080, 120, 240)
        assert Counter(manifest.clips[i].sex for i in fold.valid) == {"female": 60, "male": 60}
    assert not is_leaky(split, manifest)
    assert is_leaky(make_split("random-6fold", manifest, 2), manifest)
