"""Feature sets: what is read, what is counted as absent, and what is written."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import CorpusError, UsageError
from emofuse.research.feature_sets.store import FeatureSet, find_feature_set, read_feature_set, write_feature_set
from make_features import HEADER, packed, row, vectors

Make = Callable[..., Path]


def test_the_reference_layout_is_read_as_it_is(make: Make) -> None:
    place = "Session1/Ses01F_script02_1/Ses01F_script02_1_M003.npy"
    name = "Ses01F_script02_1_M003"
    rows = [f"{name},,/features/visual_features/{place},/features/acoustic_features/{place},,sad"]
    files = {
        f"features/visual_features/{place}": packed(np.arange(6, dtype=np.float64).reshape(2, 3)),
        f"features/acoustic_features/{place}": packed(np.asfortranarray(np.arange(6.0).reshape(3, 2))),
    }
    feature_set = read_feature_set(make(rows, files))
    (clip,) = feature_set.manifest
    assert clip.path.name == name
    assert (clip.speaker, clip.sex, clip.session) == ("mine-M01", "male", "1")
    assert (clip.dialogue, clip.style, clip.emotion) == ("Ses01F_script02_1", "scripted", "sad")
    assert list(feature_set.features) == ["visual", "acoustic"]
    assert feature_set.dims == {"visual": 3, "acoustic": 2}
    (visual,), (acoustic,) = feature_set.features.values()
    assert visual is not None and visual.dtype == np.float32
    np.testing.assert_array_equal(visual, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(acoustic, [[0, 1], [2, 3], [4, 5]])
    assert feature_set.absent == {"visual": {}, "acoustic": {}, "lexical": {"no file named": 1}}
    assert feature_set.manifest.skipped == ()


def test_a_vector_is_one_step_and_integers_are_numbers(make: Make) -> None:
    feature_set = read_feature_set(make([row("a")], vectors("a")))
    assert {m: arrays[0].shape for m, arrays in feature_set.features.items()} == {
        "visual": (2, 5),
        "acoustic": (1, 3),
        "lexical": (1, 4),
    }
    np.testing.assert_array_equal(feature_set.features["lexical"][0], [[3, 3, 3, 3]])


def test_who_is_left_out_is_listed_with_the_reason(make: Make) -> None:
    nothing = {"visual": "", "acoustic": "", "lexical": "features/gone.npy"}
    rows = [row("a"), row("b", emotion=" "), row("c", **nothing), row("a"), row(""), row("d")]
    folder = make(rows, vectors("a", "d"))
    feature_set = read_feature_set(folder)
    assert [clip.path.name for clip in feature_set.manifest] == ["a", "d"]
    assert feature_set.manifest.skipped == (
        (folder / "b", "line 3: emotion_labels is empty"),
        (folder / "a", "line 5: the same utterance as in line 2"),
        (folder / "dataset.csv", "line 6: file_name_list is empty"),
        (folder / "c", "no features: visual: no file named; acoustic: no file named; lexical: file is missing"),
    )
    assert all(not counts for counts in feature_set.absent.values())


def test_an_utterance_with_two_emotions_is_refused(make: Make) -> None:
    with pytest.raises(CorpusError, match="line 3: 'sad', but the same utterance is 'neu' in line 2"):
        read_feature_set(make([row("a"), row("a", emotion="sad")], vectors("a")))


def test_further_columns_and_modalities_are_kept(make: Make) -> None:
    header = "Unnamed: 0,file_name_list,speakers,split,scripted,text,valence,pose_features,lexical_features,emotion"
    lines = ["0,a,Ann,dev,1,Oh no,2.5,pose_features/a.npy,lexical_features/a.npy,joy"]
    files = {"features/pose_features/a.npy": packed(np.ones(2)), "features/lexical_features/a.npy": packed(np.ones(4))}
    feature_set = read_feature_set(make(lines, files, header), name="own")
    (clip,) = feature_set.manifest
    assert (clip.speaker, clip.session, clip.style, clip.text) == ("own-Ann", "dev", "scripted", "Oh no")
    assert feature_set.dims == {"lexical": 4, "pose": 2}
    assert list(feature_set.features) == ["lexical", "pose"]
    assert feature_set.columns == {"split": ("dev",), "valence": ("2.5",)}
    assert feature_set.manifest.name == "own"


def test_turns_of_a_dialogue_are_put_in_order_and_dialogues_are_not(make: Make) -> None:
    names = ["dia2_utt10", "dia2_utt9", "dia1_utt0", "dia1_utt1"]
    feature_set = read_feature_set(make([row(name) for name in names], vectors(*names)))
    assert [clip.path.name for clip in feature_set.manifest] == ["dia2_utt9", "dia2_utt10", "dia1_utt0", "dia1_utt1"]


@pytest.mark.parametrize(
    ("header", "rows", "says"),
    [
        ("speakers,visual_features,emotion", ["s1,,neu"], "no column 'file_name_list'"),
        ("file_name_list,visual_features", ["a,"], "no column 'emotion_labels'"),
        ("file_name_list,speakers,emotion", ["a,s1,neu"], "no column of features"),
        ("file_name_list,emotion,emotion,visual_features", ["a,neu,sad,"], "two columns are called 'emotion'"),
        (HEADER, [], "no utterance with features"),
        (HEADER, [row("gone")], "no utterance with features .left out 1, the first gone: no features"),
        (HEADER + ",scripted", [row("a") + ",maybe"], "scripted 'maybe' is not 0 or 1"),
        (HEADER + ",sex", [row("a") + ",f"], "sex 'f' is not one of"),
        (HEADER, ["a,s1"], "line 2: 2 cells under 6 columns"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(make: Make, header: str, rows: list[str], says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        read_feature_set(make(rows, vectors("a"), header))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no feature set at .*dataset\.csv"):
        read_feature_set(tmp_path)
    (tmp_path / "dataset.csv").write_text("\n".join([HEADER, row("a")]), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"no features in .* .expected features.zip or a folder features"):
        read_feature_set(tmp_path)
    (tmp_path / "features.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CorpusError, match=r"cannot read .*features\.zip"):
        read_feature_set(tmp_path)


def test_a_set_is_found_by_its_name_and_by_its_path(make: Make, tmp_path: Path) -> None:
    folder = make([row("a")], vectors("a"))
    for name, data in (("Mine", tmp_path), (str(folder), None), (str(folder / "dataset.csv"), tmp_path)):
        assert find_feature_set(name, data).manifest.name == "mine"
    with pytest.raises(UsageError, match="no feature set 'theirs' in") as caught:
        find_feature_set("theirs", tmp_path)
    assert "EMOFUSE_DATA" in caught.value.hint
    with pytest.raises(UsageError, match="there is no data folder"):
        find_feature_set("theirs", None)


def same(a: FeatureSet, b: FeatureSet) -> None:
    assert {m: [x is None for x in arrays] for m, arrays in a.features.items()} == {
        m: [x is None for x in arrays] for m, arrays in b.features.items()
    }
    for modality, arrays in a.features.items():
        for one, other in zip(arrays, b.features[modality], strict=True):
            if one is not None and other is not None:
                np.testing.assert_array_equal(one, other)
    assert a.columns == b.columns


def test_what_is_written_is_read_again(make: Make, tmp_path: Path) -> None:
    rows = [row("Ses01F_impro01_F000"), row("Ses01F_impro01_M000", "sad", visual=""), row("c d", "sad", "s-2")]
    header = HEADER + ",mood,text"
    lines = [line + f',{i},"Well, {i}"' for i, line in enumerate(rows)]
    first = read_feature_set(make(lines, vectors("Ses01F_impro01_F000", "Ses01F_impro01_M000", "c d"), header))
    table = write_feature_set(first, tmp_path / "out" / "again")
    again = read_feature_set(table)
    same(first, again)
    assert [clip.path.name for clip in again.manifest] == [clip.path.name for clip in first.manifest]
    fields = ("emotion", "speaker", "sex", "session", "dialogue", "style", "licence", "language", "text")
    for one, other in zip(first.manifest, again.manifest, strict=True):
        assert [getattr(one, f) for f in fields] == [getattr(other, f) for f in fields]
    with table.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert written[0]["acoustic_features"] == (
        "/features/acoustic_features/Session1/Ses01F_impro01/Ses01F_impro01_F000.npy"
    )
    assert [row["visual_features"] for row in written[1:]] == ["", "/features/visual_features/c_d.npy"]
    assert not list(table.parent.rglob(".*"))


def test_names_that_one_file_cannot_tell_apart_are_refused(make: Make, tmp_path: Path) -> None:
    feature_set = read_feature_set(make([row("a b"), row("A_b")], vectors("a b", "A_b")))
    with pytest.raises(CorpusError, match="two utterances have the name 'A_b'"):
        write_feature_set(feature_set, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "n", "dims", "absent"),
    [
        ("iemocap", 5531, {"acoustic": 55, "lexical": 384}, {"visual": 5531, "acoustic": 0, "lexical": 0}),
        ("meld", 3719, {"visual": 105, "acoustic": 8, "lexical": 384}, {"visual": 18, "acoustic": 1, "lexical": 0}),
    ],
)
def test_the_real_sets_are_read(corpora: Path, name: str, n: int, dims: dict[str, int], absent: dict[str, int]) -> None:
    start_s = time.process_time()
    feature_set = find_feature_set(name, corpora)
    assert time.process_time() - start_s < 10  # 2 s on an idle machine
    assert len(feature_set.manifest) == n
    assert feature_set.dims == dims
    assert {modality: counts.total() for modality, counts in feature_set.absent.items()} == absent
    assert feature_set.manifest.skipped == ()
    assert all(clip.dialogue and clip.session for clip in feature_set.manifest)
    dialogues = [clip.dialogue for clip in feature_set.manifest]
    assert 1 + sum(a != b for a, b in pairwise(dialogues)) == len(set(dialogues))


@pytest.mark.corpus
def test_the_speakers_of_iemocap_are_in_their_sessions(corpora: Path) -> None:
    manifest = find_feature_set("iemocap", corpora).manifest
    assert {(clip.speaker, clip.session) for clip in manifest} == {
        (f"iemocap-{letter}0{session}", str(session)) for session in range(1, 6) for letter in "FM"
    }
    assert manifest.counts_by("style") == {"improvised": 2943, "scripted": 2588}
    assert manifest.counts() == {"neu": 1708, "ang": 1103, "sad": 1084, "exc": 1041, "hap": 595}
