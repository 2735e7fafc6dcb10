"""From a checkpoint to an ONNX file with its card, checked against torch before anybody uses it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from emofuse.card import CARD_KEY, InputSpec, ModelCard, Score
from emofuse.errors import BundleError, UsageError
from emofuse.files import atomic_write, make_folder
from emofuse.inference.network import KNOWN, OUTPUT, VOCABULARY, OnnxNetwork
from emofuse.preprocessing.pieces import MOST_PIECES
from emofuse.preprocessing.tokens import MOST_WORDS
from emofuse.research.models.folding import fold_and_round, is_large, is_table, quantise_rows
from emofuse.research.models.frontends import RATE_HZ, SHORTEST_S
from emofuse.research.models.minilm import MiniLm
from emofuse.research.models.onnx_notes import drop_notes
from emofuse.research.models.registry import BuiltNetwork
from emofuse.research.models.text import ReportingTextNet, TextNet
from emofuse.research.tasks.base import Example
from emofuse.research.tasks.registry import task_of, task_of_kind
from emofuse.research.training.cards import model_card
from emofuse.research.training.fit import load_weights, load_weights_into
from emofuse.research.training.jobs import make_network

TOLERANCE: Final = 1e-3  # on logits, which are of the order of 1 to 10
LONGEST_S: Final = 60  # of sound at once
_FLOAT: Final = onnx.TensorProto.FLOAT


def export(checkpoint: str | Path, target: str | Path, scores: Sequence[Score] = ()) -> ModelCard:
    """Write the network of `checkpoint` (model.safetensors) to `target` as ONNX, with its card in the metadata.

    Large weights are stored in half precision, tables of vectors in 8 bits; all are computed with in single. Raises
    UsageError for what is not a network, or not the one that its recipe and labels describe, BundleError when the
    outputs of the file differ from torch's by more than TOLERANCE, OutputError when it cannot be written; what `target`
    held before stays then.
    """
    weights, recipe, labels = load_weights(checkpoint)
    if recipe.model.learner != "network":
        raise UsageError(f"{checkpoint} holds no network", "only networks are exported")
    network = make_network(recipe, len(labels), dims=task_of(recipe).exported_dims(recipe, weights, checkpoint))
    load_weights_into(network, weights, Path(checkpoint))
    card = model_card(network, recipe, labels, scores)
    write_network(network, card, Path(target))
    return card


def write_network(network: BuiltNetwork, card: ModelCard, out: Path) -> None:
    """Write a network with its card, check it against torch, and only then put it in place. Its norms are folded and
    its large weights rounded, in place. Raises as `export` does."""
    fold_and_round(network)
    make_folder(out.parent)
    with atomic_write(out) as name:
        _write(network, card, name)
        _check(network, card.input, name)


def _examples(network: BuiltNetwork, spec: InputSpec) -> list[Example]:
    """Return inputs of several sizes: the first one traces, all of them check."""
    return task_of_kind(spec.kind).examples(network, spec, torch.Generator().manual_seed(0))


def _write(network: BuiltNetwork, card: ModelCard, path: Path) -> None:
    exported = ReportingTextNet(network).eval() if isinstance(network, TextNet | MiniLm) else network
    n = torch.export.Dim("N", min=1, max=4096)
    shapes: tuple[dict[int, Any], ...] = tuple({0: n} for _ in network.inputs)
    if card.input.kind == "samples":
        shapes[0][1] = torch.export.Dim("T", min=round(SHORTEST_S * RATE_HZ), max=LONGEST_S * RATE_HZ)
    if card.input.kind == "text":
        shapes[0][1] = torch.export.Dim("T", min=2, max=MOST_PIECES if card.input.units == "pieces" else MOST_WORDS + 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*The axis name: N will not be used")  # all inputs share it
        # torch's own, of a recurrent network's loop and of its weights
        warnings.filterwarnings("ignore", message=".*_check_is_size.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*_flat_weights.* were assigned during export.*")
        program = torch.onnx.export(
            exported,
            _examples(network, card.input)[0],
            dynamo=True,
            dynamic_shapes=shapes
            if card.input.dims is None
            else (shapes,),  # such a network takes any number of inputs
            input_names=list(network.inputs),
            output_names=[OUTPUT] if exported is network else [OUTPUT, KNOWN],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    drop_notes(model)
    tables = {f"{name}.weight": module.weight for name, module in exported.named_modules() if is_table(module)}
    _store_steps(model, tables)
    _store_half(model, {name for name, value in exported.named_parameters() if is_large(value)} - set(tables))
    model.metadata_props.append(onnx.StringStringEntryProto(key=CARD_KEY, value=card.model_dump_json()))
    if isinstance(network, MiniLm):
        words = "\n".join(network.frontend.vocabulary)
        model.metadata_props.append(onnx.StringStringEntryProto(key=VOCABULARY, value=words))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _store_steps(model: onnx.ModelProto, tables: dict[str, Tensor]) -> None:
    """Store tables of vectors and kernels in 8 bits, as steps and their size, which the runtime multiplies at loading.

    The exporter keeps the weights of a linear layer transposed, and under a name of its own.
    """
    graph = model.graph
    made = []
    for tensor in list(graph.initializer):
        found = _table(tensor, tables)
        if found is None:
            continue
        table, is_transposed = found
        pair = quantise_rows(table.detach())
        steps, sizes = (part.T.contiguous() for part in pair) if is_transposed else pair
        name = tensor.name
        graph.initializer.remove(tensor)
        for what, values in (("steps", steps), ("sizes", sizes)):
            graph.initializer.append(numpy_helper.from_array(values.numpy(), f"{name}.{what}"))
            made.append(onnx.helper.make_node("Cast", [f"{name}.{what}"], [f"{name}.{what}.float"], to=_FLOAT))
        made.append(onnx.helper.make_node("Mul", [f"{name}.steps.float", f"{name}.sizes.float"], [name]))
    for node in reversed(made):
        graph.node.insert(0, node)


def _table(tensor: onnx.TensorProto, tables: dict[str, Tensor]) -> tuple[Tensor, bool] | None:
    """Return the table that a stored tensor is, and whether it is stored transposed; None where it is none."""
    if tensor.name in tables:
        return tables[tensor.name], False
    if len(tensor.dims) != 2 or tensor.data_type != _FLOAT:
        return None
    alike = [table for table in tables.values() if table.shape[::-1] == tuple(tensor.dims)]
    if not alike:
        return None
    values = numpy_helper.to_array(tensor)
    return next(((table, True) for table in alike if np.array_equal(table.detach().numpy().T, values)), None)


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


def _check(network: BuiltNetwork, spec: InputSpec, path: Path) -> None:
    loaded = OnnxNetwork(path)
    for example in _examples(network, spec):
        with torch.no_grad():
            expected = network(*example).numpy()
        worst = float(np.abs(loaded.logits(*(x.numpy() for x in example)) - expected).max())
        if not worst <= TOLERANCE:
            shapes = ", ".join(str(tuple(x.shape)) for x in example)
            raise BundleError(f"the exported network differs from torch by {worst:.2g} on {shapes}")
