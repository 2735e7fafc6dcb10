"""The extension recipes of docs/architecture.md, run as they are printed, in a folder outside the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs


def test_a_stranger_adds_a_corpus_a_network_and_a_format(run_page: Callable[[str], Path]) -> None:
    pytest.importorskip("torch")
    folder = run_page("architecture.md")
    assert len((folder / "field.csv").read_text().splitlines()) == 33
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["model"] == "band" and report["metrics"]
    assert (folder / "comparison" / "comparison" / "comparison.json").stat().st_size > 0
    assert "voice" in json.loads((folder / "results" / "clip.json").read_text())["summary"]["used"]
    lines = (folder / "results" / "clip.lines.txt").read_text().splitlines()
    assert lines[0].startswith("#") and {"start_s", "end_s", "label"} == set(json.loads(lines[1]))
