"""A script that is written from the reference pages alone: photos, lists, sound in memory, an own bundle, resuming."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs


def test_it_works_at_the_first_try(run_page: Callable[[str], Path]) -> None:
    folder = run_page("reference/script.md")
    for path in ("photos.csv", "list.png", "mine/fusion.json", "results/summary.csv"):
        assert (folder / path).stat().st_size > 0, path
