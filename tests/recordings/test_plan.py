from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.outputs.index import Row, write_index
from emofuse.recordings.plan import make_plan, parse_formats


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_formats() -> None:
    assert parse_formats("json, CSV,json") == ("json", "csv")
    for wrong in ("", "json,gif", ","):
        with pytest.raises(UsageError, match="format"):
            parse_formats(wrong)


def test_a_file_becomes_its_name_in_out(tmp_path: Path) -> None:
    touch(tmp_path / "clip.mp4")
    plan = make_plan([tmp_path / "clip.mp4"], tmp_path / "out", ("json", "mp4"))
    assert [t.target("json") for t in plan.tasks] == [tmp_path / "out" / "clip.json"]
    assert plan.tasks[0].target("mp4") == tmp_path / "out" / "clip.mp4"


def test_a_dot_in_a_name_stays(tmp_path: Path) -> None:
    touch(tmp_path / "talk.v2.mp4")
    plan = make_plan([tmp_path / "talk.v2.mp4"], tmp_path / "out", ("json",))
    assert plan.tasks[0].target("json").name == "talk.v2.json"


def test_folders_are_searched_and_keep_their_shape(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.MP4", tmp_path / "in" / "deep" / "a.wav", tmp_path / "in" / "notes.txt")
    touch(tmp_path / "in" / ".hidden" / "b.mp4", tmp_path / "in" / ".clip.mp4.partial.mp4")
    plan = make_plan([tmp_path / "in"], tmp_path / "out", ("json",))
    assert [t.stem.relative_to(tmp_path / "out").as_posix() for t in plan.tasks] == ["a", "deep/a"]


def test_names_that_would_clash_are_told_apart(tmp_path: Path) -> None:
    touch(tmp_path / "x" / "a.mp4", tmp_path / "x" / "a.wav", tmp_path / "y" / "a.mp4")
    inputs = [tmp_path / "x" / "a.mp4", tmp_path / "x" / "a.wav", tmp_path / "y" / "a.mp4"]
    plan = make_plan(inputs, tmp_path / "out", ("json",))
    assert [t.stem.name for t in plan.tasks] == ["a_mp4", "a_wav", "a_mp4-2"]


def test_the_same_file_twice_is_one_task(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    assert len(make_plan([tmp_path / "a.mp4", tmp_path], tmp_path / "out", ("json",)).tasks) == 1


def test_the_names_of_the_index_are_taken_in_a_batch_alone(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "summary.mp4", tmp_path / "in" / "deep" / "index.mp4")
    alone = make_plan([tmp_path / "in" / "summary.mp4"], tmp_path / "out", ("csv",))
    assert not alone.is_batch and alone.tasks[0].target("csv").name == "summary.csv"
    batch = make_plan([tmp_path / "in"], tmp_path / "out", ("csv",))
    assert batch.is_batch
    assert [t.target("csv").relative_to(tmp_path / "out").as_posix() for t in batch.tasks] == [
        "deep/index.csv",
        "summary-2.csv",
    ]


def test_only_our_own_index_is_replaced(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.mp4", tmp_path / "in" / "b.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.csv").write_text("name,price\n")
    with pytest.raises(
        UsageError, match=r"summary\.csv would be replaced, and emofuse did not write it.*--overwrite.*-o"
    ):
        make_plan([tmp_path / "in"], tmp_path / "out", ("json",))
    (tmp_path / "out" / "summary.csv").unlink()
    write_index([Row("a.mp4", failure="broken")], tmp_path / "out")
    assert make_plan([tmp_path / "in"], tmp_path / "out", ("json",)).is_batch


def test_what_is_missing_is_listed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    plan = make_plan([tmp_path / "empty", tmp_path / "absent.mp4"], tmp_path / "out", ("json",))
    assert plan.tasks == ()
    assert [reason for _, reason in plan.failures] == ["no recording in this folder", "no such file or folder"]


def test_a_recording_is_never_replaced(tmp_path: Path) -> None:
    touch(tmp_path / "a.mp4")
    with pytest.raises(UsageError, match="would replace a recording"):
        make_plan([tmp_path / "a.mp4"], tmp_path, ("json", "mp4"))
    assert make_plan([tmp_path / "a.mp4"], tmp_path, ("json",)).tasks


@pytest.mark.parametrize("name", ["..mp4", "...mp4", ".mp4"])
def test_a_name_of_dots_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    out = tmp_path / "out"
    (task,) = make_plan([tmp_path / name], out, ["json"]).tasks
    assert task.target("json") == out / f"{name}.json"
