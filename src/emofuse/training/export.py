"""From a checkpoint to an ONNX file with its card, checked against torch before anybody uses it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from emofuse import __version__
from emofuse.atomic import atomic
from emofuse.card import CARD_KEY, DataSource, InputSpec, ModelCard, Score
from emofuse.config import FaceNetSettings, Recipe, VoiceDataSettings
from emofuse.corpora import emodb, ravdess
from emofuse.errors import BundleError
from emofuse.inference.network import OnnxNetwork
from emofuse.models.face import FaceNet
from emofuse.models.frontends import RATE_HZ
from emofuse.models.voice import VoiceNet
from emofuse.training.fit import load_weights

TOLERANCE: Final = 2e-3  # on logits, which are of the order of 1 to 10
SMALL: Final = 256  # tensors with fewer values keep full precision: they cost nothing


def export(checkpoint: str | Path, target: str | Path, scores: Sequence[Score] = ()) -> ModelCard:
    """Write the network of `checkpoint` (model.safetensors) to `target` as ONNX, with its card in the metadata.

    Large weights are stored in half precision and computed with in single. Raises BundleError when the outputs
    of the file differ from torch's by more than TOLERANCE, OutputError when it cannot be written; what `target`
    held before stays then.
    """
    weights, recipe, labels = load_weights(checkpoint)
    network = build(recipe, len(labels))
    network.load_state_dict(weights)
    card = _card(network, recipe, labels, scores)
    fold_and_round(network)
    out = Path(target)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as name:
        _write(network, recipe, card, name)
        _check(network, recipe, name)
    return card


def build(recipe: Recipe, n_classes: int) -> FaceNet | VoiceNet:
    """Make the network that a recipe names, with random weights."""
    if isinstance(recipe.model, FaceNetSettings):
        return FaceNet(recipe.model, n_classes)
    return VoiceNet(recipe.model, n_classes)


def fold_and_round(network: nn.Module) -> None:
    """Fold norms into the convolutions before them, then round large weights to half precision; in place.

    The exporter folds them too. Were they not folded first, it would round products of rounded weights.
    """
    network.eval()
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for i, (conv, norm) in enumerate(pairwise(list(module))):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[i], module[i + 1] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    with torch.no_grad():
        for value in filter(_is_large, network.parameters()):
            value.copy_(value.half())


def _is_large(value: Tensor) -> bool:
    return value.is_floating_point() and value.ndim > 1 and value.numel() >= SMALL


def _examples(recipe: Recipe) -> list[Tensor]:
    """Return inputs of several sizes: the first one traces, all of them check."""
    random = torch.Generator().manual_seed(0)
    if isinstance(recipe.model, FaceNetSettings):
        return [torch.rand(n, 1, 48, 48, generator=random) * 255 for n in (2, 1, 7)]
    return [torch.randn(n, round(s * RATE_HZ), generator=random) * 0.1 for n, s in ((2, 3.0), (1, 1.0), (3, 5.37))]


def _write(network: nn.Module, recipe: Recipe, card: ModelCard, path: Path) -> None:
    example = _examples(recipe)[0]
    n = torch.export.Dim("N", min=1, max=4096)
    shapes: dict[int, Any] = {0: n}
    if not isinstance(recipe.model, FaceNetSettings):
        shapes[1] = torch.export.Dim("T", min=RATE_HZ // 2, max=60 * RATE_HZ)
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        dynamic_shapes=(shapes,),
        input_names=["x"],
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    large = {name for name, value in network.named_parameters() if _is_large(value)}
    _store_half(model, large)
    model.metadata_props.append(onnx.StringStringEntryProto(key=CARD_KEY, value=card.model_dump_json()))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _store_half(model: onnx.ModelProto, names: set[str]) -> None:
    """Store the named weights as float16 behind a cast, which the runtime folds away when it loads the file."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in names or tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        casts.append(onnx.helper.make_node("Cast", [f"{tensor.name}.half"], [tensor.name], to=onnx.TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(half, f"{tensor.name}.half"))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def _check(network: nn.Module, recipe: Recipe, path: Path) -> None:
    loaded = OnnxNetwork(path)
    for example in _examples(recipe):
        with torch.no_grad():
            expected = network(example).numpy()
        worst = float(np.abs(loaded.logits(example.numpy()) - expected).max())
        if not worst <= TOLERANCE:
            raise BundleError(f"the exported network differs from torch by {worst:.2g} on {tuple(example.shape)}")


def _card(network: nn.Module, recipe: Recipe, labels: tuple[str, ...], scores: Sequence[Score]) -> ModelCard:
    settings = recipe.data
    return ModelCard(
        name=recipe.name,
        version=__version__,
        modality="voice" if isinstance(settings, VoiceDataSettings) else "face",
        labels=labels,
        n_parameters=sum(p.numel() for p in network.parameters()),
        recipe=recipe.model_dump_json(),
        seed=recipe.seed,
        scores=tuple(scores),
        **(_voice_facts(settings) if isinstance(settings, VoiceDataSettings) else _face_facts()),
    )


def _voice_facts(settings: VoiceDataSettings) -> dict[str, Any]:
    corpora = {
        "ravdess": DataSource(name="RAVDESS speech", licence=ravdess.LICENCE, part="all 24 actors"),
        "emodb": DataSource(name="EMO-DB", licence=emodb.LICENCE, part="without boredom"),
    }
    audioset = DataSource(name="AudioSet, by EfficientAT mn04", licence="MIT (weights)", part="pretraining")
    return {
        "description": "Log-mel, MobileNetV3 started from AudioSet (EfficientAT mn04), pooled statistics.",
        "input": InputSpec(kind="samples", rate_hz=RATE_HZ, window_s=settings.window_s),
        "data": (*(corpora[name] for name in settings.train_on), audioset),
        "cautions": ("The voices are acted; spontaneous speech is subtler and scores on it will be lower.",),
    }


def _face_facts() -> dict[str, Any]:
    return {
        "description": "A residual network over grey 48 x 48 faces, trained on the votes of ten people each.",
        "input": InputSpec(kind="face", size_px=48),
        "data": (DataSource(name="FER+", licence="MIT (labels), over web images", part="FER2013Train"),),
        "cautions": ("The faces are web photos; FER+ names no subjects, so a person may be in two of its parts.",),
    }
