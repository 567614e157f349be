"""A .tflite file as tensors and operators, and its bytes.

Format: the TFLite schema, version 3, as generated in the ``tflite`` package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

from nets.errors import NetworkError
from nets.importers import IDENTIFIER
from nets.network import FloatArray

AnyArray = npt.NDArray[np.generic]
Option = int | float | bool

_SCHEMA_VERSION = 3
_ALIGNMENT = 16  # bytes, of a constant's first one
_LAST_OLD_CODE = 127  # of the one-byte field of operator codes
_BYTES_MAX = 2**31 - 2**20  # offsets in a flatbuffer are signed and of 32 bits; the rest is for its tables
_NO_SCALES = np.empty(0)
_TYPES = {np.dtype(np.int8): tflite.TensorType.INT8, np.dtype(np.int32): tflite.TensorType.INT32}
# The first version of each operator that takes int8 with all of its options (TFLite's op_version.cc).
_INT8_VERSIONS = {
    **dict.fromkeys(("DEPTH_TO_SPACE", "ELU", "HARD_SWISH", "PRELU", "RESHAPE"), 1),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "RESIZE_BILINEAR"), 3),
    "TRANSPOSE_CONV": 4,
    "FULLY_CONNECTED": 5,
}
_OTHER_INT8_VERSION = 2


@dataclass(frozen=True, eq=False)
class FileTensor:
    """A tensor of the file.

    Attributes:
        shape: sizes with the batch.
        dtype: int8 or int32.
        scales: float64, as many as there are channels, one, or none.
        zero_point: of every scale.
        axis: the dimension of per-channel scales.
        data: a constant's values; None of an activation.
    """

    name: str
    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    scales: FloatArray = field(default_factory=lambda: _NO_SCALES)
    zero_point: int = 0
    axis: int = 0
    data: AnyArray | None = None


@dataclass(frozen=True, eq=False)
class FileOperator:
    """An operator of the file.

    Attributes:
        kind: the schema's name, such as ``CONV_2D``.
        options: the schema's table of options, such as ``Conv2DOptions``; empty if it has none.
        values: the options' fields by the schema's names, such as ``StrideH``.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    options: str = ""
    values: Mapping[str, Option] = field(default_factory=dict)


@dataclass(slots=True)
class ModelFile:
    """The main graph of a file; ``inputs`` and ``outputs`` are indices of its tensors."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: list[FileTensor] = field(default_factory=list)
    operators: list[FileOperator] = field(default_factory=list)

    def add(self, tensor: FileTensor) -> int:
        """Adds a tensor and returns its index."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name: str, values: AnyArray) -> int:
        """Adds a constant without quantization and returns its index."""
        return self.add(FileTensor(name, values.shape, values.dtype, data=values))

    def content(self) -> bytes:
        """Returns the file's bytes.

        Raises:
            NetworkError: the constants are larger than a flatbuffer may be.
        """
        size = sum(tensor.data.nbytes for tensor in self.tensors if tensor.data is not None)
        if size > _BYTES_MAX:
            raise NetworkError(f"constants of {size} bytes do not fit a .tflite file; it has at most {_BYTES_MAX}")
        builder = flatbuffers.Builder(size + 1024)
        kinds = sorted({operator.kind for operator in self.operators})
        # Buffer 0 is empty by convention: activations refer to it.
        constants = [tensor.data for tensor in self.tensors if tensor.data is not None]
        buffers = [_buffer(builder, None), *(_buffer(builder, data) for data in constants)]
        tensors = _tensors(builder, self.tensors)
        operators = [_operator(builder, operator, kinds.index(operator.kind)) for operator in self.operators]
        graph = _graph(builder, self, tensors, operators)
        _finish(builder, [_code(builder, kind) for kind in kinds], graph, buffers)
        return bytes(builder.Output())


def _vector(builder: flatbuffers.Builder, values: Sequence[int], prepend: str) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        getattr(builder, prepend)(value)
    return int(builder.EndVector())


