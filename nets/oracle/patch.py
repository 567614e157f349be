"""Patching of a network's integers and scales into the file that it was imported from; the structure stays."""

import struct
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import tflite

from nets.errors import NetworkError
from nets.importers import (
    CLAMPS,
    FROM_BATCH,
    OUTPUT_STATE,
    TO_BATCH,
    RawGraph,
    RawOperator,
    activation_range,
    clamp_range,
    operator_index,
    read_graph,
    weighted_inputs,
)
from nets.network import (
    ACTIVATED_SCALE,
    Convolution,
    FilledPad,
    FloatArray,
    LstmRecurrence,
    Operator,
    Pool,
    QuantizedNetwork,
    Requantize,
    RescaledOperator,
    TensorSpec,
    TransposedConvolution,
    Weighted,
)
from nets.oracle.annotate import annotated
from nets.oracle.litert import strange_axes
from nets.oracle.rewriting import NewBias, rewritten
from nets.writers import runtime_weight_scale

_UINT8_OFFSET = 128
_AXIS_FIELD = 16  # place of the quantized dimension in its table, by the schema of .tflite
# Places of fused activations in the tables of options, by the schema of .tflite.
_ACTIVATION_FIELDS = {
    "ADD": 4,
    "AVERAGE_POOL_2D": 14,
    "CONV_2D": 10,
    "DEPTHWISE_CONV_2D": 12,
    "FULLY_CONNECTED": 4,
    "MAX_POOL_2D": 14,
    "MUL": 4,
    "SUB": 4,
    "TRANSPOSE_CONV": 10,
}
_ACTIVATIONS = (  # with bounds; the first that gives a design's is taken
    tflite.ActivationFunctionType.RELU,
    tflite.ActivationFunctionType.NONE,
    tflite.ActivationFunctionType.RELU6,
    tflite.ActivationFunctionType.RELU_N1_TO_1,
)

INT32_BITS = 32

AnyArray = npt.NDArray[np.generic]


@dataclass(slots=True)
class _Patcher:
    """Writes into views of a file's vectors; one place is written once, or twice with the same values."""

    content: bytearray
    graph: RawGraph
    written: dict[int, bytes] = field(default_factory=dict)

    def _table(self, index: int) -> object:
        return tflite.Model.GetRootAs(self.content, 0).Subgraphs(0).Tensors(index)

    def offset(self, index: int) -> int:
        """Returns what a tensor's integers in the file are more than those of the network: 128 of uint8."""
        return _UINT8_OFFSET if self.graph.tensors[index].type_name == "UINT8" else 0

    def data(self, index: int, values: AnyArray, what: str) -> None:
        """Replaces a constant's bytes."""
        if self.offset(index):
            values = (values.astype(np.int64) + self.offset(index)).astype(np.uint8)
        buffer = tflite.Model.GetRootAs(self.content, 0).Buffers(self._table(index).Buffer())  # type: ignore[attr-defined]
        view = buffer.DataAsNumpy()
        self._write(view, np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8), what)

    def quantization(self, index: int, scales: FloatArray, zero_point: int | None, what: str) -> None:
        """Replaces a tensor's scales and, if it is not None, its only zero point."""
        table = self._table(index).Quantization()  # type: ignore[attr-defined]
        self._write(table.ScaleAsNumpy(), scales.astype(np.float32), what)
        if zero_point is None:
            return
        zero_point += self.offset(index)
        if table.ZeroPointLength() == 1:
            self._write(table.ZeroPointAsNumpy(), np.array([zero_point], np.int64), what)
        elif zero_point != 0:
            raise NetworkError(f"{what}: the file has no place for zero point {zero_point}")

    def axis(self, index: int) -> None:
        """Makes the quantized dimension of a tensor its first one."""
        table = self._table(index).Quantization()._tab  # type: ignore[attr-defined]  # noqa: SLF001 -- places of fields
        if field := table.Offset(_AXIS_FIELD):
            struct.pack_into("<i", self.content, table.Pos + field, 0)

    def activation(self, raw: RawOperator, bounds: tuple[int, int], result: TensorSpec) -> None:
        """Gives an operator the fused activation that has these bounds, if it has another one and there is one."""
        if raw.table is None or (slot := _ACTIVATION_FIELDS.get(raw.kind)) is None:
            return
        if not (field := raw.table.Offset(slot)):
            return  # no activation, the default, is not stored
        place = raw.table.Pos + field
        for activation in (self.content[place], *_ACTIVATIONS):
            if _bounds(raw, activation, result) == bounds:
                self.content[place] = activation
                return

    def _write(self, view: AnyArray, values: AnyArray, what: str) -> None:
        if view.size != values.size:
            raise NetworkError(f"{what}: {values.size} values do not fit the {view.size} of the file")
        place, content = int(view.__array_interface__["data"][0]), values.tobytes()
        if self.written.get(place, content) != content:
            raise NetworkError(f"{what} is shared with another tensor of the file, which needs other values")
        self.written[place] = content
        view[...] = values


