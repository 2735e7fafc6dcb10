"""The MobileNet over faces: that it is filled as its file has it, and that its norms change nothing at first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from emofuse.research.models.face_mobilenet import MEANS, WIDTHS, FaceMobileNet, SettlingNorm
from emofuse.research.models.settings import FaceMobileNetSettings

N_VALUES = 3_489_407  # of the file that is published


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("people") / "faceres.bin"
    values = np.random.default_rng(0).normal(0, 0.1, N_VALUES).astype(np.float16)
    path.write_bytes(values.tobytes())
    return path


@pytest.fixture
def network(weights: Path) -> FaceMobileNet:
    torch.manual_seed(0)
    return FaceMobileNet(FaceMobileNetSettings(dropout=0), 8, weights)


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return torch.rand((6, 1, 48, 48), generator=torch.Generator().manual_seed(1)) * 200 + 20


def test_the_stem_sees_grey_as_the_published_one_saw_blue_green_and_red(network: FaceMobileNet, weights: Path) -> None:
    values = np.fromfile(weights, np.float16).astype(np.float32)[25_700 + 262_400 + 257 :]
    kernel = torch.from_numpy(values[: 9 * 3 * 32].reshape(3, 3, 3, 32).transpose(3, 2, 0, 1).copy())
    shift = torch.from_numpy(values[9 * 3 * 32 :][:32].copy())
    grey = torch.rand((1, 1, 16, 16)) * 255
    expected = conv2d(grey - torch.tensor(MEANS).view(1, 3, 1, 1), kernel, shift, stride=2)
    _, convolution, norm, _ = network.backbone[0]
    found = conv2d(grey - np.mean(MEANS), convolution.weight, stride=2) + norm.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-4)


def test_a_convolution_of_each_channel_is_scaled_as_the_file_says(network: FaceMobileNet, weights: Path) -> None:
    values = np.fromfile(weights, np.float16).astype(np.float32)[25_700 + 262_400 + 257 + 9 * 3 * 32 + 32 + 2 :]
    kernel, scale, shift = values[: 9 * 32].reshape(3, 3, 32), values[9 * 32 : 10 * 32], values[10 * 32 : 11 * 32]
    convolution, norm, _ = network.backbone[1]
    np.testing.assert_allclose(convolution.weight.detach()[:, 0], (kernel * scale).transpose(2, 0, 1), rtol=1e-6)
    np.testing.assert_allclose(norm.bias.detach(), shift)
    wide = network.backbone[2][0].weight
    at = 11 * 32 + 2
    np.testing.assert_allclose(wide.detach()[:, :, 0, 0], values[at : at + 32 * 64].reshape(32, 64).T)


def test_what_is_padded_is_what_tensorflow_pads(network: FaceMobileNet) -> None:
    layer = network.backbone[0].eval()
    x = torch.rand((1, 1, 8, 8))
    expected = (conv2d(pad(x, (0, 1, 0, 1)), layer[1].weight, stride=2) + layer[2].bias.view(1, -1, 1, 1)).clamp(0, 6)
    torch.testing.assert_close(layer(x), expected, atol=1e-3, rtol=1e-3)


def test_norms_settle_on_the_first_batch_and_change_no_answer(network: FaceMobileNet, faces: Tensor) -> None:
    with torch.no_grad():
        published = network.eval()(faces)
        settled = network.train()(faces)
        torch.testing.assert_close(settled, published, atol=1e-3, rtol=1e-2)
        before = {name: value.clone() for name, value in network.named_parameters()}
        network(faces.flip(3))
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())
    norm = next(module for module in network.modules() if isinstance(module, SettlingNorm))
    assert not torch.allclose(norm.weight, torch.ones(WIDTHS[0]))


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


def test_frozen_layers_stay_as_they_were_published(weights: Path, faces: Tensor) -> None:
    network = FaceMobileNet(FaceMobileNetSettings(frozen_layers=5), 8, weights).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network(faces)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and {int(name.split(".")[1]) for name in changed} == set(range(5, 27))
    trained = {name.split(".")[1] for name, value in network.backbone.named_parameters("x") if value.requires_grad}
    assert trained == {str(number) for number in range(5, 27)}


def test_light_does_not_matter(network: FaceMobileNet, faces: Tensor) -> None:
    with torch.no_grad():
        network.train()(faces)
        torch.testing.assert_close(network.eval()(faces), network(0.5 * faces + 30), atol=0.05, rtol=0.05)


def test_a_file_of_another_length_is_refused(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "long.bin").write_bytes(weights.read_bytes() + bytes(2))
    with pytest.raises(ValueError, match="holds 3489408 values, not 3489407"):
        FaceMobileNet(FaceMobileNetSettings(), 8, tmp_path / "long.bin")
