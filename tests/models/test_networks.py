"""The contract that every network keeps, whatever it looks at: found by listing the networks a recipe may name."""

from __future__ import annotations

import json
import typing
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from emofuse.card import ModelCard
from emofuse.config import (
    FaceDataSettings,
    FaceNetSettings,
    MelCnnSettings,
    MfccCnnSettings,
    Recipe,
    SpeechNetSettings,
    VoiceDataSettings,
    VoiceNetSettings,
    WaveCnnSettings,
)
from emofuse.inference.network import OnnxNetwork
from emofuse.models.build import build
from emofuse.training.export import export, fold_and_round

LABELS = ("a", "b", "c", "d", "e")
# small where size does not matter; what a recipe may leave out is left out
SETTINGS = (
    FaceNetSettings(widths=(4, 6, 8), blocks=(1, 2)),
    MfccCnnSettings(widths=(4, 6, 8), hidden=16),
    WaveCnnSettings(widths=(6, 8, 12)),
    MelCnnSettings(widths=(4, 6, 8)),
    VoiceNetSettings(pretrained=None, hidden=16),
)
RECIPES = {
    type(settings): Recipe(
        name=f"tiny-{settings.name}",
        seed=3,
        data=FaceDataSettings() if isinstance(settings, FaceNetSettings) else VoiceDataSettings(),
        model=settings,
    )
    for settings in SETTINGS
}
NETWORKS = (FaceNetSettings, *typing.get_args(SpeechNetSettings))


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda settings: settings.__name__)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    """Return a recipe of each network that there is; one that is missing from RECIPES fails here."""
    return RECIPES[request.param]


def inputs(recipe: Recipe, n: int, duration_s: float = 1.0, seed: int = 0) -> Tensor:
    """Make a batch (n, ...) of what the network takes; no two rows are alike in contrast or colour of sound."""
    random = torch.Generator().manual_seed(100 * seed + n)
    if isinstance(recipe.model, FaceNetSettings):
        coarse = torch.rand(n, 1, 6, 6, generator=random)
        fine = torch.rand(n, 1, 48, 48, generator=random)
        share = torch.rand(n, 1, 1, 1, generator=random)
        return 255 * (share * F.interpolate(coarse, size=48, mode="bilinear") + (1 - share) * fine)
    n_samples = round(duration_s * 16_000)
    noise = torch.randn(1, n, n_samples + 31, generator=random)
    coloured = F.conv1d(noise, torch.randn(n, 1, 32, generator=random), groups=n)[0]
    pulse = torch.arange(n_samples) * torch.rand(n, 1, generator=random) / 1000
    sound = 0.1 * (1 + torch.sin(pulse)) * coloured / coloured.std(dim=1, keepdim=True)
    return torch.where(torch.arange(n_samples) % 16_000 < 3_000, 0.0, sound)  # with pauses


@pytest.fixture(scope="module")
def weights(recipe: Recipe) -> dict[str, Tensor]:
    """Return random weights whose norms know the activations: else the logits would hardly hear the input."""
    torch.manual_seed(0)
    made = build(recipe.model, len(LABELS))
    norms = [m for m in made.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over what follows
    with torch.no_grad():
        for seed in range(1, 5):
            made.train()(inputs(recipe, 8, seed=seed))
    return made.state_dict()


@pytest.fixture
def network(recipe: Recipe, weights: dict[str, Tensor]) -> nn.Module:
    """Return the network with those weights, in training."""
    made = build(recipe.model, len(LABELS))
    made.load_state_dict(weights)
    return made


def lengths_s(recipe: Recipe) -> tuple[float, ...]:
    """Return durations: the shortest that a network may be given, usual ones, and a long one."""
    return (1.0,) if isinstance(recipe.model, FaceNetSettings) else (0.25, 1.0, 3.0, 5.37, 20.0)


@pytest.mark.parametrize("n", range(1, 8))
def test_a_batch_gives_a_row_of_logits_each(recipe: Recipe, network: nn.Module, n: int) -> None:
    network.eval()
    for duration_s in lengths_s(recipe):
        logits = network(inputs(recipe, n, duration_s))
        assert logits.shape == (n, len(LABELS))
        assert logits.dtype == torch.float32
        assert torch.isfinite(logits).all()


def test_logits_depend_on_the_input(recipe: Recipe, network: nn.Module) -> None:
    logits = network.eval()(inputs(recipe, 8))
    assert logits.std(dim=0).min() > 0.02


def test_every_parameter_has_a_gradient(recipe: Recipe, network: nn.Module) -> None:
    network.train()
    target = torch.tensor([0, 1, 2, 3])
    F.cross_entropy(network(inputs(recipe, 4)), target).backward()
    idle = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any() or not torch.isfinite(parameter.grad).all()
    ]
    assert idle == []


