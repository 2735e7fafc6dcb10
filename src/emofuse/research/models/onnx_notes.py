"""What torch's exporter writes into a file beside the network: traces of the exporting machine's source, by path."""

from __future__ import annotations

from collections.abc import Iterable

import onnx


def drop_notes(model: onnx.ModelProto) -> None:
    """Take the exporter's notes out of a network, in place; the metadata of the model itself stays, as its card does.

    Args:
        model: As torch exported it. Names, shapes and weights stay, and so its outputs, bit by bit.

    Example:
        >>> model = onnx.ModelProto()
        >>> _ = model.graph.node.add(op_type="Relu").metadata_props.add(key="stack_trace", value="/home/me/face.py")
        >>> drop_notes(model)
        >>> len(model.graph.node[0].metadata_props)
        0
    """
    for function in model.functions:
        del function.metadata_props[:]
        _drop_of_nodes(function.node)
    _drop_of_graph(model.graph)


def _drop_of_graph(graph: onnx.GraphProto) -> None:
    del graph.metadata_props[:]
    graph.ClearField("doc_string")
    for named in (*graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del named.metadata_props[:]
        named.ClearField("doc_string")
    _drop_of_nodes(graph.node)


def _drop_of_nodes(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        del node.metadata_props[:]
        node.ClearField("doc_string")
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _drop_of_graph(attribute.g)
