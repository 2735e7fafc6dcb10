"""Makes TensorFlow Lite networks of convolutions and linear layers, for tests of what reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray


@dataclass(frozen=True)
class Layer:
    """A layer as a file has it. weights: its values or steps; size, zero: of the steps, None for plain values;
    is_dequantised: whether another operator makes values of the steps first."""

    kind: str
    weights: NDArray[Any]
    shift: NDArray[np.float32]
    size: float | None = None
    zero: int = 0
    is_dequantised: bool = False


KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "DEQUANTIZE")


def make_tflite(layers: list[Layer]) -> bytes:
    """Return a network of these, in order; nothing else in it is whole."""
    builder = flatbuffers.Builder(1024)
    buffers = [_buffer(builder, b"")]
    tensors = [_tensor(builder, "given", (1, 1, 1, 1), 0, 0)]
    operators = []
    for number, one in enumerate(layers):
        made = []
        for name, values in (("weights", one.weights), ("shift", one.shift)):
            buffers.append(_buffer(builder, values.tobytes()))
            size = one.size if name == "weights" else None
            kind = 0 if size is None else 3  # float32, uint8
            tensors.append(_tensor(builder, f"{name}{number}", values.shape, len(buffers) - 1, kind, size, one.zero))
            made.append(len(tensors) - 1)
        if one.is_dequantised:
            tensors.append(_tensor(builder, f"values{number}", one.weights.shape, 0, 0))
            operators.append(_operator(builder, KINDS.index("DEQUANTIZE"), [made[0]], [len(tensors) - 1]))
            made[0] = len(tensors) - 1
        operators.append(_operator(builder, KINDS.index(one.kind), [0, *made], [0]))
    codes = [_code(builder, getattr(tflite.BuiltinOperator, kind)) for kind in KINDS]
    lists = [
        _offsets(builder, start, offsets)
        for start, offsets in (
            (tflite.SubGraphStartTensorsVector, tensors),
            (tflite.SubGraphStartOperatorsVector, operators),
            (tflite.ModelStartOperatorCodesVector, codes),
            (tflite.ModelStartBuffersVector, buffers),
        )
    ]
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, lists[0])
    tflite.SubGraphAddOperators(builder, lists[1])
    graphs = _offsets(builder, tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, lists[2])
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, lists[3])
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def _offsets(builder: Any, start: Any, offsets: list[int]) -> int:
    start(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _buffer(builder: Any, content: bytes) -> int:
    data = builder.CreateByteVector(content) if content else None
    tflite.BufferStart(builder)
    if data is not None:
        tflite.BufferAddData(builder, data)
    return int(tflite.BufferEnd(builder))


def _tensor(
    builder: Any, name: str, shape: tuple[int, ...], buffer: int, kind: int, size: float | None = None, zero: int = 0
) -> int:
    text = builder.CreateString(name)
    sizes = builder.CreateNumpyVector(np.array(shape, np.int32))
    quantisation = None
    if size is not None:
        scale = builder.CreateNumpyVector(np.array([size], np.float32))
        zeros = builder.CreateNumpyVector(np.array([zero], np.int64))
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scale)
        tflite.QuantizationParametersAddZeroPoint(builder, zeros)
        quantisation = tflite.QuantizationParametersEnd(builder)
    tflite.TensorStart(builder)
    tflite.TensorAddName(builder, text)
    tflite.TensorAddShape(builder, sizes)
    tflite.TensorAddType(builder, kind)
    tflite.TensorAddBuffer(builder, buffer)
    if quantisation is not None:
        tflite.TensorAddQuantization(builder, quantisation)
    return int(tflite.TensorEnd(builder))


def _operator(builder: Any, code: int, inputs: list[int], outputs: list[int]) -> int:
    given, made = (builder.CreateNumpyVector(np.array(one, np.int32)) for one in (inputs, outputs))
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, given)
    tflite.OperatorAddOutputs(builder, made)
    return int(tflite.OperatorEnd(builder))


def _code(builder: Any, kind: int) -> int:
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, kind)
    return int(tflite.OperatorCodeEnd(builder))
