"""docs/security.md names a test for each promise: they are there."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", (HERE.parent / "docs" / "security.md").read_text(encoding="utf-8"))


def test_promises_have_tests() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_the_tests_that_are_named_are_there(file: str) -> None:
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {name for named, name in NAMED if named == file} <= functions
