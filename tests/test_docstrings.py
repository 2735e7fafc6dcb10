"""What is public is documented, and its examples are true."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module

import pytest

import emofuse

MODULES = sorted(
    set(emofuse._PLACES.values())
    | {
        "emofuse.affect",
        "emofuse.inference.inputs",
        "emofuse.media.arrays",
        "emofuse.media.kinds",
        "emofuse.media.photo",
        "emofuse.remote",
        "emofuse.research.corpora.text_table",
    }
)
PUBLIC = [getattr(emofuse, name) for name in emofuse.__all__ if not name.startswith("__")]


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_true(module: str) -> None:
    if module == "emofuse.inference.voice_measurements":
        pytest.importorskip("opensmile")
    result = doctest.testmod(import_module(module))
    assert result.attempted > 0 and result.failed == 0


def documented() -> list[object]:
    """Return what is public: functions and classes, with the methods that have an example's worth of arguments."""
    found: list[object] = []
    for one in PUBLIC:
        found.append(one)
        if inspect.isclass(one):
            own = [m for n, m in vars(one).items() if not n.startswith("_") or n == "__call__"]
            found += [getattr(m, "__func__", m) for m in own if callable(getattr(m, "__func__", m))]
    return found


@pytest.mark.parametrize("one", documented(), ids=lambda one: getattr(one, "__qualname__", str(one)))
def test_what_is_public_says_what_it_takes_and_gives(one: object) -> None:
    text = inspect.getdoc(one) or ""
    assert text
    if inspect.isclass(one):
        assert "Attributes:" in text and "Example:" in text
        return
    assert callable(one)
    arguments = [name for name in inspect.signature(one).parameters if name not in ("self", "cls")]
    assert ("Args:" in text) == bool(arguments)
    assert "Returns:" in text
    for name in arguments:
        assert f"{name}:" in text
