"""Converters of the operators with a state: UNIDIRECTIONAL_SEQUENCE_LSTM and SVDF, each sample from a fresh state.

The products of an LSTM's inputs and weights become fully connected layers, the rest one operator. An SVDF becomes a
fully connected layer (its feature weights) and a convolution along time whose padding is the fresh state.
"""

import math

import numpy as np
import tflite

from nets.errors import NetworkError
from nets.importers.tflite.builder import (
    Builder,
    check_shape,
    check_work,
    constant,
    frozen,
    full_rescaler,
    quantization,
)
from nets.importers.tflite.graph import RawOperator, RawTensor
from nets.network import (
    ACTIVATED_BITS,
    ACTIVATED_SCALE,
    GATE_SCALE,
    GATES,
    STATE_PRODUCT_BITS,
    Contract,
    Convolution,
    FullyConnected,
    GatedCell,
    Int8Array,
    IntArray,
    LstmRecurrence,
    Operator,
    Reshape,
    TensorSpec,
    WeightArray,
    weighted_scale,
)

# Positions of the LSTM's inputs: of four weights or biases, those of the gates in the order of GATES.
INPUT_WEIGHTS, RECURRENT_WEIGHTS, BIASES = 1, 5, 12
PROJECTION_WEIGHTS, PROJECTION_BIAS, OUTPUT_STATE, CELL_STATE = 16, 17, 18, 19
_PEEPHOLES, _LAYER_NORMS = range(9, 12), range(20, 24)
_SVDF_STATE = 4
_INTERMEDIATES = 5  # of the form with int16 cell states: four gates, and the hidden state


def weighted_inputs(name: str, kind: str) -> tuple[int, int]:
    """Returns the positions of weights and bias among a file's operator's inputs, by the name of one made from it."""
    if kind == "SVDF":
        return (1, -1) if name.startswith("svdf_feature") else (2, 3)
    if kind == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        role = name.split("_")[1:-1]
        if role == ["projection"]:
            return PROJECTION_WEIGHTS, PROJECTION_BIAS
        gate = GATES.index(role[-1])
        return (RECURRENT_WEIGHTS + gate, -1) if role[0] == "recurrent" else (INPUT_WEIGHTS + gate, BIASES + gate)
    return 1, 3 if kind == "TRANSPOSE_CONV" else 2


def lstm(builder: Builder, raw: RawOperator) -> Operator:
    """Converts UNIDIRECTIONAL_SEQUENCE_LSTM of int8 inputs, weights and outputs, and an int16 cell state."""
    options = raw.options(tflite.UnidirectionalSequenceLSTMOptions)
    _check_form(builder, raw, time_major=bool(options.TimeMajor()), activation=options.FusedActivationFunction())
    source, result = builder.activation(raw), builder.result(raw)
    gates = GATES if builder.has_input(raw, INPUT_WEIGHTS) else GATES[1:]
    cells = _weights(builder, raw, INPUT_WEIGHTS + 1).shape[0]
    if len(source.shape) != 2:
        raise NetworkError(f"{raw} takes [batch, steps, features], not [batch, {list(source.shape)}]")
    check_work(raw, result, 4 * (source.shape[1] + result.shape[-1]))
    contract = builder.contract("lstm", wide=False, xnnpack=False)
    products = tuple(_input_product(builder, raw, gate, cells, contract) for gate in gates)
    check_shape(raw, (source.shape[0], result.shape[-1]), result)
    state, cell = _state(builder, raw, OUTPUT_STATE, "INT8"), _state(builder, raw, CELL_STATE, "INT16")
    if (state.scale, state.zero_point) != (result.scale, result.zero_point):
        raise NetworkError(f"{raw}: its output state has another quantization than its output")
    begun = builder.inner(f"{raw.kind} state", result.shape, result.scale, result.zero_point, 8)
    recurrent = tuple(_recurrent_product(builder, raw, gate, begun, cells, contract) for gate in gates)
    hidden, projection = _hidden(builder, raw, cells, contract)
    return LstmRecurrence(
        name=f"lstm_{raw.index}",
        inputs=products,
        output=raw.outputs[0],
        gates=gates,
        recurrent=recurrent,
        cell_exponent=_cell_exponent(raw, cell),
        cell_clip=_clip(options.real("CellClip"), cell.scale, 2**15 - 1),
        hidden=hidden,
        projection=projection,
        projection_clip=_clip(options.real("ProjClip"), result.scale, 127) if projection else 0,
        q_min=result.q_min,
        q_max=result.q_max,
    )


