"""`emofuse robustness`: which bundle, which recordings, and what is told before hours of work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emofuse.corpora.manifest import Clip, Manifest, write_manifest


def table(folder: Path, clip: Path, *people: str) -> Path:
    clips = tuple(Clip(clip, "happy", name, start_s=0.01 * i, licence="ours") for i, name in enumerate(people))
    return write_manifest(Manifest("made", ("happy",), clips, "ours"), folder / "made.csv")


def test_robustness_writes_a_report(emofuse: Any, tmp_path: Path, clip_mp4: Path) -> None:
    data = table(tmp_path, clip_mp4, "ann", "ben", "eve")
    found = emofuse(
        "robustness",
        "base",
        "--data",
        data,
        "--only",
        "sunglasses",
        "--sample",
        2,
        "-o",
        tmp_path / "out",
    )
    assert found.code == 0, found.err
    report = json.loads((tmp_path / "out" / "robustness.json").read_text("utf-8"))
    assert [one["name"] for one in report["conditions"]] == ["as it is", "sunglasses"]
    assert report["n_recordings"] == 2
    assert "sunglasses" in found.out


def test_what_is_wrong_is_told_at_once(emofuse: Any, tmp_path: Path, clip_mp4: Path) -> None:
    data = table(tmp_path, clip_mp4, "ann")
    unknown = emofuse("robustness", "base", "--data", data, "--only", "rain")
    assert unknown.code == 2 and "no condition is called 'rain'" in unknown.err and "noise, 20 dB" in unknown.err
    untrained = emofuse("robustness", "mine.toml", "--data", data)
    assert untrained.code == 2 and "emofuse train mine.toml --bundle" in untrained.err
    nothing = emofuse("robustness", "base", "--data", ",")
    assert nothing.code == 2 and "names no recording" in nothing.err


def test_benchmark_refuses_before_the_work(emofuse: Any, tmp_path: Path) -> None:
    for option, value, told in (
        ("--left-out", "sound=runs", "no modality 'sound'"),
        ("--left-out", "voice", "MODALITY=FOLDER"),
        ("--peer", "fer", "NAME=FOLDER"),
        ("--conditions", tmp_path, "no report of `emofuse robustness`"),
        ("--out", "page.html", "name it in .md"),
    ):
        found = emofuse("benchmark", "base", "--data", tmp_path, option, value)
        assert found.code == 2 and told in found.err, option


def test_benchmark_writes_a_page_of_what_is_there(emofuse: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    found = emofuse("benchmark", "base", "--data", data, "-o", tmp_path / "page" / "benchmark.md")
    assert found.code == 0, found.err
    page = (tmp_path / "page" / "benchmark.md").read_text("utf-8")
    assert "ms a call" in page and "CC BY" in page
    assert json.loads((tmp_path / "page" / "benchmark.json").read_text("utf-8"))["missing"]
    assert "emodb is not in" in found.err
