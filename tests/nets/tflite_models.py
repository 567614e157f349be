"""A small writer of .tflite files: the tests' own source of models that the importer has never seen."""

from dataclasses import dataclass, field

import flatbuffers
import numpy as np
import tflite
from numpy.typing import NDArray

ALL_TYPES = {
    "UINT8": tflite.TensorType.UINT8,
    "INT8": tflite.TensorType.INT8,
    "INT16": tflite.TensorType.INT16,
    "INT32": tflite.TensorType.INT32,
    "INT64": tflite.TensorType.INT64,
    "FLOAT32": tflite.TensorType.FLOAT32,
    "BOOL": tflite.TensorType.BOOL,
}
NUMPY_TYPES = {
    "BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "FLOAT32": np.float32,
}  # fmt: skip


@dataclass
class TensorPlan:
    name: str
    shape: tuple[int, ...]
    type_name: str
    scales: list[float]
    zero_points: list[int]
    axis: int
    data: bytes | None
    variable: bool = False


@dataclass
class OperatorPlan:
    code: int
    inputs: list[int]
    outputs: list[int]
    options: str | None
    values: dict[str, int | list[int]]
    intermediates: list[int] = field(default_factory=list)


@dataclass
class ModelWriter:
    """Collects tensors and operators; ``content`` writes the file, with operator codes in one or both of two fields."""

    tensors: list[TensorPlan] = field(default_factory=list)
    operators: list[OperatorPlan] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    deprecated_codes: bool = True
    later_codes: bool = True

    def activation(self, shape: tuple[int, ...], scale: float, zero_point: int, type_name: str = "INT8") -> int:
        scales, zeros = ([scale], [zero_point]) if type_name != "FLOAT32" else ([], [])
        self.tensors.append(TensorPlan(f"t{len(self.tensors)}", shape, type_name, scales, zeros, 0, None))
        return len(self.tensors) - 1

    def integers(self, shape: tuple[int, ...]) -> int:
        """An int32 tensor that an operator makes."""
        self.tensors.append(TensorPlan(f"i{len(self.tensors)}", shape, "INT32", [], [], 0, None))
        return len(self.tensors) - 1

    def state(self, shape: tuple[int, ...], scale: float, zero_point: int, type_name: str) -> int:
        """A variable tensor."""
        index = self.activation(shape, scale, zero_point, type_name)
        self.tensors[index].variable = True
        return index

    def constant(self, values: NDArray, type_name: str, scales: list[float] | None = None, axis: int = 0) -> int:
        data = np.array(values, dtype=NUMPY_TYPES[type_name], order="C")  # keeps scalars
        zeros = [0] * len(scales or [])
        plan = TensorPlan(f"c{len(self.tensors)}", data.shape, type_name, scales or [], zeros, axis, data.tobytes())
        self.tensors.append(plan)
        return len(self.tensors) - 1

    def operator(
        self, kind: str, inputs: list[int], outputs: list[int], options: str | None = None, **values: int | list[int]
    ) -> None:
        code = getattr(tflite.BuiltinOperator, kind)
        self.operators.append(OperatorPlan(code, inputs, outputs, options, values))

    def content(self) -> bytes:
        builder = flatbuffers.Builder(1024)
        codes = sorted({operator.code for operator in self.operators})
        buffers = [_buffer(builder, None), *(_buffer(builder, plan.data) for plan in self.tensors)]
        tensors = [_tensor(builder, plan, at + 1) for at, plan in enumerate(self.tensors)]
        operators = [_operator(builder, plan, codes.index(plan.code)) for plan in self.operators]
        graph = _graph(builder, self, tensors, operators)
        return _model(builder, [_code(builder, self, code) for code in codes], graph, buffers)


def _vector(builder: flatbuffers.Builder, values: list, itemsize: int, prepend: str) -> int:
    builder.StartVector(itemsize, len(values), itemsize)
    for value in reversed(values):
        getattr(builder, prepend)(value)
    return builder.EndVector()


def _offsets(builder: flatbuffers.Builder, values: list[int]) -> int:
    return _vector(builder, values, 4, "PrependUOffsetTRelative")


def _int32s(builder: flatbuffers.Builder, values: list[int] | tuple[int, ...]) -> int:
    return _vector(builder, list(values), 4, "PrependInt32")


def _buffer(builder: flatbuffers.Builder, data: bytes | None) -> int:
    vector = None
    if data is not None:
        builder.StartVector(1, len(data), 16)
        builder.head = builder.head - len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
    tflite.BufferStart(builder)
    if vector is not None:
        tflite.BufferAddData(builder, vector)
    return tflite.BufferEnd(builder)


def _tensor(builder: flatbuffers.Builder, plan: TensorPlan, buffer: int) -> int:
    name = builder.CreateString(plan.name)
    shape = _int32s(builder, plan.shape)
    quantization = _quantization(builder, plan) if plan.scales else None
    tflite.TensorStart(builder)
    tflite.TensorAddName(builder, name)
    tflite.TensorAddShape(builder, shape)
    tflite.TensorAddType(builder, ALL_TYPES[plan.type_name])
    tflite.TensorAddBuffer(builder, buffer)
    if plan.variable:
        tflite.TensorAddIsVariable(builder, True)
    if quantization is not None:
        tflite.TensorAddQuantization(builder, quantization)
    return tflite.TensorEnd(builder)


