"""MediaPipe's networks from TFLite to ONNX: as much of both formats as those files use.

No TensorFlow is needed. Half-precision and sparse weights become float32; pictures go from
height-width-channels to channels-height-width once, at the input, so that ONNX Runtime finds no
transposition inside; only what the wished outputs need is kept. What the files do not use is
refused with UnknownOperator and never guessed.

Formats: tensorflow/lite/schema/schema.fbs (sparse tensors: `SparsityParameters`), and ONNX's
operators of set 17.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_OPSET: Final = 17
_IR_VERSION: Final = 8

Shape = tuple[int, ...]
Array = NDArray[Any]


class UnknownOperator(Exception):
    """The file does something that the converter does not know."""


def to_onnx(tflite_file: bytes, outputs: Sequence[str], name: str) -> bytes:
    """An ONNX file with the input `picture`, [1, channels, height, width] as float32.

    `outputs` names what is kept, as {its name in the file: its new name} in order of mention:
    "Identity=landmarks". Outputs that are pictures come as [1, channels, height, width], others
    as they are in the file. Raises UnknownOperator.
    """
    return _Conversion(tflite_file).run(outputs, name)


class _Conversion:
    """One file. Tensors are known by their index in the file; their ONNX name is `t<index>`."""

    def __init__(self, data: bytes) -> None:
        import tflite

        self._model = tflite.Model.GetRootAsModel(data, 0)
        self._graph = self._model.Subgraphs(0)
        if self._model.SubgraphsLength() != 1 or self._graph.InputsLength() != 1:
            raise UnknownOperator("It has more than one graph or input.")
        self._kinds = {
            number: kind
            for kind, number in vars(tflite.BuiltinOperator).items()
            if isinstance(number, int)
        }
        self._operators = [
            self._graph.Operators(index) for index in range(self._graph.OperatorsLength())
        ]
        self._constants: dict[int, Array] = {}
        self._nodes: list[Any] = []
        self._initializers: dict[str, Array] = {}
        self._padded: dict[int, tuple[int, Shape]] = {}
        """Tensors that are another one with a border of zeros, which their convolution adds."""

    def run(self, outputs: Sequence[str], name: str) -> bytes:
        from onnx import TensorProto, helper, numpy_helper

        (picture,) = (int(index) for index in self._graph.InputsAsNumpy())
        for operator in self._operators:
            self._convert(operator)
        made = {
            self._name_in_file(int(index)): int(index) for index in self._graph.OutputsAsNumpy()
        }
        told = []
        for wish in outputs:
            theirs, ours = wish.split("=")
            shape = _channels_first(self._shape(made[theirs]))
            self._add("Identity", [_tensor(made[theirs])], ours)
            told.append(helper.make_tensor_value_info(ours, TensorProto.FLOAT, shape))
        nodes = _needed(self._nodes, [info.name for info in told])
        read = {tensor for node in nodes for tensor in node.input}
        for node in nodes:
            node.input[:] = ["picture" if i == _tensor(picture) else i for i in node.input]
        graph = helper.make_graph(
            nodes,
            name,
            [
                helper.make_tensor_value_info(
                    "picture", TensorProto.FLOAT, _channels_first(self._shape(picture))
                )
            ],
            told,
            [
                numpy_helper.from_array(array, known)
                for known, array in self._initializers.items()
                if known in read
            ],
        )
        model = helper.make_model(
            graph,
            producer_name="backbeat",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        return bytes(model.SerializeToString(deterministic=True))

    def _convert(self, operator: Any) -> None:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        kind = self._kinds[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        known: dict[str, Callable[[Any, list[int], int], None]] = {
            "DEQUANTIZE": self._dequantize,
            "DENSIFY": self._densify,
            "PAD": self._pad,
            "CONV_2D": self._convolution,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "ADD": self._sum,
            "MAX_POOL_2D": self._max_pool,
            "RESIZE_BILINEAR": self._resize,
            "DEPTH_TO_SPACE": self._depth_to_space,
            "RESHAPE": self._reshape,
            "CONCATENATION": self._concatenate,
            "LOGISTIC": self._logistic,
        }
        if kind not in known or operator.OutputsLength() != 1:
            raise UnknownOperator(kind)
        inputs = [int(index) for index in operator.InputsAsNumpy()]
        known[kind](operator, inputs, int(operator.Outputs(0)))

    # What the file stores.

    def _name_in_file(self, index: int) -> str:
        return str(self._graph.Tensors(index).Name().decode())

    def _shape(self, index: int) -> Shape:
        return tuple(int(n) for n in self._graph.Tensors(index).ShapeAsNumpy())

    def _stored(self, index: int) -> Array | None:
        """The flat values of a constant tensor; None of a computed one."""
        import tflite

        tensor = self._graph.Tensors(index)
        raw = self._model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(raw, int):
            return None
        types = {
            tflite.TensorType.FLOAT32: np.float32,
            tflite.TensorType.FLOAT16: np.float16,
            tflite.TensorType.INT32: np.int32,
        }
        if tensor.Type() not in types:
            raise UnknownOperator(f"values of type {tensor.Type()}")
        return np.frombuffer(raw.tobytes(), types[tensor.Type()])

    def _constant(self, index: int) -> Array:
        if index not in self._constants:
            stored = self._stored(index)
            if stored is None:
                raise UnknownOperator("computed weights")
            self._constants[index] = stored.reshape(self._shape(index))
        return self._constants[index]

    def _dequantize(self, _operator: Any, inputs: list[int], output: int) -> None:
        self._constants[output] = self._constant(inputs[0]).astype(np.float32)

    def _densify(self, _operator: Any, inputs: list[int], output: int) -> None:
        stored = self._stored(inputs[0])
        if stored is None:
            raise UnknownOperator("computed weights")
        self._constants[output] = _dense(
            stored, self._shape(inputs[0]), self._graph.Tensors(inputs[0]).Sparsity()
        )

    # What it computes.

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        from onnx import helper

        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def _keep(self, name: str, array: Array) -> str:
        self._initializers[name] = np.ascontiguousarray(array)
        return name

    def _activated(
        self, function: int, output: int, kind: str, inputs: list[str], **how: Any
    ) -> None:
        """A node and the activation that TFLite fuses with it."""
        import tflite

        known = tflite.ActivationFunctionType
        name = _tensor(output)
        if function == known.NONE:
            self._add(kind, inputs, name, **how)
            return
        self._add(kind, inputs, f"{name}_raw", **how)
        if function == known.RELU:
            self._add("Relu", [f"{name}_raw"], name)
        elif function == known.RELU6:
            least = self._keep("zero", np.array(0, np.float32))
            most = self._keep("six", np.array(6, np.float32))
            self._add("Clip", [f"{name}_raw", least, most], name)
        else:
            raise UnknownOperator(f"activation {function}")

    def _pad(self, _operator: Any, inputs: list[int], output: int) -> None:
        borders = self._constant(inputs[1])
        if borders[0].any() or borders[3].any():
            raise UnknownOperator("PAD that no convolution can do")
        (top, bottom), (left, right) = borders[1].tolist(), borders[2].tolist()
        self._padded[output] = (inputs[0], (top, left, bottom, right))

    def _convolution(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        weights = self._constant(inputs[1]).transpose(0, 3, 1, 2)
        self._convolve(operator, tflite.Conv2DOptions(), inputs, output, weights, groups=1)

    def _depthwise(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        weights = self._constant(inputs[1]).transpose(3, 0, 1, 2)
        self._convolve(
            operator,
            tflite.DepthwiseConv2DOptions(),
            inputs,
            output,
            weights,
            groups=self._shape(inputs[0])[3],
        )

    def _convolve(
        self,
        operator: Any,
        options: Any,
        inputs: list[int],
        output: int,
        weights: Array,
        groups: int,
    ) -> None:
        _read(options, operator)
        picture, pads = self._window(options, inputs[0], output, weights.shape[2:])
        strides = [options.StrideH(), options.StrideW()]
        if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
            raise UnknownOperator("dilated convolution")
        name = _tensor(output)
        self._activated(
            options.FusedActivationFunction(),
            output,
            "Conv",
            [
                _tensor(picture),
                self._keep(f"{name}_weights", weights),
                self._keep(f"{name}_bias", self._constant(inputs[2])),
            ],
            strides=strides,
            pads=pads,
            group=groups,
            kernel_shape=weights.shape[2:],
        )

    def _window(
        self, options: Any, source: int, output: int, kernel: Sequence[int]
    ) -> tuple[int, list[int]]:
        """The tensor that is read, and the border around it: top, left, bottom, right."""
        import tflite

        if options.Padding() == tflite.Padding.VALID:
            picture, border = self._padded.get(source, (source, (0, 0, 0, 0)))
            return picture, list(border)
        if source in self._padded:
            raise UnknownOperator("a border around a border")
        before, after = [], []
        strides = (options.StrideH(), options.StrideW())
        for axis, stride, size in zip((1, 2), strides, kernel, strict=True):
            missing = (self._shape(output)[axis] - 1) * stride + size - self._shape(source)[axis]
            # TensorFlow's SAME puts the odd row at the end.
            before.append(max(missing, 0) // 2)
            after.append(max(missing, 0) - max(missing, 0) // 2)
        return source, before + after

    def _sum(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        options = _read(tflite.AddOptions(), operator)
        if len({self._shape(index) for index in (*inputs, output)}) != 1:
            raise UnknownOperator("ADD of different shapes")
        names = [_tensor(index) for index in inputs]
        self._activated(options.FusedActivationFunction(), output, "Add", names)

    def _max_pool(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        options = _read(tflite.Pool2DOptions(), operator)
        kernel = [options.FilterHeight(), options.FilterWidth()]
        picture, pads = self._window(options, inputs[0], output, kernel)
        if any(pads):
            raise UnknownOperator("MAX_POOL_2D with a border")
        self._activated(
            options.FusedActivationFunction(),
            output,
            "MaxPool",
            [_tensor(picture)],
            kernel_shape=kernel,
            strides=[options.StrideH(), options.StrideW()],
        )

    def _resize(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        options = _read(tflite.ResizeBilinearOptions(), operator)
        if options.AlignCorners():
            mode = "align_corners"
        else:
            mode = "half_pixel" if options.HalfPixelCenters() else "asymmetric"
        before, after = self._shape(inputs[0]), self._shape(output)
        scales = np.array([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
        name = _tensor(output)
        self._add(
            "Resize",
            [_tensor(inputs[0]), "", self._keep(f"{name}_scales", scales)],
            name,
            mode="linear",
            coordinate_transformation_mode=mode,
        )

    def _depth_to_space(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        size = _read(tflite.DepthToSpaceOptions(), operator).BlockSize()
        self._add("DepthToSpace", [_tensor(inputs[0])], _tensor(output), blocksize=size, mode="DCR")

    def _reshape(self, _operator: Any, inputs: list[int], output: int) -> None:
        name, source, shape = _tensor(output), _tensor(inputs[0]), self._shape(output)
        if len(shape) == 4 or len(self._shape(inputs[0])) != 4:
            raise UnknownOperator("RESHAPE of what is no picture, or to one")
        self._add("Transpose", [source], f"{name}_raw", perm=[0, 2, 3, 1])
        wanted = self._keep(f"{name}_shape", np.array(shape, np.int64))
        self._add("Reshape", [f"{name}_raw", wanted], name)

    def _concatenate(self, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        options = _read(tflite.ConcatenationOptions(), operator)
        if len(self._shape(output)) == 4:
            raise UnknownOperator("CONCATENATION of pictures")
        self._activated(
            options.FusedActivationFunction(),
            output,
            "Concat",
            [_tensor(index) for index in inputs],
            axis=options.Axis(),
        )

    def _logistic(self, _operator: Any, inputs: list[int], output: int) -> None:
        self._add("Sigmoid", [_tensor(inputs[0])], _tensor(output))


def _tensor(index: int) -> str:
    return f"t{index}"


def _channels_first(shape: Shape) -> Shape:
    if len(shape) != 4:
        return shape
    batch, height, width, channels = shape
    return (batch, channels, height, width)


def _read(options: Any, operator: Any) -> Any:
    """Fill an options table of the schema from its operator."""
    table = operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _needed(nodes: list[Any], outputs: list[str]) -> list[Any]:
    """Of nodes in order of computation those that the outputs depend on."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input)
            kept.append(node)
    return kept[::-1]


