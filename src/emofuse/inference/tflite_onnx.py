"""A TensorFlow Lite network as an ONNX network, for the operators that the face landmarker is made of.

A runtime of its own for one file would be a dependency of 20 MB that is not built for every system; ONNX Runtime is
here already. Half-precision weights become single-precision ones, as TensorFlow Lite's own kernels have them.
Pictures stay (N, H, W, C): ONNX Runtime moves the transpositions together and drops most of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import AssetError, UsageError

_OPSET: Final = 17
_IR_VERSION: Final = 9
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
_PLAIN: Final = {
    "ADD": "Add",
    "DIV": "Div",
    "LOGISTIC": "Sigmoid",
    "MUL": "Mul",
    "NEG": "Neg",
    "SQRT": "Sqrt",
    "SUB": "Sub",
}


def to_onnx(content: bytes) -> bytes:
    """Convert a TensorFlow Lite network.

    Args:
        content: A `.tflite` file.

    Returns:
        An ONNX file, with the inputs and outputs under the names and in the shapes that they had.

    Raises:
        AssetError: It is no such file, or has an operator that is not known here.
        UsageError: The packages for it are not installed.
    """
    onnx, tflite = import_packages()
    try:
        model = tflite.Model.GetRootAs(content)
        graph = _Graph(onnx, tflite, model).convert()
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, AssertionError, struct.error) as error:
        raise AssetError(f"this TensorFlow Lite network cannot be converted: {error}") from error
    converted = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    return bytes(converted.SerializeToString())


def import_packages() -> tuple[Any, Any]:
    """Import what a conversion needs.

    Returns:
        The modules onnx and tflite.

    Raises:
        UsageError: One of them is not installed.
    """
    try:
        import onnx
        import tflite
    except ImportError as error:
        raise UsageError(
            f"face measurements need the package {error.name}", "install it: pip install 'emofuse[landmarks]'"
        ) from None
    return onnx, tflite


class _Graph:
    """One network on its way."""

    def __init__(self, onnx: Any, tflite: Any, model: Any) -> None:
        if model.SubgraphsLength() != 1:
            raise ValueError(f"it has {model.SubgraphsLength()} graphs, not one")
        self._onnx, self._tflite, self._model = onnx, tflite, model
        self._graph = model.Subgraphs(0)
        self._operators = {number: name for name, number in vars(tflite.BuiltinOperator).items() if name.isupper()}
        self._constants: dict[int, NDArray[Any]] = {}  # by tensor
        self._initializers: list[Any] = []
        self._nodes: list[Any] = []
        self._known: set[str] = set()

    def convert(self) -> Any:
        """Return the graph in ONNX."""
        graph = self._graph
        for i in range(graph.OperatorsLength()):
            self._convert_operator(graph.Operators(i))
        values = self._onnx.helper.make_tensor_value_info
        float32 = self._onnx.TensorProto.FLOAT
        ends = [
            [values(self._name(i), float32, self._shape(i)) for i in numbers]
            for numbers in (graph.InputsAsNumpy(), graph.OutputsAsNumpy())
        ]
        return self._onnx.helper.make_graph(self._nodes, "converted", *ends, self._initializers)

    def _convert_operator(self, operator: Any) -> None:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        kind = self._operators[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs, outputs = operator.InputsAsNumpy().tolist(), operator.OutputsAsNumpy().tolist()
        if kind in _PLAIN:
            self._activated(
                _PLAIN[kind], [self._value(i) for i in inputs], outputs[0], self._activation(kind, operator)
            )
            return
        convert: Callable[[Any, list[int], list[int]], None] | None = getattr(self, f"_{kind.lower()}", None)
        if convert is None:
            raise ValueError(f"the operator {kind} is not known here")
        convert(operator, inputs, outputs)

    # What stands for the tensors

    def _name(self, tensor: int) -> str:
        return str(self._graph.Tensors(tensor).Name().decode())

    def _shape(self, tensor: int) -> list[int]:
        shape = self._graph.Tensors(tensor).ShapeAsNumpy()
        return [] if isinstance(shape, int) else [int(size) for size in shape]

    def _constant(self, tensor: int) -> NDArray[Any] | None:
        """Return what a tensor holds in the file; None where it is computed."""
        if tensor in self._constants:
            return self._constants[tensor]
        data = self._model.Buffers(self._graph.Tensors(tensor).Buffer()).DataAsNumpy()
        if isinstance(data, int) or len(data) == 0:
            return None
        types = {0: np.float32, 1: np.float16, 2: np.int32}
        values = np.frombuffer(data.tobytes(), types[self._graph.Tensors(tensor).Type()])
        self._constants[tensor] = values.reshape(self._shape(tensor))
        return self._constants[tensor]

    def _needed(self, tensor: int) -> NDArray[Any]:
        values = self._constant(tensor)
        if values is None:
            raise ValueError(f"the tensor {self._name(tensor)} is computed where a constant is needed")
        return values

    def _value(self, tensor: int) -> str:
        """Return the name of a tensor, once it is in the graph."""
        values = self._constant(tensor)
        return self._name(tensor) if values is None else self._initial(self._name(tensor), values)

    def _initial(self, name: str, values: NDArray[Any]) -> str:
        if name not in self._known:
            self._known.add(name)
            self._initializers.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _list(self, name: str, values: Sequence[int]) -> str:
        return self._initial(name, np.array(values, np.int64))

    def _node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    # Options

    def _options(self, kind: Any, operator: Any) -> Any:
        options = kind()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        return options

    def _activation(self, kind: str, operator: Any) -> int:
        with_activation = {"ADD": "AddOptions", "DIV": "DivOptions", "MUL": "MulOptions", "SUB": "SubOptions"}
        if kind not in with_activation or operator.BuiltinOptions() is None:
            return 0
        return int(self._options(getattr(self._tflite, with_activation[kind]), operator).FusedActivationFunction())

    def _activated(self, kind: str, inputs: list[str], output: int, activation: int, **attributes: Any) -> None:
        """Add a node, and the activation that is part of it in TensorFlow Lite."""
        name = self._name(output)
        if activation == 0:
            self._node(kind, inputs, name, **attributes)
            return
        if activation != 1:
            raise ValueError(f"the activation {activation} is not known here")
        self._node("Relu", [self._node(kind, inputs, f"{name}/linear", **attributes)], name)

    # Operators

    def _dequantize(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        self._constants[outputs[0]] = self._needed(inputs[0]).astype(np.float32)

    def _conv_2d(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.Conv2DOptions, operator)
        weights = self._needed(inputs[1]).transpose(0, 3, 1, 2)  # out, height, width, in
        self._convolve(options, inputs, outputs[0], weights, 1)

    def _depthwise_conv_2d(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.DepthwiseConv2DOptions, operator)
        weights = self._needed(inputs[1]).transpose(3, 0, 1, 2)  # 1, height, width, out
        self._convolve(options, inputs, outputs[0], weights, self._shape(inputs[0])[3])

    def _convolve(
        self, options: Any, inputs: list[int], output: int, weights: NDArray[np.float32], groups: int
    ) -> None:
        name = self._name(output)
        first = self._node("Transpose", [self._value(inputs[0])], f"{name}/first", perm=_TO_CHANNELS_FIRST)
        bias = [self._value(i) for i in inputs[2:3] if i >= 0]
        found = self._node(
            "Conv",
            [first, self._initial(f"{name}/weights", weights), *bias],
            f"{name}/convolved",
            group=groups,
            strides=[options.StrideH(), options.StrideW()],
            dilations=[options.DilationHFactor(), options.DilationWFactor()],
            auto_pad=_padding(options.Padding()),
        )
        self._activated("Transpose", [found], output, options.FusedActivationFunction(), perm=_TO_CHANNELS_LAST)

    def _max_pool_2d(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.Pool2DOptions, operator)
        name = self._name(outputs[0])
        first = self._node("Transpose", [self._value(inputs[0])], f"{name}/first", perm=_TO_CHANNELS_FIRST)
        found = self._node(
            "MaxPool",
            [first],
            f"{name}/pooled",
            kernel_shape=[options.FilterHeight(), options.FilterWidth()],
            strides=[options.StrideH(), options.StrideW()],
            auto_pad=_padding(options.Padding()),
        )
        self._activated("Transpose", [found], outputs[0], options.FusedActivationFunction(), perm=_TO_CHANNELS_LAST)

    def _prelu(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        # max(x, 0) + slope * min(x, 0), to the bit; ONNX Runtime's own PRelu takes as long as all convolutions together
        name = self._name(outputs[0])
        value, slope = (self._value(i) for i in inputs)
        above = self._node("Relu", [value], f"{name}/above")
        below = self._node("Sub", [value, above], f"{name}/below")
        self._node("Add", [above, self._node("Mul", [below, slope], f"{name}/scaled")], name)

    def _pad(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        name = self._name(outputs[0])
        around = self._list(f"{name}/around", self._needed(inputs[1]).T.ravel().tolist())  # all before, then all after
        self._node("Pad", [self._value(inputs[0]), around], name)

    def _reshape(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        name = self._name(outputs[0])
        self._node("Reshape", [self._value(inputs[0]), self._list(f"{name}/shape", self._shape(outputs[0]))], name)

    def _transpose(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        order = self._needed(inputs[1]).tolist()
        self._node("Transpose", [self._value(inputs[0])], self._name(outputs[0]), perm=order)

    def _mean(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.ReducerOptions, operator)
        axes = self._needed(inputs[1]).ravel().tolist()
        keepdims = int(options.KeepDims())
        self._node("ReduceMean", [self._value(inputs[0])], self._name(outputs[0]), axes=axes, keepdims=keepdims)

    def _sum(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.ReducerOptions, operator)
        name = self._name(outputs[0])
        axes = self._list(f"{name}/axes", self._needed(inputs[1]).ravel().tolist())
        self._node("ReduceSum", [self._value(inputs[0]), axes], name, keepdims=int(options.KeepDims()))

    def _squared_difference(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        name = self._name(outputs[0])
        difference = self._node("Sub", [self._value(i) for i in inputs], f"{name}/difference")
        self._node("Mul", [difference, difference], name)

    def _rsqrt(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        name = self._name(outputs[0])
        self._node("Reciprocal", [self._node("Sqrt", [self._value(inputs[0])], f"{name}/root")], name)

    def _concatenation(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.ConcatenationOptions, operator)
        values = [self._value(i) for i in inputs]
        self._activated("Concat", values, outputs[0], options.FusedActivationFunction(), axis=options.Axis())

    def _strided_slice(self, operator: Any, inputs: list[int], outputs: list[int]) -> None:
        options = self._options(self._tflite.StridedSliceOptions, operator)
        if options.EllipsisMask() or options.NewAxisMask():
            raise ValueError("a slice with an ellipsis or a new axis is not known here")
        name = self._name(outputs[0])
        begin, end, stride = (self._needed(i).tolist() for i in inputs[1:4])
        shrunk = [i for i in range(len(begin)) if options.ShrinkAxisMask() >> i & 1]
        for i, size in enumerate(self._shape(inputs[0])[: len(begin)]):
            if options.BeginMask() >> i & 1:
                begin[i] = 0
            if options.EndMask() >> i & 1:
                end[i] = size
            if i in shrunk:
                end[i] = begin[i] + 1
        parts = [
            self._list(f"{name}/{what}", values)
            for what, values in (("begin", begin), ("end", end), ("axes", range(len(begin))), ("stride", stride))
        ]
        sliced = self._node("Slice", [self._value(inputs[0]), *parts], f"{name}/sliced" if shrunk else name)
        if shrunk:
            self._node("Squeeze", [sliced, self._list(f"{name}/shrunk", shrunk)], name)


def _padding(kind: int) -> str:
    return "SAME_UPPER" if kind == 0 else "VALID"
