"""What the tutorials tell a reader to run does run, and leaves what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.docs

LEFT = {
    "interview": ["coded/interview.json", "coded/interview.eaf", "coded/interview.html"],
    "groups": ["results/summary.csv", "results/index.html"],
    "train": ["corpus.csv", "mine/fusion.json", "results/s0_0.json"],
    "own-model": ["mine/fusion.json", "results/clip.json"],
    "lecture-hall": ["hall.csv"],
}


@pytest.mark.parametrize("name", LEFT)
def test_a_tutorial_runs_as_it_is_written(name: str, run_page: Callable[[str], Path]) -> None:
    folder = run_page(f"tutorials/{name}.md")
    for path in LEFT[name]:
        assert (folder / path).stat().st_size > 0, path


def test_every_tutorial_is_run() -> None:
    written = {path.stem for path in (ROOT / "docs" / "tutorials").glob("*.md")}
    assert written - {"index"} == set(LEFT)
