"""The command that is being run, as it may stand in a result."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Final

from emofuse.remote import without_secrets

_MOST: Final = 40  # arguments: thousands of recordings would be in the document of each

_arguments: ContextVar[tuple[str, ...] | None] = ContextVar("arguments", default=None)


def remember_command(arguments: Sequence[str]) -> None:
    """Keep the arguments of the command that is about to be run."""
    _arguments.set(tuple(arguments))


def command_line() -> str:
    """Return the command that is being run, "" outside of one.

    Names, passwords and queries of addresses are left out, as results are passed on; so is the end of a long list.
    """
    arguments = _arguments.get()
    if arguments is None:
        return ""
    shown = [without_secrets(argument) for argument in arguments[:_MOST]]
    more = [f"(and {len(arguments) - _MOST} more)"] if len(arguments) > _MOST else []
    return " ".join([shlex.join(["emofuse", *shown]), *more])