def _recurrent_product(
    builder: Builder, raw: RawOperator, gate: str, state: int, cells: int, contract: Contract
) -> FullyConnected:
    """Returns the layer from the state to a gate."""
    steps = builder.specs[state].shape[0]
    target = builder.inner(f"{raw.kind} {gate} recurrent", (steps, cells), GATE_SCALE, 0, STATE_PRODUCT_BITS)
    position = RECURRENT_WEIGHTS + GATES.index(gate)
    return _layer(builder, raw, f"lstm_recurrent_{gate}_{raw.index}", position, None, (state, target), contract)


def _hidden(
    builder: Builder, raw: RawOperator, cells: int, contract: Contract
) -> tuple[GatedCell, FullyConnected | None]:
    """Returns the product that makes the hidden state, and the projection behind it, if there is one.

    Without a projection the hidden state is the output, and TFLite's kernel takes the scale of the file's hidden state
    for nothing but the rescaler.
    """
    result, stated = builder.result(raw), _described(raw, builder.graph.tensor(raw.intermediates[-1], str(raw)))
    projected = builder.has_input(raw, PROJECTION_WEIGHTS)
    steps = result.shape[0]
    if not projected and stated.zero_point != result.zero_point:
        raise NetworkError(f"{raw}: its hidden state has another zero point than its output")
    if not projected and result.shape[-1] != cells:
        raise NetworkError(f"{raw} has {cells} cells and no projection to its {result.shape[-1]} outputs")
    gate, cell = (
        builder.inner(f"{raw.kind} {what}", (steps, cells), ACTIVATED_SCALE, 0, ACTIVATED_BITS)
        for what in ("output gate", "tanh of the cell")
    )
    # TFLite's kernel subtracts the zero point of a projection's input.
    scale, zero_point = (stated.scale, -stated.zero_point) if projected else (result.scale, result.zero_point)
    if not -128 <= zero_point <= 127:
        raise NetworkError(f"{raw}: its hidden state has zero point {stated.zero_point}; -127 to 127 are supported")
    made = builder.inner(f"{raw.kind} hidden", (steps, cells), scale, zero_point, 8)
    hidden = GatedCell(
        name=f"lstm_hidden_{raw.index}",
        inputs=(gate, cell),
        output=made,
        rescaler=full_rescaler(ACTIVATED_SCALE / stated.scale * ACTIVATED_SCALE, contract),
        q_min=result.q_min,
        q_max=result.q_max,
    )
    if not projected:
        return hidden, None
    target = builder.inner(f"{raw.kind} projection", result.shape, result.scale, result.zero_point, 8)
    positions = PROJECTION_WEIGHTS, PROJECTION_BIAS
    return hidden, _layer(builder, raw, f"lstm_projection_{raw.index}", *positions, (made, target), contract)