def _offsets(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return _vector(builder, values, "PrependUOffsetTRelative")


def _integers(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return _vector(builder, values, "PrependInt32")


def _buffer(builder: flatbuffers.Builder, data: AnyArray | None) -> int:
    vector = None
    if data is not None:
        content = np.ascontiguousarray(data, data.dtype.newbyteorder("<")).tobytes()
        builder.StartVector(1, len(content), _ALIGNMENT)
        builder.head = builder.head - len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if vector is not None:
        tflite.BufferAddData(builder, vector)
    return int(tflite.BufferEnd(builder))


def _tensors(builder: flatbuffers.Builder, tensors: Sequence[FileTensor]) -> list[int]:
    places, buffers = [], 1
    for tensor in tensors:
        places.append(_tensor(builder, tensor, 0 if tensor.data is None else buffers))
        buffers += tensor.data is not None
    return places


def _tensor(builder: flatbuffers.Builder, tensor: FileTensor, buffer: int) -> int:
    name, shape = builder.CreateString(tensor.name), _integers(builder, tensor.shape)
    quantization = _quantization(builder, tensor) if tensor.scales.size else None
    tflite.TensorStart(builder)
    tflite.TensorAddName(builder, name)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, _TYPES[np.dtype(tensor.dtype)])
    tflite.TensorAddBuffer(builder, buffer)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    return int(tflite.TensorEnd(builder))


def _quantization(builder: flatbuffers.Builder, tensor: FileTensor) -> int:
    scales = builder.CreateNumpyVector(tensor.scales.astype(np.float32))
    zeros = builder.CreateNumpyVector(np.full(tensor.scales.size, tensor.zero_point, np.int64))
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scales)
    tflite.QuantizationParametersAddZeroPoint(builder, zeros)
    tflite.QuantizationParametersAddQuantizedDimension(builder, tensor.axis)
    return int(tflite.QuantizationParametersEnd(builder))


def _operator(builder: flatbuffers.Builder, operator: FileOperator, code: int) -> int:
    options = _options(builder, operator) if operator.options else None
    inputs, outputs = _integers(builder, operator.inputs), _integers(builder, (operator.output,))
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, operator.options))
        tflite.OperatorAddBuiltinOptions(builder, options)
    return int(tflite.OperatorEnd(builder))


def _options(builder: flatbuffers.Builder, operator: FileOperator) -> int:
    getattr(tflite, f"{operator.options}Start")(builder)
    for name, value in operator.values.items():
        getattr(tflite, f"{operator.options}Add{name}")(builder, value)
    return int(getattr(tflite, f"{operator.options}End")(builder))


def _graph(builder: flatbuffers.Builder, file: ModelFile, tensors: list[int], operators: list[int]) -> int:
    vectors: tuple[Any, ...] = (
        _offsets(builder, tensors),
        _integers(builder, file.inputs),
        _integers(builder, file.outputs),
        _offsets(builder, operators),
    )
    name = builder.CreateString("main")
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, vectors[0])
    tflite.SubGraphAddInputs(builder, vectors[1])
    tflite.SubGraphAddOutputs(builder, vectors[2])
    tflite.SubGraphAddOperators(builder, vectors[3])
    tflite.SubGraphAddName(builder, name)
    return int(tflite.SubGraphEnd(builder))


def _code(builder: flatbuffers.Builder, kind: str) -> int:
    code = getattr(tflite.BuiltinOperator, kind)
    tflite.OperatorCodeStart(builder)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, _LAST_OLD_CODE))
    tflite.OperatorCodeAddBuiltinCode(builder, code)
    tflite.OperatorCodeAddVersion(builder, _INT8_VERSIONS.get(kind, _OTHER_INT8_VERSION))
    return int(tflite.OperatorCodeEnd(builder))


def _finish(builder: flatbuffers.Builder, codes: list[int], graph: int, buffers: list[int]) -> None:
    vectors = (_offsets(builder, codes), _offsets(builder, [graph]), _offsets(builder, buffers))
    description = builder.CreateString("rescale-dse")
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, _SCHEMA_VERSION)
    tflite.ModelAddOperatorCodes(builder, vectors[0])
    tflite.ModelAddSubgraphs(builder, vectors[1])
    tflite.ModelAddDescription(builder, description)
    tflite.ModelAddBuffers(builder, vectors[2])
    builder.Finish(tflite.ModelEnd(builder), file_identifier=IDENTIFIER)
