"""A group of commands that imports one when it is called, not to list it: `emofuse --help` waits for no OpenCV."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class LazyGroup(TyperGroup):
    """Commands by the names of the functions, or of the groups of them, that they are."""

    places: ClassVar[Mapping[str, str]] = {}  # "module:function" or "module:app", by the command's name

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order in which they are shown."""
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command that was called, or one that can only be listed."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        if cmd_name not in self.places:
            return None
        return TyperCommand(cmd_name, help=_help_of(self.places[cmd_name]), rich_markup_mode="rich")

    def load_command(self, name: str) -> Any:
        """Import a command with its options, as one that is called is."""
        self.commands[name] = _load(name, self.places[name])
        return self.commands[name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that is called."""
        if args and args[0] in self.places:
            self.load_command(args[0])
        else:  # what may have been meant is looked for among them
            self.commands.update({name: self.get_command(ctx, name) for name in self.places})
        return super().resolve_command(ctx, args)


def _load(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command(name)(found)
    return get_command(alone)


def _help_of(place: str) -> str:
    """Read a command's help in its module's source: a function's docstring, or the `help` that a group is given."""
    module, _, attribute = place.partition(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    for node in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            return ast.get_docstring(node) or ""
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == attribute:
            assert isinstance(node.value, ast.Call)
            return next((ast.literal_eval(one.value) for one in node.value.keywords if one.arg == "help"), "")
    return ""
