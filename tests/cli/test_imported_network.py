"""A network of one's own, under our protocols, without a line of the package changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from emofuse.errors import RecipeError
from emofuse.inference.network import OnnxNetwork
from emofuse.research.models.settings import ImportedNetSettings
from emofuse.research.recipes.recipe import load_recipe
from make_ravdess import write_ravdess

MODULE = """
import torch
from torch import nn


class Band(nn.Module):
    def __init__(self, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, width, 64, 32), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.head = nn.Linear(width, n_classes)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(samples[:, None]))


class WithFrontEnd(Band):
    inputs = ("samples",)
    feature_kind = "samples"
    description = "Mine."

    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.frontend = nn.Identity()

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features)


def function(n_classes: int) -> None:
    ...
"""
RECIPE = """
name = "mine"
[data]
corpus = "speech"
train_on = ["ravdess"]
[model]
name = "{module}:{name}"
{options}
[train]
epochs = 1
batch_size = 8
mixup = 0.0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that one works in, with a module in it that nothing else has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / f"nets_{tmp_path.name}.py").write_text(MODULE)
    return tmp_path


def recipe(folder: Path, name: str = "Band", options: str = "") -> Path:
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(module=f"nets_{folder.name}", name=name, options=options))
    return path


def test_the_class_and_its_options_are_the_recipes(folder: Path) -> None:
    found = load_recipe(recipe(folder, options="width = 4"), ["model.width=6"])
    assert isinstance(found.model, ImportedNetSettings)
    assert (found.model.module, found.model.options) == (f"nets_{folder.name}:Band", {"width": 6})
    assert len(found.model.source_sha256) == 64


@pytest.mark.parametrize("name", ["Band", pytest.param("WithFrontEnd", marks=pytest.mark.load)])
def test_it_is_trained_exported_and_evaluated_by_the_same_commands(emofuse, folder: Path, name: str) -> None:
    data = write_ravdess(folder / "data", range(1, 9))
    path = recipe(folder, name)
    trained = emofuse("train", path, "--data", data, "-o", "run")
    assert trained.code == 0, trained.err
    exported = emofuse("export", "run/model.safetensors", "-o", "mine.onnx")
    assert exported.code == 0, exported.err
    network = OnnxNetwork(folder / "mine.onnx")
    assert network.card.modality == "voice" and network.card.name == "mine"
    assert network.logits(np.zeros((2, 16_000), np.float32)).shape == (2, 8)
    made = emofuse("bundle", "make", "voice=mine.onnx", "-o", "bundle")
    assert made.code == 0, made.err
    judged = emofuse("evaluate", path, "--data", data, "--protocol", "actor-3fold", "-o", "report", "--jobs", "1")
    assert judged.code == 0, judged.err
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["model"] == "mine" and report["metrics"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Absent", "", "cannot be imported"),
        ("function", "", "is not a class of torch.nn.Module"),
        ("Band", "depth = 3", "unexpected keyword argument 'depth'"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(emofuse, folder: Path, name: str, options: str, message: str) -> None:
    data = write_ravdess(folder / "data", range(1, 5))
    result = emofuse("train", recipe(folder, name, options), "--data", data, "-o", "run")
    assert result.code != 0 and message in result.err and "Traceback" not in result.err


def test_a_module_that_is_not_there_is_named(folder: Path) -> None:
    path = recipe(folder)
    path.write_text(path.read_text().replace(f"nets_{folder.name}", "no_such_module"))
    with pytest.raises(RecipeError, match="no_such_module:Band"):
        load_recipe(path)


def test_a_changed_source_is_another_recipe(folder: Path) -> None:
    first = load_recipe(recipe(folder)).model
    (folder / f"nets_{folder.name}.py").write_text(MODULE + "# changed")
    assert load_recipe(recipe(folder)).model != first
