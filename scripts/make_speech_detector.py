"""Make the speech detector that ships of Silero's own file: its network for 16 kHz, for any number of chunks at once.

    python scripts/make_speech_detector.py silero_vad.onnx [--output src/emofuse/detectors/silero_vad_16k.onnx]

The file that Silero publishes (https://github.com/snakers4/silero-vad, version 5) holds a network for 8 kHz, too, and
takes one chunk at a time through 100 small steps, which cost four times as much as its arithmetic. Here the layers are
the same with the same weights; all but the LSTM see all chunks at once, and the LSTM goes through them in order.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

WIDTH: Final = 128  # of the LSTM
CHUNK: Final = 576  # samples: 64 of the chunk before, and 512
STRIDES: Final = (1, 2, 2, 1)  # of the four convolutions
DEFAULT: Final = Path(__file__).parents[1] / "src" / "emofuse" / "detectors" / "silero_vad_16k.onnx"

Weights = dict[str, NDArray[np.float32]]


def weights_of(model: onnx.ModelProto) -> Weights:
    """Return the weights of the network for 16 kHz by the names that they have in it."""
    (branch,) = (node for node in model.graph.node if node.op_type == "If")
    graph = next(attribute.g for attribute in branch.attribute if attribute.name == "then_branch")
    return {
        name.rpartition("__Inline_0__")[2]: value
        for name, value in _constants(graph)
        if value.dtype == np.float32 and value.size
    }


def _constants(graph: GraphProto) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for node in graph.node:
        if node.op_type == "Constant":
            yield node.output[0], numpy_helper.to_array(node.attribute[0].t)


def gates(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the gates of PyTorch (input, forget, cell, output) into the order of ONNX (input, output, forget, cell)."""
    i, f, c, o = np.split(weight, 4)
    return np.concatenate([i, o, f, c])


def network(weights: Weights) -> onnx.ModelProto:
    """Build the network: (N, CHUNK) float32 chunks that follow one another, and the (2, 1, WIDTH) state before them.

    It gives (N,) how likely speech is in each, and the state after them.
    """
    basis = weights["stft.forward_basis_buffer"]
    bias = [gates(weights[f"decoder.rnn.bias_{kind}"]) for kind in ("ih", "hh")]
    kept: Weights = {
        "basis": basis,
        "input_weights": gates(weights["decoder.rnn.weight_ih"])[None],
        "state_weights": gates(weights["decoder.rnn.weight_hh"])[None],
        "gate_bias": np.concatenate(bias)[None],
        "last_weights": weights["decoder.decoder.2.weight"].reshape(WIDTH, 1),
        "last_bias": weights["decoder.decoder.2.bias"],
    }
    n_bins = basis.shape[0] // 2
    whole = {"one": [1], "flat": [-1], "halves": [1, 1], "bins": [n_bins, n_bins], "pads": [0, 0, 0, 0, 0, 64]}
    node = helper.make_node
    nodes: list[NodeProto] = [
        node("Unsqueeze", ["chunks", "one"], ["channel"]),
        node("Pad", ["channel", "pads"], ["padded"], mode="reflect"),
        node("Conv", ["padded", "basis"], ["spectrum"], strides=[128]),
        node("Split", ["spectrum", "bins"], ["real", "imaginary"], axis=1),
        node("Mul", ["real", "real"], ["real_power"]),
        node("Mul", ["imaginary", "imaginary"], ["imaginary_power"]),
        node("Add", ["real_power", "imaginary_power"], ["power"]),
        node("Sqrt", ["power"], ["layer0"]),
    ]
    for i, stride in enumerate(STRIDES):
        for kind in ("weight", "bias"):
            kept[f"{kind}{i}"] = weights[f"encoder.{i}.reparam_conv.{kind}"]
        inputs = [f"layer{i}", f"weight{i}", f"bias{i}"]
        nodes += [
            node("Conv", inputs, [f"convolved{i}"], strides=[stride], pads=[1, 1]),
            node("Relu", [f"convolved{i}"], [f"layer{i + 1}"]),
        ]
    gated = ["steps", "input_weights", "state_weights", "gate_bias", "", "hidden", "cell"]
    nodes += [
        node("Transpose", [f"layer{len(STRIDES)}"], ["steps"], perm=[0, 2, 1]),  # (N, 1, WIDTH): N steps of one stream
        node("Split", ["state", "halves"], ["hidden", "cell"], axis=0),
        node("LSTM", gated, ["heard", "hidden_after", "cell_after"], hidden_size=WIDTH),
        node("Concat", ["hidden_after", "cell_after"], ["state_after"], axis=0),
        node("Relu", ["heard"], ["positive"]),
        node("MatMul", ["positive", "last_weights"], ["product"]),
        node("Add", ["product", "last_bias"], ["logit"]),
        node("Sigmoid", ["logit"], ["each"]),
        node("Reshape", ["each", "flat"], ["speech"]),
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in kept.items()]
    constants += [numpy_helper.from_array(np.array(v, np.int64), name) for name, v in whole.items()]
    graph = helper.make_graph(
        nodes,
        "silero_vad_16k",
        [
            helper.make_tensor_value_info("chunks", TensorProto.FLOAT, ["N", CHUNK]),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [2, 1, WIDTH]),
        ],
        [
            helper.make_tensor_value_info("speech", TensorProto.FLOAT, ["N"]),
            helper.make_tensor_value_info("state_after", TensorProto.FLOAT, [2, 1, WIDTH]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="silero_vad.onnx as Silero publishes it")
    parser.add_argument("--output", type=Path, default=DEFAULT)
    arguments = parser.parse_args()
    onnx.save(network(weights_of(onnx.load(arguments.source))), arguments.output)


if __name__ == "__main__":
    main()
