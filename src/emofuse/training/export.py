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
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from emofuse import __version__
from emofuse.atomic import atomic
from emofuse.card import CARD_KEY, DataSource, InputSpec, ModelCard, Score
from emofuse.config import Recipe, SvmSettings, VoiceDataSettings, VoiceNetSettings
from emofuse.corpora import cremad, emodb, ravdess, savee, tess
from emofuse.errors import BundleError, UsageError
from emofuse.inference.network import OnnxNetwork
from emofuse.models.build import BuiltNetwork, build
from emofuse.models.frontends import RATE_HZ, SHORTEST_S
from emofuse.training.fit import load_weights

TOLERANCE: Final = 1e-3  # on logits, which are of the order of 1 to 10
SMALL: Final = 256  # tensors with fewer values keep full precision: they cost nothing
LONGEST_S: Final = 60  # of sound at once
SOURCES: Final = {
    "ravdess": DataSource(name="RAVDESS", licence=ravdess.LICENCE),
    "cremad": DataSource(name="CREMA-D", licence=cremad.LICENCE),
    "emodb": DataSource(name="EMO-DB", licence=emodb.LICENCE),
    "tess": DataSource(name="TESS", licence=tess.LICENCE),
    "savee": DataSource(name="SAVEE", licence=savee.LICENCE),
}
"""By the reader's name, before the first dash."""
AUDIOSET: Final = DataSource(name="AudioSet, by EfficientAT mn04", licence="MIT (weights)", part="pretraining")


def export(checkpoint: str | Path, target: str | Path, scores: Sequence[Score] = ()) -> ModelCard:
    """Write the network of `checkpoint` (model.safetensors) to `target` as ONNX, with its card in the metadata.

    Large weights are stored in half precision and computed with in single. Raises BundleError when the outputs
    of the file differ from torch's by more than TOLERANCE, OutputError when it cannot be written; what `target`
    held before stays then.
    """
    weights, recipe, labels = load_weights(checkpoint)
    if isinstance(recipe.model, SvmSettings):
        raise UsageError(f"{checkpoint} holds no network", "only networks are exported")
    network = build(recipe.model, len(labels))
    network.load_state_dict(weights)
    card = _card(network, recipe, labels, scores)
    fold_and_round(network)
    out = Path(target)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic(out) as name:
        _write(network, card, name)
        _check(network, name)
    return card


def fold_and_round(network: nn.Module) -> None:
    """Fold norms into the layers before them, then round large weights to half precision; in place.

    The exporter folds them too. Were they not folded first, it would round products of rounded weights.
    """
    network.eval()
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for i, (layer, norm) in enumerate(pairwise(list(module))):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                module[i], module[i + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
            elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                module[i], module[i + 1] = fuse_linear_bn_eval(layer, norm), nn.Identity()
    with torch.no_grad():
        for value in filter(_is_large, network.parameters()):
            value.copy_(value.half())


def _is_large(value: Tensor) -> bool:
    return value.is_floating_point() and value.ndim > 1 and value.numel() >= SMALL


def _examples(network: BuiltNetwork) -> list[Tensor]:
    """Return inputs of several sizes: the first one traces, all of them check."""
    random = torch.Generator().manual_seed(0)
    if network.feature_kind == "face":
        return [torch.rand(n, 1, 48, 48, generator=random) * 255 for n in (2, 1, 7)]
    noise = [torch.randn(n, round(s * RATE_HZ), generator=random) * 0.1 for n, s in ((2, 3.0), (1, 1.0), (3, 5.37))]
    return [*noise, _voiced(4, 2.5), _voiced(1, SHORTEST_S)]


def _voiced(n: int, duration_s: float) -> Tensor:
    """Make (n, T) samples as a voice has them: harmonics of a gliding pitch in syllables, and pauses without sound."""
    time = torch.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    pitch = torch.linspace(90, 300, n)[:, None] * (1 + 0.2 * torch.sin(2 * torch.pi * 1.3 * time))
    phase = 2 * torch.pi * (pitch.double() / RATE_HZ).cumsum(dim=1)
    harmonics = sum(torch.sin(k * phase) / k for k in range(1, 20))
    syllables = torch.sin(2 * torch.pi * 1.7 * time + torch.arange(n)[:, None]).clamp(min=0)
    return (0.1 * harmonics * syllables).float()


def _write(network: BuiltNetwork, card: ModelCard, path: Path) -> None:
    example = _examples(network)[0]
    n = torch.export.Dim("N", min=1, max=4096)
    shapes: dict[int, Any] = {0: n}
    if network.feature_kind != "face":
        shapes[1] = torch.export.Dim("T", min=round(SHORTEST_S * RATE_HZ), max=LONGEST_S * RATE_HZ)
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


def _check(network: BuiltNetwork, path: Path) -> None:
    loaded = OnnxNetwork(path)
    for example in _examples(network):
        with torch.no_grad():
            expected = network(example).numpy()
        worst = float(np.abs(loaded.logits(example.numpy()) - expected).max())
        if not worst <= TOLERANCE:
            raise BundleError(f"the exported network differs from torch by {worst:.2g} on {tuple(example.shape)}")


def _card(network: BuiltNetwork, recipe: Recipe, labels: tuple[str, ...], scores: Sequence[Score]) -> ModelCard:
    settings = recipe.data
    is_pretrained = isinstance(recipe.model, VoiceNetSettings) and recipe.model.pretrained is not None
    start = f"weights of {AUDIOSET.name}" if is_pretrained else "random weights"
    facts = _voice_facts(settings) if isinstance(settings, VoiceDataSettings) else _face_facts()
    data: tuple[DataSource, ...] = (*facts.pop("data"), *([AUDIOSET] if is_pretrained else []))
    return ModelCard(
        name=recipe.name,
        version=__version__,
        modality="voice" if isinstance(settings, VoiceDataSettings) else "face",
        description=f"{network.description} Trained from {start}.",
        labels=labels,
        n_parameters=sum(p.numel() for p in network.parameters()),
        recipe=recipe.model_dump_json(),
        seed=recipe.seed,
        scores=tuple(scores),
        data=data,
        **facts,
    )


def _voice_facts(settings: VoiceDataSettings) -> dict[str, Any]:
    return {
        "input": InputSpec(kind="samples", rate_hz=RATE_HZ, window_s=settings.window_s),
        "data": tuple(_source(name) for name in settings.train_on),
        "cautions": ("The voices are acted; spontaneous speech is subtler and scores on it will be lower.",),
    }


def _source(name: str) -> DataSource:
    """Describe a corpus of a recipe: one that a reader knows, or a manifest's file."""
    corpus, _, part = name.partition("-")
    if corpus in SOURCES:
        return SOURCES[corpus].model_copy(update={"part": part})
    return DataSource(name=Path(name).stem, licence="as its manifest says")


def _face_facts() -> dict[str, Any]:
    return {
        "input": InputSpec(kind="face", size_px=48),
        "data": (DataSource(name="FER+", licence="MIT (labels), over web images", part="FER2013Train"),),
        "cautions": ("The faces are web photos; FER+ names no subjects, so a person may be in two of its parts.",),
    }