def svdf(builder: Builder, raw: RawOperator) -> Operator:
    """Converts SVDF of int8 inputs, feature weights and outputs; its state is int16, or int8 in TFLite Micro's form.

    Each of its filters is a product of the input, which enters a memory, and a sum of the memory with weights of its
    own; an output is the sum of ``rank`` filters. One run is one step from a fresh memory: the other elements are 0.
    """
    options = raw.options(tflite.SVDFOptions)
    rank, activation = options.Rank(), options.FusedActivationFunction()
    source, result = builder.activation(raw), builder.result(raw)
    state = _state(builder, raw, _SVDF_STATE, builder.input(raw, _SVDF_STATE).type_name)
    feature, time = _weights(builder, raw, 1), _time_weights(builder, raw, state)
    filters, memory = time.shape
    if rank < 1 or filters % rank or feature.shape != (filters, math.prod(source.shape)):
        raise NetworkError(
            f"{raw} of rank {rank}: weights of shapes {list(feature.shape)} and {list(time.shape)} do not fit input "
            f"{list(source.shape)}"
        )
    units = filters // rank
    check_shape(raw, (units,), result)
    if activation != tflite.ActivationFunctionType.RELU:  # no kernel takes another one, nor cuts at real 0
        raise NetworkError(f"{raw}: activation {activation} is not supported; use RELU")
    contract = builder.contract("svdf", wide=False, xnnpack=False)
    column = builder.inner(f"{raw.kind} state", (1, 1, filters), state.scale, state.zero_point, state.bits)
    summed = builder.inner(f"{raw.kind} output", (1, 1, units), result.scale, result.zero_point, result.bits)
    scales = [quantization(builder.input(raw, position))[0] for position in (1, 2)]
    in_scale = _scale(builder, source.scale, float(scales[0][0]), state.scale, contract)
    out_scale = _scale(builder, state.scale, float(scales[1][0]), result.scale, contract)
    builder.operators += [
        FullyConnected(
            name=f"svdf_feature_{raw.index}",
            inputs=raw.inputs[:1],
            output=column,
            weights=frozen(feature),
            bias=frozen(np.zeros(filters, np.int64)),
            weight_scale=frozen(scales[0]),
            rescaler=full_rescaler(in_scale, contract),
            q_min=state.q_min,
            q_max=state.q_max,
        ),
        Convolution(
            name=f"svdf_time_{raw.index}",
            inputs=(column,),
            output=summed,
            weights=frozen(time.reshape(units, rank, memory).transpose(0, 2, 1)[:, :, None]),
            bias=frozen(_bias(builder, raw, 3, units)),
            weight_scale=frozen(scales[1]),
            weight_bits=8 * time.dtype.itemsize,
            rescaler=full_rescaler(out_scale, contract),
            q_min=result.q_min,
            q_max=result.q_max,
            stride=(1, 1),
            dilation=(1, 1),
            padding=((memory - 1, 0), (0, 0)),
            groups=units,
        ),
    ]
    return Reshape(name=f"svdf_{raw.index}", inputs=(summed,), output=raw.outputs[0])


def _time_weights(builder: Builder, raw: RawOperator, state: TensorSpec) -> WeightArray:
    """Returns the weights along time ``[filters, memory]``, which have the type of the state."""
    tensor = builder.input(raw, 2)
    values = constant(tensor, "INT16" if state.bits > 8 else "INT8")
    scales, zero_points = quantization(tensor)
    if values.ndim != 2 or values.size == 0 or scales.size != 1 or zero_points.any():
        raise NetworkError(f"{raw}: weights {tensor} need two positive sizes, one scale and zero point 0")
    if math.prod(state.shape[1:]) != values.size:
        raise NetworkError(f"{raw}: its state has shape {list(state.shape)}; its memory has {list(values.shape)}")
    return values.astype(state.dtype)


def _check_form(builder: Builder, raw: RawOperator, *, time_major: bool, activation: int) -> None:
    present = [position for position in (*_PEEPHOLES, *_LAYER_NORMS) if builder.has_input(raw, position)]
    if present:
        what = "peepholes" if present[0] in _PEEPHOLES else "layer normalization"
        raise NetworkError(f"{raw} has {what} (input {present[0]}), which is not supported")
    if time_major:
        raise NetworkError(f"{raw} is time-major; only [batch, steps, features] is supported")
    if activation != tflite.ActivationFunctionType.TANH:
        raise NetworkError(f"{raw}: activation {activation} is not supported; use TANH")
    if len(raw.intermediates) != _INTERMEDIATES:
        raise NetworkError(
            f"{raw} has {len(raw.intermediates)} intermediate tensors; {_INTERMEDIATES}, of the form with int16 cell "
            "states (8x8_16), are supported"
        )


def _input_product(builder: Builder, raw: RawOperator, gate: str, cells: int, contract: Contract) -> int:
    """Adds the fully connected layer from the input to a gate, and returns its output's index."""
    source, at = builder.activation(raw), GATES.index(gate)
    index = builder.inner(f"{raw.kind} {gate} gate", (source.shape[0], cells), GATE_SCALE, 0, 16)
    name, positions = f"lstm_{gate}_{raw.index}", (INPUT_WEIGHTS + at, BIASES + at)
    builder.operators.append(_layer(builder, raw, name, *positions, (raw.inputs[0], index), contract))
    return index


