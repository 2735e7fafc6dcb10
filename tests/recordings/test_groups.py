"""Groups of recordings."""

from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.recordings.groups import group_of, read_groups


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recording_is_found_by_its_path_name_or_stem(tmp_path: Path) -> None:
    groups = read_groups(
        written(tmp_path, "\ufeffgroup,recording,note\nA,talks/one.mp4,x\nB,two.mp4,\nC,Zoë,\n,four,\n")
    )
    names = {
        "talks/one.mp4": "A",
        "x/two.mp4": "B",
        "Zoë.mov": "C",
        "four.mp4": "",
        "one.mp4": "",
        "x/talks/one.mp4": "",
    }
    assert {name: group_of(name, groups) for name in names} == names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column 'recording'"),
        ("recording,label\na,b\n", "no column 'group'"),
        ("recording,group\na,b\na,c\n", "line 3: a is in 'b' and 'c'"),
    ],
)
def test_a_table_that_is_none_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_groups(written(tmp_path, text))


def test_a_table_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_groups(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("recording,group\nZoë,b\n".encode("latin-1"))
    with pytest.raises(UsageError, match="cannot read"):
        read_groups(tmp_path / "latin.csv")