def _bounds(raw: RawOperator, activation: int, result: TensorSpec) -> tuple[int, int] | None:
    """Returns the smallest and the largest integer under an activation; None if no integer lies in its range."""
    try:
        return activation_range(raw, activation, result)
    except NetworkError:
        return None


def patched(network: QuantizedNetwork, original: bytes, name: str) -> bytes:
    """Returns the original file with the network's weights, biases and scales, and its rescalers in tensors' names.

    A layer that has no bias in the file gets one if the network's is not 0, and a clamp that is an operator becomes
    another one if its bounds are those: RELU6 becomes RELU. A quantized dimension that a tensor does not have, for
    which LiteRT refuses a file, becomes 0.

    Weight scales are chosen so that ``s_x * s_w / s_y`` is what the network's multipliers and shifts represent,
    to the nearest float32. The runtime derives the rescalers of ADD, SUB, MUL and MEAN from the tensors' scales, which
    other operators share. A fused activation is replaced if the network's bounds are those of another one: RELU6 that
    ended where int8 ends becomes RELU if the scale has grown.

    Raises:
        NetworkError: the network does not belong to this file.
    """
    original = _with_every_place(network, original, name)
    graph = read_graph(original, name)
    patcher = _Patcher(bytearray(original), graph)
    for index in strange_axes(original):
        patcher.axis(index)
    for spec in network.tensors:
        if not _is_inner(network, spec):
            _patch_tensor(patcher, spec)
    for raw in graph.operators:
        if raw.kind in (TO_BATCH, FROM_BATCH):
            _patch_beside(patcher, network, raw)
    for index, values in network.constants.items():
        spec = network.tensors[index]
        patcher.data(_index_in_file(patcher, spec), values, f"the values of {spec.name!r}")
    for operator in network.operators:
        _patch_operator(patcher, network, operator)
        if isinstance(operator, LstmRecurrence):
            _patch_recurrence(patcher, network, operator)
    return annotated(bytes(patcher.content), network, graph)


def _with_every_place(network: QuantizedNetwork, original: bytes, name: str) -> bytes:
    """Returns the file with a bias for every layer of the network that has one, and with its stand-alone clamps."""
    graph = read_graph(original, name)
    placed = [each for each in network.operators if operator_index(each) < len(graph.operators)]  # if it is this file
    weighted = [each for each in placed if isinstance(each, Weighted) and each.bias.any()]
    biases = [new for operator in weighted if (new := _new_bias(network, operator, graph))]
    requantized = [each for each in placed if isinstance(each, Requantize)]
    kinds = {operator_index(each): kind for each in requantized if (kind := _new_clamp(network, each, graph))}
    return rewritten(original, graph, biases, kinds)


def _new_clamp(network: QuantizedNetwork, operator: Requantize, graph: RawGraph) -> str | None:
    """Returns the kind of clamp that has an operator's bounds, if that of the file has others and there is one."""
    raw, result = graph.operators[operator_index(operator)], network.tensors[operator.output]
    bounds = (operator.q_min, operator.q_max)
    if raw.kind not in CLAMPS or _clamped(raw, raw.kind, result) == bounds:
        return None
    return next((kind for kind in CLAMPS if _clamped(raw, kind, result) == bounds), None)


def _clamped(raw: RawOperator, kind: str, result: TensorSpec) -> tuple[int, int] | None:
    """Returns the smallest and the largest integer of a stand-alone clamp; None if no integer lies in its range."""
    try:
        return clamp_range(raw, CLAMPS[kind], result)
    except NetworkError:
        return None


def _new_bias(network: QuantizedNetwork, operator: Weighted, graph: RawGraph) -> NewBias | None:
    raw = graph.operators[operator_index(operator)]
    _, at = weighted_inputs(operator.name, raw.kind)
    if at < 0 or (at < len(raw.inputs) and raw.inputs[at] != -1):
        return None
    scales = runtime_weight_scale(network, operator) * network.tensors[operator.inputs[0]].scale
    wide = operator.bias_bits > INT32_BITS
    return NewBias(raw.index, at, operator.out_channels, wide, scales, f"{operator.name}/bias")


def _patch_operator(patcher: _Patcher, network: QuantizedNetwork, operator: Operator) -> None:
    if isinstance(operator, Weighted):
        _patch_weighted(patcher, network, operator)
    elif isinstance(operator, FilledPad):
        _patch_padding(patcher, network, operator)
    if isinstance(operator, RescaledOperator | Pool):
        raw = patcher.graph.operators[operator_index(operator)]
        patcher.activation(raw, (operator.q_min, operator.q_max), network.tensors[operator.output])


