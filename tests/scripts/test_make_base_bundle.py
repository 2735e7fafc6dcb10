"""The script that puts a bundle together, on the networks that ship and on reports made here."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from emofuse.card import ModelCard, Score
from emofuse.inference.bundle import BUNDLES, load_bundle
from emofuse.inference.network import OnnxNetwork
from emofuse.research.evaluation.scores.report import write_json
from make_reports import report, stamp

SHIPPED = BUNDLES / "base"


@pytest.fixture
def script() -> ModuleType:
    """Return scripts/make_base_bundle.py as a module."""
    path = Path(__file__).parents[2] / "scripts" / "make_base_bundle.py"
    spec = importlib.util.spec_from_file_location("make_base_bundle", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def reports(tmp_path: Path) -> dict[str, Path]:
    """Return the folder of a report of each modality, and of a second one of faces."""
    measured = stamp(command="emofuse evaluate recipes/face.toml --model face.onnx")
    made = {
        "face": report(model="face", temperature=0.61234, stamp=measured),
        "more": report(model="face", temperature=9.0, stamp=measured),
    }
    made["voice"] = report(temperature=1.5)
    made["text"] = report(model="text", temperature=0.9, stamp=measured, headline=("accuracy",))
    for name, found in made.items():
        write_json(found, tmp_path / name)
    return {name: tmp_path / name for name in made}


def arguments(folder: Path, suffix: str, reports: dict[str, Path], out: Path) -> list[str]:
    """Give the network of each modality, FOLDER/MODALITY + suffix."""
    given: list[object] = ["make"]
    for modality in ("face", "voice", "text"):
        more = [reports["more"]] if modality == "face" else []
        given += [f"--{modality}", f"{folder / modality}{suffix}", f"--{modality}-report", reports[modality], *more]
    return list(map(str, [*given, "-o", out]))


def test_networks_that_are_onnx_already_are_taken_as_they_are(
    script: ModuleType, reports: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new" / "bundle"
    monkeypatch.setattr(sys, "argv", arguments(SHIPPED, ".onnx", reports, out))
    script.main()
    assert sorted(path.name for path in out.iterdir()) == [
        "card.md",
        "face.onnx",
        "fusion.json",
        "text.onnx",
        "voice.onnx",
    ]
    bundle = load_bundle(out)
    settings = bundle.manifest.modalities
    temperatures = {modality: one.temperature for modality, one in settings.items()}
    assert temperatures == {"face": 0.612, "voice": 1.5, "text": 0.9}  # of the first report
    assert {one.weight for one in settings.values()} == {1.0}
    assert bundle.labels == load_bundle().labels
    page = (out / "card.md").read_text(encoding="utf-8")
    for network in bundle.networks.values():
        assert f"{network.card.n_parameters:,}" in page
        for source in network.card.data:
            assert source.licence in page
        for score in network.card.scores:
            assert f"{score.value:.2%}" in page and score.command in page


def test_checkpoints_are_exported_with_all_scores_and_whose_they_are(
    script: ModuleType, reports: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, list[Score]] = {}

    def export(source: Path, target: Path, scores: Sequence[Score]) -> ModelCard:
        given[source.parent.name] = list(scores)
        shutil.copyfile(SHIPPED / target.name, target)
        return OnnxNetwork(target).card

    monkeypatch.setattr(script, "export", export)
    monkeypatch.setattr(sys, "argv", arguments(tmp_path / "run", "/model.safetensors", reports, tmp_path / "bundle"))
    script.main()
    assert [score.metric for score in given["face"]] == ["UAR", "accuracy"] * 2
    assert [score.metric for score in given["voice"]] == ["UAR", "accuracy"]
    assert [score.metric for score in given["text"]] == ["accuracy"]
    assert {score.weights for score in given["face"]} == {"these"}  # they were measured themselves
    assert {score.weights for score in given["voice"]} == {"same recipe"}
    assert json.loads((tmp_path / "bundle" / "fusion.json").read_text())["name"] == "base"
