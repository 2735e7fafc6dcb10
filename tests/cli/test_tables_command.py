"""Results of a folder as one table of each kind, and groups of recordings in the index."""

from pathlib import Path

from emofuse.outputs.tables import write_json
from make_timelines import ANGRY, HAPPY_THEN_SAD, rows_of


def test_the_command_collects_a_folder(emofuse, tmp_path: Path) -> None:
    (tmp_path / "results" / "deep").mkdir(parents=True)
    write_json(HAPPY_THEN_SAD, tmp_path / "results" / "one.json")
    write_json(ANGRY, tmp_path / "results" / "deep" / "two.json")
    (tmp_path / "results" / "notes.json").write_text("{}")
    (tmp_path / "groups.csv").write_text("recording,group\nclip.mp4,pilot\n")
    result = emofuse("tables", tmp_path / "results", "-o", tmp_path, "--groups", tmp_path / "groups.csv")
    assert result.code == 1 and result.err.count("notes.json") == 1
    assert sorted(path.name for path in tmp_path.glob("all_*")) == [
        "all_moments.csv",
        "all_people.csv",
        "all_segments.csv",
        "all_words.csv",
    ]
    assert {row["group"] for row in rows_of(tmp_path / "all_segments.csv")} == {"pilot"}
    assert emofuse("tables", tmp_path / "results", "--table", "colours").code == 2
    assert emofuse("tables", tmp_path / "none").code == 2


def test_groups_are_compared_in_the_index(emofuse, tmp_path: Path, voice_wav: Path, clip_mp4: Path) -> None:
    (tmp_path / "groups.csv").write_text("recording,group\nvoice,first\nclip.mp4,second\n")
    result = emofuse(
        "analyze", voice_wav, clip_mp4, "-o", tmp_path, "--formats", "csv", "--groups", tmp_path / "groups.csv"
    )
    assert result.code == 0, result.err
    assert [row["group"] for row in rows_of(tmp_path / "summary.csv")] == ["first", "second"]
    page = (tmp_path / "index.html").read_text()
    for words in ("<dt>first <small>(1 recording", "<dt>second <small>(1 recording", "<dt>all <small>(2 recordings"):
        assert words in page
