"""`robustness`, `fairness` and `benchmark`: which bundle, which recordings, what is told before hours of work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from emofuse.research.corpora.manifest import Clip, Manifest, write_manifest
from emofuse.research.evaluation.protocols.cross_validation import clip_names
from emofuse.research.evaluation.scores.predictions import PREDICTIONS_NAME, Predictions, write_predictions
from emofuse.research.evaluation.scores.report import EvaluationReport, write_json
from emofuse.research.evaluation.scores.summary import summarise
from make_reports import stamp

LABELS = ("happy", "sad")


def table(folder: Path, clip: Path, *people: str) -> Path:
    clips = tuple(Clip(clip, "happy", name, start_s=0.01 * i, licence="ours") for i, name in enumerate(people))
    return write_manifest(Manifest("made", ("happy",), clips, "ours"), folder / "made.csv")


def evaluated(folder: Path, sound: Path) -> tuple[Path, Path]:
    """Write a folder of `emofuse evaluate`, and the manifest of its 48 clips in two languages."""
    clips = tuple(
        Clip(sound, LABELS[i % 2], f"p{i % 6}", start_s=i / 10_000, language="de" if i < 24 else "pl")
        for i in range(48)
    )
    manifest = Manifest("made", LABELS, clips, "ours")
    logs = np.where(np.eye(2)[np.arange(48) % 2] > 0, -0.1, -2.3).astype(np.float32)
    found = Predictions(
        clips=clip_names(manifest),
        speakers=tuple(clip.speaker for clip in clips),
        sexes=("unknown",) * 48,
        folds=("1",) * 48,
        labels=LABELS,
        seeds=(1,),
        truth=(np.arange(48) % 2).astype(np.int64),
        log_probabilities=logs[None],
    )
    run = folder / "run"
    run.mkdir()
    made = summarise(found, ["1"])
    report = EvaluationReport(
        title="made",
        model="voice",
        stamp=stamp(labels=LABELS, leaky=False),
        metrics=made.metrics,
        per_class=made.per_class,
        confusion=made.confusion,
        temperature=1.0,
        calibration_error=(0.1, 0.1),
    )
    write_json(report, run)
    write_predictions(found, run / PREDICTIONS_NAME)
    return run, write_manifest(manifest, folder / "clips.csv")


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
        ("--conditions", tmp_path, "not a report of `emofuse robustness`"),
        ("--out", "page.html", "name it in .md"),
    ):
        found = emofuse("benchmark", "base", "--data", tmp_path, option, value)
        assert found.code == 2 and told in found.err, option


def test_benchmark_writes_a_page_of_what_is_there(emofuse: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    found = emofuse("benchmark", "permissive", "--data", data, "-o", tmp_path / "page" / "benchmark.md")
    assert found.code == 0, found.err
    page = (tmp_path / "page" / "benchmark.md").read_text("utf-8")
    assert "ms a call" in page and "CC BY" in page
    assert json.loads((tmp_path / "page" / "benchmark.json").read_text("utf-8"))["missing"]
    assert "goemotions is not in" in found.err


def test_fairness_takes_any_column_of_a_manifest(emofuse: Any, tmp_path: Path, voice_wav: Path) -> None:
    rows = [
        f"{voice_wav},{'happy' if i % 2 else 'sad'},p{i},{'female' if i % 4 < 2 else 'male'},{i / 10_000},{20 + i}"
        for i in range(4)
    ]
    (tmp_path / "made.csv").write_text("path,emotion,speaker,sex,start_s,age\n" + "\n".join(rows) + "\n", "utf-8")
    found = emofuse("fairness", "base", "--data", tmp_path / "made.csv", "--by", "age,sex", "-o", tmp_path / "out")
    assert found.code == 0, found.err
    report = json.loads((tmp_path / "out" / "fairness.json").read_text("utf-8"))
    assert [one["attribute"] for one in report["attributes"]] == ["age", "sex"]
    assert all(one["n_left_out"] == 4 for one in report["attributes"])  # groups are too small
    assert emofuse("fairness", "base").code == 2


def test_fairness_of_predictions_joins_a_manifest(emofuse: Any, tmp_path: Path, voice_wav: Path) -> None:
    folder, manifest = evaluated(tmp_path, voice_wav)
    found = emofuse("fairness", folder, "--data", manifest, "--by", "language,speaker", "-o", tmp_path / "out")
    assert found.code == 0, found.err
    report = json.loads((tmp_path / "out" / "fairness.json").read_text("utf-8"))
    assert {group["name"] for group in report["attributes"][0]["groups"]} == {"de", "pl"}
    other = emofuse("fairness", folder, "--data", table(tmp_path, voice_wav, "ann"), "-o", tmp_path / "other")
    assert other.code == 2 and "has no clip" in other.err
