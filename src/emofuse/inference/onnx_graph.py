"""Which tensor of a network is its embedding, and how a file is told to hand it out. Needs no `onnx`, as `onnx_file`.

In protobuf, two messages one after the other are merged (https://protobuf.dev/programming-guides/encoding/#last-one-wins):
so a graph gets one more output by a few bytes after the end of its file.
"""

from __future__ import annotations

from typing import Final

from emofuse.inference.onnx_file import fields_of

_GRAPH, _NODE, _GRAPH_OUTPUT = 7, 1, 12  # fields of ModelProto and of GraphProto
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP = 1, 2, 4
_VALUE_NAME: Final = 1
_BYTES: Final = 2  # a wire type
_LINEAR: Final = ("Gemm", "MatMul")  # the last layer of a classifier


def embedding_name(data: bytes, output: str) -> str | None:
    """Return the name of what goes into the last linear layer before an output; None where there is no such layer.

    Args:
        data: An ONNX file that `check_onnx_file` has passed.
        output: The name of the output, the logits.
    """
    made_by = {name: node for node in _nodes(data) for name in node[1]}
    waiting, seen = [output], {output}
    while waiting:
        node = made_by.get(waiting.pop(0))
        if node is None:
            continue
        inputs, _, op = node
        if op in _LINEAR:
            return inputs[0]
        new = [name for name in inputs if name and name not in seen]
        waiting += new
        seen.update(new)
    return None


def with_output(data: bytes, name: str) -> bytes:
    """Return an ONNX file whose graph hands out this tensor, too."""
    value = _field(_VALUE_NAME, name.encode())
    return data + _field(_GRAPH, _field(_GRAPH_OUTPUT, value))


def _nodes(data: bytes) -> list[tuple[list[str], list[str], str]]:
    """Return the inputs, the outputs and the operator of each node of the graph."""
    nodes = []
    for number, kind, begin, size in fields_of(data, 0, len(data)):
        if (number, kind) != (_GRAPH, _BYTES):
            continue
        for inner, inner_kind, at, length in fields_of(data, begin, begin + size):
            if (inner, inner_kind) == (_NODE, _BYTES):
                nodes.append(_node(data, at, at + length))
    return nodes


def _node(data: bytes, begin: int, end: int) -> tuple[list[str], list[str], str]:
    inputs: list[str] = []
    outputs: list[str] = []
    op = ""
    for number, kind, at, size in fields_of(data, begin, end):
        if kind != _BYTES or number not in (_NODE_INPUT, _NODE_OUTPUT, _NODE_OP):
            continue
        text = data[at : at + size].decode("utf-8", "replace")
        if number == _NODE_OP:
            op = text
        else:
            (inputs if number == _NODE_INPUT else outputs).append(text)
    return inputs, outputs, op


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
