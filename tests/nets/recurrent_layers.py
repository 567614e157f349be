"""Random layers with a state, on top of the .tflite writer: LSTM of int8 with int16 cells, SVDF."""

import numpy as np
from random_layers import Layers
from tflite import ActivationFunctionType


def _matrix(layers: Layers, rows: int, columns: int, scale: float) -> int:
    return layers.writer.constant(layers.rng.integers(-127, 128, (rows, columns)), "INT8", [scale])


def lstm(
    layers: Layers,
    x: int,
    cells: int,
    outputs: int | None = None,
    *,
    coupled: bool = False,
    cell_clip: float = 0.0,
    proj_clip: float = 0.0,
    cell_exponent: int = -12,
) -> int:
    """An LSTM with a projection if ``outputs`` are given, without an input gate if its gates are coupled."""
    rng, writer = layers.rng, layers.writer
    batch, steps, features = layers.shape(x)
    width = outputs or cells
    state_scale, state_zero = float(np.float32(rng.uniform(0.006, 0.009))), int(rng.integers(-20, 20))
    hidden_scale = float(np.float32(rng.uniform(0.006, 0.009))) if outputs else state_scale
    hidden_zero = int(rng.integers(-20, 20)) if outputs else state_zero
    gates = range(1, 4) if coupled else range(4)
    inputs = [-1] * 24
    inputs[0] = x
    for gate in gates:
        scale = 2 / (layers.scale(x) * 127 * 100 * features**0.5) * float(rng.uniform(0.5, 2))
        inputs[1 + gate] = _matrix(layers, cells, features, scale)
        inputs[5 + gate] = _matrix(layers, cells, width, float(rng.uniform(0.5, 2) * 3 / (127 * width**0.5)))
        inputs[12 + gate] = writer.constant(rng.integers(-9000, 9000, cells), "INT32", [layers.scale(x) * scale])
    if outputs:
        scale = 1.5 / (127 * cells**0.5)
        inputs[16] = _matrix(layers, outputs, cells, scale)
        inputs[17] = writer.constant(rng.integers(-2000, 2000, outputs), "INT32", [scale * hidden_scale])
    inputs[18] = writer.state((batch, width), state_scale, state_zero, "INT8")
    inputs[19] = writer.state((batch, cells), 2.0**cell_exponent, 0, "INT16")
    out = writer.activation((batch, steps, width), state_scale, state_zero)
    writer.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [out], "UnidirectionalSequenceLSTMOptions",
        FusedActivationFunction=ActivationFunctionType.TANH, CellClip=cell_clip, ProjClip=proj_clip,
    )  # fmt: skip
    unused = [writer.activation((0,), 0.0, 0, "FLOAT32") for _ in range(4)]
    writer.operators[-1].intermediates = [*unused, writer.activation((0,), hidden_scale, hidden_zero)]
    return out


def svdf(layers: Layers, x: int, units: int, rank: int = 1, memory: int = 5, *, wide: bool = True) -> int:
    """An SVDF whose state is int16, or int8 as in TFLite Micro."""
    rng, writer, filters = layers.rng, layers.writer, units * rank
    batch, features = layers.shape(x)
    feature_scale = float(np.float32(rng.uniform(0.005, 0.01)))
    state_scale = layers.scale(x) * feature_scale * 127 * 100 * features**0.5 / (2**14 if wide else 2**6)
    state_zero = 0 if wide else int(rng.integers(-50, 50))
    kind, limit = ("INT16", 2**9) if wide else ("INT8", 127)
    time_scale = float(np.float32(rng.uniform(0.5, 1) / limit))
    state = writer.state((batch, memory * filters), state_scale, state_zero, kind)
    inputs = [
        x,
        writer.constant(rng.integers(-127, 128, (filters, features)), "INT8", [feature_scale]),
        writer.constant(rng.integers(-limit, limit + 1, (filters, memory)), kind, [time_scale]),
        writer.constant(rng.integers(-3000, 3000, units), "INT32", [state_scale * time_scale]),
        state,
    ]
    out = layers.result((units,), state_scale * time_scale * limit * (100 if wide else 1) * rank**0.5)
    writer.operator(
        "SVDF", inputs, [out], "SVDFOptions", Rank=rank, FusedActivationFunction=ActivationFunctionType.RELU
    )
    return out
