"""Layers: residual blocks of any size, standardisation, and pooling over time against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from emofuse.research.models.layers import ResidualBlock, Standardise, mean_and_deviation


@pytest.mark.parametrize("size", [16, 17, 18, 19])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_residual_block_divides_by_its_stride_and_rounds_up(stride: int, size: int) -> None:
    out = ResidualBlock(3, 5, stride)(torch.rand(2, 3, size, size + 1))
    assert out.shape == (2, 5, math.ceil(size / stride), math.ceil((size + 1) / stride))


def test_a_residual_block_starts_as_its_shortcut() -> None:
    x = torch.rand(2, 4, 6, 20)
    assert torch.equal(ResidualBlock(4, 4, 1)(x), x)


def test_a_flat_block_keeps_rows_apart() -> None:
    block = ResidualBlock(1, 1, 1, (1, 3)).eval()
    torch.nn.init.ones_(block.branch[2][1].weight)
    x = torch.rand(1, 1, 4, 20)
    changed = x.clone()
    changed[:, :, 2] = 0
    moved = (block(x) != block(changed)).any(dim=-1)[0, 0]
    assert moved.tolist() == [False, False, True, False]


def test_faces_are_standardised_each_by_itself() -> None:
    faces = torch.rand(3, 1, 48, 48) * 100 + torch.tensor([0.0, 50.0, 150.0]).view(3, 1, 1, 1)
    out = Standardise(quiet=1.0)(faces)
    torch.testing.assert_close(out.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    expected = faces.std(dim=(1, 2, 3), correction=0)
    torch.testing.assert_close(out.std(dim=(1, 2, 3), correction=0), expected / (expected + 1))
    assert Standardise(quiet=1.0)(torch.full((1, 1, 48, 48), 77.0)).abs().max() == 0


def test_samples_are_standardised_down_to_what_is_quiet() -> None:
    samples = torch.randn(3, 16_000) * torch.tensor([0.3, 0.003, 1e-6])[:, None] + 0.01
    out = Standardise(quiet=1e-4)(samples)
    torch.testing.assert_close(out[:2].std(dim=1), torch.ones(2), atol=0.04, rtol=0)
    assert out[2].std() < 0.02  # the faintest is left as it is: silence is not a signal
    assert Standardise(quiet=1e-4)(torch.zeros(1, 500)).abs().max() == 0


def test_mean_and_deviation_are_weighted() -> None:
    random = np.random.default_rng(0)
    x, weights = random.normal(size=(2, 3, 4, 50)), random.random((2, 1, 1, 50))
    got = mean_and_deviation(torch.from_numpy(x), torch.from_numpy(weights)).numpy()
    assert got.shape == (2, 24)
    for n in range(2):
        rows = x[n].reshape(12, 50)
        mean = np.average(rows, axis=1, weights=weights[n, 0, 0])
        square = np.average((rows - mean[:, None]) ** 2, axis=1, weights=weights[n, 0, 0])
        np.testing.assert_allclose(got[n], np.concatenate([mean, np.sqrt(square + 1e-5)]))
