"""Finds what a recipe names as `package.module:NAME`: a network or a corpus of one's own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from emofuse.errors import UsageError
from emofuse.reading import file_hash


def import_object(name: str) -> Any:
    """Import what is called `package.module:NAME`; modules are looked for in the present folder, too.

    Args:
        name: The module and, after a colon, what it holds.

    Returns:
        The object.

    Raises:
        UsageError: There is no such module, it cannot be imported, or it does not hold the object.
    """
    module, colon, attribute = name.partition(":")
    hint = "give package.module:NAME, of a module that Python finds from the folder you are in"
    if not (module and colon and attribute):
        raise UsageError(f"{name!r} is not of the form package.module:NAME", hint)
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    importlib.invalidate_caches()
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, AttributeError) else str(error)
        raise UsageError(f"{name!r} cannot be imported: {reason}", hint) from error


def source_hash(thing: Any) -> str:
    """Return the SHA-256 of the file that an imported object is written in; empty where there is none."""
    file = getattr(sys.modules.get(getattr(thing, "__module__", "")), "__file__", None)
    return file_hash(Path(file)) if file else ""