def _quantization(builder: flatbuffers.Builder, plan: TensorPlan) -> int:
    scales = _vector(builder, plan.scales, 4, "PrependFloat32")
    zeros = _vector(builder, plan.zero_points, 8, "PrependInt64")
    tflite.QuantizationParametersStart(builder)
    tflite.QuantizationParametersAddScale(builder, scales)
    tflite.QuantizationParametersAddZeroPoint(builder, zeros)
    tflite.QuantizationParametersAddQuantizedDimension(builder, plan.axis)
    return tflite.QuantizationParametersEnd(builder)


def _operator(builder: flatbuffers.Builder, plan: OperatorPlan, code: int) -> int:
    options = None
    if plan.options is not None:
        values = {k: _int32s(builder, v) if isinstance(v, list) else v for k, v in plan.values.items()}
        getattr(tflite, f"{plan.options}Start")(builder)
        for key, value in values.items():
            getattr(tflite, f"{plan.options}Add{key}")(builder, value)
        options = getattr(tflite, f"{plan.options}End")(builder)
    inputs, outputs = _int32s(builder, plan.inputs), _int32s(builder, plan.outputs)
    intermediates = _int32s(builder, plan.intermediates) if plan.intermediates else None
    tflite.OperatorStart(builder)
    tflite.OperatorAddOpcodeIndex(builder, code)
    tflite.OperatorAddInputs(builder, inputs)
    tflite.OperatorAddOutputs(builder, outputs)
    if intermediates is not None:
        tflite.OperatorAddIntermediates(builder, intermediates)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, plan.options))
        tflite.OperatorAddBuiltinOptions(builder, options)
    return tflite.OperatorEnd(builder)


def _graph(builder: flatbuffers.Builder, writer: ModelWriter, tensors: list[int], operators: list[int]) -> int:
    vectors = (
        _offsets(builder, tensors),
        _int32s(builder, writer.inputs),
        _int32s(builder, writer.outputs),
        _offsets(builder, operators),
    )
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, vectors[0])
    tflite.SubGraphAddInputs(builder, vectors[1])
    tflite.SubGraphAddOutputs(builder, vectors[2])
    tflite.SubGraphAddOperators(builder, vectors[3])
    return tflite.SubGraphEnd(builder)


def _code(builder: flatbuffers.Builder, writer: ModelWriter, code: int) -> int:
    tflite.OperatorCodeStart(builder)
    if writer.deprecated_codes:
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
    if writer.later_codes:
        tflite.OperatorCodeAddBuiltinCode(builder, code)
    tflite.OperatorCodeAddVersion(builder, VERSIONS.get(code, 1))
    return tflite.OperatorCodeEnd(builder)


# The first operator version that takes int8.
VERSIONS = {
    tflite.BuiltinOperator.CONV_2D: 3,
    tflite.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    tflite.BuiltinOperator.FULLY_CONNECTED: 4,
    tflite.BuiltinOperator.TRANSPOSE_CONV: 3,
    tflite.BuiltinOperator.BATCH_MATMUL: 2,
    tflite.BuiltinOperator.SQUARED_DIFFERENCE: 2,
    **dict.fromkeys(
        (
            tflite.BuiltinOperator.ADD,
            tflite.BuiltinOperator.SUB,
            tflite.BuiltinOperator.MUL,
            tflite.BuiltinOperator.MEAN,
            tflite.BuiltinOperator.PAD,
            tflite.BuiltinOperator.CONCATENATION,
            tflite.BuiltinOperator.MAX_POOL_2D,
            tflite.BuiltinOperator.AVERAGE_POOL_2D,
            tflite.BuiltinOperator.TRANSPOSE,
            tflite.BuiltinOperator.QUANTIZE,
            tflite.BuiltinOperator.RELU,
            tflite.BuiltinOperator.RELU6,
            tflite.BuiltinOperator.DEQUANTIZE,
            tflite.BuiltinOperator.SOFTMAX,
            tflite.BuiltinOperator.LOGISTIC,
            tflite.BuiltinOperator.TANH,
            tflite.BuiltinOperator.SLICE,
            tflite.BuiltinOperator.STRIDED_SLICE,
            tflite.BuiltinOperator.GATHER,
            tflite.BuiltinOperator.TILE,
            tflite.BuiltinOperator.SPACE_TO_DEPTH,
            tflite.BuiltinOperator.RESIZE_NEAREST_NEIGHBOR,
            tflite.BuiltinOperator.RESIZE_BILINEAR,
            tflite.BuiltinOperator.MINIMUM,
            tflite.BuiltinOperator.MAXIMUM,
            tflite.BuiltinOperator.LEAKY_RELU,
            tflite.BuiltinOperator.PACK,
            tflite.BuiltinOperator.SPACE_TO_BATCH_ND,
            tflite.BuiltinOperator.BATCH_TO_SPACE_ND,
            tflite.BuiltinOperator.PADV2,
            tflite.BuiltinOperator.MIRROR_PAD,
            tflite.BuiltinOperator.BROADCAST_TO,
            tflite.BuiltinOperator.REDUCE_MAX,
            tflite.BuiltinOperator.REDUCE_MIN,
            tflite.BuiltinOperator.SPLIT,
            tflite.BuiltinOperator.SPLIT_V,
            tflite.BuiltinOperator.SUM,
            tflite.BuiltinOperator.UNPACK,
        ),
        2,
    ),
    tflite.BuiltinOperator.SVDF: 3,
    tflite.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: 2,
}


def _model(builder: flatbuffers.Builder, codes: list[int], graph: int, buffers: list[int]) -> bytes:
    operator_codes = _offsets(builder, codes)
    graphs, all_buffers = _offsets(builder, [graph]), _offsets(builder, buffers)
    description = builder.CreateString("written by a test")
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, operator_codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddDescription(builder, description)
    tflite.ModelAddBuffers(builder, all_buffers)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
