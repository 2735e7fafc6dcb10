"""Small trained fusions: a linear map of each modality's embedding that is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from emofuse.card import CARD_KEY, DataSource, InputSpec, ModelCard
from emofuse.emotions import BASE
from emofuse.inference.bundle import Bundle
from emofuse.inference.dummy_inputs import dummy_inputs


def sizes_of(bundle: Bundle) -> dict[str, int]:
    """Return how many numbers each network of a bundle gives of its input."""
    return {m: one.embeddings(*dummy_inputs(one.card.input)).shape[1] for m, one in bundle.networks.items()}


def head_card(dims: Mapping[str, int], labels: tuple[str, ...] = BASE) -> ModelCard:
    """Return the card of a fusion."""
    return ModelCard(
        name="tiny-fusion",
        version="0",
        modality="fusion",
        description="A linear map of each modality.",
        labels=labels,
        input=InputSpec(kind="embeddings", dims=dict(dims)),
        n_parameters=1,
        data=(DataSource(name="made up", licence="CC0"),),
        recipe="{}",
        seed=0,
    )


def write_head(path: Path, dims: Mapping[str, int], says: Mapping[str, str], labels: tuple[str, ...] = BASE) -> Path:
    """Write a fusion that adds 3 to the logit of a label for each modality that is there, and a little by embeddings.

    Args:
        path: Of the file.
        dims: The size of each modality's embedding, in the order of the inputs.
        says: By modality, the label that it speaks for.
        labels: What it answers with.
    """
    random = np.random.default_rng(0)
    constants, nodes, inputs, parts = {"one": np.array([1], np.int64)}, [], [], []
    for modality, size in dims.items():
        constants[f"{modality}_weight"] = random.normal(0, 1e-3, (size, len(labels))).astype(np.float32)
        constants[f"{modality}_says"] = 3 * np.eye(len(labels), dtype=np.float32)[labels.index(says[modality])][None]
        nodes += [
            helper.make_node("Squeeze", [modality, "one"], [f"{modality}_x"]),
            helper.make_node("MatMul", [f"{modality}_x", f"{modality}_weight"], [f"{modality}_y"]),
            helper.make_node("Add", [f"{modality}_y", f"{modality}_says"], [f"{modality}_z"]),
            helper.make_node("Mul", [f"{modality}_z", f"{modality}_mask"], [f"{modality}_out"]),
        ]
        inputs += [
            helper.make_tensor_value_info(modality, TensorProto.FLOAT, ["N", 1, size]),
            helper.make_tensor_value_info(f"{modality}_mask", TensorProto.FLOAT, ["N", 1]),
        ]
        parts.append(f"{modality}_out")
    nodes.append(helper.make_node("Sum", parts, ["logits"]))
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", len(labels)])]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "head", inputs, outputs, stored)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    text = head_card(dims, labels).model_dump_json()
    model.metadata_props.append(onnx.StringStringEntryProto(key=CARD_KEY, value=text))
    path.write_bytes(model.SerializeToString())
    return path
