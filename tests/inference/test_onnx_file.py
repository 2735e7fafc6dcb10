"""What a bundle's network may not have, wherever it hides: weights elsewhere, operators that are not ONNX's own."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from emofuse.errors import BundleError
from emofuse.inference.bundle import BUNDLES
from emofuse.inference.network import OnnxNetwork
from emofuse.inference.onnx_file import check_onnx_file, read_metadata

FACE = BUNDLES / "base" / "face.onnx"
Change = Callable[[onnx.ModelProto], None]


def external(location: str = "/etc/passwd") -> onnx.TensorProto:
    """Return weights that are in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def marked_external() -> onnx.TensorProto:
    """Return weights that are said to be elsewhere, and not where."""
    return TensorProto(name="w", data_type=TensorProto.UINT8, dims=[4], data_location=TensorProto.EXTERNAL)


def node(op: str = "Identity", domain: str = "", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, ["x"], ["y"], domain=domain, **attributes)


def graph(*nodes: onnx.NodeProto, weights: onnx.TensorProto | None = None) -> onnx.GraphProto:
    return helper.make_graph(nodes, "inner", [], [], [] if weights is None else [weights])


def sparse(values: onnx.TensorProto, indices: onnx.TensorProto) -> onnx.SparseTensorProto:
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[4])


def constant(name: str, **value: object) -> onnx.NodeProto:
    """Return a node with one attribute, given by the fields of AttributeProto."""
    made = node("Constant")
    made.attribute.append(onnx.AttributeProto(name=name, **value))
    return made


WHOLE = numpy_helper.from_array(np.zeros(4, np.uint8), "whole")
EXTERNAL: dict[str, Change] = {
    "initializer": lambda m: m.graph.initializer.append(external()),
    "marked alone": lambda m: m.graph.initializer.append(marked_external()),
    "memory": lambda m: m.graph.initializer.append(external("*/_ORT_MEM_ADDR_/*")),
    "sparse values": lambda m: m.graph.sparse_initializer.append(sparse(external(), WHOLE)),
    "sparse indices": lambda m: m.graph.sparse_initializer.append(sparse(WHOLE, external())),
    "attribute": lambda m: m.graph.node.append(constant("value", t=external())),
    "attributes": lambda m: m.graph.node.append(constant("values", tensors=[WHOLE, external()])),
    "sparse attribute": lambda m: m.graph.node.append(constant("s", sparse_tensor=sparse(WHOLE, external()))),
    "sparse attributes": lambda m: m.graph.node.append(constant("s", sparse_tensors=[sparse(external(), WHOLE)])),
    "subgraph": lambda m: m.graph.node.append(node("If", then_branch=graph(weights=external()))),
    "subgraphs": lambda m: m.graph.node.append(node("If", branches=[graph(), graph(weights=external())])),
    "two deep": lambda m: m.graph.node.append(
        node("If", then_branch=graph(node("Loop", body=graph(constant("value", t=external())))))
    ),
}
FOREIGN: dict[str, Change] = {
    "contrib": lambda m: m.graph.node.append(node("EPContext", "com.microsoft")),
    "library": lambda m: m.graph.node.append(node("Own", "my.domain")),
    "near": lambda m: m.graph.node.append(node("Identity", "ai.onnx.m")),
    "subgraph": lambda m: m.graph.node.append(node("If", then_branch=graph(node("Own", "my.domain")))),
}
INSIDE: dict[str, tuple[Change, str]] = {
    "function": (
        lambda m: m.functions.append(helper.make_function("own", "F", ["x"], ["y"], [node()], m.opset_import)),
        "functions",
    ),
    "training": (lambda m: m.training_info.add().algorithm.CopyFrom(graph(weights=external())), "training steps"),
}


