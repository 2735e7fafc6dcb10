"""The contract that every network keeps, whatever it looks at: found by listing the networks a recipe may name."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tiny_networks import (
    CAN_RECOMPUTE,
    DIMS,
    HAS_BOTH,
    HEARS,
    LABELS,
    N_FRAMES,
    NETWORKS,
    OVER_FEATURES,
    RECIPES,
    SEES_FRAMES,
    inputs,
    make,
)
from torch import Tensor, nn

from emofuse.research.models.frames import forward_blocks
from emofuse.research.models.frontends import FeatureKind
from emofuse.research.models.registry import build
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.fit import computes_bfloat16


def test_every_network_is_held_to_the_contract() -> None:
    assert {type(recipe.model) for recipe in RECIPES.values()} == set(NETWORKS)


def score(network: nn.Module, *x: Tensor) -> Tensor:
    """Return (N, C) logits, of a network that answers for every frame the mean."""
    logits: Tensor = network(*x)
    return logits.mean(dim=1) if logits.ndim == 3 else logits


def test_it_says_what_it_takes(network: nn.Module) -> None:
    features = tuple(name for modality in DIMS for name in (modality, f"{modality}_mask"))
    assert network.inputs in (
        ("faces",),
        ("samples",),
        ("tokens",),
        ("pieces",),
        ("frames",),
        ("frames", "samples", "present"),
        features,
    )
    assert network.feature_kind in typing.get_args(FeatureKind)
    assert network.description.endswith(".")


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_a_batch_gives_a_row_of_logits_each(recipe: Recipe, network: nn.Module, n: int) -> None:
    with torch.no_grad():
        logits = network.eval()(*inputs(network.inputs, n))
    per_frame = (N_FRAMES,) if recipe.model.name == "frame-lstm-mel" else ()
    assert logits.shape == (n, *per_frame, len(LABELS))
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("duration_s", [0.25, 5.37, 20.0])
@pytest.mark.parametrize("recipe", HEARS, indirect=True)
def test_sound_may_be_short_or_long(network: nn.Module, duration_s: float) -> None:
    with torch.no_grad():
        assert torch.isfinite(network.eval()(*inputs(network.inputs, 2, duration_s))).all()


@pytest.mark.parametrize("n_frames", [1, 2, 9])
@pytest.mark.parametrize("recipe", SEES_FRAMES, indirect=True)
def test_a_clip_may_have_few_or_many_frames(network: nn.Module, n_frames: int) -> None:
    with torch.no_grad():
        assert torch.isfinite(network.eval()(*inputs(network.inputs, 2, n_frames=n_frames))).all()


def test_logits_depend_on_the_input(network: nn.Module) -> None:
    with torch.no_grad():
        assert score(network.eval(), *inputs(network.inputs, 8)).std(dim=0).min() > 0.01


def test_a_vector_of_features_each_is_what_the_head_scores(network: nn.Module) -> None:
    with torch.no_grad():
        features = network.eval().frontend(*inputs(network.inputs, 2))
        embedded = network.embed(features)
        assert embedded.shape[0] == 2 and embedded.shape[-1] == network.n_features
        if network.feature_kind != "face":  # whose head pools too
            torch.testing.assert_close(network.head(embedded), network.classify(features))


def test_every_parameter_that_is_trained_has_a_gradient(network: nn.Module) -> None:
    torch.manual_seed(0)
    F.cross_entropy(score(network, *inputs(network.inputs, 6)), torch.arange(6) % len(LABELS)).backward()
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    idle = [
        name
        for name, parameter in trained.items()
        if parameter.grad is None or not parameter.grad.any() or not torch.isfinite(parameter.grad).all()
    ]
    assert trained
    assert idle == []


def litter(*_: object) -> None:
    """Leave free memory full of what is not a number, as a long training does of old activations."""
    blocks = [torch.full((2**size,), torch.nan) for size in range(10, 21) for _ in range(3)]
    blocks.clear()


def test_half_precision_scores_alike_and_trains(network: nn.Module) -> None:
    if not computes_bfloat16() and any(isinstance(layer, nn.LSTM) for layer in network.modules()):
        pytest.skip("this processor has no bfloat16, without which torch refuses an LSTM in it")
    x = inputs(network.inputs, 4)
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            layer.register_full_backward_pre_hook(litter)
    with torch.autocast("cpu", torch.bfloat16):
        F.cross_entropy(score(network, *x).float(), torch.arange(4)).backward()
        with torch.no_grad():
            rough = network.eval()(*x).float()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.requires_grad and p.grad is not None)
    with torch.no_grad():
        exact = network(*x)
    assert (rough - exact).abs().mean() < 0.1 * exact.std()


@pytest.mark.skipif(not computes_bfloat16(), reason="this processor has no bfloat16")
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("n_frames", [1, 2, 3, 4, 5, 8])
def test_gradients_of_convolutions_over_time_are_the_same_in_half_precision(n_frames: int, stride: int) -> None:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv3d(16, 16, 3, stride, 1), nn.ReLU(), nn.Conv3d(16, 16, 3, 1, 1))
    for layer in block:
        layer.register_full_backward_pre_hook(litter)
    clips = torch.randn(4, 16, n_frames, 14, 14)
    gradients = []
    for is_half in (False, True):
        block.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            forward_blocks(nn.Sequential(block), clips, recomputing=False).float().square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in block.parameters()])
    for exact, rough in zip(*gradients, strict=True):
        assert (exact - rough).norm() < 0.1 * exact.norm()


def test_weights_that_are_saved_and_loaded_give_the_same_output(
    recipe: Recipe, network: nn.Module, tmp_path: Path
) -> None:
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    other = make(recipe)
    x = inputs(network.inputs, 3)
    with torch.no_grad():
        expected = network.eval()(*x)
        assert not torch.allclose(other.eval()(*x), expected)
        other.load_state_dict(load_file(tmp_path / "w.safetensors"))
        assert torch.equal(other.eval()(*x), expected)


def test_in_evaluation_the_output_depends_on_nothing_else(network: nn.Module) -> None:
    network.eval()
    x = inputs(network.inputs, 4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        first = network(*x)
        assert torch.equal(network(*x), first)
        alone = torch.cat([network(*(part[i : i + 1] for part in x)) for i in range(4)])
    # not on the company in the batch either
    torch.testing.assert_close(alone, first, atol=1e-4, rtol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_forward_is_the_front_end_and_then_the_classifier(network: nn.Module) -> None:
    network.eval()
    x = inputs(network.inputs, 2)
    with torch.no_grad():
        assert torch.equal(network.classify(network.frontend(*x)), network(*x))


def test_the_front_end_learns_nothing_and_is_not_saved(recipe: Recipe, network: nn.Module) -> None:
    assert list(network.frontend.parameters()) == []
    # but for the training part's statistics, without which features mean nothing, and the words that a network knows
    statistics = [f"frontend.{of}_{name}" for name in DIMS for of in ("mean", "deviation")]
    expected = statistics if recipe.name in OVER_FEATURES else []
    words = {"text": ["frontend.known", "frontend.first"], "minilm": ["frontend.letters", "frontend.kinds"]}
    expected += words.get(recipe.name, [])
    assert [name for name in network.state_dict() if "frontend." in name] == expected


def test_the_network_does_not_change_its_input(network: nn.Module) -> None:
    x = inputs(network.inputs, 2)
    before = [part.clone() for part in x]
    network(*x)
    assert all(torch.equal(part, same) for part, same in zip(x, before, strict=True))


@pytest.mark.parametrize("recipe", HAS_BOTH, indirect=True)
def test_what_is_absent_does_not_matter_and_what_is_present_does(network: nn.Module) -> None:
    frames, samples = inputs(("frames", "samples"), 2)
    other_frames, other_samples = inputs(("frames", "samples"), 2, seed=1)
    network.eval()
    with torch.no_grad():
        for row in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
            present = torch.tensor([row, row])
            logits = network(frames, samples, present)
            assert torch.isfinite(logits).all()
            assert torch.equal(network(other_frames, samples, present), logits) == (row[0] == 0)
            assert torch.equal(network(frames, other_samples, present), logits) == (row[1] == 0)


@pytest.mark.parametrize("recipe", CAN_RECOMPUTE, indirect=True)
def test_checkpointing_gives_the_same_gradients_and_statistics(
    recipe: Recipe, network: nn.Module, weights: dict[str, Tensor]
) -> None:
    thrifty = build(recipe.model.model_copy(update={"gradient_checkpointing": True}), len(LABELS))
    thrifty.load_state_dict(weights)
    runs = []
    for made in (network, thrifty):
        blocks = getattr(made.backbone, "blocks", made.backbone)
        hook = blocks[-1].register_forward_pre_hook(lambda block, _: runs.append(block))
        torch.manual_seed(5)  # dropout's
        F.cross_entropy(score(made, *inputs(made.inputs, 3)), torch.arange(3)).backward()
        hook.remove()
    assert len(runs) == 3 and runs[1] is runs[2]  # computed a second time
    for (name, parameter), other in zip(thrifty.named_parameters(), network.parameters(), strict=True):
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, other.grad, msg=lambda text, name=name: f"{name}: {text}")
    statistics = dict(network.named_buffers())
    assert all(torch.equal(value, statistics[name]) for name, value in thrifty.named_buffers())
