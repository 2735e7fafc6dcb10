"""`--help`: options stand in groups, the same ones in every command, under examples that can be run as they are."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from emofuse.cli import panels
from emofuse.cli.lazy import _load
from emofuse.cli.main import _Commands

COMMANDS = ("analyze", "live", "serve")
PANELS = {value for name, value in vars(panels).items() if name.isupper()}
MOST_ALONE = 8  # options that stand in no group


def options_of(name: str) -> dict[str, str | None]:
    """Return the group of every option of a command, None for those that have none."""
    command = _load(name, _Commands.places[name])
    return {one.opts[0]: one.rich_help_panel for one in command.params if one.param_type_name == "option"}


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_in_groups(name: str) -> None:
    options = options_of(name)
    assert set(options.values()) - {None} <= PANELS
    assert 3 <= sum(panel is None for panel in options.values()) <= MOST_ALONE


def test_an_option_is_in_the_same_group_in_every_command() -> None:
    known: dict[str, Any] = {}
    for name in COMMANDS:
        for option, panel in options_of(name).items():
            assert known.setdefault(option, panel) == panel, f"{name} {option}"
    assert set(known.values()) - {None} == PANELS  # none of them is empty


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_commands_that_can_be_run(name: str) -> None:
    command = _load(name, _Commands.places[name])
    lines = re.findall(r"^ {4,}(?:[A-Z_]+=\S.* )?emofuse (\S.*?)(?: {3,}.*)?$", command.help, re.MULTILINE)
    assert len(lines) >= 3
    for line in lines:
        first, *arguments = shlex.split(line)
        assert first == name
        command.make_context(name, arguments)  # wrong usage raises
        assert len(f"    emofuse {line}") < 78


def test_help_prints_examples_line_by_line(emofuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = emofuse("analyze", "--help").out
    lines = [line.strip() for line in printed.splitlines()]
    at = lines.index("Examples:")
    assert sum(line.startswith("emofuse analyze ") for line in lines[at : at + 8]) == 4
    for title in ("Input", "Words", "Answers", "Annotated film", "Many recordings"):
        assert any(f" {title} " in line for line in lines), title
