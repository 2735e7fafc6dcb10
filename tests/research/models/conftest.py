"""Every network, small, with weights that know what it sees."""

from __future__ import annotations

import copy

import pytest
import torch
from tiny_networks import RECIPES, inputs, make
from torch import Tensor, nn

from emofuse.research.recipes.recipe import Recipe


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    """Return a recipe of each network that there is."""
    return RECIPES[request.param]


@pytest.fixture(scope="module")
def built(recipe: Recipe) -> nn.Module:
    """Return the network with random weights whose norms know the activations: else the logits would hardly hear
    the input. For `weights` and `network` alone: what a test does to it stays."""
    torch.manual_seed(0)
    made = make(recipe)
    norms = [m for m in made.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over what follows
    with torch.no_grad():
        for seed in range(1, 5):
            made.train()(*inputs(made.inputs, 8, seed=seed))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return made


@pytest.fixture(scope="module")
def weights(built: nn.Module) -> dict[str, Tensor]:
    """Return those weights."""
    return copy.deepcopy(built.state_dict())


@pytest.fixture
def network(built: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Return the network with those weights, in training."""
    built.load_state_dict(weights)
    built.zero_grad(set_to_none=True)
    return built.train()
