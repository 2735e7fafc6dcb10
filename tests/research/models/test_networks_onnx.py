"""The rest of the contract: as ONNX, every network gives what it gives in torch."""

from __future__ import annotations

import copy
import json
import typing
from collections.abc import Callable, Iterator

import numpy as np
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tiny_networks import EXPORTED, LABELS, SEES_FRAMES, inputs
from torch import Tensor, nn

from emofuse.card import ModelCard
from emofuse.inference.network import OnnxNetwork
from emofuse.research.models.folding import fold_and_round
from emofuse.research.models.layers import CoarseConv2d, CoarseLinear
from emofuse.research.models.settings import AnyFaceNetSettings, MiniLmSettings, TextNetSettings
from emofuse.research.recipes.data import VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.training.export import export
from quick_export import quick_exporter

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*_check_is_size.*:FutureWarning",  # torch's own, of a recurrent network's loop
    "ignore:.*attributes .*_flat_weights.* were assigned during export.*",
    "ignore:.*axis name. N will not be used.*",
)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Export faster."""
    with quick_exporter():
        yield


TAKE_LONG = ("voice", "voice-whisper", "resnet-lstm", "resnet-transformer", "mvit", "r3d")  # to export
NETWORKS = [pytest.param(name, marks=pytest.mark.load) if name in TAKE_LONG else name for name in EXPORTED]
OF_NO_FRAMES = [param for param, name in zip(NETWORKS, EXPORTED, strict=True) if name not in SEES_FRAMES]


class Exported(typing.NamedTuple):
    """A network as ONNX, the same weights in torch, and the card that `export` answered with."""

    onnx: Callable[..., NDArray[np.float32]]
    torch: nn.Module
    cards: list[ModelCard]


@pytest.fixture(scope="module")
def exported(
    recipe: Recipe, built: nn.Module, weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Exported:
    """Export the weights once for all that is asked of the file."""
    built.load_state_dict(weights)
    made = copy.deepcopy(built)
    fold_and_round(made)
    if recipe.name in SEES_FRAMES:
        return Exported(as_onnx(made), made, [])
    folder = tmp_path_factory.mktemp(recipe.name)
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(LABELS)}
    save_file(weights, folder / "model.safetensors", metadata=header)
    card = export(folder / "model.safetensors", folder / "out" / "model.onnx")
    network = OnnxNetwork(folder / "out" / "model.onnx")
    return Exported(lambda x: network.logits(x), made, [card, network.card])


def as_onnx(network: nn.Module) -> Callable[..., NDArray[np.float32]]:
    """Export a network of clips: any number of them, sound of any length. Returns what runs the file."""
    n, length = torch.export.Dim("N", min=1, max=4096), torch.export.Dim("L", min=4_000, max=960_000)
    shapes = {"frames": {0: n}, "samples": {0: n, 1: length}, "present": {0: n}}
    program = torch.onnx.export(
        network,
        inputs(network.inputs, 2),
        dynamo=True,
        dynamic_shapes=tuple(shapes[name] for name in network.inputs),
        input_names=network.inputs,
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None
    session = ort.InferenceSession(program.model_proto.SerializeToString())
    return lambda *x: session.run(None, dict(zip(network.inputs, x, strict=True)))[0]


@pytest.mark.parametrize("n", [1, 3, 16])
@pytest.mark.parametrize("recipe", NETWORKS, indirect=True)
def test_onnx_gives_what_torch_gives(recipe: Recipe, exported: Exported, n: int) -> None:
    for duration_s in (0.25, 1.0, 5.37) if "samples" in exported.torch.inputs else (1.0,):
        x = inputs(exported.torch.inputs, n, duration_s)
        with torch.no_grad():
            expected = exported.torch(*x).numpy()
        got = exported.onnx(*(part.numpy() for part in x))
        assert got.shape == expected.shape and got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("recipe", NETWORKS, indirect=True)
def test_rounded_weights_change_little(network: nn.Module, exported: Exported) -> None:
    x = inputs(network.inputs, 16)
    with torch.no_grad():
        expected = network.eval()(*x)
    difference = exported.onnx(*(part.numpy() for part in x)) - expected.numpy()
    in_8_bits = any(isinstance(layer, CoarseLinear | CoarseConv2d) for layer in network.modules())
    assert np.abs(difference).max() < (0.25 if in_8_bits else 0.05) * expected.std()


@pytest.mark.parametrize("recipe", OF_NO_FRAMES, indirect=True)
def test_the_card_is_read_back_from_the_file(recipe: Recipe, network: nn.Module, exported: Exported) -> None:
    card = exported.cards[1]
    assert card == exported.cards[0]
    assert (card.name, card.seed, card.labels) == (recipe.name, recipe.seed, LABELS)
    assert Recipe.model_validate_json(card.recipe) == recipe
    assert card.n_parameters == sum(p.numel() for p in network.parameters())
    if isinstance(recipe.model, AnyFaceNetSettings):
        assert (card.modality, card.input.kind, card.input.size_px) == ("face", "face", 48)
    elif isinstance(recipe.model, TextNetSettings | MiniLmSettings):
        assert (card.modality, card.input.kind) == ("text", "text")
    else:
        assert (card.modality, card.input.kind, card.input.rate_hz) == ("voice", "samples", 16_000)
        assert card.input.window_s == VoiceDataSettings().window_s
    assert all(source.licence for source in card.data)
    assert card.cautions