def test_weights_that_are_saved_and_loaded_give_the_same_output(
    recipe: Recipe, network: nn.Module, tmp_path: Path
) -> None:
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    other = build(recipe.model, len(LABELS))
    x = inputs(recipe, 3)
    with torch.no_grad():
        expected = network.eval()(x)
        assert not torch.allclose(other.eval()(x), expected)
        other.load_state_dict(load_file(tmp_path / "w.safetensors"))
        assert torch.equal(other.eval()(x), expected)


def test_in_evaluation_the_output_depends_on_nothing_else(recipe: Recipe, network: nn.Module) -> None:
    network.eval()
    x = inputs(recipe, 4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        first = network(x)
        assert torch.equal(network(x), first)
        alone = torch.cat([network(row[None]) for row in x])
    # not on the company in the batch either
    torch.testing.assert_close(alone, first, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_forward_is_the_front_end_and_then_the_classifier(recipe: Recipe, network: nn.Module) -> None:
    network.eval()
    x = inputs(recipe, 2)
    with torch.no_grad():
        assert torch.equal(network.classify(network.frontend(x)), network(x))


def test_the_front_end_learns_nothing_and_is_not_saved(network: nn.Module) -> None:
    assert list(network.frontend.parameters()) == []
    assert not [name for name in network.state_dict() if name.startswith("frontend.")]


def test_the_network_does_not_change_its_input(recipe: Recipe, network: nn.Module) -> None:
    x = inputs(recipe, 2)
    before = x.clone()
    network.train()(x)
    assert torch.equal(x, before)


class Exported(typing.NamedTuple):
    """A network as ONNX, the same weights in torch, and the card that `export` answered with."""

    onnx: OnnxNetwork
    torch: nn.Module
    card: ModelCard


@pytest.fixture(scope="module")
def exported(recipe: Recipe, weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Export the weights once for all that is asked of the file."""
    folder = tmp_path_factory.mktemp(recipe.name)
    made = build(recipe.model, len(LABELS))
    made.load_state_dict(weights)
    fold_and_round(made)
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(LABELS)}
    save_file(weights, folder / "model.safetensors", metadata=header)
    card = export(folder / "model.safetensors", folder / "out" / "model.onnx")
    return Exported(OnnxNetwork(folder / "out" / "model.onnx"), made, card)


@pytest.mark.parametrize("n", [1, 3, 16])
def test_onnx_gives_what_torch_gives(recipe: Recipe, exported: Exported, n: int) -> None:
    for duration_s in lengths_s(recipe):
        x = inputs(recipe, n, duration_s)
        with torch.no_grad():
            expected = exported.torch(x).numpy()
        got = exported.onnx.logits(x.numpy())
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_weights_in_half_precision_change_little(recipe: Recipe, network: nn.Module, exported: Exported) -> None:
    x = inputs(recipe, 16)
    with torch.no_grad():
        expected = network.eval()(x)
    difference = exported.onnx.logits(x.numpy()) - expected.numpy()
    assert np.abs(difference).max() < 0.05 * expected.std()


def test_the_card_is_read_back_from_the_file(recipe: Recipe, network: nn.Module, exported: Exported) -> None:
    card = exported.onnx.card
    assert card == exported.card
    assert (card.name, card.seed, card.labels) == (recipe.name, recipe.seed, LABELS)
    assert Recipe.model_validate_json(card.recipe) == recipe
    assert card.n_parameters == sum(p.numel() for p in network.parameters())
    if isinstance(recipe.model, FaceNetSettings):
        assert (card.modality, card.input.kind, card.input.size_px) == ("face", "face", 48)
    else:
        assert (card.modality, card.input.kind, card.input.rate_hz) == ("voice", "samples", 16_000)
        assert card.input.window_s == VoiceDataSettings().window_s
    assert all(source.licence for source in card.data)
    assert card.cautions
