"""One table over many recordings."""

from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.outputs.long_tables import write_long_table
from make_timelines import ANGRY, HAPPY_THEN_SAD, moment, rows_of, timeline


def test_rows_of_all_recordings_are_one_table(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    assert write_long_table([("a.mp4", "x", HAPPY_THEN_SAD), ("b.mp4", "", ANGRY)], "moments", path) == 6
    rows = rows_of(path)
    assert [(row["recording"], row["group"], row["label"]) for row in rows] == [
        *[("a.mp4", "x", "happy")] * 3,
        *[("a.mp4", "x", "sad")] * 2,
        ("b.mp4", "", "angry"),
    ]
    assert float(rows[-1]["p_angry"]) == pytest.approx(0.7)


def test_parquet_has_the_same_rows_with_their_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "all.parquet"
    write_long_table([("a.mp4", "x", HAPPY_THEN_SAD), ("b.mp4", "", ANGRY)], "segments", path, "parquet")
    found = parquet.read_table(str(path)).to_pylist()
    assert [(row["recording"], row["label"]) for row in found] == [
        ("a.mp4", "happy"),
        ("a.mp4", "sad"),
        ("b.mp4", "angry"),
    ]
    assert all(isinstance(row["start_s"], float) for row in found)


def test_other_labels_are_no_rows_of_the_same_table(tmp_path: Path) -> None:
    other = timeline(moment(0.5, "calm", labels=("calm", "not")), duration_s=1.0, labels=("calm", "not"))
    with pytest.raises(UsageError, match="other columns"):
        write_long_table([("a.mp4", "", HAPPY_THEN_SAD), ("b.mp4", "", other)], "moments", tmp_path / "all.csv")
    assert list(tmp_path.iterdir()) == []
