"""`emofuse clip.mp4` is `emofuse analyze clip.mp4`; commands stay what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.cli.main import _with_command


@pytest.mark.parametrize(
    "arguments",
    [
        ["clip.mp4"],
        ["missing.MKV", "--formats", "html"],
        ["-o", "out", "clip.mp4"],
        ["https://example.org/talk"],
        ["s3://bucket/clip.mp4"],
        ["here"],
    ],
)
def test_a_recording_is_analysed(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert _with_command(arguments) == ["analyze", *arguments]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--help"], ["--version"], ["live", "clip.mp4"], ["anlyze"], ["info"], ["demo"], ["people", "clip.json"]],
)
def test_all_else_is_left_as_it_is(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()  # a command goes before a folder of its name
    assert _with_command(arguments) == arguments


def test_a_misspelt_command_is_none_of_the_recordings() -> None:
    assert _with_command(["anlyze", "clip.mp4"]) == ["anlyze", "clip.mp4"]
