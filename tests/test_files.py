"""A file is written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from emofuse.errors import OutputError
from emofuse.files import atomic_write, make_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_the_work_is_done(tmp_path):
    target = tmp_path / "out.mp4"
    with atomic_write(target) as name:
        name.write_text("whole")
        assert name.parent == tmp_path
        assert name.suffix == ".mp4"
        assert not target.exists()
    assert target.read_text() == "whole"
    assert names(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
def test_what_was_there_stays_when_the_work_fails(tmp_path, error):
    target = tmp_path / "out.json"
    target.write_text("before")
    with pytest.raises(error), atomic_write(target) as name:
        name.write_text("half")
        raise error
    assert target.read_text() == "before"
    assert names(tmp_path) == ["out.json"]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "that you may write to"),
        (errno.EACCES, "that you may write to"),
    ],
)
def test_an_error_of_the_disk_is_one_line_with_a_hint(tmp_path, number, hint):
    with pytest.raises(OutputError) as raised, atomic_write(tmp_path / "out.json"):
        raise OSError(number, os.strerror(number))
    assert raised.value.message == f"cannot write {tmp_path / 'out.json'}: {os.strerror(number)}"
    assert hint in raised.value.hint
    assert names(tmp_path) == []


def test_an_unwritable_folder_shows_before_the_work(tmp_path, monkeypatch):
    def refuse(self, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(OutputError, match="Permission denied"), atomic_write(tmp_path / "out.json"):
        pytest.fail("the work began")


@pytest.mark.parametrize(
    ("name", "reason", "hint"),
    [
        ("absent/out.json", "No such file", "make the folder"),
        ("file/out.json", "Not a directory", "another folder"),
        ("folder", "Is a directory", "name a file"),
        ("n" * 300 + "." + "s" * 300, "File name too long", "shorter name"),
    ],
)
def test_a_path_that_cannot_be_a_file(tmp_path, name, reason, hint):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=reason) as raised, atomic_write(tmp_path / name):
        pytest.fail("the work began")
    assert hint in raised.value.hint
    assert names(tmp_path) == ["file", "folder"]


def test_no_name_at_all():
    with pytest.raises(OutputError, match="it is a folder"), atomic_write(""):
        pytest.fail("the work began")


def test_an_error_about_an_input_is_not_called_an_output_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.json"):
        (tmp_path / "input.mp4").read_bytes()
    assert names(tmp_path) == []


def test_a_device_is_written_to_and_not_replaced():
    with atomic_write("/dev/null") as name:
        name.write_text("gone")
    assert Path("/dev/null").is_char_device()


def test_a_long_name_is_still_possible(tmp_path):
    target = tmp_path / ("é" * 120 + ".json")
    with atomic_write(target) as name:
        name.write_text("x")
    assert target.exists()


def test_a_folder_is_made_with_those_above_it_and_may_be_there_already(tmp_path):
    for _ in range(2):
        assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("path", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_named_with_a_next_step(tmp_path, path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot make the folder .*file") as caught:
        make_folder(tmp_path / path)
    assert caught.value.hint
    assert (tmp_path / "file").read_text() == "mine"
