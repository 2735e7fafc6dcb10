"""Export: half precision, the card, and nothing written where the file differs from torch."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from safetensors.torch import save_file
from tiny_problem import LABELS
from torch import Tensor

from emofuse.card import CARD_KEY, ModelCard, Score
from emofuse.errors import BundleError, UsageError
from emofuse.research.models import onnx_notes
from emofuse.research.models.folding import SMALL, fold_and_round
from emofuse.research.models.registry import build
from emofuse.research.models.settings import FaceNetSettings, MfccCnnSettings, SvmSettings, VoiceNetSettings
from emofuse.research.recipes.data import FaceDataSettings, VoiceDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.base import voiced_example
from emofuse.research.training import export as module
from emofuse.research.training.cards import model_card
from emofuse.research.training.export import export

RECIPE = Recipe(
    name="tiny", seed=6, data=FaceDataSettings(), model=FaceNetSettings(widths=(4, 16), blocks=(1,), dropout=0)
)
SCORE = Score(metric="accuracy", value=0.5, on="made pictures", protocol="none", command="emofuse evaluate")
Save = Callable[..., Path]


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """Return a function that writes a checkpoint of random weights, changed by `change`."""

    def write(change: Callable[[dict[str, Tensor]], None] = lambda weights: None) -> Path:
        torch.manual_seed(0)
        weights = build(RECIPE.model, 3).state_dict()
        change(weights)
        path = tmp_path_factory.mktemp("run") / "model.safetensors"
        save_file(weights, path, metadata={"recipe": RECIPE.model_dump_json(), "labels": json.dumps(LABELS)})
        return path

    return write


@pytest.fixture(scope="module")
def exported(save: Save) -> Path:
    """Export once."""
    path = save()
    export(path, path.with_name("model.onnx"), [SCORE])
    return path.with_name("model.onnx")


def test_large_weights_are_stored_in_half_precision_and_the_rest_is_not(exported: Path) -> None:
    model = onnx.load(exported)
    sizes = {t.name: (t.data_type, int(np.prod(t.dims))) for t in model.graph.initializer}
    half = {name for name, (kind, _) in sizes.items() if kind == TensorProto.FLOAT16}
    assert {name.removesuffix(".half") for name in half} == {
        "features.2.branch.0.0.weight",
        "features.2.branch.2.0.weight",
    }
    assert all(sizes[name][1] >= SMALL for name in half)
    assert sizes["features.0.0.weight"] == (TensorProto.FLOAT, 36)
    assert not [name for name, (kind, n) in sizes.items() if kind == TensorProto.FLOAT and n >= SMALL]
    # computed with in single precision
    assert {node.input[0] for node in model.graph.node if node.op_type == "Cast"} == half
    assert {model.graph.input[0].name, model.graph.output[0].name} == {"faces", "logits"}


def test_norms_are_folded_into_the_convolutions_before_anything_is_rounded(exported: Path, save: Save) -> None:
    torch.manual_seed(0)
    network = build(RECIPE.model, 3).eval()
    conv, norm = network.features[2].branch[0]
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    expected = (conv.weight.detach() * scale[:, None, None, None]).half().numpy()
    stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(exported).graph.initializer}
    np.testing.assert_array_equal(stored["features.2.branch.0.0.weight.half"], expected)


def test_folding_and_rounding_changes_nothing_but_the_last_digits() -> None:
    torch.manual_seed(0)
    network = build(RECIPE.model, 3)
    x = torch.rand(8, 1, 48, 48) * 255
    with torch.no_grad():
        network.train()(x)  # so that the norms have statistics to fold
        expected = network.eval()(x)
        fold_and_round(network)
        torch.testing.assert_close(network(x), expected, atol=5e-3, rtol=0)
    large = [p for p in network.parameters() if p.ndim > 1 and p.numel() >= SMALL]
    assert len(large) == 2
    assert all(torch.equal(p, p.half().float()) for p in large)
    assert not [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_the_card_goes_into_the_file(exported: Path) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load(exported).metadata_props}
    card = ModelCard.model_validate_json(metadata[CARD_KEY])
    assert (card.name, card.modality, card.labels, card.seed) == ("tiny", "face", LABELS, 6)
    assert card.scores == (SCORE,)
    assert [source.name for source in card.data] == ["FER+"]
    assert card.n_parameters == sum(p.numel() for p in build(RECIPE.model, 3).parameters())
    assert Recipe.model_validate_json(card.recipe) == RECIPE


def test_no_path_of_the_exporting_machine_is_in_the_file(exported: Path) -> None:
    assert doctest.testmod(onnx_notes).failed == 0
    content = exported.read_bytes()
    assert content and not [name for name in (b"/src/", b".py", b"stack_trace", b"pkg.torch") if name in content]


def voice_card(model: MfccCnnSettings | VoiceNetSettings, **data: object) -> ModelCard:
    recipe = Recipe(name="v", data=VoiceDataSettings.model_validate(data), model=model)
    return model_card(build(model, 3), recipe, LABELS)


def test_a_voice_card_names_what_was_trained_on_and_the_licences() -> None:
    card = voice_card(MfccCnnSettings(), train_on=("ravdess-song", "emodb", "tables/own.csv"), window_s=2.0)
    assert [(source.name, source.part, source.licence) for source in card.data] == [
        ("RAVDESS", "song", "CC BY-NC-SA 4.0"),
        ("EMO-DB", "", "free for research"),
        ("own", "", "as its manifest says"),
    ]
    assert (card.modality, card.input.rate_hz, card.input.window_s) == ("voice", 16_000, 2.0)
    assert card.description == "MFCC, 2D convolutions and dense layers. Trained from random weights."


def test_a_card_names_the_weights_that_the_training_began_with() -> None:
    begun = voice_card(VoiceNetSettings(pretrained="mn04_as", hidden=8))
    assert [source.name for source in begun.data] == ["RAVDESS", "AudioSet, by EfficientAT mn04"]
    assert "weights of AudioSet" in begun.description
    fresh = voice_card(VoiceNetSettings(pretrained=None, hidden=8))
    assert [source.name for source in fresh.data] == ["RAVDESS"]
    assert "random weights" in fresh.description


def test_what_is_no_network_is_not_exported(tmp_path: Path) -> None:
    recipe = Recipe(name="s", data=VoiceDataSettings(), model=SvmSettings())
    path = tmp_path / "model.safetensors"
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(LABELS)}
    save_file({"x": torch.zeros(1)}, path, metadata=header)
    with pytest.raises(UsageError, match="holds no network"):
        export(path, tmp_path / "model.onnx")


@pytest.mark.parametrize("fault", ["labels", "network"])
def test_a_checkpoint_that_is_not_what_its_header_says_is_one_line(tmp_path: Path, fault: str) -> None:
    recipe, labels = RECIPE, LABELS
    if fault == "labels":
        labels = (*LABELS, "dots")
    else:
        recipe = RECIPE.model_copy(update={"model": FaceNetSettings(widths=(4, 8), blocks=(1,), dropout=0)})
    path = tmp_path / "model.safetensors"
    header = {"recipe": recipe.model_dump_json(), "labels": json.dumps(labels)}
    save_file(build(RECIPE.model, 3).state_dict(), path, metadata=header)
    with pytest.raises(
        UsageError, match=r"model\.safetensors holds the weights of another network, or for other labels"
    ):
        export(path, tmp_path / "out" / "model.onnx")
    assert not (tmp_path / "out").exists()


def test_what_checks_a_voice_network_is_like_a_voice() -> None:
    """Pauses without sound, a pitch between 70 and 400 Hz, and what is quiet far below what is loud."""
    samples = voiced_example(4, 2.5)
    assert samples.shape == (4, 40_000) and samples.abs().max() < 1
    assert ((samples == 0).float().mean(dim=1) > 0.2).all()
    power = torch.fft.rfft(samples).abs().square()
    hertz = power[:, : 2_500 // 2].argmax(dim=1) / 2.5
    assert ((hertz > 70) & (hertz < 400)).all()
    assert power[:, 1_000:3_000].sum() > 1e4 * power[:, 19_000:].sum()


def test_a_file_that_differs_from_torch_is_not_written(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model: onnx.ModelProto, names: set[str]) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "head.3.bias":
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 0.01, tensor.name))

    monkeypatch.setattr(module, "_store_half", spoil)
    with pytest.raises(BundleError, match=r"differs from torch by 0\.01 on \(2, 1, 48, 48\)"):
        export(save(), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_written_and_an_older_file_stays(save: Save, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"older")

    def spoil(weights: dict[str, Tensor]) -> None:
        weights["head.3.bias"][0] = float("nan")

    with pytest.raises(BundleError, match="differs from torch by nan"):
        export(save(spoil), tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"older"


def test_a_missing_checkpoint_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint at"):
        export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