def _patch_recurrence(patcher: _Patcher, network: QuantizedNetwork, operator: LstmRecurrence) -> None:
    """Replaces the scales of states, and the weights of the parts.

    TFLite's kernel makes the hidden state's rescaler from the scale of the file's hidden state, whatever the output's.
    """
    raw = patcher.graph.operators[operator_index(operator)]
    state, made = (network.tensors[index] for index in (operator.state, operator.hidden.output))
    patcher.quantization(raw.inputs[OUTPUT_STATE], np.array([state.scale]), state.zero_point, f"{raw}: output state")
    hidden = replace(made, scale=float(np.float32(ACTIVATED_SCALE**2 / operator.hidden.rescaler.scale[0])))
    patcher.quantization(raw.intermediates[-1], np.array([hidden.scale]), None, f"{raw}: hidden state")
    stated = network.with_tensors({operator.hidden.output: hidden})
    for part in operator.parts:
        if isinstance(part, Weighted):
            _patch_weighted(patcher, stated, part)


def _is_inner(network: QuantizedNetwork, spec: TensorSpec) -> bool:
    """Returns whether a tensor lies inside of an operator of a file that others of the network were imported from."""
    return spec.file_index is None and any(each.file_index is not None for each in network.tensors)


def _patch_tensor(patcher: _Patcher, spec: TensorSpec) -> None:
    index = _index_in_file(patcher, spec)
    raw = patcher.graph.tensors[index]
    if raw.name != spec.name or (raw.data is None and raw.shape[1:] != spec.shape):
        raise NetworkError(f"tensor {spec.name!r} {list(spec.shape)} is {raw} {list(raw.shape)} in this file")
    patcher.quantization(index, np.array([spec.scale]), spec.zero_point, f"the scale of {raw}")


def _patch_beside(patcher: _Patcher, network: QuantizedNetwork, raw: RawOperator) -> None:
    """Gives a tensor of blocks the quantization of the network's tensor that they are made of, or that they make."""
    of, beside = (raw.inputs[0], raw.outputs[0]) if raw.kind == TO_BATCH else (raw.outputs[0], raw.inputs[0])
    for spec in network.tensors:
        if spec.file_index == of:
            patcher.quantization(beside, np.array([spec.scale]), spec.zero_point, f"the scale beside {raw}")


def _index_in_file(patcher: _Patcher, spec: TensorSpec) -> int:
    if spec.file_index is None or not 0 <= spec.file_index < len(patcher.graph.tensors):
        raise NetworkError(f"tensor {spec.name!r} was not imported from this file")
    return spec.file_index


def _bias_type(operator: Weighted) -> type[np.int32] | type[np.int64]:
    return np.int64 if operator.bias_bits > INT32_BITS else np.int32


def _patch_padding(patcher: _Patcher, network: QuantizedNetwork, operator: FilledPad) -> None:
    raw, source = patcher.graph.operators[operator_index(operator)], network.tensors[operator.inputs[0]]
    patcher.data(raw.inputs[2], np.array([operator.value], source.dtype), f"{raw}: its value")
    patcher.quantization(raw.inputs[2], np.array([source.scale]), source.zero_point, f"{raw}: its value's scale")


def _patch_weighted(patcher: _Patcher, network: QuantizedNetwork, operator: Weighted) -> None:
    raw = patcher.graph.operators[operator_index(operator)]
    weights = operator.weights
    if raw.kind == "DEPTHWISE_CONV_2D":
        assert isinstance(operator, Convolution)  # noqa: S101 -- the importer makes nothing else of it
        weights = np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    if raw.kind == "SVDF" and isinstance(operator, Convolution):  # of [units, memory, 1, rank]
        weights = np.ascontiguousarray(weights.transpose(0, 3, 1, 2))
    at, bias_at = weighted_inputs(operator.name, raw.kind)
    if isinstance(operator, TransposedConvolution):
        weights = weights[:, ::-1, ::-1]
    scale = runtime_weight_scale(network, operator)
    zero_point = operator.weight_zero_point
    of_uint8 = bool(patcher.offset(raw.inputs[at]))  # those of int8 have no zero point
    patcher.data(raw.inputs[at], weights.astype(np.int64) + zero_point if of_uint8 else weights, f"{raw}: weights")
    patcher.quantization(raw.inputs[at], scale, zero_point if of_uint8 else None, f"{raw}: weight scales")
    if not 0 <= bias_at < len(raw.inputs) or raw.inputs[bias_at] == -1:
        if operator.bias.any():
            raise NetworkError(f"{operator.name!r} has no bias in the file; the network's is not 0")
        return
    patcher.data(raw.inputs[bias_at], operator.bias.astype(_bias_type(operator)), f"{raw}: bias")
    bias_scales = scale * network.tensors[operator.inputs[0]].scale
    if patcher.graph.tensors[raw.inputs[bias_at]].scales.size == bias_scales.size:
        patcher.quantization(raw.inputs[bias_at], bias_scales, None, f"{raw}: bias scales")