def changed(folder: Path, change: Change) -> Path:
    model = onnx.load(FACE)
    change(model)
    path = folder / "changed.onnx"
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("change", EXTERNAL.values(), ids=EXTERNAL)
def test_weights_in_another_file_are_refused(tmp_path: Path, change: Change) -> None:
    with pytest.raises(BundleError, match=r"changed\.onnx has weights in another file"):
        OnnxNetwork(changed(tmp_path, change))


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_operators_that_are_not_of_onnx_are_refused(tmp_path: Path, change: Change) -> None:
    with pytest.raises(BundleError, match=r"has an operator of '(com\.microsoft|my\.domain|ai\.onnx\.m)'"):
        OnnxNetwork(changed(tmp_path, change))


@pytest.mark.parametrize(("change", "says"), INSIDE.values(), ids=INSIDE)
def test_functions_and_training_are_refused(tmp_path: Path, change: Change, says: str) -> None:
    with pytest.raises(BundleError, match=says):
        OnnxNetwork(changed(tmp_path, change))


def test_what_is_complete_in_itself_is_taken(tmp_path: Path) -> None:
    for network in BUNDLES.glob("*/*.onnx"):
        check_onnx_file(network)

    def more(model: onnx.ModelProto) -> None:
        model.graph.sparse_initializer.append(sparse(WHOLE, WHOLE))
        model.graph.node.append(node("If", "ai.onnx", then_branch=graph(constant("value", t=WHOLE), weights=WHOLE)))

    check_onnx_file(changed(tmp_path, more))


def test_the_metadata_is_what_onnx_runtime_reads() -> None:
    for network in BUNDLES.glob("*/*.onnx"):
        assert read_metadata(network) == onnxruntime.InferenceSession(network).get_modelmeta().custom_metadata_map


def varint(number: int) -> bytes:
    """Write a number as protobuf does."""
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


# Fields by hand, as `onnx` does not write them: 14 is data_location, of a tensor (5) of the graph (7).
def tensor_field(tail: bytes) -> bytes:
    inner = b"\x2a" + bytes([len(tail)]) + tail
    return b"\x3a" + bytes([len(inner)]) + inner


@pytest.mark.parametrize(
    "tail",
    [
        b"\x70\x81\x80\x80\x80\x10",  # 2^32 + 1, which protobuf reads as 1
        b"\x70\x01\x70\x00",  # said twice: the last counts, and the first is odd enough
        b"\x72\x01\x01",  # as a list
    ],
)
def test_a_place_that_is_written_oddly_is_refused(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "odd.onnx"
    path.write_bytes(tensor_field(tail))
    with pytest.raises(BundleError, match="weights in another file"):
        check_onnx_file(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a network",
        b"ORTM" * 10,
        FACE.read_bytes()[:5000],
        b"\x3b\x3c",  # a group
        b"\x3a\xff\xff\xff\xff\x0f",  # longer than the file
        b"\x3a" + b"\xff" * 11,  # a number without an end
        b"\x00\x00",  # a field of number 0
    ],
)
def test_what_is_no_onnx_file_is_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"broken\.onnx is not a network that can be run") as caught:
        check_onnx_file(path)
    assert "\n" not in str(caught.value)


def test_graphs_in_one_another_without_end_are_refused(tmp_path: Path) -> None:
    model, inner = onnx.load(FACE), graph()
    for _ in range(25):
        inner = graph(node("If", then_branch=inner))
    model.graph.node.append(node("If", then_branch=inner))
    check_onnx_file(changed(tmp_path, lambda m: m.CopyFrom(model)))
    # 3 messages for each graph, more than protobuf's 100 in all. Made by hand, as `onnx` does not write so many.
    data = b""
    for _ in range(40):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # the graph of an attribute of a node
            data = tag + varint(len(data)) + data
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x3a" + varint(len(data)) + data)
    with pytest.raises(BundleError, match="not a complete ONNX file"):
        check_onnx_file(path)


def test_the_weights_themselves_are_not_read(tmp_path: Path) -> None:
    big = numpy_helper.from_array(np.zeros(100_000_000, np.uint8), "big")
    path = changed(tmp_path, lambda m: m.graph.initializer.append(big))
    began = time.perf_counter()
    check_onnx_file(path)
    assert time.perf_counter() - began < 2
