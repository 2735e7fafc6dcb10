"""Norms are folded wherever they follow a layer, in our networks and in torchvision's."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from emofuse.research.models.folding import fold_and_round, fold_norms, is_large


@pytest.mark.parametrize("make", [resnet18, resnet50])
def test_the_norms_of_a_resnet_are_folded(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = make(num_classes=5)
    x = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        network.train()(x)  # so that the norms have statistics to fold
        expected = network.eval()(x)
        stem = nn.Sequential(network.conv1, network.bn1)
        fold_norms(network)
        fold_norms(stem)
        torch.testing.assert_close(network(x), expected, atol=1e-3, rtol=1e-3)
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert torch.equal(stem[0].weight, network.conv1.weight)


def test_norms_that_follow_no_layer_stay() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4))
    fold_norms(network)
    assert [type(module).__name__ for module in network] == ["BatchNorm1d", "Linear", "ReLU", "BatchNorm1d"]


def test_three_dimensions_and_linear_layers_are_folded_too() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv3d(2, 4, 3), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(32, 20), nn.BatchNorm1d(20), nn.Linear(20, 20)
    )
    x = torch.randn(6, 2, 4, 4, 4)
    with torch.no_grad():
        network.train()(x)
        expected = network.eval()(x)
        fold_and_round(network)
        torch.testing.assert_close(network(x), expected, atol=5e-3, rtol=0)
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm3d | nn.BatchNorm1d)]
    large = [parameter for parameter in network.parameters() if is_large(parameter)]
    assert [value.numel() for value in large] == [640, 400]
    assert all(torch.equal(value, value.half().float()) for value in large)