def _dense(values: Array, shape: Shape, sparsity: Any) -> Array:
    """A sparse tensor in full, zeros between.

    Its dimensions are stored in `traversal order`, those of blocks after those of the tensor, each
    either in full or as the places of what is there (compressed rows), like TACO's.
    """
    import tflite

    order = [int(axis) for axis in sparsity.TraversalOrderAsNumpy()]
    blocks = [int(axis) for axis in sparsity.BlockMapAsNumpy()] if sparsity.BlockMapLength() else []
    levels = [sparsity.DimMetadata(level) for level in range(sparsity.DimMetadataLength())]
    rank = len(shape)

    # One row of places per stored value so far, one column per level.
    places = np.zeros((1, 0), np.int64)
    rows = np.zeros(1, np.int64)
    sizes = {}
    for level, axis in zip(levels, order, strict=True):
        if level.Format() == tflite.DimensionType.DENSE:
            size = level.DenseSize()
            counts = np.full(len(rows), size)
            here = np.tile(np.arange(size), len(rows))
            rows = (rows[:, np.newaxis] * size + np.arange(size)).ravel()
        else:
            segments = _indices(level.ArraySegmentsType(), level.ArraySegments())
            stored = _indices(level.ArrayIndicesType(), level.ArrayIndices())
            counts = np.diff(segments)[rows]
            rows = np.concatenate([np.arange(segments[row], segments[row + 1]) for row in rows])
            here = stored[rows]
        if axis >= rank:
            sizes[axis - rank] = level.DenseSize()
        places = np.column_stack([np.repeat(places, counts, axis=0), here])
    found = dict(zip(order, places.T, strict=True))
    index = [found[axis] for axis in range(rank)]
    for block, axis in enumerate(blocks):
        index[axis] = index[axis] * sizes[block] + found[rank + block]
    full = np.zeros(shape, values.dtype)
    full[tuple(index)] = values[rows]
    return full


def _indices(kind: int, table: Any) -> NDArray[np.int64]:
    import tflite

    vectors = {
        tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
        tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
        tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
    }
    vector = vectors[kind]()
    vector.Init(table.Bytes, table.Pos)
    return np.asarray(vector.ValuesAsNumpy(), np.int64)
