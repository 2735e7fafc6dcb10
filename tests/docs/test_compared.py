"""docs/compared.md claims nothing of emofuse without a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "compared.md").read_text(encoding="utf-8")
OURS = [row.split("|")[2].strip() for row in PAGE.splitlines() if row.startswith("|") and "---" not in row]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


def test_every_yes_names_a_test() -> None:
    claims = [cell for cell in OURS if cell and not cell.startswith(("no", "emofuse"))]
    assert len(claims) > 20
    assert [cell for cell in claims if not re.search(r"`[\w/]+\.py::\w+`", cell)] == []


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_is_there(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert name in functions
