"""Our own face network over frames: rebuilt from the file that ships, fed with what it was trained on, left alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from emofuse.errors import BundleError, RecipeError
from emofuse.inference.network import OnnxNetwork
from emofuse.preprocessing.face import LANDMARKS, crop_face
from emofuse.preprocessing.face_clip import crop_clip_face
from emofuse.research.models.face import read_exported
from emofuse.research.models.face_sequence import SHIPPED, FaceCrops
from emofuse.research.models.registry import build
from emofuse.research.models.settings import FaceSequenceSettings
from emofuse.types import Face


def pictures(n: int, size: int, n_colours: int) -> np.ndarray:
    """Make smooth pictures (n, size, size, n_colours) uint8."""
    coarse = np.random.default_rng(0).integers(0, 256, (n, 9, 9, n_colours)).astype(np.uint8)
    smooth = [cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC) for picture in coarse]
    return np.stack(smooth).reshape(n, size, size, n_colours)


def test_our_part_of_the_face_network_that_ships_is_rebuilt_to_the_digit() -> None:
    network = read_exported(SHIPPED)
    faces = pictures(5, 48, 1).transpose(0, 3, 1, 2).astype(np.float32)
    twice = faces.repeat(2, axis=2).repeat(2, axis=3)  # it makes the mean of four pixels of what the file takes
    expected = OnnxNetwork(SHIPPED).embeddings(twice)
    assert expected.shape == (5, network.n_features) and expected.std() > 0.1
    with torch.no_grad():
        found = network.embed(network.frontend(torch.from_numpy(faces))).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_file_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    model = onnx.load(SHIPPED)
    names = [tensor.name for tensor in model.graph.initializer]
    del model.graph.initializer[names.index("features.0.0.weight")]
    onnx.save(model, tmp_path / "face.onnx")
    with pytest.raises(RuntimeError, match=r"features\.0\.0\.weight"):
        read_exported(tmp_path / "face.onnx")


@pytest.mark.parametrize(("size", "margin", "edge"), [(112, 0.2, 16), (224, 0.25, 224 // 6), (96, 0.0, 0)])
def test_faces_are_the_middle_in_grey_at_48_pixels(size: int, margin: float, edge: int) -> None:
    frames = pictures(3, size, 3)
    got = FaceCrops(margin)(torch.from_numpy(frames)[None])[0, :, 0].numpy()
    for frame, face in zip(frames, got, strict=True):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[edge : size - edge, edge : size - edge].astype(np.float32)
        small = cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(face, (small - small.mean()) / (small.std() + 1), atol=0.1 if size % 6 else 0.02)


@pytest.mark.parametrize("size", [112, 224])
def test_a_crop_of_a_clip_becomes_the_crop_of_a_face(size: int) -> None:
    picture = pictures(1, 400, 3)[0]
    face = Face(np.array([100, 100, 250, 300], np.float32), 0.9, LANDMARKS * 4 + 110)
    expected = crop_face(picture, face).astype(np.float32)
    clip = torch.from_numpy(crop_clip_face(picture, face, size, 0.2))
    got = FaceCrops(0.2)(clip[None, None])[0, 0, 0].numpy()
    np.testing.assert_allclose(got, (expected - expected.mean()) / (expected.std() + 1), atol=0.06)


def test_the_margin_can_be_another() -> None:
    frames = torch.from_numpy(pictures(2, 112, 3))[None]
    settings = FaceSequenceSettings()
    wide, narrow = (build(settings, 4, margin=margin).frontend(frames) for margin in (0.2, 0.1))
    assert torch.equal(build(settings, 4).frontend(frames), wide)
    assert not torch.allclose(wide, narrow, atol=0.1)


def test_a_frozen_face_network_stays_as_it_is() -> None:
    network = build(FaceSequenceSettings(hidden=8), 4)
    assert network.training and not [part for part in network.backbone.modules() if part.training]
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    network.train()(torch.randint(0, 256, (2, 3, 56, 56, 3), dtype=torch.uint8)).square().sum().backward()
    optimizer.step()
    assert not [name for name, p in network.named_parameters() if name.startswith("backbone.") and p.grad is not None]
    assert all(torch.equal(value, before[name]) for name, value in network.backbone.state_dict().items())
    expected = read_exported(SHIPPED).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in before.items())


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_face_network_that_is_not_frozen_learns(pretrained: bool) -> None:
    torch.manual_seed(0)
    network = build(FaceSequenceSettings(hidden=8, pretrained=pretrained, freeze=False), 4)
    assert network.backbone.training
    network(torch.randint(0, 256, (2, 3, 56, 56, 3), dtype=torch.uint8)).square().sum().backward()
    first = network.backbone.features[0][0].weight
    assert first.grad is not None and first.grad.any()


def test_random_weights_are_not_frozen() -> None:
    with pytest.raises(RecipeError, match="set freeze=false"):
        build(FaceSequenceSettings(pretrained=False), 4)


def test_it_starts_from_another_face_network_where_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model at .*absent"):
        build(FaceSequenceSettings(start=str(tmp_path / "absent.onnx")), 4)
    model = onnx.load(SHIPPED)
    named = {tensor.name: tensor for tensor in model.graph.initializer}
    first = next(name for name in named if name.removesuffix(".half") == "features.0.0.weight")
    halved = numpy_helper.to_array(named[first]) / 2
    named[first].CopyFrom(numpy_helper.from_array(halved, first))
    onnx.save(model, tmp_path / "other.onnx")
    settings = FaceSequenceSettings(start=str(tmp_path / "other.onnx"))
    assert settings.start_network == str(tmp_path / "other.onnx")
    weights = build(settings, 4).backbone.features[0][0].weight.detach().numpy()
    np.testing.assert_array_equal(weights, halved.astype(np.float32))
