"""What is public is documented, and its examples are true."""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import typing
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

import emofuse
from emofuse.inference import pipeline

MORE = {
    "emofuse.affect",
    "emofuse.inference.inputs",
    "emofuse.media.arrays",
    "emofuse.media.kinds",
    "emofuse.media.photo",
    "emofuse.remote",
    "emofuse.research.corpora.text_table",
}
RESEARCH = [
    "emofuse.research.corpora.corpus",
    "emofuse.research.corpora.manifest",
    "emofuse.research.corpora.registry",
    "emofuse.research.corpora.splits.folds",
    "emofuse.research.corpora.splits.protocols",
    "emofuse.research.models.registry",
    "emofuse.research.tasks.registry",
    "emofuse.research.evaluation.scores.metrics",
    "emofuse.research.evaluation.scores.significance",
]


# what a researcher derives a class from
EXTENDED = {
    "emofuse.research.tasks.base": ("Task", "UtteranceTask"),
    "emofuse.research.evaluation.protocols.learners": ("Learner",),
}


def named_in(thing: Any) -> Iterator[Any]:
    """Yield the classes that the annotations of a function, or of a class's fields, name."""
    try:
        hints = list(typing.get_type_hints(thing).values())
    except (NameError, TypeError):  # a name that is imported for type checkers alone
        return
    while hints:
        hint = hints.pop()
        hints += typing.get_args(hint)
        if inspect.isclass(hint):
            yield hint


def methods_of(kind: type) -> dict[str, Any]:
    """Return the public methods that a class itself defines, by name."""
    own = {name: getattr(each, "__func__", each) for name, each in vars(kind).items()}
    return {name: f for name, f in own.items() if inspect.isfunction(f) and (name[0] != "_" or name == "__call__")}


def reached() -> dict[str, Any]:
    """Return all that `emofuse.__all__` leads to: functions, classes, and the classes that their annotations name."""
    found: dict[str, Any] = {}
    todo = [getattr(emofuse, name) for name in emofuse.__all__ if not name.startswith("__")]
    while todo:
        one = todo.pop()
        is_ours = str(getattr(one, "__module__", "")).startswith("emofuse.")
        if not is_ours or not (inspect.isclass(one) or inspect.isfunction(one)) or one.__qualname__ in found:
            continue
        found[one.__qualname__] = one
        parts = list(methods_of(one).values()) if inspect.isclass(one) else [one]
        parts += [one] if dataclasses.is_dataclass(one) else []
        todo += [kind for part in parts for kind in named_in(part)]
    return found


REACHED = reached()
CLASSES = {name: one for name, one in REACHED.items() if inspect.isclass(one)}
FUNCTIONS = {name: (one, "") for name, one in REACHED.items() if inspect.isfunction(one)}
FUNCTIONS |= {
    f"{name}.{method}": (function, inspect.getdoc(kind) or "")
    for name, kind in CLASSES.items()
    for method, function in methods_of(kind).items()
}
MODULES = sorted({one.__module__ for one in REACHED.values()} | MORE)


def test_what_is_exchanged_is_reached() -> None:
    assert {"Pipeline", "Timeline", "Moment", "Scores", "Face", "Segment", "Summary", "Provenance"} <= set(CLASSES)
    assert len(CLASSES) > 30 and len(FUNCTIONS) > 40


@pytest.fixture(scope="module")
def analysed_once() -> Callable[..., object]:
    """Return `emofuse.analyze` for examples of what it returns, which share one analysis of each input."""
    found: dict[str, object] = {}

    def analyze(*inputs: object, **options: object) -> object:
        asked = repr((inputs, options))
        if asked not in found:
            found[asked] = pipeline.analyze(*inputs, **options)
        return found[asked]

    return analyze


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_true(module: str, analysed_once: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    if module == "emofuse.inference.voice_measurements":
        pytest.importorskip("opensmile")
    if module != pipeline.__name__:  # whose own examples are run as they are
        monkeypatch.setattr(emofuse, "analyze", analysed_once)
    result = doctest.testmod(import_module(module))
    assert result.failed == 0
    assert result.attempted > 0 or module == "emofuse.errors"


@pytest.mark.parametrize("module", RESEARCH)
def test_corpora_splits_and_scores_are_documented_with_true_examples(module: str) -> None:
    pytest.importorskip("scipy")
    found = import_module(module)
    assert doctest.testmod(found).failed == 0
    for name, one in vars(found).items():
        if name.startswith("_") or getattr(one, "__module__", "") != module or not callable(one):
            continue
        text = inspect.getdoc(one) or ""
        if inspect.isclass(one):
            assert "Attributes:" in text and ">>>" in text, name
        else:
            assert "Args:" in text and "Returns:" in text and ">>>" in text, name


def tells_what_it_takes_and_returns(function: Any) -> bool:
    """Return whether a docstring names every argument, and what comes back."""
    text, signature = inspect.getdoc(function) or "", inspect.signature(function)
    arguments = [each for each in signature.parameters if each not in ("self", "cls")]
    returns = "Returns:" in text or signature.return_annotation in (None, "None")
    return ("Args:" in text) == bool(arguments) and all(f"{each}: " in text for each in arguments) and returns


@pytest.mark.parametrize("module", EXTENDED)
def test_what_researchers_extend_is_documented_with_true_examples(module: str) -> None:
    pytest.importorskip("torch")
    found = import_module(module)
    assert doctest.testmod(found).failed == 0
    for name in EXTENDED[module]:
        kind = getattr(found, name)
        text = inspect.getdoc(kind) or ""
        assert "Attributes:" in text and ">>>" in text, name
        assert [one for one, f in methods_of(kind).items() if not tells_what_it_takes_and_returns(f)] == [], name


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_lists_its_fields_and_has_an_example(name: str) -> None:
    kind = CLASSES[name]
    text = inspect.getdoc(kind) or ""
    assert text and text[0].isupper() and ">>>" in text
    assert "Attributes:" in text
    if dataclasses.is_dataclass(kind) and name not in ("TrackRecord",):  # it has counters of its own beside
        fields = [field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")]
        assert [field for field in fields if f"{field}: " not in text] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_tells_what_it_takes_and_returns(name: str) -> None:
    function, of_class = FUNCTIONS[name]
    text = inspect.getdoc(function) or ""
    assert text and text[0].isupper()
    assert tells_what_it_takes_and_returns(function)
    method = name.rpartition(".")[2]
    called = "(" if method == "__call__" else f".{method}("
    example = text if ">>>" in text else of_class
    assert ">>>" in example and (">>>" in text or called in example)
