"""An output format from outside the package, named as `module:NAME`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from emofuse.errors import OutputError, UsageError
from emofuse.outputs.formats import FORMATS, Format, get_format
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import UNKNOWN
from emofuse.recordings.plan import Task, parse_formats
from make_timelines import TIMELINES

MODULE = """
from emofuse.outputs.formats import Format

def write(timeline, path, links):
    path.write_text(f"mine {len(timeline.moments)} {links.recording}")

def fail(timeline, path, links):
    path.write_text("half of it")
    raise KeyError("nothing")

MINE = Format("json", "mine.txt", "text/plain", "Mine", write, False, True, lambda data: data[:4] == b"mine")
PLAIN = Format("plain", "txt", "text/plain", "Plain", write)
TABLE = Format("table", "CSV", "text/csv", "Table", write)
FAILS = Format("fails", "fails", "text/plain", "Fails", fail)
EMPTY = Format("empty", "empty", "text/plain", "Empty", None)
"""
TIMELINE = TIMELINES["many faces"]
LINKS = MediaLinks.beside("clip.mp4")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module in the current folder that holds formats."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"formats_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def written(format: Format, path: Path) -> str:
    assert format.write is not None
    format.write(TIMELINE, path, LINKS)
    return path.read_text()


def test_it_is_asked_for_beside_the_packages_formats(module: str, tmp_path: Path) -> None:
    assert parse_formats(f"JSON, {module}:MINE") == ("json", f"{module}:MINE")
    task = Task(tmp_path / "clip.mp4", tmp_path / "out" / "clip")
    assert task.target(f"{module}:MINE") == tmp_path / "out" / "clip.mine.txt"
    assert written(get_format(f"{module}:MINE"), tmp_path / "clip.mine.txt") == (
        f"mine {len(TIMELINE.moments)} ./clip.mp4"
    )


def test_only_files_that_it_recognizes_are_replaced(module: str, tmp_path: Path) -> None:
    mine, plain = get_format(f"{module}:MINE"), get_format(f"{module}:PLAIN")
    path = tmp_path / "clip.mine.txt"
    written(mine, path)
    assert mine.origin(path) == UNKNOWN and plain.origin(path) is None
    path.write_text("somebody's notes")
    assert mine.origin(path) is None


def test_a_photo_has_the_formats_that_are_for_photos(module: str, tmp_path: Path) -> None:
    task = Task(tmp_path / "a.jpg", tmp_path / "a", is_photo=True)
    assert task.kinds(("html", "mp4", f"{module}:MINE", f"{module}:PLAIN")) == ("png", f"{module}:MINE")


def test_what_was_there_stays_when_its_writer_fails(module: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.fails"
    path.write_text("before")
    with pytest.raises(OutputError, match=r":FAILS failed on .*clip.fails: KeyError: 'nothing'"):
        written(get_format(f"{module}:FAILS"), path)
    assert path.read_text() == "before" and len(list(tmp_path.glob("*clip*"))) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("{}:EMPTY", "is not an output format"),
        ("{}:write", "is not an output format"),
        ("{}:ABSENT", "cannot be imported"),
        ("no_such_module:MINE", "cannot be imported"),
        ("csv,{}:TABLE", "two formats would write files ending in .csv"),
        ("nothing", "unknown format nothing"),
    ],
)
def test_what_is_wrong_is_one_line(module: str, names: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_formats(names.format(module))


@pytest.mark.parametrize("suffix", ["", ".", "../x", "a/b"])
def test_a_suffix_leads_to_no_other_folder(suffix: str) -> None:
    with pytest.raises(ValueError, match="cannot be the suffix"):
        Format("x", suffix, "text/plain", "X", None)


def test_a_client_of_the_service_cannot_name_a_module(module: str) -> None:
    options = pytest.importorskip("emofuse.service.options")
    with pytest.raises(ValueError, match="formats"):
        options.SubmitOptions(formats=f"{module}:MINE")
    assert set(options.OFFERED) <= set(FORMATS)
