"""`emofuse people` names and joins, and everything that referred to somebody goes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emofuse.cli.main import run
from emofuse.errors import UsageError
from emofuse.outputs.marks import mark_file, origin
from emofuse.outputs.tables import read_json, write_json
from emofuse.recordings.people_edits import merge_people
from emofuse.timeline import Timeline
from make_timelines import conversation


@pytest.fixture
def result(tmp_path: Path) -> Path:
    file = tmp_path / "clip.json"
    write_json(conversation(), file)
    mark_file("json", file, "0123456789abcdef")
    return file


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        run(["people", *map(str, arguments)])
    return int(stop.value.code or 0)


def test_names_are_given_and_kept(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(result, "--name", "1=Бен <b>", "--name", "2=") == 0
    assert [(p.id, p.name) for p in read_json(result).people] == [(1, "Бен <b>"), (2, "")]
    assert origin("json", result) == "0123456789abcdef"  # it is still ours, and of the same recording
    assert "Бен <b>" in capsys.readouterr().out


def test_who_is_joined_is_one_everywhere(result: Path) -> None:
    before = read_json(result)
    assert call(result, "--merge", "2,1") == 0
    after = read_json(result)
    (one,) = after.people
    assert (one.id, one.name, one.seen, one.spoke) == (1, "Anna", ((0.0, 4.0),), ((0.2, 1.0),))
    assert one.share_of_time == {"sad": 4.0, "happy": 4.0}
    assert one.summary is not None and one.summary.as_dict()["sad"] == pytest.approx((0.83 + 0.17 / 6) / 2, abs=1e-3)
    assert {f.person_id for m in after.moments for f in m.faces} == {1}
    assert [line.person_id for line in after.lines] == [1, 1, None]
    assert after.to_json()["summary"] == before.to_json()["summary"]


def test_other_results_beside_it_are_written_again(result: Path) -> None:
    assert call(result, "--name", "1=Ben", "--formats", "html,textgrid") == 0
    assert '"name":"Ben"' in (result.parent / "clip.html").read_text(encoding="utf-8")
    assert 'name = "Ben"' in (result.parent / "clip.TextGrid").read_text(encoding="utf-8")


def test_without_options_people_are_listed_and_nothing_is_written(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = result.read_bytes()
    assert call(result) == 0
    assert result.read_bytes() == before
    shown = capsys.readouterr().out
    assert "Anna" in shown and "4.0 s" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--name", "7=Anna"), "there is no person 7"),
        (("--name", "Anna"), "has no name"),
        (("--name", "x=Anna"), "not a person's number"),
        (("--merge", "1"), "one person cannot be joined"),
        (("--merge", "1,9"), "there is no person 9"),
        (("--name", "1=A", "--formats", "mp4"), "cannot be written from a result"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    result: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert call(result, *options) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_result_of_version_1_has_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(json.dumps(conversation().to_json())) | {"schema": "emofuse/1", "people": []}
    (tmp_path / "old.json").write_text(json.dumps(document), encoding="utf-8")
    assert call(tmp_path / "old.json") == 0
    assert "this result lists no people" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(UsageError, match="no person 1"):
        merge_people(Timeline.from_json(document), [1, 2])
