"""Face networks put into one file: what its card says of them, and that the file answers as they do together."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from emofuse.emotions import FERPLUS
from emofuse.inference.network import OnnxNetwork
from emofuse.research.models.face import FaceNet
from emofuse.research.models.face_mobilenet_v2 import FaceMobileNetV2
from emofuse.research.models.settings import FaceMobileNetV2Settings, FaceNetSettings
from emofuse.research.recipes.data import FaceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.cards import model_card
from emofuse.research.training.export import write_network

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import make_face_ensemble as module

SMALL = Recipe(name="small", data=FaceDataSettings(), model=FaceNetSettings(widths=(4, 8, 8, 8)))
FINE = Recipe(
    name="fine",
    data=FaceDataSettings(size_px=96, train_on=("ferplus", "cfee")),
    model=FaceMobileNetV2Settings(seen_px=64, published="facex-1.1.0-py3-none-any.whl"),
)
FROZEN = FINE.model_copy(update={"model": FINE.model.model_copy(update={"frozen_layers": 19})})


@pytest.mark.load
def test_a_file_of_three_of_ours_takes_the_larger_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    paths = [tmp_path / f"{name}.onnx" for name in ("small", "fine", "frozen")]
    fine, frozen = (FaceMobileNetV2(recipe.model, len(FERPLUS)) for recipe in (FINE, FROZEN))
    nn.init.uniform_(frozen.evening.running_mean, 0.01, 0.1)
    nn.init.uniform_(frozen.evening.running_var, 0.001, 0.01)
    networks = FaceNet(SMALL.model, len(FERPLUS)), fine, frozen
    for path, recipe, network in zip(paths, (SMALL, FINE, FROZEN), networks, strict=True):
        for norm in filter(lambda module: isinstance(module, nn.BatchNorm2d), network.modules()):
            nn.init.normal_(norm.bias, std=0.1)  # the exporter stores what is alike once
        write_network(network.eval(), model_card(network, recipe, FERPLUS), path)
    out = tmp_path / "all.onnx"
    monkeypatch.setattr(sys, "argv", ["make_face_ensemble", *map(str, paths), "-o", str(out)])
    module.main()
    together, small, *larger = (OnnxNetwork(path) for path in (out, *paths))
    assert [one.card.input.size_px for one in (small, *larger, together)] == [48, 96, 96, 96]
    n_parameters = sum(one.card.n_parameters for one in (small, *larger))
    assert 0.99 * n_parameters < together.card.n_parameters < n_parameters  # norms are folded
    assert set(together.card.data) == {*small.card.data, *larger[0].card.data} and not together.card.scores
    assert "weighed together with a MobileNetV2" in together.card.description
    assert "facex and a classifier of what" in together.card.description
    assert any("facex's network" in caution for caution in together.card.cautions)
    faces = np.random.default_rng(0).uniform(0, 255, (3, 1, 96, 96)).astype(np.float32)
    halved = faces.reshape(3, 1, 48, 2, 48, 2).mean(axis=(3, 5))
    answers = [small.logits(halved), *(one.logits(faces) for one in larger)]
    expected = sum(torch.from_numpy(one).log_softmax(1) for one in answers).div(3).softmax(1)
    np.testing.assert_allclose(torch.from_numpy(together.logits(faces)).softmax(1), expected, atol=2e-3)