def _layer(
    builder: Builder,
    raw: RawOperator,
    name: str,
    weights_at: int,
    bias_at: int | None,
    tensors: tuple[int, int],
    contract: Contract,
) -> FullyConnected:
    """Returns one of an LSTM's products of activations and weights, between two tensors."""
    source, target = (builder.specs[index] for index in tensors)
    cells = target.shape[-1]
    weights = _weights(builder, raw, weights_at, (cells, source.shape[-1]))
    weight_scale = quantization(builder.input(raw, weights_at))[0]
    scale = _scale(builder, source.scale, float(weight_scale[0]), target.scale, contract)
    return FullyConnected(
        name=name,
        inputs=tensors[:1],
        output=tensors[1],
        weights=frozen(weights),
        bias=frozen(np.zeros(cells, np.int64) if bias_at is None else _bias(builder, raw, bias_at, cells)),
        weight_scale=frozen(weight_scale),
        rescaler=full_rescaler(scale, contract),
        q_min=target.q_min,
        q_max=target.q_max,
    )


def _scale(builder: Builder, source: float, weight: float, target: float, contract: Contract) -> float:
    """Computes ``s_x * s_w / s_y`` of a matrix; for these operators the runtime multiplies and divides in float32."""
    if builder.profile.runtime is not None:
        return float(np.float32(source) * np.float32(weight) / np.float32(target))
    return float(weighted_scale(source, np.array([weight]), target, contract)[0])


def _weights(builder: Builder, raw: RawOperator, position: int, shape: tuple[int, int] | None = None) -> Int8Array:
    tensor = builder.input(raw, position)
    values = constant(tensor, "INT8")
    if values.ndim != 2 or values.size == 0 or (shape is not None and values.shape != shape):
        needed = "two positive sizes are" if shape is None else f"{list(shape)} is"
        raise NetworkError(f"{raw}: weights {tensor} have shape {list(values.shape)}; {needed} needed")
    scales, zero_points = quantization(tensor)
    if scales.size != 1 or zero_points.any():
        raise NetworkError(f"{raw}: weights {tensor} need one scale and zero point 0")
    return values.astype(np.int8)


def _bias(builder: Builder, raw: RawOperator, position: int, size: int) -> IntArray:
    if not builder.has_input(raw, position):
        return np.zeros(size, np.int64)
    values = constant(builder.input(raw, position), "INT32")
    if values.shape != (size,):
        raise NetworkError(f"{raw}: bias has shape {list(values.shape)}; [{size}] is needed")
    return values


def _state(builder: Builder, raw: RawOperator, position: int, type_name: str) -> TensorSpec:
    """Returns the quantization of a state."""
    tensor = builder.input(raw, position)
    if not tensor.variable or tensor.type_name != type_name or type_name not in ("INT8", "INT16"):
        raise NetworkError(
            f"{raw}: {tensor} is {tensor.type_name}; its state has to be a variable of {type_name} integers"
        )
    return _described(raw, tensor)


def _described(raw: RawOperator, tensor: RawTensor) -> TensorSpec:
    scales, zero_points = quantization(tensor)
    bits = 16 if tensor.type_name == "INT16" else 8
    zero = int(zero_points[0]) if zero_points.size == 1 else 0
    if scales.size != 1 or not -(1 << bits - 1) <= zero < 1 << bits - 1 or (bits > 8 and zero):
        raise NetworkError(f"{raw}: {tensor} needs one scale and a zero point of its type, 0 of int16")
    return TensorSpec(tensor.name, tensor.shape, float(scales[0]), zero, bits)


def _cell_exponent(raw: RawOperator, cell: TensorSpec) -> int:
    fraction, exponent = math.frexp(cell.scale)
    if fraction != 0.5 or not -15 <= exponent - 1 <= -9:
        raise NetworkError(f"{raw}: its cell state has scale {cell.scale}; a power of two, 2**-15 to 2**-9, is needed")
    return exponent - 1


def _clip(real: float, scale: float, largest: int) -> int:
    """Returns a clip in steps, as TFLite rounds it; 0 if there is none."""
    if not real > 0:
        return 0
    return min(int(np.float32(real) / np.float32(scale)), largest)
