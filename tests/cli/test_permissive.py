"""`emofuse info --licences`, and bundles that may not be used commercially."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def test_licences_are_listed_with_what_they_allow(emofuse) -> None:
    found = emofuse("info", "--licences")
    assert found.code == 0
    lines = [" ".join(line.split()) for line in found.out.splitlines()]
    assert "voice RAVDESS CC BY-NC-SA 4.0 no" in lines
    assert any(line.startswith("text XED") and line.endswith("yes") for line in lines)
    assert "packages:" not in found.out


@pytest.mark.parametrize(
    "arguments",
    [["info"], ["analyze", "clip"], ["live", "--file", "clip"], ["serve", "--port", "0"]],
    ids=lambda a: a[0],
)
def test_the_base_bundle_is_refused_where_only_permissive_ones_may_be(
    emofuse, clip_mp4: Path, arguments: list[str]
) -> None:
    found = emofuse(*[clip_mp4 if one == "clip" else one for one in arguments], "--permissive-only")
    assert found.code != 0
    assert "may not be used commercially" in found.err and "RAVDESS" not in found.out


def test_the_permissive_bundle_reads_words(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    (tmp_path / "clip.txt").write_text("What a lovely day, I am so happy!", "utf-8")
    arguments = [
        "analyze",
        clip_mp4,
        "-o",
        tmp_path / "out",
        "--formats",
        "json",
        "--transcript",
        tmp_path / "clip.txt",
    ]
    found = emofuse(*arguments, "--bundle", "permissive", "--permissive-only")
    assert found.code == 0, found.err
    summary = json.loads((tmp_path / "out" / "clip.json").read_text("utf-8"))["summary"]
    assert summary["by_modality"]["text"] is not None
    assert summary["by_modality"]["face"] is None and summary["by_modality"]["voice"] is None
    hub = emofuse(*arguments, "--bundle", "permissive", "--permissive-only", "--text-model", "somebody/theirs")
    assert hub.code == 2 and "licence of somebody/theirs" in hub.err
