"""Action units: joined to clips by the names of their utterances, and a table that does not fit is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.readers.ravdess import read_ravdess
from emofuse.research.feature_sets.action_units import read_action_units

ROWS = (
    "AU01_r;AU12_r;AU12_c;speech;name",
    "0.5;1.5;1.0;0.1;01-01-03-01-01-01-01",
    "2.5;0;0.25;0.2;01-01-05-01-01-01-01",
)
Write = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Write:
    """Return a function that writes a table into the folder of the corpus, and returns that folder."""

    def write(*rows: str, folder: str = "ravdess", encoding: str = "utf-8") -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "action_units.csv").write_text("\n".join(rows or ROWS) + "\n", encoding=encoding)
        return tmp_path / folder

    return write


def of(*paths: Path) -> Manifest:
    return Manifest("made", ("sad",), tuple(Clip(path, "sad", "s") for path in paths), "")


def test_sound_and_film_have_the_row_of_their_utterance_in_the_order_of_the_manifest(table: Write) -> None:
    root = table()
    angry, happy = root / "audios/Actor_01/03-01-05-01-01-01-01.wav", root / "01-01-03-01-01-01-01.mp4"
    cropped = root / "crops" / "02-01-05-01-01-01-01_facecroppad.avi"
    found = read_action_units(of(angry, happy, angry, cropped))
    assert found.dtype == np.float32
    assert found.tolist() == [[2.5, 0, 0.25], [0.5, 1.5, 1], [2.5, 0, 0.25], [2.5, 0, 0.25]]


def test_the_six_parts_are_all_compared(table: Write) -> None:
    root = table()
    for other in ("03-02-03-01-01-01-01", "03-01-03-01-01-01-02", "03-01-03-01-01-02-01", "03-01-03-02-01-01-01"):
        with pytest.raises(CorpusError, match=f"has no row of {other}.wav"):
            read_action_units(of(root / f"{other}.wav"))


def test_other_corpora_are_joined_by_the_whole_name(table: Write) -> None:
    root = table("name;AU01_r", "03a01Fa;1", "a-b-c.mp4;2", folder="other")
    assert read_action_units(of(root / "x" / "a-b-c.wav", root / "03a01Fa.wav")).tolist() == [[2], [1]]
    with pytest.raises(CorpusError, match=r"other/action_units\.csv has no row of x-b-c\.wav"):
        read_action_units(of(root / "x-b-c.wav"))


def test_the_nearest_table_above_a_clip_counts(table: Write, tmp_path: Path) -> None:
    one, two = table(folder="one"), table("name;AU01_r;AU12_r;AU12_c", "01-01-03-01-01-01-01;7;8;9", folder="two")
    (tmp_path / "action_units.csv").write_text("name;AU99_r\n")
    clip = "03-01-03-01-01-01-01.wav"
    assert read_action_units(of(two / "deep" / clip, one / clip)).tolist() == [[7, 8, 9], [0.5, 1.5, 1]]


def test_tables_of_different_columns_are_not_put_under_one_another(table: Write) -> None:
    one, two = table(folder="one"), table("name;AU01_r", "01-01-03-01-01-01-01;7", folder="two")
    clip = "03-01-03-01-01-01-01.wav"
    with pytest.raises(CorpusError, match=r"one/action_units\.csv, .*two/action_units\.csv have different columns"):
        read_action_units(of(one / clip, two / clip))


def test_a_byte_order_mark_and_columns_of_other_kinds_are_of_no_matter(table: Write) -> None:
    root = table("name;AU45_c;confidence;AU1_r;AU045_r", "01-01-03-01-01-01-01;0.5;9;9;9", encoding="utf-8-sig")
    assert read_action_units(of(root / "03-01-03-01-01-01-01.wav")).tolist() == [[0.5]]


def test_a_missing_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no action_units\.csv in the folders above .*03-01-03-01-01-01-01\.wav"):
        read_action_units(of(tmp_path / "03-01-03-01-01-01-01.wav"))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([*ROWS, ROWS[1]], "line 4: '01-01-03-01-01-01-01' is there twice"),
        ([*ROWS, "1;1;1;1;02-01-03-01-01-01-01"], "line 4: '02-01-03-01-01-01-01' is there twice"),
        ([ROWS[0], ROWS[1].replace("1.5", "high")], "line 2: an action unit is not a number"),
        ([ROWS[0], ROWS[1].replace("1.5", "")], "line 2: an action unit is not a number"),
        ([ROWS[0], ROWS[1].replace("1.5", "nan")], "line 2: an action unit is not a number"),
        ([ROWS[0], ROWS[1].replace("1.5", "inf")], "line 2: an action unit is not a number"),
        ([ROWS[0], ROWS[1].replace("1.5", "1,5")], "line 2: an action unit is not a number"),
        (["name;AU01_r", "01-01-03-01-01-01-01"], "line 2: an action unit is not a number"),
        ([row.replace(";", ",") for row in ROWS], "has no column 'name' or none such as 'AU01_r'"),
        (["name;smile", "01-01-03-01-01-01-01;1"], "has no column 'name' or none such as 'AU01_r'"),
        (["AU01_r", "1"], "has no column 'name' or none such as 'AU01_r'"),
        ([""], "has no column 'name' or none such as 'AU01_r'"),
        ([ROWS[0], '"0.5;1.5;1.0;0.1;01-01-03-01-01-01-01'], "cannot read .*action_units.csv"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(table: Write, rows: list[str], says: str) -> None:
    root = table(*rows)
    with pytest.raises(CorpusError, match=says) as caught:
        read_action_units(of(root / "03-01-03-01-01-01-01.wav"))
    assert str(root / "action_units.csv") in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_table_that_is_no_text_is_said(table: Write) -> None:
    root = table()
    (root / "action_units.csv").write_bytes(b"name;AU01_r\n\xff\xfe;1\n")
    with pytest.raises(CorpusError, match="cannot read"):
        read_action_units(of(root / "03-01-03-01-01-01-01.wav"))


@pytest.mark.corpus
def test_every_spoken_recording_of_ravdess_has_its_action_units(corpora: Path) -> None:
    manifest = read_ravdess(corpora / "ravdess")
    found = read_action_units(manifest)
    assert found.shape == (1440, 35)
    assert len(np.unique(found, axis=0)) == 1439  # actor 7's two happy, normal "dogs" are one recording
    smile = found[:, 8]  # AU12_r
    by_emotion = {e: smile[[clip.emotion == e for clip in manifest]].mean() for e in ("happy", "sad")}
    assert by_emotion["happy"] > 3 * by_emotion["sad"]
